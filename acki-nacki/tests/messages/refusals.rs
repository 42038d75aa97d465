//! Each way in which bytes can fail to be a message, with the field and the offset.

use bytes::Bytes;
use peer_sender_acki_nacki::{
    Field, Limits, MalformedMessage, NetMessage, TAG, UnencodableMessage, Version,
};

use crate::cases::carrying;
use crate::goldens::{case, vector};

fn refused(bytes: Vec<u8>) -> MalformedMessage {
    NetMessage::decode(&Bytes::from(bytes), &Limits::default()).unwrap_err()
}

/// timestamp, id "ab", label "c", compressed 0, data "de", proxy 0, and of version 1 receiver "f".
fn small(version: Version) -> Vec<u8> {
    let message = NetMessage {
        id: "ab".into(),
        label: "c".into(),
        direct_receiver: (version == Version::V1).then(|| "f".into()),
        ..carrying(version, b"de")
    };
    message.encode(&Limits::default()).unwrap().into()
}

/// Where each field of [`small`] begins.
const ID: usize = 8;
const LABEL: usize = 18;
const COMPRESSED: usize = 27;
const DATA: usize = 28;
const PROXY: usize = 38;
const RECEIVER: usize = 39;

#[test]
fn what_is_told_to_end_early_names_the_first_thing_that_is_not_there() {
    use Field::*;
    let begins = [
        (DeliveryStartTimestampMs, 0, 8),
        (Id, ID, 8),
        (Label, LABEL, 8),
        (Compressed, COMPRESSED, 1),
        (Data, DATA, 8),
        (LastSenderIsProxy, PROXY, 1),
        (DirectReceiver, RECEIVER, 1),
        (DirectReceiver, RECEIVER + 1, 8),
    ];
    let whole = small(Version::V1);
    for (field, offset, width) in begins {
        for remaining in 0..width {
            // With its tag: it stays version 1 however early its fields end.
            let mut bytes = whole[..offset + remaining].to_vec();
            bytes.extend(TAG);
            let expected = MalformedMessage::EndsEarly {
                field,
                offset,
                remaining,
            };
            assert_eq!(refused(bytes.clone()), expected);
            assert_eq!((expected.offset(), expected.field()), (offset, Some(field)));
            bytes.truncate(offset + remaining);
            let is_version_0 = field == DirectReceiver;
            if !is_version_0 {
                assert_eq!(refused(bytes), expected);
            }
        }
    }
    assert!(matches!(
        refused(Vec::new()),
        MalformedMessage::EndsEarly { offset: 0, .. }
    ));
    assert!(matches!(
        refused(TAG.into()),
        MalformedMessage::EndsEarly { offset: 0, .. }
    ));
}

#[test]
fn a_version_1_that_ends_early_is_no_version_0() {
    // Whole as version 0 but for the tag behind it.
    let mut bytes = small(Version::V0);
    bytes.extend(TAG);
    assert_eq!(
        refused(bytes),
        MalformedMessage::EndsEarly {
            field: Field::DirectReceiver,
            offset: RECEIVER,
            remaining: 0
        }
    );
}

#[test]
fn a_length_beyond_the_rest_is_refused_whatever_it_is() {
    let places = [
        (Field::Id, ID),
        (Field::Label, LABEL),
        (Field::Data, DATA),
        (Field::DirectReceiver, RECEIVER + 1),
    ];
    let whole = small(Version::V1);
    for (field, offset) in places {
        let remaining = whole.len() - TAG.len() - offset - 8;
        for length in [
            remaining as u64 + 1,
            1 << 32,
            1 << 62,
            u64::MAX,
            u64::MAX - 7,
        ] {
            let mut bytes = whole.clone();
            bytes[offset..offset + 8].copy_from_slice(&length.to_le_bytes());
            assert_eq!(
                refused(bytes),
                MalformedMessage::LengthBeyondEnd {
                    field,
                    offset,
                    length,
                    remaining
                }
            );
        }
    }
}

