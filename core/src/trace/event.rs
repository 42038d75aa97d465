//! Events as a trace keeps them.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use bytes::Bytes;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::content::{Content, Payloads, Zeros};
use super::form::Form;
use super::runs::{Piece, Runs};
use crate::{
    Attempt, Event, Lane, LinkError, MessageId, MessageOptions, RefuseCode, Side, StopMode,
    StreamId, Time, TransferId, WakeReason,
};

/// An [`Event`] as a trace keeps it: the same facts, with payloads as far as the trace has them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is that of the event")]
pub enum TraceEvent {
    /// [`Event::MessageQueued`].
    MessageQueued {
        id: MessageId,
        lane: Lane,
        payload: Content,
        expires_at: Option<Time>,
    },
    /// [`Event::Cancel`].
    Cancel { id: MessageId },
    /// [`Event::AddressesChanged`].
    AddressesChanged { addresses: Vec<SocketAddr> },
    /// [`Event::Wake`].
    Wake { reason: WakeReason },
    /// [`Event::Connected`].
    Connected { attempt: Attempt },
    /// [`Event::ConnectFailed`].
    ConnectFailed { attempt: Attempt, error: LinkError },
    /// [`Event::ConnectionLost`].
    ConnectionLost { attempt: Attempt, error: LinkError },
    /// [`Event::StreamOpened`].
    StreamOpened { attempt: Attempt, stream: StreamId },
    /// [`Event::BytesReceived`]: frames as they came, and runs of payload.
    BytesReceived {
        attempt: Attempt,
        stream: StreamId,
        pieces: Vec<Piece>,
        fin: bool,
    },
    /// [`Event::StreamReset`].
    StreamReset {
        attempt: Attempt,
        stream: StreamId,
        code: u64,
    },
    /// [`Event::StreamStopped`].
    StreamStopped {
        attempt: Attempt,
        stream: StreamId,
        code: u64,
    },
    /// [`Event::TransferFinished`].
    TransferFinished { transfer: TransferId },
    /// [`Event::StreamAcknowledged`].
    StreamAcknowledged { attempt: Attempt, stream: StreamId },
    /// [`Event::Consumed`].
    Consumed { lane: Lane, below: u64 },
    /// [`Event::Refused`].
    Refused {
        lane: Lane,
        number: u64,
        code: RefuseCode,
    },
    /// [`Event::Stop`].
    Stop { mode: StopMode },
    /// [`Event::TimerFired`].
    TimerFired,
    /// [`Event::TransferAcknowledged`].
    TransferAcknowledged { transfer: TransferId },
    /// [`Event::ProbeAnswered`].
    ProbeAnswered { attempt: Attempt },
}

impl TraceEvent {
    /// Appends what is kept of an event, as a `TraceEvent` is encoded.
    pub(super) fn encode(event: &Event, payloads: Payloads, runs: &mut Runs, out: &mut Form) {
        match *event {
            Event::MessageQueued {
                id,
                lane,
                ref payload,
                options: MessageOptions { expires_at },
            } => {
                out.short(|short| {
                    short.byte(0);
                    short.integer(id.0);
                    short.byte(lane.0);
                    Content::encode(payload, payloads, short);
                });
                out.short(|short| {
                    short.byte(u8::from(expires_at.is_some()));
                    if let Some(at) = expires_at {
                        short.integer(at.as_nanos());
                    }
                });
            }
            Event::Cancel { id } => out.value(&(1_u32, id)),
            Event::AddressesChanged { ref addresses } => out.value(&(2_u32, addresses)),
            Event::Wake { reason } => out.value(&(3_u32, reason)),
            Event::Connected { attempt } => out.value(&(4_u32, attempt)),
            Event::ConnectFailed { attempt, ref error } => out.value(&(5_u32, attempt, error)),
            Event::ConnectionLost { attempt, ref error } => out.value(&(6_u32, attempt, error)),
            Event::StreamOpened { attempt, stream } => out.value(&(7_u32, attempt, stream)),
            Event::BytesReceived {
                attempt,
                stream,
                ref bytes,
                fin,
            } => {
                out.short(|short| {
                    short.byte(8);
                    short.integer(attempt.0);
                    short.byte(u8::from(stream.opener == Side::Remote));
                    short.integer(stream.index);
                });
                out.list(|out| {
                    let mut count = 0;
                    runs.cut(bytes, |run| {
                        count += 1;
                        out.short(|short| run.encode(payloads, short));
                    });
                    count
                });
                out.short(|short| short.byte(u8::from(fin)));
            }
            Event::StreamReset {
                attempt,
                stream,
                code,
            } => out.value(&(9_u32, attempt, stream, code)),
            Event::StreamStopped {
                attempt,
                stream,
                code,
            } => out.value(&(10_u32, attempt, stream, code)),
            Event::TransferFinished { transfer } => out.value(&(11_u32, transfer)),
            Event::StreamAcknowledged { attempt, stream } => {
                out.value(&(12_u32, attempt, stream));
            }
            Event::Consumed { lane, below } => out.value(&(13_u32, lane, below)),
            Event::Refused { lane, number, code } => out.value(&(14_u32, lane, number, code)),
            Event::Stop { mode } => out.value(&(15_u32, mode)),
            Event::TimerFired => out.value(&16_u32),
            Event::TransferAcknowledged { transfer } => out.value(&(17_u32, transfer)),
            Event::ProbeAnswered { attempt } => out.value(&(18_u32, attempt)),
        }
    }

