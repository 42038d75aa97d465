//! The messages of `tests/vectors`, each made without this crate's own encoder.

use std::io::{Read, Write};

use peer_sender_acki_nacki::{NetMessage, Version};
use serde::{Deserialize, Serialize};
use zstd::stream::write::Encoder;

/// A message, what it is called, and what it carries.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) message: NetMessage,
    pub(crate) payload: Vec<u8>,
}

/// A moment as nodes tell it, in both of its forms.
pub(crate) const AT_MS: u64 = 1_764_443_694_123;
const ID: &str = "1764443694123456789";

const TEXTS: [(&str, &str); 6] = [
    (
        "pretty",
        "Vote {\n    seq_no: 17,\n    peers: [\n        \"a\",\n    ],\n}",
    ),
    ("unicode", "Блок «№ 7» 块 🦀 e\u{301} \u{10ffff}"),
    ("nul", "a\0b"),
    ("ansi", "\x1b[2J\x1b[31mred\x07"),
    ("bidi", "\u{202e}txt.exe\u{2066}\u{200b}\u{feff}"),
    ("tag", "acknck\0\x01"),
];

/// Every case, by its name.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for version in [Version::V0, Version::V1] {
        of_both_versions(version, &mut cases);
    }
    of_version_0(&mut cases);
    of_version_1(&mut cases);
    cases
}

fn of_both_versions(version: Version, cases: &mut Vec<Case>) {
    let mut add = |name: String, message: NetMessage, payload: Vec<u8>| {
        let name = format!("v{version}_{name}");
        cases.push(Case {
            name,
            message,
            payload,
        });
    };
    add("empty".into(), empty(version), Vec::new());
    for size in [1, 999, 1_000, 1_001] {
        for (kind, payload) in [("even", even(size)), ("noise", noise(size))] {
            let message = carrying(version, &payload);
            add(format!("{kind}_{size}"), message, payload);
        }
    }
    for (name, text) in TEXTS {
        let mut message = carrying(version, b"x");
        message.label = text.into();
        add(format!("label_{name}"), message, b"x".into());
    }
    let mut message = carrying(version, b"x");
    message.id = format!("{ID}:0a1b2c");
    add("broadcast".into(), message, b"x".into());
    let mut message = carrying(version, b"x");
    message.last_sender_is_proxy = true;
    add("proxy".into(), message, b"x".into());
    let mut message = carrying(version, b"x");
    message.delivery_start_timestamp_ms = u64::MAX;
    add("latest".into(), message, b"x".into());
}

fn of_version_0(cases: &mut Vec<Case>) {
    let mut add = |name: &str, message: NetMessage, payload: &[u8]| {
        cases.push(Case {
            name: format!("v0_{name}"),
            message,
            payload: payload.into(),
        });
    };
    // All of the tag but its last byte, which is `last_sender_is_proxy`.
    add(
        "almost_a_tag",
        carrying(Version::V0, b"acknck\0"),
        b"acknck\0",
    );
    add(
        "tag_in_data",
        carrying(Version::V0, b"acknck\0\x01"),
        b"acknck\0\x01",
    );
}

fn of_version_1(cases: &mut Vec<Case>) {
    let mut add = |name: &str, message: NetMessage, payload: &[u8]| {
        cases.push(Case {
            name: format!("v1_{name}"),
            message,
            payload: payload.into(),
        });
    };
    for (name, receiver) in [
        ("empty", ""),
        (
            "peer",
            "3f0c9a4d5e6b7a8190a1b2c3d4e5f60718293a4b5c6d7e8f9001122334455667",
        ),
        ("unicode", "приёмник\n🦀"),
        ("tag", "acknck\0\x01"),
    ] {
        let mut message = carrying(Version::V1, b"x");
        message.direct_receiver = Some(receiver.into());
        message.last_sender_is_proxy = receiver.is_empty();
        add(&format!("receiver_{name}"), message, b"x");
    }
    for size in [70_000, 200_000] {
        let payload = even(size);
        let message = carrying(Version::V1, &payload);
        add(&format!("even_{size}"), message, &payload);
    }
    // Of which no other level makes the same frame.
    let payload = words(WORDS_BYTES);
    let message = carrying(Version::V1, &payload);
    add(&format!("words_{WORDS_BYTES}"), message, &payload);
    // Frames that others make: all are taken.
    let payload = even(1_500);
    let mut message = carrying(Version::V1, &payload);
    message.data = sized_and_checked(&payload).into();
    add("frame_with_size_and_checksum", message, &payload);
    let mut message = carrying(Version::V1, b"short");
    message.compressed = true;
    message.data = compressed(b"short").into();
    add("short_and_compressed", message, b"short");
    let mut message = carrying(Version::V1, b"");
    message.compressed = true;
    message.data = compressed(b"").into();
    add("nothing_and_compressed", message, b"");
    let payload = bincode1::serialize(&everything()).unwrap();
    let mut message = carrying(Version::V1, &payload);
    message.label = format!("{:#?}", everything());
    add("value", message, &payload);
}

