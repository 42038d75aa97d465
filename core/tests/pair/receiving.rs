//! The receiver's steps: what it is told, and what is done of what it asks for.

use std::time::Duration;

use peer_sender_core::{Action, Attempt, Event, PeerKey, SessionNews, Side, StreamId, Time};

use crate::log::{self, brief_action, brief_event};
use crate::transport::{Conn, End, Stand};
use crate::world::{Notice, World};

impl World {
    pub(crate) fn accepted(&mut self, attempt: Attempt, key: PeerKey) {
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        log::line(self.now, || {
            format!("R -> accepted {attempt}, key {:02x}", key.0[0])
        });
        self.sessions.accepted(reading, attempt, key, &mut actions);
        self.execute_for_receiver(actions);
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
            Notice::Opened { stream } => {
                let opener = Side::Remote;
                let stream = StreamId {
                    opener,
                    index: stream,
                };
                vec![Event::StreamOpened { attempt, stream }]
            }
            Notice::Lost { error } => {
                let all = self.plan.reads_paused_at_loss;
                let mut events = self.read(conn, end, 0, all);
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
        let lost = matches!(events.last(), Some(Event::ConnectionLost { .. }));
        let mut actions = Vec::new();
        let session = self
            .sessions
            .handle_connection(reading, attempt, events, &mut actions);
        self.bind(conn, session);
        if lost {
            self.unbind(conn);
        }
        self.execute_for_receiver(actions);
    }

    pub(crate) fn fire_receiver(&mut self) {
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        log::line(self.now, || "R -> timeout".into());
        self.sessions.handle_timeout(reading, &mut actions);
        self.execute_for_receiver(actions);
        let now = self.receiver_clock.latest;
        if let Some(deadline) = self.sessions.next_deadline() {
            assert!(deadline.at > now, "I15 {deadline:?} is not after {now}");
        }
    }

    /// Does what the receiver asks for. What the application is handed comes first, since what is
    /// written in the same step may speak of it.
    pub(crate) fn execute_for_receiver(&mut self, actions: Vec<Action>) {
        self.receiver_steps += 1;
        self.strangers.step_begins();
        self.note(&actions);
        for action in &actions {
            log::line(self.now, || format!("R <- {}", brief_action(action)));
        }
        while let Some(news) = self.sessions.poll_news() {
            match news {
                SessionNews::Delivered { session, messages } => {
                    for message in messages {
                        self.deliver(session, message);
                    }
                }
                SessionNews::Forgotten { session } => self.forgotten.push(session),
                other => panic!("A {other:?} of a session that sends nothing"),
            }
        }
        for action in actions {
            self.execute_one(action);
        }
        self.check_receiver();
    }

    fn execute_one(&mut self, action: Action) {
        let end = End::Acceptor;
        match action {
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
            } => {
                let conn = self.accepted_conn(attempt);
                let connection = self.connection(conn);
                let stranger = connection.dialler.is_none();
                let session = connection.session.expect("W an answer before OPEN");
                let log = (self.incarnation, session);
                let bytes = chunks.concat();
                if !stranger {
                    self.oracle.receiver_wrote(conn, log, &bytes, fin);
                } else if let Some(record) = self.strangers.answered(conn, log, &bytes) {
                    self.oracle.note_record(log, record);
                }
                self.write((conn, end), stream, (transfer, chunks, fin));
            }
            Action::PauseReading { attempt, stream } => {
                let conn = self.accepted_conn(attempt);
                self.pause(conn, end, stream, true);
            }
            Action::ResumeReading { attempt, stream } => {
                let conn = self.accepted_conn(attempt);
                self.pause(conn, end, stream, false);
            }
            Action::ResetStream {
                attempt,
                stream,
                code,
            } => {
                let conn = self.accepted_conn(attempt);
                self.check_superseded(conn, code);
                self.sever(conn, end, stream, code);
            }
            Action::StopSending {
                attempt,
                stream,
                code,
            } => {
                let conn = self.accepted_conn(attempt);
                self.refuse_rest(conn, end, stream, code);
            }
            Action::Close {
                attempt,
                code,
                reason,
            } => {
                let conn = self.accepted_conn(attempt);
                self.check_superseded(conn, code);
                self.check_drained(conn, code);
                self.check_overload(conn, code);
                if let Some(session) = self.connection(conn).session {
                    self.strangers
                        .closed(conn, (self.incarnation, session), code);
                }
                self.close(conn, end, code, reason);
            }
            other => panic!("A {other:?} from the receiver"),
        }
    }

    fn accepted_conn(&self, attempt: Attempt) -> Conn {
        let place = self
            .connections
            .iter()
            .position(|c| c.acceptor == Some(attempt));
        Conn(place.expect("A an action for no connection"))
    }

    pub(crate) fn read_receiver_clock(&mut self) -> Time {
        let back = match !self.healed && self.rng.chance(self.plan.time_back) {
            true => self.rng.wait(Duration::from_secs(5)),
            false => Duration::ZERO,
        };
        self.receiver_clock.read(self.now, back)
    }
}
