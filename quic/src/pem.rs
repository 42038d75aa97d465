//! An identity's private key as text: PKCS #8 (RFC 8410) in PEM (RFC 7468).

use ring::signature::Ed25519KeyPair;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use zeroize::Zeroizing;

use crate::IdentityError;

/// All that stands before the 32 secret bytes of an Ed25519 key, but for two bytes that differ: the
/// length of the whole, and the version, which says whether the public key follows.
const ALGORITHM: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const ALGORITHM_START: usize = 5;
const SECRET_START: usize = ALGORITHM_START + ALGORITHM.len();
const PKCS8_BYTES: usize = SECRET_START + 32;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
const END: &str = "\n-----END PRIVATE KEY-----\n";

/// The key as PKCS #8, version 1 (without the public key).
pub(crate) fn pkcs8(secret: &[u8; 32]) -> Zeroizing<[u8; PKCS8_BYTES]> {
    let mut der = Zeroizing::new([0; PKCS8_BYTES]);
    der[..ALGORITHM_START].copy_from_slice(b"\x30\x2e\x02\x01\x00");
    der[ALGORITHM_START..SECRET_START].copy_from_slice(ALGORITHM);
    der[SECRET_START..].copy_from_slice(secret);
    der
}

pub(crate) fn write_secret(secret: &[u8; 32]) -> String {
    // 48 bytes are exactly 64 digits: one line of PEM, and no padding.
    let mut text = String::with_capacity(BEGIN.len() + 64 + END.len());
    text.push_str(BEGIN);
    for group in pkcs8(secret).chunks_exact(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        text.extend([18, 12, 6, 0].map(|shift| base64_digit(bits >> shift & 63)));
    }
    text.push_str(END);
    text
}

/// The secret of the one Ed25519 key in the text.
pub(crate) fn read_secret(text: &str) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
    let mut found = None;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
        let (kind, der) = section.map_err(|error| IdentityError::Pem {
            problem: problem(&error),
        })?;
        let der = Zeroizing::new(der);
        match kind {
            SectionKind::PrivateKey if found.is_some() => return Err(IdentityError::SeveralKeys),
            SectionKind::PrivateKey => found = Some(der),
            // The older forms, which cannot hold an Ed25519 key.
            SectionKind::EcPrivateKey | SectionKind::RsaPrivateKey => {
                return Err(IdentityError::Algorithm);
            }
            _ => {}
        }
    }
    match found {
        Some(der) => secret_of(&der),
        // Labels that the reader does not know never reach the loop.
        None if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
            Err(IdentityError::Encrypted)
        }
        None if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") => Err(IdentityError::OpenSsh),
        None => Err(IdentityError::NoKey),
    }
}

fn secret_of(der: &[u8]) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
    if !der
        .get(ALGORITHM_START..)
        .is_some_and(|rest| rest.starts_with(ALGORITHM))
    {
        return Err(match der.first() {
            Some(0x30) if der.len() > PKCS8_BYTES / 2 => IdentityError::Algorithm,
            _ => IdentityError::Key,
        });
    }
    // Checks the whole structure, and that a public key, where there is one, belongs to the secret.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| IdentityError::Key)?;
    let secret = der
        .get(SECRET_START..PKCS8_BYTES)
        .and_then(|bytes| bytes.try_into().ok());
    secret.map(Zeroizing::new).ok_or(IdentityError::Key)
}

/// What is wrong with a PEM text.
pub(crate) fn problem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "a block is not valid base64",
        pem::Error::SectionTooLarge => "a block is too large",
        _ => "it cannot be read",
    }
}

