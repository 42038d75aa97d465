//! One seed from beginning to end: faults, healing, and what must be true afterwards.

use std::time::Duration;

use peer_sender_core::table::TRANSITIONS;
use peer_sender_core::{
    Action, Event, Lane, MessageId, MessageOptions, Outcome, StopMode, Time, Timer, WakeReason,
};

use crate::faults::IDLE;
use crate::happening::Notice;
use crate::plan::Plan;
use crate::recovery::Link;
use crate::transport::Stand;
use crate::verdicts::Bites;
use crate::world::World;

/// What a run shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) digest: u64,
    pub(crate) outcomes: Vec<(MessageId, Option<Outcome>)>,
    pub(crate) lane_order: Vec<Vec<MessageId>>,
    pub(crate) visits: [u64; TRANSITIONS.len()],
    pub(crate) sender_steps: u64,
    pub(crate) receiver_steps: u64,
    pub(crate) redelivered: u64,
    pub(crate) handed_twice: u64,
    pub(crate) failed_as_proven: u64,
    pub(crate) overloads: u64,
    pub(crate) taken_over: u64,
    pub(crate) lives: u32,
    pub(crate) strangers: u64,
    pub(crate) sessions_seen: u32,
    pub(crate) connections: usize,
    /// Replies by outcome: delivered, refused, cancelled, failed, unknown, expired.
    pub(crate) replies: [u64; 6],
    /// The rarer outcomes of messages, and of replies.
    pub(crate) bites: [Bites; 2],
    /// How often the peer was told to be slow, and no longer.
    pub(crate) slow: [u64; 2],
    /// Writes that went out in a lower class than their lane's.
    pub(crate) yielded: u64,
    pub(crate) replies_written_again: u64,
    pub(crate) cancelled: u64,
    /// How often the dialling end began to read replies anew.
    pub(crate) generations: u64,
    pub(crate) rests: u64,
    pub(crate) moves: u64,
    pub(crate) woken: u64,
    pub(crate) gave_up: u64,
    /// Messages that waited on a lane that nobody read, while all others were settled.
    pub(crate) unheard: u64,
}

pub(crate) fn run(plan: Plan) -> Report {
    let mut world = World::new(plan);
    let first = world.plan.stop_first.map(|mode| Event::Stop { mode });
    world.step_sender(first.into_iter().collect());
    let dials = world.recovery.attempt().is_some() || world.plan.first.is_empty();
    assert!(
        dials || world.oracle.closed,
        "L3 the first step does not dial"
    );
    while world.now < world.plan.heals_at && !world.oracle.closed {
        if !world.advance(world.plan.heals_at) {
            break;
        }
    }
    world.heal();
    if !world.oracle.closed {
        settle_what_is_heard(&mut world);
    }
    world.unheard = world.oracle.live().len() as u64;
    world.hear_all();
    if !world.oracle.closed {
        settle_everything(&mut world);
    }
    settle_replies(&mut world);
    if world.plan.seed.is_multiple_of(2) {
        come_to_idle(&mut world);
    }
    if !world.oracle.closed {
        deliver_one_more(&mut world);
        drain(&mut world);
    }
    world.come_to_rest();
    stay_closed(&mut world);
    world.report()
}

/// L4: a lane that nobody reads holds up no other.
fn settle_what_is_heard(world: &mut World) {
    let limit = world.now + healing_time(world);
    while !world.oracle.closed && world.oracle.is_open_except(world.plan.deaf) {
        let moved = world.advance(limit);
        let deaf = world.plan.deaf;
        let live = world.oracle.live();
        assert!(
            moved,
            "L4 lane {deaf:?} holds up others at {limit}: {live:?}"
        );
    }
}

