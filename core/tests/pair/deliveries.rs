//! What the applications of both ends are handed, when they answer, and what they reply.

use std::time::Duration;

use peer_sender_core::{Event, IncomingMessage, Lane, MessageId, SessionHandle, Time};

use crate::application::Delivery;
use crate::happening::{Happening, Notice};
use crate::log;
use crate::oracle::Oracle;
use crate::policies::draw_options;
use crate::receiver_log::{Answer, Receiver};
use crate::transport::{Conn, End};
use crate::world::World;

impl World {
    /// The accepting application is handed a message of this session.
    pub(crate) fn deliver(&mut self, handle: SessionHandle, message: IncomingMessage) {
        let IncomingMessage {
            lane: Lane(lane),
            number,
            payload,
            ..
        } = message;
        let name = (self.incarnation, handle);
        let bound = self.connections.iter().position(|connection| {
            connection.incarnation == name.0 && connection.session == Some(handle)
        });
        let conn = Conn(bound.expect("I5 a session without a connection"));
        let receiver = self.receiver_of(handle);
        let id = if self.strange_handles.contains(&name) {
            self.strangers.handed(conn, name, number, &payload);
            None
        } else {
            let session = self.oracle.session_on(conn).expect("OPEN came");
            let place = (lane, number);
            Some(self.oracle.handed(receiver, session, place, &payload))
        };
        self.hand((receiver, lane, number), id, payload.len());
    }

    /// The dialling application is handed a reply.
    pub(crate) fn deliver_reply(&mut self, message: IncomingMessage) {
        let IncomingMessage {
            lane: Lane(lane),
            number,
            payload,
            ..
        } = message;
        let receiver = self.reply_receiver();
        let newest = self.connections.iter().rposition(|c| c.dialler.is_some());
        let conn = Conn(newest.expect("I5 a reply without a connection"));
        let oracle = self.reply_oracle(conn).expect("I5 a reply of no session");
        let session = oracle.session_on(conn).expect("OPEN came");
        let id = oracle.handed(receiver, session, (lane, number), &payload);
        self.hand((receiver, lane, number), Some(id), payload.len());
    }

    fn hand(&mut self, delivery: Delivery, id: Option<MessageId>, bytes: usize) {
        self.application.hand(delivery, id, bytes);
        if !self.is_deaf(delivery) {
            let due = self.answer_due();
            self.schedule_at(due, Happening::Answer(delivery));
        }
    }

    /// Whether the application does not read what it was handed, for now.
    pub(crate) fn is_deaf(&self, (receiver, lane, _): Delivery) -> bool {
        !self.hears_all && receiver.end == End::Acceptor && self.plan.deaf == Some(lane)
    }

    /// The application reads every lane from here on.
    pub(crate) fn hear_all(&mut self) {
        log::line(self.now, || "---- every lane is read".into());
        let left = self.application.unanswered();
        let left: Vec<_> = left.into_iter().filter(|it| self.is_deaf(*it)).collect();
        self.hears_all = true;
        for delivery in left {
            self.schedule(Duration::from_micros(50), Happening::Answer(delivery));
        }
    }

    fn answer_due(&mut self) -> Time {
        if self.healed {
            return self.now + Duration::from_micros(50);
        }
        let due = self.now + self.rng.wait(self.plan.answer_max);
        if self.plan.stalls && self.rng.chance(300) {
            return self.plan.heals_at + self.rng.wait(Duration::from_secs(20));
        }
        due
    }

    /// The accepting end's receiving half of a session of this life.
    pub(crate) fn receiver_of(&self, handle: SessionHandle) -> Receiver {
        Receiver {
            end: End::Acceptor,
            life: self.incarnation,
            session: handle.0,
        }
    }

    /// The dialling end's receiving half, as it is now.
    pub(crate) fn reply_receiver(&self) -> Receiver {
        Receiver {
            end: End::Dialler,
            life: 0,
            session: self.generation,
        }
    }

    /// Whether answers to what this half was handed still mean anything.
    fn is_current(&self, receiver: Receiver) -> bool {
        match receiver.end {
            End::Dialler => receiver == self.reply_receiver(),
            End::Acceptor => receiver.life == self.incarnation,
        }
    }

