//! How a node's configuration is made, and what is refused.

use std::time::Duration;

use peer_sender_core::{ConfigError, Protocol, ReceiverConfig, SendLimits};

use super::NodeConfig;
#[cfg(feature = "simulation")]
use crate::security::Security;
use crate::{Naming, Records, Trace, Trust, tls};

/// Sets what differs from the defaults; [`build`](Self::build) checks the whole.
///
/// ```
/// use peer_sender_quic::{Identity, NodeConfig, Trust};
///
/// let identity = Identity::from_secret([7; 32]);
/// let config = NodeConfig::builder(identity.clone()).accept(Trust::Any).build().unwrap();
/// assert_eq!(config.trust(), Some(&Trust::Any));
///
/// let error = NodeConfig::builder(identity).connections_max(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "connections_max: must be at least 1");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NodeConfigBuilder {
    pub(super) config: NodeConfig,
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

impl NodeConfigBuilder {
    /// Accepts connections from those whom this trusts, at least one; without it the node only
    /// dials.
    pub fn accept(mut self, trust: Trust) -> Self {
        self.config.accept = Some(trust);
        self
    }

    /// Speaks [`Protocol::Plain`] under this name (ALPN, RFC 7301), 1 to 255 bytes that both ends
    /// have to agree on; without it the node speaks [`Protocol::Lanes`], as `peer-sender/1`. Whoever
    /// needs both runs two nodes.
    pub fn plain(self, alpn: impl Into<Vec<u8>>) -> Self {
        self.speaking(Protocol::Plain, alpn.into(), Naming::Key)
    }

    /// Speaks [`Protocol::Framed`] under this name, as [`plain`](Self::plain); the last of them
    /// counts.
    pub fn framed(self, alpn: impl Into<Vec<u8>>) -> Self {
        self.speaking(Protocol::Framed, alpn.into(), Naming::Key)
    }

    /// Speaks as nodes of the Acki Nacki network do among each other: [`Protocol::Framed`] under the
    /// name `acki-nacki-direct`, and with peers that are known by their certificates
    /// ([`Naming::Certificate`]).
    pub fn acki_nacki(self) -> Self {
        const ALPN: &[u8] = b"acki-nacki-direct";
        self.speaking(Protocol::Framed, ALPN.to_vec(), Naming::Certificate)
    }

    /// What peers are known by belongs to what is spoken, so that both ends agree on it.
    fn speaking(mut self, protocol: Protocol, alpn: Vec<u8>, naming: Naming) -> Self {
        self.config.protocol = protocol;
        self.config.alpn = alpn;
        self.config.naming = naming;
        self
    }

    /// Shares these records with the other nodes of the process that listen as the same identity
    /// with the same inbound limits; without it the node has its own.
    pub fn records(mut self, records: Records) -> Self {
        self.config.records = Some(records);
        self
    }

