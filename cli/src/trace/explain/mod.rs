//! `trace explain`: what became of a message and why, and how a peer's night went, in plain words.

mod causes;
mod history;
mod longest;
mod message;
mod peer;

use std::collections::BTreeMap;
use std::mem;

use peer_sender_core::MessageId;
use peer_sender_core::trace::MachineId;

use self::history::History;
use self::peer::Night;
use super::args::ExplainArgs;
use super::args::SelectArgs;
use super::out::Out;
use super::player::{Player, Told};
use super::select::Select;
use super::story::{Fact, Life, Story};
use super::trouble::Troubles;
use super::words::clean;
use crate::Verdict;
use crate::failure::Failure;

/// As many senders are told of.
const SENDERS_MAX: usize = 1_000;

pub(super) fn run(args: &ExplainArgs) -> Result<Verdict, Failure> {
    let mut player = Player::open(&args.file)?;
    let mut troubles = Troubles::default();
    let mut explained = Explained {
        select: Select::new(&SelectArgs {
            peer: args.peer.iter().cloned().collect(),
            ..SelectArgs::default()
        }),
        message: args.message,
        story: Story::default(),
        senders: BTreeMap::new(),
        left_out: 0,
        facts: Vec::new(),
    };
    while let Some(told) = player.next()? {
        troubles.note(&told);
        explained.tell(told);
    }
    explained.end(player.latest());
    explained.select.check()?;
    let start = player.start();
    let mut out = Out::stdout();
    match args.message {
        Some(id) => explained.print_message(id, start, args.json, &mut out)?,
        None => explained.print_nights(start, args.json, &mut out)?,
    }
    out.flush()?;
    Ok(troubles.tell())
}

struct Explained {
    select: Select,
    message: Option<MessageId>,
    story: Story,
    senders: BTreeMap<MachineId, Sender>,
    /// Senders beyond those that are told of.
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
            Told::Made { about, .. } => self.select.meet(&about.name),
            Told::Step(step) => {
                let played = &step.played;
                let machine = played.machine;
                if !self.select.wants(&played.about.name) {
                    return;
                }
                self.story.step(&step, &mut self.facts);
                let peer_sender_core::trace::MachineState::Sender(state) = played.state else {
                    return;
                };
                if !self.senders.contains_key(&machine) {
                    if self.senders.len() >= SENDERS_MAX {
                        self.left_out += 1;
                        self.facts.clear();
                        return;
                    }
                    let sender = Sender {
                        name: clean(&played.about.name),
                        history: History::default(),
                        night: Night::new(step.at, state.config()),
                        found: None,
                    };
                    self.senders.insert(machine, sender);
                }
                self.take_facts(machine);
            }
            Told::Gone { machine } => self.end_of(machine),
            Told::Diverged(divergence) => self.end_of(divergence.machine),
            Told::Impossible { machine, .. } => self.end_of(machine),
            Told::Mark { .. } | Told::Nothing | Told::Passed { .. } => {}
        }
    }

    fn end_of(&mut self, machine: MachineId) {
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
            0 => return Err(Failure::NoSuchMessage { id }),
            1 => {}
            _ => {
                names.truncate(20);
                return Err(Failure::SeveralPeers { id, peers: names });
            }
        }
        for (machine, sender, life, history) in found {
            let told = message::Message {
                machine,
                peer: &sender.name,
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

    fn print_nights(&self, start: u64, json: bool, out: &mut Out) -> Result<(), Failure> {
        for (machine, sender) in &self.senders {
            let night = &sender.night;
            match json {
                true => out.line(&night.json(*machine, &sender.name, start).to_string())?,
                false => out.write(&night.text(*machine, &sender.name, start))?,
            }
        }
        match (json, self.left_out, self.senders.is_empty()) {
            (false, 1.., _) => out.line("further senders are left out; choose with --peer NAME"),
            (false, 0, true) => out.line("nothing was sent in this trace"),
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
