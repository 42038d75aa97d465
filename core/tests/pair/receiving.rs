//! The accepting process: its table of sessions, its application, its deaths.

use std::time::Duration;

use peer_sender_core::{
    Action, Attempt, CloseCode, Event, IncomingMessage, PeerKey, SessionHandle, Sessions, StopMode,
    Time,
};

use crate::application::Application;
use crate::faults::IDLE;
use crate::log::{self, brief_action, brief_event};
use crate::oracle::Message;
use crate::sending::any_event_of;
use crate::transport::{Conn, Connection, End, Path, Stand};
use crate::world::{Clock, Happening, Notice, World};

impl World {
    pub(crate) fn accepted(&mut self, attempt: Attempt, key: PeerKey) {
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        log::line(self.now, || {
            format!("R -> accepted {attempt}, key {:02x}", key.0[0])
        });
        self.sessions.accepted(reading, attempt, key, &mut actions);
        self.execute_for_receiver(None, actions);
    }

    pub(crate) fn flush_receiver(&mut self) {
        let mut batch = Vec::new();
        let mut batch_conn = None;
        for (conn, notice) in std::mem::take(&mut self.receiver_inbox) {
            for event in self.receiver_events(conn, notice) {
                if !self.receiver_hears(conn, &event) {
                    continue;
                }
                if let Some(before) = batch_conn.replace(conn).filter(|before| *before != conn) {
                    self.step_receiver(before, std::mem::take(&mut batch));
                }
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
                let opener = peer_sender_core::Side::Remote;
                let stream = peer_sender_core::StreamId {
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
        self.execute_for_receiver(session, actions);
    }

    /// Notes which session the connection belongs to; it never changes.
    fn bind(&mut self, conn: Conn, session: Option<SessionHandle>) {
        let incarnation = self.incarnation;
        let connection = self.connection(conn);
        let Some(handle) = session else { return };
        let known = *connection.session.get_or_insert(handle);
        assert_eq!(known, handle, "I6 a connection changes its session");
        let strange = connection.dialler.is_none();
        let up = connection.acceptor_end == Stand::Up;
        let name = (incarnation, handle);
        if strange {
            self.strange_handles.insert(name);
        }
        assert_eq!(
            self.strange_handles.contains(&name),
            strange,
            "I5 somebody else's session"
        );
        if up {
            self.unbound_since.remove(&name);
        }
    }

    /// Notes since when a session has no connection.
    pub(crate) fn unbind(&mut self, conn: Conn) {
        let incarnation = self.incarnation;
        let now = self.receiver_clock.latest;
        let Some(handle) = self.connection(conn).session else {
            return;
        };
        let others = self.connections.iter().any(|connection| {
            connection.acceptor_end == Stand::Up
                && connection.incarnation == incarnation
                && connection.session == Some(handle)
        });
        if !others {
            self.unbound_since.insert((incarnation, handle), now);
        }
    }

    pub(crate) fn fire_receiver(&mut self) {
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        log::line(self.now, || "R -> timeout".into());
        self.sessions.handle_timeout(reading, &mut actions);
        self.execute_for_receiver(None, actions);
        let now = self.receiver_clock.latest;
        if let Some(deadline) = self.sessions.next_deadline() {
            assert!(deadline.at > now, "I15 {deadline:?} is not after {now}");
        }
    }

    /// Does what the receiver asks for. What the application is handed comes first, since what is
    /// written in the same step may speak of it.
    fn execute_for_receiver(&mut self, session: Option<SessionHandle>, actions: Vec<Action>) {
        self.receiver_steps += 1;
        self.strangers.step_begins();
        self.note(&actions);
        for action in &actions {
            log::line(self.now, || format!("R <- {}", brief_action(action)));
        }
        let (deliveries, others): (Vec<_>, Vec<_>) = actions
            .into_iter()
            .partition(|action| matches!(action, Action::Deliver(_)));
        for action in deliveries {
            let handle = session.expect("I5 a message of no session");
            if let Action::Deliver(message) = action {
                self.deliver(handle, message);
            }
        }
        for action in others {
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

    /// Only a connection that was accepted later takes a lane over.
    fn check_superseded(&mut self, conn: Conn, code: CloseCode) {
        if code != CloseCode::Superseded {
            return;
        }
        let superseded = self.connection(conn);
        let (attempt, session) = (superseded.acceptor, superseded.session);
        let newer = |c: &Connection| c.acceptor > attempt && c.session == session;
        assert!(
            self.connections.iter().any(newer),
            "W superseded, and nothing is newer"
        );
    }

    /// A drain ends a lane's connection once its FIN is acknowledged, or at the deadline.
    fn check_drained(&mut self, conn: Conn, code: CloseCode) {
        let now = self.receiver_clock.latest;
        let early = self.receiver_stop_at.is_some_and(|at| now < at);
        let connection = &self.connections[conn.0];
        let (attempt, session) = (connection.acceptor, connection.session);
        let newer = |c: &Connection| c.acceptor > attempt && c.session == session;
        let holds = session.is_some() && !self.connections.iter().any(newer);
        if code != CloseCode::GoingAway || !early || !holds {
            return;
        }
        if let Some(way) = connection.streams.get(&0).map(|s| s.way(End::Acceptor)) {
            let open = way.taken > 0 && !way.severed;
            assert!(
                !open || way.is_whole(),
                "I28 a drain closes before its last RECEIPT"
            );
        }
    }

    /// Only a table without room, or a memory full of refusals, is an excessive load.
    fn check_overload(&mut self, conn: Conn, code: CloseCode) {
        let connection = &self.connections[conn.0];
        if code != CloseCode::ExcessiveLoad {
            return;
        }
        match connection.session {
            Some(session) => {
                let too_large = |message: &&Message| {
                    message.payload.len() > self.plan.receiver_message_bytes_max
                };
                let too_large = self.oracle.messages.values().filter(too_large).count();
                let refused = self.oracle.refusals_of((self.incarnation, session));
                assert!(
                    refused + too_large > 1_024,
                    "R {refused} refusals are too many"
                );
                self.overloads += 1;
            }
            None => assert!(
                self.strangers.count() > 0,
                "I21 no room, and nobody else is there"
            ),
        }
    }

    fn accepted_conn(&self, attempt: Attempt) -> Conn {
        let place = self
            .connections
            .iter()
            .position(|c| c.acceptor == Some(attempt));
        Conn(place.expect("A an action for no connection"))
    }

    fn deliver(&mut self, handle: SessionHandle, message: IncomingMessage) {
        let IncomingMessage {
            number, payload, ..
        } = message;
        let name = (self.incarnation, handle);
        let bound = self.connections.iter().position(|connection| {
            connection.incarnation == name.0 && connection.session == Some(handle)
        });
        let conn = Conn(bound.expect("I5 a session without a connection"));
        let id = if self.strange_handles.contains(&name) {
            self.strangers.handed(conn, name, number, &payload);
            None
        } else {
            let session = self.oracle.witnesses[&conn].session.expect("OPEN came");
            Some(self.oracle.handed(name, session, number, &payload))
        };
        self.application.hand(handle, number, id, payload.len());
        let due = self.answer_due();
        let incarnation = self.incarnation;
        self.schedule_at(
            due,
            Happening::Answer {
                incarnation,
                handle,
                number,
            },
        );
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

    pub(crate) fn answer(&mut self, incarnation: u32, handle: SessionHandle, number: u64) {
        if incarnation != self.incarnation {
            return;
        }
        let order = self.plan.out_of_order;
        // In order: the oldest that is held is answered in this one's stead.
        let number = match self
            .application
            .unanswered()
            .iter()
            .find(|(of, _)| *of == handle)
        {
            Some((_, oldest)) if !order => *oldest,
            _ => number,
        };
        let answered = self
            .application
            .answer(handle, number, &self.plan, incarnation);
        let Some((id, answer)) = answered else { return };
        if let Some(id) = id {
            log::line(self.now, || {
                format!("R application: {answer:?} of message {id}")
            });
            self.oracle.decided((incarnation, handle), id, answer);
        }
        let later = self.rng.wait(self.plan.answer_max / 8);
        self.schedule(
            later,
            Happening::Tell {
                incarnation,
                handle,
            },
        );
    }

    /// The driver passes the application's answers on.
    pub(crate) fn tell(&mut self, incarnation: u32, handle: SessionHandle) {
        if incarnation != self.incarnation {
            return;
        }
        let events = self.application.news(handle);
        if events.is_empty() {
            return;
        }
        for event in &events {
            log::line(self.now, || {
                format!("R -> {handle:?} {}", brief_event(event))
            });
        }
        let reading = self.read_receiver_clock();
        let known = self.sessions.key(handle).is_some();
        let mut actions = Vec::new();
        self.sessions
            .handle_session(reading, handle, events, &mut actions);
        assert!(
            known || actions.is_empty(),
            "I10 {actions:?} for a forgotten session"
        );
        self.execute_for_receiver(Some(handle), actions);
    }

    fn check_receiver(&mut self) {
        assert_eq!(self.sessions.check(), Ok(()));
        let now = self.receiver_clock.latest;
        while let Some(handle) = self.sessions.poll_forgotten() {
            log::line(self.now, || format!("R forgets {handle:?}"));
            let name = (self.incarnation, handle);
            let unbound = self.unbound_since.get(&name);
            let aged = unbound.is_some_and(|since| {
                now.saturating_since(*since) >= self.plan.sessions.session_ttl
            });
            let crowded = self.strangers.count() > 0 || self.oracle.sessions_seen > 1;
            let need = aged || crowded || self.is_down;
            assert!(need, "I6 {handle:?} is forgotten without need");
            self.oracle.forgot(self.incarnation, handle);
        }
        assert!(
            self.sessions.len() <= self.plan.sessions.sessions_max,
            "I21 too many sessions"
        );
        let budget = self.plan.sessions.receiver.inbound_bytes_max();
        for handle in self.application.handles() {
            let (messages, bytes) = self.application.held_bytes(handle);
            assert!(
                messages <= 1 || bytes <= budget,
                "I21 {bytes} bytes are held"
            );
        }
    }

    /// I10 at the accepting end.
    fn probe_receiver(&mut self) {
        if !self.rng.chance(self.plan.stale) {
            return;
        }
        let gone = self
            .connections
            .iter()
            .filter(|c| c.acceptor_end == Stand::Gone);
        let gone: Vec<_> = gone.filter_map(|c| c.acceptor).collect();
        let attempt = match gone.is_empty() || self.rng.chance(200) {
            true => Attempt(self.next_accepted + 5),
            false => self.rng.pick(&gone),
        };
        let event = any_event_of(attempt, None, &mut self.rng);
        log::line(self.now, || format!("R -> stale {}", brief_event(&event)));
        let reading = self.receiver_clock.latest;
        let before = without_stale_count(&self.sessions);
        let mut stats = self.sessions.stats();
        let mut actions = Vec::new();
        let event = [event];
        self.sessions
            .handle_connection(reading, attempt, event.clone(), &mut actions);
        assert_eq!(actions, [], "I10 {event:?} is answered");
        assert_eq!(
            without_stale_count(&self.sessions),
            before,
            "I10 {event:?} changes the state"
        );
        stats.stale_events = self.sessions.stats().stale_events;
        assert_eq!(
            self.sessions.stats(),
            stats,
            "I10 {event:?} is counted otherwise"
        );
    }

    /// The process dies at once: what it held, and what it knew, is lost.
    pub(crate) fn crash(&mut self, down: Duration) {
        if self.is_down {
            return;
        }
        for conn in self.accepted_conns() {
            self.connection(conn).acceptor_end = Stand::Gone;
            self.connection(conn).path = Path::Dead;
            let within = if self.rng.chance(500) {
                Duration::from_millis(50)
            } else {
                IDLE
            };
            self.schedule_loss(conn, End::Dialler, within);
        }
        self.is_down = true;
        self.begin_life();
        self.schedule(down, Happening::Restart);
    }

    pub(crate) fn go_away(&mut self, mode: StopMode, down: Duration) {
        if self.is_down {
            return;
        }
        self.is_down = true;
        let reading = self.read_receiver_clock();
        let mut actions = Vec::new();
        log::line(self.now, || format!("R -> stop {mode:?}"));
        self.receiver_stop_at = match mode {
            StopMode::Drain(within) => Some(self.receiver_clock.latest + within),
            StopMode::Abort => None,
        };
        self.sessions.stop(reading, mode, &mut actions);
        self.execute_for_receiver(None, actions);
        let grace = match mode {
            StopMode::Drain(within) => within + self.plan.timer_late_max,
            StopMode::Abort => {
                assert_eq!(
                    self.accepted_conns(),
                    [],
                    "I28 a stopped node has connections"
                );
                Duration::ZERO
            }
        };
        // Readings that go back may hide the deadline from the machine for a moment.
        let margin = Duration::from_secs(6);
        self.schedule(grace + margin + down, Happening::Restart);
    }

    /// A new process takes the old one's place.
    pub(crate) fn restart(&mut self) {
        let left = self.accepted_conns();
        assert_eq!(left, [], "I28 a stopped node has connections");
        self.begin_life();
        self.is_down = false;
    }

    fn begin_life(&mut self) {
        self.incarnation += 1;
        self.taken_over += self.sessions.stats().taken_over;
        let seed = self.rng.array();
        self.sessions = Sessions::new(self.plan.sessions.clone(), seed);
        self.application = Application::default();
        self.receiver_inbox.clear();
        self.receiver_stop_at = None;
        // A process has a clock of its own.
        self.receiver_clock = Clock::default();
    }

    fn read_receiver_clock(&mut self) -> Time {
        let back = match !self.healed && self.rng.chance(self.plan.time_back) {
            true => self.rng.wait(Duration::from_secs(5)),
            false => Duration::ZERO,
        };
        self.receiver_clock.read(self.now, back)
    }

    /// The faults end; what they have broken is still to be noticed.
    pub(crate) fn heal(&mut self) {
        log::line(self.now, || "---- the faults end".into());
        self.healed = true;
        let incarnation = self.incarnation;
        for (handle, number) in self.application.unanswered() {
            let soon = self.rng.wait(Duration::from_millis(100));
            self.schedule(
                soon,
                Happening::Answer {
                    incarnation,
                    handle,
                    number,
                },
            );
        }
    }
}

/// All that the table shows of itself, but for the one counter that a stale event may change.
fn without_stale_count(sessions: &Sessions) -> String {
    let text = format!("{sessions:?}");
    let mut parts = text.split("stale_events: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}
