//! The same tests over each runtime that peer-sender has an adapter for; see `tests/suite`.
//!
//! A case is written once, for any runtime, and run under each: over real sockets on loopback, and over
//! the [simulated] runtime of this crate. Its name is `BACKEND::GROUP::CASE`.

pub mod simulated;
pub mod untimed;
