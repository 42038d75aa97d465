//! `PeerSenderMachine` against a reference model that is written from the contract
//! (`docs/invariants.md`, `docs/wire.md`): what one sender and its receiver may say in a case, and
//! what the machine must answer to it.
//!
//! [`case::run`] lets a list of [`op::Op`]s happen to both. What draws the list is up to the caller:
//! `core/tests/properties` does, and the fuzzer's `model` target.
#![expect(
    missing_docs,
    reason = "the names of the contract, which says what they mean"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a violation ends the test that finds it"
)]

pub mod case;
pub mod judge;
pub mod model;
pub mod op;
pub mod options;
pub mod shape;
pub mod subject;
pub mod text;
pub mod truth;
