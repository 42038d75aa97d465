//! Any operations whatever on a table of sessions: connections are accepted, name sessions, say
//! anything and are lost; sessions are answered, forgotten and stopped; time passes and goes back.
//!
//! The first record holds the limits; each other is one operation.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use peer_sender_core::wire::{Frame, Open, encode_message_head};
use peer_sender_core::{
    Action, Attempt, Dialler, Event, Lane, LinkError, MessageId, PeerKey, SessionHandle,
    SessionNews, Sessions, SessionsConfig, Side, StreamId, Time,
};
use peer_sender_sim::tape::{Choices, Tape};

use crate::draw::{self, Names};
use crate::machine_events::receiver_config;
use crate::{judge, memory};

const KEYS: u64 = 3;

/// Two of the keys have one share.
fn share_of(key: PeerKey) -> PeerKey {
    PeerKey(key.0.map(|byte| byte / 2))
}

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(mut tape) = Tape::read(bytes) else {
        return false;
    };
    let Some(mut choices) = tape.next() else {
        return false;
    };
    let Some(mut scene) = Scene::new(&mut choices) else {
        return false;
    };
    for choices in tape {
        scene.operate(choices);
    }
    true
}

struct Scene {
    table: Sessions,
    config: SessionsConfig,
    now: Time,
    latest: Time,
    names: Names,
    keys: BTreeMap<Attempt, PeerKey>,
    /// Connections that were accepted and not lost or closed.
    open: BTreeSet<Attempt>,
    /// Sessions that were heard of.
    known: Vec<SessionHandle>,
    forgotten: BTreeSet<SessionHandle>,
    /// The last number that was delivered of each session's lane.
    delivered: BTreeMap<(SessionHandle, Lane), u64>,
    /// Replies by session: those without an outcome.
    live: BTreeMap<(SessionHandle, MessageId), usize>,
    /// The highest name that was offered to each session.
    highest: BTreeMap<SessionHandle, MessageId>,
    /// What was offered in this step and has to come back in it.
    refused: BTreeSet<(SessionHandle, MessageId)>,
    next_attempt: u64,
    has_lanes: bool,
    stopping: bool,
    before: Option<usize>,
    steps: usize,
}

impl Scene {
    fn new(choices: &mut Choices<'_>) -> Option<Self> {
        let protocol = draw::protocol(choices, 80);
        let sessions_max = 1 + choices.below(4) as usize;
        let sessions_per_key_max = 1 + choices.below(3) as usize;
        let session_ttl = draw::wait(choices);
        let beyond = choices.below(600) as usize;
        let receiver = receiver_config(protocol, choices)?;
        let key_bytes_max = receiver.inbound_bytes_max();
        let config = SessionsConfig {
            key_bytes_max,
            node_bytes_max: key_bytes_max + beyond,
            sessions_max,
            sessions_per_key_max,
            session_ttl,
            receiver,
        };
        Some(Self {
            before: memory::allocated(),
            table: Sessions::new(config.clone(), [5; 32]),
            config,
            now: Time::ZERO,
            latest: Time::ZERO,
            names: Names::default(),
            keys: BTreeMap::new(),
            open: BTreeSet::new(),
            known: Vec::new(),
            forgotten: BTreeSet::new(),
            delivered: BTreeMap::new(),
            live: BTreeMap::new(),
            highest: BTreeMap::new(),
            refused: BTreeSet::new(),
            next_attempt: 0,
            has_lanes: protocol.has_lanes(),
            stopping: false,
            steps: 0,
        })
    }

    fn operate(&mut self, mut choices: Choices<'_>) {
        let mut actions = Vec::new();
        let mut clock = self.now;
        let mut offered = Vec::new();
        match choices.below(32) {
            0..5 => self.accept(&mut choices, &mut actions),
            5..13 => self.open_lane(&mut choices, &mut actions),
            13..19 => {
                let attempt = self.attempt(&mut choices);
                let events = vec![self.event(attempt, &mut choices)];
                self.table
                    .handle_connection(self.now, attempt, events, &mut actions);
            }
            19..21 => self.lose(&mut choices, &mut actions),
            21..26 => {
                let session = self.session(&mut choices);
                let event = self.names.event(self.now, &mut choices);
                if let Event::MessageQueued { id, payload, .. } = &event {
                    let there = self.table.key(session).is_some();
                    offered.push((session, *id, payload.len(), there));
                }
                self.table
                    .handle_session(self.now, session, [event], &mut actions);
            }
            26 | 27 => {
                self.now = self.now + draw::wait(&mut choices);
                self.table.handle_timeout(self.now, &mut actions);
            }
            28 => {
                clock = Time::from_nanos(self.now.as_nanos() / (2 + choices.below(8)));
                self.table.handle_timeout(clock, &mut actions);
            }
            29 | 30 => {
                if let Some(due) = self.table.next_deadline() {
                    self.now = self.now.max(due.at);
                    self.table.handle_timeout(self.now, &mut actions);
                    let next = self.table.next_deadline();
                    let later = next.is_none_or(|it| it.at > self.now);
                    assert!(later, "I15 {next:?} is due, and was done");
                }
            }
            _ => {
                if choices.chance(96) {
                    let mode = draw::stop(&mut choices);
                    self.table.stop(self.now, mode, &mut actions);
                    self.stopping = true;
                }
            }
        }
        self.latest = self.latest.max(clock).max(self.now);
        self.judge(&offered, actions);
    }

