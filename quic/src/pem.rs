//! Keys and certificates as text: PKCS #8 (RFC 5958, RFC 8410) and the older forms, in PEM (RFC 7468).
//!
//! Every buffer that a key passes through on its way is wiped when it is dropped.

use ring::signature::Ed25519KeyPair;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use zeroize::Zeroizing;

use crate::IdentityError;

/// All that stands before the 32 secret bytes of an Ed25519 key, but for two bytes that differ: the
/// length of the whole, and the version, which says whether the public key follows.
const ALGORITHM: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const ALGORITHM_START: usize = 5;
const SECRET_START: usize = ALGORITHM_START + ALGORITHM.len();
const PKCS8_BYTES: usize = SECRET_START + 32;

const CERTIFICATE: &str = "CERTIFICATE";

/// The forms in which a private key stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// Any algorithm (RFC 5958).
    Pkcs8,
    /// An elliptic curve's (RFC 5915).
    Sec1,
    /// RSA's (RFC 8017).
    Pkcs1,
}

impl KeyForm {
    fn label(self) -> &'static str {
        match self {
            Self::Pkcs8 => "PRIVATE KEY",
            Self::Sec1 => "EC PRIVATE KEY",
            Self::Pkcs1 => "RSA PRIVATE KEY",
        }
    }

    fn of(label: &str) -> Option<Self> {
        [Self::Pkcs8, Self::Sec1, Self::Pkcs1]
            .into_iter()
            .find(|form| form.label() == label)
    }
}

/// A private key as it stood in its file.
pub(crate) struct PrivateKey {
    pub(crate) form: KeyForm,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

impl PrivateKey {
    /// The same key, for whoever makes a signer of it.
    pub(crate) fn borrowed(&self) -> PrivateKeyDer<'_> {
        let der = self.der.as_slice();
        match self.form {
            KeyForm::Pkcs8 => PrivatePkcs8KeyDer::from(der).into(),
            KeyForm::Sec1 => PrivateSec1KeyDer::from(der).into(),
            KeyForm::Pkcs1 => PrivatePkcs1KeyDer::from(der).into(),
        }
    }
}

/// The key as PKCS #8, version 1 (without the public key).
pub(crate) fn pkcs8(secret: &[u8; 32]) -> Zeroizing<[u8; PKCS8_BYTES]> {
    let mut der = Zeroizing::new([0; PKCS8_BYTES]);
    der[..ALGORITHM_START].copy_from_slice(b"\x30\x2e\x02\x01\x00");
    der[ALGORITHM_START..SECRET_START].copy_from_slice(ALGORITHM);
    der[SECRET_START..].copy_from_slice(secret);
    der
}

/// An Ed25519 key as text.
pub(crate) fn write_secret(secret: &[u8; 32]) -> Zeroizing<String> {
    write(KeyForm::Pkcs8.label(), pkcs8(secret).as_slice())
}

/// A private key as text, in the form in which it was read.
pub(crate) fn write_key(key: &PrivateKey) -> Zeroizing<String> {
    write(key.form.label(), &key.der)
}

/// A certificate as text.
pub(crate) fn write_certificate(certificate: &CertificateDer<'_>) -> Zeroizing<String> {
    write(CERTIFICATE, certificate)
}

/// One block of text, with lines of 64 digits.
pub(crate) fn write(label: &str, der: &[u8]) -> Zeroizing<String> {
    const LINE_BYTES: usize = 48;
    let digits = der.len().div_ceil(3) * 4;
    let lines = der.len().div_ceil(LINE_BYTES);
    let frame = "-----BEGIN -----\n-----END -----\n".len() + 2 * label.len();
    // All at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(frame + digits + lines));
    text.extend(["-----BEGIN ", label, "-----\n"]);
    for line in der.chunks(LINE_BYTES) {
        for group in line.chunks(3) {
            let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
                match at <= group.len() {
                    true => text.push(base64_digit(bits >> shift & 63)),
                    false => text.push('='),
                }
            }
        }
        text.push('\n');
    }
    text.extend(["-----END ", label, "-----\n"]);
    text
}

