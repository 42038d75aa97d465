//! placeholder: names and signatures stand, bodies and docs are to be written (split over
//! wire/varint.rs, wire/frame.rs, wire/decoder.rs).
#![allow(missing_docs, clippy::todo, unused)]
use crate::{Epoch, ProtocolError, SessionId};
use alloc::vec::Vec;
use bytes::Bytes;

/// The largest integer (RFC 9000 section 16): 2^62 - 1.
pub const VARINT_MAX: u64 = (1 << 62) - 1;
/// OPEN.version of this protocol.
pub const VERSION: u64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    pub fresh: bool,
    pub session: SessionId,
    pub lane: u64,
    pub base: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resume {
    pub epoch: Epoch,
    pub record: u64,
    pub taken: u64,
    pub next: u64,
    pub message_bytes_max: u64,
}

/// A frame other than MESSAGE, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    Open(Open),
    Resume(Resume),
    Skip { count: u64 },
    Receipt { taken: u64 },
    Refuse { number: u64, code: u64 },
}

impl Frame {
    /// "OPEN", "RESUME"...
    pub fn name(&self) -> &'static str { todo!() }
    /// Appends the frame's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) { todo!() }
}

/// Appends the head (kind, length) of a MESSAGE of this many bytes; its payload follows.
pub fn encode_message_head(payload_len: usize, out: &mut Vec<u8>) { todo!() }
/// The most bytes that a MESSAGE's head takes.
pub const MESSAGE_HEAD_MAX: usize = 9;

/// What a stream's bytes turn into. Unknown extension frames (0x40..) are passed over unseen,
/// whatever their length, without buffering them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    Frame(Frame),
    /// A MESSAGE's head was read: its payload has this many bytes. The caller decides whether it
    /// takes it (limit, budget) before it calls `next` again; nothing was allocated yet.
    MessageBegins { length: u64 },
    /// The payload, whole, in a buffer of its own (never pins the input's buffer). The buffer grew with the bytes received.
    Message(Bytes),
}

/// Cuts the bytes of one stream, in whatever chunks they come, into frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decoder {}

impl Decoder {
    /// Takes bytes off the front of `input` until one item is complete; none when `input` is
    /// used up first. After an error the stream is lost.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Item>, ProtocolError> { todo!() }
    /// Ok if the stream may end here: between two frames. Otherwise `Truncated`.
    pub fn finish(&self) -> Result<(), ProtocolError> { todo!() }
    /// Bytes that it holds now (half a frame).
    pub fn buffered(&self) -> usize { todo!() }
}
