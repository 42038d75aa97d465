//! The reference model: what the contract (`docs/invariants.md`, `docs/wire.md`, `docs/states.md`,
//! and the documentation of the configuration) has one sender do, against a receiver that keeps
//! `docs/wire.md`. It knows nothing of the machine: it is told the same facts, and says in advance
//! all that the machine must answer, its timers and its books.

pub mod lane;
mod linking;
mod ops;
pub mod receiver;
mod step;
pub mod stream;
mod waits;

use std::collections::BTreeMap;
use std::time::Duration;

use peer_sender_core::{
    CloseCode, LinkError, Outcome, Priority, RejectReason, StopMode, StopReason, Time, Timer,
    WakeReason,
};

use self::lane::Lane;
use self::receiver::{Forth, Receiver, Wire};
use self::stream::Stream;
use self::waits::Row;
use crate::op::{Stale, Trouble};
use crate::shape::Shape;

/// A message, by what can be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: u64,
    pub lane: u8,
    pub bytes: usize,
    /// The receiving application will refuse it.
    pub refused: bool,
    pub accepted_at: Time,
    pub expires_at: Option<Time>,
}

/// Outcomes of a step.
pub type Settled = Vec<(u64, Outcome)>;

/// Where the sender stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Down,
    Connecting { until: Time },
    Up(Standing),
    Draining(Standing),
    Parting { standing: Standing, until: Time },
    Idle,
    Backoff { until: Time },
}

/// A connection that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    since: Time,
    /// The receiver has answered a message on it.
    answered: bool,
    /// When something was said on it last.
    active: Time,
}

/// The sender's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Running,
    Stopping { until: Time, ending: Ending },
    Closed,
}

/// How the end was asked for; of several the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    Drain,
    Abort,
    Remove,
}

/// What the machine is told, with everything named as the model names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    Queue(Message),
    Cancel { id: u64 },
    Connected,
    Lost(Trouble),
    Back { lane: u8, bytes: Vec<u8>, fin: bool },
    Cut { lane: u8, stopped: bool, code: u64 },
    Taken { lane: u8 },
    Wake(WakeReason),
    Addresses(Vec<u8>),
    Stop(StopMode),
    Timer,
    Stale(Stale),
}

/// What the machine answers, as far as the contract speaks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Connecting {
        attempt: u64,
        address: u8,
    },
    Dial {
        attempt: u64,
        address: u8,
    },
    Connected {
        attempt: u64,
    },
    Disconnected {
        why: Why,
        retry_at: Option<Time>,
    },
    BackoffStarted {
        failures: u32,
        delay: Duration,
        until: Time,
    },
    ScheduleBackoff {
        attempt: u64,
        delay: Duration,
        until: Time,
    },
    AddressChanged(Vec<u8>),
    Idle,
    Stopped(StopReason),
    Write {
        attempt: u64,
        lane: u8,
        pieces: Vec<Piece>,
        class: Priority,
    },
    Close {
        attempt: u64,
        code: CloseCode,
    },
    Settle {
        id: u64,
        outcome: Outcome,
    },
    Reject {
        id: u64,
    },
    HandBack {
        id: u64,
        lane: u8,
        payload: Piece,
    },
    Slow {
        since: Time,
    },
    SlowCleared,
    Room {
        lane: u8,
        messages: usize,
        bytes: usize,
    },
}

/// Why a connection is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    Exactly(LinkError),
    /// The receiver broke the protocol, in whatever way.
    Protocol,
}

/// A part of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Open {
        fresh: bool,
        session: u64,
        base: u64,
    },
    Skip(u64),
    /// A message of this size, whose bytes tell this much of its id.
    Message {
        bytes: usize,
        tag: u64,
    },
    Fin,
}

/// What became of one step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the clock says.
    pub clock: Time,
    pub fact: Fact,
    /// The fact was told before; nothing follows from the second time.
    pub twice: bool,
    pub said: Vec<Said>,
    /// Every reason for which the message may be handed back.
    pub reasons: Vec<RejectReason>,
}

/// A sender and its receiver, as the contract has them.
#[derive(Clone, Debug)]
pub struct Model {
    pub shape: Shape,
    pub clock: Time,
    pub now: Time,
    pub phase: Phase,
    pub link: Link,
    address: u8,
    pub addresses: Vec<u8>,
    turn: usize,
    dial_after: Time,
    row: Row,
    pub lanes: BTreeMap<u8, Lane>,
    /// Those of the current connection, in the order in which they were opened.
    pub streams: Vec<Stream>,
    pub attempts: u64,
    session: u64,
    pub last_id: Option<u64>,
    pub outcomes: BTreeMap<u64, Outcome>,
    pub accepted: u64,
    pub receiver: Receiver,
    /// The receiver's ends of the current connection's streams, by lane.
    pub wires: BTreeMap<u8, Wire>,
    /// Those of the connection before.
    pub ghosts: BTreeMap<u8, Wire>,
    /// Whether the receiver has told nothing but the truth.
    pub honest: bool,
    /// The user was told that the peer is slow.
    slow: bool,
    /// Whether the receiver has forgotten a session.
    pub forgot: bool,
    /// Frames that the bytes of this step complete.
    heard: Vec<receiver::Back>,
    said: Vec<Said>,
    reasons: Vec<RejectReason>,
    /// What the last operation led to, if it made a step.
    pub step: Option<Step>,
}

