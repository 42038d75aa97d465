//! Who a node is: a key, and the certificate that shows it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use peer_sender_core::PeerKey;
use rcgen::{CertificateParams, DistinguishedName, DnType, PKCS_ED25519, date_time_ymd};
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::crypto::ring::sign::{any_eddsa_type, any_supported_type};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::derive::Derive;
use crate::pem::{self, PrivateKey};
use crate::tls;

/// A private key, and a certificate that shows its public key: an Ed25519 key (RFC 8032) that has
/// signed its own, or any key whose certificate an authority has issued.
///
/// The same secret always gives the same self-signed certificate. Cheap to clone; all clones share
/// one secret, and with the last of them its bytes are wiped. `Debug` shows the public key's hash
/// only.
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

/// What must not get out, in the form in which it came.
enum Secret {
    Ed25519(Zeroizing<[u8; 32]>),
    Issued(PrivateKey),
}

struct Inner {
    secret: Secret,
    certified: Arc<CertifiedKey>,
    key: PeerKey,
}

impl Identity {
    /// The identity of a private key, which is 32 random bytes (RFC 8032 section 5.1.5).
    pub fn from_secret(mut secret: [u8; 32]) -> Self {
        let kept = Zeroizing::new(secret);
        secret.zeroize();
        let pkcs8 = pem::pkcs8(&kept);
        let pkcs8 = PrivatePkcs8KeyDer::from(pkcs8.as_slice());

        let own = OwnKey::from(&pkcs8).expect("any 32 bytes are an Ed25519 key");
        let certificate = self_signed(&own).expect("a certificate of fixed form can be made");
        let signer = any_eddsa_type(&pkcs8).expect("any 32 bytes are an Ed25519 key");
        let key = tls::key_of(certificate.der()).expect("our own certificate is well-formed");

        let chain = vec![certificate.der().clone()];
        let certified = Arc::new(CertifiedKey::new(chain, signer));
        Self(Arc::new(Inner {
            secret: Secret::Ed25519(kept),
            certified,
            key,
        }))
    }

    /// An identity that an authority has certified, so that peers who trust that authority know it
    /// by a name ([`Trust::Authority`](crate::Trust::Authority),
    /// [`PeerConfig::with_name`](crate::PeerConfig::with_name)). To all others it is its key.
    ///
    /// `certificates` are the identity's own and then those of the intermediate authorities, each
    /// followed by the one that has signed it; 16 KiB at most. `key` is its private key: Ed25519,
    /// P-256, P-384, or RSA of 2,048 to 8,192 bits, as PKCS #8 or in the older forms (RFC 5915,
    /// RFC 8017). Both are PEM, and may be the same text.
    ///
    /// # Errors
    ///
    /// What is wrong with which text. Whether anybody trusts the certificates is not looked at.
    pub fn from_chain_pem(certificates: &str, key: &str) -> Result<Self, IdentityError> {
        let chain = pem::read_certificates(certificates)
            .map_err(|problem| IdentityError::Pem { problem })?;
        let (own, above) = chain.split_first().ok_or(IdentityError::NoCertificate)?;
        if !tls::is_small(own, above) {
            return Err(IdentityError::ChainTooLarge);
        }
        let public = tls::key_of(own).map_err(|_| IdentityError::Certificate)?;
        let secret = pem::read_key(key)?;
        let signer =
            any_supported_type(&secret.borrowed()).map_err(|_| IdentityError::Unsupported)?;
        let certified = CertifiedKey::new(chain, signer);
        match certified.keys_match() {
            Ok(()) => {}
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                return Err(IdentityError::OtherKey);
            }
            Err(_) => return Err(IdentityError::Certificate),
        }
        Ok(Self(Arc::new(Inner {
            secret: Secret::Issued(secret),
            certified: Arc::new(certified),
            key: public,
        })))
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

    /// The private key as PEM, without certificates: as PKCS #8, or in the form in which
    /// [`from_chain_pem`](Self::from_chain_pem) had it. Whoever reads it can pass for this
    /// identity; the text is wiped when it is dropped.
    pub fn to_pem(&self) -> Zeroizing<String> {
        match &self.0.secret {
            Secret::Ed25519(secret) => pem::write_secret(secret),
            Secret::Issued(key) => pem::write_key(key),
        }
    }

    /// What it shows to peers, as PEM: its own certificate, and those of the intermediate
    /// authorities that it was given with. Nothing of it is secret.
    pub fn certificates_pem(&self) -> String {
        let chain = self.0.certified.cert.iter();
        chain
            .map(|certificate| pem::write_certificate(certificate).to_string())
            .collect()
    }

    /// What peers know this identity by.
    pub fn key(&self) -> PeerKey {
        self.0.key
    }

    /// The same key, which shows this chain whatever is in it.
    #[cfg(test)]
    pub(crate) fn showing(&self, chain: Vec<rustls::pki_types::CertificateDer<'static>>) -> Self {
        let certified = CertifiedKey::new(chain, self.0.certified.key.clone());
        Self(Arc::new(Inner {
            secret: Secret::Ed25519(Zeroizing::new(self.derive().bytes(b"showing"))),
            certified: Arc::new(certified),
            key: self.key(),
        }))
    }

    /// The certificate and what signs for it.
    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.0.certified
    }

    /// Keys that are the same in each process of this identity, and that nobody else can make.
    pub(crate) fn derive(&self) -> Derive {
        match &self.0.secret {
            Secret::Ed25519(secret) => Derive::from(secret.as_slice()),
            Secret::Issued(key) => Derive::from(&key.der),
        }
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
    /// The key of a certificate is damaged, or of an algorithm that is not supported.
    #[error(
        "its private key is damaged, or none of Ed25519, P-256, P-384 and RSA of 2,048 to 8,192 bits"
    )]
    Unsupported,
    /// There is no certificate.
    #[error("no certificate in it (no `-----BEGIN CERTIFICATE-----`); ask the authority for one")]
    NoCertificate,
    /// The first certificate cannot be read.
    #[error("its first certificate is malformed; restore the file from a copy")]
    Certificate,
    /// The first certificate is of another key.
    #[error(
        "its first certificate is not that of the private key; put the identity's own certificate \
         first, and take the key that it was made for"
    )]
    OtherKey,
    /// The certificates are larger than peers take.
    #[error("its certificates have more than 16 KiB together; leave out what peers do not need")]
    ChainTooLarge,
}

/// The dates are fixed, since nobody looks at them and the certificate must be the same each time:
/// from 2000 on, without end (RFC 5280 section 4.1.2.5).
fn self_signed(key: &OwnKey) -> Result<rcgen::Certificate, rcgen::Error> {
    const LAST_SECOND_OF_THE_DAY: Duration = Duration::from_secs(86_399);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, tls::SERVER_NAME);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31) + LAST_SECOND_OF_THE_DAY;
    params.self_signed(key)
}

/// Signs a certificate. Rcgen's own key would keep a copy of the secret that nobody wipes.
struct OwnKey(Ed25519KeyPair);

impl OwnKey {
    fn from(pkcs8: &PrivatePkcs8KeyDer<'_>) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.secret_pkcs8_der())
            .ok()
            .map(Self)
    }
}

impl rcgen::SigningKey for OwnKey {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(text).as_ref().to_vec())
    }
}

impl rcgen::PublicKeyData for OwnKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

#[cfg(test)]
mod tests;
