//! What is wrong with a message, a payload or a value.

use std::fmt;

use thiserror::Error;

use crate::Version;

/// A field of a [`NetMessage`](crate::NetMessage), by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Field {
    /// When its delivery began.
    DeliveryStartTimestampMs,
    /// Its name.
    Id,
    /// What its payload is, in words.
    Label,
    /// Whether its payload is compressed.
    Compressed,
    /// Its payload.
    Data,
    /// Whether a proxy sent it.
    LastSenderIsProxy,
    /// Whom it is for.
    DirectReceiver,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeliveryStartTimestampMs => "delivery_start_timestamp_ms",
            Self::Id => "id",
            Self::Label => "label",
            Self::Compressed => "compressed",
            Self::Data => "data",
            Self::LastSenderIsProxy => "last_sender_is_proxy",
            Self::DirectReceiver => "direct_receiver",
        })
    }
}

/// Bytes that are no message. Offsets count from the message's first byte, which is the first one after
/// the length that frames it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MalformedMessage {
    /// The whole is longer than [`Limits::message_bytes_max`](crate::Limits::message_bytes_max); nothing
    /// of it was looked at.
    #[error("the message has {length} bytes, and at most {max} are taken")]
    TooLarge {
        /// Bytes of the message.
        length: usize,
        /// Bytes that are taken.
        max: usize,
    },
    /// The fields end before this one, or within its integer, bool or length.
    #[error(
        "the message ends early: {field} begins at byte {offset}, and {remaining} bytes are left there"
    )]
    EndsEarly {
        /// What is not whole.
        field: Field,
        /// Where the integer, bool or length begins.
        offset: usize,
        /// Bytes of fields from there on.
        remaining: usize,
    },
    /// A length is larger than what is left.
    #[error(
        "the length of {field}, at byte {offset}, is {length}, and {remaining} bytes are left behind it"
    )]
    LengthBeyondEnd {
        /// Whose length.
        field: Field,
        /// Where the length begins.
        offset: usize,
        /// What it says.
        length: u64,
        /// Bytes of fields behind it.
        remaining: usize,
    },
    /// A text is longer than the [`Limits`](crate::Limits) allow.
    #[error(
        "{field}, whose length is at byte {offset}, has {length} bytes, and at most {max} are taken"
    )]
    TextTooLong {
        /// Which text.
        field: Field,
        /// Where its length begins.
        offset: usize,
        /// Its bytes.
        length: usize,
        /// Bytes that are taken.
        max: usize,
    },
    /// A text is not UTF-8.
    #[error("{field} is not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Which text.
        field: Field,
        /// The first byte that does not fit.
        offset: usize,
    },
    /// A bool is neither 0 nor 1.
    #[error("{field}, at byte {offset}, is {byte:#04x}, and a bool is 0 or 1")]
    NotABool {
        /// Which field.
        field: Field,
        /// Where it is.
        offset: usize,
        /// What is there.
        byte: u8,
    },
    /// The byte that says whether there is a value is neither 0 nor 1.
    #[error("{field}, at byte {offset}, begins with {byte:#04x}, and an Option begins with 0 or 1")]
    NotAnOption {
        /// Which field.
        field: Field,
        /// Where it is.
        offset: usize,
        /// What is there.
        byte: u8,
    },
    /// There are bytes behind the last field, in version 1 between it and the tag.
    #[error("{count} bytes are left over behind {field}, from byte {offset} on")]
    BytesLeftOver {
        /// The last field.
        field: Field,
        /// The first byte behind it.
        offset: usize,
        /// How many there are, without the tag.
        count: usize,
    },
}

impl MalformedMessage {
    /// Where it is wrong; 0 if the message as a whole is.
    #[must_use]
    pub fn offset(&self) -> usize {
        match *self {
            Self::TooLarge { .. } => 0,
            Self::EndsEarly { offset, .. }
            | Self::LengthBeyondEnd { offset, .. }
            | Self::TextTooLong { offset, .. }
            | Self::NotUtf8 { offset, .. }
            | Self::NotABool { offset, .. }
            | Self::NotAnOption { offset, .. }
            | Self::BytesLeftOver { offset, .. } => offset,
        }
    }

    /// Which field is wrong; for bytes that are left over, the one before them. None if the message as a
    /// whole is.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        match *self {
            Self::TooLarge { .. } => None,
            Self::EndsEarly { field, .. }
            | Self::LengthBeyondEnd { field, .. }
            | Self::TextTooLong { field, .. }
            | Self::NotUtf8 { field, .. }
            | Self::NotABool { field, .. }
            | Self::NotAnOption { field, .. }
            | Self::BytesLeftOver { field, .. } => Some(field),
        }
    }
}

