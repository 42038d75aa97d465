//! A world in virtual time for peer-sender's machines.
//!
//! A [`World`] is one sender, one accepting node, the connections between them, the receiving
//! application, and time. Nothing in it happens by itself: each [`Op`] is one thing that happens,
//! and a [`Scenario`] is a list of them, with a text form that reads as documentation. An oracle
//! written from the contract judges what the machines make of each. So one description of what can
//! happen serves hand-written scenarios, random ones, and the exploration of all of them.
//!
//! ```
//! use peer_sender_sim::Scenario;
//!
//! let scenario: Scenario = "
//! send 0 5B
//! confirm a0
//! deliver a0 up
//! take 0
//! deliver a0 down
//! "
//! .parse()
//! .unwrap();
//! let world = scenario.run().unwrap();
//! assert_eq!(world.sender().stats().delivered, 1);
//! ```

mod aside;
pub mod explore;
#[cfg(feature = "quic")]
pub mod net;
mod op;
mod oracle;
pub mod pcapng;
mod pipe;
mod print;
mod scenario;
mod settings;
mod shrink;
pub mod swarm;
pub mod tape;
mod text;
mod transport;
mod world;

pub use op::{Amount, Conn, End, Op, Stale, Why};
pub use oracle::Violation;
pub use scenario::{BadScenario, Failure, Scenario, transcript};
pub use settings::{Settings, Transfers};
pub use shrink::shrink;
pub use text::BadLine;
pub use world::{Fingerprint, Trouble, World};
