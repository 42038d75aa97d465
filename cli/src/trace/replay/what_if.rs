//! What if the senders had had another configuration.
//!
//! Each is put beside the recorded one and told the same, for as long as it asks the outside world
//! for the same at the same moments. Where it asks for something else, the world would have answered
//! something else, and nothing is known from there on.

use std::collections::BTreeMap;
use std::path::Path;

use peer_sender_core::trace::{
    Alternative, MachineConfig, MachineId, MachineState, TraceAction, is_outward,
};
use peer_sender_core::{Action, Deadline, Time};
use serde_json::json;

use super::setting::{self, Setting};
use super::stood::Stood;
use super::{Out, Player};
use crate::Verdict;
use crate::failure::Failure;
use crate::figures::{plural, thousands};
use crate::trace::moment::{Since, Utc};
use crate::trace::player::{Step, Told};
use crate::trace::trouble::Troubles;
use crate::trace::words::{action_words, clean};

/// As many differences that only the user saw are listed for each machine.
const LISTED_MAX: usize = 20;
/// More deadlines of its own than any sender has between two steps.
const ALONE_MAX: usize = 100_000;

pub(super) fn run(file: &Path, settings: &[Setting], json: bool) -> Result<Verdict, Failure> {
    let words: Vec<String> = settings.iter().map(Setting::to_string).collect();
    let mut what_if = WhatIf {
        settings,
        words: words.join(" "),
        others: BTreeMap::new(),
        start: 0,
        out: Out::stdout(),
        json,
    };
    let mut player = Player::open(file)?;
    let mut troubles = Troubles::default();
    while let Some(told) = player.next()? {
        troubles.note(&told);
        what_if.tell(told)?;
    }
    let latest = player.latest();
    for (machine, mut other) in std::mem::take(&mut what_if.others) {
        let now = Time::from_nanos(latest.saturating_sub(other.zero));
        let parted = other.catch_up(now);
        what_if.conclude(machine, &other, parted)?;
    }
    what_if.out.flush()?;
    Ok(troubles.tell())
}

struct WhatIf<'a> {
    settings: &'a [Setting],
    /// The settings in words.
    words: String,
    others: BTreeMap<MachineId, Other>,
    start: u64,
    out: Out,
    json: bool,
}

/// A sender of the other configuration, beside a recorded one.
struct Other {
    name: String,
    zero: u64,
    sender: Alternative,
    /// The recorded one's deadline after its last step.
    recorded_due: Option<Deadline>,
    /// How the recorded one stood then.
    recorded: Option<Stood>,
    steps: u64,
    /// What only the user saw, and saw differently: the first of it, and how much.
    listed: Vec<Difference>,
    differences: u64,
}

struct Difference {
    at: Time,
    /// Whether it is of the other configuration, and not of the record.
    other: bool,
    text: String,
}

/// Where the two asked for different things.
struct Parted {
    at: Time,
    /// The recorded step, if the other one did not ask between two of them.
    step: Option<u64>,
    recorded: Vec<String>,
    other: Vec<String>,
}

