//! What a trace is, and how much of what is in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use peer_sender_core::trace::{MachineConfig, MachineId, Payloads};
use serde::Serialize;

use super::{Player, Told, seconds};
use crate::Verdict;
use crate::console;
use crate::failure::Failure;
use crate::figures::{plural, thousands};
use crate::trace::condition::actions;
use crate::trace::moment::{Utc, spell};
use crate::trace::trouble::Troubles;
use crate::trace::words::{action_kind, clean, event_kind, plain};

/// As many machines are listed; the rest is counted.
const MACHINES_MAX: usize = 1_000;

/// As many marks are listed; the rest is counted.
const MARKS_MAX: usize = 100;

#[derive(Debug, Default, Serialize)]
struct Summary {
    program: String,
    payloads: &'static str,
    bytes: u64,
    torn: u64,
    first: Option<String>,
    last: Option<String>,
    seconds: f64,
    steps: u64,
    passed: u64,
    events: u64,
    actions: u64,
    marks: u64,
    machines: u64,
    kinds: BTreeMap<&'static str, u64>,
    listed: Vec<Machine>,
    marks_listed: Vec<Mark>,
}

/// What somebody wrote into the trace.
#[derive(Debug, Serialize)]
struct Mark {
    /// None if it was not known.
    time: Option<String>,
    text: String,
}

#[derive(Debug, Serialize)]
struct Machine {
    machine: u64,
    name: String,
    kind: &'static str,
    key: Option<String>,
    steps: u64,
    events: u64,
}

pub(super) fn run(file: &Path, json: bool) -> Result<Verdict, Failure> {
    let mut player = Player::open(file)?;
    let mut troubles = Troubles::default();
    let mut summary = Summary::default();
    let mut places: BTreeMap<MachineId, usize> = BTreeMap::new();
    while let Some(told) = player.next()? {
        troubles.note(&told);
        match told {
            Told::Made {
                machine,
                about,
                config,
                ..
            } => {
                summary.machines += 1;
                if summary.listed.len() < MACHINES_MAX {
                    places.insert(machine, summary.listed.len());
                    summary.listed.push(Machine {
                        machine: machine.0,
                        name: about.name,
                        kind: match config.as_deref() {
                            Some(MachineConfig::Sender(_)) => "sender",
                            Some(MachineConfig::Sessions(_)) => "sessions",
                            None => "begun before",
                        },
                        key: about.key.map(|key| key.to_string()),
                        steps: 0,
                        events: 0,
                    });
                }
            }
            Told::Step(step) => {
                let place = places.get(&step.played.machine);
                if let Some(machine) = place.and_then(|&place| summary.listed.get_mut(place)) {
                    machine.steps += 1;
                    machine.events += step.played.events.len() as u64;
                }
                let events = step.played.events.iter().map(event_kind);
                let kinds = &mut summary.kinds;
                let mut count = |kind| *kinds.entry(kind).or_default() += 1;
                events.for_each(&mut count);
                actions(&step).for_each(|action| count(action_kind(&action)));
            }
            Told::Mark { at, text } => {
                summary.marks += 1;
                if summary.marks_listed.len() < MARKS_MAX {
                    summary.marks_listed.push(Mark {
                        time: (at > 0).then(|| Utc(at).to_string()),
                        text: plain(&text),
                    });
                }
            }
            _ => {}
        }
    }
    let done = player.summary();
    summary.steps = done.steps;
    summary.passed = done.passed;
    summary.events = done.events;
    summary.actions = done.actions;
    summary.bytes = player.input().bytes();
    summary.torn = player.input().torn();
    if let Some(header) = player.header() {
        summary.program = clean(&header.program);
        summary.payloads = match header.payloads {
            Payloads::Whole => "whole",
            Payloads::Digest => "digests",
            Payloads::Length => "lengths",
        };
    }
    if done.steps > 0 {
        summary.first = Some(Utc(player.start()).to_string());
        summary.last = Some(Utc(player.latest()).to_string());
        summary.seconds = seconds(player.latest().saturating_sub(player.start()));
    }
    let text = match json {
        true => format!("{}\n", serde_json::json!(summary)),
        false => summary.page(player.latest().saturating_sub(player.start())),
    };
    console::print(&text, "the trace was read to its end")?;
    Ok(troubles.tell())
}

impl Summary {
    fn page(&self, span: u64) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "written by {}, payloads as {}",
            self.program, self.payloads
        );
        let torn = match self.torn {
            0 => String::new(),
            torn => format!(", the last {} of them torn off", thousands(torn)),
        };
        let _ = writeln!(text, "{}{torn}", plural(self.bytes, "byte"));
        match (&self.first, &self.last) {
            (Some(first), Some(last)) => {
                let _ = writeln!(text, "from {first} to {last} UTC, {}", spell(span));
            }
            _ => text.push_str("nothing has happened\n"),
        }
        let _ = writeln!(
            text,
            "{}, {}, {}, {}",
            plural(self.machines, "machine"),
            plural(self.steps, "step"),
            plural(self.events, "event"),
            plural(self.actions, "action"),
        );
        for machine in &self.listed {
            let key = match &machine.key {
                Some(key) => format!(", key {key}"),
                None => String::new(),
            };
            let _ = writeln!(
                text,
                "  machine {} {}: {}, {}, {}{key}",
                machine.machine,
                clean(&machine.name),
                machine.kind,
                plural(machine.steps, "step"),
                plural(machine.events, "event"),
            );
        }
        if let Some(more) = self.machines.checked_sub(MACHINES_MAX as u64 + 1) {
            let _ = writeln!(text, "  and {} more", thousands(more + 1));
        }
        for mark in &self.marks_listed {
            let time = mark.time.as_deref().unwrap_or("at an unknown time");
            let _ = writeln!(text, "  mark {time}: {}", mark.text);
        }
        if let Some(more) = self.marks.checked_sub(MARKS_MAX as u64 + 1) {
            let _ = writeln!(text, "  and {} more marks", thousands(more + 1));
        }
        for (kind, count) in &self.kinds {
            let _ = writeln!(text, "{:>12} {kind}", thousands(*count));
        }
        text
    }
}
