//! What messages wait for, and for how long.

use peer_sender_core::Holdup;

/// What a lane's next message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::trace) enum Wait {
    NoAddress,
    Connecting,
    Backoff,
    Resume,
    FlightFull,
    Quic,
    HigherLanes,
    Answers,
    Streams,
    Parting,
    Nothing,
}

const COUNT: usize = 11;

impl Wait {
    pub(in crate::trace) const ALL: [Self; COUNT] = [
        Self::NoAddress,
        Self::Connecting,
        Self::Backoff,
        Self::Resume,
        Self::FlightFull,
        Self::Quic,
        Self::HigherLanes,
        Self::Answers,
        Self::Streams,
        Self::Parting,
        Self::Nothing,
    ];

    pub(super) fn of(holdup: Holdup) -> Self {
        match holdup {
            Holdup::NoAddress => Self::NoAddress,
            Holdup::Connecting | Holdup::AwaitsDialler => Self::Connecting,
            Holdup::Backoff => Self::Backoff,
            Holdup::AwaitsResume => Self::Resume,
            Holdup::FlightFull => Self::FlightFull,
            Holdup::QuicBlocked => Self::Quic,
            Holdup::AwaitsReceipts | Holdup::AwaitsAcknowledgement => Self::Answers,
            Holdup::AwaitsStreams => Self::Streams,
            Holdup::Parting => Self::Parting,
            _ => Self::Nothing,
        }
    }

    /// Whether it is for want of a connection.
    pub(in crate::trace) fn is_unconnected(self) -> bool {
        matches!(
            self,
            Self::NoAddress | Self::Connecting | Self::Backoff | Self::Parting
        )
    }

    /// In words, as the reason for a time that has passed.
    pub(in crate::trace) fn words(self) -> &'static str {
        match self {
            Self::NoAddress => "no address of the peer was known",
            Self::Connecting => "a connection was being made",
            Self::Backoff => "the last attempt had failed, and the next one had not come",
            Self::Resume => "the peer had not answered the opening of the lane",
            Self::FlightFull => {
                "as much was in flight as may be: the peer's application had not answered it"
            }
            Self::Quic => "the network, or the peer's flow control, took no more",
            Self::HigherLanes => "lanes of a higher class went first",
            Self::Answers => "it was written, and no answer of the peer's application had come",
            Self::Streams => "the peer allowed no further stream",
            Self::Parting => "the idle connection was being ended",
            Self::Nothing => "nothing held it up",
        }
    }

    /// As a word for other programs.
    pub(in crate::trace) fn name(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::Connecting => "connecting",
            Self::Backoff => "backoff",
            Self::Resume => "resume",
            Self::FlightFull => "flight_full",
            Self::Quic => "quic",
            Self::HigherLanes => "higher_lanes",
            Self::Answers => "answers",
            Self::Streams => "streams",
            Self::Parting => "parting",
            Self::Nothing => "nothing",
        }
    }
}

/// How long each was waited for, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::trace) struct Waits([u64; COUNT]);

impl Waits {
    pub(super) fn add(&mut self, wait: Wait, nanos: u64) {
        if let Some(sum) = self.0.get_mut(wait as usize) {
            *sum = sum.saturating_add(nanos);
        }
    }

    pub(in crate::trace) fn get(&self, wait: Wait) -> u64 {
        self.0.get(wait as usize).copied().unwrap_or(0)
    }

    /// What has come to it since it was this.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut since = *self;
        for (sum, before) in since.0.iter_mut().zip(earlier.0) {
            *sum = sum.saturating_sub(before);
        }
        since
    }

    pub(in crate::trace) fn plus(&self, other: &Self) -> Self {
        let mut both = *self;
        for (sum, more) in both.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
        both
    }

    /// What was waited for, longest first.
    pub(in crate::trace) fn longest(&self) -> Vec<(Wait, u64)> {
        let all = Wait::ALL.map(|wait| (wait, self.get(wait)));
        let mut all: Vec<_> = all.into_iter().filter(|(_, nanos)| *nanos > 0).collect();
        all.sort_by_key(|(wait, nanos)| (std::cmp::Reverse(*nanos), *wait));
        all
    }
}
