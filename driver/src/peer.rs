//! What a user holds of a peer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use peer_sender_core::{Capacity, PeerEvent, Rejected, StopMode, StopReason};
use peer_sender_quic::{PeerConfig, PeerStats};

use crate::bell::{Bell, lock};
use crate::events::{EventHub, Events};
use crate::mailbox::{Mailbox, Ticket};
use crate::receipt::Receipt;
use crate::wait::{reply, wake_all};

/// A sender to one peer. Cheap to clone; all clones are the same sender.
///
/// It takes messages into the peer's mailbox, a bounded queue, and never waits behind the
/// driver's work. Messages are sent in the order in which they were accepted.
///
/// Dropping it, or all its clones, changes nothing: what was accepted is sent all the same. It
/// does not keep its [`Node`](crate::Node) alive: when the last `Node` handle is dropped the
/// sender is stopped with [`StopMode::Abort`].
#[derive(Clone)]
pub struct PeerSender {
    shared: Arc<PeerShared>,
}

/// What the handles of a peer and the driver share.
pub(crate) struct PeerShared {
    /// The peer's place at the driver.
    index: usize,
    bell: Arc<Bell>,
    pub(crate) mailbox: Mutex<Mailbox>,
    pub(crate) events: Mutex<EventHub>,
}

impl PeerSender {
    pub(crate) fn new(shared: Arc<PeerShared>) -> Self {
        Self { shared }
    }

    /// Hands a message over, once there is room for it. Callers are served in the order in which
    /// they came, whatever the size of their messages.
    ///
    /// The receipt tells the message's one outcome; dropping it does not retract the message.
    ///
    /// # Errors
    ///
    /// The message is handed back if it is larger than the configured `message_bytes_max`
    /// ([`TooLarge`](crate::RejectReason::TooLarge)), or if the sender was stopped, before or
    /// while it waited ([`Stopped`](crate::RejectReason::Stopped)).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, the message was not accepted and is dropped with it, and the place
    /// in line goes to the next caller. There is no wait after acceptance.
    ///
    /// Kept without being polled, or leaked ([`std::mem::forget`]), it keeps its place and, once
    /// its turn has come, room for its message: other callers of `send` share what room is left,
    /// and [`try_send`](Self::try_send) answers `QueueFull` until it is polled or dropped.
    pub async fn send(&self, payload: impl Into<Bytes>) -> Result<Receipt, Rejected> {
        Sending {
            peer: &self.shared,
            payload: payload.into(),
            place: None,
        }
        .await
    }

    /// Hands a message over if there is room now and no [`send`](Self::send) stands in line for
    /// it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`QueueFull`](crate::RejectReason::QueueFull): wait with
    /// `send` instead, or try again later. The message is handed back.
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<Receipt, Rejected> {
        let (ticket, announce) = {
            let mut mailbox = lock(&self.shared.mailbox);
            (mailbox.push(payload.into())?, mailbox.announce())
        };
        Ok(self.shared.receipt(ticket, announce))
    }

    /// What happens to the peer from now on. The stream ends after
    /// [`PeerEvent::SenderStopped`]; of a sender that has stopped already it yields that alone.
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.shared))
    }

    /// The peer's counters as they are at the driver's next turn, or as they were at the end.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn stats(&self) -> PeerStats {
        let (to, from) = reply();
        let asked = {
            let mut mailbox = lock(&self.shared.mailbox);
            mailbox.ask_stats(to).map(|()| mailbox.announce())
        };
        if asked.is_ok_and(|announce| announce) {
            self.shared.ring();
        }
        match from.await {
            Some(stats) => stats,
            None => lock(&self.shared.mailbox).last_stats,
        }
    }

    /// Stops the sender, in whatever state it is: nothing is accepted from here on. Resolves when
    /// every accepted message has its outcome and [`PeerEvent::SenderStopped`] was emitted.
    ///
    /// With [`StopMode::Drain`] what was accepted is finished within that time, dialling again
    /// where needed, and the rest is settled then; with [`StopMode::Abort`] everything is
    /// settled now. A further stop may only shorten the first.
    ///
    /// # Cancel safety
    ///
    /// The sender is asked to stop when this is first polled; dropping it later changes nothing
    /// of that. Call it again to wait for the end.
    pub async fn stop(&self, mode: StopMode) -> StopReason {
        self.shared.stop(mode);
        Stopped {
            peer: &self.shared,
            place: None,
        }
        .await
    }
}

