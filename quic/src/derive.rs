//! Keys made from a secret: one for each use, so that none says anything of another.

use ring::{hkdf, hmac};

/// Separates our keys from those that any other program makes from the same secret.
const SALT: &[u8] = b"peer-sender/1";

/// HKDF (RFC 5869) ready to make keys, each under the label of its use.
pub(crate) struct Derive(hkdf::Prk);

impl Derive {
    /// `secret`: an identity's private key, or the random seed of a process.
    pub(crate) fn from(secret: &[u8]) -> Self {
        Self(hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(secret))
    }

    pub(crate) fn hmac_key(&self, label: &'static [u8]) -> hmac::Key {
        hmac::Key::from(self.expand(&[label], hmac::HMAC_SHA256))
    }

    pub(crate) fn bytes(&self, label: &'static [u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.expand(&[label], hkdf::HKDF_SHA256)
            .fill(&mut bytes)
            .expect("an HKDF-SHA256 key has 32 bytes");
        bytes
    }

    fn expand<'a, L: hkdf::KeyType>(&'a self, label: &'a [&'a [u8]], kind: L) -> hkdf::Okm<'a, L> {
        self.0
            .expand(label, kind)
            .expect("32 bytes are far below HKDF's limit of 8,160")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_its_own_key() {
        let derive = Derive::from(&[7; 32]);
        assert_eq!(derive.bytes(b"a"), Derive::from(&[7; 32]).bytes(b"a"));
        assert_ne!(derive.bytes(b"a"), derive.bytes(b"b"));
        assert_ne!(derive.bytes(b"a"), Derive::from(&[8; 32]).bytes(b"a"));

        let sign = |label| hmac::sign(&derive.hmac_key(label), b"x").as_ref().to_vec();
        assert_eq!(sign(b"a"), sign(b"a"));
        assert_ne!(sign(b"a"), sign(b"b"));
    }
}
