//! A runtime that is one of several, as the command line says.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Instant;

use peer_sender_async_std::AsyncStd;
use peer_sender_driver::{AsyncTimer, AsyncUdp, BindError, KernelSocket, Runtime, async_io};
use peer_sender_smol::Smol;
use peer_sender_tokio::Tokio;

use super::Name;

/// A node on what was [chosen](choose).
pub(crate) type Node<P> = peer_sender_driver::Node<P, Chosen>;

static NAME: OnceLock<Name> = OnceLock::new();

/// All nodes of the process run on this; what is said first holds.
pub(crate) fn choose(name: Name) {
    NAME.get_or_init(|| name);
}

fn chosen() -> Name {
    *NAME.get_or_init(Name::default)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Chosen {}

impl Runtime for Chosen {
    type Socket = KernelSocket<Socket>;
    type Timer = Timer;

    fn bind(address: SocketAddr) -> Result<Self::Socket, BindError> {
        KernelSocket::bind(address, |socket| match chosen() {
            Name::Tokio => peer_sender_tokio::Socket::new(socket).map(Socket::Tokio),
            Name::Smol | Name::AsyncStd => async_io::Socket::new(socket).map(Socket::AsyncIo),
        })
    }

    fn timer() -> Timer {
        match chosen() {
            Name::Tokio => Timer::Tokio(Tokio::timer()),
            Name::Smol | Name::AsyncStd => Timer::AsyncIo(async_io::Timer::new()),
        }
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        match chosen() {
            Name::Tokio => Tokio::spawn(task),
            Name::Smol => Smol::spawn(task),
            Name::AsyncStd => AsyncStd::spawn(task),
        }
    }

    fn now() -> Instant {
        match chosen() {
            Name::Tokio => Tokio::now(),
            Name::Smol | Name::AsyncStd => async_io::now(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Socket {
    Tokio(peer_sender_tokio::Socket),
    AsyncIo(async_io::Socket),
}

impl AsyncUdp for Socket {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tokio(socket) => socket.poll_readable(cx),
            Self::AsyncIo(socket) => socket.poll_readable(cx),
        }
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tokio(socket) => socket.poll_writable(cx),
            Self::AsyncIo(socket) => socket.poll_writable(cx),
        }
    }

    fn poll_error(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tokio(socket) => socket.poll_error(cx),
            Self::AsyncIo(socket) => socket.poll_error(cx),
        }
    }

    fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tokio(socket) => socket.try_read(io),
            Self::AsyncIo(socket) => socket.try_read(io),
        }
    }

    fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self {
            Self::Tokio(socket) => socket.try_write(io),
            Self::AsyncIo(socket) => socket.try_write(io),
        }
    }

    fn inner(&self) -> socket2::SockRef<'_> {
        match self {
            Self::Tokio(socket) => socket.inner(),
            Self::AsyncIo(socket) => socket.inner(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Timer {
    Tokio(peer_sender_tokio::Timer),
    AsyncIo(async_io::Timer),
}

impl AsyncTimer for Timer {
    fn reset(&mut self, at: Instant) {
        match self {
            Self::Tokio(timer) => timer.reset(at),
            Self::AsyncIo(timer) => timer.reset(at),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tokio(timer) => timer.poll(cx),
            Self::AsyncIo(timer) => timer.poll(cx),
        }
    }
}
