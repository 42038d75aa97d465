//! Limits and times of a machine, checked once when they are built.

mod builder;
mod limits;
mod policy;

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use thiserror::Error;

use crate::Protocol;

pub use self::builder::ConfigBuilder;
pub(crate) use self::limits::ReceiveLimits;
pub use self::limits::{LANES_MAX, ReceiverConfig, SendLimits};
pub use self::policy::{Priority, Redelivery, SendPolicy, WhenFull};

/// Everything a [`PeerSenderMachine`](crate::PeerSenderMachine) needs to know of its peer, and the
/// limits that it keeps. Made by [`Config::builder`]; every value is usable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) protocol: Protocol,
    pub(crate) send: SendLimits,
    /// Of the peer's replies.
    pub(crate) receive: ReceiveLimits,
    pub(crate) connect_timeout: Duration,
    pub(crate) backoff_min: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) jitter: bool,
    pub(crate) refusal_backoff_min: Duration,
    pub(crate) refusal_backoff_max: Duration,
    pub(crate) health_after: Duration,
    pub(crate) attempts_max: Option<u32>,
    pub(crate) give_up_after: Option<Duration>,
    pub(crate) disconnect_after: Option<Duration>,
    pub(crate) slow_after: Option<Duration>,
}

impl Config {
    /// A configuration with every default, for the peer at this address.
    ///
    /// # Errors
    ///
    /// The address has no port, or names no host.
    pub fn new(address: SocketAddr) -> Result<Self, ConfigError> {
        Self::builder(address).build()
    }

    /// Starts from the defaults.
    pub fn builder(address: SocketAddr) -> ConfigBuilder {
        ConfigBuilder {
            config: Self::with_defaults(vec![address]),
            priority_misplaced: false,
        }
    }

    /// Starts from this configuration instead of the defaults.
    pub fn to_builder(&self) -> ConfigBuilder {
        ConfigBuilder {
            config: self.clone(),
            priority_misplaced: false,
        }
    }

    fn with_defaults(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            protocol: Protocol::Lanes,
            send: SendLimits::default(),
            receive: ReceiveLimits::default(),
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(3_600),
            jitter: false,
            refusal_backoff_min: Duration::from_secs(5),
            refusal_backoff_max: Duration::from_secs(300),
            health_after: Duration::from_secs(10),
            attempts_max: None,
            give_up_after: None,
            disconnect_after: Some(Duration::from_secs(300)),
            slow_after: Some(Duration::from_secs(10)),
        }
    }

    /// The peer's addresses, in the order in which they are tried; empty if none are known yet.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What is spoken with the peer.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The same for a peer that speaks this protocol.
    ///
    /// # Errors
    ///
    /// [`lanes`](ConfigBuilder::lanes) is above 1, or a [`priority`](ConfigBuilder::priority) is that
    /// of a lane above 0, and the protocol has no lanes. The default is as many as the protocol has.
    pub fn with_protocol(mut self, protocol: Protocol) -> Result<Self, ConfigError> {
        self.protocol = protocol;
        self.send.speak(protocol)?;
        self.send.check()?;
        Ok(self)
    }

    /// The limits of what is sent, for each lane.
    pub fn send_limits(&self) -> &SendLimits {
        &self.send
    }

    /// The largest message accepted, in bytes.
    pub fn message_bytes_max(&self) -> usize {
        self.send.message_bytes_max
    }

    /// What becomes of messages that cannot go at once, or whose fate is open.
    pub fn send_policy(&self) -> &SendPolicy {
        &self.send.policy
    }

    /// The most messages of a lane that wait to be written.
    pub fn queue_messages_max(&self) -> usize {
        self.send.queue_messages_max
    }

    /// The most bytes of a lane that wait to be written.
    pub fn queue_bytes_max(&self) -> usize {
        self.send.queue_bytes_max
    }

    /// The most bytes of the peer's replies held at once.
    pub fn inbound_bytes_max(&self) -> usize {
        self.receive.inbound_bytes_max
    }

    /// The most memory, in bytes, that a machine of this configuration holds, whatever it is
    /// told: what its lanes hold, what is held of the peer's replies, and one write of each lane
    /// being composed.
    pub fn memory_max(&self) -> usize {
        self.send
            .memory_max()
            .saturating_add(self.receive.memory_max(self.protocol))
    }

    /// The most actions that one step appends, beside what it brought itself: one `Reject` or
    /// `Settle` for each message, and what follows from each stream's bytes. Every message that
    /// was there may be settled at once, and handed back if it was not sent.
    pub fn actions_per_step_max(&self) -> usize {
        const OF_THE_LINK: usize = 16;
        self.send.actions_per_step_max().saturating_add(OF_THE_LINK)
    }
}

/// A configuration that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The field, by its setter's name.
    pub field: &'static str,
    /// What it must be.
    pub problem: &'static str,
}

impl ConfigError {
    /// Says what the named field must be.
    pub const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }
}
