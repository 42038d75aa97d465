//! From a message to its bytes.

use bincode::Encode;
use bytes::Bytes;

use crate::TAG;
use crate::error::{Field, UnencodableMessage};
use crate::layout::LAYOUT;
use crate::limits::Limits;
use crate::message::{NetMessage, Version};

/// What the length that frames a message can tell.
const FRAME_BYTES_MAX: usize = u32::MAX as usize;

pub(crate) fn encode(message: &NetMessage, limits: &Limits) -> Result<Bytes, UnencodableMessage> {
    check(message, limits)?;
    let common = (
        message.delivery_start_timestamp_ms,
        message.id.as_str(),
        message.label.as_str(),
        message.compressed,
        &message.data[..],
        message.last_sender_is_proxy,
    );
    // The fields of a tuple stand side by side, and so do the bytes of an array.
    match message.version {
        Version::V0 => {
            let bytes = encoded(common)?;
            match bytes.ends_with(&TAG) {
                true => Err(UnencodableMessage::LooksLikeVersion1),
                false => Ok(bytes),
            }
        }
        Version::V1 => encoded((common, message.direct_receiver.as_deref(), TAG)),
    }
}

fn check(message: &NetMessage, limits: &Limits) -> Result<(), UnencodableMessage> {
    limits.check_text(Field::Id, &message.id)?;
    limits.check_text(Field::Label, &message.label)?;
    if let Some(receiver) = &message.direct_receiver {
        if message.version == Version::V0 {
            return Err(UnencodableMessage::NoSuchField {
                version: message.version,
                field: Field::DirectReceiver,
            });
        }
        limits.check_text(Field::DirectReceiver, receiver)?;
    }
    let length = length(message);
    let max = limits.message_bytes_max.min(FRAME_BYTES_MAX);
    match length <= max {
        true => Ok(()),
        false => Err(UnencodableMessage::TooLarge { length, max }),
    }
}

/// The bytes that it will have.
fn length(message: &NetMessage) -> usize {
    let texts = message.id.len().saturating_add(message.label.len());
    let common = 34_usize
        .saturating_add(texts)
        .saturating_add(message.data.len());
    let receiver = match (&message.direct_receiver, message.version) {
        (_, Version::V0) => return common,
        (None, Version::V1) => 1,
        (Some(receiver), Version::V1) => receiver.len().saturating_add(9),
    };
    common.saturating_add(receiver).saturating_add(TAG.len())
}

fn encoded(fields: impl Encode) -> Result<Bytes, UnencodableMessage> {
    match bincode::encode_to_vec(fields, LAYOUT) {
        Ok(bytes) => Ok(bytes.into()),
        // Nothing in the fields of a message is beyond the format.
        Err(error) => Err(UnencodableMessage::Unserializable {
            reason: error.to_string(),
        }),
    }
}
