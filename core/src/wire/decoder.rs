//! Cuts a stream of bytes into frames, whatever pieces it comes in.

#[cfg(feature = "trace")]
mod image;

use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes};

use super::frame::{BODY_MAX, Frame, Kind, LENGTH_BYTES, MESSAGE_HEAD_MAX};
use super::varint;
use crate::ProtocolError;

/// What a stream's bytes turn into. Unknown extension frames (0x40..) are passed over unseen,
/// whatever their length, without buffering them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// A frame other than MESSAGE, whole.
    Frame(Frame),
    /// A MESSAGE's head was read: its payload has this many bytes. The caller decides whether it
    /// takes it (limit, budget) before it calls [`Decoder::next`] again, or calls
    /// [`Decoder::discard_message`]; nothing was allocated yet.
    MessageBegins {
        /// The payload's bytes.
        length: u64,
    },
    /// The payload, whole, in a buffer of its own (it never pins the input's buffer).
    Message(Bytes),
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(frame) => frame.fmt(f),
            Self::MessageBegins { length } => write!(f, "MessageBegins({length} bytes)"),
            Self::Message(payload) => write!(f, "Message({} bytes)", payload.len()),
        }
    }
}

/// How a stream's bytes are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Into frames of `peer-sender/1`.
    #[default]
    Frames,
    /// Into messages, each behind its length in bytes: four bytes, the most significant one first.
    /// None is empty.
    Lengths,
}

/// Cuts the bytes of one stream, in whatever chunks they come, into frames.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Decoder {
    framing: Framing,
    state: State,
}

impl Decoder {
    /// At the start of a stream of this kind; the default is one of frames.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            state: State::default(),
        }
    }

    /// As at the start of a stream of the same kind.
    pub(crate) fn reset(&mut self) {
        self.state = State::default();
    }

    /// Takes bytes off the front of `input` until one item is complete; none when `input` is
    /// used up first. To be called until it gives none: a payload of no bytes needs no input.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes. The stream is lost then: every later call gives the same
    /// error.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Item>, ProtocolError> {
        let item = self.advance(input);
        if let Err(error) = item {
            self.state = State::Lost(error);
        }
        item
    }

    /// Passes over the payload of the message that has just begun without keeping any of it.
    /// Changes nothing when no payload is due.
    pub fn discard_message(&mut self) {
        if let State::Payload { length, buffer } = &self.state {
            self.state = State::Passing {
                remaining: length - buffer.len() as u64,
            };
        }
    }

    /// Says that so many bytes are at hand already, to be passed next: a payload that is under way
    /// gets a buffer that holds them, instead of one that is enlarged again and again.
    pub fn foresee(&mut self, bytes: usize) {
        if let State::Payload { length, buffer } = &mut self.state {
            let missing = at_most(*length - buffer.len() as u64, bytes);
            buffer.reserve_exact(missing);
        }
    }

    /// Whether the stream may end here.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Truncated`] inside a frame; after an error of [`next`](Self::next), that
    /// error.
    pub fn finish(&self) -> Result<(), ProtocolError> {
        match self.state {
            State::Head(ref head) if head.filled().is_empty() => Ok(()),
            State::Passing { remaining: 0 } => Ok(()),
            State::Lost(error) => Err(error),
            State::Head(_) | State::Body { .. } | State::Payload { .. } | State::Passing { .. } => {
                Err(ProtocolError::Truncated)
            }
        }
    }

    /// The payload that is coming: how long it is, and how much of it is here.
    pub(crate) fn payload(&self) -> Option<(u64, usize)> {
        match &self.state {
            State::Payload { length, buffer } => Some((*length, buffer.len())),
            State::Head(_) | State::Body { .. } | State::Passing { .. } | State::Lost(_) => None,
        }
    }

    /// Bytes of half a frame that it holds now.
    pub fn buffered(&self) -> usize {
        match &self.state {
            State::Head(gathered) | State::Body { gathered, .. } => gathered.filled().len(),
            State::Payload { buffer, .. } => buffer.len(),
            State::Passing { .. } | State::Lost(_) => 0,
        }
    }

    fn advance(&mut self, input: &mut Bytes) -> Result<Option<Item>, ProtocolError> {
        loop {
            match &mut self.state {
                State::Head(head) => {
                    let Some((kind, length)) = read_head(self.framing, head, input)? else {
                        return Ok(None);
                    };
                    match kind {
                        None => self.state = State::Passing { remaining: length },
                        Some(Kind::Message) => {
                            self.state = State::Payload {
                                length,
                                buffer: Vec::new(),
                            };
                            return Ok(Some(Item::MessageBegins { length }));
                        }
                        Some(kind) => {
                            let length = usize::try_from(length)
                                .ok()
                                .filter(|&length| length <= BODY_MAX)
                                .ok_or_else(|| kind.bad_length(length))?;
                            let gathered = Gathered::default();
                            self.state = State::Body {
                                kind,
                                length,
                                gathered,
                            };
                        }
                    }
                }
                State::Body {
                    kind,
                    length,
                    gathered,
                } => {
                    if !gathered.fill(*length, input) {
                        return Ok(None);
                    }
                    let frame = Frame::decode(*kind, gathered.filled())?;
                    self.state = State::default();
                    if let Some(frame) = frame {
                        return Ok(Some(Item::Frame(frame)));
                    }
                }
                State::Payload { length, buffer } => {
                    let Some(payload) = read_payload(*length, buffer, input) else {
                        return Ok(None);
                    };
                    self.state = State::default();
                    return Ok(Some(Item::Message(payload)));
                }
                State::Passing { remaining } => {
                    let passed = at_most(*remaining, input.len());
                    input.advance(passed);
                    *remaining -= passed as u64;
                    if *remaining > 0 {
                        return Ok(None);
                    }
                    self.state = State::default();
                }
                State::Lost(error) => return Err(*error),
            }
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match &self.state {
            State::Head(_) => "a head",
            State::Body { kind, .. } => kind.name(),
            State::Payload { .. } => "a payload",
            State::Passing { .. } => "bytes that are passed over",
            State::Lost(error) => return write!(f, "Decoder(lost: {error})"),
        };
        write!(f, "Decoder(in {at}, {} bytes buffered)", self.buffered())
    }
}

