//! The steps that the page lists: some in a row, and of all others the latest that are worth a look.

use std::collections::VecDeque;

use peer_sender_core::Deadline;
use peer_sender_core::trace::{MachineId, MachineState, Played};

use crate::trace::moment::spell;
use crate::trace::words;

/// Steps in a row.
pub(super) const ROW_MAX: usize = 200;
/// Steps that are worth a look.
pub(super) const NOTABLE_MAX: usize = 300;

/// A step, in words.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Counted from 1, over all machines.
    pub(super) number: u64,
    /// In nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) machine: MachineId,
    pub(super) told: String,
    pub(super) done: String,
    /// How the machine stands after it.
    pub(super) stands: String,
    pub(super) queue: String,
    pub(super) flight: String,
    pub(super) deadline: String,
    /// Whether it changed how a machine stands, or something went wrong in it.
    pub(super) notable: bool,
}

/// The steps that are listed.
#[derive(Debug)]
pub(super) struct Steps {
    from: u64,
    pub(super) row: Vec<Listed>,
    pub(super) notable: VecDeque<Listed>,
    /// How many were worth a look, those of the row included.
    pub(super) notable_all: u64,
}

impl Steps {
    /// The row begins with this step.
    pub(super) fn new(from: u64) -> Self {
        Self {
            from,
            row: Vec::new(),
            notable: VecDeque::new(),
            notable_all: 0,
        }
    }

    /// A step was played.
    pub(super) fn add(&mut self, number: u64, time: u64, notable: bool, played: &Played<'_>) {
        self.notable_all += u64::from(notable);
        if number >= self.from && self.row.len() < ROW_MAX {
            self.row.push(listed(number, time, notable, played));
        } else if notable {
            if self.notable.len() == NOTABLE_MAX {
                self.notable.pop_front();
            }
            self.notable
                .push_back(listed(number, time, notable, played));
        }
    }

    /// All that are listed, in order.
    pub(super) fn listed(&self) -> Vec<&Listed> {
        let mut all: Vec<_> = self.row.iter().chain(&self.notable).collect();
        all.sort_by_key(|step| step.number);
        all
    }
}

fn listed(number: u64, time: u64, notable: bool, played: &Played<'_>) -> Listed {
    let (stands, queue, flight, deadline) = match played.state {
        MachineState::Sender(machine) => {
            let stats = machine.stats();
            (
                format!("{:?}", machine.state().standing()),
                stats.queued.to_string(),
                stats.in_flight.to_string(),
                machine.next_deadline(),
            )
        }
        MachineState::Sessions(sessions) => (
            crate::figures::plural(sessions.len() as u64, "session"),
            String::new(),
            String::new(),
            sessions.next_deadline(),
        ),
    };
    let left = |deadline: Deadline| {
        let left = deadline.at.saturating_since(played.now).as_nanos();
        let left = spell(u64::try_from(left).unwrap_or(u64::MAX));
        format!("{:?} in {left}", deadline.timer)
    };
    Listed {
        number,
        time,
        machine: played.machine,
        told: words::told(&played.call, &played.events),
        done: words::done(played.actions, played.news),
        stands,
        queue,
        flight,
        deadline: deadline.map(left).unwrap_or_default(),
        notable,
    }
}
