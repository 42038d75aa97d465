//! Compressed payloads of any kind.

use std::io::Write;

use peer_sender_acki_nacki::{BadPayload, compress, decompress};

use crate::cases::{WORDS_BYTES, compressed, even, noise, words};

const MAX: usize = 1 << 20;

/// An empty frame's head: no size, no checksum, a window of this exponent and mantissa (RFC 8878).
fn head(window: u8) -> Vec<u8> {
    vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, window]
}

/// A window of 2 MiB, as level 3 asks for it.
const WINDOW_2_MIB: u8 = 11 << 3;

/// The head of a block: last or not, its kind (0 raw, 1 one byte repeated), and its length.
fn block(last: bool, kind: u32, length: u32) -> [u8; 3] {
    let [first, second, third, _] = (u32::from(last) | kind << 1 | length << 3).to_le_bytes();
    [first, second, third]
}

#[test]
fn frames_do_not_tell_their_size_and_have_no_checksum() {
    for payload in [even(1_001), noise(1_001), even(500_000)] {
        let frame = compress(&payload).unwrap();
        assert_eq!(frame, compressed(&payload));
        assert_eq!(frame[..6], head(WINDOW_2_MIB), "{} bytes", payload.len());
        assert_eq!(decompress(&frame, MAX).unwrap(), payload);
    }
}

#[test]
fn the_level_is_3() {
    let payload = words(WORDS_BYTES);
    let frame = compress(&payload).unwrap();
    for level in 1..10 {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
        encoder.write_all(&payload).unwrap();
        assert_eq!(encoder.finish().unwrap() == frame, level == 3, "{level}");
    }
}

#[test]
fn the_output_ends_at_the_limit_to_the_byte() {
    for size in [
        0, 1, 4_095, 4_096, 4_097, 131_071, 131_072, 131_073, 500_000,
    ] {
        for payload in [even(size), noise(size)] {
            let frame = compressed(&payload);
            let output = decompress(&frame, size).unwrap();
            assert_eq!(output, payload);
            assert!(
                output.capacity() <= size + 64,
                "{} for {size}",
                output.capacity()
            );
            if let Some(max) = size.checked_sub(1) {
                assert_eq!(decompress(&frame, max), Err(BadPayload::TooLarge { max }));
            }
        }
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    // 4 bytes for 128 KiB: 8 GiB in all, if anybody went on.
    let mut bomb = head(WINDOW_2_MIB);
    for _ in 0..65_535 {
        bomb.extend(block(false, 1, 128 << 10));
        bomb.push(0);
    }
    for max in [0, 1, 1_000, MAX] {
        assert_eq!(decompress(&bomb, max), Err(BadPayload::TooLarge { max }));
    }
}

#[test]
fn a_size_that_is_told_is_believed_only_to_refuse_it() {
    // A frame of a single segment with a size of eight bytes.
    let told = |size: u64| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
        frame.extend(size.to_le_bytes());
        frame.extend(block(true, 0, 3));
        frame.extend(b"abc");
        frame
    };
    assert_eq!(decompress(&told(3), MAX).unwrap(), b"abc");
    for size in [MAX as u64 + 1, 1 << 40, u64::MAX - 2] {
        assert_eq!(
            decompress(&told(size), MAX),
            Err(BadPayload::TooLarge { max: MAX })
        );
    }
    for size in [0, 2, 4, MAX as u64] {
        let refused = decompress(&told(size), MAX).unwrap_err();
        assert!(
            matches!(refused, BadPayload::Damaged { .. }),
            "{size}: {refused:?}"
        );
    }
}

#[test]
fn a_window_has_a_limit() {
    let with = |window: u8| {
        let mut frame = head(window);
        frame.extend(block(true, 0, 3));
        frame.extend(b"abc");
        decompress(&frame, MAX)
    };
    assert_eq!(with(13 << 3).unwrap(), b"abc");
    // 9 MiB, 16 MiB, 2 GiB and what lies beyond every decoder.
    for window in [13 << 3 | 1, 14 << 3, 21 << 3, 0xff] {
        assert_eq!(
            with(window),
            Err(BadPayload::WindowTooLarge { max: 8 << 20 })
        );
    }
}

#[test]
fn many_empty_blocks_are_as_long_as_they_are() {
    let mut frame = head(WINDOW_2_MIB);
    for _ in 0..300_000 {
        frame.extend(block(false, 0, 0));
    }
    assert_eq!(
        decompress(&frame, MAX),
        Err(BadPayload::EndsEarly {
            length: frame.len()
        })
    );
    frame.extend(block(true, 0, 0));
    assert_eq!(decompress(&frame, MAX).unwrap(), b"");
}

#[test]
fn a_frame_that_is_cut_ends_early_wherever_it_is_cut() {
    for payload in [even(1_500), noise(1_500), even(300_000)] {
        let frame = compressed(&payload);
        for length in 0..frame.len() {
            assert_eq!(
                decompress(&frame[..length], MAX),
                Err(BadPayload::EndsEarly { length })
            );
        }
    }
}

#[test]
fn there_is_one_frame_and_nothing_else() {
    let frame = compressed(&even(1_500));
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
    for more in [&[0][..], &frame, &skipped, &[0xff; 50]] {
        let refused = BadPayload::BytesLeftOver {
            offset: frame.len(),
            count: more.len(),
        };
        assert_eq!(decompress(&[&frame, more].concat(), MAX), Err(refused));
    }
    for other in [&skipped[..], b"plain text", &[0x28, 0xb5, 0x2f, 0xfe, 0, 0]] {
        assert_eq!(decompress(other, MAX), Err(BadPayload::NotZstd));
    }
}

#[test]
fn a_changed_byte_breaks_nothing() {
    for payload in [even(1_500), noise(1_500)] {
        let frame = compressed(&payload);
        let mut refused = 0;
        for index in 0..frame.len() {
            for bit in 0..8 {
                let mut changed = frame.clone();
                changed[index] ^= 1 << bit;
                match decompress(&changed, 2_000) {
                    Ok(output) => assert!(output.len() <= 2_000),
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(refused > 40, "{refused}");
    }
}
