//! The judge of a world: it owns what the users were told and what the application did, and knows
//! by itself what the contract makes of that. Written from the contract and the invariants, not
//! from the machines. What it keeps is as little as its judgement needs, since it is a part of the
//! states that an exploration tells apart.

mod books;
mod ledger;
mod numbers;
mod outcomes;
mod sightings;
mod turns;
mod waits;

use std::time::Duration;

use peer_sender_core::{Outcome, Redelivery, Time};

pub use self::books::Violation;
pub(crate) use self::books::{Before, violated};
use self::ledger::Ledger;
use self::numbers::Numbers;
pub(crate) use self::numbers::SessionPlace;
pub(crate) use self::sightings::payload;
use self::turns::Turns;
use self::waits::Row;
use crate::aside::Aside;
use crate::settings::Settings;

/// What the oracle knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Oracle {
    /// By id: every message that was ever offered.
    pub(crate) messages: Vec<Message>,
    ledger: Aside<Ledger>,
    numbers: Aside<Numbers>,
    turns: Aside<Turns>,
    lanes: Vec<Lane>,
    /// The receiver's memory, which is lost from time to time, counted from 1.
    memory: Aside<u32>,
    row: Row,
    /// The connection that stands at the dialling end: since when, and whether the receiver has
    /// answered a message on it.
    up: Option<(Time, bool)>,
    /// When the attempt that is under way has to be over.
    connects_by: Option<Time>,
    /// When a stop that was asked for has to be over.
    pub(crate) stop_at: Option<Time>,
    pub(crate) closed: bool,
    /// The stop that was asked for removes the peer.
    removed: bool,
    /// Messages that failed in this step, and are not handed back yet; empty between steps.
    unreturned: Vec<u64>,
}

/// One message, from all sides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) lane: u8,
    pub(crate) bytes: u32,
    pub(crate) fate: Fate,
    /// A byte of it was in a write.
    pub(crate) begun: bool,
    /// When the user took it back.
    pub(crate) cancelled: Option<Time>,
    /// When it is of no use any more.
    pub(crate) expires_at: Option<Time>,
    /// The receiver may have taken it and forgotten: its memory was lost after it had begun.
    pub(crate) excused: bool,
    /// The first RESUME of its lane could not prove that it was not received: it stood at its base,
    /// and the message was sent before. What the sender knows as well.
    pub(crate) unproven: Aside<bool>,
    /// The application was handed it ever, and by which memory of the receiver's last; 0 is none.
    pub(crate) seen: bool,
    seen_in: u32,
    /// How often it may still be handed.
    spare: u8,
    /// The application has accepted it.
    pub(crate) accepted: bool,
    /// When it was handed out by which memory of the receiver's last. What that knows as well.
    accepted_in: Aside<u32>,
    /// The application has refused it, with this code.
    pub(crate) refused: Option<u64>,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    /// It was not accepted.
    Rejected,
    /// It was accepted, and has no outcome.
    Live,
    /// Its outcome was told.
    Settled(Kind),
}

/// An outcome without its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Delivered,
    Refused,
    Cancelled,
    Expired,
    Failed,
    Unknown,
}

impl Kind {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            // The most that its protocol tells.
            Outcome::Delivered(_) | Outcome::Written => Self::Delivered,
            Outcome::Refused(_) => Self::Refused,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Expired => Self::Expired,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Unknown(_) => Self::Unknown,
        }
    }
}

/// What the application has seen of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Lane {
    /// The last message that it was handed by the receiver's present memory.
    last_in_memory: Option<u64>,
    /// The latest message that it ever was handed.
    latest: Option<u64>,
    /// When the receiver was last able to say what it has of the lane.
    heard: Heard,
    /// Whether any RESUME of the lane was read. What the sender knows as well.
    resumed: Aside<bool>,
}

/// When a receiver was last able to say what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Heard {
    /// It is: it has answered the lane's OPEN on the connection that stands.
    Now,
    /// It was, until then.
    Until(Time),
}

impl Lane {
    fn falls_silent(&mut self, now: Time) {
        if self.heard == Heard::Now {
            self.heard = Heard::Until(now);
        }
    }
}

impl Default for Heard {
    fn default() -> Self {
        Self::Until(Time::ZERO)
    }
}

