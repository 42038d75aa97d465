//! Any bytes whatever, cut anywhere, into the decoder of `peer-sender/1`.
//!
//! The first byte says how many cuts follow, each as the length of a piece, and what is done with
//! messages; the rest is the stream.

use bytes::Bytes;
use peer_sender_core::ProtocolError;
use peer_sender_core::wire::{Decoder, Item, encode_message_head};

use crate::memory;

/// What a stream came to: its items, and how it ended.
type Read = (Vec<Item>, Result<(), ProtocolError>);

/// What the caller of the decoder does with a message that begins.
#[derive(Clone, Copy)]
struct Caller {
    /// Messages longer than this are passed over.
    takes_max: u64,
    foresees: bool,
}

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some((&first, rest)) = bytes.split_first() else {
        return false;
    };
    let cuts = usize::from(first % 16).min(rest.len());
    let (cuts, stream) = rest.split_at(cuts);
    let caller = Caller {
        takes_max: match first / 16 % 4 {
            0 => u64::MAX,
            1 => 0,
            2 => 3,
            _ => 64,
        },
        foresees: first >= 128,
    };
    let straight = read(stream, &[], caller);
    for pieces in [cuts, &[1], &[2, 1, 3]] {
        let cut = read(stream, pieces, caller);
        assert_eq!(cut, straight, "F1 a cut at {pieces:?} made a difference");
    }
    encoded_again(stream, &straight);
    true
}

/// Reads a stream in pieces of these lengths, again and again, or in one piece.
fn read(stream: &[u8], pieces: &[u8], caller: Caller) -> Read {
    let mut decoder = Decoder::default();
    let mut items = Vec::new();
    let mut rest = Bytes::copy_from_slice(stream);
    let mut pieces = pieces.iter().cycle();
    let (mut come, mut kept) = (0, 0);
    while !rest.is_empty() {
        let piece = pieces
            .next()
            .map_or(rest.len(), |it| usize::from(*it).max(1));
        let mut piece = rest.split_to(piece.min(rest.len()));
        come += piece.len();
        loop {
            let before = memory::allocated();
            let next = decoder.next(&mut piece);
            if let Some(grown) = memory::grown_since(before) {
                // A buffer at most doubles what has come, and its owner is counted as well.
                assert!(grown <= 2 * come + 64, "F1 {grown} bytes more for {come}");
            }
            match next {
                Ok(Some(item)) => {
                    if let Item::MessageBegins { length } = &item {
                        match *length > caller.takes_max {
                            true => decoder.discard_message(),
                            false if caller.foresees => decoder.foresee(piece.len()),
                            false => {}
                        }
                    }
                    if let Item::Message(payload) = &item {
                        kept += payload.len();
                    }
                    items.push(item);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(&mut piece), Err(error), "F1 another error");
                    assert_eq!(decoder.finish(), Err(error), "F1 another error");
                    return (items, Err(error));
                }
            }
        }
        assert!(piece.is_empty(), "F1 bytes are left and no frame is");
        let held = decoder.buffered() + kept;
        assert!(held <= come, "F1 {held} bytes of {come}");
    }
    let end = decoder.finish();
    (items, end)
}

/// What was read is written as it was: each frame has one form only. Extensions, and messages that
/// were passed over, are not known any more.
fn encoded_again(stream: &[u8], (items, end): &Read) {
    let mut bytes = Vec::new();
    let mut passed = false;
    let mut begun = None;
    for item in items {
        // A message that was passed over has no payload behind its head.
        passed |= begun.is_some() && !matches!(item, Item::Message(_));
        begun = None;
        match item {
            Item::Frame(frame) => frame.encode(&mut bytes),
            Item::MessageBegins { length } => begun = Some(*length),
            Item::Message(payload) => {
                encode_message_head(payload.len(), &mut bytes);
                bytes.extend_from_slice(payload);
            }
        }
    }
    passed |= begun.is_some();
    let all = Caller {
        takes_max: u64::MAX,
        foresees: false,
    };
    let (again, _) = read(&bytes, &[], all);
    if !passed {
        assert_eq!(&again, items, "F1 what is written is read otherwise");
        let same = stream.starts_with(&bytes);
        let whole = end.is_ok() && stream.len() == bytes.len();
        let extended = stream.len() > bytes.len();
        assert!(
            same || extended,
            "F1 {} bytes were read as {}",
            stream.len(),
            bytes.len()
        );
        assert!(!whole || same, "F1 another form of the same frames is read");
    }
}
