//! What a node tells of itself when asked.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use peer_sender_core::{PeerKey, Snapshot, Stats};

use super::NodeMachine;

/// Counters of a node since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// Datagrams handed in.
    pub datagrams_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Datagrams among them that belonged to no connection and began none: dropped, or answered
    /// without keeping anything of them.
    pub strays: u64,
    /// Datagrams handed out.
    pub datagrams_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// QUIC connections that take up memory now, those that are being closed included.
    pub connections: u64,
    /// Connections accepted: their handshake was complete and their key trusted.
    pub accepted: u64,
    /// Connections turned away because of a limit, be it the node's, the host's or the key's
    /// ([`NodeConfig`](crate::NodeConfig), shares), or because the node stops; and those closed
    /// with code 5 or 6 later, for a message or a session too much.
    pub refused: u64,
    /// Accepted handshakes that came to nothing.
    pub handshakes_failed: u64,
    /// Connections closed because their key is not trusted.
    pub identities_refused: u64,
    /// Connections closed because the other end broke the protocol, dialled and accepted.
    pub protocol_errors: u64,
    /// Connections closed because the other end cut streams too fast, dialled and accepted.
    pub overloads: u64,
    /// Sessions remembered now whose home the node is ([`Records`](crate::Records)).
    pub sessions: u64,
}

/// Counters of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStats {
    /// The counters of its machine.
    pub machine: Stats,
    /// The smoothed round trip of its connection (RFC 9002 section 5.3), while it has one.
    pub rtt: Option<Duration>,
    /// Packets that its present connection has lost.
    pub lost_packets: u64,
    /// The largest datagram that its present connection sends, in bytes; 0 without a connection.
    pub mtu: u16,
}

/// What an end of a connection is to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionRole {
    /// The other end receives what this one sends it directly: this end has dialled.
    DirectReceiver,
    /// The other end sends directly to this one: it has dialled.
    DirectSender,
}

/// What a connection is, from the moment in which its other end is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// What the other end is to this one.
    pub role: ConnectionRole,
    /// Our own address on it, where the driver told on which datagrams came that began it: never of
    /// one that we dialled. The port is the socket's.
    pub local_ip: Option<IpAddr>,
    /// Where the other end was when the connection was made. It may have moved since (RFC 9000
    /// section 9).
    pub remote: SocketAddr,
    /// What we are known by on it.
    pub ours: PeerKey,
    /// What the other end is known by on it.
    pub theirs: PeerKey,
    /// The name of the protocol that is spoken on it (ALPN, RFC 7301).
    pub alpn: Vec<u8>,
    /// The certificate that the other end has shown, in DER.
    pub certificate: Vec<u8>,
}

/// How a peer, or a session of somebody who dialled, stands at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerSnapshot {
    /// How its machine stands, and why nothing moves.
    pub machine: Snapshot,
    /// The smoothed round trip of its connection (RFC 9002 section 5.3), while it has one.
    pub rtt: Option<Duration>,
    /// Packets that its present connection has sent.
    pub sent_packets: u64,
    /// Packets that its present connection has lost.
    pub lost_packets: u64,
    /// The largest datagram that its present connection sends, in bytes; 0 without a connection.
    pub mtu: u16,
    /// How often its present connection found that the path no longer carries datagrams of the
    /// size that it did (RFC 8899 section 4.3).
    pub black_holes: u64,
    /// What its present connection is; none without one.
    pub connection: Option<Arc<ConnectionInfo>>,
}

impl<P> fmt::Debug for NodeMachine<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeMachine")
            .field("peers", &self.peers.len())
            .field("connections", &self.net.len())
            .field("stopping", &self.stopping)
            .finish_non_exhaustive()
    }
}
