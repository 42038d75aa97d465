//! A sender's whole state, as data.

use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use super::Backoff;
use crate::inbound::{Inbound, OtherHalf};
use crate::outbound::Outbound;
use crate::table::Standing;
use crate::{
    Attempt, Config, Deadline, Epoch, Lane, LinkError, MessageId, Protocol, RejectReason,
    SessionId, Time, Timer, WakeReason,
};

/// The connection to the peer. Each variant holds its own deadline and attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Link {
    /// Not dialled: made just now, or no address is known.
    Down,
    /// An attempt is under way.
    Connecting {
        /// The attempt.
        attempt: Attempt,
        /// Where to.
        address: SocketAddr,
        /// When it is given up.
        until: Time,
    },
    /// The peer has accepted us.
    Up(Established),
    /// The sender stops, and every lane has ended with FIN; the last receipts are awaited.
    Draining(Established),
    /// Nothing was said for long, and the connection is ended in good order.
    Parting {
        /// The connection.
        connection: Established,
        /// When it is ended in any case.
        until: Time,
    },
    /// The connection was ended for want of traffic; the next message dials.
    Idle,
    /// Waiting before the next attempt.
    Backoff {
        /// The end of the wait.
        until: Time,
    },
}

/// A connection that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Established {
    /// Its name.
    pub attempt: Attempt,
    /// Where the peer is.
    pub address: SocketAddr,
    /// When the peer accepted us.
    pub since: Time,
    /// Whether the receiver has answered a message on it, which proves it healthy.
    pub answered: bool,
    /// When something was said on it last, by either end.
    pub active: Time,
    /// Whether the peer's lanes are still read.
    pub reads: bool,
}

/// The sender's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Phase {
    /// Messages are accepted.
    Running,
    /// Nothing new is accepted; what can be finished is finished.
    Stopping {
        /// When the rest is settled as it is.
        until: Time,
        /// How it was asked for.
        ending: Ending,
    },
    /// Everything is settled and `SenderStopped` was emitted.
    Closed,
}

/// How the end of a sender was asked for; of several the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Ending {
    /// What can be finished is finished.
    Drain,
    /// At once.
    Abort,
    /// At once, because the peer is removed.
    Remove,
}

/// Everything that a sender's decisions depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) now: Time,
    pub(super) phase: Phase,
    pub(super) link: Link,
    pub(super) addresses: Vec<SocketAddr>,
    /// Which of them is dialled next.
    pub(super) turn: usize,
    /// The peer is not dialled before.
    pub(super) dial_after: Time,
    pub(super) backoff: Backoff,
    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound,
    /// Something of the peer's was cut short when the last connection was ended for want of traffic.
    pub(super) recall: bool,
    /// The user was told that the peer is slow.
    pub(super) slow: bool,
    pub(super) next_attempt: u64,
    pub(super) transfers: u64,
    pub(super) news: News,
}

/// What this step's events said; empty between steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct News {
    pub(super) confirmed: bool,
    pub(super) failed: Option<Failure>,
    /// The way back of a lane has ended before the lane.
    pub(super) going_away: bool,
    pub(super) moved: Option<Vec<SocketAddr>>,
    pub(super) woken: Option<WakeReason>,
    /// The application has answered something.
    pub(super) consumed: bool,
    pub(super) rejected: Vec<(MessageId, Lane, RejectReason, Bytes)>,
}

/// Why the connection is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Failure {
    pub(super) error: LinkError,
    /// Whether QUIC still knows the connection, so that it must be closed.
    pub(super) open: bool,
}

impl News {
    /// Of several reasons in a step the strongest counts, in whatever order they come.
    pub(super) fn wake(&mut self, reason: WakeReason) {
        let strength = |reason| match reason {
            WakeReason::InboundContact => 1,
            WakeReason::NewAddress | WakeReason::NetworkChange => 2,
            WakeReason::Operator => 3,
        };
        if self
            .woken
            .is_none_or(|known| strength(known) < strength(reason))
        {
            self.woken = Some(reason);
        }
    }
}