    pub(crate) fn answer(&mut self, (receiver, lane, number): Delivery) {
        if !self.is_current(receiver) {
            return;
        }
        // In order: the oldest that is held is answered in this one's stead.
        let oldest = self.application.oldest(receiver, lane);
        let number = match oldest {
            Some(oldest) if !self.plan.out_of_order => oldest,
            _ => number,
        };
        let delivery = (receiver, lane, number);
        let Some((id, answer)) = self.application.answer(delivery, &self.plan) else {
            return;
        };
        if let Some(id) = id {
            log::line(self.now, || {
                format!("{:?} application: {answer:?} of message {id}", receiver.end)
            });
            self.decided(receiver, id, answer);
            if receiver.end == End::Acceptor && self.rng.chance(self.plan.replies) {
                let later = self.rng.wait(self.plan.answer_max);
                self.schedule(later, Happening::Reply(receiver));
            }
        }
        let later = self.rng.wait(self.plan.answer_max / 8);
        self.schedule(later, Happening::Tell(receiver));
    }

    fn decided(&mut self, receiver: Receiver, id: MessageId, answer: Answer) {
        match receiver.end {
            End::Acceptor => self.oracle.decided(receiver, id, answer),
            End::Dialler => {
                let oracle = self.reply_oracle_of(receiver);
                oracle
                    .expect("somebody sent it")
                    .decided(receiver, id, answer);
            }
        }
    }

    /// The driver passes the application's answers on.
    pub(crate) fn tell(&mut self, receiver: Receiver) {
        if !self.is_current(receiver) {
            return;
        }
        match receiver.end {
            End::Acceptor => {
                let events = self.application.news(receiver);
                self.step_session(SessionHandle(receiver.session), events);
            }
            End::Dialler => self.sender_inbox.push((None, Notice::Answers(receiver))),
        }
    }

    /// The dialling machine begins to read replies anew: its application owes no answer any more.
    pub(crate) fn forget_delivered(&mut self) {
        let gone = self.reply_receiver();
        if let Some(oracle) = self.reply_oracle_of(gone) {
            oracle.forgot(gone);
        }
        self.application.forget(|half| half == gone);
        self.generation += 1;
    }

    /// The judge of the replies that a half of the dialling end was handed.
    fn reply_oracle_of(&mut self, receiver: Receiver) -> Option<&mut Oracle> {
        let mut each = self.replies.values_mut();
        each.find(|oracle| oracle.has_handed(receiver))
    }

    /// Answers of the dialling application, unless the machine has begun anew meanwhile.
    pub(crate) fn answers(&mut self, receiver: Receiver) -> Vec<Event> {
        match self.is_current(receiver) {
            true => self.application.news(receiver),
            false => Vec::new(),
        }
    }

    /// The accepting application replies to a session.
    pub(crate) fn reply(&mut self, receiver: Receiver) {
        if self.healed || !self.is_current(receiver) {
            return;
        }
        let handle = SessionHandle(receiver.session);
        let mut events = Vec::new();
        for _ in 0..self.rng.between(1, self.plan.reply_burst_max) {
            let (id, event) = self.one_reply(handle);
            events.push(event);
            if self.rng.chance(self.plan.cancels) {
                let after = self.rng.wait(self.plan.delay_max * 3);
                self.schedule(after, Happening::CancelReply(receiver, id));
            }
        }
        self.step_session(handle, events);
    }

    pub(crate) fn cancel_reply(&mut self, receiver: Receiver, id: MessageId) {
        if self.is_current(receiver) {
            let events = vec![Event::Cancel { id }];
            self.step_session(SessionHandle(receiver.session), events);
        }
    }

    fn one_reply(&mut self, handle: SessionHandle) -> (MessageId, Event) {
        self.replies_sent += 1;
        let id = MessageId(self.replies_sent);
        let bytes = self.rng.scale(self.plan.reply_bytes_max) as usize;
        let lane = Lane(self.rng.below(self.plan.reply_lanes) as u8);
        let payload = crate::sending::payload(!self.plan.seed ^ handle.0, id, bytes);
        (
            id,
            Event::MessageQueued {
                id,
                lane,
                payload,
                options: draw_options(
                    &mut self.rng,
                    self.plan.expiries,
                    self.receiver_clock.latest,
                    self.plan.delay_max * 3,
                ),
            },
        )
    }
}
