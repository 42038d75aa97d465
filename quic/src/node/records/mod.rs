//! What a process remembers of the sessions of those who dialled it, and which of its nodes each
//! connection and session belongs to.
//!
//! Every step of the table of sessions is made here, under the one lock, by whichever node has
//! something to tell it. What follows from a step is put into the boxes of those whom it concerns:
//! an action goes to the node that carries its connection, news go to the home of its session. The
//! node whose step it was takes its own box at once; the others are called.

mod desk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use peer_sender_core::{
    Action, Attempt, Event, LinkError, PeerKey, SessionHandle, SessionNews, SessionsConfig,
    StopMode, Time,
};

pub(super) use self::desk::{Desk, Mail};
use super::recorded::RecordedSessions;
use crate::NodeConfig;

/// What the nodes of a process that listen as one identity remember together of the sessions of
/// those who dial them. Cheap to clone; all clones are the same records.
///
/// One node uses one core. A process that needs more binds several nodes of the same identity,
/// each to an address of its own, and gives all of them to its diallers. Whoever loses its
/// connection to one node and comes back by another is known there only if both share their
/// records; else what was under way would be doubled, or of unknown fate. A node whose
/// configuration names no records has its own.
///
/// # Homes
///
/// The node on which a session was first seen is its home: it hands out the session's messages and
/// takes the answers and replies, whichever node carries them. What all nodes hold for the
/// application counts against one budget.
///
/// A node that stops ends the sessions whose home it is in good order, wherever their connections
/// are; their diallers come back to another node as to one that was restarted. So what its
/// application has not answered by the end of its stop, or while a session had no connection, comes
/// again there. Its connections of other sessions it gives up at once, and these go on by another
/// node as if nothing had been. A node that is dropped without a stop ends as if it were aborted.
///
/// # Datagrams that reach another node
///
/// The nodes have the same key of stateless resets (RFC 9000 section 10.3), and each recognises the
/// others' connection ids. A node that gets a datagram of another node's connection therefore ends
/// that connection at once, and the dialler comes back. Where several sockets share one port, this
/// happens when the system begins to send a dialler's datagrams to another socket: when a socket
/// joins or leaves, or the dialler's own address changes.
#[derive(Clone)]
pub struct Records(Arc<Shared>);

struct Shared {
    key: PeerKey,
    limits: SessionsConfig,
    base: Instant,
    books: Mutex<Books>,
}

impl Records {
    /// Records without a session, for nodes with the identity and inbound limits of this
    /// configuration. `seed` is random and never used twice. `base` is [`Time::ZERO`] of all nodes
    /// that share them, as the times of their sessions are compared.
    pub fn new(config: &NodeConfig, seed: [u8; 32], base: Instant) -> Self {
        let limits = config.sessions();
        Self(Arc::new(Shared {
            key: config.key(),
            base,
            books: Mutex::new(Books::new(RecordedSessions::new(limits.clone(), seed))),
            limits,
        }))
    }

    /// What is [`Time::ZERO`] for each node that shares these records.
    pub fn base(&self) -> Instant {
        self.0.base
    }

    /// What keeps a node of this configuration from sharing these records.
    pub(crate) fn problem(&self, config: &NodeConfig) -> Option<&'static str> {
        if config.accept.is_none() {
            Some("a node that only dials has no use for them")
        } else if self.0.key != config.key() {
            Some("are those of another identity")
        } else if self.0.limits != config.sessions() {
            Some(
                "were made for another protocol, or other limits of messages, sessions, replies or \
                 inbound bytes",
            )
        } else {
            None
        }
    }

    /// A panic in the midst of a step leaves the records of all in disorder, so that nobody may go
    /// on by them.
    fn books(&self) -> MutexGuard<'_, Books> {
        let books = self.0.books.lock();
        books.expect("a node that shares these records has panicked")
    }
}

