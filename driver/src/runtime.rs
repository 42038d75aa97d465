//! What an adapter implements: a runtime's socket, timer and spawn. No protocol decision.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

use peer_sender_quic::{DatagramMeta, Transmit};

use crate::bind::BindError;

/// An asynchronous runtime.
pub trait Runtime: Send + Sync + 'static {
    /// Its UDP socket: a [`KernelSocket`](crate::KernelSocket), or one of a network of its own.
    type Socket: Datagrams;
    /// Its timer.
    type Timer: AsyncTimer;

    /// Opens a socket at this address, for the runtime that the caller runs in. Port 0 is any free
    /// one.
    ///
    /// # Errors
    ///
    /// There can be none at this address; or the caller runs in no such runtime, or the runtime
    /// cannot watch the socket ([`BindError::Runtime`]).
    fn bind(address: SocketAddr) -> Result<Self::Socket, BindError>;

    /// A timer that is not armed.
    fn timer() -> Self::Timer;

    /// Runs a task to its end, or until the runtime is dropped. Called where
    /// [`bind`](Self::bind) has succeeded.
    ///
    /// # Errors
    ///
    /// The system has no room for it; the task is dropped.
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()>;

    /// The runtime's clock, which its timers follow. Never goes back.
    fn now() -> Instant;

    /// All the chance of a new node, or of new records: by default from the system. Only tests and
    /// simulations have a reason to give another: a seed that is used twice makes two sessions of one
    /// name, and a receiver takes the new messages of one for the old ones of the other.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    fn seed() -> io::Result<[u8; 32]> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(seed)
    }
}

/// Where a node's datagrams go and come from. A runtime that watches sockets of the kernel implements
/// [`AsyncUdp`] and leaves this to [`KernelSocket`](crate::KernelSocket).
pub trait Datagrams: Send + 'static {
    /// The address that it is bound to.
    fn local_addr(&self) -> SocketAddr;

    /// The room that it has for datagrams: of those received, of those sent, in bytes.
    fn buffers(&self) -> (usize, usize);

    /// How many datagrams of one size it may be given at once; at least 1. Asked before each call of
    /// [`send`](Self::send).
    fn segments_max(&self) -> usize;

    /// Ready when there may be something to receive; otherwise the task is woken then.
    ///
    /// # Errors
    ///
    /// The runtime no longer watches the socket: it is shutting down. The node ends.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when there may be room to send; otherwise the task is woken then.
    ///
    /// # Errors
    ///
    /// As [`poll_readable`](Self::poll_readable).
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when the network may have reported something; otherwise the task is woken then, or when
    /// something fails.
    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Receives what is there, into as many of the buffers as that takes, from the first on; says of
    /// each that is filled what is in it.
    ///
    /// # Errors
    ///
    /// Nothing is there ([`WouldBlock`](io::ErrorKind::WouldBlock)): the next
    /// [`poll_readable`](Self::poll_readable) waits. Any other is tried again, after the reports were
    /// read.
    fn receive(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        arrived: &mut Vec<Arrived>,
    ) -> io::Result<()>;

    /// Sends datagrams to one destination: all of them, or none.
    ///
    /// # Errors
    ///
    /// There is no room ([`WouldBlock`](io::ErrorKind::WouldBlock)): the next
    /// [`poll_writable`](Self::poll_writable) waits. Any other counts as a loss of these datagrams,
    /// if it comes twice.
    fn send(&mut self, transmit: &Transmit, contents: &[u8]) -> io::Result<()>;

    /// What the network has reported next of datagrams that were sent; none if there is nothing more.
    ///
    /// # Errors
    ///
    /// A report cannot be read.
    fn report(&mut self) -> io::Result<Option<Report>>;
}

/// What was received into one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// From where, and how.
    pub about: DatagramMeta,
    /// How many bytes of the buffer are filled.
    pub bytes: usize,
    /// The size of each datagram in it; the last may be shorter.
    pub stride: usize,
}

/// What the network says of a datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Nobody listens there, at this host.
    Unreachable(IpAddr),
    /// Anything else.
    Other,
}

/// A UDP socket of the kernel that tells when it is ready. [`KernelSocket`](crate::KernelSocket) does
/// the reading and writing.
pub trait AsyncUdp: Send + 'static {
    /// Ready when there may be something to read; otherwise the task is woken then.
    ///
    /// # Errors
    ///
    /// The runtime no longer watches the socket: it is shutting down.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when there may be room to write; otherwise the task is woken then.
    ///
    /// # Errors
    ///
    /// As [`poll_readable`](Self::poll_readable).
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when the socket's error queue may hold something, that is, when the network has
    /// reported an error (ICMP); otherwise the task is woken then. Runtimes that cannot tell keep
    /// the default, never ready: then the reports are seen at the next failing read or write.
    fn poll_error(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Pending
    }

    /// Reads, if the socket may be readable. On [`WouldBlock`](io::ErrorKind::WouldBlock) the
    /// next [`poll_readable`](Self::poll_readable) waits.
    ///
    /// # Errors
    ///
    /// What `io` returns, or `WouldBlock` without calling it.
    fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T>;

    /// Writes, if the socket may be writable. On [`WouldBlock`](io::ErrorKind::WouldBlock) the
    /// next [`poll_writable`](Self::poll_writable) waits.
    ///
    /// # Errors
    ///
    /// What `io` returns, or `WouldBlock` without calling it.
    fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T>;

    /// The socket itself, for its reads, writes and options.
    fn inner(&self) -> socket2::SockRef<'_>;
}

/// One timer, armed again and again.
pub trait AsyncTimer: Send + 'static {
    /// Arms it for this moment instead of any earlier one.
    fn reset(&mut self, at: Instant);

    /// Ready once the moment has come; otherwise the task is woken then. A timer that was never
    /// armed is never ready.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
