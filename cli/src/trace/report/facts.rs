//! What is kept of a trace while it is read.

use std::collections::BTreeMap;

use peer_sender_core::Stats;
use peer_sender_core::trace::{
    About, Header, MachineId, MachineState, Played, Record, Replay, Summary,
};

use super::peer::Peer;
use super::steps::Steps;
use super::table::Table;
use super::tally::First;
use crate::failure::Failure;
use crate::trace::astray::Astray;
use crate::trace::input::Input;
use crate::trace::story::Receivers;
use crate::trace::words::plain;

/// The most machines of which more is kept than that they were there.
pub(super) const MACHINES_MAX: usize = 256;
const MARKS_MAX: usize = 100;
const PROBLEMS_MAX: usize = 20;

/// What a trace says, from its first record to its last.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) header: Option<Header>,
    pub(super) file_bytes: u64,
    pub(super) torn: u64,
    pub(super) summary: Summary,
    /// The times of the first and the last step, in nanoseconds since 1970.
    pub(super) span: Option<(u64, u64)>,
    pub(super) machines: BTreeMap<MachineId, Machine>,
    pub(super) marks: First<(u64, String)>,
    /// Where the replay went another way, or could not go on.
    pub(super) problems: First<String>,
    astray: Astray,
    /// Steps that were passed over since their machine went another way.
    pub(super) astray_steps: u64,
    pub(super) steps: Steps,
    number: u64,
    /// What machines had counted that the trace begins with in the middle of their lives, and who
    /// had answered them.
    before: BTreeMap<MachineId, (Stats, Receivers)>,
}

/// One machine.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) about: About,
    pub(super) steps: u64,
    pub(super) events: u64,
    pub(super) part: Part,
}

/// What it is.
#[derive(Debug)]
pub(super) enum Part {
    Peer(Box<Peer>),
    Table(Box<Table>),
}

impl Facts {
    /// The list of steps begins with this one.
    pub(super) fn new(from: u64) -> Self {
        Self {
            header: None,
            file_bytes: 0,
            torn: 0,
            summary: Summary::default(),
            span: None,
            machines: BTreeMap::new(),
            marks: First::new(MARKS_MAX),
            problems: First::new(PROBLEMS_MAX),
            astray: Astray::default(),
            astray_steps: 0,
            steps: Steps::new(from),
            number: 0,
            before: BTreeMap::new(),
        }
    }

    /// What a trace says, from here to its end. The list of steps begins with this one.
    pub(super) fn read(input: &mut Input, from: u64) -> Result<Self, Failure> {
        let (mut facts, mut replay) = (Self::new(from), Replay::new());
        while let Some(record) = input.next()? {
            facts.record(&mut replay, record);
        }
        facts.torn = input.torn();
        facts.file_bytes = input.bytes();
        facts.header = input.header().cloned();
        facts.end(&replay);
        Ok(facts)
    }

    /// Has the replay go through a record, and takes in what comes of it.
    fn record(&mut self, replay: &mut Replay, record: Record) {
        let (mut imaged, mut stepped) = (None, None);
        match &record {
            Record::Image { machine, .. } if !self.machines.contains_key(machine) => {
                imaged = Some(*machine);
            }
            Record::Mark { unix_nanos, text } => self.marks.add(|| (*unix_nanos, plain(text))),
            Record::Gone { machine } => {
                if let Some((_, state)) = replay.machine(*machine) {
                    self.goes(*machine, state);
                }
            }
            Record::Step { machine, .. } => stepped = Some(*machine),
            _ => {}
        }
        match replay.record(record) {
            Ok(Some(played)) => self.step(&played),
            Ok(None) => {
                let astray = stepped.is_some_and(|machine| self.astray.contains(machine));
                self.astray_steps += u64::from(astray);
            }
            Err(error) => {
                self.astray.note(&error);
                self.problems.add(|| plain(&error.to_string()));
            }
        }
        if let Some(machine) = imaged
            && let Some((_, MachineState::Sender(sender))) = replay.machine(machine)
            && self.before.len() < MACHINES_MAX
        {
            let mut receivers = Receivers::default();
            receivers.look(sender);
            self.before.insert(machine, (sender.stats(), receivers));
        }
    }

