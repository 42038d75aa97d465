//! `tests/vectors` has a file for each case: the message's bytes in hex, as bincode 1.3.3 and zstd made
//! them. `PEER_SENDER_REWRITE=1` makes them anew, in the same way.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use peer_sender_acki_nacki::{Limits, NetMessage, Version};
use ruzstd::decoding::StreamingDecoder;

use crate::cases::{self, Case};
use crate::oracle;

const LIMITS: Limits = Limits {
    message_bytes_max: 1 << 20,
    payload_bytes_max: 200_000,
    id_bytes_max: 64,
    label_bytes_max: 4_096,
    direct_receiver_bytes_max: 64,
    depth_max: 32,
};

#[test]
fn the_vectors_are_what_the_network_sends() {
    let cases = cases::all();
    assert!(cases.len() >= 40, "{}", cases.len());
    if std::env::var_os("PEER_SENDER_REWRITE").is_some() {
        for case in &cases {
            fs::write(file(case), hex(&oracle::encode(&case.message))).unwrap();
        }
    }
    for case in &cases {
        assert_eq!(
            vector(case),
            oracle::encode(&case.message),
            "{}: if that is meant: PEER_SENDER_REWRITE=1 cargo test -p peer-sender-acki-nacki",
            case.name
        );
    }
    let there = fs::read_dir(folder()).unwrap();
    let there: BTreeSet<_> = there.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, cases.iter().map(file).collect());
}

#[test]
fn every_vector_is_written_and_read() {
    for case in cases::all() {
        let bytes = vector(&case);
        assert_eq!(
            case.message.encode(&LIMITS).unwrap(),
            bytes,
            "{}",
            case.name
        );
        let read = NetMessage::decode(&Bytes::from(bytes), &LIMITS).unwrap();
        assert_eq!(read, case.message, "{}", case.name);
        assert_eq!(
            read.payload(&LIMITS).unwrap(),
            case.payload,
            "{}",
            case.name
        );
    }
}

#[test]
fn wincode_writes_and_reads_every_vector_alike() {
    for case in cases::all() {
        let bytes = vector(&case);
        assert_eq!(
            oracle::encode_by_wincode(&case.message),
            bytes,
            "{}",
            case.name
        );
        assert_eq!(
            oracle::decode_by_wincode(&bytes),
            case.message,
            "{}",
            case.name
        );
    }
}

/// A decoder that has nothing in common with the library that compressed them.
#[test]
fn ruzstd_reads_every_compressed_vector() {
    let mut compressed = 0;
    for case in cases::all().iter().filter(|case| case.message.compressed) {
        let mut decoder = StreamingDecoder::new(&case.message.data[..]).unwrap();
        let mut payload = Vec::new();
        std::io::Read::read_to_end(&mut decoder, &mut payload).unwrap();
        assert_eq!(payload, case.payload, "{}", case.name);
        compressed += 1;
    }
    assert!(compressed >= 8, "{compressed}");
}

#[test]
fn what_is_made_of_a_payload_is_what_the_network_makes() {
    for case in cases::all() {
        let message = &case.message;
        let made = NetMessage::from_payload(
            case.payload.clone().into(),
            message.label.clone(),
            message.delivery_start_timestamp_ms,
            message.id.clone(),
            &LIMITS,
        );
        let made = made.unwrap();
        let foreign = ["frame_with", "and_compressed"]
            .iter()
            .any(|it| case.name.contains(it));
        if !foreign {
            assert_eq!(
                (made.compressed, &made.data),
                (message.compressed, &message.data)
            );
        }
        assert_eq!(
            (made.version, made.last_sender_is_proxy),
            (Version::V1, false)
        );
        assert_eq!(made.direct_receiver, None);
    }
}

#[test]
fn an_empty_message_has_43_bytes() {
    let empty = vector(&case("v1_empty"));
    let mut expected = vec![0; 35];
    expected.extend([0x61, 0x63, 0x6b, 0x6e, 0x63, 0x6b, 0x00, 0x01]);
    assert_eq!(empty, expected);
    assert_eq!(empty.len(), 43);
    assert_eq!(vector(&case("v0_empty")), [0; 34]);
}

#[test]
fn payloads_are_compressed_from_1001_bytes_on_and_kept_if_they_grew() {
    for version in [0, 1] {
        for (size, compressed) in [(999, false), (1_000, false), (1_001, true)] {
            for kind in ["even", "noise"] {
                let message = case(&format!("v{version}_{kind}_{size}")).message;
                assert_eq!(message.compressed, compressed, "{kind} {size}");
                let grew = message.data.len() > size;
                assert_eq!(grew, compressed && kind == "noise", "{kind} {size}");
            }
        }
    }
}

pub(crate) fn case(name: &str) -> Case {
    let found = cases::all().into_iter().find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("no case {name}"))
}

/// What stands in the file.
pub(crate) fn vector(case: &Case) -> Vec<u8> {
    let file = file(case);
    let text = fs::read_to_string(&file).unwrap_or_else(|it| panic!("{}: {it}", file.display()));
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "{}", file.display());
    pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        text.extend(line.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    text
}

fn file(case: &Case) -> PathBuf {
    folder().join(format!("{}.hex", case.name))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}
