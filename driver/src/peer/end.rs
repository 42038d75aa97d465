//! The end of a sender, for whoever asks for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use peer_sender_core::{StopReason, Unsent};

use super::PeerShared;
use crate::bell::lock;

/// How a sender ended, and what it had not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Why it ended.
    pub reason: StopReason,
    /// Every message that has [`Failed`](crate::Outcome::Failed) because of the end, in the order of
    /// acceptance: it was never sent, or it is proven that the peer does not have it, so it may be
    /// sent by another way. The proof is the peer's word, or, under
    /// [`Protocol::Plain`](crate::Protocol::Plain), the end of a connection that had not taken all of
    /// the message. What the peer may have is not among them. Empty where nobody had asked for the
    /// end when it began; see [`PeerSender::stop`](crate::PeerSender::stop).
    pub unsent: Vec<Unsent>,
}

/// Waits for the end.
pub(super) struct End<'a> {
    peer: &'a PeerShared,
    place: Option<u64>,
}

impl<'a> End<'a> {
    pub(super) fn of(peer: &'a PeerShared) -> Self {
        Self { peer, place: None }
    }
}

impl Future for End<'_> {
    type Output = Stopped;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Stopped> {
        let this = &mut *self;
        let _replaced = {
            let mut mailbox = lock(&this.peer.mailbox);
            match mailbox.stopped() {
                Some(reason) => {
                    let unsent = mailbox.unsent();
                    return Poll::Ready(Stopped { reason, unsent });
                }
                None => mailbox.waiting.join(&mut this.place, cx.waker()),
            }
        };
        Poll::Pending
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let _replaced = lock(&self.peer.mailbox).waiting.leave(place);
        }
    }
}
