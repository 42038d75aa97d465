//! Building a [`Config`].

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::{Config, ConfigError, Priority, Redelivery, WhenFull};
use crate::{Lane, Protocol};

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
    pub(super) config: Config,
    /// A priority was given to a lane that no sender has.
    pub(super) priority_misplaced: bool,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $([$($path:ident).+])? $field:ident: $kind:ty,)*) => {$(
        $(#[$doc])*
        pub fn $field(mut self, $field: $kind) -> Self {
            self.config.$($($path.)+)?$field = $field;
            self
        }
    )*};
}

impl ConfigBuilder {
    /// For peers across the world: waits of up to 30 s, spread at random (`jitter`).
    pub fn wan(self) -> Self {
        self.backoff_max(Duration::from_secs(30)).jitter(true)
    }

    /// For peers in one data centre: waits of up to 2 s, spread at random (`jitter`).
    pub fn lan(self) -> Self {
        self.backoff_max(Duration::from_secs(2)).jitter(true)
    }

    /// The largest message accepted and taken in reply, in bytes: 1 to 1 GiB, 16 MiB by default.
    pub fn message_bytes_max(mut self, message_bytes_max: usize) -> Self {
        self.config.send.message_bytes_max = message_bytes_max;
        self.config.receive.message_bytes_max = message_bytes_max;
        self
    }

    /// The class of a lane, normal by default: those of a higher class go first, see [`Priority`].
    /// One for a lane beyond [`lanes`](Self::lanes) is refused by [`build`](Self::build).
    pub fn priority(mut self, lane: Lane, priority: Priority) -> Self {
        let classes = &mut self.config.send.policy.priorities;
        match classes.get_mut(usize::from(lane.0)) {
            Some(class) => *class = priority,
            None => self.priority_misplaced = true,
        }
        self
    }

    setters! {
        /// The peer's addresses, instead of the one that the builder was made with. They are tried
        /// in turn, from the first on. With none the machine waits until it is told of one.
        addresses: Vec<SocketAddr>,
        /// What is spoken with the peer; lanes by default. A node has its peers speak what it speaks
        /// itself.
        protocol: Protocol,
        /// The lanes that messages may be sent on: 1 to 8, 8 by default. Each costs memory only
        /// once it is used. The plain protocol has no lanes: 1, which is its default.
        [send] lanes: u8,
        /// The most messages of a lane that wait to be written: at least 1, 8,192 by default.
        [send] queue_messages_max: usize,
        /// The most bytes of a lane's messages that wait to be written: at least the largest
        /// message, 16 MiB by default.
        [send] queue_bytes_max: usize,
        /// The most messages of a lane written and not yet answered: at least 1, 8,192 by default.
        [send] flight_messages_max: usize,
        /// The most bytes of a lane's messages written and not yet answered; a message that is
        /// larger may still go alone. At least 1, 4 MiB by default.
        [send] flight_bytes_max: usize,
        /// Under the plain protocol, the most streams in use at once, each with a message; the peer
        /// may allow fewer. At least 1, 128 by default.
        [send] streams_max: u16,
        /// The most bytes of the peer's replies that are held for the application, on all lanes
        /// together: at least the largest message, 32 MiB by default. A lane of which nothing is
        /// held may take one message beyond it, so that no lane waits for another.
        [receive] inbound_bytes_max: usize,
        /// How long one attempt at a connection may take, handshake and confirmation included, and
        /// then how long the peer may take to answer the lane's OPEN: above 0, 5 s by default.
        connect_timeout: Duration,
        /// The wait after the first failure: 1 ms or more, 100 ms by default.
        backoff_min: Duration,
        /// The longest wait between attempts: at least `backoff_min`, 1 h by default.
        backoff_max: Duration,
        /// Whether each wait is spread by -25 to +50 %, within `backoff_min` and `backoff_max`, so
        /// that many senders do not dial at the same moments; drawn from the machine's seed. False
        /// by default.
        jitter: bool,
        /// The wait after the first permanent error: 1 ms or more, 5 s by default.
        refusal_backoff_min: Duration,
        /// The longest wait after permanent errors: at least `refusal_backoff_min`, 5 min by
        /// default.
        refusal_backoff_max: Duration,
        /// How long a connection must stand to count as healthy without an answer to a message:
        /// above 0, 10 s by default. Only proof of health resets the backoff.
        health_after: Duration,
        /// How many attempts may fail in a row before the sender gives the peer up, settles
        /// everything and stops: at least 1, none by default, which is without end.
        attempts_max: Option<u32>,
        /// For how long attempts may fail in a row before the sender gives the peer up, as
        /// `attempts_max`: above 0, none by default.
        give_up_after: Option<Duration>,
        /// After how long without anything said a connection is ended in good order, to be made
        /// again by the next message: at least 1 s, none for never, 5 min by default. A peer that
        /// has ever replied is not parted from, since its replies need the connection; where the
        /// first reply may take longer than this, use none.
        disconnect_after: Option<Duration>,
        /// After how long the oldest message that has no outcome makes the peer a slow one, which is
        /// told as [`SlowPeer`](crate::PeerEvent::SlowPeer), and unsaid once the oldest is younger
        /// than half of it: above 0, none for never, 10 s by default.
        slow_after: Option<Duration>,
        /// What becomes of a message whose connection was lost before it was answered: sent again
        /// by default, see [`Redelivery`].
        [send.policy] redelivery: Redelivery,
        /// What becomes of a message for which a lane's queue has no room: handed back by default,
        /// see [`WhenFull`].
        [send.policy] when_full: WhenFull,
        /// How long a message may wait to be sent, from its acceptance on: above 0, none by default,
        /// which is for ever. It expires if it has not begun by then, or if the receiver proves that
        /// it does not have it.
        [send.policy] ttl: Option<Duration>,
        /// How long the receiver may stay away while a message that has begun is cancelled or past
        /// its time to live, before its fate is called unknown: 10 s by default. Under the plain
        /// protocol, how long such a message may go without its answer.
        [send.policy] patience: Duration,
    }

