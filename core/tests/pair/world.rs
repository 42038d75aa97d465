//! Everything together in virtual time: what happens next, to whom, and in which steps.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use peer_sender_core::{
    Attempt, Event, PeerKey, PeerSenderMachine, Protocol, SessionHandle, SessionId, Sessions, Time,
    TransferId,
};

use crate::application::Application;
use crate::clock::{Alarm, Clock};
use crate::happening::{Happening, Notice};
use crate::log::Digest;
use crate::memory::Memory;
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::recovery::Recovery;
use crate::rng::Rng;
use crate::slow::Slow;
use crate::strangers::Strangers;
use crate::transport::{Conn, Connection, End};
use crate::twin::{Sender, Table};

/// No seed needs as many happenings; more of them go round in circles.
const HAPPENINGS_MAX: u64 = 600_000;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) offer_rng: Rng,
    pub(crate) now: Time,
    queue: BTreeMap<(Time, u64), Happening>,
    happenings: u64,
    sequence: u64,
    pub(crate) healed: bool,
    pub(crate) connections: Vec<Connection>,

    pub(crate) sender: Sender,
    pub(crate) sender_clock: Clock,
    sender_alarm: Alarm,
    pub(crate) sender_inbox: Vec<(Option<Conn>, Notice)>,
    pub(crate) sender_steps: u64,
    pub(crate) offered: u64,
    pub(crate) next_id: u64,
    pub(crate) old_transfers: Vec<TransferId>,

    pub(crate) sessions: Table,
    pub(crate) receiver_clock: Clock,
    receiver_alarm: Alarm,
    pub(crate) receiver_inbox: Vec<(Conn, Notice)>,
    pub(crate) incarnation: u32,
    pub(crate) next_accepted: u64,
    /// Not there, or on its way out: nobody is accepted.
    pub(crate) is_down: bool,
    /// The end of the accepting node's drain.
    pub(crate) receiver_stop_at: Option<Time>,
    pub(crate) application: Application,
    /// Whether every lane is read.
    pub(crate) hears_all: bool,
    pub(crate) unheard: u64,
    pub(crate) strange_handles: BTreeSet<(u32, SessionHandle)>,
    pub(crate) unbound_since: BTreeMap<(u32, SessionHandle), Time>,
    pub(crate) strangers: Strangers,

    /// Of the dialling end's messages.
    pub(crate) oracle: Oracle,
    pub(crate) slow: Slow,
    /// Of the replies of each session of each life.
    pub(crate) replies: BTreeMap<(u32, SessionHandle), Oracle>,
    pub(crate) replies_sent: u64,
    /// The connection that carries each session's replies.
    pub(crate) carriers: BTreeMap<SessionHandle, Conn>,
    /// The sessions that the accepting process knows, and the name that the next one gets.
    pub(crate) names: BTreeMap<(PeerKey, SessionId), SessionHandle>,
    pub(crate) next_handle: u64,
    /// How often the dialling end's machine has begun to read replies anew.
    pub(crate) generation: u64,
    pub(crate) memory: Memory,
    pub(crate) recovery: Recovery,
    pub(crate) digest: Digest,
    pub(crate) receiver_steps: u64,
    /// Connections that were closed because too much was refused.
    pub(crate) overloads: u64,
    /// Take-overs in earlier lives.
    pub(crate) taken_over: u64,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut rng = Rng::new(plan.seed);
        let sender = PeerSenderMachine::new(plan.config.clone(), rng.fork(1).array());
        let sessions = Sessions::new(plan.sessions.clone(), rng.fork(2).array());
        let mut world = Self {
            offer_rng: rng.fork(3),
            rng: rng.fork(4),
            now: Time::ZERO,
            queue: BTreeMap::new(),
            happenings: 0,
            sequence: 0,
            healed: false,
            connections: Vec::new(),
            sender: Sender::new(sender, Protocol::Lanes, plan.followed),
            sender_clock: Clock::default(),
            sender_alarm: Alarm::default(),
            sender_inbox: Vec::new(),
            sender_steps: 0,
            offered: 0,
            next_id: 0,
            old_transfers: Vec::new(),
            sessions: Table::new(sessions, Protocol::Lanes, plan.followed),
            receiver_clock: Clock::default(),
            receiver_alarm: Alarm::default(),
            receiver_inbox: Vec::new(),
            incarnation: 0,
            next_accepted: 0,
            is_down: false,
            receiver_stop_at: None,
            application: Application::default(),
            hears_all: plan.deaf.is_none(),
            unheard: 0,
            strange_handles: BTreeSet::new(),
            unbound_since: BTreeMap::new(),
            strangers: Strangers::default(),
            oracle: Oracle::new(
                plan.config.send_limits().clone(),
                plan.receiver_message_bytes_max,
            ),
            slow: Slow::new(plan.limits.slow_after),
            replies: BTreeMap::new(),
            replies_sent: 0,
            carriers: BTreeMap::new(),
            names: BTreeMap::new(),
            next_handle: 0,
            generation: 0,
            memory: Memory::default(),
            recovery: Recovery::new(plan.limits.clone(), plan.config.addresses().to_vec()),
            digest: Digest::default(),
            receiver_steps: 0,
            overloads: 0,
            taken_over: 0,
            plan,
        };
        world.schedule(Duration::ZERO, Happening::Offer);
        for (at, fault) in world.plan.faults.clone() {
            world.schedule_at(at, Happening::Fault(fault));
        }
        for (at, mode) in world.plan.stops.clone() {
            world.schedule_at(at, Happening::Stop(mode));
        }
        world
    }

    pub(crate) fn schedule(&mut self, after: Duration, happening: Happening) {
        self.schedule_at(self.now + after, happening);
    }

    pub(crate) fn schedule_at(&mut self, at: Time, happening: Happening) {
        let turn = self.plan.turn.as_nanos() as u64;
        let at = Time::from_nanos(at.max(self.now).as_nanos().next_multiple_of(turn));
        self.sequence += 1;
        self.queue.insert((at, self.sequence), happening);
    }

    /// When the last happening of a kind is due.
    pub(crate) fn pending_until(&self, kind: impl Fn(&Happening) -> bool) -> Option<Time> {
        let of_kind = self.queue.iter().filter(|(_, happening)| kind(happening));
        of_kind.map(|((at, _), _)| *at).max()
    }

    /// Lets the next moment happen if it is not after `limit`. False if nothing is left before.
    pub(crate) fn advance(&mut self, limit: Time) -> bool {
        let timers = self.timers();
        let next = self.queue.keys().next().map(|(at, _)| *at);
        let Some(next) = next.into_iter().chain(timers[0]).chain(timers[1]).min() else {
            return false;
        };
        if next > limit {
            self.now = self.now.max(limit);
            return false;
        }
        self.now = self.now.max(next);
        if timers[0].is_some_and(|at| at <= self.now) {
            self.sender_alarm.fire(self.now);
            self.sender_inbox
                .push((None, Notice::Event(Event::TimerFired)));
        }
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let happening = entry.remove();
            self.happenings += 1;
            assert!(
                self.happenings < HAPPENINGS_MAX,
                "L3 it goes round in circles"
            );
            self.happen(happening);
            if self.rng.chance(self.plan.split_steps) {
                break;
            }
        }
        self.flush_sender();
        if timers[1].is_some_and(|at| at <= self.now) {
            self.receiver_alarm.fire(self.now);
            self.fire_receiver();
        }
        self.flush_receiver();
        if !self.healed && self.rng.chance(self.plan.timer_spurious) {
            let end = self.rng.pick(&[End::Dialler, End::Acceptor]);
            let after = self.rng.wait(Duration::from_secs(4));
            self.schedule(after, Happening::Spurious { end });
        }
        true
    }

    fn timers(&mut self) -> [Option<Time>; 2] {
        let late_max = if self.healed {
            Duration::ZERO
        } else {
            self.plan.timer_late_max
        };
        let rng = &mut self.rng;
        let sender = self.sender.next_deadline().map(|deadline| deadline.at);
        let receiver = self.sessions.next_deadline().map(|deadline| deadline.at);
        [
            self.sender_alarm
                .due(sender, &self.sender_clock, late_max, rng),
            self.receiver_alarm
                .due(receiver, &self.receiver_clock, late_max, rng),
        ]
    }

    pub(crate) fn connection(&mut self, conn: Conn) -> &mut Connection {
        &mut self.connections[conn.0]
    }

    /// The connection that the sender knows by this name.
    pub(crate) fn dialled(&self, attempt: Attempt) -> Option<Conn> {
        let place = self
            .connections
            .iter()
            .position(|c| c.dialler == Some(attempt));
        place.map(Conn)
    }

    /// Puts a notice into the end's inbox, unless that end knows nothing of the connection.
    pub(crate) fn notice(&mut self, conn: Conn, end: End, notice: Notice) {
        match end {
            End::Dialler => self.sender_inbox.push((Some(conn), notice)),
            End::Acceptor => self.receiver_inbox.push((conn, notice)),
        }
    }

    pub(crate) fn delay(&mut self) -> Duration {
        let (low, high) = match self.healed {
            true => (Duration::from_micros(100), Duration::from_millis(20)),
            false => (self.plan.delay_min, self.plan.delay_max),
        };
        self.rng.wait_between(low, high)
    }

    pub(crate) fn note(&mut self, what: &impl Hash) {
        self.now.hash(&mut self.digest);
        what.hash(&mut self.digest);
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }
}