    fn accept(&mut self, choices: &mut Choices<'_>, actions: &mut Vec<Action>) {
        let key = PeerKey([choices.below(KEYS) as u8; 32]);
        let dialler = Dialler {
            share: share_of(key),
            key,
        };
        // Most attempts increase, as they must; others are ignored.
        let attempt = Attempt(match choices.below(16) {
            15 => self.next_attempt.saturating_sub(1),
            step => self.next_attempt + step / 8,
        });
        // Without lanes each connection is a session, for which there must be room.
        let fewest = self
            .config
            .sessions_max
            .min(self.config.sessions_per_key_max);
        let has_room = self.has_lanes || self.table.len() < fewest;
        self.table.accepted(self.now, attempt, dialler, actions);
        if attempt.0 < self.next_attempt {
            return;
        }
        self.next_attempt = attempt.0 + 1;
        let closes = actions
            .iter()
            .any(|it| matches!(it, Action::Close { attempt: closed, .. } if *closed == attempt));
        let is_open = self.table.is_open(attempt);
        assert_eq!(is_open, !closes, "I27 {attempt:?}");
        match self.stopping {
            true => assert!(closes, "I27 {attempt:?}"),
            false => assert!(is_open || !has_room, "I27 {attempt:?}"),
        }
        if !self.stopping {
            self.keys.insert(attempt, key);
            self.open.insert(attempt);
            self.names.attempts.push(attempt);
        }
    }

    /// A stream with an OPEN, and what may come behind it.
    fn open_lane(&mut self, choices: &mut Choices<'_>, actions: &mut Vec<Action>) {
        let attempt = self.attempt(choices);
        let stream = StreamId {
            opener: Side::Remote,
            index: choices.below(4),
        };
        let mut bytes = Vec::new();
        Frame::Open(Open {
            fresh: choices.chance(160),
            session: draw::session(choices),
            lane: choices.below(3),
            base: choices.below(3),
        })
        .encode(&mut bytes);
        for _ in 0..choices.below(3) {
            let length = choices.below(40) as usize;
            encode_message_head(length, &mut bytes);
            bytes.extend(std::iter::repeat_n(3, length));
        }
        let events = [
            Event::Connected { attempt },
            Event::StreamOpened { attempt, stream },
            Event::BytesReceived {
                attempt,
                stream,
                bytes: Bytes::from(bytes),
                fin: choices.chance(24),
            },
        ];
        let bound = self
            .table
            .handle_connection(self.now, attempt, events, actions);
        if let Some(session) = bound {
            self.hear_of(session);
            let key = self.table.key(session);
            let same = key.is_none() || key == self.keys.get(&attempt).copied();
            assert!(same, "I10 {attempt:?} has come to another key's session");
        }
    }

    fn lose(&mut self, choices: &mut Choices<'_>, actions: &mut Vec<Action>) {
        let attempt = self.attempt(choices);
        let error = LinkError::IdleTimeout;
        let lost = Event::ConnectionLost { attempt, error };
        self.table
            .handle_connection(self.now, attempt, [lost], actions);
        assert!(!self.table.is_open(attempt), "I10 {attempt:?} was lost");
        self.open.remove(&attempt);
    }

    fn attempt(&self, choices: &mut Choices<'_>) -> Attempt {
        let place = choices.below(self.open.len() as u64 + 1) as usize;
        let open = self.open.iter().rev().nth(place).copied();
        open.unwrap_or(Attempt(self.next_attempt.saturating_sub(choices.below(4))))
    }

    fn session(&self, choices: &mut Choices<'_>) -> SessionHandle {
        let place = choices.below(self.known.len() as u64 + 1) as usize;
        let known = self.known.iter().rev().nth(place).copied();
        known.unwrap_or_else(|| SessionHandle(draw::number(choices)))
    }

    /// Something that is said of a connection, most often of this one.
    fn event(&mut self, by: Attempt, choices: &mut Choices<'_>) -> Event {
        let mut event = self.names.event(self.now, choices);
        let named = match &mut event {
            Event::Connected { attempt }
            | Event::StreamOpened { attempt, .. }
            | Event::BytesReceived { attempt, .. }
            | Event::StreamReset { attempt, .. }
            | Event::StreamStopped { attempt, .. }
            | Event::StreamAcknowledged { attempt, .. }
            | Event::ProbeAnswered { attempt } => attempt,
            // What belongs to a session is said to the session.
            _ => return Event::TimerFired,
        };
        *named = match choices.below(8) {
            7 => *named,
            _ => by,
        };
        event
    }

