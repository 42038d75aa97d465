//! Whole messages of connections that are lost, under a protocol that does not send them again, until
//! there is room for them.

#[cfg(feature = "trace")]
mod image;

use alloc::collections::VecDeque;
use core::fmt;

use bytes::Bytes;

use super::budget::MESSAGE_OVERHEAD;
use super::{Budget, LANE};
use crate::{PLAIN_STREAM_WINDOW, PLAIN_STREAMS};

/// What connections may leave behind that waits for room, with its books: all that one may have
/// brought under the plain protocol, which allows the most. Of each stream one window may have been
/// read, and another have come behind it.
pub(crate) const LATE_BYTES_MAX: usize =
    PLAIN_STREAMS as usize * (2 * PLAIN_STREAM_WINDOW as usize + MESSAGE_OVERHEAD);

/// See the module. The oldest is in front.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Late {
    pub(super) messages: VecDeque<Bytes>,
    pub(super) cost: usize,
}

impl Late {
    /// What was kept once, for its books to be counted again.
    #[cfg(feature = "trace")]
    pub(super) fn of(messages: VecDeque<Bytes>) -> Self {
        let cost = messages.iter().map(cost_of).fold(0, usize::saturating_add);
        Self { messages, cost }
    }

    /// Keeps a message. False if that is more than connections may leave behind.
    pub(super) fn keep(&mut self, message: Bytes) -> bool {
        let cost = cost_of(&message);
        let fits = self.cost.saturating_add(cost) <= LATE_BYTES_MAX;
        if fits {
            self.cost += cost;
            self.messages.push_back(message);
        }
        fits
    }

    /// The next message, and what it costs the budget, if there is room for it now.
    pub(super) fn take(&mut self, budget: &mut Budget) -> Option<(usize, Bytes)> {
        let cost = budget.reserve(LANE, self.messages.front()?.len())?;
        let message = self.messages.pop_front()?;
        self.cost -= cost_of(&message);
        Some((cost, message))
    }

    /// The room that the first message needs; 0 if there is none.
    pub(super) fn need(&self) -> usize {
        self.messages.front().map_or(0, cost_of)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether its books are right, and within bounds.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.cost > LATE_BYTES_MAX {
            return Err("more was kept than connections may leave behind");
        }
        let cost: usize = self.messages.iter().map(cost_of).sum();
        match self.cost == cost {
            true => Ok(()),
            false => Err("what is held costs something else than is noted"),
        }
    }
}

/// Tells how many there are and not what is in them.
impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages, {} B", self.messages.len(), self.cost)
    }
}

/// What a message counts, one of no bytes as well.
fn cost_of(message: &Bytes) -> usize {
    message.len().saturating_add(MESSAGE_OVERHEAD)
}
