//! The judge of what time does to messages: those that have not begun expire at their moment, those
//! that have begun are given up, and of these the receiver is asked for as long as the sender has
//! patience.

use peer_sender_core::{Deadline, MessageId, Outcome, Redelivery, Time, Timer, UnknownReason};

use crate::oracle::Oracle;
use crate::transport::Conn;

impl Oracle {
    /// Nobody wants the message to be sent any more, and it may have arrived.
    pub(crate) fn give_up(&mut self, id: MessageId, why: Outcome, since: Time) {
        let message = self.messages.get_mut(&id).expect("it is open");
        if message.given_up.is_some() {
            return;
        }
        message.given_up = Some((why, since));
        if let Some(at) = message.expires_at {
            self.expiries.remove(&(at, id));
        }
        self.lane(self.messages[&id].lane)
            .given_up
            .insert((since, id));
    }

    /// What is past its time to live in this step.
    pub(crate) fn expire(&mut self, now: Time) {
        while let Some(&(at, id)) = self.expiries.first().filter(|(at, _)| *at <= now) {
            self.expiries.pop_first();
            if self.due.contains_key(&id) || self.allowed.contains_key(&id) {
                continue;
            }
            let message = &self.messages[&id];
            if message.begun && !message.proven {
                self.give_up(id, Outcome::Expired, at);
            } else {
                self.unqueue(id);
                self.due.insert(id, Outcome::Expired);
            }
        }
    }

    /// The message is settled: nothing of it is due any more.
    pub(crate) fn forget_moments(&mut self, id: MessageId) {
        let message = &self.messages[&id];
        let (lane, expires_at) = (message.lane, message.expires_at);
        if let Some((_, since)) = message.given_up {
            self.lane(lane).given_up.remove(&(since, id));
        } else if let Some(at) = expires_at {
            self.expiries.remove(&(at, id));
        }
    }

    /// The receiver has said on this connection what it has of the lane.
    pub(crate) fn hears(&mut self, conn: Conn, lane: u8) {
        self.lane(lane).heard_on = Some(conn);
    }

    /// A stream of this half has ended, or was cut: nothing more is heard on it.
    pub(crate) fn stream_over(&mut self, name: (Conn, u64), now: Time) {
        let Some(witness) = self.witnesses.get_mut(&name) else {
            return;
        };
        witness.over = true;
        let lane = witness.lane;
        self.falls_silent(now, |conn, of| conn == name.0 && of == lane);
    }

    /// The connection is gone.
    pub(crate) fn connection_over(&mut self, conn: Conn, now: Time) {
        self.falls_silent(now, |heard_on, _| heard_on == conn);
        self.classes.connection_over(conn);
    }

    fn falls_silent(&mut self, now: Time, which: impl Fn(Conn, u8) -> bool) {
        for (lane, books) in &mut self.lanes {
            if books.heard_on.take_if(|conn| which(*conn, *lane)).is_some() {
                books.silent_since = now;
            }
        }
    }

    /// When the patience with a lane's receiver ends, if it does not come back.
    fn patience_ends(&self, lane: u8, since: Time) -> Option<Time> {
        let books = &self.lanes[&lane];
        let silent_since = books.heard_on.is_none().then_some(books.silent_since)?;
        Some(since.max(silent_since) + self.limits.policy.patience)
    }

    /// Whether the receiver has stayed away for too long to be asked about the message.
    pub(crate) fn is_out_of_patience(&self, id: MessageId, now: Time) -> bool {
        let message = &self.messages[&id];
        let Some((_, since)) = message.given_up else {
            return false;
        };
        let ends = self.patience_ends(message.lane, since);
        ends.is_some_and(|at| at <= now) && !message.proven
    }

    /// The next moment at which time does something to a message.
    pub(crate) fn next_moment(&self) -> Option<Deadline> {
        let first = |lane: &u8| self.lanes[lane].given_up.first().map(|(since, _)| *since);
        let patience = self
            .lanes
            .keys()
            .filter_map(|lane| self.patience_ends(*lane, first(lane)?));
        let patience = patience.map(|at| Deadline {
            at,
            timer: Timer::Patience,
        });
        let expiry = self.expiries.first().map(|(at, _)| Deadline {
            at: *at,
            timer: Timer::Expiry,
        });
        let earliest = patience.chain(expiry).min();
        earliest.filter(|deadline| deadline.at < Time::MAX)
    }

    /// The session was refused, whose receiver was asked: what has begun in it, and may be sent only
    /// once, cannot be asked about any more. What has surely not arrived is sent in the next one.
    pub(crate) fn lose_session(&mut self) {
        if self.limits.policy.redelivery == Redelivery::AtLeastOnce {
            return;
        }
        let lives = self.lanes.values().flat_map(|books| &books.live);
        let asked = lives.copied().filter(|id| {
            let message = &self.messages[id];
            let known = self.due.contains_key(id) || self.allowed.contains_key(id);
            message.begun && !message.proven && !known
        });
        let asked: Vec<_> = asked.collect();
        let unknown = Outcome::Unknown(UnknownReason::Forgotten);
        self.due
            .extend(asked.into_iter().map(|id| (id, unknown.clone())));
    }
}
