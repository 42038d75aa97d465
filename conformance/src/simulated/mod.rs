//! A runtime without threads, sockets and time of the system: one thread, a network in memory, and a
//! clock that jumps.
//!
//! Tasks run one at a time, in the order in which they were woken. A turn of a task takes a microsecond
//! of the clock; when none can run, the clock jumps to the earliest timer or datagram. So the same
//! program does the same in each run, at the same times, but for what TLS draws by itself.

mod executor;
mod network;

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use peer_sender_driver::{Arrived, AsyncTimer, BindError, Datagrams, Report, Runtime, Transmit};

use self::executor::Executor;
pub use self::executor::block_on;
use self::network::Network;

/// The runtime.
#[derive(Clone, Copy, Debug)]
pub enum Simulated {}

/// All that there is on a thread while [`block_on`] runs there.
#[derive(Default)]
struct World {
    now: Duration,
    executor: Executor,
    network: Network,
    seeds: u64,
    timers: u64,
}

thread_local! {
    static HERE: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Does something with the world of this thread; none if there is none.
fn with<T>(what: impl FnOnce(&mut World) -> T) -> Option<T> {
    HERE.with_borrow_mut(|here| here.as_mut().map(what))
}

/// The moment that is zero, never seen.
#[expect(clippy::disallowed_methods, reason = "an origin to count from")]
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

fn nowhere() -> io::Error {
    io::Error::other("there is no simulation on this thread")
}

impl Runtime for Simulated {
    type Socket = Socket;
    type Timer = Timer;

    fn bind(address: SocketAddr) -> Result<Socket, BindError> {
        if !address.ip().is_loopback() && !address.ip().is_unspecified() {
            return Err(BindError::AddressNotAvailable { address });
        }
        let bound = with(|world| world.network.bind(address));
        match bound {
            Some(Some(address)) => Ok(Socket(address)),
            Some(None) => Err(BindError::AddressInUse { address }),
            None => Err(BindError::Runtime {
                text: nowhere().to_string(),
            }),
        }
    }

    fn timer() -> Timer {
        let name = with(|world| {
            world.timers += 1;
            world.timers
        });
        Timer {
            name: name.unwrap_or_default(),
            at: None,
        }
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        with(|world| world.executor.add(Box::pin(task))).ok_or_else(nowhere)
    }

    fn now() -> Instant {
        origin() + with(|world| world.now).unwrap_or_default()
    }

    /// Counts, so that each node has another and each run the same.
    fn seed() -> io::Result<[u8; 32]> {
        with(|world| {
            world.seeds += 1;
            let mut seed = [0; 32];
            let (number, _) = seed.split_at_mut(8);
            number.copy_from_slice(&world.seeds.to_le_bytes());
            seed
        })
        .ok_or_else(nowhere)
    }
}

/// A socket of the network of its thread.
#[derive(Debug)]
pub struct Socket(SocketAddr);

impl Datagrams for Socket {
    fn local_addr(&self) -> SocketAddr {
        self.0
    }

    fn buffers(&self) -> (usize, usize) {
        (network::INBOX_BYTES_MAX, usize::MAX)
    }

    fn segments_max(&self) -> usize {
        network::SEGMENTS_MAX
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = with(|world| world.network.poll_inbox(self.0, cx.waker()));
        polled.map_or_else(|| Poll::Ready(Err(nowhere())), |ready| ready.map(Ok))
    }

    fn poll_writable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = with(|world| world.network.poll_reports(self.0, cx.waker()));
        polled.unwrap_or(Poll::Pending)
    }

    fn receive(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        arrived: &mut Vec<Arrived>,
    ) -> io::Result<()> {
        with(|world| world.network.receive(self.0, buffers, arrived)).ok_or_else(nowhere)?;
        match arrived.is_empty() {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }

    fn send(&mut self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        with(|world| world.network.send(world.now, self.0, transmit, contents)).ok_or_else(nowhere)
    }

    fn report(&mut self) -> io::Result<Option<Report>> {
        with(|world| world.network.report(self.0)).ok_or_else(nowhere)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        with(|world| world.network.close(self.0));
    }
}

/// A timer of the clock of its thread.
#[derive(Debug)]
pub struct Timer {
    name: u64,
    at: Option<Duration>,
}

impl AsyncTimer for Timer {
    fn reset(&mut self, at: Instant) {
        self.forget();
        self.at = Some(at.saturating_duration_since(origin()));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        let is_over = with(|world| {
            let is_over = at <= world.now;
            if !is_over {
                world.executor.wake_at((at, self.name), cx.waker());
            }
            is_over
        });
        match is_over {
            Some(true) => Poll::Ready(()),
            Some(false) | None => Poll::Pending,
        }
    }
}

impl Timer {
    fn forget(&self) {
        if let Some(at) = self.at {
            with(|world| world.executor.forget((at, self.name)));
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests;
