//! What happened, as it matters to people: the lives of messages, and where each sender stood.
//!
//! A [`Story`] is fed with steps and tells [`Fact`]s as they come about. It keeps what is open and
//! nothing else, so that a trace of any length costs no more than what was open at once.

mod life;
mod receivers;
mod sender;
mod waits;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::table::Standing;
use peer_sender_core::trace::{MachineId, MachineState};
use peer_sender_core::{Attempt, LinkError, PeerSenderMachine, StopReason};

pub(in crate::trace) use self::life::Life;
pub(in crate::trace) use self::receivers::Receivers;
use self::sender::Tale;
pub(in crate::trace) use self::waits::{Wait, Waits};
use super::player::Step;

/// All senders of a trace.
#[derive(Debug, Default)]
pub(in crate::trace) struct Story {
    tales: BTreeMap<MachineId, Tale>,
    /// Of senders that the trace meets in the middle of their lives, before their first step.
    met: BTreeMap<MachineId, Tale>,
}

/// Something that has come about.
#[derive(Clone, Debug)]
pub(in crate::trace) enum Fact {
    /// A sender stood there for so long.
    Stood {
        standing: Standing,
        from: u64,
        until: u64,
    },
    /// Something has happened to its connection.
    Link { at: u64, what: LinkFact },
    /// A message has its outcome, or has none at the end of the trace.
    Message(Box<Life>),
    /// A message was not accepted.
    Rejected,
    /// A message has its outcome that was handed over before the trace begins.
    Before,
}

/// What happens to a sender's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::trace) enum LinkFact {
    Dialled {
        attempt: Attempt,
        address: SocketAddr,
    },
    Connected {
        attempt: Attempt,
    },
    /// Where the trace begins, the connection was there.
    Already {
        attempt: Attempt,
        /// Whether it stood, and was not still being made.
        stood: bool,
    },
    /// The connection was lost, or the attempt at one has failed.
    Failed {
        attempt: Option<Attempt>,
        /// Whether it had stood.
        stood: bool,
        /// How long nothing had been heard of the peer on it, where that may be the reason.
        silent: u64,
        error: LinkError,
    },
    Waits {
        failures: u32,
        delay: Duration,
    },
    /// Another process of the peer answers, which knows nothing of what the one before had taken.
    Restarted,
    Rested,
    Moved,
    Slow {
        since: u64,
    },
    NoLongerSlow,
    Stopped {
        reason: StopReason,
    },
}

impl Story {
    /// The trace begins in the middle of this sender's life, while it stands like this.
    pub(in crate::trace) fn meet(&mut self, machine: MachineId, state: &PeerSenderMachine) {
        if !self.tales.contains_key(&machine) {
            self.met.insert(machine, Tale::met(state));
        }
    }

    /// Goes on by a step, and says what has come about.
    pub(in crate::trace) fn step(&mut self, step: &Step<'_>, facts: &mut Vec<Fact>) {
        if let MachineState::Sender(machine) = step.played.state {
            let tale = self.tales.entry(step.played.machine);
            let tale = tale.or_insert_with(|| match self.met.remove(&step.played.machine) {
                Some(met) => met.begins(step.at, facts),
                None => Tale::new(step.at),
            });
            tale.step(step, machine, facts);
        }
    }

    /// The machine is gone, or the trace ends here: says what was still open.
    pub(in crate::trace) fn end(&mut self, machine: MachineId, at: u64, facts: &mut Vec<Fact>) {
        self.met.remove(&machine);
        if let Some(tale) = self.tales.remove(&machine) {
            tale.end(at, facts);
        }
    }

    /// The machines of which something is open.
    pub(in crate::trace) fn machines(&self) -> Vec<MachineId> {
        self.tales.keys().copied().collect()
    }

    /// When something was last told of a sender.
    pub(in crate::trace) fn latest(&self, machine: MachineId) -> u64 {
        self.tales.get(&machine).map_or(0, Tale::latest)
    }
}