impl State {
    pub(super) fn new(config: &Config, seed: &[u8; 32]) -> Self {
        let mut epoch = [0; 16];
        epoch.copy_from_slice(&seed[16..]);
        let (outbound, inbound) = match config.protocol {
            Protocol::Lanes => (
                Outbound::new(config.send.clone(), SessionId::nth(seed, 0)),
                Inbound::new(
                    config.receive.clone(),
                    Epoch(epoch),
                    0,
                    OtherHalf::Latest(None),
                ),
            ),
            Protocol::Plain | Protocol::Framed => (
                Outbound::without_lanes(config.send.clone(), config.protocol),
                Inbound::without_lanes(config.receive.clone(), config.protocol),
            ),
        };
        Self {
            now: Time::ZERO,
            phase: Phase::Running,
            link: Link::Down,
            addresses: config.addresses.clone(),
            turn: 0,
            dial_after: Time::ZERO,
            backoff: Backoff::default(),
            outbound,
            inbound,
            recall: false,
            slow: false,
            next_attempt: 0,
            transfers: 0,
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

    /// The connection that was closed last, without lanes, until the world tells that it is lost: what had
    /// come on it is still taken. None with lanes.
    pub fn left(&self) -> Option<Attempt> {
        self.inbound.left()
    }

    /// The peer's addresses, in the order in which they are tried.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Link and phase in one word.
    pub fn standing(&self) -> Standing {
        match (self.phase, self.link) {
            (Phase::Closed, _) => Standing::Closed,
            (_, link) => link.standing(),
        }
    }

    /// The earliest armed timer.
    pub(super) fn next_deadline(&self, config: &Config) -> Option<Deadline> {
        let deadline = |at, timer| Some(Deadline { at, timer });
        let of_link = match self.link {
            Link::Connecting { .. } if broken!(ConnectNeverGivenUp) => None,
            Link::Connecting { until, .. } => deadline(until, Timer::Connect),
            Link::Backoff { .. } if self.only_listens() => None,
            Link::Backoff { until } => deadline(until, Timer::Backoff),
            Link::Parting { until, .. } => deadline(until, Timer::Parting),
            Link::Up(_) => self
                .rest_at(config)
                .and_then(|at| deadline(at, Timer::Idle)),
            Link::Down | Link::Draining(_) | Link::Idle => None,
        };
        let of_messages = self.outbound.next_deadline();
        let oldest = self.outbound.oldest().filter(|_| !self.slow);
        let of_oldest = oldest
            .zip(config.slow_after)
            .and_then(|(oldest, after)| deadline(oldest + after, Timer::Slow));
        let of_phase = match self.phase {
            Phase::Stopping {
                ending: Ending::Drain,
                ..
            } if broken!(DrainWithoutEnd) => None,
            Phase::Stopping { until, .. } => deadline(until, Timer::Drain),
            Phase::Running | Phase::Closed => None,
        };
        [of_link, of_messages, of_oldest, of_phase]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the connection has been without traffic for long enough to be ended, if nothing comes
    /// up before. None while anything is under way, and for a peer that replies: it could not reach
    /// us without the connection.
    pub(super) fn rest_at(&self, config: &Config) -> Option<Time> {
        let Link::Up(Established { active, .. }) = self.link else {
            return None;
        };
        let quiet = self.phase == Phase::Running
            && self.outbound.is_settled()
            && !self.outbound.is_writing()
            && self.outbound.resume_due().is_none()
            && !self.inbound.is_known();
        Some(active + config.disconnect_after.filter(|_| quiet)?)
    }

    /// Whether it stops and has nothing left to say, so that it does not dial again. It may still wait
    /// for the application to take what came without a lane.
    pub(super) fn only_listens(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. }) && self.outbound.is_settled()
    }

    /// Something was said on the connection.
    pub(super) fn touch(&mut self) {
        if let Link::Up(connection) = &mut self.link {
            connection.active = self.now;
        }
    }
}

impl Link {
    /// The connection that is under way or stands.
    pub fn attempt(&self) -> Option<Attempt> {
        if let Self::Connecting { attempt, .. } = *self {
            return Some(attempt);
        }
        self.connection().map(|connection| connection.attempt)
    }

    /// The connection that stands.
    pub fn connection(&self) -> Option<&Established> {
        match self {
            Self::Up(connection)
            | Self::Draining(connection)
            | Self::Parting { connection, .. } => Some(connection),
            Self::Down | Self::Connecting { .. } | Self::Idle | Self::Backoff { .. } => None,
        }
    }

    pub(super) fn connection_mut(&mut self) -> Option<&mut Established> {
        match self {
            Self::Up(connection)
            | Self::Draining(connection)
            | Self::Parting { connection, .. } => Some(connection),
            Self::Down | Self::Connecting { .. } | Self::Idle | Self::Backoff { .. } => None,
        }
    }

    /// The address that it leads to.
    pub fn address(&self) -> Option<SocketAddr> {
        if let Self::Connecting { address, .. } = *self {
            return Some(address);
        }
        self.connection().map(|connection| connection.address)
    }

    pub(super) fn standing(&self) -> Standing {
        match self {
            Self::Down => Standing::Down,
            Self::Connecting { .. } => Standing::Connecting,
            Self::Up(_) => Standing::Up,
            Self::Draining(_) => Standing::Draining,
            Self::Parting { .. } => Standing::Parting,
            Self::Idle => Standing::Idle,
            Self::Backoff { .. } => Standing::Backoff,
        }
    }
}
