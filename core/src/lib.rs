//! placeholder
#![allow(clippy::todo)]
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]

extern crate alloc;

mod config;
mod error;
mod event;
mod id;
mod outbound;
mod outcome;
mod receiver;
mod sender;
mod stats;
mod time;
pub mod wire;

pub use config::{Config, ConfigBuilder, ConfigError, ReceiverConfig};
pub use error::{CloseCode, ErrorClass, LinkError, ProtocolError, Violation};
pub use event::{Action, Event, IncomingMessage, PeerEvent, StopMode, StopReason};
pub use id::{
    Attempt, Epoch, InvalidPeerKey, Lane, MessageId, PeerKey, SessionId, Side, StreamId, TransferId,
};
pub use outcome::{
    FailReason, Level, Outcome, RefuseCode, RejectReason, Rejected, UnknownReason,
};
pub use receiver::{PeerReceiverMachine, SessionHandle, Sessions, SessionsConfig};
pub use sender::PeerSenderMachine;
pub use stats::{Capacity, Deadline, ReceiverStats, Stats, Timer};
pub use time::Time;
