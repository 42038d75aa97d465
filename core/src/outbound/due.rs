//! What time does to a lane's messages: they expire, and the receiver may stay away for too long to
//! be asked about those that are given up.

use alloc::collections::BTreeSet;
use core::time::Duration;

use super::OutboundLane;
use super::message::{Evidence, GivenUp, Message, Slot, Why};
use crate::{Deadline, MessageId, Outcome, SendPolicy, Time, Timer, UnknownReason};

/// Which messages wait for a moment, the earliest in front. Empty in a lane without such messages,
/// so that these cost nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Due {
    /// Messages that expire, unless they are given up already.
    pub(super) expiries: BTreeSet<(Time, MessageId)>,
    /// Messages that have begun and are given up, by when that was.
    pub(super) given_up: BTreeSet<(Time, MessageId)>,
    /// When the receiver was last able to say what it has, or when the lane was made.
    pub(super) silent_since: Time,
}

impl Due {
    pub(super) fn accepted(&mut self, message: &Message) {
        if let Some(at) = message.expires_at {
            self.expiries.insert((at, message.id));
        }
    }

    /// A message that was not given up has left, or is given up now.
    pub(super) fn no_longer_expires(&mut self, message: &Message) {
        if let Some(at) = message.expires_at {
            self.expiries.remove(&(at, message.id));
        }
    }

    /// A message that had begun is settled.
    pub(super) fn settled(&mut self, message: &Message, given_up: Option<GivenUp>) {
        match given_up {
            Some(GivenUp { since, .. }) => {
                self.given_up.remove(&(since, message.id));
            }
            None => self.no_longer_expires(message),
        }
    }
}

impl OutboundLane {
    /// The earliest moment at which time does something to the lane. `heard`: the receiver has said
    /// on a connection that stands what it has, so that it will answer sooner or later.
    pub(super) fn next_deadline(&self, policy: &SendPolicy, heard: bool) -> Option<Deadline> {
        let expiry = self.due.expiries.first().map(|&(at, _)| Deadline {
            at,
            timer: Timer::Expiry,
        });
        let given_up = self.due.given_up.first().filter(|_| !heard);
        let patience = given_up.map(|&(since, _)| Deadline {
            at: since.max(self.due.silent_since) + policy.patience,
            timer: Timer::Patience,
        });
        expiry.into_iter().chain(patience).min()
    }

    /// Does what is due.
    pub(super) fn time_passes(&mut self, now: Time, policy: &SendPolicy, heard: bool) {
        if self.due.expiries.first().is_some_and(|&(at, _)| at <= now) {
            self.expire(now);
        }
        if !heard && self.due.silent_since + policy.patience <= now {
            self.lose_patience(now, policy);
        }
    }

    /// A message that waits expires; one that has begun once it is proven that it was not received.
    /// Outcomes fall in the order of the moments. Those in front of the queue leave it one by one,
    /// the others all at once.
    fn expire(&mut self, now: Time) {
        let (mut begun, mut sweeps) = (false, false);
        while let Some(&(at, id)) = self.due.expiries.first()
            && at <= now
        {
            self.due.expiries.pop_first();
            match self.queue.binary_search_by_key(&id, |queued| queued.id) {
                Ok(0) => self.unqueue(0, Outcome::Expired),
                Ok(place) => {
                    if let Some(message) = self.queue.get(place).cloned() {
                        self.tell_waiting(&message, Outcome::Expired);
                    }
                    sweeps = true;
                }
                Err(_) => begun = true,
            }
        }
        if sweeps {
            self.sweep(now);
        }
        if !begun {
            return;
        }
        for number in self.first..self.next_number() {
            let open = self.slot(number).and_then(Slot::begun);
            let kept = open.filter(|it| it.given_up.is_none());
            let expiry = kept.and_then(|it| it.message.expires_at);
            // From its own moment on, however late somebody looks.
            if let Some(since) = expiry.filter(|&at| at <= now) {
                let why = Why::Expired;
                self.give_up(number, GivenUp { why, since });
            }
        }
    }

    /// Takes what has expired, and has its outcome, out of the queue.
    fn sweep(&mut self, now: Time) {
        let mut left = 0;
        self.queue.retain(|message| {
            let stays = message.expires_at.is_none_or(|at| now < at);
            left += if stays { message.payload.len() } else { 0 };
            stays
        });
        self.queued_bytes = left;
        self.room_made = true;
    }

    /// Gives up an open number: it is settled at once if it is proven that it was not received.
    pub(super) fn give_up(&mut self, number: u64, given_up: GivenUp) {
        let index = self.index(number);
        let Some(begun) = index
            .and_then(|index| self.flight.get_mut(index))
            .and_then(Slot::begun_mut)
        else {
            return;
        };
        let lost = begun.evidence == Evidence::NotReceived;
        if lost || given_up.why == Why::Expired && broken!(ExpiredInFlight) {
            self.decide(number, given_up.why.outcome());
        } else if begun.given_up.is_none() {
            begun.given_up = Some(given_up);
            self.due.no_longer_expires(&begun.message);
            self.due.given_up.insert((given_up.since, begun.message.id));
            if given_up.why == Why::Cancelled && broken!(CancelledTwice) {
                self.decided.push((begun.message.id, Outcome::Cancelled));
            }
        }
    }

    /// The receiver has been away for long: what was given up for as long is of unknown fate.
    fn lose_patience(&mut self, now: Time, policy: &SendPolicy) {
        let overdue = |since: Time| since + policy.patience <= now;
        if !self
            .due
            .given_up
            .first()
            .is_some_and(|&(since, _)| overdue(since))
        {
            return;
        }
        for number in self.first..self.next_number() {
            let given_up = self
                .slot(number)
                .and_then(Slot::begun)
                .and_then(|it| it.given_up);
            if given_up.is_some_and(|it| overdue(it.since)) {
                self.decide(number, Outcome::Unknown(UnknownReason::Patience));
            }
        }
    }

    /// Counts times from `now`, as far as they make a difference, and names messages as they are
    /// named now.
    pub(super) fn make_relative(&mut self, now: Time, policy: &SendPolicy, age_max: Duration) {
        let age = |since: Time, most| Time::ZERO + now.saturating_since(since).min(most);
        let left = |until: Time| Time::ZERO + until.saturating_since(now);
        let silent_since = self.due.silent_since;
        let mut due = Due::default();
        for slot in &mut self.flight {
            let begun = match slot {
                Slot::Open(begun) => begun,
                Slot::Settled(id) => {
                    *id = MessageId(0);
                    continue;
                }
            };
            if let Some(given_up) = &mut begun.given_up {
                given_up.since = age(given_up.since.max(silent_since), policy.patience);
                due.given_up.insert((given_up.since, begun.message.id));
            }
            let expires = begun.given_up.is_none();
            let message = &mut begun.message;
            message.accepted_at = age(message.accepted_at, age_max);
            message.expires_at = message.expires_at.filter(|_| expires).map(left);
            due.accepted(message);
        }
        for message in &mut self.queue {
            message.accepted_at = age(message.accepted_at, age_max);
            message.expires_at = message.expires_at.map(left);
            due.accepted(message);
        }
        self.due = due;
    }
}
