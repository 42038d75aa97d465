//! A sender as a sink.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_sink::Sink;
use peer_sender_core::{RejectReason, Rejected};

use super::PeerSender;
use super::flush::Flushing;
use super::line::Turn;

/// Posts what is put into it ([`PeerSender::post`]); made by [`PeerSender::sink`].
///
/// It takes a message when the one before was accepted, so that a full queue, or outcomes that
/// nobody reads, hold back whoever feeds it. Flushed, every message is settled that the sender had
/// accepted; that says nothing of their outcomes, which [`PeerSender::outcomes`] tells. Closed, it
/// is flushed; the sender itself goes on.
///
/// Dropped, it drops a message that it has taken and that the sender has not accepted: that can
/// only be one for which neither [`poll_ready`](Sink::poll_ready) nor
/// [`poll_flush`](Sink::poll_flush) was ready since.
///
/// A message that is not accepted is handed back with the error, and the sink can be used further.
pub struct PeerSink {
    peer: PeerSender,
    /// A message that waits for room.
    pending: Option<(Bytes, Turn)>,
    flushing: Flushing,
}

impl PeerSink {
    pub(super) fn new(peer: PeerSender) -> Self {
        Self {
            peer,
            pending: None,
            flushing: Flushing::default(),
        }
    }

    /// Ready when the sender has accepted, or rejected, all that was put in.
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        let Some((payload, turn)) = &mut self.pending else {
            return Poll::Ready(Ok(()));
        };
        let (lane, ttl) = (self.peer.lane, self.peer.ttl);
        let polled = turn.poll(&self.peer.shared, cx, |mailbox, out| {
            mailbox.put_posted(lane, ttl, std::mem::take(payload), out)
        });
        let Poll::Ready(accepted) = polled else {
            return Poll::Pending;
        };
        let payload = std::mem::take(payload);
        self.forget_pending();
        Poll::Ready(match accepted {
            Ok(_id) => Ok(()),
            Err(reason) => Err(Rejected { reason, payload }),
        })
    }

    fn forget_pending(&mut self) {
        if let Some((_payload, mut turn)) = self.pending.take() {
            turn.leave(&self.peer.shared);
        }
    }
}

impl Sink<Bytes> for PeerSink {
    type Error = Rejected;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        self.poll_pending(cx)
    }

    /// Without a [`poll_ready`](Sink::poll_ready) that was ready before it, a message may come
    /// back as [`QueueFull`](RejectReason::QueueFull).
    fn start_send(mut self: Pin<&mut Self>, payload: Bytes) -> Result<(), Rejected> {
        let this = &mut *self;
        if this.pending.is_some() {
            let reason = RejectReason::QueueFull;
            return Err(Rejected { reason, payload });
        }
        // What a flush waits for is looked at anew.
        this.flushing.leave(&this.peer.shared);
        match this.peer.try_post(payload) {
            Ok(_id) => Ok(()),
            Err(Rejected {
                reason: RejectReason::QueueFull | RejectReason::OutcomesUnread { .. },
                payload,
            }) => {
                let turn = Turn::new(this.peer.lane, payload.len(), true);
                this.pending = Some((payload, turn));
                Ok(())
            }
            Err(rejected) => Err(rejected),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        let this = &mut *self;
        match this.poll_pending(cx) {
            Poll::Ready(Ok(())) => this.flushing.poll(&this.peer.shared, cx).map(Ok),
            waits_or_failed => waits_or_failed,
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        self.poll_flush(cx)
    }
}

impl Drop for PeerSink {
    fn drop(&mut self) {
        self.forget_pending();
        self.flushing.leave(&self.peer.shared);
    }
}

impl fmt::Debug for PeerSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSink")
            .field("peer", &self.peer)
            .field(
                "pending_bytes",
                &self.pending.as_ref().map(|(payload, _)| payload.len()),
            )
            .finish_non_exhaustive()
    }
}