fn base64_digit(value: u32) -> char {
    let value = value as u8;
    char::from(match value {
        0..26 => b'A' + value,
        26..52 => b'a' + (value - 26),
        52..62 => b'0' + (value - 52),
        62 => b'+',
        _ => b'/',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410 section 10.3: the same key without and with its public key.
    const RFC_V1: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const RFC_SECRET: [u8; 32] =
        *b"\xd4\xee\x72\xdb\xf9\x13\x58\x4a\xd5\xb6\xd8\xf1\xf7\x69\xf8\xad\
        \x3a\xfe\x7c\x28\xcb\xf1\xd4\xfb\xe0\x97\xa8\x8f\x44\x75\x58\x42";
    const PUBLIC: &[u8] = b"\x19\xbf\x44\x09\x69\x84\xcd\xfe\x85\x41\xba\xc1\x67\xdc\x3b\x96\
        \xc8\x50\x86\xaa\x30\xb6\xb6\xcb\x0c\x5c\x38\xad\x70\x31\x66\xe1";

    #[test]
    fn the_text_is_that_of_the_standard() {
        assert_eq!(write_secret(&RFC_SECRET), RFC_V1);
        assert_eq!(read_secret(RFC_V1).map(|secret| *secret), Ok(RFC_SECRET));
    }

    #[test]
    fn every_secret_survives_the_text() {
        for n in 0..=255 {
            let secret = std::array::from_fn(|i| n ^ (i as u8).wrapping_mul(37));
            assert_eq!(
                read_secret(&write_secret(&secret)).map(|read| *read),
                Ok(secret)
            );
        }
    }

    #[test]
    fn line_ends_and_text_around_the_key_do_not_matter() {
        let crlf = RFC_V1.replace('\n', "\r\n");
        assert_eq!(read_secret(&crlf).map(|secret| *secret), Ok(RFC_SECRET));
        let around = format!(
            "my key\n{RFC_V1}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        );
        assert_eq!(read_secret(&around).map(|secret| *secret), Ok(RFC_SECRET));
    }

    #[test]
    fn a_public_key_must_belong_to_the_secret() {
        let mut v2 = pkcs8(&RFC_SECRET).to_vec();
        v2[1] += 35;
        v2[4] = 1;
        v2.extend([0x81, 0x21, 0]);
        v2.extend(PUBLIC);
        assert_eq!(secret_of(&v2).map(|secret| *secret), Ok(RFC_SECRET));

        *v2.last_mut().unwrap() ^= 1;
        assert_eq!(
            secret_of(&v2).map(|secret| *secret),
            Err(IdentityError::Key)
        );
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        let block = |label: &str, body: &str| {
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        // A P-256 key as PKCS #8 begins like this.
        let p256 = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
        let pem = |problem| IdentityError::Pem { problem };
        let cases = [
            (String::new(), IdentityError::NoKey),
            ("hello".into(), IdentityError::NoKey),
            (block("CERTIFICATE", "AAAA"), IdentityError::NoKey),
            (block("PUBLIC KEY", "AAAA"), IdentityError::NoKey),
            (block("EC PRIVATE KEY", "AAAA"), IdentityError::Algorithm),
            (block("RSA PRIVATE KEY", "AAAA"), IdentityError::Algorithm),
            (
                block("ENCRYPTED PRIVATE KEY", "AAAA"),
                IdentityError::Encrypted,
            ),
            (block("OPENSSH PRIVATE KEY", "AAAA"), IdentityError::OpenSsh),
            (format!("{RFC_V1}{RFC_V1}"), IdentityError::SeveralKeys),
            (block("PRIVATE KEY", p256), IdentityError::Algorithm),
            (block("PRIVATE KEY", ""), IdentityError::Key),
            (block("PRIVATE KEY", "AAAA"), IdentityError::Key),
            (
                block("PRIVATE KEY", "!!!!"),
                pem("a block is not valid base64"),
            ),
            (
                RFC_V1.replace("-----END", "-----"),
                pem("a block has no END line"),
            ),
            (
                RFC_V1.replace("KEY-----\nMC4", "KEY--\nMC4"),
                pem("a BEGIN line is malformed"),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(
                read_secret(&text).map(|secret| *secret),
                Err(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_damaged_key_is_never_taken_and_never_panics() {
        let der = pkcs8(&RFC_SECRET);
        for cut in 0..der.len() {
            assert!(secret_of(&der[..cut]).is_err(), "{cut}");
        }
        for at in 0..SECRET_START {
            for bit in 0..8 {
                let mut changed = der.to_vec();
                changed[at] ^= 1 << bit;
                assert!(secret_of(&changed).is_err(), "byte {at} bit {bit}");
            }
        }
        let longer = [&der[..], &[0]].concat();
        assert!(secret_of(&longer).is_err());
    }
}
