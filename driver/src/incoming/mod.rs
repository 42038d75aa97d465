//! Messages that come in: how the application takes and answers them.

mod ledger;
mod message;
mod queue;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use peer_sender_core::RefuseCode;
use peer_sender_quic::PeerId;

use crate::bell::lock;
use crate::wait::wake_all;

pub use message::{IncomingMessage, Received};
pub(crate) use queue::Inbox;
use queue::{Delivery, Taken};

/// The most messages of a batch: they are taken under one lock, which the driver waits for.
const BATCH_MAX: usize = 256;

/// The messages of every session of a node, as a stream that ends when the node has stopped.
///
/// It is fair: sessions that have messages take turns. Several `Incoming` of one node share its
/// messages, each message goes to one of them.
///
/// Messages wait until they are taken, and count until they are answered: those of all who dial
/// with one key in the budget of that key
/// ([`inbound_bytes_max`](crate::NodeConfigBuilder::inbound_bytes_max)) and in the one of the node
/// ([`inbound_bytes_total_max`](crate::NodeConfigBuilder::inbound_bytes_total_max)), the replies of
/// a peer that this node dials in the budget of that peer
/// ([`inbound_bytes_max`](crate::ConfigBuilder::inbound_bytes_max)). When one is used up whoever
/// sends in it is held back, and nothing is lost.
///
/// Messages of one lane of a session come in order. They may be answered in any order; receipts
/// cover each lane up to its first unanswered message.
pub struct Incoming<P: PeerId> {
    inbox: Arc<Inbox<P>>,
    /// Its place among those who wait.
    place: Option<u64>,
}

impl<P: PeerId> Incoming<P> {
    pub(crate) fn new(inbox: Arc<Inbox<P>>) -> Self {
        Self { inbox, place: None }
    }

    /// The next message; none once the node has stopped.
    ///
    /// # Cancel safety
    ///
    /// No message is lost by dropping it.
    pub async fn next(&mut self) -> Option<IncomingMessage<P>> {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// The next message, if one is there already.
    pub fn try_next(&mut self) -> Option<IncomingMessage<P>> {
        let taken = lock(&self.inbox.state).take()?;
        Some(IncomingMessage::new(Arc::clone(&self.inbox), taken))
    }

    /// Accepts each message when the next one is asked for: for an application whose word for a
    /// message is worth no more than that it went on to the next.
    pub fn auto(self) -> AutoIncoming<P> {
        AutoIncoming {
            incoming: self,
            last: Vec::new(),
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<IncomingMessage<P>>> {
        let taken = self.poll_taken(&mut Vec::new(), cx.waker());
        taken.map(|taken| taken.map(|taken| IncomingMessage::new(Arc::clone(&self.inbox), taken)))
    }

    /// Accepts messages and takes the next under one lock.
    fn poll_taken(
        &mut self,
        accepted: &mut Vec<Delivery>,
        waker: &Waker,
    ) -> Poll<Option<Taken<P>>> {
        self.poll_some(accepted, 1, &mut Vec::new(), waker)
    }

    /// As [`poll_taken`](Self::poll_taken), and takes `more` until there are `most` in all.
    fn poll_some(
        &mut self,
        accepted: &mut Vec<Delivery>,
        most: usize,
        more: &mut Vec<Taken<P>>,
        waker: &Waker,
    ) -> Poll<Option<Taken<P>>> {
        let (taken, ring) = {
            let mut state = lock(&self.inbox.state);
            let mut ring = false;
            for delivery in accepted.drain(..) {
                ring |= state.answer(delivery, None);
            }
            let first = state.take();
            more.extend(std::iter::from_fn(|| state.take()).take(match first {
                Some(_) => most.saturating_sub(1),
                None => 0,
            }));
            let taken = match first {
                Some(taken) => Ok(Some(taken)),
                None if state.is_closed() => Ok(None),
                None => Err(state.waiting.join(&mut self.place, waker)),
            };
            (taken, ring)
        };
        if ring {
            self.inbox.bell.ring();
        }
        taken.map_or_else(|_replaced| Poll::Pending, Poll::Ready)
    }
}

impl<P: PeerId> Stream for Incoming<P> {
    type Item = IncomingMessage<P>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<IncomingMessage<P>>> {
        self.poll_message(cx)
    }
}

impl<P: PeerId> Drop for Incoming<P> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let _replaced = lock(&self.inbox.state).waiting.leave(place);
        }
    }
}

impl<P: PeerId> fmt::Debug for Incoming<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

/// An [`Incoming`] that accepts each message when the next one is asked for.
///
/// Dropped, it accepts nothing more: the last message or batch that it yielded is then refused with
/// code 3 (dropped unanswered), although the application has seen it.
pub struct AutoIncoming<P: PeerId> {
    incoming: Incoming<P>,
    /// The messages that were yielded last.
    last: Vec<Delivery>,
}

impl<P: PeerId> AutoIncoming<P> {
    /// Accepts the message before, and gives the next; none once the node has stopped.
    ///
    /// # Cancel safety
    ///
    /// No message is lost by dropping it. The message before is accepted when this is first
    /// polled.
    pub async fn next(&mut self) -> Option<Received<P>> {
        poll_fn(|cx| self.poll_received(cx)).await
    }

    /// Accepts the messages before, and gives the next ones, at least one and at most `max` (from 1
    /// to 256); none once the node has stopped. Cheaper than one at a time where they come fast.
    ///
    /// # Cancel safety
    ///
    /// No message is lost by dropping it. The messages before are accepted when this is first
    /// polled.
    pub async fn next_batch(&mut self, max: usize) -> Option<Vec<Received<P>>> {
        poll_fn(|cx| self.poll_batch(max.clamp(1, BATCH_MAX), cx)).await
    }

    fn poll_batch(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<Option<Vec<Received<P>>>> {
        let mut more = Vec::new();
        let taken = self
            .incoming
            .poll_some(&mut self.last, most, &mut more, cx.waker());
        taken.map(|first| {
            let all = std::iter::once(first?).chain(more).map(|taken| {
                self.last.push(taken.delivery());
                Received::new(&self.incoming.inbox, taken)
            });
            Some(all.collect())
        })
    }

    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received<P>>> {
        let taken = self.incoming.poll_taken(&mut self.last, cx.waker());
        taken.map(|taken| {
            taken.map(|taken| {
                self.last.push(taken.delivery());
                Received::new(&self.incoming.inbox, taken)
            })
        })
    }
}

impl<P: PeerId> Stream for AutoIncoming<P> {
    type Item = Received<P>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received<P>>> {
        self.poll_received(cx)
    }
}

impl<P: PeerId> Drop for AutoIncoming<P> {
    fn drop(&mut self) {
        for last in self.last.drain(..) {
            self.incoming.inbox.answer(last, Some(RefuseCode::Dropped));
        }
    }
}

impl<P: PeerId> fmt::Debug for AutoIncoming<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutoIncoming")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// Wakes those who wait for messages, once for all that came.
pub(crate) fn wake_takers<P: PeerId>(inbox: &Inbox<P>) {
    let wakers = lock(&inbox.state).waiting.take();
    wake_all(wakers.into_values());
}

#[cfg(test)]
mod tests;
