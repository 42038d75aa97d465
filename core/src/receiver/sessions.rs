//! All sessions of an accepting node.

mod check;
mod table;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::machine::PeerReceiverMachine;
use super::unbound::Unbound;
use crate::{
    Action, Attempt, CloseCode, Deadline, Epoch, Event, PeerKey, ReceiverConfig, ReceiverStats,
    SessionId, StopMode, Time, Timer,
};

/// Records that each session may make: one for each lane that it may open.
const RECORDS_PER_SESSION: u64 = 1;

/// A session of an accepting node, for as long as the node remembers it. Never given out twice by
/// one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(pub u64);

/// Limits of a table of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionsConfig {
    /// The limits of each session.
    pub receiver: ReceiverConfig,
    /// The most sessions that are remembered, 4,096 by default.
    pub sessions_max: usize,
    /// The most sessions that are remembered of one peer key, 16 by default.
    pub sessions_per_key_max: usize,
    /// How long a session is remembered after its last connection, 1 h by default. A sender that
    /// comes back later cannot be told what became of its messages.
    pub session_ttl: Duration,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            receiver: ReceiverConfig::default(),
            sessions_max: 4_096,
            sessions_per_key_max: 16,
            session_ttl: Duration::from_secs(3_600),
        }
    }
}

/// All sessions of an accepting node: binds each connection to its session by the first OPEN on
/// it, keeps what sessions remember while they have no connection, and forgets the least recently
/// used of those without one when room is needed.
///
/// It keeps a connection that has sent no OPEN yet for as long as it stands; how many of these
/// there may be is up to the node that accepts them.
#[derive(Debug)]
pub struct Sessions {
    config: SessionsConfig,
    epoch: Epoch,
    now: Time,
    stopping: bool,
    next_handle: u64,
    next_record: u64,
    newest: Option<Attempt>,
    connections: BTreeMap<Attempt, Owner>,
    sessions: BTreeMap<SessionHandle, Session>,
    by_name: BTreeMap<(PeerKey, SessionId), SessionHandle>,
    /// Sessions without a connection, the one that lost its last first in front.
    idle: BTreeSet<(Time, SessionHandle)>,
    /// Sessions that wait for a moment.
    deadlines: BTreeSet<(Deadline, SessionHandle)>,
    forgotten: VecDeque<SessionHandle>,
    /// Counters of sessions that are forgotten, and of connections that never had one.
    past: ReceiverStats,
}

/// To whom a connection belongs.
#[derive(Debug)]
enum Owner {
    Nobody(Unbound),
    Session(SessionHandle),
}

#[derive(Debug)]
struct Session {
    name: (PeerKey, SessionId),
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
            config,
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
            forgotten: VecDeque::new(),
            past: ReceiverStats::default(),
        }
    }

    /// A connection was accepted, its handshake is complete and its key is trusted. Attempts must
    /// increase, since a lane belongs to the connection that was accepted last: one that does not
    /// is ignored. While the table stops, the connection is closed at once.
    pub fn accepted(
        &mut self,
        now: Time,
        attempt: Attempt,
        key: PeerKey,
        actions: &mut Vec<Action>,
    ) {
        self.advance(now);
        if self.newest.is_some_and(|newest| attempt <= newest) {
            self.past.stale_events += 1;
            return;
        }
        self.newest = Some(attempt);
        if self.stopping {
            actions.push(going_away(attempt));
        } else {
            self.connections
                .insert(attempt, Owner::Nobody(Unbound::new(key)));
        }
    }

    /// One step of what happened on one accepted connection: events that name it, and
    /// `TransferFinished` of its writes.
    ///
    /// Returns the session that the connection is bound to after the step, or, if it ended in it,
    /// was bound to before: every `Deliver` among the actions belongs to that session.
    pub fn handle_connection(
        &mut self,
        now: Time,
        attempt: Attempt,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) -> Option<SessionHandle> {
        self.advance(now);
        match self.connections.remove(&attempt) {
            Some(Owner::Session(session)) => {
                self.connections.insert(attempt, Owner::Session(session));
                self.step(session, events, actions);
                Some(session)
            }
            Some(Owner::Nobody(unbound)) => self.bind(attempt, unbound, events, actions),
            None => {
                self.past.stale_events += events.into_iter().count() as u64;
                None
            }
        }
    }

    /// One step of what the application answered: `Consumed` and `Refused`. A session that is
    /// forgotten ignores it. May write on, or close, any connection of the session; a `Deliver`
    /// belongs to this session.
    pub fn handle_session(
        &mut self,
        now: Time,
        session: SessionHandle,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        self.advance(now);
        self.step(session, events, actions);
    }

    /// The key of the session's peer; none if the session is forgotten.
    pub fn key(&self, session: SessionHandle) -> Option<PeerKey> {
        self.sessions.get(&session).map(|session| session.name.0)
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

    /// A session that was forgotten since the last call (for want of room, at the end of its time
    /// to live, or at the end of a stop). To be called until it gives none.
    pub fn poll_forgotten(&mut self) -> Option<SessionHandle> {
        self.forgotten.pop_front()
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
