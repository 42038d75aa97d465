//! What a message may have.

use crate::error::{Field, UnencodableMessage};

/// How much of everything a message may have, to be taken and to be sent.
///
/// What [`NetMessage::from_payload`](crate::NetMessage::from_payload) makes and is encoded under some
/// limits, the other end takes under the same.
///
/// ```
/// use peer_sender_acki_nacki::Limits;
///
/// let limits = Limits {
///     message_bytes_max: 1 << 20,
///     ..Limits::default()
/// };
/// assert_eq!(limits.payload_bytes_max, 16 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole message, without the length that frames it: 16 MiB. A frame tells lengths up to
    /// 2^32 - 1, and no more is ever sent, whatever stands here.
    pub message_bytes_max: usize,
    /// Bytes of a payload once it is decompressed: 16 MiB.
    pub payload_bytes_max: usize,
    /// Bytes of `id`: 1 KiB. Those of nodes have up to 46.
    pub id_bytes_max: usize,
    /// Bytes of `label`: 256 KiB. It is a text for people, and only ever as long as somebody cared to
    /// print.
    pub label_bytes_max: usize,
    /// Bytes of `direct_receiver`: 1 KiB.
    pub direct_receiver_bytes_max: usize,
    /// How deep a value may be nested: 32. Sequences, maps, structs, tuples, options, newtypes and enums
    /// count one each.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 << 20,
            payload_bytes_max: 16 << 20,
            id_bytes_max: 1 << 10,
            label_bytes_max: 256 << 10,
            direct_receiver_bytes_max: 1 << 10,
            depth_max: 32,
        }
    }
}

impl Limits {
    /// Bytes of a text; no other field has a limit of its own.
    pub(crate) fn text_bytes_max(&self, field: Field) -> usize {
        match field {
            Field::Id => self.id_bytes_max,
            Field::Label => self.label_bytes_max,
            Field::DirectReceiver => self.direct_receiver_bytes_max,
            _ => usize::MAX,
        }
    }

    pub(crate) fn check_text(&self, field: Field, text: &str) -> Result<(), UnencodableMessage> {
        let (length, max) = (text.len(), self.text_bytes_max(field));
        match length <= max {
            true => Ok(()),
            false => Err(UnencodableMessage::TextTooLong { field, length, max }),
        }
    }

    pub(crate) fn check_payload(&self, length: usize) -> Result<(), UnencodableMessage> {
        let max = self.payload_bytes_max;
        match length <= max {
            true => Ok(()),
            false => Err(UnencodableMessage::PayloadTooLarge { length, max }),
        }
    }
}
