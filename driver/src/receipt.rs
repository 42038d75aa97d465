//! The receipt of an accepted message.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use peer_sender_core::{MessageId, Outcome};

use crate::bell::lock;
use crate::mailbox::Ticket;
use crate::peer::PeerShared;

/// The claim to a message's one outcome, as a future.
///
/// It always resolves: when the receiver has answered, when the sender was stopped, when the node
/// or its runtime was dropped. Polled again after that it gives the same outcome again.
///
/// # Cancel safety
///
/// Dropping it does not retract the message; its outcome is then only counted. One that is kept and
/// never polled, or leaked ([`std::mem::forget`]), costs the memory of its outcome and keeps that
/// of its sender, and holds nothing up.
#[must_use = "the receipt is the only way to learn what became of this message"]
pub struct Receipt {
    peer: Arc<PeerShared>,
    ticket: Ticket,
    outcome: Option<Outcome>,
}

impl Receipt {
    pub(crate) fn new(peer: Arc<PeerShared>, ticket: Ticket) -> Self {
        Self {
            peer,
            ticket,
            outcome: None,
        }
    }

    /// The message's name, increasing in the order of acceptance within its peer.
    pub fn id(&self) -> MessageId {
        self.ticket.id
    }
}

impl Future for Receipt {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        if self.outcome.is_none() {
            let polled = lock(&self.peer.mailbox)
                .slots
                .poll(self.ticket.slot, cx.waker());
            self.outcome = polled.ok();
        }
        self.outcome.clone().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.outcome.is_none() {
            let _replaced = lock(&self.peer.mailbox)
                .slots
                .close(self.ticket.id, self.ticket.slot);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("id", &self.ticket.id)
            .finish_non_exhaustive()
    }
}
