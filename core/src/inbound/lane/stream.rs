//! The stream that holds a lane, as far as it has come.

use super::Place;
use crate::inbound::Budget;
use crate::wire::{Resume, VARINT_MAX};
use crate::{Lane, ProtocolError, TransferId};

/// The stream that holds the lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct LaneStream {
    pub(super) place: Place,
    /// The number of its next message, never above the record's `next`.
    pub(super) position: u64,
    pub(super) arrival: Arrival,
    /// The RESUME, until it is written: computed with the OPEN, not later, since what follows the
    /// OPEN on the same stream is no part of what it says.
    pub(super) resume: Option<Resume>,
    /// The `taken` that the other end was told last.
    pub(super) told: u64,
    pub(super) write: Option<TransferId>,
    pub(super) end: End,
}

/// The message whose head was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Arrival {
    /// None is coming.
    Idle,
    /// The budget has no room for it yet.
    Waiting { length: usize },
    /// Its payload is coming, and this much is reserved.
    Coming { cost: usize },
}

/// How far the stream's graceful end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum End {
    /// The opener may send more.
    Open,
    /// The opener's FIN was read.
    OpenerDone,
    /// Our FIN was written.
    Finished,
    /// The other end's transport has all of it.
    Acknowledged,
}

impl LaneStream {
    /// Finds room for the message that waits for it; whether none waits any more.
    pub(super) fn reserve(&mut self, lane: Lane, budget: &mut Budget) -> bool {
        let Arrival::Waiting { length } = self.arrival else {
            return true;
        };
        match budget.reserve(lane, length) {
            Some(cost) => {
                self.arrival = Arrival::Coming { cost };
                true
            }
            None => false,
        }
    }

    /// Nothing more comes of the message whose head was read.
    pub(super) fn give_up(&mut self, lane: Lane, budget: &mut Budget) {
        if let Arrival::Coming { cost } = self.arrival {
            budget.release(lane, cost);
        }
        self.arrival = Arrival::Idle;
    }
}

/// A position moved on, which must stay a number that can be written.
pub(super) fn beyond(position: u64, count: u64) -> Result<u64, ProtocolError> {
    let after = position
        .checked_add(count)
        .filter(|&after| after <= VARINT_MAX);
    after.ok_or(ProtocolError::NumberRange)
}