impl Model {
    pub fn new(shape: Shape) -> Self {
        Self {
            clock: Time::from_secs(1),
            now: Time::ZERO,
            phase: Phase::Running,
            link: Link::Down,
            address: 0,
            addresses: shape.addresses.clone(),
            turn: 0,
            dial_after: Time::ZERO,
            row: Row::default(),
            lanes: BTreeMap::new(),
            streams: Vec::new(),
            attempts: 0,
            session: 0,
            last_id: None,
            outcomes: BTreeMap::new(),
            accepted: 0,
            receiver: Receiver::new(shape.receiver_bytes_max),
            wires: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            honest: true,
            slow: false,
            forgot: false,
            heard: Vec::new(),
            said: Vec::new(),
            reasons: Vec::new(),
            step: None,
            shape,
        }
    }

    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether every accepted message has its outcome.
    pub fn is_settled(&self) -> bool {
        self.lanes.values().all(Lane::is_settled)
    }

    /// The attempt that is under way, or that led to what stands.
    pub fn attempt(&self) -> Option<u64> {
        match self.link {
            Link::Connecting { .. } => Some(self.attempts - 1),
            _ => self.standing().map(|_| self.attempts - 1),
        }
    }

    pub fn standing(&self) -> Option<&Standing> {
        match &self.link {
            Link::Up(standing) | Link::Draining(standing) | Link::Parting { standing, .. } => {
                Some(standing)
            }
            Link::Down | Link::Connecting { .. } | Link::Idle | Link::Backoff { .. } => None,
        }
    }

    pub fn stream(&self, lane: u8) -> Option<&Stream> {
        self.streams.iter().find(|it| it.lane == lane)
    }

    /// Messages and bytes that wait, and those that are in flight.
    pub fn books(&self) -> [u64; 4] {
        let mut books = [0; 4];
        for lane in self.lanes.values() {
            books[0] += lane.queue.len() as u64;
            books[1] += lane.queued_bytes() as u64;
            books[2] += lane.begun.len() as u64;
            books[3] += lane.flight_bytes() as u64;
        }
        books
    }

    /// The ids of the messages that wait, and of those that have begun.
    pub fn live(&self) -> (Vec<u64>, Vec<u64>) {
        let lanes = || self.lanes.values();
        let queued = lanes().flat_map(|lane| lane.queue.iter().map(|it| it.id));
        let begun = lanes().flat_map(|lane| lane.begun.values().map(|it| it.message.id));
        (queued.collect(), begun.collect())
    }

    /// The earliest of the documented timers.
    pub fn deadline(&self) -> Option<Time> {
        self.timers().into_iter().map(|timer| timer.0).min()
    }

    /// The timers that are armed.
    pub fn timers(&self) -> Vec<(Time, Timer)> {
        let of_link = match self.link {
            Link::Connecting { until } => Some((until, Timer::Connect)),
            Link::Backoff { until } => Some((until, Timer::Backoff)),
            Link::Parting { until, .. } => Some((until, Timer::Parting)),
            Link::Up(_) => self.rest_at().map(|at| (at, Timer::Idle)),
            Link::Down | Link::Draining(_) | Link::Idle => None,
        };
        let due = self.streams.iter().filter_map(Stream::due).min();
        let of_phase = match self.phase {
            Phase::Stopping { until, .. } => Some((until, Timer::Drain)),
            Phase::Running | Phase::Closed => None,
        };
        let oldest = self.oldest().filter(|_| !self.slow);
        let slow = oldest.zip(self.shape.slow_after);
        let slow = slow.map(|(oldest, after)| (oldest + after, Timer::Slow));
        let mut timers = Vec::new();
        timers.extend([of_link, due.map(|at| (at, Timer::Resume)), of_phase, slow]);
        for (&number, lane) in &self.lanes {
            timers.push(lane.expiry().map(|at| (at, Timer::Expiry)));
            let patience = lane
                .patience_ends(&self.shape)
                .filter(|_| !self.hears(number));
            timers.push(patience.map(|at| (at, Timer::Patience)));
        }
        timers.into_iter().flatten().collect()
    }

    /// When the oldest message without an outcome was accepted.
    fn oldest(&self) -> Option<Time> {
        let messages = self.lanes.values().flat_map(Lane::live);
        messages.map(|it| it.accepted_at).min()
    }

    /// Whether the receiver has said what it has of the lane, on a connection that stands.
    fn hears(&self, lane: u8) -> bool {
        let stream = self.stream(lane);
        stream.is_some_and(|it| it.is_resumed() && !it.over)
    }

    /// When a connection without traffic is ended: while nothing is under way on it.
    fn rest_at(&self) -> Option<Time> {
        let Link::Up(standing) = self.link else {
            return None;
        };
        let busy = self
            .streams
            .iter()
            .any(|it| it.writing || it.due().is_some());
        let quiet = self.phase == Phase::Running && self.is_settled() && !busy;
        Some(standing.active + self.shape.disconnect_after.filter(|_| quiet)?)
    }
}

/// What a message's bytes are: its id, again and again.
pub fn payload(message: &Message) -> Vec<u8> {
    let id = message.id.to_le_bytes();
    id.into_iter().cycle().take(message.bytes).collect()
}

impl From<&Message> for Piece {
    fn from(message: &Message) -> Self {
        let told = 8 * message.bytes.min(8) as u32;
        let mask = u64::MAX.checked_shr(64 - told).unwrap_or(0);
        Self::Message {
            bytes: message.bytes,
            tag: message.id & mask,
        }
    }
}

impl From<&Forth> for Piece {
    fn from(forth: &Forth) -> Self {
        match forth {
            &Forth::Open {
                fresh,
                session,
                base,
            } => Self::Open {
                fresh,
                session,
                base,
            },
            Forth::Skip(count) => Self::Skip(*count),
            Forth::Message(message) => message.into(),
            Forth::Fin => Self::Fin,
        }
    }
}