    /// The trace has ended.
    fn end(&mut self, replay: &Replay) {
        for (id, _, state) in replay.machines() {
            self.goes(id, state);
        }
        self.summary = replay.summary();
        self.tell_apart();
    }

    /// Gives every machine a name of its own, and those words that have but a number or nothing.
    fn tell_apart(&mut self) {
        let mut uses: BTreeMap<String, u64> = BTreeMap::new();
        for (id, machine) in &mut self.machines {
            let name = &mut machine.about.name;
            if name.is_empty() {
                *name = format!("machine {}", id.0);
            } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
                name.insert_str(0, "peer ");
            }
            *uses.entry(name.clone()).or_default() += 1;
        }
        for (id, machine) in &mut self.machines {
            let name = &mut machine.about.name;
            if uses.get(name) > Some(&1) {
                *name = format!("{name} (machine {})", id.0);
            }
        }
    }

    fn step(&mut self, played: &Played<'_>) {
        let time = played
            .about
            .zero_unix_nanos
            .saturating_add(played.now.as_nanos());
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first, last.max(time)));
        self.number += 1;
        let notable = self.machine(played, first).is_some_and(|machine| {
            machine.steps += 1;
            machine.events += played.events.len() as u64;
            match (&mut machine.part, played.state) {
                (Part::Peer(peer), MachineState::Sender(machine)) => {
                    peer.step(time, machine, played)
                }
                (Part::Table(table), MachineState::Sessions(sessions)) => {
                    table.step(time, sessions, played)
                }
                _ => false,
            }
        });
        self.steps.add(self.number, time, notable, played);
    }

    /// The machine of a step, if it is one of those that are kept.
    fn machine(&mut self, played: &Played<'_>, start: u64) -> Option<&mut Machine> {
        let known = self.machines.contains_key(&played.machine);
        if !known && self.machines.len() < MACHINES_MAX {
            let part = match played.state {
                MachineState::Sender(_) => {
                    let before = self.before.remove(&played.machine);
                    Part::Peer(Box::new(Peer::new(start, before.unwrap_or_default())))
                }
                MachineState::Sessions(_) => Part::Table(Box::new(Table::new(start))),
            };
            let machine = Machine {
                about: About {
                    name: plain(&played.about.name),
                    ..played.about.clone()
                },
                steps: 0,
                events: 0,
                part,
            };
            self.machines.insert(played.machine, machine);
        }
        self.machines.get_mut(&played.machine)
    }

    fn goes(&mut self, machine: MachineId, state: &MachineState) {
        let end = self.span.map_or(0, |span| span.1);
        if let Some(Machine {
            part: Part::Table(table),
            ..
        }) = self.machines.get_mut(&machine)
            && let MachineState::Sessions(sessions) = state
        {
            table.add_up(end, sessions);
        }
    }

    /// Senders, those with the most trouble first.
    pub(super) fn peers(&self) -> Vec<(MachineId, &Machine, &Peer)> {
        let peers = self
            .machines
            .iter()
            .filter_map(|(&id, machine)| match &machine.part {
                Part::Peer(peer) => Some((id, machine, &**peer)),
                Part::Table(_) => None,
            });
        let mut peers: Vec<_> = peers.collect();
        peers.sort_by_key(|(_, _, peer)| std::cmp::Reverse(peer.trouble()));
        peers
    }

    /// Tables of sessions, in the order in which they were made.
    pub(super) fn tables(&self) -> Vec<(MachineId, &Machine, &Table)> {
        let tables = self
            .machines
            .iter()
            .filter_map(|(&id, machine)| match &machine.part {
                Part::Table(table) => Some((id, machine, &**table)),
                Part::Peer(_) => None,
            });
        tables.collect()
    }
}
