//! QUIC's variable-length integers (RFC 9000 section 16), in their shortest form only.

use alloc::vec::Vec;

use crate::ProtocolError;

/// The largest integer (RFC 9000 section 16): 2^62 - 1.
pub const VARINT_MAX: u64 = (1 << 62) - 1;

/// The bytes that the shortest form of `value` takes: 1, 2, 4 or 8.
pub(super) const fn encoded_len(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Appends `value` in its shortest form. Above [`VARINT_MAX`] no form exists, so it stays there.
pub(super) fn write(value: u64, out: &mut Vec<u8>) {
    let value = value.min(VARINT_MAX);
    // The two highest bits of the first byte hold the logarithm of the length.
    match encoded_len(value) {
        1 => out.push(value as u8),
        2 => out.extend_from_slice(&(value as u16 | 1 << 14).to_be_bytes()),
        4 => out.extend_from_slice(&(value as u32 | 2 << 30).to_be_bytes()),
        _ => out.extend_from_slice(&(value | 3 << 62).to_be_bytes()),
    }
}

/// The length of the integer that starts with this byte.
pub(super) const fn len_from_first(byte: u8) -> usize {
    1 << (byte >> 6)
}

/// The integer at the front of `bytes` and what comes behind it; none if it is cut short.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let len = len_from_first(first);
    let Some((integer, rest)) = bytes.split_at_checked(len) else {
        return Ok(None);
    };
    let whole = integer
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte));
    let value = whole & (u64::MAX >> (66 - 8 * len));
    if encoded_len(value) != len {
        return Err(ProtocolError::IntegerForm);
    }
    Ok(Some((value, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn written(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write(value, &mut out);
        out
    }

    #[test]
    fn the_borders_of_each_length_are_read_back() {
        let borders = [
            (0, vec![0x00]),
            (0x3f, vec![0x3f]),
            (0x40, vec![0x40, 0x40]),
            (0x3fff, vec![0x7f, 0xff]),
            (0x4000, vec![0x80, 0x00, 0x40, 0x00]),
            (0x3fff_ffff, vec![0xbf, 0xff, 0xff, 0xff]),
            (0x4000_0000, vec![0xc0, 0, 0, 0, 0x40, 0, 0, 0]),
            (VARINT_MAX, vec![0xff; 8]),
        ];
        for (value, bytes) in borders {
            assert_eq!(written(value), bytes);
            assert_eq!(encoded_len(value), bytes.len());
            assert_eq!(read(&bytes), Ok(Some((value, &[][..]))));
        }
    }

    #[test]
    fn the_examples_of_rfc_9000_are_read() {
        // Appendix A.1; its last example, 0x4025 for 37, is not the shortest form.
        let bytes = [0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c];
        assert_eq!(read(&bytes), Ok(Some((151_288_809_941_952_652, &[][..]))));
        assert_eq!(
            read(&[0x9d, 0x7f, 0x3e, 0x7d]),
            Ok(Some((494_878_333, &[][..])))
        );
        assert_eq!(read(&[0x7b, 0xbd]), Ok(Some((15_293, &[][..]))));
        assert_eq!(read(&[0x25]), Ok(Some((37, &[][..]))));
        assert_eq!(read(&[0x40, 0x25]), Err(ProtocolError::IntegerForm));
    }

    #[test]
    fn every_one_and_two_byte_input_is_read_or_refused() {
        for first in 0..=0xff {
            for second in 0..=0xff {
                let pair = u64::from(first) << 8 | u64::from(second);
                let expected = match first >> 6 {
                    0 => Ok(Some((u64::from(first), &[second][..]))),
                    1 if pair & 0x3fff < 0x40 => Err(ProtocolError::IntegerForm),
                    1 => Ok(Some((pair & 0x3fff, &[][..]))),
                    _ => Ok(None),
                };
                assert_eq!(read(&[first, second]), expected);
            }
        }
    }

    #[test]
    fn a_form_that_is_not_the_shortest_is_refused() {
        for bytes in [
            &[0x40, 0x3f][..],
            &[0x80, 0, 0, 0],
            &[0x80, 0, 0x3f, 0xff],
            &[0xc0, 0, 0, 0, 0, 0, 0, 0],
            &[0xc0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(read(bytes), Err(ProtocolError::IntegerForm));
        }
    }

    #[test]
    fn a_value_without_a_form_stays_at_the_largest() {
        assert_eq!(written(u64::MAX), written(VARINT_MAX));
    }
}
