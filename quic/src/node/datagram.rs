//! What goes between a node and a socket.

use std::net::{IpAddr, SocketAddr};

use quinn_proto::EcnCodepoint;

/// Explicit congestion notification of a datagram (RFC 3168 section 5). A datagram without a mark
/// has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn {
    /// ECN-capable, ECT(0): what this node marks its own datagrams with.
    Ect0,
    /// ECN-capable, ECT(1).
    Ect1,
    /// Congestion experienced.
    Ce,
}

impl Ecn {
    pub(super) fn to_quic(self) -> EcnCodepoint {
        match self {
            Self::Ect0 => EcnCodepoint::Ect0,
            Self::Ect1 => EcnCodepoint::Ect1,
            Self::Ce => EcnCodepoint::Ce,
        }
    }

    pub(super) fn from_quic(mark: EcnCodepoint) -> Self {
        match mark {
            EcnCodepoint::Ect0 => Self::Ect0,
            EcnCodepoint::Ect1 => Self::Ect1,
            EcnCodepoint::Ce => Self::Ce,
        }
    }
}

/// How a datagram came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramMeta {
    /// Who sent it. Always in the same form for one peer: a socket that reports IPv4 peers as
    /// IPv4-mapped IPv6 addresses must dial them as such, too.
    pub remote: SocketAddr,
    /// The local address that it was sent to, where the socket tells.
    pub local_ip: Option<IpAddr>,
    /// Its mark, where the socket tells.
    pub ecn: Option<Ecn>,
}

/// Datagrams to be sent: the first `size` bytes of the buffer that was handed to
/// [`poll_output`](super::NodeMachine::poll_output).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub destination: SocketAddr,
    /// The mark to send with.
    pub ecn: Option<Ecn>,
    /// How many bytes of the buffer; never above 65,507, the most that UDP over IPv4 takes at once.
    pub size: usize,
    /// If set, the bytes are several datagrams of this size, the last one perhaps shorter, to be
    /// cut by the system (generic segmentation offload) or by the caller.
    pub segment_size: Option<usize>,
    /// The local address to send from, where it matters.
    pub src_ip: Option<IpAddr>,
}

impl Transmit {
    pub(super) fn from_quic(transmit: &quinn_proto::Transmit) -> Self {
        Self {
            destination: transmit.destination,
            ecn: transmit.ecn.map(Ecn::from_quic),
            size: transmit.size,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        }
    }

    /// How many datagrams it holds.
    pub(super) fn datagrams(&self) -> u64 {
        match self.segment_size {
            Some(size) if size > 0 => self.size.div_ceil(size) as u64,
            _ => 1,
        }
    }
}
