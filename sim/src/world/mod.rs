//! Both machines, what is between them and around them, and the oracle that judges them.

mod heal;
mod key;
mod network;
mod receiving;
mod recording;
mod sending;
mod stale;

use std::hash::{Hash, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use peer_sender_core::{
    Action, Attempt, ConfigError, PeerKey, PeerSenderMachine, SessionHandle, Sessions, Time,
};

use crate::op::{Conn, End, Op};
use crate::oracle::{Before, Oracle, SessionPlace, Violation, violated};
use crate::settings::{Settings, Transfers};
use crate::transport::{Connection, Stand};

pub use self::key::Fingerprint;
use self::recording::Recording;

/// The dialling end's key.
const KEY: PeerKey = PeerKey([1; 32]);

/// One sender, one accepting node, the connections between them, the receiving application, and
/// virtual time: all of it moved by operations alone.
#[derive(Clone, Debug)]
pub struct World {
    settings: Arc<Settings>,
    sender: PeerSenderMachine,
    sessions: Sessions,
    sender_clock: Clock,
    receiver_clock: Clock,
    /// Lives of the accepting process so far.
    lives: u8,
    /// The accepting process is about to end.
    leaving: bool,
    /// Those on which anything can still happen, in the order in which they were dialled.
    connections: Vec<Connection>,
    /// Attempts of the sender so far.
    dialled: u64,
    /// Connections that were accepted so far.
    accepted: u64,
    /// The connection on which the accepting end is told something just now.
    telling: Option<Attempt>,
    /// Which session of the sender each session of the present table is.
    sessions_known: Vec<(SessionHandle, SessionPlace)>,
    /// What the application was handed and has not answered, in order.
    held: Vec<Held>,
    oracle: Oracle,
    /// What the user asks for in the sender's next step.
    along: Vec<Op>,
    /// Steps of both machines so far.
    steps: u64,
    /// Of everything that both machines did so far; nothing is added where nobody asked for it.
    digest: Option<Fingerprint>,
    /// Lines of what the last operation led to; none are kept where nobody reads them.
    log: Option<Vec<String>>,
    /// A trace of both machines; none is written where nobody reads it.
    recording: Option<Box<Recording>>,
    /// Empty between steps.
    actions: Vec<Action>,
}

/// An end's own clock.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    now: Time,
    /// When its machine was stepped last.
    stepped: Time,
}

/// A message that the application was handed.
#[derive(Clone, Copy, Debug)]
struct Held {
    session: SessionHandle,
    lane: u8,
    number: u64,
    id: u64,
}

