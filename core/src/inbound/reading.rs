//! The bytes of one stream that nobody has taken yet.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::ProtocolError;
use crate::wire::{Decoder, Frame, Item, Open};

/// The kinds from here on are extensions (`docs/wire.md`, frames).
const FIRST_EXTENSION: u8 = 0x40;

/// What came on one stream, and what happened to it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Reading {
    pub(crate) decoder: Decoder,
    input: Bytes,
    /// `input` is a part of somebody else's buffer.
    borrowed: bool,
    /// The stream ends behind `input`.
    pub(crate) fin: bool,
    /// The peer reset the stream, or reads no more of it.
    pub(crate) cut: bool,
    /// The node was asked to hand over no more.
    pub(crate) paused: bool,
}

impl Reading {
    /// The stream's next bytes. None come behind its end.
    pub(crate) fn push(&mut self, bytes: Bytes, fin: bool) {
        if self.fin {
            return;
        }
        self.fin = fin;
        if self.input.is_empty() {
            self.borrowed = true;
            self.input = bytes;
        } else if !bytes.is_empty() {
            let mut joined = Vec::with_capacity(self.input.len() + bytes.len());
            joined.extend_from_slice(&self.input);
            joined.extend_from_slice(&bytes);
            self.borrowed = false;
            self.input = Bytes::from(joined);
        }
    }

    /// The next item; see [`Decoder::next`].
    pub(crate) fn next(&mut self) -> Result<Option<Item>, ProtocolError> {
        self.decoder.next(&mut self.input)
    }

    /// The OPEN that a stream must start with; none while it is cut short.
    pub(crate) fn next_open(&mut self) -> Result<Option<Open>, ProtocolError> {
        read_open(&mut self.decoder, &mut self.input)
    }

    /// Lets go of the buffer that the bytes came in: what is left is copied.
    pub(crate) fn own(&mut self) {
        if self.input.is_empty() {
            self.input = Bytes::new();
        } else if self.borrowed {
            self.input = Bytes::copy_from_slice(&self.input);
        }
        self.borrowed = false;
    }

    /// Forgets what was not taken.
    pub(crate) fn clear(&mut self) {
        self.input = Bytes::new();
        self.borrowed = false;
        self.decoder = Decoder::default();
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("decoder", &self.decoder)
            .field("input_bytes", &self.input.len())
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
        assert!(!buffer.as_ptr_range().contains(&reading.input.as_ptr()));
        let owned_at = reading.input.as_ptr();
        reading.own();
        assert_eq!(reading.input.as_ptr(), owned_at, "copied once only");
        reading.push(Bytes::from_static(&[8]), true);
        assert_eq!(
            reading.next(),
            Ok(Some(Item::Frame(Frame::Receipt { taken: 8 })))
        );
        assert!(reading.fin);
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
