//! `trace diff`: the first thing that differs between two traces, for each machine.
//!
//! Both are gone through at once, and of each step a digest is kept until the other trace has the
//! step as well. The steps around a difference are read again to be shown.

mod context;
mod plain;

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use peer_sender_core::trace::MachineId;
use serde_json::json;

use self::context::Context;
use super::args::DiffArgs;
use super::condition::actions;
use super::out::Out;
use super::player::{Player, Step, Told};
use super::trouble::Troubles;
use super::words::clean;
use crate::Verdict;
use crate::failure::Failure;
use crate::figures::{plural, thousands};

/// A machine, as it is matched: its name, and the how-many-th of that name it is.
type Key = (String, u64);

/// As many steps may wait for those of the other trace.
const WAITING_MAX: usize = 8 << 20;

/// As many machines are shown with what is around their difference.
const SHOWN_MAX: usize = 20;

pub(super) fn run(args: &DiffArgs) -> Result<Verdict, Failure> {
    let mut diff = Diff {
        ignore_times: args.ignore_times,
        machines: BTreeMap::new(),
        waiting: 0,
    };
    let mut sides = [Side::open(&args.a)?, Side::open(&args.b)?];
    while !sides.iter().all(|side| side.over) {
        for (which, side) in sides.iter_mut().enumerate() {
            side.advance(which, &mut diff)?;
        }
    }
    let mut out = Out::stdout();
    let same = diff.conclude(args, &mut out)?;
    out.flush()?;
    let verdicts = sides.map(|side| side.troubles.tell());
    let replayed = verdicts == [Verdict::AllIsWell; 2];
    Ok(match (replayed, same) {
        (false, _) => Verdict::Diverged,
        (true, true) => Verdict::AllIsWell,
        (true, false) => Verdict::NotAll,
    })
}

/// One of the two traces.
struct Side {
    player: Player,
    names: Names,
    troubles: Troubles,
    over: bool,
}

/// How the machines of a trace are matched.
#[derive(Default)]
struct Names {
    keys: BTreeMap<MachineId, Key>,
    met: BTreeMap<String, u64>,
}

impl Names {
    fn meet(&mut self, machine: MachineId, name: &str) -> Key {
        let met = self.met.entry(name.to_owned()).or_default();
        let key = (name.to_owned(), *met);
        *met += 1;
        self.keys.insert(machine, key.clone());
        key
    }

    fn of(&self, machine: MachineId) -> Option<&Key> {
        self.keys.get(&machine)
    }
}

struct Diff {
    ignore_times: bool,
    machines: BTreeMap<Key, Pair>,
    /// Digests that wait, of all machines.
    waiting: usize,
}

/// A machine in both traces.
#[derive(Default)]
struct Pair {
    made: [Option<u64>; 2],
    /// Steps of each side.
    steps: [u64; 2],
    /// Steps of one side that the other does not have yet: which side, and their digests.
    ahead: (usize, VecDeque<u64>),
    /// How many steps come before the first that differs.
    differs_after: Option<u64>,
}

