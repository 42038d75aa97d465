//! What spans the crates of peer-sender. The tests are in `tests/`; here is only what the README
//! shows, compiled and run.

/// The README's program.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
