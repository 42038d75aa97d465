//! Limits and times of a machine, checked once when they are built.

use core::net::SocketAddr;
use core::time::Duration;

use thiserror::Error;

/// Everything a [`PeerSenderMachine`](crate::PeerSenderMachine) needs to know of its peer, and the
/// limits that it keeps. Made by [`Config::builder`]; every value is usable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub(crate) address: SocketAddr,
    pub(crate) message_bytes_max: usize,
    pub(crate) queue_messages_max: usize,
    pub(crate) queue_bytes_max: usize,
    pub(crate) flight_messages_max: usize,
    pub(crate) flight_bytes_max: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) backoff_min: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) refusal_backoff_min: Duration,
    pub(crate) refusal_backoff_max: Duration,
    pub(crate) health_after: Duration,
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
            config: Self::with_defaults(address),
        }
    }

    fn with_defaults(address: SocketAddr) -> Self {
        Self {
            address,
            message_bytes_max: 16 << 20,
            queue_messages_max: 8_192,
            queue_bytes_max: 16 << 20,
            flight_messages_max: 8_192,
            flight_bytes_max: 4 << 20,
            connect_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(3_600),
            refusal_backoff_min: Duration::from_secs(5),
            refusal_backoff_max: Duration::from_secs(300),
            health_after: Duration::from_secs(10),
        }
    }

    /// The peer's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The largest message accepted, in bytes.
    pub fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// The most messages that wait to be written.
    pub fn queue_messages_max(&self) -> usize {
        self.queue_messages_max
    }

    /// The most bytes of messages that wait to be written.
    pub fn queue_bytes_max(&self) -> usize {
        self.queue_bytes_max
    }

    /// The most memory, in bytes, that a machine of this configuration holds, whatever it is
    /// told: payloads queued and in flight (one message may exceed the flight's limit alone), the
    /// books of each message, and one write being composed.
    pub fn memory_max(&self) -> usize {
        const BOOKS_PER_MESSAGE: usize = 160;
        let payloads = self
            .queue_bytes_max
            .saturating_add(self.flight_bytes_max)
            .saturating_add(self.message_bytes_max);
        let books = self
            .queue_messages_max
            .saturating_add(self.flight_messages_max)
            .saturating_mul(BOOKS_PER_MESSAGE);
        payloads
            .saturating_add(books)
            .saturating_add(2 * crate::outbound::WRITE_BYTES_MAX)
    }

    /// The most actions that one step appends, beside one `Reject` for each message that the step
    /// itself brought: every message may be settled at once.
    pub fn actions_per_step_max(&self) -> usize {
        const OF_THE_LINK: usize = 16;
        self.queue_messages_max
            .saturating_add(self.flight_messages_max)
            .saturating_add(OF_THE_LINK)
    }
}

/// Sets what differs from the defaults; [`build`](Self::build) checks the whole.
///
/// ```
/// use peer_sender_core::{Config, ConfigError};
///
/// let address = "192.0.2.1:4433".parse().unwrap();
/// let config = Config::builder(address).queue_messages_max(100).build().unwrap();
/// assert_eq!(config.queue_messages_max(), 100);
///
/// let error = Config::builder(address).queue_messages_max(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "queue_messages_max: must be at least 1");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    config: Config,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $kind:ty,)*) => {$(
        $(#[$doc])*
        pub fn $field(mut self, $field: $kind) -> Self {
            self.config.$field = $field;
            self
        }
    )*};
}

impl ConfigBuilder {
    setters! {
        /// The largest message accepted, in bytes: 1 to 1 GiB, 16 MiB by default.
        message_bytes_max: usize,
        /// The most messages that wait to be written: at least 1, 8,192 by default.
        queue_messages_max: usize,
        /// The most bytes of messages that wait to be written: at least the largest message,
        /// 16 MiB by default.
        queue_bytes_max: usize,
        /// The most messages written and not yet answered: at least 1, 8,192 by default.
        flight_messages_max: usize,
        /// The most bytes of messages written and not yet answered; a message that is larger may
        /// still go alone. At least 1, 4 MiB by default.
        flight_bytes_max: usize,
        /// How long one attempt at a connection may take, handshake and confirmation included, and
        /// then how long the peer may take to answer the lane's OPEN: above 0, 5 s by default.
        connect_timeout: Duration,
        /// The wait after the first failure: 1 ms or more, 100 ms by default.
        backoff_min: Duration,
        /// The longest wait between attempts: at least `backoff_min`, 1 h by default.
        backoff_max: Duration,
        /// The wait after the first permanent error: 1 ms or more, 5 s by default.
        refusal_backoff_min: Duration,
        /// The longest wait after permanent errors: at least `refusal_backoff_min`, 5 min by
        /// default.
        refusal_backoff_max: Duration,
        /// How long a connection must stand to count as healthy without an answer to a message:
        /// above 0, 10 s by default. Only proof of health resets the backoff.
        health_after: Duration,
    }

