//! Any bytes whatever as a stream of Acki Nacki's direct protocol: lengths, and messages behind them.
//!
//! However the stream is cut into pieces, the same comes of it, and no more is allocated than twice what
//! has come.

use bytes::Bytes;
use peer_sender_acki_nacki::{Limits, NetMessage};
use peer_sender_core::ProtocolError;
use peer_sender_core::wire::{Decoder, Framing, Item};

use crate::memory;

/// The largest message that is taken.
const BYTES_MAX: u64 = 1 << 20;

/// What a stream gives: whole messages, and whether each can be read; and how it ends.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    messages: Vec<(Bytes, bool)>,
    end: Result<(), ProtocolError>,
}

/// Reads the stream whole and in pieces of this many bytes; whether a message came of it.
pub(crate) fn run(stream: &[u8], piece: usize) -> bool {
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, piece.max(1)), whole, "F1 pieces of {piece}");
    !whole.messages.is_empty()
}

fn read(stream: &[u8], piece: usize) -> Given {
    let (limits, before) = (Limits::default(), memory::allocated());
    let mut decoder = Decoder::new(Framing::Lengths);
    let (mut messages, mut kept) = (Vec::new(), 0);
    for (number, bytes) in stream.chunks(piece).enumerate() {
        let mut input = Bytes::copy_from_slice(bytes);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(Item::MessageBegins { length })) => {
                    if length > BYTES_MAX {
                        let end = Ok(());
                        return Given { messages, end };
                    }
                }
                Ok(Some(Item::Message(message))) => {
                    let readable = NetMessage::decode(&message, &limits).is_ok();
                    kept += message.len();
                    messages.push((message, readable));
                }
                Ok(Some(item @ Item::Frame(_))) => panic!("F1 {item:?} among lengths"),
                Ok(None) => break,
                Err(error) => {
                    let end = Err(error);
                    return Given { messages, end };
                }
            }
        }
        let come = (number + 1) * piece;
        if let Some(grown) = memory::grown_since(before) {
            let books = 64 * messages.len();
            assert!(
                grown <= kept + 2 * come + 2 * books + 1_024,
                "F1 {grown} bytes after {come}"
            );
        }
    }
    let end = decoder.finish();
    Given { messages, end }
}
