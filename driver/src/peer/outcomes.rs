//! The outcomes of posted messages, as a stream.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use peer_sender_core::{MessageId, Outcome};

use super::PeerShared;
use crate::bell::lock;

/// The outcome of each message that was [posted](super::PeerSender::post) since this was made, in
/// the order in which they fell. It ends when the sender has stopped and all are read.
///
/// Each `Outcomes` has a buffer of its own, and nothing in it is ever lost. When a buffer holds
/// 8,192 outcomes, nothing more is posted until every reader has read down to half of that, or is
/// dropped: whoever reads slowly holds back who posts. A buffer grows beyond that by no more than
/// what was posted and not settled at the time. A task that both posts and reads must not await
/// [`post`](super::PeerSender::post) alone, since it may wait for this to be read.
///
/// Dropping it lets go of its outcomes; they are counted in
/// [`stats`](super::PeerSender::stats) all the same.
pub struct Outcomes {
    peer: Arc<PeerShared>,
    key: u64,
    /// Taken from the mailbox, some at once.
    ready: VecDeque<(MessageId, Outcome)>,
}

impl Outcomes {
    pub(super) fn new(peer: Arc<PeerShared>) -> Self {
        let key = lock(&peer.mailbox).join_readers();
        Self {
            peer,
            key,
            ready: VecDeque::new(),
        }
    }

    /// The next outcome; none after the last one.
    ///
    /// # Cancel safety
    ///
    /// No outcome is lost by dropping it.
    pub async fn next(&mut self) -> Option<(MessageId, Outcome)> {
        poll_fn(|cx| self.poll_outcome(cx)).await
    }

    /// How many outcomes wait to be read.
    pub fn unread(&self) -> usize {
        self.ready.len() + lock(&self.peer.mailbox).unread(self.key)
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Option<(MessageId, Outcome)>> {
        if let Some(next) = self.ready.pop_front() {
            return Poll::Ready(Some(next));
        }
        let (key, ready) = (self.key, &mut self.ready);
        let polled = self
            .peer
            .apart(|mailbox, wakers| mailbox.poll_outcomes(key, ready, cx.waker(), wakers));
        match polled {
            Ok(()) => Poll::Ready(self.ready.pop_front()),
            Err(_replaced) => Poll::Pending,
        }
    }
}

impl Stream for Outcomes {
    type Item = (MessageId, Outcome);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_outcome(cx)
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        let _reader = self
            .peer
            .apart(|mailbox, wakers| mailbox.leave_readers(self.key, wakers));
    }
}

impl fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
