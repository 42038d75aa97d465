//! Send messages to peers over QUIC, on tokio, with one truthful outcome for each.
//!
//! # Quick start
//!
//! Two nodes on loopback: one listens and accepts what it is sent, the other sends and learns what
//! became of its message.
//!
//! ```
//! use std::time::Duration;
//!
//! use peer_sender_tokio::{Identity, Node, NodeConfig, PeerConfig, StopMode, Trust};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // An identity is 32 secret random bytes; a peer is known by the key that goes with them.
//!     let (alice, bob) = (Identity::from_secret([1; 32]), Identity::from_secret([2; 32]));
//!
//!     // Bob lets Alice in.
//!     let trust = Trust::Keys([alice.key()].into());
//!     let config = NodeConfig::builder(bob.clone()).accept(trust).build()?;
//!     let listener = Node::<String>::bind("127.0.0.1:0", config).await?;
//!     let mut incoming = listener.incoming();
//!
//!     // Alice dials Bob, and nobody but him.
//!     let node = Node::bind("127.0.0.1:0", NodeConfig::new(alice)).await?;
//!     let config = PeerConfig::new(bob.key(), listener.local_addr())?;
//!     let peer = node.peer("bob".to_string(), config)?;
//!     let receipt = peer.send("hello").await?;
//!
//!     let message = incoming.next().await.ok_or("the listener has stopped")?;
//!     assert_eq!(message.payload(), "hello");
//!     message.accept();
//!     assert!(receipt.await.is_delivered());
//!
//!     node.stop(StopMode::Drain(Duration::from_secs(10))).await;
//!     Ok(())
//! }
//! ```
//!
//! # Sending
//!
//! [`Node::peer`] starts a [`PeerSender`], which dials at once and again after every loss, with
//! growing pauses. [`send`](PeerSender::send) waits for room in its queue,
//! [`try_send`](PeerSender::try_send) does not; a message that is not accepted is handed back. An
//! accepted one has exactly one [`Outcome`], which its [`Receipt`] resolves to:
//!
//! | outcome | it means |
//! |---|---|
//! | [`Delivered`](Outcome::Delivered) | the receiving application accepted it |
//! | [`Refused`](Outcome::Refused) | the receiver refused this message |
//! | [`Failed`](Outcome::Failed) | it did not arrive and never will |
//! | [`Unknown`](Outcome::Unknown) | it may have arrived; the evidence is gone |
//!
//! Messages of a peer arrive in the order in which they were accepted, each once, over any number
//! of lost connections. What happens to the connection is told by [`PeerSender::events`].
//!
//! # Receiving
//!
//! A node whose configuration says whom to [`accept`](NodeConfigBuilder::accept) yields their
//! messages through [`Node::incoming`]. The sender learns of a delivery only when the application
//! [accepts](IncomingMessage::accept) the message; [`Incoming::auto`] accepts each when the next
//! one is asked for. An application that is slow holds its senders back: nothing is dropped. What
//! waits for it is bounded for each session of a sender by
//! [`inbound_bytes_max`](NodeConfigBuilder::inbound_bytes_max), not for the node: in the worst case
//! a node holds that much for each of its sessions, whose number
//! [`sessions_max`](NodeConfigBuilder::sessions_max) and
//! [`sessions_per_key_max`](NodeConfigBuilder::sessions_per_key_max) bound.
//!
//! # Stopping
//!
//! [`PeerSender::stop`] and [`Node::stop`] finish what was accepted within a time, or settle
//! everything at once. Dropping the last [`Node`] handle, or the runtime, settles everything at
//! once: no receipt is ever left hanging.
//!
//! # Runtimes
//!
//! Both flavours of tokio's runtime work, with I/O and time enabled
//! ([`enable_all`](tokio::runtime::Builder::enable_all)); without them tokio panics in
//! [`Node::bind`]. A node is one task and uses one core: for more, bind several nodes and spread
//! the peers over them.

mod runtime;

pub use peer_sender_driver::*;
pub use runtime::{Socket, Timer, Tokio};

/// A node on tokio; see [`peer_sender_driver::Node`].
pub type Node<P> = peer_sender_driver::Node<P, Tokio>;
