//! When a peer's messages were accepted, begun and settled, for whoever listens.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;
use std::time::Duration;

use peer_sender_core::{MessageId, Outcome, Time, Transfer as Course};

use super::Mailbox;
use crate::wait::{Replaced, put};

/// The most transfers that wait for one listener.
const WAITING_MAX: usize = 8_192;

/// The times of a message that has its outcome, all on the clock of [`Node::now`](crate::Node::now).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfer {
    /// The message.
    pub id: MessageId,
    /// Its payload, in bytes.
    pub bytes: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// When a handle accepted it.
    pub accepted_at: Time,
    /// For how long it waited, from its acceptance until it was first given to QUIC; of one that never
    /// was, until its outcome.
    pub buffered: Duration,
    /// How long it was under way, from when it was first given to QUIC until its outcome, with every
    /// redelivery in between; none if it never was. Under
    /// [`Protocol::Framed`](crate::Protocol::Framed) the outcome `Written` does not fall before
    /// [`FRAMED_TRUSTED_AFTER`](peer_sender_core::FRAMED_TRUSTED_AFTER) has passed on the connection,
    /// and this has that wait in it.
    pub transferred: Option<Duration>,
}

/// What is open, and who listens. Empty where the node does not keep times.
#[derive(Debug, Default)]
pub(super) struct Timings {
    kept: bool,
    /// Accepted and not settled: bytes, and when.
    open: BTreeMap<MessageId, (usize, Time)>,
    next: u64,
    listeners: BTreeMap<u64, Listener>,
}

/// What waits for one of those who listen.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    waiting: VecDeque<Transfer>,
    missed: u64,
    waker: Option<Waker>,
}

impl Timings {
    pub(super) fn are_kept(&self) -> bool {
        self.kept
    }

    /// Whether the message is open.
    pub(super) fn knows(&self, id: MessageId) -> bool {
        self.kept && self.open.contains_key(&id)
    }

    pub(super) fn accepted(&mut self, id: MessageId, bytes: usize, now: Time) {
        self.open.insert(id, (bytes, now));
    }

    /// A message is settled whose machine has told nothing of it: it never had it, or is gone.
    pub(super) fn settled_here(
        &mut self,
        id: MessageId,
        outcome: &Outcome,
        now: Time,
        wakers: &mut Vec<Waker>,
    ) {
        self.tell(id, None, now, outcome, wakers);
    }

    /// Nothing more will be told.
    pub(super) fn finish(&mut self, wakers: &mut Vec<Waker>) {
        let listeners = self.listeners.values_mut();
        wakers.extend(listeners.filter_map(|listener| listener.waker.take()));
    }

    fn tell(
        &mut self,
        id: MessageId,
        begun_at: Option<Time>,
        settled_at: Time,
        outcome: &Outcome,
        wakers: &mut Vec<Waker>,
    ) {
        let Some((bytes, accepted_at)) = self.open.remove(&id) else {
            return;
        };
        for listener in self.listeners.values_mut() {
            if listener.waiting.len() == WAITING_MAX {
                listener.waiting.pop_front();
                listener.missed += 1;
            }
            listener.waiting.push_back(Transfer {
                id,
                bytes,
                outcome: outcome.clone(),
                accepted_at,
                buffered: begun_at.unwrap_or(settled_at).saturating_since(accepted_at),
                transferred: begun_at.map(|begun_at| settled_at.saturating_since(begun_at)),
            });
            wakers.extend(listener.waker.take());
        }
    }
}

impl Mailbox {
    /// Keeps the times of what is accepted from here on.
    pub(crate) fn keep_times(&mut self) {
        self.timings.kept = true;
    }

    /// The machine tells the times of messages, whose outcomes come next.
    pub(crate) fn transferred(&mut self, transfers: &[Course], wakers: &mut Vec<Waker>) {
        for course in transfers {
            let (id, begun_at, settled_at) = (course.id, course.begun_at, course.settled_at);
            self.timings
                .tell(id, begun_at, settled_at, &course.outcome, wakers);
        }
    }

