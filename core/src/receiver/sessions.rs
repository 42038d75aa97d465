//! All sessions of an accepting node.

mod canonical;
mod check;
#[cfg(feature = "trace")]
mod image;
mod room;
mod table;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub use self::canonical::SessionsCanonical;
use self::room::Room;
use super::machine::PeerReceiverMachine;
use super::unbound::Unbound;
use crate::{
    Action, Attempt, Capacity, CloseCode, Deadline, Dialler, Epoch, Event, IncomingMessage,
    LANES_MAX, Lane, MessageId, Outcome, PeerKey, ReceiverConfig, ReceiverStats, Rejected,
    SessionId, Snapshot, Stats, StopMode, Time, Timer, Unsent,
};

/// Records that each session may make: one for each lane that it may open.
const RECORDS_PER_SESSION: u64 = LANES_MAX as u64;

/// A session of an accepting node, for as long as the node remembers it. Never given out twice by
/// one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionHandle(pub u64);

/// Limits of a table of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionsConfig {
    /// The limits of each session.
    pub receiver: ReceiverConfig,
    /// The most bytes of messages that are held of all sessions of one peer key (of one
    /// [share](Dialler::share)), 32 MiB by default. A session with nothing held may hold one message
    /// of up to 64 KiB more, and each of its lanes with nothing held one of up to 8 KiB.
    pub key_bytes_max: usize,
    /// The same of all sessions, 512 MiB by default.
    pub node_bytes_max: usize,
    /// The most sessions that are remembered, 4,096 by default.
    pub sessions_max: usize,
    /// The most sessions that are remembered of one peer key (of one [share](Dialler::share)), 16 by
    /// default.
    pub sessions_per_key_max: usize,
    /// How long a session is remembered after its last connection, 1 h by default. A sender that
    /// comes back later cannot be told what became of its messages.
    pub session_ttl: Duration,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            receiver: ReceiverConfig::default(),
            key_bytes_max: 32 << 20,
            node_bytes_max: 512 << 20,
            sessions_max: 4_096,
            sessions_per_key_max: 16,
            session_ttl: Duration::from_secs(3_600),
        }
    }
}

/// All sessions of an accepting node: binds each connection to its session by the first OPEN on
/// it, or, where the protocol has no lanes, makes it one of its own; keeps what sessions remember
/// while they have no connection, and forgets the least recently used of those without one when room
/// is needed.
///
/// It keeps a connection that has sent no OPEN yet for as long as it stands; how many of these
/// there may be is up to the node that accepts them.
#[derive(Clone, Debug)]
pub struct Sessions {
    config: SessionsConfig,
    /// Names the replies of each session, and the epoch.
    seed: [u8; 32],
    epoch: Epoch,
    room: Room,
    now: Time,
    stopping: bool,
    next_handle: u64,
    next_record: u64,
    newest: Option<Attempt>,
    connections: BTreeMap<Attempt, Owner>,
    sessions: BTreeMap<SessionHandle, Session>,
    by_name: BTreeMap<(Dialler, SessionId), SessionHandle>,
    /// Sessions without a connection, the one that lost its last first in front.
    idle: BTreeSet<(Time, SessionHandle)>,
    /// Sessions that wait for a moment.
    deadlines: BTreeSet<(Deadline, SessionHandle)>,
    news: VecDeque<SessionNews>,
    /// Empty between steps, kept for its capacity.
    scratch: Vec<Action>,
    /// Counters of sessions that are forgotten, and of connections that never had one.
    past: ReceiverStats,
}

/// What belongs to a session and not to a connection. Messages are batched by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionNews {
    /// Messages for the application, in order.
    Delivered {
        /// Their session.
        session: SessionHandle,
        /// The messages, at least one.
        messages: Vec<IncomingMessage>,
    },
    /// Outcomes of replies, in the order in which they fell.
    Settled {
        /// Their session.
        session: SessionHandle,
        /// Each reply with its only outcome, at least one.
        settled: Vec<(MessageId, Outcome)>,
    },
    /// Replies that were not sent, or are proven not to have been received, when their session
    /// ended, or its only connection under the plain protocol: after their outcomes.
    HandedBack {
        /// Their session.
        session: SessionHandle,
        /// The replies, at least one.
        unsent: Vec<Unsent>,
    },
    /// A reply is not accepted, and handed back.
    Rejected {
        /// Its session.
        session: SessionHandle,
        /// The name it would have had.
        id: MessageId,
        /// The lane that it was for.
        lane: Lane,
        /// Why, and the reply.
        rejected: Rejected,
    },
    /// Replies left the queue of a lane.
    Room {
        /// Their session.
        session: SessionHandle,
        /// The lane.
        lane: Lane,
        /// What would be accepted on it now.
        capacity: Capacity,
    },
    /// The session was forgotten: for want of room, at the end of its time to live, or at the end
    /// of a stop. The last that is heard of it.
    Forgotten {
        /// The session.
        session: SessionHandle,
    },
}