    fn hear_of(&mut self, session: SessionHandle) {
        if !self.known.contains(&session) {
            self.known.push(session);
        }
    }

    fn judge(&mut self, offered: &[(SessionHandle, MessageId, usize, bool)], actions: Vec<Action>) {
        const STEP_MAX: usize = 4_000;
        self.steps += 1;
        judge::sound("the table", self.table.check());
        let mut of_share: BTreeMap<PeerKey, usize> = BTreeMap::new();
        for key in self.known.iter().filter_map(|&it| self.table.key(it)) {
            *of_share.entry(share_of(key)).or_default() += 1;
        }
        let most = of_share.into_values().max().unwrap_or_default();
        assert!(
            most <= self.config.sessions_per_key_max,
            "I21 {most} of one share"
        );
        judge::timer(self.table.next_deadline().map(|it| it.at), self.now);
        assert!(actions.len() <= STEP_MAX, "I22 {} actions", actions.len());
        for action in &actions {
            if let Action::Close { attempt, .. } = action {
                let was = self.open.remove(attempt) || self.stopping;
                assert!(was, "I9 {attempt:?} is closed, and was not open");
                // Without lanes the table still hears what had come on it.
                let over = !self.has_lanes || !self.table.is_open(*attempt);
                assert!(over, "I10 {attempt:?} was closed");
            }
            let inner = matches!(
                action,
                Action::Deliver(_) | Action::Settle { .. } | Action::Reject { .. }
            );
            assert!(!inner, "I18 {action:?} belongs to a session");
            self.names.learn(action);
        }
        for &(session, id, bytes, there) in offered {
            let later = self.highest.get(&session).is_none_or(|last| *last < id);
            match there && later {
                true => {
                    self.highest.insert(session, id);
                    self.live.insert((session, id), bytes);
                }
                false => {
                    self.refused.insert((session, id));
                }
            }
        }
        while let Some(news) = self.table.poll_news() {
            self.news(news);
        }
        let refused = &self.refused;
        assert!(refused.is_empty(), "I8 {refused:?} did not come back");
        self.bounds();
    }

    fn news(&mut self, news: SessionNews) {
        let session = match &news {
            SessionNews::Delivered { session, .. }
            | SessionNews::Settled { session, .. }
            | SessionNews::HandedBack { session, .. }
            | SessionNews::Rejected { session, .. }
            | SessionNews::Room { session, .. }
            | SessionNews::Forgotten { session } => *session,
        };
        self.hear_of(session);
        let over = self.forgotten.contains(&session);
        let late = matches!(news, SessionNews::Rejected { .. });
        assert!(!over || late, "I27 {session:?} was forgotten: {news:?}");
        match news {
            SessionNews::Delivered { messages, .. } => {
                assert!(!messages.is_empty(), "I18 nothing is delivered");
                for message in messages {
                    let lane = (session, message.lane);
                    let last = self.delivered.insert(lane, message.number);
                    let follows = last.is_none_or(|last| last < message.number);
                    assert!(follows, "I7 {} follows {last:?}", message.number);
                }
            }
            SessionNews::Settled { settled, .. } => {
                for (id, _) in settled {
                    let live = self.live.remove(&(session, id)).is_some();
                    assert!(live, "I1 an outcome of {id:?}, which is not live");
                }
            }
            SessionNews::Rejected { id, rejected, .. } => {
                if !self.refused.remove(&(session, id)) {
                    let bytes = self.live.remove(&(session, id));
                    let whole = bytes == Some(rejected.payload.len());
                    assert!(whole, "I8 {id:?} was not offered");
                }
            }
            SessionNews::HandedBack { .. } | SessionNews::Room { .. } => {}
            SessionNews::Forgotten { session } => {
                let open = self.live.keys().any(|(of, _)| *of == session);
                assert!(!open, "I1 {session:?} is forgotten with replies open");
                assert_eq!(self.table.key(session), None, "I27 {session:?} is kept");
                self.forgotten.insert(session);
            }
        }
    }

    fn bounds(&self) {
        assert!(self.table.len() <= self.config.sessions_max, "I21");
        let mut of_key: BTreeMap<PeerKey, usize> = BTreeMap::new();
        for session in &self.known {
            if let Some(key) = self.table.key(*session) {
                assert!(!self.forgotten.contains(session), "I10 {session:?} is back");
                *of_key.entry(key).or_default() += 1;
            }
        }
        let most = of_key.values().max().copied().unwrap_or(0);
        assert!(
            most <= self.config.sessions_per_key_max,
            "I21 {most} sessions of a key"
        );
        for attempt in &self.open {
            assert!(self.table.is_open(*attempt), "I10 {attempt:?} is gone");
        }
        // Whatever is sent, a table of such limits stays small.
        const BYTES_MAX: usize = 4 << 20;
        if let Some(grown) = memory::grown_since(self.before) {
            let ours = self.steps * 512;
            assert!(grown <= BYTES_MAX + ours, "I21 {grown} bytes are held");
        }
    }
}
