//! TLS whose randomness comes from a seed: what rustls draws, and the secrets of key exchanges. All
//! the rest of ring's cryptography draws nothing. For simulations alone: who knows the seed knows
//! every secret.

use std::sync::{Arc, Mutex, PoisonError};

use curve25519_dalek::montgomery::MontgomeryPoint;
use peer_sender_quic::simulation::Security;
use peer_sender_quic::simulation::rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup, ring,
};
use peer_sender_quic::simulation::rustls::{Error, NamedGroup, PeerMisbehaved};

use crate::tape::Rng;

/// A node's TLS, seeded. Its source of randomness goes to the next one when this is dropped: nodes
/// of this one must not be used any more then.
#[derive(Debug)]
pub(super) struct Seeded(&'static Source);

impl Seeded {
    /// The randomness of this seed.
    pub(super) fn new(seed: u64) -> Self {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // Rustls wants what lives for ever, so sources are kept and used again.
        let source = spare.unwrap_or_else(|| Box::leak(Box::new(Source::default())));
        source.begin(seed);
        Self(source)
    }

    /// What a node's configuration takes.
    pub(super) fn security(&self) -> Security {
        Security::with_provider(Arc::new(CryptoProvider {
            secure_random: self.0,
            kx_groups: vec![self.0],
            ..ring::default_provider()
        }))
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(self.0);
    }
}

static SPARE: Mutex<Vec<&'static Source>> = Mutex::new(Vec::new());

/// Random numbers of a seed. The lock is there because rustls asks for it: a world is of one thread.
#[derive(Debug)]
struct Source(Mutex<Rng>);

impl Default for Source {
    fn default() -> Self {
        Self(Mutex::new(Rng::new(0)))
    }
}

impl Source {
    fn begin(&self, seed: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Rng::new(seed);
    }

    fn bytes(&self, bytes: &mut [u8]) {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rng.fill(bytes);
    }
}

impl SecureRandom for Source {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.bytes(buf);
        Ok(())
    }
}

/// X25519 (RFC 7748), the one group that peer-sender's nodes agree on.
impl SupportedKxGroup for Source {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = [0; 32];
        self.bytes(&mut secret);
        Ok(Box::new(Exchange {
            secret,
            public: MontgomeryPoint::mul_base_clamped(secret).to_bytes(),
        }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct Exchange {
    secret: [u8; 32],
    public: [u8; 32],
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer_pub_key: &[u8]) -> Result<SharedSecret, Error> {
        let peer: [u8; 32] = peer_pub_key
            .try_into()
            .map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let shared = MontgomeryPoint(peer).mul_clamped(self.secret).to_bytes();
        // RFC 8446 section 7.4.2.
        if shared == [0; 32] {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(shared.as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ends_agree_and_ring_agrees_with_them() {
        let ours = Seeded::new(1).0;
        let theirs = ring::kx_group::X25519;
        let (one, other) = (ours.start().unwrap(), theirs.start().unwrap());
        let (of_one, of_other) = (one.pub_key().to_vec(), other.pub_key().to_vec());
        let secret = one.complete(&of_other).unwrap();
        let same = other.complete(&of_one).unwrap();
        assert_eq!(secret.secret_bytes(), same.secret_bytes());
    }

    #[test]
    fn a_seed_gives_the_same_secrets_and_another_does_not() {
        let public = |seed| Seeded::new(seed).0.start().unwrap().pub_key().to_vec();
        assert_eq!(public(7), public(7));
        assert_ne!(public(7), public(8));
    }

    #[test]
    fn a_share_without_entropy_is_refused() {
        let one = Seeded::new(1).0.start().unwrap();
        assert!(one.complete(&[0; 32]).is_err());
    }
}