#[test]
fn a_bool_and_an_option_are_0_or_1() {
    for byte in 2..=255 {
        for (field, offset) in [
            (Field::Compressed, COMPRESSED),
            (Field::LastSenderIsProxy, PROXY),
        ] {
            let mut bytes = small(Version::V1);
            bytes[offset] = byte;
            let expected = MalformedMessage::NotABool {
                field,
                offset,
                byte,
            };
            assert_eq!(refused(bytes), expected);
        }
        let mut bytes = small(Version::V1);
        bytes[RECEIVER] = byte;
        let expected = MalformedMessage::NotAnOption {
            field: Field::DirectReceiver,
            offset: RECEIVER,
            byte,
        };
        assert_eq!(refused(bytes), expected);
    }
}

#[test]
fn a_text_is_utf_8() {
    for (field, offset) in [
        (Field::Id, ID + 8),
        (Field::Id, ID + 9),
        (Field::Label, LABEL + 8),
        (Field::DirectReceiver, RECEIVER + 9),
    ] {
        // A byte that never occurs, one that goes on from nothing, one that begins what does not come.
        for byte in [0xff, 0x80, 0xc3] {
            let mut bytes = small(Version::V1);
            bytes[offset] = byte;
            assert_eq!(refused(bytes), MalformedMessage::NotUtf8 { field, offset });
        }
    }
}

#[test]
fn nothing_is_left_over() {
    let mut bytes = small(Version::V0);
    let offset = bytes.len();
    bytes.push(0);
    let field = Field::LastSenderIsProxy;
    assert_eq!(
        refused(bytes),
        MalformedMessage::BytesLeftOver {
            field,
            offset,
            count: 1
        }
    );
    // Between the last field and the tag; another tag is no exception.
    let whole = small(Version::V1);
    let offset = whole.len() - TAG.len();
    for more in [&[0][..], &TAG, &[7; 100]] {
        let bytes = [&whole[..offset], more, &TAG].concat();
        assert_eq!(
            refused(bytes),
            MalformedMessage::BytesLeftOver {
                field: Field::DirectReceiver,
                offset,
                count: more.len()
            }
        );
    }
    // Behind the tag there is no tag, and so no version 1.
    let bytes = [&whole[..], &[0]].concat();
    assert!(matches!(
        refused(bytes),
        MalformedMessage::BytesLeftOver { offset: 39, .. }
    ));
}

#[test]
fn a_version_0_that_would_be_read_as_version_1_is_not_written() {
    let mut message = carrying(Version::V0, b"acknck\0");
    message.last_sender_is_proxy = true;
    let limits = Limits::default();
    assert_eq!(
        message.encode(&limits),
        Err(UnencodableMessage::LooksLikeVersion1)
    );
    message.last_sender_is_proxy = false;
    assert!(message.encode(&limits).is_ok());
    message.direct_receiver = Some(String::new());
    assert_eq!(
        message.encode(&limits),
        Err(UnencodableMessage::NoSuchField {
            version: Version::V0,
            field: Field::DirectReceiver
        })
    );
}

#[test]
fn what_is_said_tells_the_field_and_the_byte() {
    let mut bytes = small(Version::V1);
    bytes[COMPRESSED] = 9;
    assert_eq!(
        refused(bytes).to_string(),
        "compressed, at byte 27, is 0x09, and a bool is 0 or 1"
    );
    let mut bytes = vector(&case("v1_empty"));
    bytes[15] = 0x40;
    assert_eq!(
        refused(bytes).to_string(),
        "the length of id, at byte 8, is 4611686018427387904, and 19 bytes are left behind it"
    );
}

#[test]
fn what_would_deceive_a_reader_is_escaped_in_debug() {
    for name in [
        "v1_label_ansi",
        "v1_label_bidi",
        "v1_label_nul",
        "v1_label_pretty",
    ] {
        let text = format!("{:?}", case(name).message);
        let plain = text.chars().all(|it| !it.is_control() && it.is_ascii());
        assert!(plain, "{text:?}");
        assert!(text.contains("data: 1 bytes"), "{text}");
    }
}
