//! Seams for simulations, behind the feature `simulation`. Only the simulator turns it on, and no
//! node changes unless its configuration asks for it
//! ([`NodeConfigBuilder::security`](crate::NodeConfigBuilder::security)).
//!
//! A node's TLS draws random numbers from the system. With a provider of the simulation's own
//! ([`Security::with_provider`]) it draws them from a seed, and two runs agree in every byte. With a
//! log of secrets ([`Security::with_key_log`]) a capture of what nodes send can be read by others.
//! With no encryption at all ([`Security::null`]) a run costs a fraction, and whoever plays a hostile
//! peer can write packets without any cryptography.

pub mod null;
mod sums;

use std::collections::BTreeSet;

use peer_sender_core::{CertificateProblem, PeerKey};
use rustls::pki_types::CertificateDer;

pub use crate::security::Security;
pub use rustls;

use crate::{Naming, Owner, owner, trust};

/// What whoever shows this certificate, in DER, is known by in the Acki Nacki network.
///
/// # Errors
///
/// Why it is refused there, whoever is trusted.
pub fn known_by_certificate(certificate: &[u8]) -> Result<PeerKey, CertificateProblem> {
    let certificate = CertificateDer::from(certificate);
    trust::named(&certificate, Naming::Certificate).map(|(dialler, _)| dialler.key)
}

/// Who owns a certificate in DER, whether or not its own key has signed it.
///
/// # Errors
///
/// What is wrong with what it says of owners.
pub fn owners_of(certificate: &[u8]) -> Result<BTreeSet<Owner>, CertificateProblem> {
    owner::owners_of(&CertificateDer::from(certificate))
}

#[cfg(test)]
mod tests;