impl fmt::Debug for PeerSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSender")
            .field("index", &self.shared.index)
            .finish_non_exhaustive()
    }
}

impl PeerShared {
    pub(crate) fn new(index: usize, bell: Arc<Bell>, config: &PeerConfig) -> Self {
        let machine = config.machine();
        let credit = Capacity {
            messages: machine.queue_messages_max(),
            bytes: machine.queue_bytes_max(),
        };
        Self {
            index,
            bell,
            mailbox: Mutex::new(Mailbox::new(machine.message_bytes_max(), credit)),
            events: Mutex::default(),
        }
    }

    /// Tells whoever listens.
    pub(crate) fn emit(&self, event: PeerEvent) {
        let wakers = lock(&self.events).emit(event);
        wake_all(wakers);
    }

    /// Asks for the end, and tells the driver.
    pub(crate) fn stop(&self, mode: StopMode) {
        let mut wakers = Vec::new();
        let announce = {
            let mut mailbox = lock(&self.mailbox);
            mailbox.stop(mode, &mut wakers);
            mailbox.stopped().is_none() && mailbox.announce()
        };
        if announce {
            self.ring();
        }
        wake_all(wakers);
    }

    /// The end: every message gets its outcome, then whoever listens hears of the end, then those
    /// who wait for it.
    pub(crate) fn finish(&self, reason: StopReason, stats: PeerStats) {
        let mut wakers = Vec::new();
        let messages = lock(&self.mailbox).settle_all(&mut wakers);
        self.emit(PeerEvent::SenderStopped { reason });
        let news = lock(&self.mailbox).finish(reason, stats, &mut wakers);
        drop((messages, news));
        wake_all(wakers);
    }

    fn ring(&self) {
        self.bell.ring_for(self.index);
    }

    fn receipt(self: &Arc<Self>, ticket: Ticket, announce: bool) -> Receipt {
        if announce {
            self.ring();
        }
        Receipt::new(Arc::clone(self), ticket)
    }
}

/// A message whose caller waits for room.
struct Sending<'a> {
    peer: &'a Arc<PeerShared>,
    payload: Bytes,
    /// In line, while it stands there.
    place: Option<u64>,
}

impl Future for Sending<'_> {
    type Output = Result<Receipt, Rejected>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut wakers = Vec::new();
        let (answer, announce) = {
            let mut mailbox = lock(&this.peer.mailbox);
            let (place, payload) = (&mut this.place, &mut this.payload);
            let answer = mailbox.poll_push(place, payload, cx.waker(), &mut wakers);
            let announce = matches!(answer, Ok(Ok(_))) && mailbox.announce();
            (answer, announce)
        };
        wake_all(wakers);
        match answer {
            Ok(Ok(ticket)) => Poll::Ready(Ok(this.peer.receipt(ticket, announce))),
            Ok(Err(reason)) => Poll::Ready(Err(Rejected {
                reason,
                payload: std::mem::take(&mut this.payload),
            })),
            Err(_replaced) => Poll::Pending,
        }
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut wakers: Vec<Waker> = Vec::new();
            let _replaced = lock(&self.peer.mailbox).leave_line(place, &mut wakers);
            wake_all(wakers);
        }
    }
}

/// Waits for the end of a sender.
struct Stopped<'a> {
    peer: &'a PeerShared,
    place: Option<u64>,
}

impl Future for Stopped<'_> {
    type Output = StopReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<StopReason> {
        let this = &mut *self;
        let _replaced = {
            let mut mailbox = lock(&this.peer.mailbox);
            match mailbox.stopped() {
                Some(reason) => return Poll::Ready(reason),
                None => mailbox.waiting.join(&mut this.place, cx.waker()),
            }
        };
        Poll::Pending
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let _replaced = lock(&self.peer.mailbox).waiting.leave(place);
        }
    }
}

#[cfg(test)]
mod tests;
