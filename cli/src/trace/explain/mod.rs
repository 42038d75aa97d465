//! `trace explain`: what became of a message and why, how a peer's night went, and what an accepting
//! node's sessions received, in plain words.

mod causes;
mod errors;
mod history;
mod longest;
mod message;
mod peer;
mod restarts;
mod session;
mod table;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use peer_sender_core::MessageId;
use peer_sender_core::trace::{MachineId, MachineState, Replay};

use self::history::History;
use self::peer::Night;
use self::table::Table;
use self::wanted::Wanted;
use super::args::ExplainArgs;
use super::out::Out;
use super::player::{Player, Step, Told};
use super::story::{Fact, Life, Story};
use super::trouble::Troubles;
use super::words::clean;
use crate::Verdict;
use crate::failure::Failure;

/// As many senders are told of.
const SENDERS_MAX: usize = 1_000;

/// And of as many accepting nodes.
const TABLES_MAX: usize = 256;

pub(super) fn run(args: &ExplainArgs) -> Result<Verdict, Failure> {
    let mut player = Player::open(&args.file)?;
    let mut troubles = Troubles::default();
    let mut explained = Explained {
        wanted: Wanted::new(args.peer.as_deref()),
        message: args.message,
        story: Story::default(),
        unmet: Vec::new(),
        met: BTreeSet::new(),
        senders: BTreeMap::new(),
        tables: BTreeMap::new(),
        left_out: 0,
        facts: Vec::new(),
    };
    while let Some(told) = player.next()? {
        troubles.note(&told);
        explained.tell(told);
        explained.meet(player.replay());
    }
    for (machine, _, state) in player.replay().machines() {
        explained.sum(machine, state);
    }
    explained.end(player.latest());
    explained.wanted.check()?;
    explained.choose();
    let start = player.start();
    let mut out = Out::stdout();
    let printed = match args.message {
        Some(id) => explained.print_message(id, start, args.json, &mut out),
        None => explained.print_nights(start, args.json, &mut out),
    };
    out.flush()?;
    let verdict = troubles.tell();
    printed.map(|()| verdict)
}

struct Explained {
    wanted: Wanted,
    message: Option<MessageId>,
    story: Story,
    /// Machines that were made before the trace begins, until it is known how they stood.
    unmet: Vec<MachineId>,
    /// Accepting nodes of which that is known.
    met: BTreeSet<MachineId>,
    senders: BTreeMap<MachineId, Sender>,
    /// Accepting nodes, with their names.
    tables: BTreeMap<MachineId, (String, Table)>,
    /// Machines beyond those that are told of.
    left_out: u64,
    /// Empty between steps, kept for its capacity.
    facts: Vec<Fact>,
}

/// What is kept of a sender.
struct Sender {
    name: String,
    history: History,
    night: Night,
    /// The message that is asked for, with what is known of its time.
    found: Option<(Box<Life>, History)>,
}

impl Explained {
    fn tell(&mut self, told: Told<'_>) {
        match told {
            Told::Made {
                machine,
                about,
                config,
                ..
            } => {
                self.wanted.meet(machine, &about.name);
                if config.is_none() {
                    self.unmet.push(machine);
                }
            }
            Told::Step(step) => {
                let machine = step.played.machine;
                if !self.wanted.may_want(machine, &step.played.about.name) {
                    return;
                }
                match step.played.state {
                    MachineState::Sender(_) => self.sender(&step),
                    MachineState::Sessions(state) => {
                        if let Some((_, table)) = self.table(machine, &step) {
                            table.step(&step, state);
                        }
                    }
                }
            }
            Told::Gone { machine } => self.end_of(machine),
            Told::Diverged(divergence) => self.end_of(divergence.machine),
            Told::Impossible { machine, .. } => self.end_of(machine),
            Told::Mark { .. } | Told::Nothing | Told::Passed { .. } => {}
        }
    }

    /// Takes in how machines stood that the trace meets in the middle of their lives.
    fn meet(&mut self, replay: &Replay) {
        let (story, met) = (&mut self.story, &mut self.met);
        self.unmet.retain(|machine| match replay.machine(*machine) {
            Some((_, MachineState::Sender(state))) => {
                story.meet(*machine, state);
                false
            }
            Some((_, MachineState::Sessions(_))) => {
                met.insert(*machine);
                false
            }
            None => true,
        });
    }

    fn sender(&mut self, step: &Step<'_>) {
        let machine = step.played.machine;
        self.story.step(step, &mut self.facts);
        if !self.senders.contains_key(&machine) {
            if self.senders.len() >= SENDERS_MAX {
                self.left_out += 1;
                self.facts.clear();
                return;
            }
            let sender = Sender {
                name: clean(&step.played.about.name),
                history: History::default(),
                night: Night::new(step.at),
                found: None,
            };
            self.senders.insert(machine, sender);
        }
        self.take_facts(machine);
    }

    fn table(&mut self, machine: MachineId, step: &Step<'_>) -> Option<&mut (String, Table)> {
        if !self.tables.contains_key(&machine) {
            if self.tables.len() >= TABLES_MAX {
                self.left_out += 1;
                return None;
            }
            let name = clean(&step.played.about.name);
            let table = Table::new(step.at, self.met.contains(&machine), self.message);
            self.tables.insert(machine, (name, table));
        }
        self.tables.get_mut(&machine)
    }