/// Why an operation did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It makes no sense as the world stands: a fault of the scenario.
    #[error("this cannot happen here: {0}")]
    Impossible(&'static str),
    /// It broke an invariant: a fault of the machines, or of the oracle.
    #[error(transparent)]
    Violated(#[from] Violation),
}

pub(crate) fn impossible<T>(why: &'static str) -> Result<T, Trouble> {
    Err(Trouble::Impossible(why))
}

/// The seed of a machine: any, as long as no two are the same.
fn seed(of: u8) -> [u8; 32] {
    let mut seed = [of; 32];
    seed[16] = of.wrapping_add(0x80);
    seed
}

impl World {
    /// A world in which nothing has happened but the sender's first step.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let mut world = Self::empty(settings)?;
        // It dials; nothing can go wrong yet that the next operation would not show.
        let _first = world.begin();
        Ok(world)
    }

    /// The same, with a [trace](Self::trace) of both machines.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn recorded(settings: &Settings) -> Result<Self, ConfigError> {
        let mut world = Self::empty(settings)?;
        world.record()?;
        let _first = world.begin();
        Ok(world)
    }

    /// A world in which nothing has happened at all.
    pub(crate) fn empty(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            sender: PeerSenderMachine::new(settings.sender()?, seed(0)),
            sessions: Sessions::new(settings.receiver()?, seed(1)),
            sender_clock: Clock::default(),
            receiver_clock: Clock::default(),
            lives: 1,
            leaving: false,
            connections: Vec::new(),
            dialled: 0,
            accepted: 0,
            telling: None,
            sessions_known: Vec::new(),
            held: Vec::new(),
            oracle: Oracle::new(settings),
            along: Vec::new(),
            steps: 0,
            digest: None,
            log: None,
            recording: None,
            actions: Vec::new(),
            settings: Arc::new(settings.clone()),
        })
    }

    /// The sender's first step.
    pub(crate) fn begin(&mut self) -> Result<(), Violation> {
        self.step_sender([])
    }

    /// Keeps lines of what operations lead to from here on.
    pub fn keep_log(&mut self) {
        self.log = Some(Vec::new());
    }

    /// The lines since the last call.
    pub fn take_log(&mut self) -> Vec<String> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Adds up everything that both machines do from here on: see [`digest`](Self::digest).
    pub fn keep_digest(&mut self) {
        self.digest = Some(Fingerprint::default());
    }

    /// A digest of every action of both machines and of every message that the application was
    /// handed, with their times and in their order, since it is kept. Two runs with the same digest
    /// did the same.
    pub fn digest(&self) -> u64 {
        self.digest.as_ref().map_or(0, Hasher::finish)
    }

    /// Steps of both machines so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What the sender's clock reads.
    pub fn now(&self) -> Time {
        self.sender_clock.now
    }

    /// The sender.
    pub fn sender(&self) -> &PeerSenderMachine {
        &self.sender
    }

    /// The accepting end.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// How it was set up.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Lets one thing happen, and judges all that follows from it.
    ///
    /// # Errors
    ///
    /// It cannot happen here, or it broke an invariant. The world is of no use after the latter.
    pub fn apply(&mut self, op: &Op) -> Result<(), Trouble> {
        // What a panic leaves half done is looked at no more.
        let happened = panic::catch_unwind(AssertUnwindSafe(|| self.happen(op)));
        self.connections.retain(Connection::matters);
        happened.unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            let what = format!("a panic: {}", words.unwrap_or_default());
            Ok(violated("I25", what)?)
        })
    }

    fn happen(&mut self, op: &Op) -> Result<(), Trouble> {
        match *op {
            Op::Send { lane, bytes, ttl } => self.send(lane, bytes, ttl),
            Op::Cancel { id } => self.cancel(id),
            Op::Stop { .. } | Op::Wake { .. } | Op::Addresses { .. } => self.ask(op),
            Op::With { ref op } => self.goes_along(op),
            Op::Accept { conn } => self.accept(conn),
            Op::Confirm { conn } => self.confirm(conn),
            Op::Fail { conn, why } => self.fail(conn, why),
            Op::Lose { conn, end, why } => self.lose(conn, end, why),
            Op::Deliver {
                conn,
                from,
                stream,
                amount,
            } => self.deliver(conn, from, stream, amount),
            Op::Written { conn, from, stream } => self.written(conn, from, stream),
            Op::Reset {
                conn,
                from,
                stream,
                code,
            } => self.cut(conn, from.other(), stream, code, from),
            Op::Halt {
                conn,
                from,
                stream,
                code,
            } => self.cut(conn, from, stream, code, from),
            Op::Take { lane } => self.answer(lane, None),
            Op::Refuse { lane, code } => self.answer(lane, Some(code)),
            Op::Advance { by } => {
                self.ask_alone()?;
                self.sender_clock.now = self.sender_clock.now + by;
                self.receiver_clock.now = self.receiver_clock.now + by;
                Ok(())
            }
            Op::Fire { end } => {
                self.ask_alone()?;
                self.fire(end)
            }
            Op::Tick { end } => self.tick(end),
            Op::Back { end, by } => self.go_back(end, by),
            Op::Restart => self.restart(),
            Op::Forget => self.forget(),
            Op::Leave { mode } => self.leave(mode),
            Op::Heal => {
                self.ask_alone()?;
                self.heal()
            }
            Op::Stale { end, kind, number } => self.stale(end, kind, number),
        }
    }

    /// Everything that can be seen to be wrong with both machines as they stand.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold.
    pub fn check(&self) -> Result<(), Violation> {
        self.sender.check()?;
        self.sessions.check()?;
        self.oracle.check_ledger()?;
        let before = Before::of(&self.sender);
        self.oracle
            .check_sender(self.sender_clock.stepped, &before, &self.sender)
    }

    /// Whether a message may be accepted.
    pub(crate) fn is_running(&self) -> bool {
        self.oracle.stop_at.is_none() && !self.oracle.closed
    }

    /// Whether the sender has ended by itself.
    pub(crate) fn gave_up(&self) -> bool {
        self.oracle.closed && self.oracle.stop_at.is_none()
    }

    /// Messages that may be taken back.
    pub(crate) fn cancellable(&self) -> impl Iterator<Item = u64> {
        let live = self.oracle.live();
        live.filter(|(_, it)| it.cancelled.is_none())
            .map(|(id, _)| id)
    }

    /// Whether the application holds a message of the lane.
    pub(crate) fn holds(&self, lane: u8) -> bool {
        self.held.iter().any(|it| it.lane == lane)
    }

    /// Messages that the application holds.
    pub(crate) fn held_count(&self) -> usize {
        self.held.len()
    }

    /// The lane of one of them.
    pub(crate) fn held_lane(&self, place: usize) -> Option<u8> {
        self.held.get(place).map(|it| it.lane)
    }

    /// One of the messages without an outcome, chosen among as many as there are.
    pub(crate) fn live_id(&self, choose: impl FnOnce(u64) -> u64) -> Option<u64> {
        self.oracle.live_id(choose)
    }

    /// Attempts of the sender so far.
    pub(crate) fn dialled(&self) -> u64 {
        self.dialled
    }

    /// How long it is until an end's next timer fires.
    pub(crate) fn time_left(&self, end: End) -> Option<Duration> {
        let now = match end {
            End::Dialler => self.sender_clock.now,
            End::Acceptor => self.receiver_clock.now,
        };
        Some(self.deadline(end)?.saturating_since(now))
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(crate) fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The next deadline of a machine.
    fn deadline(&self, end: End) -> Option<Time> {
        let deadline = match end {
            End::Dialler => self.sender.next_deadline(),
            End::Acceptor => self.sessions.next_deadline(),
        };
        deadline.map(|it| it.at)
    }

    fn clock(&mut self, end: End) -> &mut Clock {
        match end {
            End::Dialler => &mut self.sender_clock,
            End::Acceptor => &mut self.receiver_clock,
        }
    }

    fn fire(&mut self, end: Option<End>) -> Result<(), Trouble> {
        let Some(end) = end else {
            let mut left = [End::Dialler, End::Acceptor].map(|end| {
                let now = self.clock(end).now;
                Some(self.deadline(end)?.saturating_since(now))
            });
            let Some(by) = left.into_iter().flatten().min() else {
                return impossible("no timer is armed");
            };
            for (end, left) in [End::Dialler, End::Acceptor].into_iter().zip(&mut left) {
                let clock = self.clock(end);
                clock.now = clock.now + by;
                if *left == Some(by) {
                    self.tick(end)?;
                }
            }
            return Ok(());
        };
        let Some(at) = self.deadline(end) else {
            return impossible("that end has no timer armed");
        };
        let clock = self.clock(end);
        clock.now = clock.now.max(at);
        self.tick(end)
    }

    /// Whether the world lets QUIC take each write at once.
    fn takes_at_once(&self) -> bool {
        self.settings.transfers == Transfers::Automatic
    }

    fn is_up(&self, conn: Conn, end: End) -> bool {
        let connection = self.connections.iter().find(|it| it.conn == conn);
        connection.is_some_and(|it| it.stand(end) == Stand::Up)
    }

    fn connection(&mut self, conn: Conn) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|it| it.conn == conn)
    }

    fn digests(&mut self, end: End, now: Time, what: &impl Hash) {
        if let Some(digest) = &mut self.digest {
            (end, now).hash(digest);
            what.hash(digest);
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(line());
        }
    }
}