/// To whom a connection belongs.
#[derive(Clone, Debug)]
enum Owner {
    Nobody(Unbound),
    Session(SessionHandle),
}

#[derive(Clone, Debug)]
struct Session {
    name: (Dialler, SessionId),
    machine: PeerReceiverMachine,
    /// Since when it has no connection, as in `idle`.
    idle_since: Option<Time>,
    /// As in `deadlines`.
    deadline: Option<Deadline>,
}

impl Sessions {
    /// An empty table. The epoch comes from the seed: 256 random bits that were never used before.
    pub fn new(config: SessionsConfig, seed: [u8; 32]) -> Self {
        let mut epoch = [0; 16];
        epoch.copy_from_slice(&seed[16..]);
        Self {
            room: Room::new(config.node_bytes_max, config.key_bytes_max),
            config,
            seed,
            epoch: Epoch(epoch),
            now: Time::ZERO,
            stopping: false,
            next_handle: 0,
            next_record: 0,
            newest: None,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            by_name: BTreeMap::new(),
            idle: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            news: VecDeque::new(),
            scratch: Vec::new(),
            past: ReceiverStats::default(),
        }
    }

    /// A connection was accepted, its handshake is complete and its dialler is trusted. Attempts must
    /// increase, since a lane belongs to the connection that was accepted last: one that does not
    /// is ignored. While the table stops, the connection is closed at once; without lanes also where
    /// there is no room for one more session, so that the handshake need not be confirmed to whoever
    /// would be told that its messages have arrived.
    pub fn accepted(
        &mut self,
        now: Time,
        attempt: Attempt,
        dialler: impl Into<Dialler>,
        actions: &mut Vec<Action>,
    ) {
        self.advance(now);
        let dialler = dialler.into();
        if self.newest.is_some_and(|newest| attempt <= newest) {
            self.past.stale_events += 1;
            return;
        }
        self.newest = Some(attempt);
        if self.stopping {
            actions.push(going_away(attempt));
        } else if self.config.receiver.protocol.has_lanes() {
            let unbound = Unbound::new(dialler);
            self.connections.insert(attempt, Owner::Nobody(unbound));
        } else {
            self.bind_by_itself(attempt, dialler, actions);
            self.share_room(actions);
        }
    }

    /// One step of what happened on one accepted connection: events that name it, and
    /// `TransferFinished` of its writes. One that names another connection changes nothing but a
    /// counter.
    ///
    /// Returns the session that the connection is bound to after the step, or, if it ended in it,
    /// was bound to before.
    pub fn handle_connection(
        &mut self,
        now: Time,
        attempt: Attempt,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) -> Option<SessionHandle> {
        self.advance(now);
        let mut strange = 0;
        let events = events.into_iter().filter(|event| {
            let ours = event.attempt().is_none_or(|named| named == attempt);
            strange += u64::from(!ours);
            ours
        });
        let session = match self.connections.remove(&attempt) {
            Some(Owner::Session(session)) => {
                self.connections.insert(attempt, Owner::Session(session));
                self.step(session, events, actions);
                Some(session)
            }
            Some(Owner::Nobody(unbound)) => self.bind(attempt, unbound, events, actions),
            None => {
                self.past.stale_events += events.count() as u64;
                None
            }
        };
        self.past.stale_events += strange;
        self.share_room(actions);
        session
    }

    /// One step of what the application says to a session: `Consumed`, `Refused`,
    /// `MessageQueued`, `Cancel`, `Stop`. A message for a session that is forgotten is handed
    /// back; the rest is ignored. May write on, or close, any connection of the session.
    pub fn handle_session(
        &mut self,
        now: Time,
        session: SessionHandle,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        self.advance(now);
        let events = events.into_iter().filter(|event| event.attempt().is_none());
        if self.sessions.contains_key(&session) {
            self.step(session, events, actions);
        } else {
            self.reject(session, events);
        }
        self.share_room(actions);
    }

