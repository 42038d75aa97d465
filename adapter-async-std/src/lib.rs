//! Send messages to peers over QUIC, on async-std, with one truthful outcome for each.
//!
//! **For programs that already stand on async-std.** Its authors have discontinued it
//! (RUSTSEC-2025-0052) and point to smol, on whose parts it stands: new programs are better off with
//! `peer-sender-smol`, or `peer-sender-tokio`. This crate goes when async-std no longer builds, or has a
//! fault that nobody mends.
//!
//! Everything but the runtime is the same as in `peer-sender-tokio`, by the same names: whoever changes
//! runtimes changes one `use`. The guide is that crate's page (`cargo doc -p peer-sender-tokio --open`);
//! this one has a quick start, and what is particular to async-std.
//!
//! # Quick start
//!
//! Two nodes on loopback: one listens and accepts what it is sent, the other sends and learns what
//! became of its message. The same as a program of its own:
//! `cargo run -p peer-sender-async-std --example on_async_std`.
//!
//! ```
//! use std::time::Duration;
//!
//! use peer_sender_async_std::{Identity, Node, NodeConfig, PeerConfig, StopMode, Trust};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! async_std::task::block_on(async {
//! // An identity is 32 secret random bytes; a peer is known by the key that goes with them.
//! let [alice, bob] = [1, 2].map(|byte| Identity::from_secret([byte; 32]));
//!
//! // Bob lets Alice in.
//! let trust = Trust::Keys([alice.key()].into());
//! let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
//! let listener = Node::<String>::bind("127.0.0.1:0", config).await?;
//! let mut incoming = listener.incoming();
//!
//! // Alice dials Bob, and nobody but him.
//! let node = Node::bind("127.0.0.1:0", NodeConfig::new(alice)).await?;
//! let config = PeerConfig::new(bob.key(), listener.local_addr())?;
//! let peer = node.peer("bob".to_string(), config)?;
//! let receipt = peer.send("hello").await?;
//!
//! let message = incoming.next().await.ok_or("the listener has stopped")?;
//! assert_eq!(message.payload(), "hello");
//! message.accept();
//! assert!(receipt.await.is_delivered());
//!
//! node.stop(StopMode::Drain(Duration::from_secs(10))).await;
//! Ok(())
//! })
//! # }
//! ```
//!
//! # The runtime
//!
//! A node is one task on async-std's executor (`task::spawn`), and uses one core: for more, bind
//! several nodes and spread the peers over them. That executor has a thread for each core. Sockets
//! and timers are those of `async-io`, which starts a thread for them by itself. So [`Node::bind`]
//! may be called anywhere, and handles may be used from any thread and any executor. Neither
//! executor nor reactor ends while the process runs: a node ends when it is [stopped](Node::stop),
//! or its last [`Node`] is dropped.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

pub use peer_sender_driver::async_io::{Socket, Timer};
pub use peer_sender_driver::*;

/// A node on async-std; see [`peer_sender_driver::Node`].
pub type Node<P> = peer_sender_driver::Node<P, AsyncStd>;

/// async-std's global executor, with the sockets and timers of `async-io`.
#[derive(Clone, Copy, Debug)]
pub enum AsyncStd {}

impl Runtime for AsyncStd {
    type Socket = KernelSocket<Socket>;
    type Timer = Timer;

    fn bind(address: SocketAddr) -> Result<Self::Socket, BindError> {
        KernelSocket::bind(address, Socket::new)
    }

    fn timer() -> Timer {
        Timer::new()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        async_std::task::spawn(task);
        Ok(())
    }

    fn now() -> Instant {
        async_io::now()
    }
}