/// The secret of the one private key in the text, which is an Ed25519 key.
pub(crate) fn read_secret(text: &str) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
    let key = read_key(text)?;
    match key.form {
        KeyForm::Pkcs8 => secret_of(&key.der),
        // The older forms cannot hold an Ed25519 key.
        KeyForm::Sec1 | KeyForm::Pkcs1 => Err(IdentityError::Algorithm),
    }
}

/// The one private key in the text, of whatever algorithm.
pub(crate) fn read_key(text: &str) -> Result<PrivateKey, IdentityError> {
    let mut found = None;
    let mut without = IdentityError::NoKey;
    for block in blocks(text, |label| KeyForm::of(label).is_some()) {
        let Block { label, der } = block.map_err(|problem| IdentityError::Pem { problem })?;
        match KeyForm::of(label) {
            Some(_) if found.is_some() => return Err(IdentityError::SeveralKeys),
            Some(form) => found = Some(PrivateKey { form, der }),
            None if label == "ENCRYPTED PRIVATE KEY" => without = IdentityError::Encrypted,
            None if label == "OPENSSH PRIVATE KEY" => without = IdentityError::OpenSsh,
            None => {}
        }
    }
    found.ok_or(without)
}

/// The certificates in the text, in their order; or what is wrong with it.
pub(crate) fn read_certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let blocks = blocks(text, |label| label == CERTIFICATE);
    let certificates = blocks.filter_map(|block| match block {
        Ok(Block { label, der }) => {
            (label == CERTIFICATE).then(|| Ok(CertificateDer::from(der.to_vec())))
        }
        Err(problem) => Some(Err(problem)),
    });
    certificates.collect()
}

/// What stands between a BEGIN and an END line.
struct Block<'a> {
    label: &'a str,
    /// Its contents; of one that is not wanted, nothing.
    der: Zeroizing<Vec<u8>>,
}

/// The blocks in the text, or what is wrong with it; of those that are wanted the contents.
fn blocks(
    text: &str,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = Result<Block<'_>, &'static str>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let label = lines.find_map(|line| line.strip_prefix("-----BEGIN "))?;
        let Some(label) = label.trim_end().strip_suffix("-----") else {
            return Some(Err("a BEGIN line is malformed"));
        };
        let body = lines.clone().take_while(|line| !line.starts_with("-----"));
        let der = match wanted(label) {
            true => decode(body.clone()),
            false => Some(Zeroizing::default()),
        };
        let end = lines.nth(body.count()).and_then(|line| {
            let line = line.strip_prefix("-----END ")?;
            line.trim_end().strip_suffix("-----")
        });
        Some(match der {
            Some(der) if end == Some(label) => Ok(Block { label, der }),
            Some(_) => Err("a block has no END line"),
            None => Err("a block is not valid base64"),
        })
    })
}

/// The bytes that these lines of base64 stand for (RFC 4648 section 4).
fn decode<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Option<Zeroizing<Vec<u8>>> {
    let digits: usize = lines.clone().map(str::len).sum();
    // All at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits / 4 * 3 + 3));
    let (mut bits, mut digits, mut padding) = (0_u32, 0_usize, 0_usize);
    for digit in lines.flat_map(str::bytes) {
        match base64_value(digit) {
            Some(value) if padding == 0 => {
                digits += 1;
                bits = bits << 6 | value;
                let unused = match digits % 4 {
                    1 => continue,
                    2 => 4,
                    3 => 2,
                    _ => 0,
                };
                bytes.push((bits >> unused) as u8);
            }
            None if digit == b'=' => padding += 1,
            None if digit.is_ascii_whitespace() => {}
            Some(_) | None => return None,
        }
    }
    // What is left over of the last digit must be nothing.
    let is_whole = match digits % 4 {
        0 => padding == 0,
        2 => padding == 2 && bits & 0b1111 == 0,
        3 => padding == 1 && bits & 0b11 == 0,
        _ => false,
    };
    is_whole.then_some(bytes)
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

fn base64_value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
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
mod tests;