    /// Whether this connection was accepted and has not ended, as far as the table was told.
    pub fn is_open(&self, attempt: Attempt) -> bool {
        self.connections.contains_key(&attempt)
    }

    /// The session that a connection is bound to; none if it is over or has named none yet.
    pub fn session_of(&self, attempt: Attempt) -> Option<SessionHandle> {
        match self.connections.get(&attempt)? {
            Owner::Session(session) => Some(*session),
            Owner::Nobody(_) => None,
        }
    }

    /// The key of the session's peer; none if the session is forgotten.
    pub fn key(&self, session: SessionHandle) -> Option<PeerKey> {
        self.sessions.get(&session).map(|it| it.name.0.key)
    }

    /// What would be accepted as replies on this lane of a session now.
    pub fn capacity(&self, session: SessionHandle, lane: Lane) -> Capacity {
        let session = self.sessions.get(&session);
        session.map_or_else(Capacity::default, |it| it.machine.capacity(lane))
    }

    /// Counters of a session's replies; none if it is forgotten.
    pub fn session_stats(&self, session: SessionHandle) -> Option<Stats> {
        Some(self.sessions.get(&session)?.machine.reply_stats())
    }

    /// How a session's replies stand; none if it is forgotten.
    pub fn session_snapshot(&self, session: SessionHandle) -> Option<Snapshot> {
        Some(self.sessions.get(&session)?.machine.snapshot())
    }

    /// The connection on which a session's replies go out now.
    pub fn session_connection(&self, session: SessionHandle) -> Option<Attempt> {
        self.sessions.get(&session)?.machine.carrier()
    }

    /// Ends all connections in good order (or at once), and takes no new ones. A session is
    /// forgotten with its last connection: once the table is [empty](Self::is_empty), the end is
    /// reached. May be called again, to shorten the first call's deadline.
    pub fn stop(&mut self, now: Time, mode: StopMode, actions: &mut Vec<Action>) {
        self.advance(now);
        self.stopping = true;
        self.connections.retain(|&attempt, owner| match owner {
            Owner::Nobody(_) => {
                actions.push(going_away(attempt));
                false
            }
            Owner::Session(_) => true,
        });
        let all: Vec<SessionHandle> = self.sessions.keys().copied().collect();
        for session in all {
            self.step(session, [Event::Stop { mode }], actions);
        }
        self.share_room(actions);
    }

    /// Does what is due at `now`; harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Time, actions: &mut Vec<Action>) {
        self.advance(now);
        while let Some(&(deadline, session)) = self.deadlines.first()
            && deadline.at <= self.now
        {
            // The machine's own deadline lies ahead or is gone after a step that is not early.
            self.deadlines.pop_first();
            self.step(session, [Event::TimerFired], actions);
        }
        while let Some(&(since, session)) = self.idle.first()
            && since + self.config.session_ttl <= self.now
        {
            self.forget(session);
        }
        self.share_room(actions);
    }

    /// The earliest moment at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let of_machines = self.deadlines.first().map(|&(deadline, _)| deadline);
        let of_idle = self.idle.first().map(|&(since, _)| Deadline {
            at: since + self.config.session_ttl,
            timer: Timer::SessionTtl,
        });
        of_machines.into_iter().chain(of_idle).min()
    }

    /// What happened to sessions since the last call. To be called until it gives none.
    pub fn poll_news(&mut self) -> Option<SessionNews> {
        self.news.pop_front()
    }

    /// Its state with times relative to now, and sessions and connections named by their order, so
    /// that two histories that will go on alike compare as equal.
    pub fn canonical(&self) -> SessionsCanonical {
        SessionsCanonical::of(self)
    }

    /// Whether nothing has happened yet: no connection was ever accepted.
    pub fn is_new(&self) -> bool {
        self.newest.is_none()
    }

    /// Sessions that are remembered.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is remembered.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Counters of all sessions since the table was made.
    pub fn stats(&self) -> ReceiverStats {
        let each = self
            .sessions
            .values()
            .map(|session| session.machine.stats());
        each.fold(self.past, ReceiverStats::plus)
    }

    fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }
}

fn going_away(attempt: Attempt) -> Action {
    let reason = String::from("the receiver stops");
    Action::Close {
        attempt,
        code: CloseCode::GoingAway,
        reason,
    }
}

#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one action among all"
)]
mod tests;
