//! What a user holds of a peer.

mod ask;
mod end;
mod flush;
mod line;
mod outcomes;
mod permit;
mod shared;
mod sink;
mod transfers;

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Lane, MessageId, RejectReason, Rejected, StopMode};
use peer_sender_quic::{PeerSnapshot, PeerStats};

use self::line::Standing;
use crate::events::Events;
use crate::mailbox::{Mailbox, PutOut};
use crate::receipt::Receipt;

pub use self::ask::AddressesError;
pub use self::end::Stopped;
pub use self::outcomes::Outcomes;
pub use self::permit::Permit;
pub(crate) use self::shared::{Kind, PeerShared};
pub use self::sink::PeerSink;
pub use self::transfers::Transfers;

/// A sender to one peer, or of replies to one session of somebody who dialled this node
/// ([`IncomingMessage::peer`](crate::IncomingMessage::peer)). Cheap to clone; all clones are the
/// same sender.
///
/// It takes messages into a bounded queue, its mailbox, and never waits behind the driver's work.
/// It sends on one lane, lane 0 unless [`lane`](Self::lane) chose another, and messages that live
/// for as long as the peer allows, unless [`ttl`](Self::ttl) chose less. Messages of a lane
/// arrive in the order in which they were accepted; each lane has its own limits, and one whose
/// messages are not taken holds up no other.
///
/// It can be used from any thread, within a runtime or outside of one.
///
/// Dropping it, or all its clones, changes nothing: what was accepted is sent all the same. It
/// does not keep its [`Node`](crate::Node) alive: when the last `Node` handle is dropped the
/// sender is stopped with [`StopMode::Abort`].
///
/// # The end of a sender
///
/// | [`StopReason`](crate::StopReason) | it was |
/// |---|---|
/// | [`Drained`](crate::StopReason::Drained) | stopped, and everything was answered in time |
/// | [`DeadlineReached`](crate::StopReason::DeadlineReached) | stopped, and something was not |
/// | [`Aborted`](crate::StopReason::Aborted) | stopped at once, or its node or runtime was dropped |
/// | [`Removed`](crate::StopReason::Removed) | removed ([`remove`](Self::remove)) |
/// | [`GaveUp`](crate::StopReason::GaveUp) | dialling, and reached the limit of attempts or of time that it was given |
/// | [`SessionForgotten`](crate::StopReason::SessionForgotten) | answering a session that is gone |
#[derive(Clone)]
pub struct PeerSender {
    shared: Arc<PeerShared>,
    lane: Lane,
    /// Of each message; that of the peer may be shorter.
    ttl: Option<Duration>,
}

impl PeerSender {
    pub(crate) fn new(shared: Arc<PeerShared>) -> Self {
        Self {
            shared,
            lane: Lane(0),
            ttl: None,
        }
    }

    /// The same sender on this lane. What it sends on a lane that it was not configured to have
    /// ([`lanes`](crate::ConfigBuilder::lanes)) is refused as
    /// [`UnknownLane`](RejectReason::UnknownLane).
    pub fn lane(&self, lane: Lane) -> Self {
        Self {
            lane,
            ..self.clone()
        }
    }

    /// The same sender, whose messages live for this long: one that has not begun to be sent by
    /// then, or is proven not to have been received, becomes [`Expired`](crate::Outcome::Expired).
    /// Replaces what an earlier call has set; where the peer's own time to live
    /// ([`ConfigBuilder::ttl`](crate::ConfigBuilder::ttl)) is shorter, that one counts.
    ///
    /// A message's time begins when it is accepted, and is kept by the node's own clock: neither
    /// the wait of [`send`](Self::send) for room is a part of it, nor is a [`Permit`]'s life before
    /// its message comes.
    ///
    /// With a time of zero nothing is accepted: every message is handed back as
    /// [`TtlZero`](RejectReason::TtlZero).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use peer_sender_driver::{PeerSender, Receipt, Rejected};
    ///
    /// /// A price that nobody wants any more in two seconds.
    /// async fn quote(peer: &PeerSender, price: String) -> Result<Receipt, Rejected> {
    ///     peer.ttl(Duration::from_secs(2)).send(price).await
    /// }
    /// ```
    pub fn ttl(&self, ttl: Duration) -> Self {
        Self {
            ttl: Some(ttl),
            ..self.clone()
        }
    }