#[cfg(test)]
impl Records {
    /// Fails if what is noted of connections and sessions is not what the table has.
    pub(super) fn check(&self) {
        let books = self.books();
        books.table.check().expect("the table is whole");
        assert!(books.carriers.keys().all(|&it| books.table.is_open(it)));
        assert_eq!(books.homes.len(), books.table.len());
        let at_home = books.seats.values().map(|seat| seat.sessions.len());
        assert_eq!(at_home.sum::<usize>(), books.homes.len());
        for (member, seat) in &books.seats {
            let here = |session| books.homes.get(session) == Some(member);
            assert!(seat.sessions.iter().all(here));
            let empty = seat.mail.actions.is_empty() && seat.mail.news.is_empty();
            assert!(empty || seat.called.load(Ordering::Relaxed), "left lying");
        }
        assert!(
            books
                .carriers
                .values()
                .all(|it| books.seats.contains_key(it))
        );
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}

/// A node, as the others know it; never given out twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Member(u64);

/// How a node that waits is told that there is something in its box.
type Wake = Arc<dyn Fn() + Send + Sync>;

struct Seat {
    mail: Mail,
    /// Somebody else has put something there.
    called: Arc<AtomicBool>,
    wake: Option<Wake>,
    /// The sessions whose home it is.
    sessions: BTreeSet<SessionHandle>,
}

struct Books {
    table: RecordedSessions,
    /// Connections are named in the order in which they were let in, by whichever node.
    attempts: u64,
    /// Who carries each connection.
    carriers: BTreeMap<Attempt, Member>,
    homes: BTreeMap<SessionHandle, Member>,
    seats: BTreeMap<Member, Seat>,
    members: u64,
    /// Empty between steps, kept for its capacity.
    actions: Vec<Action>,
    /// Who is to be woken once the lock is given back.
    wakes: Vec<Wake>,
}

impl Books {
    fn new(table: RecordedSessions) -> Self {
        Self {
            table,
            attempts: 0,
            carriers: BTreeMap::new(),
            homes: BTreeMap::new(),
            seats: BTreeMap::new(),
            members: 0,
            actions: Vec::new(),
            wakes: Vec::new(),
        }
    }

    fn join(&mut self) -> (Member, Arc<AtomicBool>) {
        let member = Member(self.members);
        self.members += 1;
        let called = Arc::new(AtomicBool::new(false));
        let seat = Seat {
            mail: Mail::default(),
            called: Arc::clone(&called),
            wake: None,
            sessions: BTreeSet::new(),
        };
        self.seats.insert(member, seat);
        (member, called)
    }

    /// The node is gone: its connections are lost, and its sessions end at once. The others look at
    /// the table's deadline, which only the node that left may have waited for.
    fn leave(&mut self, me: Member) {
        for attempt in self.carried_by(me) {
            let error = LinkError::Local {
                reason: String::from("the node is gone"),
            };
            let lost = Event::ConnectionLost { attempt, error };
            self.step_connection(me, Time::ZERO, attempt, [lost]);
        }
        self.stop_sessions(me, Time::ZERO, StopMode::Abort);
        self.seats.remove(&me);
        for seat in self.seats.values() {
            call(seat, &mut self.wakes);
        }
    }

    fn carried_by(&self, member: Member) -> Vec<Attempt> {
        let carried = self.carriers.iter().filter(|&(_, it)| *it == member);
        carried.map(|(&attempt, _)| attempt).collect()
    }

    fn stop_sessions(&mut self, of: Member, now: Time, mode: StopMode) {
        let sessions = self.seats.get(&of).map(|seat| seat.sessions.clone());
        for session in sessions.into_iter().flatten() {
            self.step(of, |table, actions| {
                table.handle_session(now, session, [Event::Stop { mode }], actions);
            });
        }
    }

    fn step_connection(
        &mut self,
        by: Member,
        now: Time,
        attempt: Attempt,
        facts: impl IntoIterator<Item = Event>,
    ) {
        self.step_on(by, attempt, |table, actions| {
            table.handle_connection(now, attempt, facts, actions)
        });
    }

    /// A step that concerns a connection, and its session if that has one. One that is new is at home with
    /// whoever made the step.
    fn step_on(
        &mut self,
        by: Member,
        attempt: Attempt,
        step: impl FnOnce(&mut RecordedSessions, &mut Vec<Action>) -> Option<SessionHandle>,
    ) {
        let mut actions = std::mem::take(&mut self.actions);
        let session = step(&mut self.table, &mut actions);
        if let Some(session) = session.filter(|&it| self.table.key(it).is_some()) {
            self.homes.entry(session).or_insert_with(|| {
                if let Some(seat) = self.seats.get_mut(&by) {
                    seat.sessions.insert(session);
                }
                by
            });
        }
        self.distribute(by, actions);
        if !self.table.is_open(attempt) {
            self.carriers.remove(&attempt);
        }
    }

