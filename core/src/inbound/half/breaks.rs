//! For tests to look inside, and to break what `check` must see.

use super::{Inbound, budget_of};
use crate::inbound::InboundLane;
use crate::{Attempt, StreamId};

impl Inbound {
    pub(crate) fn buffered(&self, attempt: Attempt, stream: StreamId) -> usize {
        let connection = self.connections.get(&attempt).unwrap();
        connection.streams.get(&stream).unwrap().decoder.buffered()
    }

    pub(crate) fn break_budget(&mut self) {
        self.budget = budget_of(&self.limits, &self.other);
    }

    pub(crate) fn break_touched(&mut self, attempt: Attempt) {
        self.touched.insert(attempt);
    }

    /// As many lanes, of which none is opened but those that were.
    pub(crate) fn break_lanes(&mut self, count: usize) {
        self.lanes.resize_with(count, InboundLane::default);
        if count == 0 {
            self.break_budget();
        }
    }

    /// The second lane is held by the first one's stream.
    pub(crate) fn break_places(&mut self) {
        self.lanes.resize_with(2, InboundLane::default);
        let [first, second] = &mut self.lanes[..] else {
            panic!("two lanes")
        };
        second.share(first);
    }

    pub(crate) fn break_payload(&mut self, attempt: Attempt, stream: StreamId) {
        let connection = self.connections.get_mut(&attempt).unwrap();
        let reading = connection.streams.get_mut(&stream).unwrap();
        reading.decoder.discard_message();
    }

    pub(crate) fn break_connections(&mut self) {
        self.connections.clear();
    }

    pub(crate) fn break_pause(&mut self, attempt: Attempt, stream: StreamId) {
        assert!(self.lanes.iter().any(InboundLane::waits));
        let connection = self.connections.get_mut(&attempt).unwrap();
        connection.streams.get_mut(&stream).unwrap().paused = false;
    }
}
