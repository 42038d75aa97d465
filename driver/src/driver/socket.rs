//! Datagrams in and out, in batches.

use std::collections::BTreeSet;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use peer_sender_quic::{DatagramMeta, Ecn, Transmit};
use quinn_udp::{EcnCodepoint, RecvMeta, TransportErrorPayload, UdpSockRef, UdpSocketState};

use crate::control::{mapped, unmapped};
use crate::runtime::AsyncUdp;

/// Buffers filled by one receive call. Each may hold many datagrams (GRO).
const BATCH: usize = 16;
/// The most that the kernel puts into one buffer.
const BUFFER_BYTES: usize = 1 << 16;
/// Datagrams that one send call may carry (GSO): beyond 10 the two ends wait for each other.
const SEGMENTS_MAX: usize = 10;
/// Datagrams of one buffer that share an allocation.
const TOGETHER: usize = 4;
/// Reports of the network that are read at once.
const REPORTS_MAX: usize = 64;

/// What the network reports of datagrams that were sent.
#[derive(Debug)]
pub(super) struct Reports {
    /// Hosts where nobody listens at some port.
    pub(super) unreachable: BTreeSet<IpAddr>,
    /// There may be more reports.
    pub(super) more: bool,
}

/// The socket, and room for what it receives.
pub(super) struct Udp<S> {
    pub(super) socket: S,
    state: UdpSocketState,
    /// Whether the socket speaks IPv6, and IPv4 only in its wrapping.
    wraps_v4: bool,
    buffer: Box<[u8]>,
    metas: [RecvMeta; BATCH],
}

impl<S: AsyncUdp> Udp<S> {
    /// Asks the system for all that it can do: GRO, GSO, ECN, reports of errors.
    pub(super) fn new(socket: S, address: SocketAddr) -> io::Result<Self> {
        let state = {
            let inner = socket.inner();
            let state = UdpSocketState::new(UdpSockRef::from(&*inner))?;
            if let Err(error) = state.enable_transport_errors(UdpSockRef::from(&*inner)) {
                tracing::debug!(%error, "the system does not report unreachable peers");
            }
            state
        };
        Ok(Self {
            socket,
            state,
            wraps_v4: address.is_ipv6(),
            buffer: vec![0; BATCH * BUFFER_BYTES].into_boxed_slice(),
            metas: [RecvMeta::default(); BATCH],
        })
    }

    /// How many datagrams one send call may carry; falls to 1 when the system refuses batches.
    pub(super) fn segments_max(&self) -> usize {
        self.state.max_gso_segments().clamp(1, SEGMENTS_MAX)
    }

    /// Receives what is there, up to a batch. The count is for [`datagrams`](Self::datagrams).
    pub(super) fn receive(&mut self) -> io::Result<usize> {
        let mut rest = self.buffer.chunks_exact_mut(BUFFER_BYTES);
        let mut buffers: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(rest.next().unwrap_or_default()));
        let (state, metas) = (&self.state, &mut self.metas);
        let inner = self.socket.inner();
        self.socket
            .try_read(|| state.recv(UdpSockRef::from(&*inner), &mut buffers, metas))
    }

    /// The datagrams of the first `count` buffers. Few of them share an allocation: that is much
    /// cheaper than one for each, and one datagram that is kept while it waits for an earlier one
    /// keeps no more than these.
    pub(super) fn datagrams(&self, count: usize) -> impl Iterator<Item = (DatagramMeta, BytesMut)> {
        let buffers = self.buffer.chunks_exact(BUFFER_BYTES);
        self.metas
            .iter()
            .zip(buffers)
            .take(count)
            .flat_map(|(meta, buffer)| {
                let about = DatagramMeta {
                    remote: unmapped(meta.addr),
                    local_ip: meta.dst_ip.map(|ip| ip.to_canonical()),
                    ecn: meta.ecn.map(from_codepoint),
                };
                let filled = buffer.get(..meta.len).unwrap_or(buffer);
                let stride = meta.stride.max(1);
                filled.chunks(stride * TOGETHER).flat_map(move |some| {
                    let mut some = BytesMut::from(some);
                    std::iter::from_fn(move || {
                        let size = some.len().min(stride);
                        (size > 0).then(|| (about, some.split_to(size)))
                    })
                })
            })
    }

    /// Sends one transmit, all its datagrams at once.
    pub(super) fn send(&self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        let destination = match self.wraps_v4 {
            true => mapped(transmit.destination),
            false => transmit.destination,
        };
        let transmit = quinn_udp::Transmit {
            destination,
            ecn: transmit.ecn.map(to_codepoint),
            contents,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        };
        let inner = self.socket.inner();
        self.socket
            .try_write(|| self.state.try_send(UdpSockRef::from(&*inner), &transmit))
    }

    /// What the network has reported since the last call, up to a batch.
    pub(super) fn reports(&self) -> Reports {
        let inner = self.socket.inner();
        let mut unreachable = BTreeSet::new();
        for _ in 0..REPORTS_MAX {
            match self.state.recv_transport_error(UdpSockRef::from(&*inner)) {
                Ok(Some(report)) => {
                    if let TransportErrorPayload::Unreachable = report.payload {
                        unreachable.extend(report.addr.map(|address| address.ip().to_canonical()));
                    }
                }
                Ok(None) => {
                    return Reports {
                        unreachable,
                        more: false,
                    };
                }
                Err(error) => tracing::debug!(%error, "a report of the network cannot be read"),
            }
        }
        Reports {
            unreachable,
            more: true,
        }
    }
}

fn from_codepoint(ecn: EcnCodepoint) -> Ecn {
    match ecn {
        EcnCodepoint::Ect0 => Ecn::Ect0,
        EcnCodepoint::Ect1 => Ecn::Ect1,
        EcnCodepoint::Ce => Ecn::Ce,
    }
}

fn to_codepoint(ecn: Ecn) -> EcnCodepoint {
    match ecn {
        Ecn::Ect0 => EcnCodepoint::Ect0,
        Ecn::Ect1 => EcnCodepoint::Ect1,
        Ecn::Ce => EcnCodepoint::Ce,
    }
}
