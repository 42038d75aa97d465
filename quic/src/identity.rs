//! Who a node is: a key, and the certificate that shows it.
#![allow(clippy::todo, unused, missing_docs)]

use peer_sender_core::PeerKey;

/// Ed25519 key with a self-signed certificate. Cheap to clone. Debug shows only the public key.
#[derive(Clone, Debug)]
pub struct Identity;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityError;

impl Identity {
    /// `secret`: 32 random bytes, the Ed25519 private key
    pub fn from_secret(secret: [u8; 32]) -> Self {
        todo!()
    }
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        todo!()
    }
    /// PKCS #8 PEM with the private key
    pub fn to_pem(&self) -> String {
        todo!()
    }
    pub fn key(&self) -> PeerKey {
        todo!()
    }
}
