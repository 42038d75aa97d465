//! A sender's whole state, as data.

use alloc::vec::Vec;

use bytes::Bytes;

use super::Backoff;
use crate::outbound::{LaneStream, OutboundLane, StreamEnd};
use crate::table::Standing;
use crate::{Attempt, Deadline, LinkError, MessageId, RejectReason, Time, Timer};

/// The connection to the peer. Each variant holds its own deadline and attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Made, and not dialled yet.
    Down,
    /// An attempt is under way.
    Connecting {
        /// The attempt.
        attempt: Attempt,
        /// When it is given up.
        until: Time,
    },
    /// The peer has accepted us.
    Up(Established),
    /// The lane has ended with FIN; the last receipts are awaited.
    Draining(Established),
    /// Waiting before the next attempt.
    Backoff {
        /// The end of the wait.
        until: Time,
    },
}

/// A connection that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Established {
    /// Its name.
    pub attempt: Attempt,
    /// When the peer accepted us.
    pub since: Time,
    /// Whether the receiver has answered a message on it, which proves it healthy.
    pub answered: bool,
}

/// The sender's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Messages are accepted.
    Running,
    /// Nothing new is accepted; what can be finished is finished.
    Stopping {
        /// When the rest is settled as it is.
        until: Time,
        /// Whether the user asked for the end at once.
        aborted: bool,
    },
    /// Everything is settled and `SenderStopped` was emitted.
    Closed,
}

/// Everything that a sender's decisions depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) now: Time,
    pub(super) phase: Phase,
    pub(super) link: Link,
    pub(super) backoff: Backoff,
    pub(super) lane: OutboundLane,
    pub(super) stream: Option<LaneStream>,
    /// The highest id that was offered.
    pub(super) last_id: Option<MessageId>,
    /// How many sessions there were before this one.
    pub(super) session: u64,
    pub(super) next_attempt: u64,
    pub(super) next_transfer: u64,
    pub(super) news: News,
}

/// What this step's events said; empty between steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct News {
    pub(super) confirmed: bool,
    pub(super) failed: Option<Failure>,
    pub(super) ended: Option<StreamEnd>,
    /// Both ends have said all.
    pub(super) complete: bool,
    pub(super) rejected: Vec<(MessageId, RejectReason, Bytes)>,
}

/// Why the connection is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Failure {
    pub(super) error: LinkError,
    /// Whether QUIC still knows the connection, so that it must be closed.
    pub(super) open: bool,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            now: Time::ZERO,
            phase: Phase::Running,
            link: Link::Down,
            backoff: Backoff::default(),
            lane: OutboundLane::new(),
            stream: None,
            last_id: None,
            session: 0,
            next_attempt: 0,
            next_transfer: 0,
            news: News::default(),
        }
    }

    /// The sender's life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The connection to the peer.
    pub fn link(&self) -> Link {
        self.link
    }

    /// Failures in a row.
    pub fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// Link and phase in one word.
    pub fn standing(&self) -> Standing {
        match (self.phase, self.link) {
            (Phase::Closed, _) => Standing::Closed,
            (_, link) => link.standing(),
        }
    }

    /// The earliest armed timer.
    pub(super) fn next_deadline(&self) -> Option<Deadline> {
        let of_link = match self.link {
            Link::Connecting { until, .. } => Some(Deadline {
                at: until,
                timer: Timer::Connect,
            }),
            Link::Backoff { until } => Some(Deadline {
                at: until,
                timer: Timer::Backoff,
            }),
            Link::Down | Link::Up(_) | Link::Draining(_) => None,
        };
        let resume_due = self.stream.as_ref().and_then(LaneStream::resume_due);
        let of_stream = resume_due.map(|at| Deadline {
            at,
            timer: Timer::Resume,
        });
        let of_phase = match self.phase {
            Phase::Stopping { until, .. } => Some(Deadline {
                at: until,
                timer: Timer::Drain,
            }),
            Phase::Running | Phase::Closed => None,
        };
        [of_link, of_stream, of_phase].into_iter().flatten().min()
    }
}

impl Link {
    /// The connection that is under way or stands.
    pub fn attempt(&self) -> Option<Attempt> {
        match *self {
            Self::Connecting { attempt, .. } => Some(attempt),
            Self::Up(established) | Self::Draining(established) => Some(established.attempt),
            Self::Down | Self::Backoff { .. } => None,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match self {
            Self::Down => Standing::Down,
            Self::Connecting { .. } => Standing::Connecting,
            Self::Up(_) => Standing::Up,
            Self::Draining(_) => Standing::Draining,
            Self::Backoff { .. } => Standing::Backoff,
        }
    }
}
