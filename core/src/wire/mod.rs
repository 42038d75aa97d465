//! The frames of `peer-sender/1`: `docs/wire.md` in code.
//!
//! A lane's stream is a row of frames: a kind (one byte), the length of the body, the body.
//! [`Frame::encode`] and [`encode_message_head`] write them; a [`Decoder`] reads them, in whatever
//! pieces the stream comes, without allocating more than it has received.
//!
//! ```
//! use bytes::Bytes;
//! use peer_sender_core::wire::{Decoder, Frame, Item, encode_message_head};
//!
//! let mut bytes = Vec::new();
//! Frame::Receipt { taken: 7 }.encode(&mut bytes);
//! encode_message_head(2, &mut bytes);
//! bytes.extend(b"hi");
//!
//! let mut input = Bytes::from(bytes);
//! let mut decoder = Decoder::default();
//! assert_eq!(decoder.next(&mut input), Ok(Some(Item::Frame(Frame::Receipt { taken: 7 }))));
//! assert_eq!(decoder.next(&mut input), Ok(Some(Item::MessageBegins { length: 2 })));
//! assert_eq!(decoder.next(&mut input), Ok(Some(Item::Message(Bytes::from_static(b"hi")))));
//! assert_eq!(decoder.next(&mut input), Ok(None));
//! assert_eq!(decoder.finish(), Ok(()));
//! ```

mod decoder;
mod frame;
mod varint;

pub use decoder::{Decoder, Framing, Item};
#[cfg(feature = "trace")]
pub(crate) use decoder::{Gathered, at_most, read_head};
pub(crate) use frame::LENGTH_BYTES;
#[cfg(feature = "trace")]
pub(crate) use frame::{BODY_MAX, Kind};
pub use frame::{Frame, MESSAGE_HEAD_MAX, Open, Resume, VERSION, encode_message_head};
pub use varint::VARINT_MAX;
