//! Who a node is: a key, and the certificate that shows it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use peer_sender_core::{CertificateProblem, PeerKey};
use ring::rand::SecureRandom;
use rustls::crypto::ring::sign::{any_ecdsa_type, any_eddsa_type, any_supported_type};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::derive::Derive;
use crate::owner::{OWNERS_MAX, owners_of};
use crate::pem::{self, KeyForm, PrivateKey};
use crate::{Naming, Owner, OwnerKey, tls};
use made::{NodeKey, OwnKey, self_signed};

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
        let key = Naming::Key.key_of(certificate.der());
        let key = key.expect("our own certificate is well-formed");

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
        let public = Naming::Key.key_of(own);
        let public = public.map_err(|_| IdentityError::Certificate)?;
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

    /// A new identity as nodes of the Acki Nacki network make theirs: a P-256 key, and a certificate
    /// that it has signed itself, with the alternative name `localhost` and each of these owners'
    /// signature of the key. Up to 32 owners; there may be none.
    ///
    /// The key and the certificate's signature are drawn from `random`, each time anew, so that what
    /// is made is to be kept: as PEM, [`to_pem`](Self::to_pem) and
    /// [`certificates_pem`](Self::certificates_pem), which
    /// [`from_chain_pem`](Self::from_chain_pem) reads. To others than such nodes a certificate of
    /// its own is no loss.
    ///
    /// # Errors
    ///
    /// The source of randomness has failed, or there are too many owners.
    pub fn self_made(
        owners: &[OwnerKey],
        random: &dyn SecureRandom,
    ) -> Result<Self, IdentityError> {
        if owners.len() > OWNERS_MAX {
            return Err(IdentityError::TooManyOwners);
        }
        let key = NodeKey::generate(random).ok_or(IdentityError::NoRandomness)?;
        let certificate = key.certificate(owners);
        let certificate = certificate.map_err(|_| IdentityError::NoRandomness)?;
        let der = key.pkcs8;
        let signer = any_ecdsa_type(&PrivatePkcs8KeyDer::from(der.as_slice()).into())
            .map_err(|_| IdentityError::Unsupported)?;
        let public = Naming::Key.key_of(certificate.der());
        let form = KeyForm::Pkcs8;
        Ok(Self(Arc::new(Inner {
            secret: Secret::Issued(PrivateKey { form, der }),
            key: public.map_err(|_| IdentityError::Certificate)?,
            certified: Arc::new(CertifiedKey::new(vec![certificate.into()], signer)),
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

    /// What peers know this identity by, but for those who go by certificates
    /// ([`key_as`](Self::key_as)).
    pub fn key(&self) -> PeerKey {
        self.0.key
    }

    /// What peers know this identity by who have this way to name each other.
    pub fn key_as(&self, naming: Naming) -> PeerKey {
        let own = self.0.certified.cert.first();
        own.and_then(|own| naming.key_of(own).ok())
            .unwrap_or(self.0.key)
    }

    /// Who owns it: every owner that its certificate names has signed its key.
    ///
    /// # Errors
    ///
    /// The certificate's extension of owners is malformed, or a signature in it is wrong: peers that
    /// look at owners refuse it.
    pub fn owners(&self) -> Result<BTreeSet<Owner>, CertificateProblem> {
        match self.0.certified.cert.first() {
            Some(own) => owners_of(own),
            None => Err(CertificateProblem::Missing),
        }
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
        "no private key in it (no `-----BEGIN PRIVATE KEY-----`); to make one: `peer-sender keys --help`"
    )]
    NoKey,
    /// Its private key is encrypted.
    #[error("its private key is encrypted; decrypt it with `openssl pkey -in OLD -out NEW`")]
    Encrypted,
    /// Its private key is in OpenSSH's own form.
    #[error(
        "its private key is in OpenSSH's own form, only PKCS #8 (`-----BEGIN PRIVATE KEY-----`) is \
         read; to make one: `peer-sender keys --help`"
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
    #[error("its private key is not an Ed25519 key; to make one: `peer-sender keys --help`")]
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
    /// More owners are to sign it than peers take.
    #[error("a certificate has at most 32 owners")]
    TooManyOwners,
    /// There is no randomness to make a key of.
    #[error("the source of randomness has failed")]
    NoRandomness,
}

mod made;
#[cfg(test)]
mod tests;