    /// Checks the values against their ranges and each other.
    ///
    /// # Errors
    ///
    /// The first field that is out of range, by its setter's name.
    pub fn build(self) -> Result<Config, ConfigError> {
        let mut config = self.config;
        let shortest = Duration::from_millis(1);
        for address in &config.addresses {
            check_address(*address)?;
        }
        config.send.speak(config.protocol)?;
        config.send.check()?;
        config.receive.check()?;
        if self.priority_misplaced {
            return Err(ConfigError::new("priority", "must be of a lane below 8"));
        }
        if config.slow_after == Some(Duration::ZERO) {
            return Err(ConfigError::new("slow_after", "must be above 0"));
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
        if config.attempts_max == Some(0) {
            return Err(ConfigError::new("attempts_max", "must be at least 1"));
        }
        if config.give_up_after == Some(Duration::ZERO) {
            return Err(ConfigError::new("give_up_after", "must be above 0"));
        }
        if config
            .disconnect_after
            .is_some_and(|after| after < Duration::from_secs(1))
        {
            return Err(ConfigError::new("disconnect_after", "must be at least 1 s"));
        }
        Ok(config)
    }
}

#[cfg(feature = "trace")]
impl Config {
    /// The same values, if a machine may have them.
    pub(crate) fn checked(self) -> Result<Self, ConfigError> {
        let builder = ConfigBuilder {
            config: self,
            priority_misplaced: false,
        };
        builder.build()
    }
}

/// An address that can be dialled.
pub(crate) fn check_address(address: SocketAddr) -> Result<(), ConfigError> {
    if address.port() == 0 {
        return Err(ConfigError::new("address", "must have a port"));
    }
    if address.ip().is_unspecified() {
        let problem = "must name a host, not 0.0.0.0 or [::]";
        return Err(ConfigError::new("address", problem));
    }
    Ok(())
}
