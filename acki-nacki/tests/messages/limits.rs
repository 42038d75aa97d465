//! Limits hold to the byte, on both sides alike.

use bytes::Bytes;
use peer_sender_acki_nacki::{
    BadPayload, ClockAhead, Field, Limits, MalformedMessage, NetMessage, UnencodableMessage,
    Version, delivery_duration, message_id,
};
use std::time::Duration;

use crate::cases::carrying;

#[test]
fn a_message_is_measured_before_it_is_looked_at() {
    for version in [Version::V0, Version::V1] {
        is_measured(&carrying(version, &[7; 500]));
    }
    is_measured(&NetMessage {
        direct_receiver: Some("receiver".into()),
        ..carrying(Version::V1, &[7; 500])
    });
}

fn is_measured(message: &NetMessage) {
    let bytes = message.encode(&Limits::default()).unwrap();
    let fits = Limits {
        message_bytes_max: bytes.len(),
        ..Limits::default()
    };
    assert_eq!(message.encode(&fits).unwrap(), bytes);
    assert_eq!(&NetMessage::decode(&bytes, &fits).unwrap(), message);
    let (length, max) = (bytes.len(), bytes.len() - 1);
    let less = Limits {
        message_bytes_max: max,
        ..Limits::default()
    };
    let unsent = UnencodableMessage::TooLarge { length, max };
    assert_eq!(message.encode(&less), Err(unsent));
    let refused = MalformedMessage::TooLarge { length, max };
    assert_eq!((refused.offset(), refused.field()), (0, None));
    assert_eq!(NetMessage::decode(&bytes, &less), Err(refused.clone()));
    // Nonsense that is too long is too long.
    assert_eq!(
        NetMessage::decode(&vec![0xff; length].into(), &less),
        Err(refused)
    );
}

#[test]
fn each_text_has_a_limit() {
    let message = NetMessage {
        id: "i".repeat(20),
        label: "ü".repeat(15),
        direct_receiver: Some("r".repeat(10)),
        ..carrying(Version::V1, b"x")
    };
    let bytes = message.encode(&Limits::default()).unwrap();
    let limits = Limits {
        id_bytes_max: 20,
        label_bytes_max: 30,
        direct_receiver_bytes_max: 10,
        ..Limits::default()
    };
    assert_eq!(NetMessage::decode(&bytes, &limits).unwrap(), message);
    assert_eq!(message.encode(&limits).unwrap(), bytes);
    let less = |field| match field {
        Field::Id => (
            Limits {
                id_bytes_max: 19,
                ..limits
            },
            8,
            20,
        ),
        Field::Label => (
            Limits {
                label_bytes_max: 29,
                ..limits
            },
            36,
            30,
        ),
        _ => (
            Limits {
                direct_receiver_bytes_max: 9,
                ..limits
            },
            86,
            10,
        ),
    };
    for field in [Field::Id, Field::Label, Field::DirectReceiver] {
        let (limits, offset, length) = less(field);
        let max = length - 1;
        let refused = MalformedMessage::TextTooLong {
            field,
            offset,
            length,
            max,
        };
        assert_eq!(NetMessage::decode(&bytes, &limits), Err(refused));
        let unsent = UnencodableMessage::TextTooLong { field, length, max };
        assert_eq!(message.encode(&limits), Err(unsent));
    }
}

#[test]
fn a_label_of_a_megabyte_is_not_taken() {
    let message = NetMessage {
        label: "l".repeat(1_000_000),
        ..carrying(Version::V1, b"x")
    };
    let bytes = Bytes::from(crate::oracle::encode(&message));
    let refused = NetMessage::decode(&bytes, &Limits::default()).unwrap_err();
    assert!(matches!(
        refused,
        MalformedMessage::TextTooLong {
            length: 1_000_000,
            ..
        }
    ));
}

#[test]
fn a_payload_has_a_limit_compressed_or_not() {
    for size in [1_000, 1_001] {
        let message = carrying(Version::V1, &vec![0; size]);
        let with = |payload_bytes_max| Limits {
            payload_bytes_max,
            ..Limits::default()
        };
        assert_eq!(message.payload(&with(size)).unwrap().len(), size);
        let max = size - 1;
        assert_eq!(
            message.payload(&with(max)),
            Err(BadPayload::TooLarge { max })
        );
        let payload = Bytes::from(vec![0; size]);
        let unsent = NetMessage::from_payload(payload, "", 0, "", &with(max));
        assert_eq!(
            unsent,
            Err(UnencodableMessage::PayloadTooLarge { length: size, max })
        );
    }
}

#[test]
fn names_are_decimal_and_those_of_broadcasts_tell_the_peer() {
    assert_eq!(message_id(0, None), "0");
    assert_eq!(message_id(u128::MAX, None), u128::MAX.to_string());
    let mut hash = [0xff; 32];
    hash[..4].copy_from_slice(&[0x0a, 0x1b, 0x00, 0x77]);
    assert_eq!(message_id(17, Some(&hash)), "17:0a1b00");
}

#[test]
fn a_sender_may_be_5_ms_ahead() {
    for ahead in 0..=5 {
        assert_eq!(delivery_duration(100 + ahead, 100), Ok(Duration::ZERO));
    }
    assert_eq!(delivery_duration(106, 100), Err(ClockAhead { ahead_ms: 6 }));
    assert_eq!(
        delivery_duration(u64::MAX, 0),
        Err(ClockAhead { ahead_ms: u64::MAX })
    );
    assert_eq!(delivery_duration(u64::MAX, u64::MAX), Ok(Duration::ZERO));
    assert_eq!(
        delivery_duration(0, u64::MAX),
        Ok(Duration::from_millis(u64::MAX))
    );
    assert_eq!(
        delivery_duration(u64::MAX, u64::MAX - 5),
        Ok(Duration::ZERO)
    );
}