impl Oracle {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            messages: Vec::new(),
            ledger: Aside::default(),
            numbers: Aside::default(),
            turns: Aside::default(),
            lanes: Vec::new(),
            memory: Aside(1),
            row: Row::new(settings),
            up: None,
            connects_by: None,
            stop_at: None,
            closed: false,
            removed: false,
            unreturned: Vec::new(),
        }
    }

    /// The user is about to offer a message, whose id is the next.
    pub(crate) fn offered(&mut self, lane: u8, bytes: u32, expires_at: Option<Time>) -> u64 {
        let id = self.messages.len() as u64;
        let message = Message {
            lane,
            bytes,
            fate: Fate::Live,
            begun: false,
            cancelled: None,
            expires_at,
            excused: false,
            unproven: Aside(false),
            seen: false,
            seen_in: 0,
            spare: 1,
            accepted: false,
            accepted_in: Aside(0),
            refused: None,
        };
        self.ledger.offered(id, &message);
        self.messages.push(message);
        id
    }

    /// The user is about to take a message back.
    pub(crate) fn cancelled(&mut self, id: u64, now: Time) {
        if let Some(message) = self.message_mut(id)
            && message.fate == Fate::Live
        {
            message.cancelled.get_or_insert(now);
        }
    }

    /// The user is about to end the sender.
    pub(crate) fn stops(&mut self, at: Time, removed: bool) {
        if !self.closed {
            self.removed |= removed;
            self.stop_at = Some(self.stop_at.map_or(at, |earlier| earlier.min(at)));
        }
    }

    /// The receiver's memory is gone.
    pub(crate) fn memory_lost(&mut self) {
        *self.memory += 1;
        self.each_in_flight(|message| message.excused = true);
        for lane in &mut self.lanes {
            lane.last_in_memory = None;
        }
    }

    /// The sender's connection is gone: what was in flight may be sent again, unless it may be sent
    /// only once.
    pub(crate) fn connection_lost(&mut self, now: Time, settings: &Settings) {
        if settings.redelivery == Redelivery::AtLeastOnce {
            self.each_in_flight(|message| message.spare = message.spare.saturating_add(1));
        }
        self.lanes
            .iter_mut()
            .for_each(|lane| lane.falls_silent(now));
    }

    /// The lane's stream is of no use any more, on the connection that stands.
    pub(crate) fn lane_lost(&mut self, lane: u8, now: Time) {
        self.lane_mut(lane).falls_silent(now);
    }

    fn each_in_flight(&mut self, mut does: impl FnMut(&mut Message)) {
        for id in &self.ledger.live {
            if let Some(message) = self.messages.get_mut(*id as usize)
                && message.begun
            {
                does(message);
            }
        }
    }

    /// The receiver has answered the lane's OPEN on the connection that stands: with a RESUME that
    /// `proves` what it has not received of earlier connections, or would if it were the first.
    pub(crate) fn heard(&mut self, lane: u8, proves: bool) {
        let known = self.lane_mut(lane);
        known.heard = Heard::Now;
        if !std::mem::replace(&mut *known.resumed, true) && !proves {
            self.each_in_flight(|message| *message.unproven |= message.lane == lane);
        }
    }

    /// Whether the receiver has been away for longer than the sender's patience.
    fn is_silent(&self, lane: u8, now: Time, settings: &Settings) -> bool {
        let heard = self.lanes.get(usize::from(lane)).map(|it| it.heard);
        match heard.unwrap_or_default() {
            Heard::Now => false,
            Heard::Until(then) => then + settings.patience <= now,
        }
    }

    /// Messages without an outcome.
    pub(crate) fn live(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.live_from(0)
    }

    /// One of them, chosen among as many as there are.
    pub(crate) fn live_id(&self, choose: impl FnOnce(u64) -> u64) -> Option<u64> {
        let live = &self.ledger.live;
        let place = usize::try_from(choose(live.len() as u64)).ok()?;
        live.get(place).copied()
    }

    /// Those of them that have this id or a higher one.
    fn live_from(&self, first: u64) -> impl Iterator<Item = (u64, &Message)> {
        let live = &self.ledger.live;
        let from = live.partition_point(|id| *id < first);
        let ids = live.iter().skip(from);
        ids.filter_map(|id| Some((*id, self.message(*id)?)))
    }

    pub(crate) fn live_count(&self) -> usize {
        self.ledger.live.len()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.ledger.live.is_empty()
    }

    /// A message that the application has accepted, of which the receiver still knows, and the sender
    /// does not.
    pub(crate) fn accepted_in_vain(&self) -> Option<(u64, &Message)> {
        let mut live = self.live();
        live.find(|(_, it)| *it.accepted_in == *self.memory)
    }

    /// Whether a message that waits has an end.
    pub(crate) fn expires_ever(&self) -> bool {
        self.ledger.expires_next().is_some()
    }

    /// Whether it was accepted, and has no outcome.
    pub(crate) fn is_live(&self, id: u64) -> bool {
        self.message(id).is_some_and(|it| it.fate == Fate::Live)
    }

    pub(crate) fn message(&self, id: u64) -> Option<&Message> {
        self.messages.get(usize::try_from(id).ok()?)
    }

    fn message_mut(&mut self, id: u64) -> Option<&mut Message> {
        self.messages.get_mut(usize::try_from(id).ok()?)
    }

    fn lane_mut(&mut self, lane: u8) -> &mut Lane {
        let place = usize::from(lane);
        if self.lanes.len() <= place {
            self.lanes.resize_with(place + 1, Lane::default);
        }
        &mut self.lanes[place]
    }

    /// The same with times relative to now, and without what can make no difference any more.
    pub(crate) fn canonical(&self, now: Time, settings: &Settings) -> Self {
        let left = |at: Time| Time::ZERO + at.saturating_since(now);
        let age = |since: Time, most: Duration| Time::ZERO + now.saturating_since(since).min(most);
        let mut all = self.clone();
        all.up = self
            .up
            .map(|(since, answered)| (age(since, settings.health_after), answered));
        all.connects_by = self.connects_by.map(left);
        all.stop_at = self.stop_at.map(left);
        all.row.make_relative(now, settings);
        for lane in &mut all.lanes {
            if let Heard::Until(then) = &mut lane.heard {
                *then = age(*then, settings.patience);
            }
        }
        all.memory = Aside(1);
        for message in &mut all.messages {
            message.seen_in = u32::from(message.seen_in == *self.memory);
            // One that has expired counts on for as long as the sender may be patient.
            message.expires_at = message.expires_at.map(|at| left(at + settings.patience));
            let given_up = message.cancelled;
            message.cancelled = given_up.map(|since| age(since, settings.patience));
            if message.fate != Fate::Live {
                // Whether it may still be seen is all that counts.
                message.begun = false;
                message.cancelled = None;
                message.expires_at = None;
                message.excused = false;
                message.accepted = false;
                message.refused = None;
            }
        }
        all
    }
}
