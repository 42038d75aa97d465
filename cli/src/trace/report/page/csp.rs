//! What the page may do: nothing but its own style and its own script, each named by its digest.

use std::fmt::Write;

use ring::digest::{SHA256, digest};

/// The policy, for a `meta` element (Content Security Policy Level 3).
pub(super) fn policy(style: &str, script: &str) -> String {
    let (style, script) = (named(style), named(script));
    let mut policy = "default-src 'none'; base-uri 'none'; form-action 'none'".to_owned();
    let _ = write!(policy, "; style-src {style}; script-src {script}");
    policy
}

fn named(text: &str) -> String {
    format!(
        "'sha256-{}'",
        base64(digest(&SHA256, text.as_bytes()).as_ref())
    )
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * place) & 63) as usize);
            let there = place <= three.len();
            text.push(digit.filter(|_| there).map_or('=', |&digit| digit.into()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let coded = texts.map(|text| base64(text.as_bytes()));
        let expected = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        assert_eq!(coded, expected);
    }
}
