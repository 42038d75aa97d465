//! The socket, and room for what it receives.

use std::collections::BTreeSet;
use std::io::{self, IoSliceMut};
use std::net::IpAddr;

use bytes::BytesMut;
use peer_sender_quic::{DatagramMeta, Transmit};

use crate::runtime::{Arrived, Datagrams, Report};

/// Buffers filled by one receive call. Each may hold many datagrams (GRO).
const BATCH: usize = 16;
/// The most that the kernel puts into one buffer.
const BUFFER_BYTES: usize = 1 << 16;
/// Datagrams that the first send calls of a burst may carry (GSO), and the last of these those behind
/// them: a large batch costs half as much a datagram as a small one, but the other end waits until it is
/// made. All of them fit into what one call may carry, 64 KiB.
const SEGMENTS_MAX: [usize; 3] = [10, 20, 40];
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

/// See the module.
pub(super) struct Udp<S> {
    pub(super) socket: S,
    buffer: Box<[u8]>,
    arrived: Vec<Arrived>,
}

impl<S: Datagrams> Udp<S> {
    pub(super) fn new(socket: S) -> Self {
        Self {
            socket,
            buffer: vec![0; BATCH * BUFFER_BYTES].into_boxed_slice(),
            arrived: Vec::with_capacity(BATCH),
        }
    }

    /// How many datagrams the next send call may carry, after so many of the same burst: as many as the
    /// socket takes at most.
    pub(super) fn segments_max(&self, sent: usize) -> usize {
        let [.., most] = SEGMENTS_MAX;
        let some = SEGMENTS_MAX.get(sent).copied().unwrap_or(most);
        self.socket.segments_max().min(some)
    }

    /// Receives what is there, up to a batch, for [`datagrams`](Self::datagrams).
    pub(super) fn receive(&mut self) -> io::Result<()> {
        self.arrived.clear();
        let mut rest = self.buffer.chunks_exact_mut(BUFFER_BYTES);
        let mut buffers: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(rest.next().unwrap_or_default()));
        self.socket.receive(&mut buffers, &mut self.arrived)
    }

    /// The datagrams that were received. Few of them share an allocation: that is much cheaper than
    /// one for each, and one datagram that is kept while it waits for an earlier one keeps no more
    /// than these.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (DatagramMeta, BytesMut)> {
        let buffers = self.buffer.chunks_exact(BUFFER_BYTES);
        self.arrived
            .iter()
            .zip(buffers)
            .flat_map(|(arrived, buffer)| {
                let about = arrived.about;
                let filled = buffer.get(..arrived.bytes).unwrap_or(buffer);
                let stride = arrived.stride.max(1);
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
    pub(super) fn send(&mut self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        self.socket.send(transmit, contents)
    }

    /// What the network has reported since the last call, up to a batch.
    pub(super) fn reports(&mut self) -> Reports {
        let mut unreachable = BTreeSet::new();
        for _ in 0..REPORTS_MAX {
            match self.socket.report() {
                Ok(Some(Report::Unreachable(host))) => {
                    unreachable.insert(host);
                }
                Ok(Some(Report::Other)) => {}
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