    /// Checks the values against their ranges and each other.
    ///
    /// # Errors
    ///
    /// The first field that is out of range, by its setter's name.
    pub fn build(self) -> Result<Config, ConfigError> {
        let config = self.config;
        let address = config.address;
        let shortest = Duration::from_millis(1);
        if address.port() == 0 {
            return Err(ConfigError::new("address", "must have a port"));
        }
        if address.ip().is_unspecified() {
            return Err(ConfigError::new(
                "address",
                "must name a host, not 0.0.0.0 or [::]",
            ));
        }
        if !(1..=1 << 30).contains(&config.message_bytes_max) {
            return Err(ConfigError::new(
                "message_bytes_max",
                "must be from 1 byte to 1 GiB",
            ));
        }
        if config.queue_messages_max == 0 {
            return Err(ConfigError::new("queue_messages_max", "must be at least 1"));
        }
        if config.queue_bytes_max < config.message_bytes_max {
            return Err(ConfigError::new(
                "queue_bytes_max",
                "must be at least message_bytes_max",
            ));
        }
        if config.flight_messages_max == 0 {
            return Err(ConfigError::new(
                "flight_messages_max",
                "must be at least 1",
            ));
        }
        if config.flight_bytes_max == 0 {
            return Err(ConfigError::new("flight_bytes_max", "must be at least 1"));
        }
        if config.connect_timeout.is_zero() {
            return Err(ConfigError::new("connect_timeout", "must be above 0"));
        }
        if config.health_after.is_zero() {
            return Err(ConfigError::new("health_after", "must be above 0"));
        }
        if config.backoff_min < shortest {
            return Err(ConfigError::new("backoff_min", "must be at least 1 ms"));
        }
        if config.backoff_max < config.backoff_min {
            return Err(ConfigError::new(
                "backoff_max",
                "must be at least backoff_min",
            ));
        }
        if config.refusal_backoff_min < shortest {
            return Err(ConfigError::new(
                "refusal_backoff_min",
                "must be at least 1 ms",
            ));
        }
        if config.refusal_backoff_max < config.refusal_backoff_min {
            let problem = "must be at least refusal_backoff_min";
            return Err(ConfigError::new("refusal_backoff_max", problem));
        }
        Ok(config)
    }
}

/// The limits that a [`PeerReceiverMachine`](crate::PeerReceiverMachine) keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiverConfig {
    pub(crate) message_bytes_max: usize,
    pub(crate) inbound_bytes_max: usize,
}

impl ReceiverConfig {
    /// `message_bytes_max`: the largest message taken, 16 MiB by default. `inbound_bytes_max`: the
    /// most bytes held at once by a session, half-received messages included, 32 MiB by default.
    ///
    /// # Errors
    ///
    /// `message_bytes_max` outside 1 byte to 1 GiB, or `inbound_bytes_max` below it.
    pub fn new(message_bytes_max: usize, inbound_bytes_max: usize) -> Result<Self, ConfigError> {
        if !(1..=1 << 30).contains(&message_bytes_max) {
            return Err(ConfigError::new(
                "message_bytes_max",
                "must be from 1 byte to 1 GiB",
            ));
        }
        if inbound_bytes_max < message_bytes_max {
            let problem = "must be at least message_bytes_max";
            return Err(ConfigError::new("inbound_bytes_max", problem));
        }
        Ok(Self {
            message_bytes_max,
            inbound_bytes_max,
        })
    }

    /// The largest message taken, in bytes.
    pub fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// The most bytes of messages held at once.
    pub fn inbound_bytes_max(&self) -> usize {
        self.inbound_bytes_max
    }
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 << 20,
            inbound_bytes_max: 32 << 20,
        }
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
