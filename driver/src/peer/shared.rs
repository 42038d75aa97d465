//! What the handles of a peer and the driver share.

use std::sync::{Arc, Mutex};
use std::task::Waker;

use bytes::Bytes;
use peer_sender_core::{
    PeerEvent, RejectReason, Rejected, SendLimits, StopMode, StopReason, WhenFull,
};
use peer_sender_quic::PeerStats;

use crate::bell::{Bell, lock};
use crate::clock::Clock;
use crate::events::EventHub;
use crate::mailbox::{Mailbox, PutOut};
use crate::wait::wake_all;

/// What the handles of a peer and the driver share.
pub(crate) struct PeerShared {
    /// The mailbox's name at the driver.
    place: usize,
    kind: Kind,
    /// What a full queue does.
    when_full: WhenFull,
    bell: Arc<Bell>,
    pub(crate) mailbox: Mutex<Mailbox>,
    pub(crate) events: Mutex<EventHub>,
}

/// Whom messages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A peer that this node dials.
    Dialled,
    /// A session of somebody who dialled this node.
    Replies,
}

impl Kind {
    /// How it ends if it is asked to end like that: only who is dialled can be removed.
    fn can_end(self, mode: StopMode) -> StopMode {
        match (self, mode) {
            (Self::Replies, StopMode::Remove) => StopMode::Abort,
            (Self::Replies | Self::Dialled, mode) => mode,
        }
    }
}

impl PeerShared {
    pub(crate) fn new(kind: Kind, bell: Arc<Bell>, limits: SendLimits, clock: Clock) -> Self {
        Self {
            place: bell.new_place(),
            kind,
            when_full: limits.policy.when_full,
            bell,
            mailbox: Mutex::new(Mailbox::new(limits, clock)),
            events: Mutex::default(),
        }
    }

    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// Whether room can be reserved.
    pub(super) fn may_reserve(&self) -> Result<(), RejectReason> {
        match self.when_full {
            WhenFull::Reject => Ok(()),
            WhenFull::DropOldest => Err(RejectReason::NothingToReserve),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Tells whoever listens.
    pub(crate) fn emit(&self, event: PeerEvent) {
        let wakers = lock(&self.events).emit(event);
        wake_all(wakers);
    }

    /// Asks for the end, and tells the driver.
    pub(crate) fn stop(&self, mode: StopMode) {
        let mode = self.kind.can_end(mode);
        let mut wakers = Vec::new();
        let announce = {
            let mut mailbox = lock(&self.mailbox);
            mailbox.stop(mode, &mut wakers);
            mailbox.stopped().is_none() && mailbox.announce()
        };
        self.ring_if(announce);
        wake_all(wakers);
    }

    /// Nothing is accepted from here on: its node is asked to stop like that.
    pub(crate) fn close(&self, mode: StopMode) {
        let mode = self.kind.can_end(mode);
        self.apart(|mailbox, wakers| mailbox.close_with_node(mode, wakers));
    }

    /// The end with its node, where nothing was heard of its own. As far as the rest of the node
    /// ended as it was asked to, so did this.
    pub(crate) fn finish_with_node(&self) {
        let reason = match self.kind {
            Kind::Dialled => StopReason::Aborted,
            Kind::Replies => lock(&self.mailbox).reason_or(StopReason::Aborted),
        };
        self.finish(reason, PeerStats::default());
    }

    /// The end: every message gets its outcome, then whoever listens hears of the end, then those
    /// who wait for it.
    pub(crate) fn finish(&self, reason: StopReason, stats: PeerStats) {
        let mut wakers = Vec::new();
        let messages = lock(&self.mailbox).settle_all(reason, &mut wakers);
        self.emit(PeerEvent::SenderStopped { reason });
        let news = lock(&self.mailbox).finish(reason, stats, &mut wakers);
        drop((messages, news));
        wake_all(wakers);
    }

    /// Does something under the lock and tells the driver, if it came to something.
    pub(super) fn with<T>(
        &self,
        what: impl FnOnce(&mut Mailbox, &mut PutOut) -> Result<T, RejectReason>,
    ) -> Result<T, RejectReason> {
        let mut out = PutOut::default();
        let (done, announce) = {
            let mut mailbox = lock(&self.mailbox);
            (what(&mut mailbox, &mut out)?, mailbox.announce())
        };
        self.ring_if(announce);
        wake_all(out.wakers);
        Ok(done)
    }

    /// As [`with`](Self::with), for a message that is handed back if it is not accepted.
    pub(super) fn accept<T>(
        &self,
        mut payload: Bytes,
        what: impl FnOnce(&mut Mailbox, &mut Bytes, &mut PutOut) -> Result<T, RejectReason>,
    ) -> Result<T, Rejected> {
        self.with(|mailbox, out| what(mailbox, &mut payload, out))
            .map_err(|reason| Rejected { reason, payload })
    }

    /// As [`with`](Self::with), for what concerns only those who use the mailbox. Whoever is to be
    /// woken is woken after the lock is released.
    pub(super) fn apart<T>(&self, what: impl FnOnce(&mut Mailbox, &mut Vec<Waker>) -> T) -> T {
        let mut wakers = Vec::new();
        let done = what(&mut lock(&self.mailbox), &mut wakers);
        wake_all(wakers);
        done
    }

    pub(super) fn ring_if(&self, announce: bool) {
        if announce {
            self.bell.ring_for(self.place);
        }
    }
}