/// Where in a frame the stream stands. A default one stands between two frames.
#[derive(Clone, PartialEq, Eq, Hash)]
enum State {
    /// Kind and length.
    Head(Gathered),
    Body {
        kind: Kind,
        length: usize,
        gathered: Gathered,
    },
    Payload {
        length: u64,
        buffer: Vec<u8>,
    },
    /// In an extension's body, or in a payload that nobody wants.
    Passing {
        remaining: u64,
    },
    Lost(ProtocolError),
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Gathered::default())
    }
}

/// Bytes of a head or a short body that have come so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gathered {
    bytes: [u8; BODY_MAX],
    count: usize,
}

impl Default for Gathered {
    fn default() -> Self {
        Self {
            bytes: [0; BODY_MAX],
            count: 0,
        }
    }
}

impl Gathered {
    fn filled(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }

    /// Takes bytes off `input` until there are `wanted`; whether there are.
    fn fill(&mut self, wanted: usize, input: &mut impl Buf) -> bool {
        let taken = wanted.saturating_sub(self.count).min(input.remaining());
        let room = self.bytes.get_mut(self.count..self.count + taken);
        if let (Some(room), Some(bytes)) = (room, input.chunk().get(..taken)) {
            room.copy_from_slice(bytes);
            input.advance(taken);
            self.count += taken;
        }
        self.count >= wanted
    }
}

const _: () = assert!(
    MESSAGE_HEAD_MAX <= BODY_MAX,
    "a head is gathered where a body is"
);

/// The next frame's kind (none for an extension) and the length of its body, once they are there.
pub(crate) fn read_head(
    framing: Framing,
    head: &mut Gathered,
    input: &mut impl Buf,
) -> Result<Option<(Option<Kind>, u64)>, ProtocolError> {
    if framing == Framing::Lengths {
        return read_length(head, input);
    }
    if head.count == 0
        && let Ok(Some((kind, length, taken))) = whole_head(input.chunk())
    {
        input.advance(taken);
        return Ok(Some((kind, length)));
    }
    if !head.fill(1, input) {
        return Ok(None);
    }
    let kind = Kind::from_byte(head.filled().first().copied().unwrap_or_default())?;
    if !head.fill(2, input) {
        return Ok(None);
    }
    let length_len = head
        .filled()
        .get(1)
        .copied()
        .map_or(1, varint::len_from_first);
    if !head.fill(1 + length_len, input) {
        return Ok(None);
    }
    let length = varint::read(head.filled().get(1..).unwrap_or_default())?;
    Ok(length.map(|(length, _)| (kind, length)))
}

/// A message's length, which is at least one byte.
fn read_length(
    head: &mut Gathered,
    input: &mut impl Buf,
) -> Result<Option<(Option<Kind>, u64)>, ProtocolError> {
    if !head.fill(LENGTH_BYTES, input) {
        return Ok(None);
    }
    let bytes = head.filled().iter();
    let length = bytes.fold(0, |length, &byte| length << 8 | u64::from(byte));
    match length {
        0 => Err(Kind::Message.bad_length(0)),
        _ => Ok(Some((Some(Kind::Message), length))),
    }
}

/// What [`read_head`] finds where the whole head is there already, as nearly always, and how long it is.
fn whole_head(bytes: &[u8]) -> Result<Option<(Option<Kind>, u64, usize)>, ProtocolError> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let kind = Kind::from_byte(first)?;
    let length = varint::read(rest)?;
    Ok(length.map(|(length, behind)| (kind, length, bytes.len() - behind.len())))
}

/// The whole payload, once it is there. The buffer at most doubles what has been received, and
/// never exceeds the payload.
fn read_payload(length: u64, buffer: &mut Vec<u8>, input: &mut Bytes) -> Option<Bytes> {
    let taken = at_most(length - buffer.len() as u64, input.len());
    let bytes = input.get(..taken).unwrap_or_default();
    let payload = if buffer.is_empty() && taken as u64 == length {
        Some(Bytes::copy_from_slice(bytes))
    } else {
        let room = buffer.capacity() - buffer.len();
        if room < taken {
            let doubled = buffer
                .capacity()
                .saturating_mul(2)
                .max(buffer.len() + taken);
            buffer.reserve_exact(at_most(length, doubled) - buffer.len());
        }
        buffer.extend_from_slice(bytes);
        (buffer.len() as u64 == length).then(|| Bytes::from(core::mem::take(buffer)))
    };
    input.advance(taken);
    payload
}

/// The smaller of the two.
pub(crate) fn at_most(limit: u64, count: usize) -> usize {
    usize::try_from(limit).map_or(count, |limit| limit.min(count))
}

#[cfg(test)]
mod tests;