impl WhatIf<'_> {
    fn tell(&mut self, told: Told<'_>) -> Result<(), Failure> {
        match told {
            Told::Made {
                machine,
                about,
                config: Some(config),
                seed,
            } => {
                if let MachineConfig::Sender(config) = *config {
                    let config = setting::apply(&config, self.settings);
                    let config = config.map_err(|error| Failure::WhatIf { error })?;
                    let other = Other {
                        name: about.name,
                        zero: about.zero_unix_nanos,
                        sender: Alternative::new(config, seed),
                        recorded_due: None,
                        recorded: None,
                        steps: 0,
                        listed: Vec::new(),
                        differences: 0,
                    };
                    self.others.insert(machine, other);
                }
            }
            Told::Step(step) => {
                if self.start == 0 {
                    self.start = step.at;
                }
                self.step(&step)?;
            }
            Told::Gone { machine } => {
                if let Some(other) = self.others.remove(&machine) {
                    self.conclude(machine, &other, None)?;
                }
            }
            Told::Diverged(divergence) => {
                self.others.remove(&divergence.machine);
            }
            Told::Impossible { machine, .. } => {
                self.others.remove(&machine);
            }
            Told::Made {
                machine,
                about,
                config: None,
                ..
            } if !self.json => {
                let name = clean(&about.name);
                self.out.line(&format!(
                    "{name} (machine {}) was made before the trace begins: it cannot have another \
                     configuration from its beginning, and is left out",
                    machine.0
                ))?;
            }
            Told::Made { .. } | Told::Mark { .. } | Told::Nothing | Told::Passed { .. } => {}
        }
        Ok(())
    }

    fn step(&mut self, step: &Step<'_>) -> Result<(), Failure> {
        let machine = step.played.machine;
        let Some(other) = self.others.get_mut(&machine) else {
            return Ok(());
        };
        let parted = match other.catch_up(step.played.now) {
            Some(parted) => Some(parted),
            None => other.step(step),
        };
        if parted.is_some()
            && let Some(other) = self.others.remove(&machine)
        {
            self.conclude(machine, &other, parted)?;
        }
        Ok(())
    }

    fn conclude(
        &mut self,
        machine: MachineId,
        other: &Other,
        parted: Option<Parted>,
    ) -> Result<(), Failure> {
        if self.json {
            return self.conclude_json(machine, other, parted);
        }
        let name = clean(&other.name);
        let place = |at: Time| {
            let nanos = other.zero.saturating_add(at.as_nanos());
            let since = Since(nanos.saturating_sub(self.start));
            format!("{} UTC ({since} s)", Utc(nanos))
        };
        let mut lines = vec![format!(
            "{name} (machine {}) with {}:",
            machine.0, self.words
        )];
        match &parted {
            None => lines.push(format!(
                "  asks for the same to the end of the trace, {}",
                plural(other.steps, "step")
            )),
            Some(parted) => {
                let step = match parted.step {
                    Some(step) => format!("step #{step} of the trace"),
                    None => "between two steps of the trace".to_owned(),
                };
                lines.push(format!(
                    "  asks for the same in its first {}, and parts from the record at {}, {step}",
                    plural(other.steps, "step"),
                    place(parted.at)
                ));
                lines.extend(asked("recorded:", &parted.recorded));
                lines.extend(asked("with it: ", &parted.other));
                lines.push(
                    "  the outside world would have answered something else: nothing is known \
                     beyond"
                        .to_owned(),
                );
            }
        }
        if let Some(recorded) = other.recorded {
            lines.push(format!("  recorded: {}", recorded.words()));
            lines.push(format!(
                "  with it:  {}",
                Stood::of(other.sender.machine()).words()
            ));
        }
        if other.differences > 0 {
            lines.push(format!(
                "  until there the user would have seen {}:",
                match other.differences {
                    1 => "1 difference".to_owned(),
                    count => format!("{} differences", thousands(count)),
                }
            ));
        }
        for difference in &other.listed {
            let whose = if difference.other {
                "with it: "
            } else {
                "recorded:"
            };
            let at = other.zero.saturating_add(difference.at.as_nanos());
            let since = Since(at.saturating_sub(self.start));
            lines.push(format!("    {since} s {whose} {}", difference.text));
        }
        for line in lines {
            self.out.line(&line)?;
        }
        Ok(())
    }

    fn conclude_json(
        &mut self,
        machine: MachineId,
        other: &Other,
        parted: Option<Parted>,
    ) -> Result<(), Failure> {
        let utc = |at: Time| Utc(other.zero.saturating_add(at.as_nanos())).to_string();
        let object = json!({
            "machine": machine.0,
            "peer": other.name,
            "set": self.words,
            "steps": other.steps,
            "parted": parted.map(|parted| json!({
                "time": utc(parted.at),
                "step": parted.step,
                "recorded": parted.recorded,
                "with_it": parted.other,
            })),
            "recorded": other.recorded.map(Stood::words),
            "with_it": Stood::of(other.sender.machine()).words(),
            "differences": other.differences,
            "listed": other.listed.iter().map(|it| json!({
                "time": utc(it.at),
                "whose": if it.other { "with_it" } else { "recorded" },
                "text": it.text,
            })).collect::<Vec<_>>(),
        });
        self.out.line(&object.to_string())
    }
}

