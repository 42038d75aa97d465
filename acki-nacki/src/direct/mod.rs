//! Direct sending to many peers, and taking what peers send directly, on any node that speaks
//! [`Protocol::Framed`](peer_sender_driver::Protocol::Framed) (feature `driver`, off by default).
//!
//! - [`Direct`] sends to peers by their names. What is for a name whose address nobody knows yet waits in
//!   a bounded room, until [`resolve`](Direct::resolve) tells who and where the peer is, or its time is
//!   over.
//! - [`DirectIncoming`] reads what comes in as [`NetMessage`](crate::NetMessage)s, and closes on who sends
//!   anything else.
//! - [`DirectMetrics`] counts what both do, and times its phases.
//!
//! There is no clock, socket or task in here but the runtime's ([`Runtime`](peer_sender_driver::Runtime)).
//!
//! ```
//! use peer_sender_acki_nacki::direct::{Direct, DirectConfig, DirectIncoming, DirectMetrics};
//! use peer_sender_acki_nacki::{Limits, NetMessage};
//! use peer_sender_driver::{Identity, Node, NodeConfig, Outcome, PeerConfig, Runtime, Trust};
//!
//! # #[expect(dead_code, reason = "there is no runtime here")]
//! async fn block_manager<R: Runtime>(
//!     identity: Identity,
//!     block: NetMessage,
//!     found: PeerConfig,
//! ) -> Result<Outcome, Box<dyn std::error::Error>> {
//!     let config = NodeConfig::builder(identity).acki_nacki().transfers(true).build()?;
//!     let node = Node::<String, R>::bind("0.0.0.0:0", config).await?;
//!     let metrics = DirectMetrics::default();
//!     let mut replies = DirectIncoming::new(node.incoming(), Limits::default(), &metrics);
//!     let direct = Direct::new(node, DirectConfig::default(), &metrics)?;
//!
//!     // It waits, since nobody knows where `validator-7` is.
//!     let receipt = direct.send(&"validator-7".to_owned(), block)?;
//!     direct.resolve("validator-7".to_owned(), found)?;
//!     let outcome = receipt.await;
//!     if let Some(Ok(reply)) = replies.next().await {
//!         println!("{:?} from {:?}", reply.message(), reply.from());
//!         reply.accept();
//!     }
//!     Ok(outcome)
//! }
//! ```

mod error;
mod histogram;
mod incoming;
mod metrics;
mod receipt;
mod room;
mod sender;
mod tasks;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::error::{DirectReason, DirectRejected, MalformedFrom, ResolveError};
pub use self::histogram::{BUCKETS, Histogram};
pub use self::incoming::{DirectIncoming, DirectMessage};
pub use self::metrics::{DirectCounters, DirectMetrics, Incident, Phase};
pub use self::receipt::DirectReceipt;
pub use self::sender::{Direct, DirectConfig};

/// Whatever panicked while it held a lock of ours has left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
