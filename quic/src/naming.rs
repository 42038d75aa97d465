//! What peers are known by.

use peer_sender_core::{Dialler, PeerKey};
use ring::digest;
use rustls::Error;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

/// What the peers of a node, and the node itself, are known by: what a [`PeerKey`] is the SHA-256
/// of. It follows from what the node speaks, so that both ends of a connection go by the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Naming {
    /// Their public key (SubjectPublicKeyInfo, RFC 5280 section 4.1): a new certificate of the same
    /// key changes nothing.
    #[default]
    Key,
    /// Their certificate, all of it, as in the Acki Nacki network: a new certificate is a new peer, but
    /// has its share of what the accepting side gives in common with others of the same key.
    /// It must be signed by its own key, and whoever it says owns it must have signed that key
    /// ([`Owner`](crate::Owner)).
    Certificate,
}

impl Naming {
    /// What whoever shows this certificate is known by.
    pub(crate) fn key_of(self, certificate: &CertificateDer<'_>) -> Result<PeerKey, Error> {
        self.dialler_of(certificate).map(|dialler| dialler.key)
    }

    /// The same, with whose share it uses: always that of its public key, of which whoever holds it can
    /// make any number of certificates.
    pub(crate) fn dialler_of(self, certificate: &CertificateDer<'_>) -> Result<Dialler, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let share = hash(&parsed.subject_public_key_info());
        let key = match self {
            Self::Key => share,
            Self::Certificate => hash(certificate),
        };
        Ok(Dialler { share, key })
    }
}

fn hash(bytes: &[u8]) -> PeerKey {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    PeerKey(hash)
}
