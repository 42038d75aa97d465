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

pub use crate::security::Security;
pub use rustls;

#[cfg(test)]
mod tests;
