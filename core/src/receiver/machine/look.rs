//! What is asked of one session.

use super::PeerReceiverMachine;
use crate::receiver::ReceiverCanonical;
use crate::receiver::phase::Phase;
use crate::table::Standing;
use crate::{Attempt, Capacity, Deadline, Holdup, Lane, ReceiverStats, Snapshot, Stats, Timer};

impl PeerReceiverMachine {
    /// Its state with times relative to now and connections renamed, so that two histories that
    /// will go on alike compare as equal.
    pub fn canonical(&self) -> ReceiverCanonical {
        ReceiverCanonical::alone(self)
    }

    /// The earliest armed timer: the end of a drain, or what time does to a reply.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let of_phase = match self.phase {
            Phase::Draining { deadline } => Some(Deadline {
                at: deadline,
                timer: Timer::Drain,
            }),
            Phase::Running | Phase::Closed => None,
        };
        let of_replies = self.outbound.next_deadline();
        of_phase.into_iter().chain(of_replies).min()
    }

    /// Counters of what it took since it was made.
    pub fn stats(&self) -> ReceiverStats {
        self.inbound.stats()
    }

    /// Counters of its replies.
    pub fn reply_stats(&self) -> Stats {
        let (queued, queued_bytes) = self.outbound.queued();
        let (in_flight, in_flight_bytes) = self.outbound.in_flight();
        Stats {
            queued: queued as u64,
            queued_bytes: queued_bytes as u64,
            in_flight: in_flight as u64,
            in_flight_bytes: in_flight_bytes as u64,
            ..self.tally.0.stats
        }
    }

    /// What would be accepted as replies on this lane now: nothing once it is stopping.
    pub fn capacity(&self, lane: Lane) -> Capacity {
        match self.phase {
            Phase::Running => self.outbound.capacity(lane),
            Phase::Draining { .. } | Phase::Closed => Capacity::default(),
        }
    }

    /// How its replies stand, and why nothing moves.
    pub fn snapshot(&self) -> Snapshot {
        let stats = self.reply_stats();
        let connected = self.outbound.carrier().is_some();
        Snapshot {
            standing: match (self.phase, connected) {
                (Phase::Closed, _) => Standing::Closed,
                (Phase::Draining { .. }, true) => Standing::Draining,
                (Phase::Running, true) => Standing::Up,
                (_, false) => Standing::Down,
            },
            since: self.tally.0.since,
            address: None,
            last_error: None,
            failures: 0,
            next_attempt_at: None,
            queued: stats.queued,
            queued_bytes: stats.queued_bytes,
            in_flight: stats.in_flight,
            in_flight_bytes: stats.in_flight_bytes,
            holdup: if self.is_closed() {
                Holdup::Stopped
            } else if connected || self.outbound.is_settled() {
                self.outbound.holdup()
            } else {
                Holdup::AwaitsDialler
            },
        }
    }

    /// Connections that are bound to this session now. Without lanes one that it has closed counts until
    /// its loss is told.
    pub fn connections(&self) -> usize {
        self.inbound.connections()
    }

    /// A connection that it has closed, without lanes, while its loss is still to be told.
    pub(in crate::receiver) fn left(&self) -> Option<Attempt> {
        self.inbound.left()
    }

    /// Whether this connection is bound to this session now.
    pub(in crate::receiver) fn has(&self, attempt: Attempt) -> bool {
        self.inbound.has(attempt)
    }

    /// Whether it would matter if it were forgotten while it has no connection.
    pub(in crate::receiver) fn remembers(&self) -> bool {
        self.inbound.remembers()
    }

    /// Whether messages that the other end takes for received wait until there is room for them.
    pub(in crate::receiver) fn keeps_late(&self) -> bool {
        self.inbound.keeps_late()
    }

    /// The connection on which replies go out.
    pub(in crate::receiver) fn carrier(&self) -> Option<Attempt> {
        self.outbound.carrier()
    }

    /// Whether it has ended.
    pub(in crate::receiver) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Bytes held, and how much more would be at least if it were allowed.
    pub(in crate::receiver) fn held(&self) -> (usize, Option<usize>) {
        let budget = self.inbound.budget();
        // What has waited and is lost with its connection needs nothing any more.
        let starved = budget.starved().filter(|_| self.inbound.waits());
        (budget.used(), starved)
    }
}
