//! Who a node is: a key, and the certificate that shows it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use peer_sender_core::PeerKey;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519, date_time_ymd};
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::derive::Derive;
use crate::{pem, tls};

/// An Ed25519 key (RFC 8032) with a self-signed certificate.
///
/// The same secret always gives the same certificate. Cheap to clone; all clones share one secret.
/// `Debug` shows the public key's hash only.
///
/// ```
/// use peer_sender_quic::Identity;
///
/// // In earnest: 32 bytes of the operating system's randomness.
/// let identity = Identity::from_secret([7; 32]);
/// let again = Identity::from_pem(&identity.to_pem()).unwrap();
/// assert_eq!(identity.key(), again.key());
/// ```
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    secret: Zeroizing<[u8; 32]>,
    certified: Arc<CertifiedKey>,
    key: PeerKey,
}

impl Identity {
    /// The identity of a private key, which is 32 random bytes (RFC 8032 section 5.1.5).
    pub fn from_secret(secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        let pkcs8 = pem::pkcs8(&secret);
        let pkcs8 = PrivatePkcs8KeyDer::from(pkcs8.as_slice());

        let certificate = self_signed(&pkcs8).expect("a certificate of fixed form can be made");
        let signer = any_eddsa_type(&pkcs8).expect("any 32 bytes are an Ed25519 key");
        let key = tls::key_of(certificate.der()).expect("our own certificate is well-formed");

        let chain = vec![certificate.der().clone()];
        let certified = Arc::new(CertifiedKey::new(chain, signer));
        Self(Arc::new(Inner {
            secret,
            certified,
            key,
        }))
    }

    /// Reads what [`to_pem`](Self::to_pem) wrote, or any other file with one Ed25519 private key as
    /// PKCS #8 PEM (RFC 7468 section 10, RFC 8410), such as OpenSSL's. Text around the key and
    /// other blocks, such as certificates, are passed over.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and what to do.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let secret = pem::read_secret(pem)?;
        Ok(Self::from_secret(*secret))
    }

    /// The private key as PKCS #8 PEM. Whoever reads it can pass for this identity.
    pub fn to_pem(&self) -> String {
        pem::write_secret(&self.0.secret)
    }

    /// What peers know this identity by.
    pub fn key(&self) -> PeerKey {
        self.0.key
    }

    /// The certificate and what signs for it.
    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.0.certified
    }

    /// Keys that are the same in each process of this identity, and that nobody else can make.
    pub(crate) fn derive(&self) -> Derive {
        Derive::from(&self.0.secret)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.0.key).finish()
    }
}

/// Why a text is no identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// It holds no private key at all.
    #[error(
        "no private key in it (no `-----BEGIN PRIVATE KEY-----`); make one with `peer-sender keys new`"
    )]
    NoKey,
    /// Its private key is encrypted.
    #[error("its private key is encrypted; decrypt it with `openssl pkey -in OLD -out NEW`")]
    Encrypted,
    /// Its private key is in OpenSSH's own form.
    #[error(
        "its private key is in OpenSSH's own form, only PKCS #8 (`-----BEGIN PRIVATE KEY-----`) is \
         read; make one with `peer-sender keys new`"
    )]
    OpenSsh,
    /// It holds several private keys.
    #[error("several private keys in it; keep one to a file")]
    SeveralKeys,
    /// The PEM text is damaged.
    #[error("damaged PEM text ({problem}); restore the file from a copy")]
    Pem {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The key is of another algorithm.
    #[error("its private key is not an Ed25519 key; make one with `peer-sender keys new`")]
    Algorithm,
    /// The key itself is damaged.
    #[error("its Ed25519 key is damaged; restore the file from a copy")]
    Key,
}

/// The dates are fixed, since nobody looks at them and the certificate must be the same each time:
/// from 2000 on, without end (RFC 5280 section 4.1.2.5).
fn self_signed(pkcs8: &PrivatePkcs8KeyDer<'_>) -> Result<rcgen::Certificate, rcgen::Error> {
    const LAST_SECOND_OF_THE_DAY: Duration = Duration::from_secs(86_399);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(pkcs8, &PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, tls::SERVER_NAME);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31) + LAST_SECOND_OF_THE_DAY;
    params.self_signed(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_gives_the_same_certificate() {
        let [one, again, other] = [1, 1, 2].map(|n| Identity::from_secret([n; 32]));
        assert_eq!(one.certified().cert, again.certified().cert);
        assert_eq!(one.key(), again.key());
        assert_ne!(one.key(), other.key());
    }

    #[test]
    fn the_certificate_has_fixed_dates_and_no_end() {
        let identity = Identity::from_secret([1; 32]);
        let certificate = &identity.certified().cert[0];
        let holds = |text: &[u8]| certificate.windows(text.len()).any(|window| window == text);
        assert!(holds(b"000101000000Z") && holds(b"99991231235959Z"));
    }

    /// RFC 8032 section 7.1, test 1: the private key and its public key.
    #[test]
    fn the_key_is_the_hash_of_the_public_key_info() {
        let secret = *b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\
                        \x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
        let public = b"\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\
                       \x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";
        // SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4).
        let info = [
            b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
            &public[..],
        ]
        .concat();
        let hash = ring::digest::digest(&ring::digest::SHA256, &info);
        assert_eq!(&Identity::from_secret(secret).key().0[..], hash.as_ref());
    }

    #[test]
    fn debug_shows_the_key_and_no_secret() {
        let identity = Identity::from_secret([0xa7; 32]);
        let shown = format!("{identity:?} {identity:#?}");
        assert!(shown.contains(&identity.key().to_string()));
        assert!(
            !shown.contains("a7a7") && !shown.contains("167, 167"),
            "{shown}"
        );
    }

    #[test]
    fn derived_keys_follow_the_identity() {
        let [one, again, other] = [1, 1, 2].map(|n| Identity::from_secret([n; 32]));
        assert_eq!(one.derive().bytes(b"x"), again.derive().bytes(b"x"));
        assert_ne!(one.derive().bytes(b"x"), other.derive().bytes(b"x"));
    }
}
