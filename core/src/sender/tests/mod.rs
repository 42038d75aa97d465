//! The sender against a scripted peer. Each test reads as the story of one situation.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a test does not expect fails it"
)]

mod bench;
mod canonical;
mod checking;
mod composing;
mod connecting;
mod framed;
mod giving_up;
#[cfg(feature = "trace")]
mod image;
mod lanes;
mod looking;
mod moving;
mod plain;
mod policies;
mod redelivery;
mod resting;
mod sending;
mod stopping;
mod transfers;
