//! The receiver's steps: what it is told, and what is done of what it asks for.

use std::time::Duration;

use peer_sender_core::{Action, Attempt, Event, PeerKey, SessionHandle, SessionNews, Time};

use crate::happening::Notice;
use crate::log::{self, brief_action, brief_event};
use crate::transport::{Conn, End, Stand};
use crate::world::World;

/// Whose machine has looked at its state in a step of the accepting end, and at the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    Nobody,
    One(SessionHandle),
    /// Each for which something was due, or all.
    WhoeverIsDue,
}

impl Stepped {
    pub(crate) fn includes(self, handle: SessionHandle) -> bool {
        match self {
            Self::Nobody => false,
            Self::One(one) => one == handle,
            Self::WhoeverIsDue => true,
        }
    }
}

impl World {
    pub(crate) fn accepted(&mut self, attempt: Attempt, key: PeerKey) {
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        log::line(self.now, || {
            format!("R -> accepted {attempt}, key {:02x}", key.0[0])
        });
        self.sessions.accepted(reading, attempt, key, &mut actions);
        let news = self.take_news();
        self.execute_for_receiver(Stepped::Nobody, news, actions);
    }

    pub(crate) fn flush_receiver(&mut self) {
        let mut batch = Vec::new();
        let mut batch_conn = None;
        for (conn, notice) in std::mem::take(&mut self.receiver_inbox) {
            // What another connection is told next must not be known when this one's step is taken.
            if let Some(before) = batch_conn.take_if(|before| *before != conn) {
                self.step_receiver(before, std::mem::take(&mut batch));
            }
            for event in self.receiver_events(conn, notice) {
                if !self.receiver_hears(conn, &event) {
                    continue;
                }
                batch_conn = Some(conn);
                batch.push(event);
                if self.rng.chance(self.plan.split_steps) {
                    self.step_receiver(conn, std::mem::take(&mut batch));
                }
            }
        }
        if let Some(conn) = batch_conn {
            self.step_receiver(conn, batch);
            self.probe_receiver();
        }
    }

    fn receiver_events(&mut self, conn: Conn, notice: Notice) -> Vec<Event> {
        let end = End::Acceptor;
        let connection = self.connection(conn);
        if connection.acceptor_end == Stand::Waiting && matches!(notice, Notice::Lost { .. }) {
            connection.acceptor_end = Stand::Gone;
        }
        if !connection.is_up(end) {
            return Vec::new();
        }
        let attempt = connection.attempt(end);
        match notice {
            Notice::Event(event) => vec![event],
            Notice::Read { stream } => self.read(conn, end, stream, false),
            Notice::Opened { stream } => self.tell_opened(conn, end, stream),
            Notice::Answers(_) => Vec::new(),
            Notice::Lost { error } => {
                let mut events = self.read_rest(conn, end);
                events.push(Event::ConnectionLost { attempt, error });
                events
            }
        }
    }

    fn receiver_hears(&mut self, conn: Conn, event: &Event) -> bool {
        let connection = self.connection(conn);
        let up = connection.acceptor_end == Stand::Up;
        if matches!(event, Event::ConnectionLost { .. }) {
            connection.acceptor_end = Stand::Gone;
        }
        up
    }

    fn step_receiver(&mut self, conn: Conn, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let reading = self.read_receiver_clock();
        let attempt = self.connection(conn).attempt(End::Acceptor);
        for event in &events {
            log::line(self.now, || format!("R -> {}", brief_event(event)));
        }
        self.announce_to_acceptor(conn, &events);
        let lost = matches!(events.last(), Some(Event::ConnectionLost { .. }));
        let mut actions = Vec::new();
        self.sessions
            .handle_connection(reading, attempt, events, &mut actions);
        let news = self.take_news();
        self.bind_if_opened(conn, &news);
        if lost {
            self.unbind(conn);
        }
        let session = self.connection(conn).session;
        let stepped = session.map_or(Stepped::Nobody, Stepped::One);
        self.execute_for_receiver(stepped, news, actions);
    }

    pub(crate) fn fire_receiver(&mut self) {
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        log::line(self.now, || "R -> timeout".into());
        self.sessions.handle_timeout(reading, &mut actions);
        let news = self.take_news();
        self.execute_for_receiver(Stepped::WhoeverIsDue, news, actions);
        let now = self.receiver_clock.latest;
        if let Some(deadline) = self.sessions.next_deadline() {
            assert!(deadline.at > now, "I15 {deadline:?} is not after {now}");
        }
    }

    /// One step of what a session's application answers and sends.
    pub(crate) fn step_session(&mut self, handle: SessionHandle, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        for event in &events {
            log::line(self.now, || {
                format!("R -> {handle:?} {}", brief_event(event))
            });
        }
        if let Some(oracle) = self.replies.get_mut(&(self.incarnation, handle)) {
            events.iter().for_each(|event| oracle.wishes(event));
        }
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        self.sessions
            .handle_session(reading, handle, events, &mut actions);
        let news = self.take_news();
        self.execute_for_receiver(Stepped::One(handle), news, actions);
    }

    pub(crate) fn take_news(&mut self) -> Vec<SessionNews> {
        std::iter::from_fn(|| self.sessions.poll_news()).collect()
    }

    /// Does what the receiver asks for. What the application is handed comes first, since what is
    /// written in the same step may speak of it.
    pub(crate) fn execute_for_receiver(
        &mut self,
        stepped: Stepped,
        news: Vec<SessionNews>,
        actions: Vec<Action>,
    ) {
        self.receiver_steps += 1;
        self.strangers.step_begins();
        self.note(&actions);
        for action in &actions {
            log::line(self.now, || format!("R <- {}", brief_action(action)));
        }
        for action in &actions {
            if let Action::Close { attempt, .. } = action {
                self.falls_silent(*attempt);
            }
        }
        self.hear_news(stepped, news);
        for action in actions {
            self.execute(End::Acceptor, action);
        }
        self.check_receiver();
    }

    /// The machine ends a connection: nothing more is heard of the lanes that it carried.
    fn falls_silent(&mut self, attempt: Attempt) {
        let now = self.receiver_clock.latest;
        let conn = self.conn(End::Acceptor, attempt);
        if let Some(oracle) = self.reply_oracle(conn) {
            oracle.connection_over(conn, now);
        }
    }

    pub(crate) fn read_receiver_clock(&mut self) -> Time {
        let back = match !self.healed && self.rng.chance(self.plan.time_back) {
            true => self.rng.wait(Duration::from_secs(5)),
            false => Duration::ZERO,
        };
        self.receiver_clock.read(self.now, back)
    }
}
