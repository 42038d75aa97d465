//! What must be true of the accepting end after each step, and whom it may part from why.

use std::collections::BTreeMap;

use peer_sender_core::{
    Attempt, CloseCode, Deadline, PeerKey, SessionHandle, Sessions, Time, Timer,
};

use crate::log::{self, brief_event};
use crate::oracle::Message;
use crate::stale::any_event_of;
use crate::transport::{Conn, Connection, End, Stand};
use crate::world::World;

/// What each message counts beside its payload, at least.
pub(crate) const MESSAGE_OVERHEAD: usize = 128;
/// A session that holds nothing may take a message of this cost where others have taken all.
const FIRST_BYTES_MAX: usize = 64 << 10;
/// The same for a lane that holds nothing, of a session that holds something.
pub(crate) const LANE_FIRST_BYTES_MAX: usize = 8 << 10;

impl World {
    /// Only a connection that was accepted later takes a lane over.
    pub(crate) fn check_superseded(&mut self, conn: Conn, end: End, code: CloseCode) {
        if code != CloseCode::Superseded {
            return;
        }
        assert_eq!(end, End::Acceptor, "W the only connection is superseded");
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
        let ways_back = connection.streams.iter();
        for (stream, way) in ways_back.filter(|(key, _)| key.opener == End::Dialler) {
            let way = way.way(End::Acceptor);
            let open = way.taken > 0 && !way.severed;
            assert!(
                !open || way.is_whole(),
                "I28 a drain closes before {stream:?} is at its end"
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
                let receiver = self.receiver_of(session);
                let lanes = self.oracle.lanes.keys();
                let most = lanes.map(|lane| self.oracle.refusals_of(receiver, *lane));
                let refused = most.max().unwrap_or(0);
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
        let sessions = &self.sessions;
        for ((life, handle), oracle) in &mut self.replies {
            if *life == self.incarnation
                && let Some(stats) = sessions.session_stats(*handle)
            {
                oracle.check_books(&stats);
                oracle.check_room(|lane| sessions.capacity(*handle, lane));
            }
        }
        self.check_moments();
        assert!(
            self.sessions.len() <= self.plan.sessions.sessions_max,
            "I21 too many sessions"
        );
        self.check_budgets();
    }

    /// I15: the next deadline is no later than what time does to replies, and where it is about
    /// that, exactly then.
    fn check_moments(&self) {
        let life = self.incarnation;
        let ours = self.replies.iter().filter(|((of, _), _)| *of == life);
        let open = ours.filter(|(_, oracle)| !oracle.closed);
        let expected = open.filter_map(|(_, oracle)| oracle.next_moment()).min();
        let deadline = self.sessions.next_deadline();
        let is_of_replies = |it: &Deadline| matches!(it.timer, Timer::Expiry | Timer::Patience);
        if deadline.is_some_and(|it| is_of_replies(&it)) {
            assert_eq!(deadline, expected, "I15 what replies wait for");
        }
        let at = |deadline: Option<Deadline>| deadline.map_or(Time::MAX, |it| it.at);
        assert!(
            at(deadline) <= at(expected),
            "I15 {deadline:?}, and replies wait for {expected:?}"
        );
    }

    /// I21: what the applications have not answered, against the limit of each session, of each
    /// key, and of the node.
    fn check_budgets(&self) {
        let config = &self.plan.sessions;
        let largest = self.plan.payload_bytes_max as usize + MESSAGE_OVERHEAD;
        // Beside the budget, each further lane may hold one message alone.
        let alone = 7 * largest;
        let mut of_node = Held::default();
        let mut of_keys: BTreeMap<PeerKey, Held> = BTreeMap::new();
        for receiver in self.application.receivers() {
            let (messages, bytes) = self.application.held_bytes(receiver);
            let held = Held::of_session(messages, bytes);
            if receiver.end == End::Dialler {
                let limit = self.plan.limits.inbound_bytes_max.max(largest);
                held.check(limit.saturating_add(alone), largest, "replies");
                continue;
            }
            let limit = config.receiver.inbound_bytes_max().max(largest);
            held.check(limit.saturating_add(alone), largest, "a session");
            let handle = SessionHandle(receiver.session);
            // What was forgotten is out of the books, and with its application for good.
            if let Some(key) = self.sessions.key(handle) {
                of_node.add(held);
                of_keys.entry(key).or_default().add(held);
            }
        }
        of_node.check(config.node_bytes_max, largest, "the node");
        for held in of_keys.values() {
            held.check(config.key_bytes_max, largest, "a key");
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

/// What applications hold, as the budgets count it.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    messages: usize,
    cost: usize,
    /// Sessions that hold anything: each may have begun with one message beyond the limit of all.
    sessions: usize,
}

impl Held {
    fn of_session(messages: usize, bytes: usize) -> Self {
        Self {
            messages,
            cost: bytes + messages * MESSAGE_OVERHEAD,
            sessions: usize::from(messages > 0),
        }
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.cost += other.cost;
        self.sessions += other.sessions;
    }

    /// With nothing held, a message of any length fits.
    fn check(self, limit: usize, largest: usize, whose: &str) {
        let most = limit.max(largest)
            + self.sessions.saturating_sub(1) * FIRST_BYTES_MAX
            + self.sessions * 7 * LANE_FIRST_BYTES_MAX;
        assert!(
            self.messages <= 1 || self.cost <= most,
            "I21 {whose}: {self:?} is held, and the limit is {limit}"
        );
    }
}
