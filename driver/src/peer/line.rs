//! Waiting for room.

use std::task::{Context, Poll};

use peer_sender_core::{Lane, RejectReason};

use super::{PeerSender, PeerShared};
use crate::bell::lock;
use crate::mailbox::{Mailbox, Places, PutOut};
use crate::wait::wake_all;

/// A caller that waits for room for one message. Dropped, it leaves the line.
pub(super) struct Standing<'a> {
    peer: &'a PeerSender,
    turn: Turn,
}

/// What is waited for, and where.
#[derive(Debug)]
pub(super) struct Turn {
    lane: Lane,
    bytes: usize,
    /// Waits for unread outcomes, too.
    posts: bool,
    places: Places,
}

impl<'a> Standing<'a> {
    pub(super) fn new(peer: &'a PeerSender, bytes: usize) -> Self {
        Self {
            peer,
            turn: Turn::new(peer.lane, bytes, false),
        }
    }

    /// The same, for a message whose outcome goes to the readers.
    pub(super) fn posting(mut self) -> Self {
        self.turn.posts = true;
        self
    }

    pub(super) fn poll_room<T>(
        &mut self,
        cx: &mut Context<'_>,
        accept: impl FnOnce(&mut Mailbox, &mut PutOut) -> T,
    ) -> Poll<Result<T, RejectReason>> {
        self.peer.check()?;
        self.turn.poll(&self.peer.shared, cx, accept)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.turn.leave(&self.peer.shared);
    }
}

impl Turn {
    pub(super) fn new(lane: Lane, bytes: usize, posts: bool) -> Self {
        Self {
            lane,
            bytes,
            posts,
            places: Places::default(),
        }
    }

    /// Takes room, and under the same lock does with it what the caller wants; or stands in line.
    pub(super) fn poll<T>(
        &mut self,
        peer: &PeerShared,
        cx: &mut Context<'_>,
        accept: impl FnOnce(&mut Mailbox, &mut PutOut) -> T,
    ) -> Poll<Result<T, RejectReason>> {
        let mut out = PutOut::default();
        let (polled, announce) = {
            let mut mailbox = lock(&peer.mailbox);
            let (lane, bytes, places) = (self.lane, self.bytes, &mut self.places);
            let wakers = &mut out.wakers;
            let room = match self.posts {
                true => mailbox.poll_room_to_post(lane, bytes, places, cx.waker(), wakers),
                false => mailbox.poll_room(lane, bytes, places, cx.waker(), wakers),
            };
            let polled = room.map(|taken| taken.map(|()| accept(&mut mailbox, &mut out)));
            let announce = matches!(polled, Ok(Ok(_))) && mailbox.announce();
            (polled, announce)
        };
        peer.ring_if(announce);
        wake_all(out.wakers);
        polled.map_or_else(|_replaced| Poll::Pending, Poll::Ready)
    }

    /// Waits no longer.
    pub(super) fn leave(&mut self, peer: &PeerShared) {
        if self.places.are_taken() {
            let (lane, places) = (self.lane, &mut self.places);
            let _replaced = peer.apart(|mailbox, wakers| mailbox.leave(lane, places, wakers));
        }
    }
}
