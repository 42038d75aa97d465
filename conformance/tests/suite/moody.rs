//! Sockets that block, fail, or are taken away; each kind is a runtime of its own around another.

use std::future::Future;
use std::io::{self, ErrorKind, IoSliceMut};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use peer_sender_driver::{Arrived, BindError, Datagrams, Report, Runtime, Transmit};

/// Every third datagram has to wait, for a socket that says at once that it can be written.
pub(crate) const BLOCKS: u8 = 0;
/// Calls fail now and then, and some of them when they are repeated.
pub(crate) const FAILS: u8 = 1;
/// Calls now and then report of an earlier datagram, as Linux does.
pub(crate) const REPORTS: u8 = 3;
/// After some waits the runtime takes the socket away.
pub(crate) const GOES: u8 = 2;
/// Reads are counted, for all sockets of the kind together.
pub(crate) const COUNTED: u8 = 4;
/// Datagrams above [`NARROW_BYTES`] are too large.
pub(crate) const NARROW: u8 = 5;
/// The same, once some large ones have gone.
pub(crate) const NARROWS: u8 = 6;
/// The system takes several datagrams at once, it says, and refuses them (GSO).
pub(crate) const ONE_BY_ONE: u8 = 7;
/// Less is received at once than there is and was asked for, and what is to be sent has to wait in the
/// midst of it.
pub(crate) const PARTIAL: u8 = 8;
/// Between what QUIC needs (RFC 9000 section 14) and what a path of Ethernet carries.
pub(crate) const NARROW_BYTES: usize = 1_300;
/// Large datagrams that go before they are too large.
const LARGE_MAX: u32 = 20;
/// Linux's error of a datagram that is too large.
const EMSGSIZE: i32 = 90;
/// Linux's error of several datagrams at once for a device that does not take them.
const EIO: i32 = 5;
pub(crate) static READS: AtomicU32 = AtomicU32::new(0);

/// The runtime, with a socket of that kind.
pub(crate) struct Moody<R, const KIND: u8>(PhantomData<fn() -> R>);

pub(crate) struct MoodySocket<S, const KIND: u8> {
    inner: S,
    reads: u32,
    writes: u32,
    waits: u32,
    /// Large datagrams that have gone, or several at once that were refused.
    large: u32,
    /// Said to wait, and not said to go on.
    blocked: bool,
}

impl<R: Runtime, const KIND: u8> Runtime for Moody<R, KIND> {
    type Socket = MoodySocket<R::Socket, KIND>;
    type Timer = R::Timer;

    fn bind(address: SocketAddr) -> Result<Self::Socket, BindError> {
        Ok(MoodySocket {
            inner: R::bind(address)?,
            reads: 0,
            writes: 0,
            waits: 0,
            large: 0,
            blocked: false,
        })
    }

    fn timer() -> R::Timer {
        R::timer()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        R::spawn(task)
    }

    fn now() -> Instant {
        R::now()
    }

    fn seed() -> io::Result<[u8; 32]> {
        R::seed()
    }
}

impl<S: Datagrams, const KIND: u8> Datagrams for MoodySocket<S, KIND> {
    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn buffers(&self) -> (usize, usize) {
        self.inner.buffers()
    }

    fn segments_max(&self) -> usize {
        match (KIND, self.large) {
            (ONE_BY_ONE, 0) => 10,
            (ONE_BY_ONE, _) => 1,
            _ => self.inner.segments_max(),
        }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waits += 1;
        if KIND == GOES && self.waits > 20 {
            return Poll::Ready(Err(io::Error::other("shutting down")));
        }
        self.inner.poll_readable(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.blocked) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.inner.poll_writable(cx)
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_report(cx)
    }

    fn receive(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        arrived: &mut Vec<Arrived>,
    ) -> io::Result<()> {
        let count = self.reads;
        self.reads += 1;
        if KIND == COUNTED {
            READS.fetch_add(1, Ordering::Relaxed);
        }
        if KIND == FAILS && count % 7 == 3 {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let most = match KIND {
            PARTIAL => 1 + count as usize % 3,
            _ => buffers.len(),
        };
        self.inner.receive(&mut buffers[..most], arrived)
    }

    fn send(&mut self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        let count = self.writes;
        self.writes += 1;
        match (KIND, count % 15) {
            (BLOCKS, 2 | 5 | 8 | 11 | 14) => Err(ErrorKind::WouldBlock.into()),
            (FAILS, 4 | 5) => Err(ErrorKind::NetworkUnreachable.into()),
            (FAILS, 9 | 10) | (REPORTS, 11) => Err(io::Error::from_raw_os_error(EMSGSIZE)),
            (REPORTS, 3 | 6) => Err(ErrorKind::ConnectionRefused.into()),
            (NARROW | NARROWS, _) => self.send_if_narrow(transmit, contents),
            (ONE_BY_ONE, _) => self.send_if_one(transmit, contents),
            (PARTIAL, 1 | 2 | 5 | 9 | 13) => {
                self.blocked = true;
                Err(ErrorKind::WouldBlock.into())
            }
            _ => self.inner.send(transmit, contents),
        }
    }

    fn report(&mut self) -> io::Result<Option<Report>> {
        self.inner.report()
    }
}

impl<S: Datagrams, const KIND: u8> MoodySocket<S, KIND> {
    fn send_if_narrow(&mut self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        let size = transmit.segment_size.unwrap_or(contents.len());
        let is_large = size.min(contents.len()) > NARROW_BYTES;
        if is_large && (KIND == NARROW || self.large >= LARGE_MAX) {
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        self.large += u32::from(is_large);
        self.inner.send(transmit, contents)
    }

    fn send_if_one(&mut self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        if transmit
            .segment_size
            .is_none_or(|size| size >= contents.len())
        {
            return self.inner.send(transmit, contents);
        }
        self.large += 1;
        assert!(self.large <= 2, "only what was refused is tried again");
        Err(io::Error::from_raw_os_error(EIO))
    }
}