/// A message that cannot be written, or that its receiver could not read under the same limits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnencodableMessage {
    /// The whole would be longer than [`Limits::message_bytes_max`](crate::Limits::message_bytes_max),
    /// or than the 2^32 - 1 bytes that its frame can tell.
    #[error("the message would have {length} bytes, and at most {max} may be sent")]
    TooLarge {
        /// Bytes of the message.
        length: usize,
        /// Bytes that may be sent.
        max: usize,
    },
    /// A text is longer than the [`Limits`](crate::Limits) allow.
    #[error("{field} has {length} bytes, and at most {max} may be sent")]
    TextTooLong {
        /// Which text.
        field: Field,
        /// Its bytes.
        length: usize,
        /// Bytes that may be sent.
        max: usize,
    },
    /// The payload, before it is compressed, is longer than
    /// [`Limits::payload_bytes_max`](crate::Limits::payload_bytes_max).
    #[error("the payload has {length} bytes, and at most {max} may be sent")]
    PayloadTooLarge {
        /// Its bytes.
        length: usize,
        /// Bytes that may be sent.
        max: usize,
    },
    /// A field has a value that the message's version has no place for.
    #[error("a message of version {version} has no {field}")]
    NoSuchField {
        /// The version.
        version: Version,
        /// The field.
        field: Field,
    },
    /// A message of version 0 whose last bytes are those by which version 1 is known: every reader would
    /// take it for one.
    #[error(
        "a message of version 0 with this data and last_sender_is_proxy would be read as version 1"
    )]
    LooksLikeVersion1,
    /// zstd gave up; only want of memory makes it.
    #[error("the payload could not be compressed: {reason}")]
    CompressionFailed {
        /// In zstd's words.
        reason: String,
    },
    /// The value cannot be written in this format.
    #[error("the value cannot be encoded: {reason}")]
    Unserializable {
        /// In bincode's words.
        reason: String,
    },
}

/// A payload that cannot be taken out of its message. Offsets count from the first byte of `data`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadPayload {
    /// It is longer than [`Limits::payload_bytes_max`](crate::Limits::payload_bytes_max). Of a compressed
    /// one at most one byte more was made.
    #[error("the payload has more than the {max} bytes that are taken")]
    TooLarge {
        /// Bytes that are taken.
        max: usize,
    },
    /// It is said to be compressed, and does not begin as a frame of zstd does.
    #[error("the payload is said to be compressed, and is no zstd frame")]
    NotZstd,
    /// The frame asks for more memory than any payload of the network needs.
    #[error("the zstd frame asks for a window of more than {max} bytes")]
    WindowTooLarge {
        /// Bytes that a window may have.
        max: usize,
    },
    /// The frame is cut off.
    #[error("the zstd frame ends early, after {length} bytes")]
    EndsEarly {
        /// Bytes that are there.
        length: usize,
    },
    /// There is more than one frame.
    #[error("{count} bytes are left over behind the zstd frame, from byte {offset} of data on")]
    BytesLeftOver {
        /// The first byte behind the frame.
        offset: usize,
        /// How many there are.
        count: usize,
    },
    /// The frame contradicts itself, or its checksum.
    #[error("the zstd frame is damaged at or behind byte {offset} of data: {reason}")]
    Damaged {
        /// What comes before was read.
        offset: usize,
        /// In zstd's words. It may differ with the limit under which the same frame is read.
        reason: &'static str,
    },
    /// There is no memory to decompress it.
    #[error("there is no memory to decompress the payload")]
    NoMemory,
}

/// A payload that is not the value that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadValue {
    /// There is no payload to read it from.
    #[error("{0}")]
    Payload(#[from] BadPayload),
    /// The bytes are not those of such a value.
    #[error("the payload is no such value: {reason}")]
    Malformed {
        /// In bincode's words.
        reason: String,
    },
    /// The value ends before the payload does.
    #[error("{count} bytes are left over behind the value, from byte {offset} of the payload on")]
    BytesLeftOver {
        /// The first byte behind the value.
        offset: usize,
        /// How many there are.
        count: usize,
    },
    /// Values are nested deeper than [`Limits::depth_max`](crate::Limits::depth_max).
    #[error("the value is nested more than {max} deep")]
    TooDeep {
        /// How deep it may be.
        max: usize,
    },
    /// Sequences say that they have more elements than bytes of this number can be.
    #[error("the sequences of the value have more than {max} elements")]
    TooManyElements {
        /// How many there may be in so many bytes.
        max: usize,
    },
}

/// A sender whose clock is further ahead of ours than
/// [`CLOCK_AHEAD_MAX`](crate::CLOCK_AHEAD_MAX).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sender's clock is {ahead_ms} ms ahead")]
pub struct ClockAhead {
    /// By how many milliseconds.
    pub ahead_ms: u64,
}