/// L1 for replies: those to the session that the dialling end is in are settled as well.
fn settle_replies(world: &mut World) {
    let limit = world.now + healing_time(world);
    while !world.oracle.closed && world.open_replies() > 0 {
        if matches!(world.recovery.link, Link::Idle) {
            // Only the dialling end can make the connection that they wait for.
            let reason = WakeReason::Operator;
            world.tell_sender(Event::Wake { reason });
            world.flush_sender();
        }
        let open = world.open_replies();
        let moved = world.advance(limit);
        assert!(moved, "L1 {open} replies are still open at {limit}");
    }
}

/// A connection on which nothing is said is ended, and never while anything is.
fn come_to_idle(world: &mut World) {
    let Some(after) = world.plan.limits.disconnect_after else {
        return;
    };
    let limit = world.now + healing_time(world) + after * 3;
    while !world.oracle.closed && !matches!(world.recovery.link, Link::Idle) {
        // A peer that replies is kept: it could not reach the dialling end without a connection.
        let rests = world.sender.next_deadline();
        let rests = rests.is_some_and(|deadline| deadline.timer == Timer::Idle);
        if world.plan.replies > 0 && !rests && matches!(world.recovery.link, Link::Up(_)) {
            return;
        }
        let moved = world.advance(limit);
        assert!(moved, "L3 an idle connection is kept until {limit}");
    }
}

/// L1: the network is well, so every open message becomes delivered or refused, in time.
fn settle_everything(world: &mut World) {
    let limit = world.now + healing_time(world);
    while !world.oracle.is_settled() && !world.oracle.closed {
        let moved = world.advance(limit);
        assert!(moved, "L1 still open at {limit}: {:?}", world.oracle.live());
    }
    let stopping = world.oracle.stop_at.is_some();
    while stopping && !world.oracle.closed {
        assert!(world.advance(limit), "L1 drained and never stopped");
    }
}

/// L2: from whatever state the faults have left, a message goes through.
fn deliver_one_more(world: &mut World) {
    let id = world.offer_one(0);
    world.flush_sender();
    let limit = world.now + healing_time(world);
    let stopped = world.oracle.stop_at.is_some();
    assert!(
        stopped || world.oracle.closed || world.oracle.is_live(id),
        "I8 an empty queue has room"
    );
    while world.oracle.is_live(id) {
        assert!(
            world.advance(limit),
            "L2 the fresh message is still open at {limit}"
        );
    }
}

/// I28: with nothing open and the network well, a drain ends by itself, long before its deadline.
fn drain(world: &mut World) {
    let mode = StopMode::Drain(Duration::from_secs(3_600));
    world
        .sender_inbox
        .push((None, Notice::Event(Event::Stop { mode })));
    world.flush_sender();
    let limit = world.now + healing_time(world);
    while !world.oracle.closed {
        assert!(
            world.advance(limit),
            "L3 nothing is open, and the drain does not end"
        );
    }
}

/// The time in which faults that were made before the healing may still be felt, and every
/// message may be sent again, whatever the window.
fn healing_time(world: &World) -> Duration {
    let limits = &world.plan.limits;
    let lag = world.receiver_lag();
    let waits = limits.backoff.1 + limits.refusal_backoff.1 + limits.connect_timeout;
    let waits = waits * world.plan.addresses.len() as u32;
    let round_trip = Duration::from_millis(45) + world.plan.turn * 4 + world.plan.take_delay_max;
    let live = world.oracle.live();
    let live = live
        .iter()
        .map(|id| world.oracle.messages[id].payload.len() as u64);
    let (count, bytes) = live.fold((1, 0), |(count, bytes), len| (count + 1, bytes + len + 30));
    let rounds = 4 * (bytes / world.plan.window + count) as u32;
    lag + 3 * (IDLE + waits) + Duration::from_secs(60) + round_trip * rounds
}

