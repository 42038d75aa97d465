//! Owners: keys that vouch for the keys of nodes, in an extension of their certificates.
//!
//! The extension has the object identifier 1.2.3.4.5.6, and for each owner its public key (Ed25519,
//! 32 bytes) and its signature (64 bytes) of the certificate's SubjectPublicKeyInfo in DER, one
//! behind the other. That is how nodes of the Acki Nacki network say whose they are.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use peer_sender_core::{CertificateProblem, PeerKey};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::certificate::Parts;
use crate::{IdentityError, pem};

/// The public key of an owner (Ed25519, RFC 8032). It is printed, and read, as 64 hexadecimal
/// digits.
///
/// ```
/// use peer_sender_quic::{Owner, OwnerKey};
///
/// let owner = OwnerKey::from_secret([7; 32]).owner();
/// assert_eq!(owner.to_string().parse::<Owner>(), Ok(owner));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub [u8; 32]);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PeerKey(self.0).fmt(f)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({self})")
    }
}

impl FromStr for Owner {
    type Err = InvalidOwner;

    fn from_str(text: &str) -> Result<Self, InvalidOwner> {
        let PeerKey(bytes) = text.parse().map_err(|_| InvalidOwner)?;
        Ok(Self(bytes))
    }
}

/// A text is no owner's public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an owner's key has 64 hexadecimal digits; `peer-sender keys owner show` prints it")]
pub struct InvalidOwner;

/// The private key of an owner. Nodes do not need it: it signs the key of an identity when that is
/// made ([`Identity::self_made`](crate::Identity::self_made)).
///
/// Cheap to clone; all clones share one secret, and with the last of them its bytes are wiped.
/// `Debug` shows the public key only.
#[derive(Clone)]
pub struct OwnerKey(Arc<Inner>);

struct Inner {
    secret: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl OwnerKey {
    /// The key whose secret this is, 32 random bytes (RFC 8032 section 5.1.5).
    pub fn from_secret(mut secret: [u8; 32]) -> Self {
        let kept = Zeroizing::new(secret);
        secret.zeroize();
        let pair = Ed25519KeyPair::from_seed_unchecked(kept.as_slice())
            .expect("any 32 bytes are an Ed25519 key");
        Self(Arc::new(Inner { secret: kept, pair }))
    }

    /// Reads what [`to_pem`](Self::to_pem) wrote, or any other text with one Ed25519 private key as
    /// PKCS #8 PEM (RFC 8410).
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and what to do.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let secret = pem::read_secret(pem)?;
        Ok(Self::from_secret(*secret))
    }

    /// The private key as PKCS #8 PEM. Whoever reads it can make nodes of this owner; the text is
    /// wiped when it is dropped.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::write_secret(&self.0.secret)
    }

    /// Its public key.
    pub fn owner(&self) -> Owner {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.pair.public_key().as_ref());
        Owner(bytes)
    }

    /// What stands in the extension for this owner of the key.
    fn entry(&self, key_info: &[u8]) -> [u8; ENTRY_BYTES] {
        let mut entry = [0; ENTRY_BYTES];
        let (owner, signature) = entry.split_at_mut(OWNER_BYTES);
        owner.copy_from_slice(&self.owner().0);
        signature.copy_from_slice(self.0.pair.sign(key_info).as_ref());
        entry
    }
}

impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnerKey").field(&self.owner()).finish()
    }
}

/// The extension's object identifier.
pub(crate) const EXTENSION: &[u64] = &[1, 2, 3, 4, 5, 6];
const EXTENSION_DER: &[u8] = &[0x2a, 3, 4, 5, 6];

const OWNER_BYTES: usize = 32;
const ENTRY_BYTES: usize = OWNER_BYTES + 64;

/// The most owners of a certificate. Each costs whoever is shown it the check of a signature, before
/// it knows who is there.
pub(crate) const OWNERS_MAX: usize = 32;

/// The contents of the extension of a certificate with this key.
pub(crate) fn extension(owners: &[OwnerKey], key_info: &[u8]) -> Vec<u8> {
    owners.iter().flat_map(|it| it.entry(key_info)).collect()
}

/// The owners of a certificate, every one of whom has signed its key; none if it names none. One
/// wrong signature spoils them all.
pub(crate) fn owners_of(
    certificate: &CertificateDer<'_>,
) -> Result<BTreeSet<Owner>, CertificateProblem> {
    let parts = Parts::of(certificate).ok_or(CertificateProblem::Malformed)?;
    let found = parts.extensions(EXTENSION_DER);
    let found = found.ok_or(CertificateProblem::Malformed)?;
    let entries = match found[..] {
        [] => return Ok(BTreeSet::new()),
        [only] => only.as_chunks::<ENTRY_BYTES>(),
        _ => return Err(CertificateProblem::OwnersMalformed),
    };
    let (entries, &[]) = entries else {
        return Err(CertificateProblem::OwnersMalformed);
    };
    if entries.len() > OWNERS_MAX {
        return Err(CertificateProblem::OwnersMalformed);
    }
    let owner_of = |entry: &[u8; ENTRY_BYTES]| {
        let (owner, signature) = entry.split_first_chunk::<OWNER_BYTES>()?;
        let key = UnparsedPublicKey::new(&ED25519, owner);
        key.verify(parts.key_info, signature).ok()?;
        Some(Owner(*owner))
    };
    let owners = entries.iter().map(owner_of).collect::<Option<_>>();
    owners.ok_or(CertificateProblem::OwnerSignature)
}

/// The owners of a certificate, whose signatures are checked when they are first asked for, and once.
#[derive(Debug)]
pub(crate) struct Owners<'a> {
    certificate: &'a CertificateDer<'a>,
    found: OnceCell<Result<BTreeSet<Owner>, CertificateProblem>>,
}

impl<'a> Owners<'a> {
    pub(crate) fn of(certificate: &'a CertificateDer<'a>) -> Self {
        let found = OnceCell::new();
        Self { certificate, found }
    }

    pub(crate) fn get(&self) -> Result<&BTreeSet<Owner>, CertificateProblem> {
        let found = self.found.get_or_init(|| owners_of(self.certificate));
        found.as_ref().map_err(Clone::clone)
    }

    /// Whether at least one of them is one of these.
    pub(crate) fn include(
        &self,
        trusted: impl Fn(&Owner) -> bool,
    ) -> Result<(), CertificateProblem> {
        let owners = self.get()?;
        if owners.is_empty() {
            Err(CertificateProblem::OwnersMissing)
        } else if owners.iter().any(trusted) {
            Ok(())
        } else {
            Err(CertificateProblem::OwnerNotTrusted)
        }
    }
}

#[cfg(test)]
mod tests;
