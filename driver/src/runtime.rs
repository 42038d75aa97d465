//! What an adapter implements: a runtime's socket, timer and spawn. No protocol decision.

use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::task::{Context, Poll};
use std::time::Instant;

/// An asynchronous runtime.
pub trait Runtime: Send + Sync + 'static {
    /// Its UDP socket.
    type Socket: AsyncUdp;
    /// Its timer.
    type Timer: AsyncTimer;

    /// Registers a bound, non-blocking socket with the runtime that the caller runs in.
    ///
    /// # Errors
    ///
    /// The caller runs in no such runtime, or the runtime cannot watch the socket.
    fn socket(socket: UdpSocket) -> io::Result<Self::Socket>;

    /// A timer that is not armed.
    fn timer() -> Self::Timer;

    /// Runs a task to its end, or until the runtime is dropped. Called where
    /// [`socket`](Self::socket) has succeeded.
    ///
    /// # Errors
    ///
    /// The system has no room for it; the task is dropped.
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()>;

    /// The runtime's clock, which its timers follow. Never goes back.
    fn now() -> Instant;
}

/// A UDP socket that tells when it is ready. The driver does the reading and writing itself.
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
