//! Room that is held for a message to come.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Lane, MessageId, RejectReason, Rejected};

use super::{PeerSender, PeerShared};
use crate::mailbox::{Mailbox, PutOut};
use crate::receipt::Receipt;

/// Room for one message, taken by [`PeerSender::reserve`].
///
/// The message takes its place in the order of its lane when it is sent, not when its room was
/// reserved. Dropping the permit gives the room to the first in line. While it is kept, or after
/// it was leaked ([`std::mem::forget`]), the room is nobody else's.
#[must_use = "a permit holds room that others wait for"]
pub struct Permit {
    peer: Arc<PeerShared>,
    lane: Lane,
    ttl: Option<Duration>,
    bytes: usize,
    /// The room is not given back yet.
    holds: bool,
}

impl Permit {
    pub(super) fn new(peer: &PeerSender, bytes: usize) -> Self {
        Self {
            peer: Arc::clone(&peer.shared),
            lane: peer.lane,
            ttl: peer.ttl,
            bytes,
            holds: true,
        }
    }

    /// The most bytes that the message may have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Hands the message over, without waiting.
    ///
    /// # Errors
    ///
    /// It is larger than what was reserved ([`BeyondReserved`](RejectReason::BeyondReserved)), or
    /// the sender was stopped meanwhile ([`Stopped`](RejectReason::Stopped)). The message is
    /// handed back, and the room is given back.
    pub fn send(mut self, payload: impl Into<Bytes>) -> Result<Receipt, Rejected> {
        let ticket = self.redeem(payload.into(), Mailbox::use_held, Mailbox::put)?;
        Ok(Receipt::new(Arc::clone(&self.peer), ticket))
    }

    /// As [`send`](Self::send), without a receipt: see [`PeerSender::post`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); and [`OutcomesUnread`](RejectReason::OutcomesUnread) while a stream
    /// of outcomes lags behind, where [`PeerSender::post`] would wait.
    pub fn post(mut self, payload: impl Into<Bytes>) -> Result<MessageId, Rejected> {
        self.redeem(
            payload.into(),
            Mailbox::use_held_to_post,
            Mailbox::put_posted,
        )
    }

    fn redeem<T>(
        &mut self,
        mut payload: Bytes,
        take: impl FnOnce(&mut Mailbox, Lane, usize, usize, &mut Vec<Waker>) -> Result<(), RejectReason>,
        put: impl FnOnce(&mut Mailbox, Lane, Option<Duration>, Bytes, &mut PutOut) -> T,
    ) -> Result<T, Rejected> {
        let (lane, ttl) = (self.lane, self.ttl);
        let (held, bytes) = (self.bytes, payload.len());
        let used = self.peer.apart(|mailbox, wakers| {
            take(mailbox, lane, held, bytes, wakers)?;
            // Where room can be reserved, nothing is put out to make some.
            let out = &mut PutOut::default();
            let put = put(mailbox, lane, ttl, std::mem::take(&mut payload), out);
            Ok::<_, RejectReason>((put, mailbox.announce()))
        });
        match used {
            Ok((put, announce)) => {
                self.holds = false;
                self.peer.ring_if(announce);
                Ok(put)
            }
            Err(reason) => Err(Rejected { reason, payload }),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.holds {
            let (lane, held) = (self.lane, self.bytes);
            self.peer
                .apart(|mailbox, wakers| mailbox.release(lane, held, wakers));
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("lane", &self.lane)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
