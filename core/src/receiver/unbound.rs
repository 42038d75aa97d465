//! A connection before its first OPEN.

#[cfg(feature = "trace")]
mod image;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::inbound::read_open;
use crate::wire::{Decoder, Open};
use crate::{Attempt, Dialler, Event, ProtocolError, SessionId, Side, StreamId};

/// More than any OPEN has: what a decoder is shown of a stream's start.
const OPEN_BYTES_MAX: usize = 64;

/// A connection that is not bound to a session yet. Of each stream it keeps the little that came
/// of its OPEN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Unbound {
    pub(super) dialler: Dialler,
    streams: BTreeMap<StreamId, Vec<u8>>,
}

/// What an event made of it.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing yet.
    Waits,
    /// Nothing, and the event made no sense.
    Stale,
    /// The peer gave a stream up.
    Cut(StreamId),
    /// A stream names the session, by its OPEN. The event is still to be handled.
    Opened(SessionId, Event),
    /// The connection is gone.
    Lost,
    /// The peer broke the protocol.
    Broken(ProtocolError),
}

impl Unbound {
    pub(super) fn new(dialler: Dialler) -> Self {
        Self {
            dialler,
            streams: BTreeMap::new(),
        }
    }

    /// What an event means for a connection that nobody owns.
    pub(super) fn handle(&mut self, event: Event) -> Progress {
        match event {
            Event::StreamOpened { stream, .. } if stream.opener == Side::Remote => {
                self.streams.entry(stream).or_default();
                Progress::Waits
            }
            Event::BytesReceived {
                attempt,
                stream,
                bytes,
                fin,
            } => {
                let Some(kept) = self.streams.get_mut(&stream) else {
                    return Progress::Stale;
                };
                match first_open(kept, &bytes) {
                    Ok(Some(open)) => Progress::Opened(
                        open.session,
                        Event::BytesReceived {
                            attempt,
                            stream,
                            bytes,
                            fin,
                        },
                    ),
                    Ok(None) if fin => Progress::Broken(ProtocolError::Truncated),
                    Ok(None) => {
                        kept.extend_from_slice(&bytes);
                        Progress::Waits
                    }
                    Err(error) => Progress::Broken(error),
                }
            }
            Event::StreamReset { stream, .. } | Event::StreamStopped { stream, .. } => {
                match self.streams.remove(&stream) {
                    Some(_) => Progress::Cut(stream),
                    None => Progress::Stale,
                }
            }
            Event::ConnectionLost { .. } => Progress::Lost,
            Event::MessageQueued { .. }
            | Event::Cancel { .. }
            | Event::AddressesChanged { .. }
            | Event::Wake { .. }
            | Event::Connected { .. }
            | Event::ConnectFailed { .. }
            | Event::StreamOpened { .. }
            | Event::TransferFinished { .. }
            | Event::TransferAcknowledged { .. }
            | Event::ProbeAnswered { .. }
            | Event::StreamAcknowledged { .. }
            | Event::Consumed { .. }
            | Event::Refused { .. }
            | Event::Stop { .. }
            | Event::TimerFired => Progress::Stale,
        }
    }

    /// All that happened on it so far, for the machine that it is bound to.
    pub(super) fn into_events(self, attempt: Attempt) -> impl Iterator<Item = Event> {
        let of_streams = self.streams.into_iter().flat_map(move |(stream, kept)| {
            let bytes = Bytes::from(kept);
            let received = Event::BytesReceived {
                attempt,
                stream,
                bytes,
                fin: false,
            };
            [Event::StreamOpened { attempt, stream }, received]
        });
        core::iter::once(Event::Connected { attempt }).chain(of_streams)
    }
}

/// The OPEN at the start of a stream of which `kept` came before `bytes`.
fn first_open(kept: &[u8], bytes: &[u8]) -> Result<Option<Open>, ProtocolError> {
    let start: Vec<u8> = kept
        .iter()
        .chain(bytes)
        .copied()
        .take(OPEN_BYTES_MAX)
        .collect();
    read_open(&mut Decoder::default(), &mut Bytes::from(start))
}