    fn step(&mut self, by: Member, step: impl FnOnce(&mut RecordedSessions, &mut Vec<Action>)) {
        let mut actions = std::mem::take(&mut self.actions);
        step(&mut self.table, &mut actions);
        self.distribute(by, actions);
    }

    /// Puts what came of a step into the boxes, and calls those whose step it was not.
    fn distribute(&mut self, by: Member, mut actions: Vec<Action>) {
        for action in actions.drain(..) {
            let Some(attempt) = connection_of(&action) else {
                continue;
            };
            let carrier = self.carriers.get(&attempt).copied();
            // Nothing comes behind a close. Without lanes the connection stays open to the table until
            // its end is told.
            let closes = matches!(action, Action::Close { .. });
            if closes && !self.table.is_open(attempt) {
                self.carriers.remove(&attempt);
            }
            if let Some(carrier) = carrier
                && let Some(seat) = self.seats.get_mut(&carrier)
            {
                seat.mail.actions.push(action);
                if carrier != by {
                    call(seat, &mut self.wakes);
                }
            }
        }
        self.actions = actions;
        while let Some(news) = self.table.poll_news() {
            let session = session_of(&news);
            // What has no home was never heard of before this step, so it is known to nobody else.
            let home = match news {
                SessionNews::Forgotten { .. } => self.homes.remove(&session),
                SessionNews::Delivered { .. }
                | SessionNews::Settled { .. }
                | SessionNews::HandedBack { .. }
                | SessionNews::Rejected { .. }
                | SessionNews::Room { .. } => self.homes.get(&session).copied(),
            }
            .unwrap_or(by);
            let Some(seat) = self.seats.get_mut(&home) else {
                continue;
            };
            if let SessionNews::Forgotten { .. } = news {
                seat.sessions.remove(&session);
            }
            seat.mail.news.push((news, None));
            if home != by {
                call(seat, &mut self.wakes);
            }
        }
    }

    /// Gives a node what is in its box, for which it hands in an empty one.
    fn hand_over(&mut self, to: Member, mail: &mut Mail) {
        let Some(seat) = self.seats.get_mut(&to) else {
            return;
        };
        seat.called.store(false, Ordering::Release);
        std::mem::swap(&mut seat.mail, mail);
        for (news, key) in &mut mail.news {
            if let SessionNews::Delivered { session, .. } = news {
                *key = self.table.key(*session);
            }
        }
        mail.deadline = self.table.next_deadline().map(|deadline| deadline.at);
    }
}

/// Sees to it that a node looks into its box.
fn call(seat: &Seat, wakes: &mut Vec<Wake>) {
    if !seat.called.swap(true, Ordering::AcqRel) {
        wakes.extend(seat.wake.clone());
    }
}

fn session_of(news: &SessionNews) -> SessionHandle {
    match *news {
        SessionNews::Delivered { session, .. }
        | SessionNews::Settled { session, .. }
        | SessionNews::HandedBack { session, .. }
        | SessionNews::Rejected { session, .. }
        | SessionNews::Room { session, .. }
        | SessionNews::Forgotten { session } => session,
    }
}

/// The connection on which an action is to be done; none for what only a machine that dials asks
/// for, and what the table tells as news.
fn connection_of(action: &Action) -> Option<Attempt> {
    match *action {
        Action::Write { attempt, .. }
        | Action::PauseReading { attempt, .. }
        | Action::ResumeReading { attempt, .. }
        | Action::Probe { attempt }
        | Action::ResetStream { attempt, .. }
        | Action::StopSending { attempt, .. }
        | Action::Close { attempt, .. } => Some(attempt),
        Action::Connect { .. }
        | Action::ScheduleBackoff { .. }
        | Action::Emit(_)
        | Action::Deliver(_)
        | Action::Settle { .. }
        | Action::HandBack(_)
        | Action::Room { .. }
        | Action::ForgetDelivered
        | Action::Reject { .. } => None,
    }
}
