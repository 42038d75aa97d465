//! Any bytes whatever as a message of Acki Nacki's, and its payload as a value; and as a stream of them
//! (`net_stream.rs`).
//!
//! The first byte says whether the tag of version 1 is put behind the rest, and how much its payload may
//! have. What comes of it is held against bincode 1, with which nodes read.

use std::collections::BTreeMap;

use bincode1::Options;
use bytes::Bytes;
use peer_sender_acki_nacki::{BadValue, Limits, MalformedMessage, NetMessage, TAG, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{memory, net_stream};

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some((&first, rest)) = bytes.split_first() else {
        return false;
    };
    let framed = net_stream::run(rest, usize::from(first));
    let mut bytes = rest.to_vec();
    if first % 2 == 1 {
        bytes.extend(TAG);
    }
    let bytes = Bytes::from(bytes);
    let limits = Limits {
        payload_bytes_max: 1 << (first / 16),
        // What bincode 1 knows nothing of.
        id_bytes_max: usize::MAX,
        label_bytes_max: usize::MAX,
        direct_receiver_bytes_max: usize::MAX,
        ..Limits::default()
    };
    let before = memory::allocated();
    let read = NetMessage::decode(&bytes, &limits);
    if let Some(grown) = memory::grown_since(before) {
        // The texts alone; what owns the bytes may have begun to be shared.
        assert!(
            grown <= bytes.len() + 64,
            "F3 {grown} bytes for {}",
            bytes.len()
        );
    }
    assert_eq!(
        read.as_ref().ok(),
        by_bincode_1(&bytes).as_ref(),
        "F3 otherwise than nodes"
    );
    match read {
        Ok(message) => {
            let again = message.encode(&limits);
            assert_eq!(
                again.as_ref(),
                Ok(&bytes),
                "F3 another form of the same message"
            );
            carried(&message, &limits);
            true
        }
        Err(error) => {
            assert!(error.offset() <= bytes.len(), "F3 {error}");
            limited(&bytes, &limits);
            framed || !matches!(error, MalformedMessage::EndsEarly { .. })
        }
    }
}

/// With limits on texts there is at most one more reason to refuse it.
fn limited(bytes: &Bytes, limits: &Limits) {
    let small = Limits {
        id_bytes_max: 3,
        label_bytes_max: 3,
        direct_receiver_bytes_max: 3,
        ..*limits
    };
    assert!(
        NetMessage::decode(bytes, &small).is_err(),
        "F5 limits let more in"
    );
}

fn carried(message: &NetMessage, limits: &Limits) {
    let Ok(payload) = message.payload(limits) else {
        return;
    };
    assert!(
        payload.len() <= limits.payload_bytes_max,
        "F4 {} bytes",
        payload.len()
    );
    same_value::<Tree>(message, &payload, limits);
    same_value::<Several>(message, &payload, limits);
}

/// A value is read as bincode 1 reads it, or refused for what that knows no bounds of.
fn same_value<T: DeserializeOwned + Serialize>(
    message: &NetMessage,
    payload: &[u8],
    limits: &Limits,
) {
    let read = message.value::<T>(limits);
    let theirs = options().deserialize::<T>(payload);
    match (read, theirs) {
        // By their bytes, since a float need not equal itself.
        (Ok(ours), Ok(theirs)) => {
            let [ours, theirs] = [ours, theirs].map(|it| bincode1::serialize(&it).ok());
            assert_eq!(ours, theirs, "F3 another value than nodes read");
        }
        (Err(_), Err(_))
        | (Err(BadValue::TooDeep { .. } | BadValue::TooManyElements { .. }), _) => {}
        (ours, theirs) => {
            let (ours, theirs) = (ours.err(), theirs.err());
            panic!("F3 refused by one: {ours:?}, {theirs:?}");
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Tree(u8, Vec<Tree>);

#[derive(Serialize, Deserialize)]
enum Several {
    Nothing,
    Texts(Vec<String>, Option<Box<Several>>),
    Numbers {
        narrow: (i8, u16, char),
        wide: u128,
        float: f64,
    },
    Map(BTreeMap<u8, Several>),
}

#[derive(Deserialize)]
struct WireV0 {
    delivery_start_timestamp_ms: u64,
    id: String,
    label: String,
    compressed: bool,
    data: Vec<u8>,
    last_sender_is_proxy: bool,
}

/// As nodes read it, but for what they let pass behind the last field.
fn by_bincode_1(bytes: &[u8]) -> Option<NetMessage> {
    let (version, (fields, direct_receiver)) = match bytes.strip_suffix(&TAG) {
        Some(fields) => (Version::V1, options().deserialize(fields).ok()?),
        None => (Version::V0, (options().deserialize(bytes).ok()?, None)),
    };
    let fields: WireV0 = fields;
    Some(NetMessage {
        version,
        delivery_start_timestamp_ms: fields.delivery_start_timestamp_ms,
        id: fields.id,
        label: fields.label,
        compressed: fields.compressed,
        data: fields.data.into(),
        last_sender_is_proxy: fields.last_sender_is_proxy,
        direct_receiver,
    })
}

fn options() -> impl Options {
    bincode1::DefaultOptions::new()
        .with_fixint_encoding()
        .reject_trailing_bytes()
}