    /// How many bytes of a stream it has brought.
    pub(super) fn received(&self) -> u64 {
        let Self::BytesReceived { pieces, .. } = self else {
            return 0;
        };
        pieces.iter().map(Piece::bytes).fold(0, u64::saturating_add)
    }

    /// The event, with zeros for what the trace does not have. None if it names more payload than
    /// there may be.
    pub(super) fn event(&self, zeros: &mut Zeros) -> Option<Event> {
        Some(match *self {
            Self::MessageQueued {
                id,
                lane,
                ref payload,
                expires_at,
            } => Event::MessageQueued {
                id,
                lane,
                payload: payload.payload(zeros)?,
                options: MessageOptions { expires_at },
            },
            Self::Cancel { id } => Event::Cancel { id },
            Self::AddressesChanged { ref addresses } => Event::AddressesChanged {
                addresses: addresses.clone(),
            },
            Self::Wake { reason } => Event::Wake { reason },
            Self::Connected { attempt } => Event::Connected { attempt },
            Self::ConnectFailed { attempt, ref error } => Event::ConnectFailed {
                attempt,
                error: error.clone(),
            },
            Self::ConnectionLost { attempt, ref error } => Event::ConnectionLost {
                attempt,
                error: error.clone(),
            },
            Self::StreamOpened { attempt, stream } => Event::StreamOpened { attempt, stream },
            Self::BytesReceived {
                attempt,
                stream,
                ref pieces,
                fin,
            } => Event::BytesReceived {
                attempt,
                stream,
                bytes: joined(pieces, zeros)?,
                fin,
            },
            Self::StreamReset {
                attempt,
                stream,
                code,
            } => Event::StreamReset {
                attempt,
                stream,
                code,
            },
            Self::StreamStopped {
                attempt,
                stream,
                code,
            } => Event::StreamStopped {
                attempt,
                stream,
                code,
            },
            Self::TransferFinished { transfer } => Event::TransferFinished { transfer },
            Self::StreamAcknowledged { attempt, stream } => {
                Event::StreamAcknowledged { attempt, stream }
            }
            Self::Consumed { lane, below } => Event::Consumed { lane, below },
            Self::Refused { lane, number, code } => Event::Refused { lane, number, code },
            Self::Stop { mode } => Event::Stop { mode },
            Self::TimerFired => Event::TimerFired,
            Self::TransferAcknowledged { transfer } => Event::TransferAcknowledged { transfer },
            Self::ProbeAnswered { attempt } => Event::ProbeAnswered { attempt },
        })
    }
}

/// The most events of a record: a longer step has several.
pub(super) const EVENTS_MAX: usize = 1 << 16;

/// Reads no more events than a record may have, so that a record of the shortest ones does not become
/// a hundred times as long in memory.
pub(super) fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TraceEvent>, D::Error> {
    struct Few;

    impl<'de> Visitor<'de> for Few {
        type Value = Vec<TraceEvent>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {EVENTS_MAX} events")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<TraceEvent>, A::Error> {
            let mut events = Vec::new();
            while let Some(event) = seq.next_element()? {
                if events.len() >= EVENTS_MAX {
                    return Err(Error::invalid_length(EVENTS_MAX + 1, &self));
                }
                events.push(event);
            }
            Ok(events)
        }
    }

    deserializer.deserialize_seq(Few)
}

/// The most bytes that one event may have brought: a node reads far less at once.
const RECEIVED_MAX: u64 = 16 << 20;

fn joined(pieces: &[Piece], zeros: &mut Zeros) -> Option<Bytes> {
    match pieces {
        [Piece::Frames(bytes)] => return Some(bytes.clone()),
        [Piece::Payload(content)] if content.bytes() <= RECEIVED_MAX => {
            return content.payload(zeros);
        }
        _ => {}
    }
    let length = pieces.iter().map(Piece::bytes).fold(0, u64::saturating_add);
    if length > RECEIVED_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(length as usize);
    for piece in pieces {
        match piece {
            Piece::Frames(frames) | Piece::Payload(Content::Whole(frames)) => {
                bytes.extend_from_slice(frames);
            }
            Piece::Payload(content) => bytes.resize(bytes.len() + content.bytes() as usize, 0),
        }
    }
    Some(Bytes::from(bytes))
}

#[cfg(test)]
mod tests;
