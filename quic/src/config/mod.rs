//! A node's limits and times, checked once when they are built.

mod builder;

use std::time::Duration;

use peer_sender_core::{PeerKey, Protocol, ReceiverConfig, SendLimits, SessionsConfig};

pub use self::builder::NodeConfigBuilder;
use crate::security::Security;
use crate::{Identity, Naming, Records, Trace, Trust, tls};

/// Everything a [`NodeMachine`](crate::NodeMachine) needs to know beside its peers. Made by
/// [`NodeConfig::builder`]; every value is usable.
///
/// # Shares
///
/// Nobody gets all of what the accepting side has to give. What is said of a key here and of the limits
/// (connections, sessions, bytes) is meant of a public key, by whatever peers are [known](crate::Naming):
///
/// - The connections of one key are at most twice `sessions_per_key_max`: one for each of its
///   sessions, and one more for each that was lost without a word and has not reached its idle
///   timeout. A further one is closed with code 6 (`docs/wire.md`). With [`Trust::Any`], keys cost
///   nothing, and this bounds those only who keep theirs.
/// - The connections from one host that were not let in, or not yet, are at most a quarter of
///   `handshakes_max`, and at least two. A host is an IPv4 address, or an IPv6 network of 64 bits.
///   From half of that on, an address must first prove that it is real (Retry, RFC 9000 section
///   8.1.2); a further one is refused as busy. Many diallers behind one address get in a few at
///   a time, since each comes back.
///
/// - A connection whose dialler has sent no message yet, nor named its session otherwise, is kept
///   for ten seconds in any case. Later it gives way, closed with code 6, to a dialler that comes
///   when seven eighths of `connections_max` are taken, all of them by connections that are open.
///
/// A connection counts until QUIC has forgotten it, three probe timeouts after its close (RFC 9000
/// section 10.2), or until somebody else comes when seven eighths of `connections_max` are taken.
/// Each that is refused is reported as
/// [`NodeEvent::InboundRejected`](crate::NodeEvent::InboundRejected), and counted in
/// [`NodeStats::refused`](crate::NodeStats::refused).
///
/// # Memory
///
/// Messages that wait for the application are bounded by `inbound_bytes_max` for each key and by
/// `inbound_bytes_total_max` for the node; where these are used up, a session that holds nothing
/// may still hold one message of up to 64 KiB, and each further lane one of up to 8 KiB, so that
/// nobody is shut out. What QUIC has received and this node has not read, as it has no room for it,
/// comes on top: at most 5 MiB a connection, which is 512 KiB for each of eight lanes and 1 MiB for
/// the ways back of our own. Under the plain protocol it is 17 MiB, of which 128 KiB are for each of
/// 128 streams, and as much again of what was read and has to wait for room: a message counts as the
/// largest until its end has come. What came whole of both waits on when the connection is lost. What was sent and is not acknowledged comes on top as well: at
/// most 8 MiB a connection. Replies are bounded for each lane of each session, and are the application's own
/// doing.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub(crate) identity: Identity,
    /// None: the node only dials.
    pub(crate) accept: Option<Trust>,
    pub(crate) protocol: Protocol,
    /// The protocol's name in TLS.
    pub(crate) alpn: Vec<u8>,
    /// What peers are known by there.
    pub(crate) naming: Naming,
    pub(crate) message_bytes_max: usize,
    pub(crate) inbound_bytes_max: usize,
    pub(crate) inbound_bytes_total_max: usize,
    pub(crate) replies: SendLimits,
    pub(crate) idle_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) connections_max: usize,
    pub(crate) handshakes_max: usize,
    pub(crate) sessions_max: usize,
    pub(crate) sessions_per_key_max: usize,
    pub(crate) session_ttl: Duration,
    /// None: the node has its own.
    pub(crate) records: Option<Records>,
    pub(crate) security: Security,
    /// None: nothing is recorded.
    pub(crate) trace: Option<Trace>,
    /// Whether the times of messages are kept.
    pub(crate) transfers: bool,
}

impl NodeConfig {
    /// A configuration with every default, for a node that only dials.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            accept: None,
            protocol: Protocol::Lanes,
            alpn: tls::ALPN.to_vec(),
            naming: Naming::Key,
            message_bytes_max: 16 << 20,
            inbound_bytes_max: 32 << 20,
            inbound_bytes_total_max: 512 << 20,
            replies: SendLimits::default(),
            idle_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(4),
            connections_max: 4_096,
            handshakes_max: 64,
            sessions_max: 4_096,
            sessions_per_key_max: 16,
            session_ttl: Duration::from_secs(3_600),
            records: None,
            security: Security::default(),
            trace: None,
            transfers: false,
        }
    }

    /// Starts from the defaults.
    pub fn builder(identity: Identity) -> NodeConfigBuilder {
        NodeConfigBuilder {
            config: Self::new(identity),
        }
    }

    /// Who the node is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What peers know the node by.
    pub fn key(&self) -> PeerKey {
        self.identity.key_as(self.naming)
    }

    /// What the node, and its peers, are known by.
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// Whom the accepting side lets in; none if the node only dials.
    pub fn trust(&self) -> Option<&Trust> {
        self.accept.as_ref()
    }

    /// What the node speaks with all its peers.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The protocol's name in TLS (ALPN, RFC 7301).
    pub fn alpn(&self) -> &[u8] {
        &self.alpn
    }

    /// The limits of what is sent in reply, for each session.
    pub fn replies(&self) -> &SendLimits {
        &self.replies
    }

    /// The records that the node shares with others; none if it has its own.
    pub fn records(&self) -> Option<&Records> {
        self.records.as_ref()
    }

    /// Whether the times of messages to peers are kept.
    pub fn transfers(&self) -> bool {
        self.transfers
    }

    /// The limits of what is remembered and held of those who dial.
    pub(crate) fn sessions(&self) -> SessionsConfig {
        // Only limits that `build` has checked come here.
        let receiver = ReceiverConfig::new(self.message_bytes_max, self.inbound_bytes_max)
            .and_then(|receiver| receiver.with_replies(self.replies.clone()))
            .and_then(|receiver| receiver.with_protocol(self.protocol()));
        SessionsConfig {
            receiver: receiver.unwrap_or_default(),
            key_bytes_max: self.inbound_bytes_max,
            node_bytes_max: self.inbound_bytes_total_max,
            sessions_max: self.sessions_max,
            sessions_per_key_max: self.sessions_per_key_max,
            session_ttl: self.session_ttl,
        }
    }

    /// The most places for connections that one key may hold.
    pub(crate) fn key_share(&self) -> usize {
        self.sessions_per_key_max.saturating_mul(2)
    }

    /// The most places that strangers from one host may hold; at least one for whoever has not
    /// proven its address, and one for whoever has.
    pub(crate) fn host_share(&self) -> usize {
        (self.handshakes_max / 4).max(2)
    }
}