    /// How a machine stands at the end of the trace.
    fn sum(&mut self, machine: MachineId, state: &MachineState) {
        if let (MachineState::Sessions(state), Some((_, table))) =
            (state, self.tables.get_mut(&machine))
        {
            table.sum(state);
        }
    }

    fn end_of(&mut self, machine: MachineId) {
        self.unmet.retain(|unmet| *unmet != machine);
        let latest = self.story.latest(machine);
        self.story.end(machine, latest, &mut self.facts);
        self.take_facts(machine);
    }

    fn end(&mut self, at: u64) {
        for machine in self.story.machines() {
            self.story.end(machine, at, &mut self.facts);
            self.take_facts(machine);
        }
    }

    /// Leaves out what is not asked for after all.
    fn choose(&mut self) {
        let wanted = &self.wanted;
        self.senders.retain(|machine, _| wanted.wants(*machine));
        self.tables.retain(|machine, _| wanted.wants(*machine));
    }

    /// What a machine is called where that alone is to say which one it is.
    fn called(&self, machine: MachineId, name: &str) -> String {
        let senders = self.senders.values().map(|sender| &sender.name);
        let tables = self.tables.values().map(|(name, _)| name);
        match senders.chain(tables).filter(|it| *it == name).count() {
            0 | 1 => name.to_owned(),
            _ => format!("{name} (machine {})", machine.0),
        }
    }

    fn take_facts(&mut self, machine: MachineId) {
        let mut facts = mem::take(&mut self.facts);
        if let Some(sender) = self.senders.get_mut(&machine) {
            for fact in facts.drain(..) {
                sender.fact(fact, self.message);
            }
        }
        facts.clear();
        self.facts = facts;
    }

    fn print_message(
        &self,
        id: MessageId,
        start: u64,
        json: bool,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let found = self.senders.iter().filter_map(|(machine, sender)| {
            let (life, history) = sender.found.as_ref()?;
            Some((*machine, sender, life, history))
        });
        let found: Vec<_> = found.collect();
        let mut names: Vec<_> = found.iter().map(|it| it.1.name.clone()).collect();
        names.dedup();
        match names.len() {
            0 => return self.print_reply(id, start, json, out),
            1 => {}
            _ => {
                names.truncate(20);
                return Err(Failure::SeveralPeers { id, peers: names });
            }
        }
        for (machine, sender, life, history) in found {
            let called = self.called(machine, &sender.name);
            let told = message::Message {
                machine,
                peer: &sender.name,
                called: &called,
                life,
                history,
                start,
            };
            match json {
                true => out.line(&told.json().to_string())?,
                false => out.write(&told.text())?,
            }
        }
        Ok(())
    }

    /// A message that is no sender's may be a reply. Where there are no senders at all, what can be
    /// told is what their messages came to.
    fn print_reply(
        &self,
        id: MessageId,
        start: u64,
        json: bool,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let tables = self.tables.iter();
        let replies = tables.filter_map(|(machine, (name, it))| match json {
            true => it.reply_json(*machine, name),
            false => it.reply(&self.called(*machine, name)),
        });
        let replies: String = replies.collect();
        if !replies.is_empty() {
            return out.write(&replies);
        }
        if self.tables.is_empty() {
            return Err(Failure::NoSuchMessage { id });
        }
        if self.senders.is_empty() {
            self.print_nights(start, json, out)?;
        }
        Err(Failure::NotASenders { id })
    }

    fn print_nights(&self, start: u64, json: bool, out: &mut Out) -> Result<(), Failure> {
        for (machine, Sender { night, name, .. }) in &self.senders {
            match json {
                true => out.line(&night.json(*machine, name, start).to_string())?,
                false => out.write(&night.text(*machine, name, start))?,
            }
        }
        for (machine, (name, table)) in &self.tables {
            match json {
                true => out.line(&table.json(*machine, name, start).to_string())?,
                false => out.write(&table.text(*machine, name, start))?,
            }
        }
        let nothing = self.senders.is_empty() && self.tables.is_empty();
        match (json, self.left_out, nothing) {
            (false, 1.., _) => out.line("further machines are left out; choose with --peer NAME"),
            (false, 0, true) => out.line("nothing has happened in this trace"),
            _ => Ok(()),
        }
    }
}

impl Sender {
    fn fact(&mut self, fact: Fact, message: Option<MessageId>) {
        match fact {
            Fact::Link { at, what } => {
                self.night.link(at, &what);
                self.history.push(at, what);
            }
            Fact::Message(life) => {
                self.night.message(&life, &self.history);
                if message == Some(life.id) {
                    let history = self.history.of(life.accepted_at, life.ended_at);
                    self.found = Some((life, history));
                }
            }
            Fact::Stood {
                standing,
                from,
                until,
            } => self.night.stood(standing, until.saturating_sub(from)),
            Fact::Rejected => self.night.rejected += 1,
            Fact::Before => self.night.before += 1,
        }
    }
}
