//! The bytes of frames, said and heard.

use bytes::Bytes;
use peer_sender_core::wire::{Decoder, Frame, Item, Open, Resume, VARINT_MAX, encode_message_head};
use peer_sender_core::{Epoch, SessionId};

/// A session of its own for each number.
pub(crate) fn session(number: u64) -> SessionId {
    SessionId((u128::from(number) | 0xabcd << 100).to_be_bytes())
}

/// OPEN fresh of lane 0, from number 0 on.
pub(crate) fn open(session: SessionId) -> Vec<u8> {
    open_of(Open {
        fresh: true,
        session,
        lane: 0,
        base: 0,
    })
}

pub(crate) fn open_of(open: Open) -> Vec<u8> {
    frame(Frame::Open(open))
}

/// RESUME of a first record, of which nothing is known, by the process of this number.
pub(crate) fn resume(process: u8) -> Vec<u8> {
    resume_of(resume_fields(process))
}

pub(crate) fn resume_of(resume: Resume) -> Vec<u8> {
    frame(Frame::Resume(resume))
}

pub(crate) fn resume_fields(process: u8) -> Resume {
    Resume {
        epoch: Epoch([process; 16]),
        record: 0,
        taken: 0,
        next: 0,
        message_bytes_max: 16 << 20,
    }
}

pub(crate) fn receipt(taken: u64) -> Vec<u8> {
    frame(Frame::Receipt { taken })
}

pub(crate) fn refuse(number: u64, code: u64) -> Vec<u8> {
    frame(Frame::Refuse { number, code })
}

pub(crate) fn skip(count: u64) -> Vec<u8> {
    frame(Frame::Skip { count })
}

pub(crate) fn message(payload: &[u8]) -> Vec<u8> {
    let mut bytes = announcement(payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

/// The head of a MESSAGE of this length, and nothing of it.
pub(crate) fn announcement(length: u64) -> Vec<u8> {
    assert!(length <= VARINT_MAX);
    let mut bytes = Vec::new();
    encode_message_head(usize::try_from(length).unwrap(), &mut bytes);
    bytes
}

/// An extension, which whoever does not know it passes over.
pub(crate) fn extension(body: &[u8]) -> Vec<u8> {
    let mut bytes = announcement(body.len() as u64);
    bytes[0] = 0x7f;
    bytes.extend_from_slice(body);
    bytes
}

fn frame(frame: Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

/// One whole frame that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Frame(Frame),
    Message(Bytes),
}

/// The whole frames at the front of what came.
pub(crate) fn heard(bytes: &[u8]) -> Vec<Heard> {
    let mut input = Bytes::copy_from_slice(bytes);
    let mut decoder = Decoder::default();
    let mut heard = Vec::new();
    while let Some(item) = decoder.next(&mut input).unwrap() {
        match item {
            Item::Frame(frame) => heard.push(Heard::Frame(frame)),
            Item::MessageBegins { .. } => {}
            Item::Message(payload) => heard.push(Heard::Message(payload)),
        }
    }
    heard
}
