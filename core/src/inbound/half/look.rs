//! What is asked of a receiving half, and its state under other names.

use alloc::collections::BTreeSet;

use super::{Connection, Inbound, Stage};
use crate::inbound::{Budget, InboundLane};
use crate::{Attempt, Protocol, ReceiverStats};

impl Inbound {
    /// What the other end speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.other.protocol()
    }

    /// Connections on which a stream still waits for its last answers to be acknowledged.
    pub(crate) fn awaited(&self) -> BTreeSet<Attempt> {
        let unfinished = self.lanes.iter().filter(|lane| !lane.is_acknowledged());
        unfinished
            .filter_map(InboundLane::place)
            .map(|place| place.attempt)
            .collect()
    }

    /// Whether a message waits for room.
    pub(crate) fn waits(&self) -> bool {
        self.other.waits() || self.lanes.iter().any(InboundLane::waits)
    }

    /// Whether a lane was ever opened, and not forgotten; of messages without one, whether any
    /// ever came.
    pub(crate) fn is_known(&self) -> bool {
        self.other.is_known() || self.lanes.iter().any(InboundLane::is_known)
    }

    /// Whether it would matter if it were forgotten while it has no connection: what is known of a
    /// lane counts for the next connection, of messages without one what was not answered yet.
    pub(crate) fn remembers(&self) -> bool {
        match self.protocol().has_lanes() {
            true => self.is_known(),
            false => self.holds_messages(),
        }
    }

    /// Whether the application has still to answer messages that came without a lane. Nobody waits
    /// for the answers, but until then they are the application's to take.
    pub(crate) fn holds_messages(&self) -> bool {
        self.other.holds()
    }

    /// Whether there are messages that the other end takes for received, and that the application has
    /// not answered: they are held, or may still be read from a connection that we left.
    pub(crate) fn owes_messages(&self) -> bool {
        self.holds_messages() || self.left().is_some()
    }

    /// Whether messages of a connection that is gone wait until there is room to give them out.
    pub(crate) fn keeps_late(&self) -> bool {
        self.other.late() > 0
    }

    /// A connection that we left, while its loss is still to be told.
    pub(crate) fn left(&self) -> Option<Attempt> {
        let mut connections = self.connections.iter();
        connections.find_map(|(&attempt, it)| (it.stage == Stage::Left).then_some(attempt))
    }

    /// Connections that stand, oldest first.
    pub(crate) fn standing(&self) -> impl DoubleEndedIterator<Item = Attempt> + '_ {
        let stand = |connection: &Connection| connection.stage == Stage::Open;
        let connections = self.connections.iter();
        connections.filter_map(move |(&attempt, it)| stand(it).then_some(attempt))
    }

    /// Whether this connection stands.
    pub(crate) fn stands(&self, attempt: Attempt) -> bool {
        let connection = self.connections.get(&attempt);
        connection.is_some_and(|it| it.stage == Stage::Open)
    }

    /// Whether anything that comes on this connection is taken: it stands, or we have only left it.
    pub(crate) fn has(&self, attempt: Attempt) -> bool {
        self.connections.contains_key(&attempt)
    }

    /// How many connections it [has](Self::has).
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn stats(&self) -> ReceiverStats {
        ReceiverStats {
            held_bytes: self.budget.used() as u64,
            ..self.tally.0
        }
    }

    /// Gives connections and writes other names, for states to be compared across histories.
    /// Returns the name of this one.
    pub(crate) fn rename(&mut self, of: Option<Attempt>) -> Option<Attempt> {
        let mut attempts: BTreeSet<Attempt> = self.connections.keys().copied().collect();
        attempts.extend(self.lanes.iter().filter_map(InboundLane::newest));
        let rank = |attempt| Attempt(attempts.range(..attempt).count() as u64);
        let connections = core::mem::take(&mut self.connections);
        self.connections = connections
            .into_iter()
            .map(|(attempt, it)| (rank(attempt), it))
            .collect();
        for lane in &mut self.lanes {
            lane.rename(rank);
        }
        self.other.rename(rank);
        of.map(rank)
    }
}
