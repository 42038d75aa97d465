//! The parts of a certificate that TLS has no use for (RFC 5280 section 4.1): its own signature and
//! its extensions.
//!
//! Only as much of DER (X.690) is read as it takes to find them. Whoever asks has had the whole
//! certificate read by rustls before.

use rustls::crypto::WebPkiSupportedAlgorithms;

/// A certificate whose parts were found. They are slices of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    /// What is signed: the `TBSCertificate`, its header included.
    signed: &'a [u8],
    /// The `SubjectPublicKeyInfo`, its header included.
    pub(crate) key_info: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
    /// The list of extensions, without any header; empty if there is none.
    extensions: &'a [u8],
}

impl<'a> Parts<'a> {
    /// The parts of a certificate in DER; none if this is not one.
    pub(crate) fn of(certificate: &'a [u8]) -> Option<Self> {
        let [body] = Der(certificate).all([SEQUENCE])?;
        let [signed, algorithm, signature] = Der(body.inside).all([SEQUENCE, SEQUENCE, BITS])?;

        let mut fields = Der(signed.inside);
        fields.take_if(VERSION);
        for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
            fields.take(tag)?;
        }
        let key_info = fields.take(SEQUENCE)?;
        fields.take_if(ISSUER_ID);
        fields.take_if(SUBJECT_ID);
        let extensions = match fields.take_if(EXTENSIONS) {
            Some(explicit) => {
                let [list] = Der(explicit.inside).all([SEQUENCE])?;
                list.inside
            }
            None => &[],
        };
        Some(Self {
            signed: signed.whole,
            key_info: key_info.whole,
            signature_algorithm: algorithm.inside,
            signature: whole_bytes(signature.inside)?,
            extensions,
        })
    }

    /// The contents of every extension with this object identifier, which is given in DER without
    /// its header, in their order; none if the extensions are malformed.
    pub(crate) fn extensions(&self, id: &[u8]) -> Option<Vec<&'a [u8]>> {
        let mut found = Vec::new();
        let mut list = Der(self.extensions);
        while !list.0.is_empty() {
            let mut extension = Der(list.take(SEQUENCE)?.inside);
            let name = extension.take(OBJECT_ID)?;
            extension.take_if(BOOLEAN);
            let [content] = extension.all([OCTETS])?;
            if name.inside == id {
                found.push(content.inside);
            }
        }
        Some(found)
    }

    /// Whether its own key has signed it, by one of these algorithms.
    pub(crate) fn is_self_signed(&self, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let Some([info]) = Der(self.key_info).all([SEQUENCE]) else {
            return false;
        };
        let Some([algorithm, key]) = Der(info.inside).all([SEQUENCE, BITS]) else {
            return false;
        };
        let Some(key) = whole_bytes(key.inside) else {
            return false;
        };
        algorithms.all.iter().any(|known| {
            *known.public_key_alg_id() == *algorithm.inside
                && *known.signature_alg_id() == *self.signature_algorithm
                && known
                    .verify_signature(key, self.signed, self.signature)
                    .is_ok()
        })
    }
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;

/// The bytes of a BIT STRING that has no odd bits.
fn whole_bytes(bits: &[u8]) -> Option<&[u8]> {
    bits.strip_prefix(&[0])
}

/// Values in DER, one behind the other.
struct Der<'a>(&'a [u8]);

/// One value.
#[derive(Clone, Copy)]
struct Value<'a> {
    whole: &'a [u8],
    inside: &'a [u8],
}

impl<'a> Der<'a> {
    /// Values of these tags, and nothing else.
    fn all<const N: usize>(mut self, tags: [u8; N]) -> Option<[Value<'a>; N]> {
        let nothing: &[u8] = &[];
        let mut values = [Value {
            whole: nothing,
            inside: nothing,
        }; N];
        for (value, tag) in values.iter_mut().zip(tags) {
            *value = self.take(tag)?;
        }
        self.0.is_empty().then_some(values)
    }

