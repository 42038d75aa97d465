//! A message, and how it is made and taken apart.

use std::fmt;

use bytes::Bytes;

use crate::compression::{COMPRESSED_ABOVE_BYTES, compress, decompress};
use crate::error::{BadPayload, MalformedMessage, UnencodableMessage};
use crate::limits::Limits;
use crate::{decode, encode};

/// A form of the message on the wire. Nodes write version 1, and read both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Without `direct_receiver`, and without a tag.
    V0,
    /// With `direct_receiver`, and eight bytes at the end that tell it from the other.
    #[default]
    V1,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V0 => "0",
            Self::V1 => "1",
        })
    }
}

/// One message of the protocol, as it is on the wire: `data` is compressed if `compressed` says so.
///
/// The texts and the timestamp are the sender's words. Its `Debug` escapes what would move a terminal's
/// cursor or turn the direction of writing, and tells of the payload its length only; whoever shows the
/// texts otherwise has to escape them, and none of them belongs into the label of a metric.
#[derive(Clone, PartialEq, Eq)]
pub struct NetMessage {
    /// The form in which it was read, or is to be written.
    pub version: Version,
    /// When its delivery began, by the sender's clock: Unix time in milliseconds.
    pub delivery_start_timestamp_ms: u64,
    /// Its name ([`message_id`](crate::message_id)).
    pub id: String,
    /// The value's pretty `Debug` text.
    pub label: String,
    /// Whether `data` is a zstd frame.
    pub compressed: bool,
    /// The payload, as it is on the wire. Of a message that was read it is a part of the buffer that was
    /// read, and keeps that in memory.
    pub data: Bytes,
    /// Whether a proxy sent it; false on a direct send.
    pub last_sender_is_proxy: bool,
    /// Whom it is for, behind a proxy; `None` on a direct send, and always in version 0.
    pub direct_receiver: Option<String>,
}

impl NetMessage {
    /// A message for a direct send, of version 1. A payload of more than
    /// [`COMPRESSED_ABOVE_BYTES`] is compressed, and stays so even if that made it longer.
    ///
    /// # Errors
    ///
    /// The payload is longer than it may be, or there is no memory to compress it.
    ///
    /// ```
    /// use peer_sender_acki_nacki::{Limits, NetMessage, message_id};
    ///
    /// let limits = Limits::default();
    /// let id = message_id(1_700_000_000_123_456_789, None);
    /// let message =
    ///     NetMessage::from_payload(vec![7; 1_001].into(), "Block", 1_700_000_000_123, id, &limits)?;
    /// assert!(message.compressed && message.data.len() < 100);
    /// assert_eq!(message.payload(&limits).unwrap(), vec![7; 1_001]);
    /// # Ok::<(), peer_sender_acki_nacki::UnencodableMessage>(())
    /// ```
    pub fn from_payload(
        payload: Bytes,
        label: impl Into<String>,
        delivery_start_timestamp_ms: u64,
        id: impl Into<String>,
        limits: &Limits,
    ) -> Result<Self, UnencodableMessage> {
        limits.check_payload(payload.len())?;
        let compressed = payload.len() > COMPRESSED_ABOVE_BYTES;
        Ok(Self {
            version: Version::V1,
            delivery_start_timestamp_ms,
            id: id.into(),
            label: label.into(),
            compressed,
            data: match compressed {
                true => compress(&payload)?.into(),
                false => payload,
            },
            last_sender_is_proxy: false,
            direct_receiver: None,
        })
    }

    /// The payload, decompressed where it is compressed.
    ///
    /// # Errors
    ///
    /// It is longer than it may be, or no whole frame of zstd.
    pub fn payload(&self, limits: &Limits) -> Result<Bytes, BadPayload> {
        let max = limits.payload_bytes_max;
        match self.compressed {
            true => decompress(&self.data, max).map(Bytes::from),
            false if self.data.len() > max => Err(BadPayload::TooLarge { max }),
            false => Ok(self.data.clone()),
        }
    }

    /// The message in bytes, without the length that frames it on a stream.
    ///
    /// # Errors
    ///
    /// It is longer than it may be, or its version cannot tell what it says.
    pub fn encode(&self, limits: &Limits) -> Result<Bytes, UnencodableMessage> {
        encode::encode(self, limits)
    }

    /// Reads the bytes of one message, without the length that frames it on a stream.
    ///
    /// Only one row of bytes is ever read as a given message: what was read is encoded to the same bytes.
    /// Nothing is allocated but the three texts, whose bytes are there; `data` is a part of `bytes`.
    ///
    /// # Errors
    ///
    /// Where it is no message, and why.
    ///
    /// ```
    /// use peer_sender_acki_nacki::{Field, Limits, MalformedMessage, NetMessage, TAG};
    ///
    /// let mut bytes = vec![0; 35];
    /// bytes.extend(TAG);
    /// let empty = NetMessage::decode(&bytes.clone().into(), &Limits::default())?;
    /// assert_eq!((empty.id.as_str(), empty.data.len()), ("", 0));
    ///
    /// bytes[8] = 200;
    /// let error = NetMessage::decode(&bytes.into(), &Limits::default()).unwrap_err();
    /// assert_eq!((error.offset(), error.field()), (8, Some(Field::Id)));
    /// assert!(matches!(error, MalformedMessage::LengthBeyondEnd { length: 200, .. }));
    /// # Ok::<(), MalformedMessage>(())
    /// ```
    pub fn decode(bytes: &Bytes, limits: &Limits) -> Result<Self, MalformedMessage> {
        decode::decode(bytes, limits)
    }
}

impl fmt::Debug for NetMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetMessage")
            .field("version", &self.version)
            .field(
                "delivery_start_timestamp_ms",
                &self.delivery_start_timestamp_ms,
            )
            .field("id", &self.id)
            .field("label", &self.label)
            .field("compressed", &self.compressed)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("last_sender_is_proxy", &self.last_sender_is_proxy)
            .field("direct_receiver", &self.direct_receiver)
            .finish()
    }
}
