//! Books that are kept message by message, so that no step has to look at all of them.

use peer_sender_core::{LANES_MAX, Time};

use super::{Fate, Kind, Message};

/// What follows from all messages together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Those without an outcome, in order.
    pub(super) live: Vec<u64>,
    /// Of these, those that wait and have an end, the earliest first.
    expiring: Vec<(Time, u64)>,
    pub(super) rejected: u64,
    /// How many of the living are on each lane.
    of_lanes: [u64; LANES_MAX as usize],
    /// Messages and bytes that wait, and that have begun.
    pub(super) queued: [u64; 2],
    pub(super) in_flight: [u64; 2],
    /// By the place of their [`Kind`].
    pub(super) outcomes: [u64; 6],
}

impl Ledger {
    /// The books of these messages, from the beginning.
    pub(super) fn of(messages: &[Message]) -> Self {
        let mut ledger = Self::default();
        for (id, message) in (0..).zip(messages) {
            ledger.offered(id, message);
            if message.begun {
                ledger.begins(id, message);
            }
            match message.fate {
                Fate::Rejected => ledger.rejected(id, message),
                Fate::Live => {}
                Fate::Settled(kind) => ledger.settled(id, message, kind),
            }
        }
        ledger
    }

    pub(super) fn offered(&mut self, id: u64, message: &Message) {
        self.live.push(id);
        if let Some(count) = self.of_lanes.get_mut(usize::from(message.lane)) {
            *count += 1;
        }
        add(&mut self.queued, message);
        if let Some(at) = message.expires_at {
            let place = self.expiring.partition_point(|it| *it < (at, id));
            self.expiring.insert(place, (at, id));
        }
    }

    /// One that waited has begun.
    pub(super) fn begins(&mut self, id: u64, message: &Message) {
        take(&mut self.queued, message);
        add(&mut self.in_flight, message);
        self.expires_no_more(id, message);
    }

    pub(super) fn rejected(&mut self, id: u64, message: &Message) {
        self.ends(id, message);
        self.rejected += 1;
    }

    pub(super) fn settled(&mut self, id: u64, message: &Message, kind: Kind) {
        self.ends(id, message);
        self.outcomes[kind as usize] += 1;
    }

    /// Whether any message of a lane has no outcome.
    pub(super) fn is_busy(&self, lane: u8) -> bool {
        let count = self.of_lanes.get(usize::from(lane));
        count.is_some_and(|it| *it > 0)
    }

    /// The earliest end of one that waits.
    pub(super) fn expires_next(&self) -> Option<Time> {
        self.expiring.first().map(|(at, _)| *at)
    }

    fn ends(&mut self, id: u64, message: &Message) {
        if let Ok(place) = self.live.binary_search(&id) {
            self.live.remove(place);
        }
        if let Some(count) = self.of_lanes.get_mut(usize::from(message.lane)) {
            *count -= 1;
        }
        match message.begun {
            true => take(&mut self.in_flight, message),
            false => take(&mut self.queued, message),
        }
        self.expires_no_more(id, message);
    }

    fn expires_no_more(&mut self, id: u64, message: &Message) {
        let entry = message.expires_at.map(|at| (at, id));
        if let Some(Ok(place)) = entry.map(|it| self.expiring.binary_search(&it)) {
            self.expiring.remove(place);
        }
    }
}

fn add(sums: &mut [u64; 2], message: &Message) {
    sums[0] += 1;
    sums[1] += u64::from(message.bytes);
}

fn take(sums: &mut [u64; 2], message: &Message) {
    sums[0] -= 1;
    sums[1] -= u64::from(message.bytes);
}
