//! What the network's own encoders make is what this crate makes and reads, and nothing else is read.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that panics fails its test"
)]

mod cases;
mod compression;
mod damage;
mod goldens;
mod limits;
mod oracle;
mod properties;
mod refusals;
mod values;
