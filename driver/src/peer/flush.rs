//! Waiting until everything is settled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::PeerShared;
use crate::bell::lock;
use crate::mailbox::FlushPlace;

/// Resolves when everything is settled that was accepted before it was first polled.
pub(super) struct Flush<'a> {
    peer: &'a PeerShared,
    flushing: Flushing,
}

/// What a flush waits for.
#[derive(Debug, Default)]
pub(super) struct Flushing(Option<FlushPlace>);

impl<'a> Flush<'a> {
    pub(super) fn new(peer: &'a PeerShared) -> Self {
        let flushing = Flushing::default();
        Self { peer, flushing }
    }
}

impl Future for Flush<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.flushing.poll(this.peer, cx)
    }
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        self.flushing.leave(self.peer);
    }
}

impl Flushing {
    /// Ready once everything is settled that was accepted before the first call since it was last
    /// ready or left.
    pub(super) fn poll(&mut self, peer: &PeerShared, cx: &mut Context<'_>) -> Poll<()> {
        let polled = lock(&peer.mailbox).poll_flush(&mut self.0, cx.waker());
        if polled.is_ok() {
            self.0 = None;
        }
        polled.map_or_else(|_replaced| Poll::Pending, Poll::Ready)
    }

    /// Waits no longer.
    pub(super) fn leave(&mut self, peer: &PeerShared) {
        if let Some(place) = self.0.take() {
            let _replaced = lock(&peer.mailbox).leave_flush(place);
        }
    }
}
