//! A socket of the kernel, whichever runtime watches it: datagrams in and out, in batches.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::task::{Context, Poll};

use peer_sender_quic::{DatagramMeta, Ecn, Transmit};
use quinn_udp::{EcnCodepoint, RecvMeta, TransportErrorPayload, UdpSockRef, UdpSocketState};
use socket2::SockRef;

use crate::bind::BindError;
use crate::control::{mapped, unmapped};
use crate::runtime::{Arrived, AsyncUdp, Datagrams, Report};

/// What is asked of the kernel for each direction: with many peers small buffers cost most of the
/// throughput.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Buffers that one receive call fills at most.
const BATCH: usize = 16;

/// A UDP socket of the kernel that a runtime watches, read and written with all that the system can
/// do: GRO, GSO, ECN, reports of errors.
#[derive(Debug)]
pub struct KernelSocket<S> {
    watched: S,
    state: UdpSocketState,
    address: SocketAddr,
    /// What the kernel gave: receive, send, in bytes.
    buffers: (usize, usize),
    metas: [RecvMeta; BATCH],
}

impl<S: AsyncUdp> KernelSocket<S> {
    /// Opens a socket, asks for buffers, and has it watched: what is handed over is bound and does not
    /// block.
    ///
    /// # Errors
    ///
    /// The system has no socket at this address; or what `watch` says
    /// ([`Runtime`](BindError::Runtime)).
    pub fn bind(
        address: SocketAddr,
        watch: impl FnOnce(UdpSocket) -> io::Result<S>,
    ) -> Result<Self, BindError> {
        let socket = open(address).map_err(|error| BindError::from_io(address, &error))?;
        let bound = socket.local_addr();
        let bound = bound.map_err(|error| BindError::from_io(address, &error))?;
        let buffers = enlarge_buffers(&SockRef::from(&socket));
        let watched = watch(socket).map_err(|error| BindError::from_runtime(&error))?;
        let state = capable(&watched.inner()).map_err(|error| BindError::from_runtime(&error))?;
        Ok(Self {
            watched,
            state,
            address: bound,
            buffers,
            metas: [RecvMeta::default(); BATCH],
        })
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Asks the system for all that it can do.
fn capable(socket: &SockRef<'_>) -> io::Result<UdpSocketState> {
    let state = UdpSocketState::new(UdpSockRef::from(&**socket))?;
    if let Err(error) = state.enable_transport_errors(UdpSockRef::from(&**socket)) {
        tracing::debug!(%error, "the system does not report unreachable peers");
    }
    Ok(state)
}

/// Buffers that stay small make a node slow, not unusable: what was given is reported.
fn enlarge_buffers(socket: &SockRef<'_>) -> (usize, usize) {
    let asked = [
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES),
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES),
    ];
    for error in asked.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "the system refuses larger socket buffers");
    }
    let receive = socket.recv_buffer_size().unwrap_or(0);
    let send = socket.send_buffer_size().unwrap_or(0);
    (usable(receive), usable(send))
}

/// Linux reports twice what it gives, to count its own books in (socket(7)).
fn usable(reported: usize) -> usize {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        reported / 2
    } else {
        reported
    }
}

impl<S: AsyncUdp> Datagrams for KernelSocket<S> {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn buffers(&self) -> (usize, usize) {
        self.buffers
    }

    /// Falls to 1 when the system refuses batches.
    fn segments_max(&self) -> usize {
        self.state.max_gso_segments().max(1)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched.poll_readable(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched.poll_writable(cx)
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.watched.poll_error(cx)
    }

    fn receive(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        arrived: &mut Vec<Arrived>,
    ) -> io::Result<()> {
        let count = buffers.len().min(BATCH);
        let buffers = buffers.get_mut(..count).unwrap_or_default();
        let (state, metas) = (&self.state, &mut self.metas);
        let inner = self.watched.inner();
        let count = self
            .watched
            .try_read(|| state.recv(UdpSockRef::from(&*inner), buffers, metas))?;
        arrived.extend(metas.iter().take(count).map(|meta| Arrived {
            about: DatagramMeta {
                remote: unmapped(meta.addr),
                local_ip: meta.dst_ip.map(|ip| ip.to_canonical()),
                ecn: meta.ecn.map(from_codepoint),
            },
            bytes: meta.len,
            stride: meta.stride,
        }));
        Ok(())
    }

    fn send(&mut self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        // A socket that speaks IPv6 speaks IPv4 only in its wrapping.
        let destination = match self.address.is_ipv6() {
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
        let inner = self.watched.inner();
        self.watched
            .try_write(|| self.state.try_send(UdpSockRef::from(&*inner), &transmit))
    }

    fn report(&mut self) -> io::Result<Option<Report>> {
        let inner = self.watched.inner();
        let report = self.state.recv_transport_error(UdpSockRef::from(&*inner))?;
        Ok(report.map(|report| match (report.payload, report.addr) {
            (TransportErrorPayload::Unreachable, Some(address)) => {
                Report::Unreachable(address.ip().to_canonical())
            }
            _ => Report::Other,
        }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::at_first;

    /// A socket that nobody watches.
    struct Unwatched(UdpSocket);

    impl AsyncUdp for Unwatched {
        fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_writable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            io()
        }

        fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            io()
        }

        fn inner(&self) -> SockRef<'_> {
            SockRef::from(&self.0)
        }
    }

    fn bind(address: SocketAddr) -> Result<KernelSocket<Unwatched>, BindError> {
        KernelSocket::bind(address, |socket| Ok(Unwatched(socket)))
    }

    fn error(address: SocketAddr) -> BindError {
        bind(address).err().unwrap()
    }

    #[test]
    fn an_address_in_use_is_named() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr();
        let error = error(address);
        assert_eq!(error, BindError::AddressInUse { address });
        assert!(error.to_string().starts_with(&address.to_string()));
    }

    #[test]
    fn an_address_of_another_host_is_named() {
        let address: SocketAddr = "192.0.2.1:0".parse().unwrap();
        assert_eq!(error(address), BindError::AddressNotAvailable { address });
    }

    #[test]
    fn the_first_address_that_works_is_taken() {
        let used = bind("127.0.0.1:0".parse().unwrap()).unwrap().local_addr();
        let in_use = bind(used).unwrap();
        let addresses = [used, "127.0.0.1:0".parse().unwrap()];
        let bound = at_first(&addresses[..], bind).unwrap();
        assert_ne!(bound.local_addr(), in_use.local_addr());
        assert!(bound.buffers().0 > 0 && bound.buffers().1 > 0);
    }

    #[test]
    fn without_an_address_there_is_no_socket() {
        let none: &[SocketAddr] = &[];
        let text = String::new();
        let error = at_first(none, bind).err();
        assert_eq!(error, Some(BindError::NoAddress { text }));
        let error = at_first("no port", bind).err();
        assert!(matches!(error, Some(BindError::NoAddress { .. })));
    }

    #[test]
    fn a_runtime_that_does_not_watch_is_told_from_a_system_without_room() {
        let unwatched = KernelSocket::<Unwatched>::bind("127.0.0.1:0".parse().unwrap(), |_| {
            Err(io::Error::other("no runtime"))
        });
        let text = "no runtime".to_owned();
        assert_eq!(unwatched.err(), Some(BindError::Runtime { text }));
    }
}
