//! Messages that come one a stream, with nothing around them (`docs/wire.md`, plain).

#[cfg(feature = "trace")]
mod image;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::budget::MESSAGE_OVERHEAD;
use super::late::Late;
use super::{Budget, LANE, Place, Reading, Record};
use crate::{Attempt, Violation};

/// What of a message may come before room is set aside for it.
const UNRESERVED_BYTES_MAX: usize = 16 << 10;

/// What is held, and what is coming, over all connections.
///
/// How long a message is shows only at its end. One of which more has come than the little that each
/// stream may have has room set aside for the largest that there may be, until its end has come: so
/// each one that is read on can be read to its end. Several that have half of their room each would
/// wait for one another for ever. The oldest is served first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PlainInbound {
    /// What is held, and the count that numbers messages.
    record: Record,
    held_cost: usize,
    arriving: BTreeMap<Place, Arriving>,
    late: Late,
}

/// A message of which something has come, and not all that it takes to be handed out. What comes is
/// put together as it comes, so that each byte is copied once however small the parts are.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Arriving {
    bytes: Vec<u8>,
    room: Room,
}

/// The room for a message that is arriving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
enum Room {
    /// So little has come of it that none is set aside yet.
    #[default]
    Unasked,
    /// It needs this much.
    Awaited { need: usize },
    /// This much is set aside for it.
    Reserved { cost: usize },
}

/// What a stream gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Its message, with its number.
    Whole { number: u64, payload: Bytes },
    /// Nothing yet: more is to come.
    Part,
    /// Nothing yet: there is no room.
    Waits,
    /// More than any message may have.
    TooLarge,
}

impl PlainInbound {
    pub(super) fn new() -> Self {
        Self {
            record: Record::new(LANE, 0, 0),
            held_cost: 0,
            arriving: BTreeMap::new(),
            late: Late::default(),
        }
    }

    /// Takes what has come on a stream. `ahead` is what an older stream waits for: those behind it
    /// may not fill the room that it will need once everything that is coming has come.
    pub(super) fn take(
        &mut self,
        place: Place,
        reading: &mut Reading,
        ahead: usize,
        (message_bytes_max, budget): (usize, &mut Budget),
    ) -> Taken {
        let known = self.arriving.get(&place);
        let (new, before) = (known.is_none(), known.map_or(0, |it| it.bytes.len()));
        let length = before.saturating_add(reading.in_hand());
        if length > message_bytes_max {
            self.lose(place, budget);
            return Taken::TooLarge;
        }
        if length == 0 && !reading.fin {
            return Taken::Part;
        }
        // Most come whole, and find room.
        if new
            && reading.fin
            && let Room::Reserved { cost } = find_room(length, ahead, self.held_cost, budget)
        {
            let mut bytes = Vec::new();
            reading.take_into(&mut bytes);
            return self.hold(bytes, cost, budget);
        }
        let arriving = self.arriving.entry(place).or_default();
        reading.take_into(&mut arriving.bytes);
        if length <= UNRESERVED_BYTES_MAX && !reading.fin {
            return Taken::Part;
        }
        if !matches!(arriving.room, Room::Reserved { .. }) {
            let room_for = match reading.fin {
                true => length,
                false => message_bytes_max,
            };
            arriving.room = find_room(room_for, ahead, self.held_cost, budget);
            if let Room::Awaited { .. } = arriving.room {
                return Taken::Waits;
            }
        }
        match reading.fin {
            true => self.hold_arrived(place, budget),
            false => Taken::Part,
        }
    }

    /// Keeps a whole message that waits, and whose connection is lost, until there is room for it.
    /// False if that is more than connections may leave behind.
    pub(super) fn keep(&mut self, place: Place) -> bool {
        let Some(Arriving {
            bytes,
            room: Room::Awaited { .. },
        }) = self.arriving.get_mut(&place)
        else {
            return false;
        };
        let mut message = core::mem::take(bytes);
        message.shrink_to_fit();
        self.late.keep(Bytes::from(message))
    }

    /// The next message that was kept, if there is room for it now.
    pub(super) fn take_late(&mut self, budget: &mut Budget) -> Option<(u64, Bytes)> {
        let (cost, message) = self.late.take(budget)?;
        self.held_cost += cost;
        Some((self.record.hold(cost), message))
    }

    /// The room that the first message needs that was kept; 0 if there is none.
    pub(super) fn late_need(&self) -> usize {
        self.late.need()
    }

    /// A message that was arriving is whole.
    fn hold_arrived(&mut self, place: Place, budget: &mut Budget) -> Taken {
        match self.arriving.remove(&place) {
            Some(Arriving {
                bytes,
                room: Room::Reserved { cost },
            }) => self.hold(bytes, cost, budget),
            Some(_) | None => Taken::Waits,
        }
    }

