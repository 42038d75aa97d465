//! Any bytes whatever as a compressed payload, and frames that are put together out of blocks.
//!
//! The first byte says which of the two, the next two (big endian) how many bytes the payload may have.

use peer_sender_acki_nacki::{BadPayload, compress, decompress};

use crate::memory;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The most that a block may have (RFC 8878).
const BLOCK_BYTES_MAX: u32 = 128 << 10;

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some((&[first, high, low], rest)) = bytes.split_first_chunk() else {
        return false;
    };
    let max = usize::from(u16::from_be_bytes([high, low]));
    let frame = match first {
        0..64 => rest.to_vec(),
        64..128 => [&MAGIC, rest].concat(),
        _ => of_blocks(rest),
    };
    goes_round(rest);
    let before = memory::allocated();
    let output = decompress(&frame, max);
    if let Some(grown) = memory::grown_since(before) {
        assert!(grown <= max + 64, "F4 {grown} bytes kept of {max}");
    }
    more_room(&frame, max, output.as_deref());
    match output {
        Ok(output) => {
            assert!(output.len() <= max, "F4 {} bytes of {max}", output.len());
            if let Some(less) = output.len().checked_sub(1) {
                let refused = Err(BadPayload::TooLarge { max: less });
                assert_eq!(
                    decompress(&frame, less),
                    refused,
                    "F4 the limit is not held"
                );
            }
            // There is one frame: neither a part of it nor more than it is one.
            assert!(
                frame
                    .split_last()
                    .is_none_or(|(_, cut)| decompress(cut, max).is_err()),
                "F4"
            );
            let more = [&frame[..], &[0]].concat();
            assert!(decompress(&more, max).is_err(), "F4 bytes behind the frame");
            true
        }
        Err(error) => error != BadPayload::NotZstd,
    }
}

/// With more room the same comes out, or what there was no room for.
fn more_room(frame: &[u8], max: usize, output: Result<&[u8], &BadPayload>) {
    let wide = decompress(frame, max + 1_000);
    match (output, wide) {
        (Ok(output), wide) => assert_eq!(Ok(output), wide.as_deref(), "F4 room changes it"),
        (Err(BadPayload::TooLarge { .. }), Ok(wide)) => assert!(wide.len() > max, "F4 it fits"),
        (Err(BadPayload::TooLarge { .. }), Err(_)) => {}
        // Where and in which words depends on the pieces in which it was read.
        (Err(BadPayload::Damaged { .. }), Err(BadPayload::Damaged { .. })) => {}
        (Err(error), wide) => assert_eq!(Err(error), wide.as_deref(), "F4 room changes it"),
    }
}

fn goes_round(payload: &[u8]) {
    let frame = compress(payload);
    let frame = frame.unwrap_or_else(|error| panic!("F4 {error}"));
    let output = decompress(&frame, payload.len());
    assert_eq!(output.as_deref(), Ok(payload), "F4 it does not go round");
}

/// A frame whose head is the first two bytes, with a block for each four that follow: what it is, how long
/// it says that it is, and a byte. What is left over is the frame's end.
fn of_blocks(bytes: &[u8]) -> Vec<u8> {
    let mut frame = MAGIC.to_vec();
    let (head, blocks) = bytes.split_at(bytes.len().min(2));
    frame.extend(head);
    let (blocks, rest) = blocks.as_chunks::<4>();
    for (index, &[kind, high, low, byte]) in blocks.iter().enumerate() {
        let length = u32::from(u16::from_be_bytes([high, low]));
        let is_last = index + 1 == blocks.len();
        let (kind, length, stored) = match kind % 8 {
            0..4 => (1, length * 2 % (BLOCK_BYTES_MAX + 2), 1),
            4..6 => (0, length % 64, length % 64),
            6 => (2, length % 16, length % 16),
            _ => (u32::from(kind / 8 % 4), length, 1),
        };
        let word = u32::from(is_last) | kind << 1 | length << 3;
        frame.extend(word.to_le_bytes().get(..3).unwrap_or_default());
        frame.extend((0..stored).map(|it| byte.wrapping_add(it as u8)));
    }
    frame.extend(rest);
    frame
}
