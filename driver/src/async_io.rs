//! The socket and the timer of every runtime that stands on [`async-io`](https://docs.rs/async-io):
//! smol, async-std, and whoever brings executors of their own.
//!
//! `async-io` watches sockets and keeps timers on a thread that it starts by itself, so that these
//! work wherever they are polled.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ::async_io::Async;

use crate::runtime::{AsyncTimer, AsyncUdp};

/// A UDP socket that `async-io` watches.
pub struct Socket {
    io: Async<UdpSocket>,
    said: Cell<Said>,
}

/// What was last said of reading, and what came of it.
///
/// `async-io` tells once of each event, and does not tell a datagram from an error of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// Nothing since it was last waited for.
    Nothing,
    /// That there is something to read.
    Readable,
    /// That, and nothing was there: what it told of may be an error.
    InVain,
    /// Something was read, which is what an event of before may have told of.
    Read,
}

impl Socket {
    /// Has a bound, non-blocking socket watched.
    ///
    /// # Errors
    ///
    /// The system cannot watch it.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        Ok(Self {
            io: Async::new_nonblocking(socket)?,
            said: Cell::new(Said::Nothing),
        })
    }
}

impl AsyncUdp for Socket {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.said.get() == Said::Read {
            self.said.set(Said::Nothing);
            // Of an event that has been seen to; to ask again is cheaper than to read in vain.
            let _seen = self.io.poll_readable(cx)?;
        }
        ready!(self.io.poll_readable(cx))?;
        self.said.set(Said::Readable);
        Poll::Ready(Ok(()))
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_writable(cx)
    }

    fn poll_error(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.said.get() != Said::InVain {
            return Poll::Pending;
        }
        self.said.set(Said::Nothing);
        Poll::Ready(())
    }

    fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let read = io();
        match &read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.said.get() == Said::Readable {
                    self.said.set(Said::InVain);
                }
            }
            Ok(_) | Err(_) => self.said.set(Said::Read),
        }
        read
    }

    fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        io()
    }

    fn inner(&self) -> socket2::SockRef<'_> {
        socket2::SockRef::from(self.io.get_ref())
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("io", self.io.get_ref())
            .finish_non_exhaustive()
    }
}

/// A timer of `async-io`'s.
#[derive(Debug)]
pub struct Timer(::async_io::Timer);

impl Timer {
    /// One that is not armed.
    pub fn new() -> Self {
        Self(::async_io::Timer::never())
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

impl AsyncTimer for Timer {
    fn reset(&mut self, at: Instant) {
        self.0.set_at(at);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

/// The clock that these timers follow.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of a runtime has to be read somewhere"
)]
pub fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::task::Waker;

    use super::*;

    fn pair() -> (Socket, UdpSocket) {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (socket, other) = (UdpSocket::bind(any).unwrap(), UdpSocket::bind(any).unwrap());
        socket.set_nonblocking(true).unwrap();
        other.connect(socket.local_addr().unwrap()).unwrap();
        (Socket::new(socket).unwrap(), other)
    }

    fn read(socket: &Socket) -> io::Result<usize> {
        socket.try_read(|| socket.io.get_ref().recv(&mut [0; 100]))
    }

    #[test]
    fn an_event_whose_datagram_was_read_does_not_count_and_one_without_any_may_be_an_error() {
        let (mut socket, other) = pair();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(socket.poll_readable(cx).is_pending());
        for _ in 0..3 {
            other.send(b"hello").unwrap();
            ::async_io::block_on(std::future::poll_fn(|cx| socket.poll_readable(cx))).unwrap();
            assert_eq!(read(&socket).unwrap(), 5);
            assert!(read(&socket).is_err());
            assert!(socket.poll_error(cx).is_pending(), "something was read");
            assert!(socket.poll_readable(cx).is_pending(), "of what was read");
        }

        other.send(b"hello").unwrap();
        ::async_io::block_on(std::future::poll_fn(|cx| socket.poll_readable(cx))).unwrap();
        // Somebody else takes it.
        socket.io.get_ref().recv(&mut [0; 100]).unwrap();
        assert!(socket.poll_error(cx).is_pending());
        assert!(read(&socket).is_err());
        assert!(socket.poll_error(cx).is_ready());
        assert!(socket.poll_error(cx).is_pending(), "told once");
    }

    #[test]
    fn a_timer_rings_when_it_was_armed_for_and_not_before() {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut timer = Timer::new();
        assert!(timer.poll(cx).is_pending(), "not armed");
        let hour = std::time::Duration::from_secs(3_600);
        timer.reset(now() + hour);
        assert!(timer.poll(cx).is_pending());
        let soon = now() + std::time::Duration::from_millis(5);
        timer.reset(soon);
        ::async_io::block_on(std::future::poll_fn(|cx| timer.poll(cx)));
        assert!(now() >= soon);
        timer.reset(now() + hour);
        assert!(timer.poll(cx).is_pending(), "armed again");
    }
}