impl Other {
    /// Goes through its own deadlines up to this moment.
    fn catch_up(&mut self, now: Time) -> Option<Parted> {
        for _ in 0..ALONE_MAX {
            let due = self.sender.due_before(now, self.recorded_due)?;
            let actions = self.sender.step_alone(due).to_vec();
            let asked: Vec<_> = actions.iter().filter(|it| is_outward(it)).collect();
            if !asked.is_empty() {
                return Some(Parted {
                    at: due.at,
                    step: None,
                    recorded: Vec::new(),
                    other: asked.into_iter().map(words).collect(),
                });
            }
            self.note(due.at, &[], &actions);
        }
        None
    }

    /// The recorded step.
    fn step(&mut self, step: &Step<'_>) -> Option<Parted> {
        let played = &step.played;
        let actions = self.sender.step(played.now, &played.events)?.to_vec();
        let outward = |actions: &[Action]| -> Vec<TraceAction> {
            let outward = actions.iter().filter(|it| is_outward(it));
            outward.map(TraceAction::from).collect()
        };
        let (recorded, other) = (outward(played.actions), outward(&actions));
        if let MachineState::Sender(machine) = played.state {
            self.recorded_due = machine.next_deadline();
            self.recorded = Some(Stood::of(machine));
        }
        if recorded != other {
            let words = |actions: &[TraceAction]| -> Vec<String> {
                actions.iter().map(|it| action_words(it, &[])).collect()
            };
            return Some(Parted {
                at: played.now,
                step: Some(step.number),
                recorded: words(&recorded),
                other: words(&other),
            });
        }
        self.steps += 1;
        self.note(played.now, played.actions, &actions);
        None
    }

    /// Notes what only the user saw, where it differs.
    fn note(&mut self, at: Time, recorded: &[Action], other: &[Action]) {
        if recorded == other {
            return;
        }
        let inward = |actions: &[Action]| -> Vec<TraceAction> {
            let inward = actions.iter().filter(|it| !is_outward(it));
            inward.map(TraceAction::from).collect()
        };
        let (recorded, other) = (inward(recorded), inward(other));
        let alone = |these: &[TraceAction], those: &[TraceAction]| -> Vec<String> {
            let alone = these.iter().filter(|it| !those.contains(it));
            alone.map(|it| action_words(it, &[])).collect()
        };
        let (mut of_record, mut of_other) = (alone(&recorded, &other), alone(&other, &recorded));
        // What differs in a time alone, which is told beside it, reads the same.
        let in_both: Vec<_> = of_record
            .iter()
            .filter(|it| of_other.contains(it))
            .cloned()
            .collect();
        of_record.retain(|it| !in_both.contains(it));
        of_other.retain(|it| !in_both.contains(it));
        let of_record = of_record.into_iter().map(|it| (false, it));
        let of_other = of_other.into_iter().map(|it| (true, it));
        for (other, text) in of_record.chain(of_other) {
            self.differences += 1;
            if self.listed.len() < LISTED_MAX {
                self.listed.push(Difference { at, other, text });
            }
        }
    }
}

fn words(action: &Action) -> String {
    action_words(&TraceAction::from(action), &[])
}

fn asked(whose: &str, what: &[String]) -> Vec<String> {
    match what {
        [] => vec![format!("    {whose} nothing is asked for")],
        all => {
            let lines = all.iter().take(LISTED_MAX);
            lines.map(|it| format!("    {whose} {it}")).collect()
        }
    }
}