/// Nothing in any field.
fn empty(version: Version) -> NetMessage {
    NetMessage {
        version,
        delivery_start_timestamp_ms: 0,
        id: String::new(),
        label: String::new(),
        compressed: false,
        data: Vec::new().into(),
        last_sender_is_proxy: false,
        direct_receiver: None,
    }
}

/// As a node sends it to one peer.
pub(crate) fn carrying(version: Version, payload: &[u8]) -> NetMessage {
    let compresses = payload.len() > 1_000;
    NetMessage {
        delivery_start_timestamp_ms: AT_MS,
        id: ID.into(),
        label: "Payload".into(),
        compressed: compresses,
        data: match compresses {
            true => compressed(payload).into(),
            false => payload.to_vec().into(),
        },
        ..empty(version)
    }
}

/// A frame as nodes make it: a stream, which does not know its end when it writes the head. Read from it
/// in pieces, which is none of the ways in which the crate compresses.
pub(crate) fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut encoder = zstd::stream::read::Encoder::new(payload.chain(&b""[..]), 3).unwrap();
    encoder.read_to_end(&mut frame).unwrap();
    frame
}

fn sized_and_checked(payload: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.include_contentsize(true).unwrap();
    encoder
        .set_pledged_src_size(Some(payload.len() as u64))
        .unwrap();
    encoder.write_all(payload).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that compress well.
pub(crate) fn even(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index / 50 % 7) as u8).collect()
}

/// Bytes that do not compress.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..size).map(|_| next()).collect()
}

pub(crate) const WORDS_BYTES: usize = 6_000;

/// Bytes like those of a text.
pub(crate) fn words(size: usize) -> Vec<u8> {
    let letters = noise(2 * size);
    let (words, picks) = letters.split_at(200);
    let mut text = Vec::new();
    for pick in picks {
        let (start, length) = (usize::from(*pick) % 180, 2 + usize::from(*pick) % 9);
        text.extend(words[start..start + length].iter().map(|it| b'a' + it % 26));
        text.push(b' ');
    }
    text.truncate(size);
    text
}

/// One of each kind that serde knows, but for what this format cannot carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Everything {
    integers: (u8, i8, u16, i16, u32, i32, u64, i64, u128, i128),
    floats: [f64; 2],
    float: f32,
    truths: Vec<bool>,
    letters: Vec<char>,
    text: String,
    nothing: Option<Nothing>,
    something: Option<Box<str>>,
    map: std::collections::BTreeMap<String, Vec<Kind>>,
    unit: (),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    New(u16),
    Tuple(u8, String),
    Struct { left: i64, right: Option<u8> },
}

pub(crate) fn everything() -> Everything {
    let kinds = vec![
        Kind::Unit,
        Kind::New(0x1234),
        Kind::Tuple(9, "nine".into()),
        Kind::Struct {
            left: -1,
            right: Some(3),
        },
    ];
    Everything {
        integers: (1, -2, 3, -4, 5, -6, 7, -8, 1 << 100, -(1 << 99)),
        floats: [0.5, f64::INFINITY],
        float: -1.25,
        truths: vec![true, false],
        letters: vec!['a', 'ß', '块', '🦀'],
        text: "text".into(),
        nothing: Some(Nothing),
        something: Some("some".into()),
        map: [("kinds".into(), kinds), ("none".into(), Vec::new())].into(),
        unit: (),
    }
}
