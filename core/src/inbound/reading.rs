//! The bytes of one stream that nobody has taken yet.

#[cfg(feature = "trace")]
mod image;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::wire::{Decoder, Frame, Item, Open};
use crate::{Protocol, ProtocolError};

/// The kinds from here on are extensions (`docs/wire.md`, frames).
const FIRST_EXTENSION: u8 = 0x40;

/// What came on one stream, and what happened to it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Reading {
    pub(crate) decoder: Decoder,
    /// None of them empty.
    input: VecDeque<Bytes>,
    /// The bytes of all of them.
    waiting: usize,
    /// Whether `input` has parts of somebody else's buffers.
    borrowed: bool,
    /// Whether any bytes ever came.
    pub(crate) begun: bool,
    /// The stream ends behind `input`.
    pub(crate) fin: bool,
    /// The peer reset the stream, or reads no more of it.
    pub(crate) cut: bool,
    /// The node was asked to hand over no more.
    pub(crate) paused: bool,
}

impl Reading {
    /// Nothing has come yet on a stream of this protocol.
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self {
            decoder: Decoder::new(protocol.framing().unwrap_or_default()),
            ..Self::default()
        }
    }

    /// The stream's next bytes. None come behind its end.
    pub(crate) fn push(&mut self, bytes: Bytes, fin: bool) {
        if self.fin {
            return;
        }
        self.fin = fin;
        if !bytes.is_empty() {
            self.borrowed = true;
            self.begun = true;
            self.waiting += bytes.len();
            self.input.push_back(bytes);
        }
    }

    /// How many bytes nobody has taken.
    pub(crate) fn in_hand(&self) -> usize {
        self.waiting
    }

    /// Takes them all as they are, for a stream without frames.
    pub(crate) fn take_into(&mut self, buffer: &mut Vec<u8>) {
        buffer.reserve(self.waiting);
        self.input
            .drain(..)
            .for_each(|chunk| buffer.extend_from_slice(&chunk));
        self.waiting = 0;
    }

    /// The next item; see [`Decoder::next`].
    pub(crate) fn next(&mut self) -> Result<Option<Item>, ProtocolError> {
        self.read(Decoder::next)
    }

    /// The OPEN that a stream must start with; none while it is cut short.
    pub(crate) fn next_open(&mut self) -> Result<Option<Open>, ProtocolError> {
        self.read(read_open)
    }

    /// Reads from one chunk after the other until there is something, or nothing is left.
    fn read<T>(
        &mut self,
        read: fn(&mut Decoder, &mut Bytes) -> Result<Option<T>, ProtocolError>,
    ) -> Result<Option<T>, ProtocolError> {
        loop {
            self.decoder.foresee(self.waiting);
            // A payload of no bytes is an item that needs no input.
            let mut nothing = Bytes::new();
            let chunk = self.input.front_mut().unwrap_or(&mut nothing);
            let before = chunk.len();
            let item = read(&mut self.decoder, chunk)?;
            self.waiting -= before - chunk.len();
            if chunk.is_empty() {
                self.input.pop_front();
            }
            if item.is_some() || self.input.is_empty() {
                return Ok(item);
            }
        }
    }

    /// Lets go of the buffers that the bytes came in: what is left is copied.
    pub(crate) fn own(&mut self) {
        if self.borrowed && !self.input.is_empty() {
            let mut left = Vec::with_capacity(self.waiting);
            self.input
                .iter()
                .for_each(|chunk| left.extend_from_slice(chunk));
            self.input.clear();
            self.input.push_back(Bytes::from(left));
        }
        self.borrowed = false;
    }

    /// Forgets what was not taken.
    pub(crate) fn clear(&mut self) {
        self.input.clear();
        self.waiting = 0;
        self.borrowed = false;
        self.decoder.reset();
    }

    /// Whether there is something that is not taken, or no whole message yet.
    pub(crate) fn is_within(&self) -> bool {
        self.waiting > 0 || self.decoder.finish().is_err()
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("decoder", &self.decoder)
            .field("input_bytes", &self.waiting)
            .field("fin", &self.fin)
            .field("cut", &self.cut)
            .field("paused", &self.paused)
            .finish()
    }
}

/// Reads the OPEN at the very start of a stream; none while it is cut short. Nothing may come
/// before it, an extension neither: so what is kept of a stream that belongs to no session yet is
/// never more than half an OPEN.
pub(crate) fn read_open(
    decoder: &mut Decoder,
    input: &mut Bytes,
) -> Result<Option<Open>, ProtocolError> {
    if decoder.buffered() == 0 && input.first().is_some_and(|&kind| kind >= FIRST_EXTENSION) {
        return Err(ProtocolError::Unexpected { frame: "extension" });
    }
    match decoder.next(input)? {
        None => Ok(None),
        Some(Item::Frame(Frame::Open(open))) => Ok(Some(open)),
        Some(item) => Err(ProtocolError::Unexpected {
            frame: item_name(&item),
        }),
    }
}

/// The name of the frame that an item belongs to.
pub(crate) fn item_name(item: &Item) -> &'static str {
    match item {
        Item::Frame(frame) => frame.name(),
        Item::MessageBegins { .. } | Item::Message(_) => "MESSAGE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn what_is_left_is_copied_out_of_the_buffer_it_came_in() {
        let buffer = Bytes::from(alloc::vec![0x05, 1, 9, 0x05, 1]);
        let mut reading = Reading::default();
        reading.push(buffer.clone(), false);
        assert_eq!(
            reading.next(),
            Ok(Some(Item::Frame(Frame::Receipt { taken: 9 })))
        );
        reading.own();
        assert!(!buffer.as_ptr_range().contains(&reading.input[0].as_ptr()));
        let owned_at = reading.input[0].as_ptr();
        reading.own();
        assert_eq!(reading.input[0].as_ptr(), owned_at, "copied once only");
        reading.push(Bytes::from_static(&[8]), true);
        assert_eq!(
            reading.next(),
            Ok(Some(Item::Frame(Frame::Receipt { taken: 8 })))
        );
        assert!(reading.fin);
    }

    #[test]
    fn a_payload_in_many_chunks_is_gathered_in_one_buffer_of_its_size() {
        let mut bytes = Vec::new();
        crate::wire::encode_message_head(1_000, &mut bytes);
        bytes.resize(bytes.len() + 1_000, 7);
        let mut reading = Reading::default();
        for chunk in bytes.chunks(10) {
            reading.push(Bytes::copy_from_slice(chunk), false);
        }
        let begins = Item::MessageBegins { length: 1_000 };
        assert_eq!(reading.next(), Ok(Some(begins)));
        let Ok(Some(Item::Message(payload))) = reading.next() else {
            panic!("a message")
        };
        assert_eq!(payload.len(), 1_000);
        assert_eq!(payload.try_into_mut().unwrap().capacity(), 1_000);
        assert_eq!(reading.waiting, 0);
    }

    #[test]
    fn an_extension_before_open_is_refused() {
        let error = ProtocolError::Unexpected { frame: "extension" };
        let input = &mut Bytes::from_static(&[0x40, 0]);
        assert_eq!(read_open(&mut Decoder::default(), input), Err(error));
    }

    #[test]
    fn debug_never_shows_what_came() {
        let mut reading = Reading::default();
        reading.push(Bytes::from_static(b"secret"), false);
        assert!(!format!("{reading:?}").contains("secret"));
    }
}
