//! What direct sending has done, in counters and times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use peer_sender_driver::{Outcome, Transfer};

use super::histogram::{Counting, Histogram};
use crate::MalformedMessage;

/// A phase of a message's way; all are timed on the runtime's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// From its acceptance until its peer is resolved and its sender has accepted it, or until its outcome;
    /// not of what has failed because everything ended.
    Unresolved,
    /// From when its peer's sender has accepted it until it is first given to QUIC.
    OutgoingBuffer,
    /// From when it is first given to QUIC until its outcome; see
    /// [`Transfer::transferred`](peer_sender_driver::Transfer::transferred) for what is in it.
    OutgoingTransfer,
    /// From its last byte until the application takes it.
    IncomingBuffer,
}

impl Phase {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::Unresolved,
        Self::OutgoingBuffer,
        Self::OutgoingTransfer,
        Self::IncomingBuffer,
    ];
}

macro_rules! incidents {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $error:literal;)*) => {
        /// Something that did not go well. Errors are what was lost, or came wrong; the others are
        /// warnings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Incident {
            $($(#[$doc])* $name,)*
        }

        impl Incident {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name, for the label of a metric: the same in every version.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// Whether it is an error, and no warning.
            #[must_use]
            pub fn is_error(self) -> bool {
                match self {
                    $(Self::$name => $error,)*
                }
            }
        }

        const INCIDENTS: usize = [$($label,)*].len();
    };
}

incidents! {
    /// A message was not sent: [`Outcome::Failed`].
    SendFailed = "send_failed", true;
    /// What became of a message is not known: [`Outcome::Unknown`].
    SendUnknown = "send_unknown", true;
    /// The peer refused a message: [`Outcome::Refused`].
    SendRefused = "send_refused", true;
    /// What came was longer than a message may be.
    MalformedTooLarge = "malformed_too_large", true;
    /// What came ended early.
    MalformedEndsEarly = "malformed_ends_early", true;
    /// What came had a length beyond its end.
    MalformedLength = "malformed_length_beyond_end", true;
    /// What came had a text that is too long.
    MalformedTextTooLong = "malformed_text_too_long", true;
    /// What came had a text that is not UTF-8.
    MalformedUtf8 = "malformed_not_utf8", true;
    /// What came had a bool that is none.
    MalformedBool = "malformed_not_a_bool", true;
    /// What came had an Option that is none.
    MalformedOption = "malformed_not_an_option", true;
    /// What came had bytes left over.
    MalformedLeftOver = "malformed_bytes_left_over", true;
    /// A message was not accepted, as too many wait for their peers to be resolved.
    RoomFull = "room_full", false;
    /// A message's time ended before it was sent: [`Outcome::Expired`].
    Expired = "expired", false;
    /// A message was taken back: [`Outcome::Cancelled`].
    Cancelled = "cancelled", false;
    /// A sender's clock is ahead of ours.
    ClockAhead = "clock_ahead", false;
    /// The times of a message went by uncounted, as too many came at once: so its bytes, and whether it
    /// was sent, are missing here as well.
    TimesMissed = "times_missed", false;
}

impl From<&MalformedMessage> for Incident {
    fn from(error: &MalformedMessage) -> Self {
        match error {
            MalformedMessage::TooLarge { .. } => Self::MalformedTooLarge,
            MalformedMessage::EndsEarly { .. } => Self::MalformedEndsEarly,
            MalformedMessage::LengthBeyondEnd { .. } => Self::MalformedLength,
            MalformedMessage::TextTooLong { .. } => Self::MalformedTextTooLong,
            MalformedMessage::NotUtf8 { .. } => Self::MalformedUtf8,
            MalformedMessage::NotABool { .. } => Self::MalformedBool,
            MalformedMessage::NotAnOption { .. } => Self::MalformedOption,
            MalformedMessage::BytesLeftOver { .. } => Self::MalformedLeftOver,
        }
    }
}

