//! Every cut and every changed byte of every vector: no panic, and what is read nevertheless is exactly
//! what stands there.

use bytes::Bytes;
use peer_sender_acki_nacki::{Limits, NetMessage, Version};

use crate::cases;
use crate::goldens::vector;
use crate::oracle;

/// Up to here each byte is given every other value, beyond only each bit is turned.
const WHOLLY_BYTES_MAX: usize = 120;

#[test]
fn a_cut_message_is_read_only_where_it_is_a_whole_one_of_version_0() {
    let limits = Limits::default();
    for case in cases::all() {
        let bytes = Bytes::from(vector(&case));
        // Version 1 without what it has more, a message of version 0 by every byte of it.
        let v0_length = bytes.len()
            - match (&case.message.direct_receiver, case.message.version) {
                (_, Version::V0) => 0,
                (None, Version::V1) => 9,
                (Some(receiver), Version::V1) => 17 + receiver.len(),
            };
        for length in 0..bytes.len() {
            let cut = NetMessage::decode(&bytes.slice(..length), &limits);
            assert_eq!(
                cut.is_ok(),
                length == v0_length,
                "{} cut to {length}",
                case.name
            );
            if let Ok(message) = cut {
                assert_eq!(message.version, Version::V0);
                assert_eq!(message.data, case.message.data);
            }
        }
    }
}

#[test]
fn a_changed_byte_is_refused_or_read_as_it_stands() {
    let (mut read, mut refused) = (0, 0);
    for case in cases::all() {
        let bytes = vector(&case);
        for index in 0..bytes.len() {
            for change in changes(bytes.len()) {
                let mut changed = bytes.clone();
                changed[index] ^= change;
                match is_read_as_it_stands(&changed) {
                    true => read += 1,
                    false => refused += 1,
                }
            }
        }
    }
    assert!(
        read > 10_000 && refused > 10_000,
        "{read} read, {refused} refused"
    );
}

/// Nothing that a node would refuse is taken, and what both take they read alike.
fn is_read_as_it_stands(bytes: &[u8]) -> bool {
    let limits = Limits::default();
    let Ok(message) = NetMessage::decode(&Bytes::copy_from_slice(bytes), &limits) else {
        return false;
    };
    assert_eq!(message.encode(&limits).unwrap(), bytes);
    assert_eq!(oracle::decode(bytes).as_ref(), Some(&message));
    if let Ok(payload) = message.payload(&Limits {
        payload_bytes_max: 100_000,
        ..limits
    }) {
        assert!(payload.len() <= 100_000);
    }
    true
}

fn changes(length: usize) -> Vec<u8> {
    match length <= WHOLLY_BYTES_MAX {
        true => (1..=255).collect(),
        false => (0..8).map(|bit| 1 << bit).collect(),
    }
}
