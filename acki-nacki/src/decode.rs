//! From bytes to a message.
//!
//! Each field is asked of bincode by itself, and borrowed from what was received: so it is known where
//! each begins, and no length makes room for anything.

use bincode::BorrowDecode;
use bincode::error::DecodeError;
use bytes::Bytes;

use crate::TAG;
use crate::error::{Field, MalformedMessage};
use crate::layout::LAYOUT;
use crate::limits::Limits;
use crate::message::{NetMessage, Version};

/// Bytes of a length.
const LENGTH_BYTES: usize = 8;

pub(crate) fn decode(message: &Bytes, limits: &Limits) -> Result<NetMessage, MalformedMessage> {
    let (length, max) = (message.len(), limits.message_bytes_max);
    if length > max {
        return Err(MalformedMessage::TooLarge { length, max });
    }
    // The last bytes alone tell the version: a version 1 that is cut short is not taken for version 0.
    let (version, fields) = match message.strip_suffix(&TAG) {
        Some(fields) => (Version::V1, fields),
        None => (Version::V0, &message[..]),
    };
    let mut fields = Fields {
        rest: fields,
        offset: 0,
        limits,
    };
    let decoded = NetMessage {
        version,
        delivery_start_timestamp_ms: fields.next(Field::DeliveryStartTimestampMs)?,
        id: fields.text(Field::Id)?,
        label: fields.text(Field::Label)?,
        compressed: fields.next(Field::Compressed)?,
        data: fields.data(message)?,
        last_sender_is_proxy: fields.next(Field::LastSenderIsProxy)?,
        direct_receiver: match version {
            Version::V0 => None,
            Version::V1 => fields.optional_text(Field::DirectReceiver)?,
        },
    };
    fields.end(match version {
        Version::V0 => Field::LastSenderIsProxy,
        Version::V1 => Field::DirectReceiver,
    })?;
    Ok(decoded)
}

/// What is left of a message's fields.
struct Fields<'a> {
    rest: &'a [u8],
    /// Where in the message that begins.
    offset: usize,
    limits: &'a Limits,
}

impl<'a> Fields<'a> {
    fn next<T: BorrowDecode<'a, ()>>(&mut self, field: Field) -> Result<T, MalformedMessage> {
        match bincode::borrow_decode_from_slice(self.rest, LAYOUT) {
            Ok((value, read)) => {
                self.rest = self.rest.get(read..).unwrap_or_default();
                self.offset += read;
                Ok(value)
            }
            Err(error) => Err(self.fault(field, &error)),
        }
    }

    fn text(&mut self, field: Field) -> Result<String, MalformedMessage> {
        let offset = self.offset;
        let (length, max) = (self.length(field)?, self.limits.text_bytes_max(field));
        if length > max {
            return Err(MalformedMessage::TextTooLong {
                field,
                offset,
                length,
                max,
            });
        }
        self.next::<&str>(field).map(str::to_owned)
    }

    fn optional_text(&mut self, field: Field) -> Result<Option<String>, MalformedMessage> {
        match self.next::<Option<()>>(field)? {
            None => Ok(None),
            Some(()) => self.text(field).map(Some),
        }
    }

    /// A part of the message, which shares its memory.
    fn data(&mut self, message: &Bytes) -> Result<Bytes, MalformedMessage> {
        self.length(Field::Data)?;
        self.next::<&[u8]>(Field::Data)
            .map(|data| message.slice_ref(data))
    }

    /// The length of what comes next, which is there as a whole.
    fn length(&self, field: Field) -> Result<usize, MalformedMessage> {
        let length = bincode::borrow_decode_from_slice::<u64, _>(self.rest, LAYOUT);
        let (length, _) = length.map_err(|error| self.fault(field, &error))?;
        let remaining = self.rest.len().saturating_sub(LENGTH_BYTES);
        usize::try_from(length)
            .ok()
            .filter(|&length| length <= remaining)
            .ok_or(MalformedMessage::LengthBeyondEnd {
                field,
                offset: self.offset,
                length,
                remaining,
            })
    }

    fn end(&self, field: Field) -> Result<(), MalformedMessage> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(MalformedMessage::BytesLeftOver {
                field,
                offset: self.offset,
                count,
            }),
        }
    }

    /// What bincode has against the next field.
    fn fault(&self, field: Field, error: &DecodeError) -> MalformedMessage {
        let offset = self.offset;
        match error {
            DecodeError::InvalidBooleanValue(byte) => MalformedMessage::NotABool {
                field,
                offset,
                byte: *byte,
            },
            DecodeError::UnexpectedVariant { .. } => MalformedMessage::NotAnOption {
                field,
                offset,
                byte: self.rest.first().copied().unwrap_or_default(),
            },
            DecodeError::Utf8 { inner } => MalformedMessage::NotUtf8 {
                field,
                offset: offset + LENGTH_BYTES + inner.valid_up_to(),
            },
            // Nothing else can be wrong with an integer, a bool, or a slice whose length was looked at.
            _ => MalformedMessage::EndsEarly {
                field,
                offset,
                remaining: self.rest.len(),
            },
        }
    }
}