    /// The next value, if it has this tag.
    fn take_if(&mut self, tag: u8) -> Option<Value<'a>> {
        match self.0.first() {
            Some(&next) if next == tag => self.take(tag),
            _ => None,
        }
    }

    /// The next value, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<Value<'a>> {
        let (&[found, first], rest) = self.0.split_first_chunk()?;
        let (length, header) = match (first, rest) {
            (0..=0x7f, _) => (usize::from(first), 2),
            (0x81, &[length @ 0x80..=0xff, ..]) => (usize::from(length), 3),
            (0x82, &[high @ 1..=0xff, low, ..]) => (usize::from(high) << 8 | usize::from(low), 4),
            // Nothing that is read here has 64 KiB.
            _ => return None,
        };
        let (whole, behind) = self.0.split_at_checked(header + length)?;
        let inside = whole.get(header..)?;
        self.0 = behind;
        (found == tag).then_some(Value { whole, inside })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, KeyPair};
    use ring::rand::SystemRandom;

    use super::*;
    use crate::tls::PROVIDER;
    use crate::{Identity, OwnerKey};

    fn made(extensions: &[&[u8]]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        for content in extensions {
            let extension = CustomExtension::from_oid_content(&[1, 2, 3], content.to_vec());
            params.custom_extensions.push(extension);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn extensions_are_found_by_their_name() {
        let long = [7; 300];
        let lists: [&[&[u8]]; 4] = [&[], &[b""], &[b"one"], &[b"one", &long, b"two"]];
        for contents in lists {
            let certificate = made(contents);
            let parts = Parts::of(&certificate).unwrap();
            assert_eq!(parts.extensions(&[0x2a, 0x03]).unwrap(), contents);
            assert!(parts.extensions(&[0x2a, 0x04]).unwrap().is_empty());
        }
    }

    #[test]
    fn a_certificate_is_signed_by_its_own_key_or_not() {
        let algorithms = PROVIDER.signature_verification_algorithms;
        let own = Identity::from_secret([1; 32]).certified().cert[0].clone();
        assert!(Parts::of(&own).unwrap().is_self_signed(&algorithms));
        let p256 = made(&[]);
        assert!(Parts::of(&p256).unwrap().is_self_signed(&algorithms));

        let ca = crate::issue::Ca::new();
        let issued = ca.issue(&["a.example"], &KeyPair::generate().unwrap());
        assert!(!Parts::of(&issued).unwrap().is_self_signed(&algorithms));
        for at in 4..own.len() {
            let mut changed = own.to_vec();
            changed[at] ^= 1;
            let signed = Parts::of(&changed).is_some_and(|it| it.is_self_signed(&algorithms));
            assert!(!signed, "byte {at} does not count");
        }
    }

    /// The words of RFC 5280 that are read here are those that rustls reads.
    #[test]
    fn the_key_is_the_one_that_tls_finds() {
        for certificate in [made(&[]), made(&[b"one"])] {
            let parts = Parts::of(&certificate).unwrap();
            let certificate = rustls::pki_types::CertificateDer::from(&*certificate);
            let parsed = rustls::server::ParsedCertificate::try_from(&certificate).unwrap();
            assert_eq!(parts.key_info, &*parsed.subject_public_key_info());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let owner = OwnerKey::from_secret([2; 32]);
        let identity = Identity::self_made(&[owner], &SystemRandom::new()).unwrap();
        let whole = identity.certified().cert[0].to_vec();
        let algorithms = PROVIDER.signature_verification_algorithms;
        let read = |bytes: &[u8]| {
            if let Some(parts) = Parts::of(bytes) {
                let _ = parts.extensions(&[0x2a, 0x03]);
                let _ = parts.is_self_signed(&algorithms);
            }
        };
        for cut in 0..whole.len() {
            assert!(Parts::of(&whole[..cut]).is_none());
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                read(&changed);
            }
        }
        for length in 0..4 {
            for bits in 0..1_u32 << (8 * length.min(2)) {
                let bytes = (bits << 8 | 0x30).to_le_bytes();
                read(&bytes[..length]);
            }
        }
    }
}
