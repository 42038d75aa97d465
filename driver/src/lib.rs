//! The runtime-neutral driver of peer-sender, and the handles that users hold.
//!
//! Users take these through the crate of their runtime, such as `peer-sender-tokio`, which
//! re-exports everything here and has the guide.
//!
//! # How it works
//!
//! A [`Node`] is one task that joins a sans-IO [`NodeMachine`](peer_sender_quic::NodeMachine) to a
//! UDP socket and one timer: receive a batch of datagrams, hand it over, take what the handles
//! ask for, send a batch, tell what happened. Protocol decisions are all below it.
//!
//! The handles never wait for that task's work. Each peer has a *mailbox*: a mutex, held for
//! nanoseconds, over the next id, the credit in messages and bytes, and the messages that the
//! driver takes all at once. Receipts are slots that are settled and woken in batches. What came
//! in waits in a queue for each session, and the answers go back as one number for each lane. The
//! driver is woken once for a burst, whatever its size.
//!
//! Nothing ever hangs: when the node is stopped, dropped, or its runtime is gone, every receipt
//! resolves, every stream ends and every waiter is woken.
//!
//! # Adapters
//!
//! An adapter implements [`Runtime`], [`AsyncUdp`] and [`AsyncTimer`] and names its
//! `Node<P> = peer_sender_driver::Node<P, ItsRuntime>`. For runtimes that stand on `async-io` the
//! feature of that name has the socket and the timer. For programs without async the feature `blocking`
//! has nodes on threads of their own. A runtime may bring a network of its own instead of the kernel's
//! sockets ([`Datagrams`]), as a simulation does. Whoever wants neither drives a node by hand:
//! `driver/examples/custom_runtime.rs`.

#[cfg(feature = "async-io")]
pub mod async_io;
mod bell;
mod bind;
#[cfg(feature = "blocking")]
pub mod blocking;
mod clock;
mod control;
mod driver;
mod events;
mod identity_file;
mod incoming;
mod kernel;
mod mailbox;
mod node;
mod peer;
mod receipt;
mod recording;
mod runtime;
mod slots;
#[cfg(test)]
mod testing;
mod wait;

pub use bytes::Bytes;
pub use peer_sender_core::table::Standing;
pub use peer_sender_core::{
    Attempt, CertificateProblem, CloseCode, Config, ConfigBuilder, ConfigError, ErrorClass,
    FailReason, Holdup, InvalidPeerKey, LANES_MAX, Lane, Level, LinkError, MessageId, Outcome,
    PeerEvent, PeerKey, Priority, Protocol, ProtocolError, Redelivery, RefuseCode, RejectReason,
    Rejected, SendLimits, SendPolicy, Snapshot, Stats, StopMode, StopReason, Time, UnknownReason,
    Unsent, WhenFull,
};
pub use peer_sender_quic::{
    AddPeerError, Authority, AuthorityError, ConnectionInfo, ConnectionRole, DatagramMeta, Ecn,
    Expected, Identity, IdentityError, InvalidOwner, InvalidPeerName, Members, Naming, NodeConfig,
    NodeConfigBuilder, NodeStats, Owner, OwnerKey, PeerConfig, PeerId, PeerName, PeerSnapshot,
    PeerStats, Records, Sender, Trace, Transmit, Trust,
};

/// Traces: recorded by [`TraceFile`] or [`FlightRecorder`], read and replayed with what is here.
pub use peer_sender_core::trace;

pub use bind::BindError;
pub use control::TurnedAway;
pub use events::Events;
pub use identity_file::{
    IdentityFileError, load_certified_identity, load_identity, load_owner_key,
};
pub use incoming::{AutoIncoming, Incoming, IncomingMessage, Received};
pub use kernel::KernelSocket;
pub use mailbox::Transfer;
pub use node::Node;
pub use peer::{AddressesError, Outcomes, PeerSender, PeerSink, Permit, Stopped, Transfers};
pub use receipt::Receipt;
pub use recording::{FlightRecorder, RecordingError, TraceFile};
pub use runtime::{Arrived, AsyncTimer, AsyncUdp, Datagrams, Report, Runtime};
