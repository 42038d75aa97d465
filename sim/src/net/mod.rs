//! Whole nodes against each other over a virtual network, in virtual time.
//!
//! A world is some nodes ([`NodeMachine`](peer_sender_quic::NodeMachine)s with real QUIC and real
//! TLS), the paths between them, each node's clock, its users and its application. A [`Scenario`] is
//! how it is set up and what happens in it, and when. Nothing else happens, but what is left to chance
//! for each datagram, which is drawn from the scenario's seed. So a scenario is the same run each
//! time, byte for byte on the wire.
//!
//! An oracle owns what users handed over, what they were told, and what applications were given. It
//! judges `docs/invariants.md` at each step. In the end all faults are healed, and everything must
//! come right in time.
//!
//! ```
//! use peer_sender_sim::net::Scenario;
//!
//! let scenario: Scenario = "
//! set layer quic
//! set nodes 2
//! set listen 0
//! set dial 1>0
//! set end 5s
//! at 1s send 1>0 lane 0 count 100 bytes 1000
//! at 1010ms crash 0
//! at 2s restart 0
//! "
//! .parse()
//! .unwrap();
//! let report = scenario.run().unwrap();
//! assert_eq!(report.outcomes.delivered, report.messages);
//! ```

mod addresses;
mod amplification;
mod books;
mod clock;
mod draw;
mod due;
mod heal;
mod hear;
mod host;
mod link;
mod op;
mod op_text;
mod oracle;
mod path;
mod profile;
mod provider;
mod report;
mod restarts;
mod run;
mod scenario;
mod settings;
mod setup;
mod share;
mod smaller;
mod stranger;
mod things;
mod waits;
mod wire;
mod world;

pub use op::{Burst, Junk, Op, Place, Reader};
pub use oracle::Broken;
pub use path::{Family, Path, PathChange};
pub use profile::{BadProfile, Profile};
pub use report::{Fault, Faults, Outcomes, Report};
pub use run::{Capture, Captured, Failure};
pub use scenario::Scenario;
pub use settings::{BadSettings, Crypto, NODES_MAX, Settings};
pub use share::Share;
pub use smaller::smallest;
