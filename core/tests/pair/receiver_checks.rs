//! What must be true of the accepting end after each step, and whom it may part from why.

use peer_sender_core::{Attempt, CloseCode, SessionHandle, Sessions};

use crate::log::{self, brief_event};
use crate::oracle::Message;
use crate::stale::any_event_of;
use crate::transport::{Conn, Connection, End, Stand};
use crate::world::World;

impl World {
    /// Notes which session the connection belongs to; it never changes.
    pub(crate) fn bind(&mut self, conn: Conn, session: Option<SessionHandle>) {
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

    /// Only a connection that was accepted later takes a lane over.
    pub(crate) fn check_superseded(&mut self, conn: Conn, code: CloseCode) {
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
    pub(crate) fn check_drained(&mut self, conn: Conn, code: CloseCode) {
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
    pub(crate) fn check_overload(&mut self, conn: Conn, code: CloseCode) {
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

    pub(crate) fn check_receiver(&mut self) {
        assert_eq!(self.sessions.check(), Ok(()));
        let now = self.receiver_clock.latest;
        for handle in core::mem::take(&mut self.forgotten) {
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
    pub(crate) fn probe_receiver(&mut self) {
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
