//! A node's place among those that share records.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peer_sender_core::trace::About;
use peer_sender_core::{
    Action, Attempt, Dialler, Event, PeerKey, SessionNews, Sessions, StopMode, Time,
};

use super::super::recorded::RecordedSessions;
use super::{Books, Member, Records, Wake};
use crate::Trace;

/// What the table has for one node.
#[derive(Default)]
pub(in crate::node) struct Mail {
    /// For the connections that the node carries.
    pub(in crate::node) actions: Vec<Action>,
    /// Of the sessions whose home it is, with the key of who sent messages. Messages whose session
    /// is forgotten have none: they take no answer, so that their sender sends them again.
    pub(in crate::node) news: Vec<(SessionNews, Option<PeerKey>)>,
    /// The next moment at which the table has something to do.
    pub(in crate::node) deadline: Option<Time>,
}

/// A node's place among those that share records. The others hear of its end when it is dropped.
pub(in crate::node) struct Desk {
    records: Records,
    member: Member,
    called: Arc<AtomicBool>,
}

impl Desk {
    pub(in crate::node) fn at(records: Records) -> Self {
        let (member, called) = records.books().join();
        Self {
            records,
            member,
            called,
        }
    }

    /// Has this called, on another node's thread, when that node has put something into the box.
    pub(in crate::node) fn set_wake(&self, wake: Wake) {
        self.change(|books, me| {
            if let Some(seat) = books.seats.get_mut(&me) {
                seat.wake = Some(wake);
            }
        });
    }

    /// Has the table recorded, unless it has begun, or is recorded for another node.
    pub(in crate::node) fn record(&self, trace: Trace, about: About) {
        self.records.books().table.record(trace, about);
    }

    /// Whether another node has put something into the box.
    pub(in crate::node) fn is_called(&self) -> bool {
        self.called.load(Ordering::Acquire)
    }

    /// Takes what is in the box.
    pub(in crate::node) fn open(&self, mail: &mut Mail) {
        self.change(|books, me| books.hand_over(me, mail));
    }

    /// Names a connection that is let in, and tells the table of it: both at once, since it takes
    /// connections in the order of their names alone.
    pub(in crate::node) fn let_in(&self, now: Time, dialler: Dialler, mail: &mut Mail) -> Attempt {
        self.change(|books, me| {
            let attempt = Attempt(books.attempts);
            books.attempts += 1;
            books.carriers.insert(attempt, me);
            books.step_on(me, attempt, |table, actions| {
                table.accepted(now, attempt, dialler, actions);
                table.session_of(attempt)
            });
            books.hand_over(me, mail);
            attempt
        })
    }

    /// One step of what happened on a connection that this node carries. A session that is new is
    /// at home here.
    pub(in crate::node) fn step_connection(
        &self,
        now: Time,
        attempt: Attempt,
        facts: impl IntoIterator<Item = Event>,
        mail: &mut Mail,
    ) {
        self.change(|books, me| {
            books.step_connection(me, now, attempt, facts);
            books.hand_over(me, mail);
        });
    }

    /// Any other step.
    pub(in crate::node) fn step(
        &self,
        mail: &mut Mail,
        step: impl FnOnce(&mut RecordedSessions, &mut Vec<Action>),
    ) {
        self.change(|books, me| {
            books.step(me, step);
            books.hand_over(me, mail);
        });
    }

    /// Ends the sessions whose home this is. Returns the connections of others that it carries,
    /// and those that have named no session.
    pub(in crate::node) fn stop(&self, now: Time, mode: StopMode, mail: &mut Mail) -> Vec<Attempt> {
        self.change(|books, me| {
            books.stop_sessions(me, now, mode);
            books.hand_over(me, mail);
            let carried = books.carried_by(me).into_iter();
            carried
                .filter(|&attempt| {
                    let session = books.table.session_of(attempt);
                    session.and_then(|session| books.homes.get(&session)) != Some(&me)
                })
                .collect()
        })
    }

    /// Looks at the table.
    pub(in crate::node) fn look<T>(&self, look: impl FnOnce(&Sessions) -> T) -> T {
        look(&self.records.books().table)
    }

    /// How many sessions are at home here.
    pub(in crate::node) fn sessions(&self) -> usize {
        let books = self.records.books();
        books
            .seats
            .get(&self.member)
            .map_or(0, |it| it.sessions.len())
    }

    /// Whoever is woken may do anything, so it is done without the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Books, Member) -> T) -> T {
        let mut books = self.records.books();
        let result = change(&mut books, self.member);
        let wakes = std::mem::take(&mut books.wakes);
        drop(books);
        wakes.iter().for_each(|wake| wake());
        result
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let Ok(mut books) = self.records.0.books.lock() else {
            return;
        };
        books.leave(self.member);
        let wakes = std::mem::take(&mut books.wakes);
        drop(books);
        wakes.iter().for_each(|wake| wake());
    }
}
