//! Bytes as digits.

/// Two lower-case digits a byte, written by hand: there may be a million texts a second.
pub(crate) fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |value: u8| DIGITS[usize::from(value & 0xf)];
    let start = text.len();
    text.resize(start + 2 * bytes.len(), 0);
    let (pairs, _) = text
        .get_mut(start..)
        .unwrap_or_default()
        .as_chunks_mut::<2>();
    for (pair, &byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte)];
    }
}

/// The same as a text.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    push_hex(&mut text, bytes);
    text.into_iter().map(char::from).collect()
}

/// Bytes of digits of either case; white space may stand anywhere.
///
/// # Errors
///
/// In words, what stands where a digit should.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut first = None;
    for (index, character) in text.char_indices() {
        if character.is_ascii_whitespace() {
            continue;
        }
        let digit = character.to_digit(16).and_then(|it| u8::try_from(it).ok());
        let digit = digit.ok_or_else(|| {
            format!(
                "{} at byte {index} is no hex digit",
                character.escape_debug()
            )
        })?;
        match first.take() {
            None => first = Some(digit),
            Some(first) => bytes.push(first << 4 | digit),
        }
    }
    match first {
        None => Ok(bytes),
        Some(_) => Err(format!(
            "the last digit is half a byte, behind {} whole ones",
            bytes.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_round() {
        let all: Vec<u8> = (0..=255).collect();
        let text = to_hex(&all);
        assert!(text.starts_with("000102") && text.ends_with("feff"));
        assert_eq!(from_hex(&text), Ok(all.clone()));
        assert_eq!(from_hex(&text.to_uppercase()), Ok(all));
        assert_eq!(from_hex(" 0 1\n\tfF "), Ok(vec![0x01, 0xff]));
        let mut text = b"0x".to_vec();
        push_hex(&mut text, &[0x00, 0x9f, 0xa0, 0xff]);
        assert_eq!(text, b"0x009fa0ff");
    }

    #[test]
    fn what_is_no_digit_is_named_with_its_place() {
        assert_eq!(
            from_hex("00\nzz"),
            Err("z at byte 3 is no hex digit".into())
        );
        assert_eq!(
            from_hex("0\x1b"),
            Err("\\u{1b} at byte 1 is no hex digit".into())
        );
        let half = "the last digit is half a byte, behind 1 whole ones";
        assert_eq!(from_hex("012"), Err(half.into()));
    }
}
