//! The times of messages, as a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::PeerShared;
use crate::bell::lock;
use crate::mailbox::Transfer;

/// The times and the outcome of each message that was settled since this was made, in the order in
/// which they were settled. It ends when the sender has stopped and all are read.
///
/// It is for measurements and holds nobody back: each `Transfers` keeps the last 8,192, and if its
/// reader lags behind, the oldest go, and [`missed`](Self::missed) counts them. Outcomes that must not
/// be lost come by [`Receipt`](crate::Receipt) or [`Outcomes`](crate::Outcomes).
///
/// Only a node that keeps times tells any
/// ([`NodeConfigBuilder::transfers`](crate::NodeConfigBuilder::transfers)).
pub struct Transfers {
    peer: Arc<PeerShared>,
    key: u64,
}

impl Transfers {
    pub(super) fn new(peer: Arc<PeerShared>) -> Self {
        let key = lock(&peer.mailbox).join_listeners();
        Self { peer, key }
    }

    /// The next one; none after the last one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping it.
    pub async fn next(&mut self) -> Option<Transfer> {
        poll_fn(|cx| self.poll_transfer(cx)).await
    }

    /// How many went unread because more than 8,192 were waiting.
    pub fn missed(&self) -> u64 {
        lock(&self.peer.mailbox).missed(self.key)
    }

    fn poll_transfer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Transfer>> {
        let polled = lock(&self.peer.mailbox).poll_transfer(self.key, cx.waker());
        polled.map_or_else(|_replaced| Poll::Pending, Poll::Ready)
    }
}

impl Stream for Transfers {
    type Item = Transfer;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transfer>> {
        self.poll_transfer(cx)
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        let _listener = lock(&self.peer.mailbox).leave_listeners(self.key);
    }
}

impl fmt::Debug for Transfers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfers")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