impl Side {
    fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            player: Player::open(path)?,
            names: Names::default(),
            troubles: Troubles::default(),
            over: false,
        })
    }

    /// Goes on by a record.
    fn advance(&mut self, which: usize, diff: &mut Diff) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let Some(told) = self.player.next()? else {
            self.over = true;
            return Ok(());
        };
        self.troubles.note(&told);
        match told {
            Told::Made {
                machine,
                about,
                config,
                seed,
            } => {
                let key = self.names.meet(machine, &about.name);
                let made = digest_of(&(config.as_deref(), seed));
                let pair = diff.machines.entry(key).or_default();
                if let Some(place) = pair.made.get_mut(which) {
                    *place = Some(made);
                }
            }
            Told::Step(step) => {
                if let Some(key) = self.names.of(step.played.machine) {
                    diff.step(which, key, &step)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Diff {
    fn step(&mut self, which: usize, key: &Key, step: &Step<'_>) -> Result<(), Failure> {
        let Some(pair) = self.machines.get_mut(key) else {
            return Ok(());
        };
        if let Some(count) = pair.steps.get_mut(which) {
            *count += 1;
        }
        if pair.differs_after.is_some() {
            return Ok(());
        }
        let digest = digest(step, self.ignore_times);
        let (side, ahead) = &mut pair.ahead;
        if ahead.is_empty() || *side == which {
            *side = which;
            ahead.push_back(digest);
            self.waiting += 1;
            if self.waiting > WAITING_MAX {
                return Err(Failure::TooFarApart);
            }
            return Ok(());
        }
        self.waiting -= 1;
        if ahead.pop_front() != Some(digest) {
            pair.differs_after = pair.steps.get(which).map(|steps| steps - 1);
            self.waiting -= ahead.len();
            ahead.clear();
        }
        Ok(())
    }

    /// Says what differs; whether nothing does.
    fn conclude(mut self, args: &DiffArgs, out: &mut Out) -> Result<bool, Failure> {
        for pair in self.machines.values_mut() {
            let [a, b] = pair.steps;
            if pair.differs_after.is_none() && a != b {
                pair.differs_after = Some(a.min(b));
            }
        }
        let differing = self.machines.iter();
        let differing =
            differing.filter_map(|(key, pair)| Some((key.clone(), pair.differs_after?)));
        let wanted: BTreeMap<Key, u64> = differing.take(SHOWN_MAX).collect();
        let around = u64::from(args.context);
        let contexts = match wanted.is_empty() {
            true => [Context::default(), Context::default()],
            false => [
                Context::read(&args.a, &wanted, around)?,
                Context::read(&args.b, &wanted, around)?,
            ],
        };
        let mut same = true;
        for (key, pair) in &self.machines {
            let [a, b] = pair.made;
            let made_alike = a == b;
            same &= made_alike && pair.differs_after.is_none();
            let texts = [&contexts[0], &contexts[1]].map(|context| context.of(key));
            match args.json {
                true => out.line(&pair.json(key, made_alike, texts).to_string())?,
                false => pair.print(key, args, made_alike, texts, out)?,
            }
        }
        if !args.json {
            out.line(match same {
                true => "the same",
                false => "not the same",
            })?;
        }
        Ok(same)
    }
}

impl Pair {
    fn print(
        &self,
        (name, nth): &Key,
        args: &DiffArgs,
        made_alike: bool,
        texts: [&[String]; 2],
        out: &mut Out,
    ) -> Result<(), Failure> {
        let name = match nth {
            0 => clean(name),
            nth => format!("{} (number {})", clean(name), nth + 1),
        };
        let files = [&args.a, &args.b].map(|path| path.display().to_string());
        match self.made {
            [Some(_), None] => return out.line(&format!("{name}: is only in {}", files[0])),
            [None, Some(_)] => return out.line(&format!("{name}: is only in {}", files[1])),
            _ => {}
        }
        if !made_alike {
            out.line(&format!(
                "{name}: was made with another configuration, or another seed"
            ))?;
        }
        let [a, b] = self.steps;
        let Some(after) = self.differs_after else {
            return out.line(&format!("{name}: the same, {}", plural(a, "step")));
        };
        if after == a.min(b) {
            let (shorter, longer) = if a < b { (0, 1) } else { (1, 0) };
            out.line(&format!(
                "{name}: {} ends after {} that are the same; {} has {} more",
                files[shorter],
                plural(after, "step"),
                files[longer],
                thousands(a.max(b) - after)
            ))?;
        } else {
            out.line(&format!(
                "{name}: differs after {} that are the same",
                plural(after, "step")
            ))?;
        }
        for (file, lines) in files.iter().zip(texts) {
            out.line(&format!("  {file}:"))?;
            for line in lines {
                out.line(&format!("    {line}"))?;
            }
        }
        Ok(())
    }

    fn json(
        &self,
        (name, nth): &Key,
        made_alike: bool,
        texts: [&[String]; 2],
    ) -> serde_json::Value {
        json!({
            "peer": name,
            "nth": nth,
            "identical": made_alike && self.differs_after.is_none(),
            "in": self.made.map(|made| made.is_some()),
            "made_alike": made_alike,
            "steps": self.steps,
            "same_steps": self.differs_after.unwrap_or(self.steps[0]),
            "context": texts,
        })
    }
}

/// A digest of a step: equal for steps that are.
fn digest(step: &Step<'_>, ignore_times: bool) -> u64 {
    let played = &step.played;
    let mut hasher = DefaultHasher::new();
    if !ignore_times {
        step.at.hash(&mut hasher);
    }
    played.call.hash(&mut hasher);
    played.events.len().hash(&mut hasher);
    for event in &played.events {
        plain::event(event, ignore_times).hash(&mut hasher);
    }
    for action in actions(step) {
        plain::action(action, ignore_times).hash(&mut hasher);
    }
    hasher.finish()
}

fn digest_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
