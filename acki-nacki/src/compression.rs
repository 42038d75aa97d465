//! Payloads, compressed as nodes do it.

use std::io::Write;

use zstd::stream::write::Encoder;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{
    DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, get_error_name, get_frame_content_size,
    is_error_kind,
};

use crate::error::{BadPayload, UnencodableMessage};

/// Payloads of more bytes are compressed, others are not.
pub const COMPRESSED_ABOVE_BYTES: usize = 1_000;

/// zstd's own default.
const LEVEL: i32 = 3;

/// A frame begins with these.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The largest window that a frame may ask for, as a power of two: 8 MiB. At [`LEVEL`] it is 2 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// What the output has room for at first.
const OUTPUT_BYTES_FIRST: usize = 4 << 10;

/// Compresses a payload as nodes do: level 3, one frame, whose header does not tell the content's size.
///
/// # Errors
///
/// [`UnencodableMessage::CompressionFailed`]: there is no memory for it.
pub fn compress(payload: &[u8]) -> Result<Vec<u8>, UnencodableMessage> {
    // The crate's function for a whole slice would tell the size, which an encoder that is written to
    // does not know.
    Encoder::new(Vec::new(), LEVEL)
        .and_then(|mut encoder| {
            encoder.write_all(payload)?;
            encoder.finish()
        })
        .map_err(|error| UnencodableMessage::CompressionFailed {
            reason: error.to_string(),
        })
}

/// Decompresses a payload of at most `payload_bytes_max` bytes. Any single frame of zstd will do, at any
/// level, with or without a size and a checksum, as long as its window has at most 8 MiB.
///
/// The output grows with what is made, and never beyond one byte above the limit, whatever a frame says
/// of itself; beside it, zstd takes room for the frame's window.
///
/// # Errors
///
/// The output would be longer, or `data` is not exactly one frame.
///
/// ```
/// use peer_sender_acki_nacki::{BadPayload, compress, decompress};
///
/// let bomb = compress(&[0; 1 << 20]).unwrap();
/// assert!(bomb.len() < 100);
/// assert_eq!(decompress(&bomb, 1_000), Err(BadPayload::TooLarge { max: 1_000 }));
/// assert_eq!(decompress(&bomb, 1 << 20).unwrap().len(), 1 << 20);
/// ```
pub fn decompress(data: &[u8], payload_bytes_max: usize) -> Result<Vec<u8>, BadPayload> {
    let too_large = BadPayload::TooLarge {
        max: payload_bytes_max,
    };
    // Also a frame of zstd's that carries none of the payload begins otherwise.
    if !data.starts_with(&MAGIC) {
        return Err(match MAGIC.starts_with(data) {
            true => BadPayload::EndsEarly { length: data.len() },
            false => BadPayload::NotZstd,
        });
    }
    let told = get_frame_content_size(data).ok().flatten();
    if told.is_some_and(|content| content > payload_bytes_max as u64) {
        return Err(too_large);
    }
    let mut context = DCtx::try_create().ok_or(BadPayload::NoMemory)?;
    context
        .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
        .map_err(|code| fault(code, 0))?;
    let mut input = InBuffer::around(data);
    let mut output = Vec::new();
    let mut filled = 0;
    loop {
        make_room(&mut output, filled, payload_bytes_max);
        let mut room = OutBuffer::around(output.get_mut(filled..).unwrap_or_default());
        let before = input.pos();
        let missing = context
            .decompress_stream(&mut room, &mut input)
            .map_err(|code| fault(code, before))?;
        filled += room.pos();
        if filled > payload_bytes_max {
            return Err(too_large);
        }
        if missing == 0 {
            break;
        }
        // Room that is left says that zstd holds nothing back.
        if input.pos() == data.len() && filled < output.len() {
            return Err(BadPayload::EndsEarly { length: data.len() });
        }
    }
    if input.pos() < data.len() {
        return Err(BadPayload::BytesLeftOver {
            offset: input.pos(),
            count: data.len() - input.pos(),
        });
    }
    // zstd itself looks at the end of each block that has some content, so not at an empty last one's.
    if told.is_some_and(|content| content != filled as u64) {
        return Err(BadPayload::Damaged {
            offset: data.len(),
            reason: "there is less content than its head says",
        });
    }
    output.truncate(filled);
    output.shrink_to_fit();
    Ok(output)
}

/// Room behind what is filled: twice as much, and at most one byte above the limit, which is there to see
/// that there is more.
fn make_room(output: &mut Vec<u8>, filled: usize, payload_bytes_max: usize) {
    if filled == output.len() {
        let wanted = filled.saturating_mul(2).max(OUTPUT_BYTES_FIRST);
        let wanted = wanted.min(payload_bytes_max.saturating_add(1));
        output.reserve_exact(wanted.saturating_sub(filled));
        output.resize(wanted, 0);
    }
}

fn fault(code: ErrorCode, offset: usize) -> BadPayload {
    match code {
        _ if is_error_kind(
            code,
            ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge,
        ) =>
        {
            BadPayload::WindowTooLarge {
                max: 1 << WINDOW_LOG_MAX,
            }
        }
        _ if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) => {
            BadPayload::NoMemory
        }
        // What the head says would have had room.
        _ if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => {
            BadPayload::Damaged {
                offset,
                reason: "there is more content than its head says",
            }
        }
        _ => BadPayload::Damaged {
            offset,
            reason: get_error_name(code),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_content_that_its_head_says() {
        let empty_last_block = [0x01, 0, 0];
        for (told, says) in [(0, Ok(vec![])), (5, Err(()))] {
            // The content's size in one byte, and no window (RFC 8878 section 3.1.1.1).
            let frame = [&MAGIC[..], &[0x20, told], &empty_last_block].concat();
            let output = decompress(&frame, 100);
            assert_eq!(output.clone().map_err(drop), says, "{output:?}");
        }
    }

    #[test]
    fn room_grows_with_what_is_filled_up_to_one_byte_above_the_limit() {
        for max in [0, 1, 4_095, 4_096, 100_000] {
            let mut output = Vec::new();
            make_room(&mut output, 0, max);
            while output.len() <= max {
                let filled = output.len();
                assert!(filled > 0);
                make_room(&mut output, filled, max);
                assert!(output.len() <= 2 * filled, "{} for {filled}", output.len());
            }
            assert_eq!((output.len(), output.capacity()), (max + 1, max + 1));
        }
    }
}