    /// Somebody listens from now on.
    pub(crate) fn join_listeners(&mut self) -> u64 {
        let timings = &mut self.timings;
        timings.next += 1;
        timings.listeners.insert(timings.next, Listener::default());
        timings.next
    }

    /// A listener goes. It is handed back, to be dropped when the lock is released.
    pub(crate) fn leave_listeners(&mut self, key: u64) -> Option<Listener> {
        self.timings.listeners.remove(&key)
    }

    /// How many went unread because too many were waiting.
    pub(crate) fn missed(&self, key: u64) -> u64 {
        let listener = self.timings.listeners.get(&key);
        listener.map_or(0, |listener| listener.missed)
    }

    /// The next transfer, none after the last one; or leaves a waker.
    pub(crate) fn poll_transfer(
        &mut self,
        key: u64,
        waker: &Waker,
    ) -> Result<Option<Transfer>, Replaced> {
        let over = self.stopped().is_some();
        let Some(listener) = self.timings.listeners.get_mut(&key) else {
            return Ok(None);
        };
        match listener.waiting.pop_front() {
            Some(transfer) => Ok(Some(transfer)),
            None if over => Ok(None),
            None => Err(put(&mut listener.waker, waker)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use peer_sender_core::{FailReason, Lane, SendLimits, StopReason};
    use peer_sender_quic::PeerStats;

    use super::*;
    use crate::mailbox::PutOut;
    use crate::testing::{clock, wait};

    fn mailbox() -> Mailbox {
        let mut mailbox = Mailbox::new(SendLimits::default(), clock());
        mailbox.keep_times();
        mailbox
    }

    fn post(mailbox: &mut Mailbox) -> MessageId {
        mailbox.take_room(Lane(0), 3).unwrap();
        let payload = Bytes::from_static(b"abc");
        mailbox.put_posted(Lane(0), None, payload, &mut PutOut::default())
    }

    fn next(mailbox: &mut Mailbox, key: u64) -> Option<Transfer> {
        mailbox.poll_transfer(key, Waker::noop()).ok().flatten()
    }

    #[test]
    fn what_the_machine_never_had_is_told_when_it_is_settled() {
        let mut mailbox = mailbox();
        let key = mailbox.join_listeners();
        let id = post(&mut mailbox);
        wait(Duration::from_millis(9));
        let mut wakers = Vec::new();
        mailbox.settle_all(StopReason::Removed, &mut wakers);
        let news = mailbox.finish(StopReason::Removed, PeerStats::default(), &mut wakers);
        drop(news);
        let told = next(&mut mailbox, key).unwrap();
        assert_eq!((told.id, told.bytes), (id, 3));
        assert_eq!(told.outcome, Outcome::Failed(FailReason::Removed));
        let times = (told.buffered, told.transferred);
        assert_eq!(times, (Duration::from_millis(9), None));
        assert_eq!(mailbox.poll_transfer(key, Waker::noop()).ok(), Some(None));
    }

    #[test]
    fn a_listener_that_lags_loses_the_oldest_and_counts_them() {
        let mut mailbox = mailbox();
        let key = mailbox.join_listeners();
        let mut wakers = Vec::new();
        for id in 0..WAITING_MAX as u64 + 7 {
            mailbox.timings.accepted(MessageId(id), 1, Time::ZERO);
            let (at, outcome) = (Time::ZERO, Outcome::Written);
            let timings = &mut mailbox.timings;
            timings.settled_here(MessageId(id), &outcome, at, &mut wakers);
        }
        assert_eq!(mailbox.missed(key), 7);
        assert_eq!(next(&mut mailbox, key).unwrap().id, MessageId(7));
    }

    #[test]
    fn nothing_is_kept_unless_it_is_asked_for() {
        let mut mailbox = Mailbox::new(SendLimits::default(), clock());
        let key = mailbox.join_listeners();
        let id = post(&mut mailbox);
        assert!(mailbox.timings.open.is_empty());
        mailbox.settle(id, Outcome::Written, &mut Vec::new());
        assert_eq!(next(&mut mailbox, key), None);
    }
}