/// I27: nothing moves a closed sender but the immediate rejection of a message.
fn stay_closed(world: &mut World) {
    let now = world.sender_clock.latest + Duration::from_secs(60);
    let id = MessageId(u64::MAX);
    let payload = bytes::Bytes::from_static(b"late");
    let queued = Event::MessageQueued {
        id,
        lane: Lane(0),
        payload: payload.clone(),
        options: MessageOptions::default(),
    };
    let stop = Event::Stop {
        mode: StopMode::Drain(Duration::from_secs(1)),
    };
    let mut actions = Vec::new();
    world
        .sender
        .handle(now, [queued, stop, Event::TimerFired], &mut actions);
    let reason = peer_sender_core::RejectReason::Stopped;
    assert_eq!(
        actions,
        [Action::Reject {
            id,
            lane: Lane(0),
            reason,
            payload
        }],
        "I27"
    );
    assert_eq!(
        world.sender.next_deadline(),
        None,
        "I27 a closed sender has a timer"
    );
    assert_eq!(world.sender.capacity(Lane(0)), Default::default(), "I27");
}

impl World {
    /// The sender has ended: every connection comes to its end, at both sides.
    fn come_to_rest(&mut self) {
        let limit = self.now + Duration::from_secs(3_600) + self.receiver_lag();
        while self.connections.iter().any(|c| c.acceptor_end == Stand::Up) {
            assert!(self.advance(limit), "L3 a connection outlives the sender");
        }
        assert!(self.oracle.is_settled(), "I1 stopped with open messages");
    }

    /// Replies without an outcome, in the session that the dialling end is in.
    fn open_replies(&self) -> usize {
        let ours = self
            .connections
            .iter()
            .rev()
            .filter(|c| c.dialler.is_some());
        let newest = ours.into_iter().find(|c| c.session.is_some());
        let Some(connection) = newest.filter(|c| c.incarnation == self.incarnation) else {
            return 0;
        };
        let name = connection
            .session
            .map(|session| (self.incarnation, session));
        let oracle = name.and_then(|name| self.replies.get(&name));
        let open = oracle.filter(|oracle| !oracle.closed);
        open.map_or(0, |oracle| oracle.live().len())
    }

    /// How long the accepting process may still be away.
    fn receiver_lag(&self) -> Duration {
        let restarts = self
            .pending_until(|happening| matches!(happening, crate::happening::Happening::Restart));
        restarts.map_or(Duration::ZERO, |at: Time| at.saturating_since(self.now))
    }

    fn report(self) -> Report {
        let mut replies = [0; 6];
        let mut of_replies = Bites::default();
        let mut yielded = self.oracle.classes.yielded;
        let mut replies_written_again = 0;
        for oracle in self.replies.values() {
            let counts = replies.iter_mut().zip(oracle.counts);
            counts.for_each(|(sum, count)| *sum += count);
            of_replies = of_replies.plus(oracle.bites);
            yielded += oracle.classes.yielded;
            let again = oracle.messages.values().filter(|m| m.written > 1);
            replies_written_again += again.count() as u64;
        }
        let handed_twice = self
            .oracle
            .messages
            .values()
            .filter(|m| m.handed > 1)
            .count();
        Report {
            digest: self.digest(),
            outcomes: self.oracle.outcomes(),
            lane_order: self.oracle.lane_order(),
            visits: *self.sender.visits(),
            sender_steps: self.sender_steps,
            receiver_steps: self.receiver_steps,
            redelivered: self.sender.stats().redelivered,
            handed_twice: handed_twice as u64,
            failed_as_proven: self.oracle.failed_as_proven(),
            overloads: self.overloads,
            taken_over: self.taken_over + self.sessions.stats().taken_over,
            lives: self.incarnation + 1,
            strangers: self.strangers.count() as u64,
            sessions_seen: self.oracle.sessions_seen,
            connections: self.connections.len(),
            replies,
            bites: [self.oracle.bites, of_replies],
            slow: self.slow.counts,
            yielded,
            replies_written_again,
            cancelled: self.oracle.counts[2],
            generations: self.generation,
            rests: self.recovery.rests,
            moves: self.recovery.moves,
            woken: self.recovery.woken,
            gave_up: u64::from(self.oracle.ending.is_some()),
            unheard: self.unheard,
        }
    }
}
