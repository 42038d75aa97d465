//! API skeleton.
#![allow(clippy::todo, unused, missing_docs)]
pub use peer_sender_driver::*;
use std::{future::Future, io, task::{Context, Poll}, time::Instant};

pub type Node<P> = peer_sender_driver::Node<P, Tokio>;
pub struct Tokio;
pub struct Socket;
pub struct Timer;
impl Runtime for Tokio {
    type Socket = Socket;
    type Timer = Timer;
    fn socket(socket: std::net::UdpSocket) -> io::Result<Socket> { todo!() }
    fn timer() -> Timer { todo!() }
    fn spawn(task: impl Future<Output = ()> + Send + 'static) { todo!() }
}
impl AsyncUdp for Socket {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> { todo!() }
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> { todo!() }
    fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> { todo!() }
    fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> { todo!() }
    fn inner(&self) -> socket2::SockRef<'_> { todo!() }
}
impl AsyncTimer for Timer {
    fn reset(&mut self, at: Instant) { todo!() }
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> { todo!() }
}