    /// Records what the node's machines are told, and what comes of it; without it nothing is.
    /// Several nodes may be recorded into one trace. Where nodes share [`Records`], the sessions are
    /// recorded into the trace of the first of them.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.config.trace = Some(trace);
        self
    }

    /// Keeps the times of messages to the peers that the node dials, and tells them with the outcomes
    /// ([`NodeEvent::Transferred`](crate::NodeEvent::Transferred)): off by default. Of each message
    /// that a handle accepts it costs a reading of the clock, and an entry until it is settled.
    pub fn transfers(mut self, on: bool) -> Self {
        self.config.transfers = on;
        self
    }

    /// Protects connections by this instead of TLS as it should be: for simulations alone.
    #[cfg(feature = "simulation")]
    pub fn security(mut self, security: Security) -> Self {
        self.config.security = security;
        self
    }

    setters! {
        /// The largest message taken from a peer, in bytes: 1 to 1 GiB, 16 MiB by default.
        message_bytes_max: usize,
        /// The most bytes of messages that are held for the application of what the diallers with
        /// one key have sent, on all their sessions and lanes together: at least the largest
        /// message, 32 MiB by default.
        inbound_bytes_max: usize,
        /// The most bytes of messages that are held for the application of what all diallers have
        /// sent: at least `inbound_bytes_max`, 512 MiB by default.
        inbound_bytes_total_max: usize,
        /// The limits of what is sent in reply to whoever dialled, for each lane of each session.
        /// Under the plain protocol, `lanes` is 1, or its default.
        replies: SendLimits,
        /// How long a connection may be silent before it counts as lost (RFC 9000 section 10.1):
        /// 100 ms to 1 day, 10 s by default. The lower of both ends' values holds.
        idle_timeout: Duration,
        /// How long the dialling end stays silent before it pings: at least 10 ms and below
        /// `idle_timeout`, 4 s by default. Up to half of it, one lost ping is survived. Accepting
        /// ends never ping, so it must suit the peers' idle timeouts as well.
        keep_alive: Duration,
        /// The most connections accepted at a time: at least 1, 4,096 by default. Diallers beyond
        /// them are told to come back later. Of these, one key gets at most twice
        /// `sessions_per_key_max` (see [`NodeConfig`], shares).
        connections_max: usize,
        /// The most accepted connections whose handshake is not complete: at least 1, 64 by
        /// default. Where it is above `connections_max`, that one rules. One host gets at most a
        /// quarter of them, and at least two (see [`NodeConfig`], shares).
        handshakes_max: usize,
        /// The most sessions of peers remembered at a time: at least 1, 4,096 by default. Beyond
        /// them the one that has been without a connection longest is forgotten, but none whose
        /// messages still wait for room. Without lanes it bounds connections as well, as
        /// `connections_max` does.
        sessions_max: usize,
        /// The most sessions remembered of one peer key: at least 1, 16 by default. Also bounds
        /// the connections of one key, to twice as many. Without lanes each connection is a session
        /// by itself from when it is let in, and stays one while what it brought waits; so one key has
        /// no more connections than this, and a further one is closed with code 6 before its handshake
        /// is confirmed.
        sessions_per_key_max: usize,
        /// How long a session is remembered after its last connection: at least the idle timeout,
        /// 1 h by default. A sender that is away for longer cannot learn the fate of what it sent.
        session_ttl: Duration,
    }

    /// Checks the values against their ranges and each other.
    ///
    /// # Errors
    ///
    /// The first field that is out of range, by its setter's name.
    pub fn build(self) -> Result<NodeConfig, ConfigError> {
        let mut config = self.config;
        let refuse = |field, problem| Err(ConfigError::new(field, problem));
        if let Some(problem) = config.accept.as_ref().and_then(Trust::problem) {
            return refuse("accept", problem);
        }
        let field = match config.protocol {
            Protocol::Lanes => None,
            Protocol::Plain => Some("plain"),
            Protocol::Framed => Some("framed"),
        };
        if let Some(field) = field {
            if !(1..=255).contains(&config.alpn.len()) {
                return refuse(field, "the protocol's name must have from 1 to 255 bytes");
            }
            if config.alpn == tls::ALPN {
                return refuse(field, "peer-sender/1 is the name of another protocol");
            }
        }
        let protocol = config.protocol();
        let receiver = ReceiverConfig::new(config.message_bytes_max, config.inbound_bytes_max)?
            .with_replies(config.replies)?
            .with_protocol(protocol)?;
        config.replies = receiver.replies().clone();
        if config.inbound_bytes_total_max < config.inbound_bytes_max {
            let problem = "must be at least inbound_bytes_max";
            return refuse("inbound_bytes_total_max", problem);
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(86_400))
            .contains(&config.idle_timeout)
        {
            return refuse("idle_timeout", "must be from 100 ms to 1 day");
        }
        if config.keep_alive < Duration::from_millis(10) {
            return refuse("keep_alive", "must be at least 10 ms");
        }
        if config.keep_alive >= config.idle_timeout {
            return refuse(
                "keep_alive",
                "must be below idle_timeout, better at most half of it",
            );
        }
        if config.session_ttl < config.idle_timeout {
            return refuse("session_ttl", "must be at least idle_timeout");
        }
        for (field, value) in [
            ("connections_max", config.connections_max),
            ("handshakes_max", config.handshakes_max),
            ("sessions_max", config.sessions_max),
            ("sessions_per_key_max", config.sessions_per_key_max),
        ] {
            if value == 0 {
                return refuse(field, "must be at least 1");
            }
        }
        let records = config.records.as_ref();
        if let Some(problem) = records.and_then(|records| records.problem(&config)) {
            return refuse("records", problem);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use super::*;
    use crate::Identity;

    fn builder() -> NodeConfigBuilder {
        NodeConfig::builder(Identity::from_secret([1; 32]))
    }

    fn replies(lanes: u8, flight_bytes_max: usize) -> SendLimits {
        SendLimits {
            lanes,
            flight_bytes_max,
            ..SendLimits::default()
        }
    }

    #[test]
    fn the_defaults_are_usable() {
        assert!(builder().build().is_ok());
        assert!(builder().accept(Trust::Any).build().is_ok());
    }

    #[test]
    fn unusable_values_are_refused_by_name() {
        const MS: Duration = Duration::from_millis(1);
        const HOUR: Duration = Duration::from_secs(3_600);
        type Set = fn(NodeConfigBuilder) -> NodeConfigBuilder;
        let cases: [(Set, &str); 25] = [
            (|b| b.plain(""), "plain"),
            (|b| b.plain([7; 256]), "plain"),
            (|b| b.plain("peer-sender/1"), "plain"),
            (|b| b.framed(""), "framed"),
            (|b| b.plain("p").framed("peer-sender/1"), "framed"),
            (|b| b.framed("f").replies(replies(2, 1)), "lanes"),
            (|b| b.plain("p").replies(replies(2, 1)), "lanes"),
            (|b| b.accept(Trust::Keys(BTreeSet::new())), "accept"),
            (|b| b.message_bytes_max(0), "message_bytes_max"),
            (|b| b.message_bytes_max((1 << 30) + 1), "message_bytes_max"),
            (|b| b.inbound_bytes_max((16 << 20) - 1), "inbound_bytes_max"),
            (
                |b| b.message_bytes_max(100).inbound_bytes_max(99),
                "inbound_bytes_max",
            ),
            (
                |b| b.inbound_bytes_total_max((32 << 20) - 1),
                "inbound_bytes_total_max",
            ),
            (|b| b.replies(replies(0, 1)), "lanes"),
            (|b| b.replies(replies(1, 0)), "flight_bytes_max"),
            (|b| b.idle_timeout(99 * MS), "idle_timeout"),
            (|b| b.idle_timeout(24 * HOUR + MS), "idle_timeout"),
            (|b| b.idle_timeout(Duration::MAX), "idle_timeout"),
            (|b| b.keep_alive(Duration::ZERO), "keep_alive"),
            (|b| b.keep_alive(10_000 * MS), "keep_alive"),
            (|b| b.session_ttl(9_999 * MS), "session_ttl"),
            (|b| b.connections_max(0), "connections_max"),
            (|b| b.handshakes_max(0), "handshakes_max"),
            (|b| b.sessions_max(0), "sessions_max"),
            (|b| b.sessions_per_key_max(0), "sessions_per_key_max"),
        ];
        for (set, field) in cases {
            let error = set(builder()).build().expect_err(field);
            assert_eq!(error.field, field, "{error}");
        }
    }

    #[test]
    fn records_are_shared_by_equals_alone() {
        #[expect(clippy::disallowed_methods, reason = "any base will do")]
        let base = Instant::now();
        let one = builder().accept(Trust::Any).build().unwrap();
        let records = Records::new(&one, [1; 32], base);
        let problem = |builder: NodeConfigBuilder| {
            let built = builder.records(records.clone()).build();
            built.map_or_else(|error| Some((error.field, error.problem)), |_| None)
        };
        assert_eq!(problem(builder().accept(Trust::Any)), None);
        let place_alone = builder().accept(Trust::Any).connections_max(1);
        assert_eq!(problem(place_alone), None, "places are each node's own");
        let refused = [
            builder(),
            NodeConfig::builder(Identity::from_secret([2; 32])).accept(Trust::Any),
            builder().accept(Trust::Any).sessions_max(1),
            builder().accept(Trust::Any).replies(replies(1, 1)),
        ];
        let problems: BTreeSet<_> = refused.into_iter().filter_map(problem).collect();
        assert!(problems.iter().all(|&(field, _)| field == "records"));
        assert_eq!(problems.len(), 3, "each with its own words");
    }

    #[test]
    fn limits_are_themselves_usable() {
        let one = builder()
            .plain([0])
            .message_bytes_max(1)
            .inbound_bytes_max(1)
            .inbound_bytes_total_max(1)
            .replies(replies(1, 1))
            .idle_timeout(Duration::from_millis(100))
            .keep_alive(Duration::from_millis(99))
            .session_ttl(Duration::from_millis(100))
            .connections_max(1)
            .handshakes_max(1)
            .sessions_max(1)
            .sessions_per_key_max(1);
        assert!(one.build().is_ok());
    }
}
