//! Tokio's socket, timer and spawn.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use peer_sender_driver::{AsyncTimer, AsyncUdp, BindError, KernelSocket, Runtime};
use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::time::Sleep;

/// The tokio runtime that the caller runs in, of either flavour, with I/O and time enabled.
#[derive(Clone, Copy, Debug)]
pub enum Tokio {}

impl Runtime for Tokio {
    type Socket = KernelSocket<Socket>;
    type Timer = Timer;

    fn bind(address: SocketAddr) -> Result<Self::Socket, BindError> {
        KernelSocket::bind(address, Socket::new)
    }

    fn timer() -> Timer {
        Timer(None)
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        tokio::spawn(task);
        Ok(())
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// A UDP socket registered with tokio.
pub struct Socket {
    io: Arc<UdpSocket>,
    /// Waits for an error of the socket, while there is none.
    error: Option<Pin<Box<dyn Future<Output = io::Result<Ready>> + Send>>>,
}

impl Socket {
    /// Has a bound, non-blocking socket watched.
    ///
    /// # Errors
    ///
    /// The caller runs in no runtime of tokio's, or the system cannot watch it.
    ///
    /// # Panics
    ///
    /// The runtime has no I/O.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        Handle::try_current().map_err(io::Error::other)?;
        Ok(Self {
            io: Arc::new(UdpSocket::from_std(socket)?),
            error: None,
        })
    }
}

impl AsyncUdp for Socket {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_recv_ready(cx)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_send_ready(cx)
    }

    fn poll_error(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let error = self.error.get_or_insert_with(|| {
            let io = Arc::clone(&self.io);
            Box::pin(async move { io.ready(Interest::ERROR).await })
        });
        if error.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.error = None;
        // Tokio keeps a readiness until an attempt says that nothing is there.
        let seen: io::Result<()> = self
            .io
            .try_io(Interest::ERROR, || Err(io::ErrorKind::WouldBlock.into()));
        drop(seen);
        Poll::Ready(())
    }

    fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.io.try_io(Interest::READABLE, io)
    }

    fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.io.try_io(Interest::WRITABLE, io)
    }

    fn inner(&self) -> socket2::SockRef<'_> {
        socket2::SockRef::from(&*self.io)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("io", &self.io)
            .finish_non_exhaustive()
    }
}

/// A timer of tokio's, with its resolution of a millisecond.
#[derive(Debug)]
pub struct Timer(Option<Pin<Box<Sleep>>>);

impl AsyncTimer for Timer {
    fn reset(&mut self, at: Instant) {
        let at = at.into();
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.0 = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
