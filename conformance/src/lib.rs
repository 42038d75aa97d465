//! The same tests over each runtime that peer-sender has an adapter for; see `tests/suite`.
//!
//! A case is written once, for any runtime, and run over real sockets on loopback under each; its
//! name is `BACKEND::GROUP::CASE`.