/// The counters and times of direct sending, shared by whoever counts and whoever reads. Cheap to clone;
/// all clones are the same.
///
/// What was sent is told by the peers' [`Transfers`](peer_sender_driver::Transfers), so that the node
/// must keep times ([`transfers`](peer_sender_driver::NodeConfigBuilder::transfers)): otherwise of
/// sending only what never left its room is counted.
#[derive(Clone, Debug, Default)]
pub struct DirectMetrics {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sent_messages: AtomicU64,
    sent_bytes: AtomicU64,
    received_messages: AtomicU64,
    received_bytes: AtomicU64,
    incidents: [AtomicU64; INCIDENTS],
    phases: [Counting; Phase::ALL.len()],
}

/// What was counted until now. Single counters are exact; two of them may differ by what happened
/// between their readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectCounters {
    /// Messages that were sent ([`Outcome::Written`], or delivered).
    pub sent_messages: u64,
    /// Their bytes, without the lengths that frame them.
    pub sent_bytes: u64,
    /// Messages that came in and are well formed.
    pub received_messages: u64,
    /// Their bytes, without the lengths that frame them.
    pub received_bytes: u64,
    incidents: [u64; INCIDENTS],
    phases: [Histogram; Phase::ALL.len()],
}

impl DirectCounters {
    /// How often that happened.
    #[must_use]
    pub fn incident(&self, incident: Incident) -> u64 {
        self.incidents.get(incident as usize).copied().unwrap_or(0)
    }

    /// How often anything happened that is an error.
    #[must_use]
    pub fn errors(&self) -> u64 {
        let errors = Incident::ALL.iter().filter(|it| it.is_error());
        errors.map(|&it| self.incident(it)).sum()
    }

    /// How often anything happened that is a warning.
    #[must_use]
    pub fn warnings(&self) -> u64 {
        let warnings = Incident::ALL.iter().filter(|it| !it.is_error());
        warnings.map(|&it| self.incident(it)).sum()
    }

    /// How long the phase took, message by message.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> &Histogram {
        let [unresolved, buffer, transfer, incoming] = &self.phases;
        match phase {
            Phase::Unresolved => unresolved,
            Phase::OutgoingBuffer => buffer,
            Phase::OutgoingTransfer => transfer,
            Phase::IncomingBuffer => incoming,
        }
    }
}

impl DirectMetrics {
    /// What was counted until now.
    #[must_use]
    pub fn read(&self) -> DirectCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let inner = &*self.inner;
        DirectCounters {
            sent_messages: read(&inner.sent_messages),
            sent_bytes: read(&inner.sent_bytes),
            received_messages: read(&inner.received_messages),
            received_bytes: read(&inner.received_bytes),
            incidents: std::array::from_fn(|place| inner.incidents.get(place).map_or(0, read)),
            phases: inner.phases.each_ref().map(Counting::read),
        }
    }

    pub(super) fn happened(&self, incident: Incident) {
        self.happened_times(incident, 1);
    }

    pub(super) fn happened_times(&self, incident: Incident, times: u64) {
        if let Some(counter) = self.inner.incidents.get(incident as usize) {
            counter.fetch_add(times, Ordering::Relaxed);
        }
    }

    pub(super) fn took(&self, phase: Phase, time: Duration) {
        if let Some(counting) = self.inner.phases.get(phase as usize) {
            counting.add(time);
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        let inner = &self.inner;
        inner.received_messages.fetch_add(1, Ordering::Relaxed);
        inner
            .received_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A message of a resolved peer has its outcome.
    pub(super) fn transferred(&self, transfer: &Transfer) {
        self.took(Phase::OutgoingBuffer, transfer.buffered);
        if let Some(time) = transfer.transferred {
            self.took(Phase::OutgoingTransfer, time);
        }
        self.settled(&transfer.outcome, transfer.bytes);
    }

    /// A message has its outcome.
    pub(super) fn settled(&self, outcome: &Outcome, bytes: usize) {
        match outcome {
            Outcome::Written | Outcome::Delivered(_) => {
                let inner = &self.inner;
                inner.sent_messages.fetch_add(1, Ordering::Relaxed);
                inner.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Outcome::Refused(_) => self.happened(Incident::SendRefused),
            Outcome::Expired => self.happened(Incident::Expired),
            Outcome::Cancelled => self.happened(Incident::Cancelled),
            Outcome::Failed(_) => self.happened(Incident::SendFailed),
            Outcome::Unknown(_) => self.happened(Incident::SendUnknown),
        }
    }
}
