//! Nodes for programs without async, with no runtime: each is a thread, and whoever waits sleeps.
//!
//! A [`Node`] here is the same as under a runtime, and so are its handles; what they return as
//! futures is waited for by [`block_on`]:
//!
//! ```
//! use std::time::Duration;
//!
//! use peer_sender_driver::blocking::{Node, block_on, receive, send};
//! use peer_sender_driver::{Identity, NodeConfig, PeerConfig, StopMode, Trust};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));
//! let trust = Trust::Keys([alice.key()].into());
//! let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
//! let listener: Node<String> = block_on(Node::bind("127.0.0.1:0", config))?;
//! let mut incoming = listener.incoming();
//! let receiving = std::thread::spawn(move || {
//!     let message = receive(&mut incoming).expect("nobody stops it before");
//!     assert_eq!(message.accept(), "hello");
//! });
//!
//! let node: Node<String> = block_on(Node::bind("127.0.0.1:0", NodeConfig::new(alice)))?;
//! let config = PeerConfig::new(bob.key(), listener.local_addr())?;
//! let peer = node.peer("bob".to_string(), config)?;
//! assert!(send(&peer, "hello")?.is_delivered());
//!
//! block_on(node.stop(StopMode::Drain(Duration::from_secs(10))));
//! # receiving.join().map_err(|_| "it panicked")?;
//! # Ok(())
//! # }
//! ```
//!
//! The thread of a node ends with it, and with the thread everything that it had of the system.

mod node_thread;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer_sender_core::{Outcome, Rejected};
use peer_sender_quic::PeerId;

use self::node_thread::{Deadline, now};
pub use self::node_thread::{Socket, Timer};
use crate::bind::BindError;
use crate::incoming::{Incoming, IncomingMessage};
use crate::kernel::KernelSocket;
use crate::peer::PeerSender;
use crate::runtime::Runtime;

/// A node on a thread of its own; see [`Node`](crate::Node).
pub type Node<P> = crate::Node<P, Blocking>;

/// No runtime: every task is a thread.
#[derive(Clone, Copy, Debug)]
pub enum Blocking {}

impl Runtime for Blocking {
    type Socket = KernelSocket<Socket>;
    type Timer = Timer;

    fn bind(address: SocketAddr) -> Result<Self::Socket, BindError> {
        KernelSocket::bind(address, |socket| Ok(Socket::new(socket)))
    }

    fn timer() -> Timer {
        Timer::new()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        node_thread::start(task)
    }

    fn now() -> Instant {
        now()
    }
}

/// Waits for a future on this thread, which sleeps meanwhile.
///
/// Any future will do that needs no runtime, as those of every handle do. On a thread of a runtime
/// it holds up that runtime's other tasks.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        // There is no limit, so it does not end without an output.
        if let Some(output) = block_until(None, future.as_mut()) {
            return output;
        }
    }
}

/// As [`block_on`], for a limited time; none if that was over first. The future is dropped then:
/// what that means is said under "Cancel safety" of whoever made it.
pub fn block_on_for<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    block_until(now().checked_add(limit), pin!(future))
}

fn block_until<T>(
    limit: Option<Instant>,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let outer = Deadline::replace(None);
    let output = loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            break Some(output);
        }
        let limit = limit.map(|limit| limit.saturating_duration_since(now()));
        if limit == Some(Duration::ZERO) {
            break None;
        }
        match [limit, Deadline::left()].into_iter().flatten().min() {
            None => thread::park(),
            Some(left) => thread::park_timeout(left),
        }
    };
    // Of a future around this one, which waits on this thread as well.
    Deadline::replace(outer);
    output
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Hands a message over and waits for its outcome, [`PeerSender::send`] and its receipt in one.
///
/// # Errors
///
/// It was not accepted, and is handed back.
pub fn send(peer: &PeerSender, payload: impl Into<Bytes>) -> Result<Outcome, Rejected> {
    let receipt = block_on(peer.send(payload))?;
    Ok(block_on(receipt))
}

/// Waits for the next message; none if the node has stopped.
pub fn receive<P: PeerId>(incoming: &mut Incoming<P>) -> Option<IncomingMessage<P>> {
    block_on(incoming.next())
}

#[cfg(test)]
mod tests;
