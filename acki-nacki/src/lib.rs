//! The message format of Acki Nacki's direct protocol (ALPN `acki-nacki-direct`), to the byte.
//!
//! What travels on a stream of that protocol is a row of messages, each behind its length (u32, big
//! endian). This crate is the codec at the edge: from one message's bytes, without the length, to a
//! [`NetMessage`] and back, and between its payload and values of a user's own types. It opens no stream,
//! reads no clock and draws no random number.
//!
//! ```
//! use peer_sender_acki_nacki::{Limits, NetMessage, delivery_duration, message_id};
//!
//! let limits = Limits::default();
//! // Where it is sent: the time comes from the caller's clock.
//! let now_nanos = 1_700_000_000_123_456_789_u128;
//! let (now_ms, id) = ((now_nanos / 1_000_000) as u64, message_id(now_nanos, None));
//! let message = NetMessage::from_value(&("hello", 7_u32), now_ms, id, &limits).unwrap();
//! let bytes = message.encode(&limits).unwrap();
//!
//! // Where it arrives.
//! let received = NetMessage::decode(&bytes, &limits).unwrap();
//! let (text, number): (String, u32) = received.value(&limits).unwrap();
//! assert_eq!((text.as_str(), number), ("hello", 7));
//! let under_way = delivery_duration(received.delivery_start_timestamp_ms, now_ms + 12).unwrap();
//! assert_eq!(under_way.as_millis(), 12);
//! ```
//!
//! # What is refused
//!
//! Everything that comes from the other end is judged before it is believed. A length is compared with
//! the bytes that are there, and makes no room; bools and Options are 0 or 1; texts are UTF-8 and have
//! limits; nothing may be left over, neither behind the last field nor before the tag, though nodes let
//! that pass. A compressed payload is one zstd frame, whole, whose output ends at a limit. Each refusal
//! is a value of its own ([`MalformedMessage`], [`BadPayload`], [`BadValue`]) and says where it was met.
//!
//! So there is one row of bytes for each message, and what [`NetMessage::decode`] reads,
//! [`NetMessage::encode`] writes as it was. Of a payload the same holds only where it is not compressed:
//! there are many zstd frames with the same content, and nodes take any.
//!
//! With the feature `driver` it sends and takes messages as well (`direct`), by a node on any runtime.
//!
//! The whole format is told in the project's `docs/acki-nacki.md`.

mod compression;
mod decode;
#[cfg(feature = "driver")]
pub mod direct;
mod encode;
mod error;
mod guard;
mod layout;
mod limits;
mod message;
mod naming;
mod typed;

pub use crate::compression::{COMPRESSED_ABOVE_BYTES, compress, decompress};
pub use crate::error::{
    BadPayload, BadValue, ClockAhead, Field, MalformedMessage, UnencodableMessage,
};
pub use crate::limits::Limits;
pub use crate::message::{NetMessage, Version};
pub use crate::naming::{CLOCK_AHEAD_MAX, delivery_duration, message_id};

/// The ALPN under which nodes speak it.
pub const ALPN: &[u8] = b"acki-nacki-direct";

/// The last eight bytes of every message of version 1, and of no other.
pub const TAG: [u8; 8] = *b"acknck\0\x01";
