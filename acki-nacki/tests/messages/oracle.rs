//! The network's own way: bincode 1.3.3 through serde, and beside it wincode, which knows nothing of
//! either.

use bincode1 as bincode;
use peer_sender_acki_nacki::{NetMessage, TAG, Version};
use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

#[derive(Debug, PartialEq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
struct WireV0 {
    delivery_start_timestamp_ms: u64,
    id: String,
    label: String,
    compressed: bool,
    data: Vec<u8>,
    last_sender_is_proxy: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
struct WireV1 {
    delivery_start_timestamp_ms: u64,
    id: String,
    label: String,
    compressed: bool,
    data: Vec<u8>,
    last_sender_is_proxy: bool,
    direct_receiver: Option<String>,
}

impl From<&NetMessage> for WireV0 {
    fn from(message: &NetMessage) -> Self {
        Self {
            delivery_start_timestamp_ms: message.delivery_start_timestamp_ms,
            id: message.id.clone(),
            label: message.label.clone(),
            compressed: message.compressed,
            data: message.data.to_vec(),
            last_sender_is_proxy: message.last_sender_is_proxy,
        }
    }
}

impl From<&NetMessage> for WireV1 {
    fn from(message: &NetMessage) -> Self {
        let common = WireV0::from(message);
        Self {
            delivery_start_timestamp_ms: common.delivery_start_timestamp_ms,
            id: common.id,
            label: common.label,
            compressed: common.compressed,
            data: common.data,
            last_sender_is_proxy: common.last_sender_is_proxy,
            direct_receiver: message.direct_receiver.clone(),
        }
    }
}

impl From<WireV0> for NetMessage {
    fn from(wire: WireV0) -> Self {
        Self {
            version: Version::V0,
            delivery_start_timestamp_ms: wire.delivery_start_timestamp_ms,
            id: wire.id,
            label: wire.label,
            compressed: wire.compressed,
            data: wire.data.into(),
            last_sender_is_proxy: wire.last_sender_is_proxy,
            direct_receiver: None,
        }
    }
}

impl From<WireV1> for NetMessage {
    fn from(wire: WireV1) -> Self {
        Self {
            version: Version::V1,
            delivery_start_timestamp_ms: wire.delivery_start_timestamp_ms,
            id: wire.id,
            label: wire.label,
            compressed: wire.compressed,
            data: wire.data.into(),
            last_sender_is_proxy: wire.last_sender_is_proxy,
            direct_receiver: wire.direct_receiver,
        }
    }
}

/// What a node sends.
pub(crate) fn encode(message: &NetMessage) -> Vec<u8> {
    match message.version {
        Version::V0 => bincode::serialize(&WireV0::from(message)).unwrap(),
        Version::V1 => {
            let mut bytes = bincode::serialize(&WireV1::from(message)).unwrap();
            bytes.extend(TAG);
            bytes
        }
    }
}

/// What a node takes; bytes behind the last field it lets pass.
pub(crate) fn decode(bytes: &[u8]) -> Option<NetMessage> {
    match bytes.ends_with(&TAG) {
        true => bincode::deserialize::<WireV1>(bytes).ok().map(Into::into),
        false => bincode::deserialize::<WireV0>(bytes).ok().map(Into::into),
    }
}

/// The same message by wincode.
pub(crate) fn encode_by_wincode(message: &NetMessage) -> Vec<u8> {
    match message.version {
        Version::V0 => wincode::serialize(&WireV0::from(message)).unwrap(),
        Version::V1 => {
            let mut bytes = wincode::serialize(&WireV1::from(message)).unwrap();
            bytes.extend(TAG);
            bytes
        }
    }
}

/// The same bytes by wincode.
pub(crate) fn decode_by_wincode(bytes: &[u8]) -> NetMessage {
    match bytes.strip_suffix(&TAG) {
        Some(fields) => wincode::deserialize::<WireV1>(fields).unwrap().into(),
        None => wincode::deserialize::<WireV0>(bytes).unwrap().into(),
    }
}
