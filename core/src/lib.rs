//! The heart of peer-sender: machines that get messages to peers, without any I/O.
//!
//! [`PeerSenderMachine`] is one peer's sender, whole: connecting, backoff, queue, flight,
//! receipts, redelivery, stopping. [`PeerReceiverMachine`] is its twin on the accepting end, and
//! [`Sessions`] all of an accepting node's. Neither knows of sockets, clocks or threads; the crate
//! is `no_std`, so that none can even be named.
//!
//! # Theory of operation
//!
//! A machine is driven in *steps*. A step takes the time and any number of [`Event`]s, facts from
//! outside, and appends [`Action`]s, what the world must do; they are decided already. The same
//! configuration, seed and steps give the same actions, byte for byte.
//!
//! - *Facts first, then one decision.* Within a step each event is recorded, and then the whole
//!   state is looked at once; only that look emits actions.
//! - *State is data.* A sender's [`Link`] and [`Phase`] hold their own deadlines and attempts; the
//!   legal transitions are a [`table`], from which the diagram in the documentation is made.
//! - *One door for time.* [`Time`] comes in with each step. There are no timer ids: a machine has
//!   one `next_deadline()`, and an early, late or repeated [`Event::TimerFired`] does no harm.
//! - *Generations.* Events about a connection carry its [`Attempt`]; one of an older connection
//!   changes nothing but a counter.
//! - *Bounds.* Each queue, buffer and step has a limit from the configuration, and
//!   [`Config::memory_max`] is a formula.
//! - *Payloads are opaque.* No machine looks inside one.
//!
//! The frames that travel are in [`wire`]; `docs/wire.md` specifies them.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]

extern crate alloc;

/// Whether a deliberately broken variant of the machines is in force, see `broken`.
macro_rules! broken {
    ($variant:ident) => {{
        #[cfg(feature = "broken")]
        let broken = crate::broken::is(crate::broken::Variant::$variant);
        #[cfg(not(feature = "broken"))]
        let broken = false;
        broken
    }};
}

mod action;
#[cfg(feature = "broken")]
pub mod broken;
mod config;
mod error;
mod event;
mod id;
mod inbound;
mod news;
mod outbound;
mod outcome;
mod protocol;
mod receiver;
mod sender;
mod snapshot;
mod stats;
pub mod table;
mod time;
#[cfg(feature = "trace")]
pub mod trace;
pub mod wire;

pub use action::{Action, IncomingMessage, Unsent};
pub use config::{
    Config, ConfigBuilder, ConfigError, LANES_MAX, Priority, ReceiverConfig, Redelivery,
    SendLimits, SendPolicy, WhenFull,
};
pub use error::{CertificateProblem, CloseCode, ErrorClass, LinkError, ProtocolError, Violation};
pub use event::{Event, MessageOptions, StopMode, WakeReason};
pub use id::{
    Attempt, Dialler, Epoch, InvalidPeerKey, Lane, MessageId, PeerKey, SessionId, Side, StreamId,
    TransferId,
};
pub use news::{PeerEvent, StopReason};
pub use outbound::Transfer;
pub use outcome::{FailReason, Level, Outcome, RefuseCode, RejectReason, Rejected, UnknownReason};
pub use protocol::{FRAMED_TRUSTED_AFTER, PLAIN_STREAM_WINDOW, PLAIN_STREAMS, Protocol};
pub use receiver::{
    PeerReceiverMachine, ReceiverCanonical, SessionHandle, SessionNews, Sessions,
    SessionsCanonical, SessionsConfig,
};
pub use sender::{
    Backoff, Canonical, Ending, Established, LaneSnapshot, Link, PeerSenderMachine, Phase, State,
};
pub use snapshot::{Holdup, Snapshot};
pub use stats::{Capacity, Deadline, ReceiverStats, Stats, Timer};
pub use time::Time;
