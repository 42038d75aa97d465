//! Values of a user's own types as payloads.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BadValue, UnencodableMessage};
use crate::guard::{Budget, Exceeded, Guarded, Whole};
use crate::layout::LAYOUT;
use crate::limits::Limits;
use crate::message::NetMessage;

impl NetMessage {
    /// A message that carries a value, for a direct send: its payload is the value as bincode 1 lays it
    /// out, its label the value's pretty `Debug` text.
    ///
    /// # Errors
    ///
    /// The value has no such layout (a sequence of unknown length, or a type that describes itself), or
    /// its payload is longer than it may be.
    ///
    /// ```
    /// use peer_sender_acki_nacki::{Limits, NetMessage, message_id};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, PartialEq, Serialize, Deserialize)]
    /// enum Command {
    ///     Ping,
    ///     Store { key: String, value: Vec<u8> },
    /// }
    ///
    /// let limits = Limits::default();
    /// let command = Command::Store { key: "a".into(), value: vec![1, 2] };
    /// let id = message_id(1_700_000_000_123_456_789, None);
    /// let message = NetMessage::from_value(&command, 1_700_000_000_123, id, &limits).unwrap();
    /// assert!(message.label.starts_with("Store {\n    key: \"a\","));
    ///
    /// let bytes = message.encode(&limits).unwrap();
    /// let received = NetMessage::decode(&bytes, &limits).unwrap();
    /// assert_eq!(received.value::<Command>(&limits).unwrap(), command);
    /// assert!(received.value::<u64>(&limits).is_err());
    /// ```
    pub fn from_value<T: Serialize + Debug + ?Sized>(
        value: &T,
        delivery_start_timestamp_ms: u64,
        id: impl Into<String>,
        limits: &Limits,
    ) -> Result<Self, UnencodableMessage> {
        let payload = bincode::serde::encode_to_vec(value, LAYOUT).map_err(|error| {
            UnencodableMessage::Unserializable {
                reason: error.to_string(),
            }
        })?;
        let label = format!("{value:#?}");
        Self::from_payload(
            payload.into(),
            label,
            delivery_start_timestamp_ms,
            id,
            limits,
        )
    }

    /// The value that the message carries: exactly one, which ends where the payload does.
    ///
    /// A hostile payload costs little. Texts and byte strings are taken only as far as they are there.
    /// A sequence makes room for a mebibyte at most before its elements have come. Elements without a
    /// size of their own, which would cost the sender nothing, end at 65,536.
    ///
    /// # Errors
    ///
    /// The payload cannot be had, or is something else, or is nested deeper than
    /// [`Limits::depth_max`].
    pub fn value<T: DeserializeOwned>(&self, limits: &Limits) -> Result<T, BadValue> {
        let payload = self.payload(limits)?;
        let budget = Budget::new(limits.depth_max, payload.len());
        let seed = Guarded::new(Whole::<T>::default(), &budget);
        let (value, read) = bincode::serde::seed_decode_from_slice(seed, &payload, LAYOUT)
            .map_err(|error| match budget.exceeded() {
                Some(Exceeded::Depth { max }) => BadValue::TooDeep { max },
                Some(Exceeded::Elements { max }) => BadValue::TooManyElements { max },
                None => BadValue::Malformed {
                    reason: error.to_string(),
                },
            })?;
        match payload.len().saturating_sub(read) {
            0 => Ok(value),
            count => Err(BadValue::BytesLeftOver {
                offset: read,
                count,
            }),
        }
    }
}