    /// Hands a message over, once there is room for it. Callers are served in the order in which
    /// they came, whatever the size of their messages. Where a full queue puts out its oldest
    /// messages ([`WhenFull::DropOldest`](crate::WhenFull::DropOldest)) there is always room, and
    /// nobody waits.
    ///
    /// The receipt tells the message's one outcome; dropping it does not retract the message.
    ///
    /// # Errors
    ///
    /// The message is handed back if it is larger than the configured `message_bytes_max`
    /// ([`TooLarge`](RejectReason::TooLarge)), if the sender has no such lane
    /// ([`UnknownLane`](RejectReason::UnknownLane)), if its [time to live](Self::ttl) is zero
    /// ([`TtlZero`](RejectReason::TtlZero)), or if it was stopped, before or while the message
    /// waited ([`Stopped`](RejectReason::Stopped)).
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
        let mut payload = payload.into();
        let mut standing = Standing::new(self, payload.len());
        let accept = |mailbox: &mut Mailbox, out: &mut PutOut| {
            mailbox.put(self.lane, self.ttl, std::mem::take(&mut payload), out)
        };
        match standing.accepted(accept).await {
            Ok(ticket) => Ok(Receipt::new(Arc::clone(&self.shared), ticket)),
            Err(reason) => Err(Rejected { reason, payload }),
        }
    }

    /// Hands a message over if there is room now and nobody stands in line for it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`QueueFull`](RejectReason::QueueFull): wait with `send`
    /// instead, or try again later. The message is handed back. Where a full queue puts out its
    /// oldest messages it is never full.
    pub fn try_send(&self, payload: impl Into<Bytes>) -> Result<Receipt, Rejected> {
        let payload = payload.into();
        let ticket = self.shared.accept(payload, |mailbox, payload, out| {
            self.check()?;
            mailbox.take_room(self.lane, payload.len())?;
            Ok(mailbox.put(self.lane, self.ttl, std::mem::take(payload), out))
        })?;
        Ok(Receipt::new(Arc::clone(&self.shared), ticket))
    }

    /// Hands a message over, once there is room for it, without a receipt. Its outcome goes to
    /// every stream of [`outcomes`](Self::outcomes) that was there when it was accepted, and is
    /// counted in [`stats`](Self::stats) in any case.
    ///
    /// While a stream of outcomes lags behind ([`Outcomes`]), nothing is posted: it waits until
    /// the outcomes are read, or the stream is dropped. So no outcome is lost, and none is kept
    /// without a limit. One whose turn comes meanwhile lets the next pass, and takes a new place in
    /// line afterwards.
    ///
    /// <div class="warning">
    ///
    /// A task that both posts and reads the outcomes must not await `post` alone: held back, it
    /// would wait for its own reading, for ever. Read in another task, wait for both at once (a
    /// `select`), or use [`try_post`](Self::try_post), which never waits.
    ///
    /// </div>
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn post(&self, payload: impl Into<Bytes>) -> Result<MessageId, Rejected> {
        let mut payload = payload.into();
        let mut standing = Standing::new(self, payload.len()).posting();
        let accept = |mailbox: &mut Mailbox, out: &mut PutOut| {
            mailbox.put_posted(self.lane, self.ttl, std::mem::take(&mut payload), out)
        };
        let accepted = standing.accepted(accept).await;
        accepted.map_err(|reason| Rejected { reason, payload })
    }

    /// Posts a message if there is room now and nobody stands in line for it.
    ///
    /// # Errors
    ///
    /// As [`post`](Self::post); [`QueueFull`](RejectReason::QueueFull) as
    /// [`try_send`](Self::try_send); and [`OutcomesUnread`](RejectReason::OutcomesUnread) where
    /// `post` would wait for outcomes to be read.
    pub fn try_post(&self, payload: impl Into<Bytes>) -> Result<MessageId, Rejected> {
        self.shared.accept(payload.into(), |mailbox, payload, out| {
            self.check()?;
            mailbox.take_room_to_post(self.lane, payload.len())?;
            Ok(mailbox.put_posted(self.lane, self.ttl, std::mem::take(payload), out))
        })
    }

    /// Takes room for one message of up to `bytes`, once there is some; in line with
    /// [`send`](Self::send). For who must know that a message will be taken before it is made.
    ///
    /// # Errors
    ///
    /// No message of that size is ever taken ([`TooLarge`](RejectReason::TooLarge)), the sender
    /// has no such lane ([`UnknownLane`](RejectReason::UnknownLane)), its
    /// [time to live](Self::ttl) is zero ([`TtlZero`](RejectReason::TtlZero)), its queue puts out
    /// the oldest when it is full ([`NothingToReserve`](RejectReason::NothingToReserve)), or it was
    /// stopped ([`Stopped`](RejectReason::Stopped)).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, its place in line goes to the next caller.
    pub async fn reserve(&self, bytes: usize) -> Result<Permit, RejectReason> {
        self.shared.may_reserve()?;
        let mut standing = Standing::new(self, bytes);
        let accept = |mailbox: &mut Mailbox, _: &mut PutOut| mailbox.hold(self.lane, bytes);
        standing.accepted(accept).await?;
        Ok(Permit::new(self, bytes))
    }

    /// Takes room for one message of up to `bytes`, if there is some now and nobody stands in
    /// line for it.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), and [`QueueFull`](RejectReason::QueueFull).
    pub fn try_reserve(&self, bytes: usize) -> Result<Permit, RejectReason> {
        self.shared.may_reserve()?;
        self.shared.with(|mailbox, _| {
            self.check()?;
            mailbox.take_room(self.lane, bytes)?;
            mailbox.hold(self.lane, bytes);
            Ok(())
        })?;
        Ok(Permit::new(self, bytes))
    }

    /// The outcomes of what is posted from now on, on any lane; see [`post`](Self::post).
    ///
    /// They must be read for as long as the stream is kept: unread, they hold back whoever posts,
    /// be it the same task.
    pub fn outcomes(&self) -> Outcomes {
        Outcomes::new(Arc::clone(&self.shared))
    }

    /// The times and outcomes of the messages that are settled from now on, on any lane, with a
    /// receipt or without. There are some only where the node keeps them
    /// ([`NodeConfigBuilder::transfers`](crate::NodeConfigBuilder::transfers)), and none of replies.
    pub fn transfers(&self) -> Transfers {
        Transfers::new(Arc::clone(&self.shared))
    }

    /// Resolves when every message, on any lane, has its outcome that was accepted before this was
    /// first polled. What is accepted later is not waited for.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn flush(&self) {
        flush::Flush::new(&self.shared).await;
    }

    /// Takes a message back: the outcome says whether that came in time. One that waits in the
    /// queue becomes [`Cancelled`](crate::Outcome::Cancelled). One that has begun to be sent goes
    /// on, unless its connection is lost and the peer then proves that it has not received it. For
    /// one that is settled nothing changes.
    pub fn cancel(&self, id: MessageId) {
        self.shared.cancel(id);
    }

    /// Posts what is put into it; see [`PeerSink`].
    pub fn sink(&self) -> PeerSink {
        PeerSink::new(self.clone())
    }

    /// What happens to the peer from now on. The stream ends after
    /// [`PeerEvent::SenderStopped`](crate::PeerEvent::SenderStopped); of a sender that has stopped
    /// already it yields that alone, and so does one of replies, which has no connection of its
    /// own.
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.shared))
    }

    /// The peer's counters as they are at the driver's next turn, or as they were at the end.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn stats(&self) -> PeerStats {
        self.shared.stats().await
    }

    /// How the sender stands at the driver's next turn, and why nothing moves if nothing does;
    /// none once it has stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn snapshot(&self) -> Option<PeerSnapshot> {
        self.shared.snapshot().await
    }

    /// Dials now, if the sender waits to dial again, or is disconnected because it was idle; but
    /// not sooner than `backoff_min` after it dialled last. A sender of replies does not dial, and
    /// does nothing.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Tells the peer's addresses anew, in the order in which they are tried; with none the sender
    /// waits until there are some. The queue is kept, and so is a connection to an address that is
    /// still among them.
    ///
    /// # Errors
    ///
    /// An address cannot be dialled; nothing was changed then. The sender was stopped, or is one
    /// of replies.
    pub fn set_addresses(&self, addresses: Vec<SocketAddr>) -> Result<(), AddressesError> {
        self.shared.set_addresses(addresses)
    }

    /// Stops the sender, in whatever state it is: nothing is accepted from here on. Resolves when
    /// every accepted message has its outcome and
    /// [`PeerEvent::SenderStopped`](crate::PeerEvent::SenderStopped) was emitted.
    ///
    /// With [`StopMode::Drain`] what was accepted is finished within that time, dialling again
    /// where needed, and the rest is settled then. It ends sooner once nothing is left to be done,
    /// which includes that the application answers the replies that it was given, or that wait for
    /// it: whoever takes none ([`Node::incoming`](crate::Node::incoming)) and is sent some waits for
    /// the whole time. With [`StopMode::Abort`] everything is settled now, and with
    /// [`StopMode::Remove`] as well ([`remove`](Self::remove)). A further stop may only shorten the
    /// first: a drain can be aborted at any time.
    ///
    /// What failed with the end is handed back ([`Stopped::unsent`]), all of it to every caller if
    /// one had asked before the end came, until the last handle of this sender is dropped. Where
    /// nobody had, because the node was stopped or the sender gave the peer up, nothing is kept.
    ///
    /// Of a sender of replies, it ends the session that it answers: what its dialler sends later
    /// comes as from a new session.
    ///
    /// # Cancel safety
    ///
    /// The sender is asked to stop when this is first polled; dropping it later changes nothing
    /// of that, and loses nothing. Call it again to wait for the end, and to be handed the same
    /// messages.
    pub async fn stop(&self, mode: StopMode) -> Stopped {
        self.shared.stop(mode);
        end::End::of(&self.shared).await
    }

    /// Removes the peer, which is to [stop](Self::stop) it with [`StopMode::Remove`]: at once, with
    /// every message failed, or of unknown fate, as *removed*. When this returns, the peer's name is
    /// free to be given to another.
    ///
    /// Whom one answers cannot be removed: a sender of replies is [aborted](StopMode::Abort).
    ///
    /// # Cancel safety
    ///
    /// As [`stop`](Self::stop).
    pub async fn remove(&self) -> Stopped {
        self.stop(StopMode::Remove).await
    }

    /// Whether what it was asked to do with its messages can be done at all.
    fn check(&self) -> Result<(), RejectReason> {
        match self.ttl {
            Some(Duration::ZERO) => Err(RejectReason::TtlZero),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
impl PeerSender {
    /// Why it has stopped, once it has.
    pub(crate) fn stopped(&self) -> Option<peer_sender_core::StopReason> {
        crate::bell::lock(&self.shared.mailbox).stopped()
    }
}

impl Standing<'_> {
    /// Waits for room, and accepts a message in it under the same lock.
    async fn accepted<T>(
        &mut self,
        mut accept: impl FnMut(&mut Mailbox, &mut PutOut) -> T,
    ) -> Result<T, RejectReason> {
        poll_fn(|cx| self.poll_room(cx, &mut accept)).await
    }
}

impl fmt::Debug for PeerSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSender")
            .field("place", &self.shared.place())
            .field("lane", &self.lane)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
