//! `wire decode` and `wire encode`: what they print, that each undoes the other, and what they refuse.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test")]

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Directory, Ran, command, json, run};

const DECODE: &str = "wire decode --protocol acki-nacki";
const ENCODE: &str = "wire encode --protocol acki-nacki";

/// Those of the vectors that show every kind of line.
const SHOWN: [&str; 7] = [
    "v0_broadcast",
    "v1_empty",
    "v1_even_1001",
    "v1_label_ansi",
    "v1_label_bidi",
    "v1_noise_999",
    "v1_receiver_unicode",
];

/// `PEER_SENDER_REWRITE=1` writes what is printed into the files, to be read.
#[test]
fn a_message_is_told_in_words_and_in_json() {
    for name in SHOWN {
        let vector = vector(name);
        let words = printed(run(&format!("{DECODE} --file {}", vector.display())));
        let object = printed(run(&format!("{DECODE} --json --file {}", vector.display())));
        let told = format!("{words}{object}");
        for text in [&words, &object] {
            let plain = text
                .chars()
                .all(|it| it == '\n' || it.is_ascii_graphic() || it == ' ');
            assert!(plain || name == "v1_receiver_unicode", "{text:?}");
        }
        let golden = folder("tests/wire/goldens").join(format!("{name}.txt"));
        if std::env::var_os("PEER_SENDER_REWRITE").is_some() {
            fs::write(&golden, &told).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap();
        assert_eq!(
            told, expected,
            "if that is meant: PEER_SENDER_REWRITE=1 cargo test -p peer-sender-cli --test wire"
        );
    }
}

#[test]
fn what_is_decoded_is_encoded_to_the_same_bytes() {
    let mut vectors = 0;
    for entry in fs::read_dir(folder("../acki-nacki/tests/vectors")).unwrap() {
        let vector = entry.unwrap().path();
        let digits = fs::read_to_string(&vector).unwrap().replace('\n', "");
        let object = printed(run(&format!("{DECODE} --json --file {}", vector.display())));
        assert_eq!(object.lines().count(), 1, "{object}");
        let encoded = printed(fed(ENCODE, object.as_bytes()));
        assert_eq!(encoded, format!("{digits}\n"), "{}", vector.display());
        vectors += 1;
    }
    assert!(vectors >= 40, "{vectors}");
}

#[test]
fn hex_is_taken_from_the_command_line_a_file_or_stdin_and_bytes_from_the_last_two() {
    let digits = fs::read_to_string(vector("v1_proxy")).unwrap();
    let joined = digits.replace('\n', "");
    let expected = printed(run(&format!("{DECODE} --json {joined}")));
    assert_eq!(json(&expected)["last_sender_is_proxy"], true);
    assert_eq!(
        printed(run(&format!("{DECODE} --json {}", joined.to_uppercase()))),
        expected
    );
    assert_eq!(
        printed(fed(&format!("{DECODE} --json"), digits.as_bytes())),
        expected
    );
    let bytes = bytes_of(&joined);
    assert_eq!(printed(fed(&format!("{DECODE} --json"), &bytes)), expected);
    let directory = Directory::new("wire");
    let file = directory.file("message");
    fs::write(&file, &bytes).unwrap();
    assert_eq!(
        printed(run(&format!("{DECODE} --json --file {file}"))),
        expected
    );
    fs::write(&file, &expected).unwrap();
    assert_eq!(
        printed(run(&format!("{ENCODE} --file {file}"))),
        format!("{joined}\n")
    );
    let ran = command(ENCODE).arg(&expected).stdin(Stdio::null()).output();
    assert_eq!(printed(ran.unwrap().into()), format!("{joined}\n"));
}

#[test]
fn a_frame_is_read_and_written_where_it_is_asked_for() {
    let digits = fs::read_to_string(vector("v1_empty"))
        .unwrap()
        .replace('\n', "");
    let framed = format!("0000002b{digits}");
    let object = printed(run(&format!("{DECODE} --json --framed {framed}")));
    assert_eq!(object, printed(run(&format!("{DECODE} --json {digits}"))));
    let again = json(&printed(fed(
        &format!("{ENCODE} --framed --json"),
        object.as_bytes(),
    )));
    assert_eq!(again["hex"], framed);
    assert_eq!(again["bytes"], 47);

    let decode = format!("{DECODE} --framed");
    run(&format!("{decode} 000000")).failed(2, &["3 bytes are less than the length"]);
    run(&format!("{decode} 00000000")).failed(2, &["no bytes", "leave --framed out"]);
    run(&format!("{decode} {framed}00")).failed(2, &["has 43 bytes; behind it are 44"]);
    run(&format!("{decode} ffffffff{digits}")).failed(2, &["has 4294967295 bytes"]);
    run(&format!("{DECODE} {framed}")).failed(2, &["add --framed"]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let digits = fs::read_to_string(vector("v1_empty"))
        .unwrap()
        .replace('\n', "");
    let with = |byte: usize, value: &str| {
        let mut digits = digits.clone();
        digits.replace_range(2 * byte..2 * byte + 2, value);
        run(&format!("{DECODE} {digits}"))
    };
    with(24, "02").failed(
        2,
        &["compressed, at byte 24, is 0x02", "docs/acki-nacki.md"],
    );
    with(34, "07").failed(2, &["direct_receiver, at byte 34, begins with 0x07"]);
    with(15, "ff").failed(2, &["the length of id, at byte 8"]);
    with(42, "00").failed(
        2,
        &["9 bytes are left over behind last_sender_is_proxy, from byte 34"],
    );
    run(&format!("{DECODE} 00zz")).failed(2, &["MESSAGE is no hex: z at byte 2", "--file FILE"]);
    run(&format!("{DECODE} 000")).failed(2, &["half a byte"]);
    run(&format!("{DECODE} --file none")).failed(2, &["cannot read none"]);
    run(&format!("{DECODE} --file /")).failed(2, &["cannot read /"]);
    fed(DECODE, b"").failed(2, &["ends early"]);
    fed(DECODE, b"\x1b[2J\xff").failed(2, &["stdin is no text"]);
}

/// The message itself is whole, so it is told; but whoever asks a script is not told that all is well.
#[test]
fn a_payload_that_cannot_be_read_is_an_error_beside_the_rest() {
    let whole = printed(run(&format!(
        "{DECODE} --json --file {}",
        vector("v1_even_1001").display()
    )));
    assert_eq!(json(&whole)["payload_bytes"], 1_001);
    assert_eq!(json(&whole)["payload_error"], serde_json::Value::Null);
    // The first digits of a frame of zstd (RFC 8878 section 3.1.1).
    let damaged = whole.replace("\"data\":\"28b5", "\"data\":\"29b5");
    assert_ne!(whole, damaged);
    let bytes = printed(fed(ENCODE, damaged.as_bytes()));
    for form in ["", "--json "] {
        let ran = run(&format!("{DECODE} {form}{}", bytes.trim()));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("no payload that can be read"),
            "{}",
            ran.stderr
        );
        let told = match form {
            "" => ran.stdout,
            _ => json(&ran.stdout)["payload_error"].to_string(),
        };
        assert!(told.contains("zstd"), "{told}");
    }
}

#[test]
fn what_is_no_message_in_json_is_not_encoded() {
    let empty = json(&printed(run(&format!(
        "{DECODE} --json --file {}",
        vector("v0_empty").display()
    ))));
    let with = |field: &str, value: serde_json::Value| {
        let mut object = empty.clone();
        object[field] = value;
        fed(ENCODE, object.to_string().as_bytes())
    };
    with("version", 2.into()).failed(2, &["version is 0 or 1, and not 2"]);
    with("data", "0".into()).failed(2, &["data is no hex", "half a byte"]);
    with("direct_receiver", "a".into()).failed(2, &["version 0 has no direct_receiver"]);
    with("id", "i".repeat(2_000).into()).failed(2, &["id has 2000 bytes"]);
    with("more\u{1b}", 1.into()).failed(2, &["unknown field `more\\u{1b}`", "decode --json"]);
    with("delivery_start_timestamp_ms", (-1).into()).failed(2, &["no message in JSON"]);
    fed(ENCODE, b"").failed(2, &["no message in JSON"]);
    let mut ambiguous = empty.clone();
    ambiguous["data"] = "61636b6e636b00".into();
    ambiguous["last_sender_is_proxy"] = true.into();
    fed(ENCODE, ambiguous.to_string().as_bytes()).failed(2, &["would be read as version 1"]);
}

#[test]
fn usage_errors_name_the_argument() {
    run("wire decode 00").failed(2, &["--protocol <P>"]);
    run("wire decode --protocol lanes 00").failed(2, &["--protocol <P>", "acki-nacki"]);
    run(&format!("{DECODE} 00 --file none")).failed(2, &["cannot be used with"]);
}

fn vector(name: &str) -> PathBuf {
    folder("../acki-nacki/tests/vectors").join(format!("{name}.hex"))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[track_caller]
fn printed(ran: Ran) -> String {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    ran.stdout
}

/// What it comes to with this on stdin.
fn fed(arguments: &str, input: &[u8]) -> Ran {
    let mut command = command(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended without reading all of it.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}
