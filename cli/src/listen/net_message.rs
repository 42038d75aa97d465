//! Messages of the Acki Nacki network that came in: what they carry, and which of them are none.

use bytes::Bytes;
use peer_sender_acki_nacki::{ClockAhead, Limits, NetMessage, delivery_duration};
use peer_sender_tokio::{IncomingMessage, PeerKey};

use crate::console::say;
use crate::date::unix_nanos;
use crate::foreign::plain;

/// A message that could be read.
pub(super) struct Read {
    /// Its name, by the sender.
    pub(super) id: String,
    /// How long it was under way, if the clocks of both ends agree.
    pub(super) under_way_ms: Option<u64>,
    pub(super) payload: Bytes,
}

/// Reads one. What is no message costs the connection on which it came.
pub(super) fn read(message: IncomingMessage<PeerKey>) -> Option<(IncomingMessage<PeerKey>, Read)> {
    match understand(message.payload()) {
        Ok(read) => Some((message, read)),
        Err(problem) => {
            let (from, number) = (message.from().key, message.number());
            let (what, problem) = match problem {
                Problem::NoMessage(problem) => {
                    message.malformed();
                    ("is none, its connection is closed", problem)
                }
                Problem::NoPayload(problem) => {
                    message.refuse();
                    ("has no payload that can be had", problem)
                }
            };
            say(&format!("message {number} of {from} {what}: {problem}"));
            None
        }
    }
}

/// Why a message cannot be shown.
enum Problem {
    /// It is none.
    NoMessage(String),
    /// It is one, and what it carries concerns its reader alone.
    NoPayload(String),
}

fn understand(bytes: &Bytes) -> Result<Read, Problem> {
    let limits = Limits::default();
    let message = NetMessage::decode(bytes, &limits);
    let message = message.map_err(|error| Problem::NoMessage(error.to_string()))?;
    let payload = message.payload(&limits);
    let payload = payload.map_err(|error| Problem::NoPayload(error.to_string()))?;
    let now_ms = (unix_nanos() / 1_000_000) as u64;
    let under_way = delivery_duration(message.delivery_start_timestamp_ms, now_ms);
    Ok(Read {
        id: plain(&message.id),
        under_way_ms: match under_way {
            Ok(under_way) => Some(under_way.as_millis() as u64),
            Err(ClockAhead { .. }) => None,
        },
        payload,
    })
}