    /// A message is whole: what was set aside and it does not need is free again.
    fn hold(&mut self, bytes: Vec<u8>, cost: usize, budget: &mut Budget) -> Taken {
        let needed = bytes.len().saturating_add(MESSAGE_OVERHEAD).min(cost);
        budget.release(LANE, cost - needed);
        self.held_cost += needed;
        let number = self.record.hold(needed);
        let payload = Bytes::from(bytes);
        Taken::Whole { number, payload }
    }

    /// Nothing more comes on this stream.
    pub(super) fn lose(&mut self, place: Place, budget: &mut Budget) {
        let arriving = self.arriving.remove(&place);
        if let Some(Room::Reserved { cost }) = arriving.map(|it| it.room) {
            budget.release(LANE, cost);
        }
    }

    /// Nothing more comes on this connection.
    pub(super) fn lose_all(&mut self, attempt: Attempt, budget: &mut Budget) {
        let places: Vec<Place> = self.places().filter(|it| it.attempt == attempt).collect();
        for place in places {
            self.lose(place, budget);
        }
    }

    /// The application answered all that is held below this number.
    pub(super) fn consume(&mut self, below: u64, budget: &mut Budget) {
        let before = budget.used();
        self.record.consume(below, budget);
        self.held_cost -= before - budget.used();
    }

    /// The application refused a message, which nobody is told; whether it was held.
    pub(super) fn refuse(&mut self, number: u64, budget: &mut Budget) -> bool {
        let before = budget.used();
        let held = self.record.let_go(number, budget);
        self.held_cost -= before - budget.used();
        held
    }

    /// What a message waits for, if it is the one of this stream.
    pub(super) fn need(&self, place: Place) -> Option<usize> {
        match self.arriving.get(&place)?.room {
            Room::Awaited { need } => Some(need),
            Room::Unasked | Room::Reserved { .. } => None,
        }
    }

    /// Streams whose message waits for room.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Place> {
        self.places().filter(|&place| self.need(place).is_some())
    }

    /// Whether a message waits for the application to take it or to answer it.
    pub(super) fn holds(&self) -> bool {
        self.record.holds() || !self.late.is_empty()
    }

    /// Whether a message waits for room.
    pub(super) fn waits(&self) -> bool {
        !self.late.is_empty() || self.waiting().next().is_some()
    }

    /// How many whole messages of lost connections wait for room.
    pub(super) fn late(&self) -> u64 {
        self.late.len() as u64
    }

    /// Whether anything ever came, but for the little that needs no room yet.
    pub(super) fn is_known(&self) -> bool {
        let mut arriving = self.arriving.values();
        self.record.next() > 0 || arriving.any(|it| it.room != Room::Unasked)
    }

    /// Gives connections other names, for states to be compared across histories.
    pub(super) fn rename(&mut self, name: impl Fn(Attempt) -> Attempt) {
        let arriving = core::mem::take(&mut self.arriving);
        let renamed = arriving.into_iter().map(|(mut place, arriving)| {
            place.attempt = name(place.attempt);
            (place, arriving)
        });
        self.arriving = renamed.collect();
    }

    /// What it costs the budget.
    pub(super) fn cost(&self) -> usize {
        let coming = self.arriving.values().map(|arriving| match arriving.room {
            Room::Reserved { cost } => cost,
            Room::Unasked | Room::Awaited { .. } => 0,
        });
        coming.sum::<usize>() + self.record.held_cost()
    }

    pub(super) fn check(&self) -> Result<(), Violation> {
        let wrong = |what| Violation { id: "I21", what };
        self.late.check().map_err(wrong)?;
        if self.held_cost != self.record.held_cost() {
            return Err(wrong("what is held costs something else than is noted"));
        }
        self.record.check()
    }

    /// Streams whose message is coming.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.arriving.keys().copied()
    }
}

/// The room for a message of this length, if it fits beside what is held and what waits ahead of it.
fn find_room(length: usize, ahead: usize, held_cost: usize, budget: &mut Budget) -> Room {
    let need = length.saturating_add(MESSAGE_OVERHEAD);
    let beside = held_cost.saturating_add(need).saturating_add(ahead);
    let overtakes = ahead > 0 && beside > budget.max();
    let reserved = match overtakes {
        false => budget.reserve(LANE, length),
        true => None,
    };
    reserved.map_or(Room::Awaited { need }, |cost| Room::Reserved { cost })
}

impl fmt::Debug for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B, {:?}", self.bytes.len(), self.room)
    }
}

#[cfg(test)]
mod tests;
