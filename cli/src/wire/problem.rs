//! Why a message could not be told, or made.

use std::io;

use peer_sender_acki_nacki::{MalformedMessage, UnencodableMessage};
use thiserror::Error;

use super::input::INPUT_BYTES_MAX;

/// Each says what is wrong, where, and what to try next.
#[derive(Debug, Error)]
pub(crate) enum WireProblem {
    #[error(
        "cannot read {place}: {error}\nto read from elsewhere: peer-sender wire ... --file FILE, or < FILE"
    )]
    Unreadable { place: String, error: io::Error },
    #[error(
        "{place} has more than {INPUT_BYTES_MAX} bytes, which no message has\nto look at its beginning: head -c 100 FILE | xxd"
    )]
    TooLarge { place: String },
    #[error(
        "{place} is no hex: {problem}\nto have the bytes of a file read: peer-sender wire decode --protocol acki-nacki --file FILE"
    )]
    NotHex { place: String, problem: String },
    #[error(
        "{place} is no text: {error}\nto see what is expected: peer-sender wire decode --json ..."
    )]
    NotText {
        place: String,
        error: std::str::Utf8Error,
    },
    #[error(
        "no message of Acki Nacki: {error}\nif its first four bytes are its length, add --framed; the format: docs/acki-nacki.md"
    )]
    Malformed { error: MalformedMessage },
    #[error(
        "{bytes} bytes are less than the length that frames a message\nwithout a frame, leave --framed out"
    )]
    FrameCut { bytes: usize },
    #[error(
        "the frame at byte 0 says that its message has no bytes, which no node sends\nwithout a frame, leave --framed out"
    )]
    FrameEmpty,
    #[error(
        "the frame at byte 0 says that its message has {length} bytes; behind it are {there}\nof several messages, cut out one; without a frame, leave --framed out"
    )]
    FrameLength { length: u32, there: usize },
    #[error("no message in JSON: {problem}\nto see one: peer-sender wire decode --json ...")]
    NotTold { problem: String },
    #[error("the message cannot be encoded: {error}\nto see the format: docs/acki-nacki.md")]
    Unencodable { error: UnencodableMessage },
}
