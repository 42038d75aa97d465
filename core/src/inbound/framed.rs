//! Messages that come on one stream of a connection, each behind its length (`docs/wire.md`, framed).

#[cfg(feature = "trace")]
mod image;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use super::budget::MESSAGE_OVERHEAD;
use super::late::Late;
use super::{Budget, Closing, LANE, Place, Reading, Record, item_name};
use crate::wire::Item;
use crate::{Attempt, ProtocolError, Violation};

/// What is held, and what is coming, over all connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FramedInbound {
    /// What is held, and the count that numbers messages.
    record: Record,
    /// Streams on which a message has begun.
    arriving: BTreeMap<Place, Arriving>,
    /// The number of the first message that each connection can have brought.
    began: BTreeMap<Attempt, u64>,
    late: Late,
}

/// A message of which the length has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
enum Arriving {
    /// There is no room for it, or an older one must come first.
    Waits { length: usize },
    /// This much is set aside for it.
    Comes { cost: usize },
}

impl FramedInbound {
    pub(super) fn new() -> Self {
        Self {
            record: Record::new(LANE, 0, 0),
            arriving: BTreeMap::new(),
            began: BTreeMap::new(),
            late: Late::default(),
        }
    }

    /// A connection stands.
    pub(super) fn connected(&mut self, attempt: Attempt) {
        self.began.entry(attempt).or_insert(self.record.next());
    }

    /// Takes the next whole message of a stream, with its number; none if it has not come, or there is
    /// no room.
    ///
    /// # Errors
    ///
    /// The other end broke the protocol, or a message is too large.
    pub(super) fn take(
        &mut self,
        place: Place,
        reading: &mut Reading,
        (message_bytes_max, budget): (usize, &mut Budget),
    ) -> Result<Option<(u64, Bytes)>, Closing> {
        loop {
            if let Some(Arriving::Waits { length }) = self.arriving.get_mut(&place) {
                let length = *length;
                let room = match self.late.is_empty() {
                    true => budget.reserve(LANE, length),
                    false => None,
                };
                let Some(cost) = room else {
                    return Ok(None);
                };
                self.arriving.insert(place, Arriving::Comes { cost });
            }
            match reading.next()? {
                Some(Item::MessageBegins { length }) => {
                    let arriving = Arriving::Waits {
                        length: fitting(length, message_bytes_max)?,
                    };
                    self.arriving.insert(place, arriving);
                }
                Some(Item::Message(payload)) => {
                    if let Some(Arriving::Comes { cost }) = self.arriving.remove(&place) {
                        return Ok(Some((self.record.hold(cost), payload)));
                    }
                }
                Some(item @ Item::Frame(_)) => {
                    let frame = item_name(&item);
                    return Err(ProtocolError::Unexpected { frame }.into());
                }
                None => return Ok(None),
            }
        }
    }

    /// The connection is gone: keeps the whole messages of a stream that wait, until there is room for
    /// them. False if something of the stream is lost.
    pub(super) fn keep(
        &mut self,
        place: Place,
        reading: &mut Reading,
        message_bytes_max: usize,
    ) -> bool {
        if let Some(Arriving::Comes { .. }) = self.arriving.get(&place) {
            return false;
        }
        loop {
            match reading.next() {
                Ok(Some(Item::MessageBegins { length })) => {
                    if fitting(length, message_bytes_max).is_err() {
                        return false;
                    }
                }
                Ok(Some(Item::Message(payload))) => {
                    if !self.late.keep(payload) {
                        return false;
                    }
                }
                Ok(Some(Item::Frame(_))) | Err(_) => return false,
                Ok(None) => return reading.decoder.finish().is_ok(),
            }
        }
    }

    /// The next message that was kept, if there is room for it now.
    pub(super) fn take_late(&mut self, budget: &mut Budget) -> Option<(u64, Bytes)> {
        let (cost, message) = self.late.take(budget)?;
        let number = self.record.hold(cost);
        // It is of none of the connections that stand, which bring what comes behind it.
        let began = self.began.values_mut().filter(|first| **first == number);
        began.for_each(|first| *first += 1);
        Some((number, message))
    }

    /// Nothing more comes on this stream.
    pub(super) fn lose(&mut self, place: Place, budget: &mut Budget) {
        if let Some(Arriving::Comes { cost }) = self.arriving.remove(&place) {
            budget.release(LANE, cost);
        }
    }

    /// Nothing more comes on this connection. Its messages that are held stay.
    pub(super) fn lose_all(&mut self, attempt: Attempt, budget: &mut Budget) {
        let places: Vec<Place> = self.places().filter(|it| it.attempt == attempt).collect();
        for place in places {
            self.lose(place, budget);
        }
        self.began.remove(&attempt);
    }

    /// The application answered all that is held below this number.
    pub(super) fn consume(&mut self, below: u64, budget: &mut Budget) {
        self.record.consume(below, budget);
    }

    /// The application refused a message, which nobody is told; whether it was held.
    pub(super) fn refuse(&mut self, number: u64, budget: &mut Budget) -> bool {
        self.record.let_go(number, budget)
    }

    /// The connection that stands and brought this message.
    pub(super) fn brought(&self, number: u64) -> Option<Attempt> {
        let since = self.began.iter().filter(|(_, first)| **first <= number);
        since.map(|(&attempt, _)| attempt).next_back()
    }

    /// Whether the message of this stream waits for room.
    pub(super) fn waits_at(&self, place: Place) -> bool {
        matches!(self.arriving.get(&place), Some(Arriving::Waits { .. }))
    }

    /// Streams whose message waits for room.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Place> {
        self.places().filter(|&place| self.waits_at(place))
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

    /// Whether any message ever came, or is coming.
    pub(super) fn is_known(&self) -> bool {
        self.record.next() > 0 || !self.arriving.is_empty()
    }

    /// Gives connections other names, for states to be compared across histories.
    pub(super) fn rename(&mut self, name: impl Fn(Attempt) -> Attempt) {
        let arriving = core::mem::take(&mut self.arriving);
        let renamed = arriving.into_iter().map(|(mut place, arriving)| {
            place.attempt = name(place.attempt);
            (place, arriving)
        });
        self.arriving = renamed.collect();
        let began = core::mem::take(&mut self.began);
        let renamed = began.into_iter().map(|(at, first)| (name(at), first));
        self.began = renamed.collect();
    }

    /// What it costs the budget.
    pub(super) fn cost(&self) -> usize {
        self.coming().sum::<usize>() + self.record.held_cost()
    }

    fn coming(&self) -> impl Iterator<Item = usize> {
        self.arriving
            .values()
            .filter_map(|arriving| match arriving {
                Arriving::Comes { cost } => Some(*cost),
                Arriving::Waits { .. } => None,
            })
    }

    /// Whether what is noted of a stream is what its bytes say.
    pub(super) fn awaits(&self, place: Place, payload: Option<(u64, usize)>) -> bool {
        match (self.arriving.get(&place), payload) {
            (None, None) => true,
            (Some(Arriving::Waits { length }), Some((coming, here))) => {
                here == 0 && *length as u64 == coming
            }
            (Some(Arriving::Comes { cost }), Some((coming, _))) => {
                *cost as u64 == coming.saturating_add(MESSAGE_OVERHEAD as u64)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    pub(super) fn check(&self) -> Result<(), Violation> {
        let wrong = |what| Violation { id: "I21", what };
        self.late.check().map_err(wrong)?;
        let next = self.record.next();
        if self.began.values().any(|&first| first > next) {
            return Err(wrong(
                "a connection begins with a message that is not there",
            ));
        }
        self.record.check()
    }

    /// Streams whose message is coming.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.arriving.keys().copied()
    }
}

/// The length, if messages may be so long.
fn fitting(length: u64, max: usize) -> Result<usize, Closing> {
    let fits = usize::try_from(length).ok().filter(|&it| it <= max);
    fits.ok_or(Closing::TooLarge { bytes: length, max })
}

#[cfg(test)]
mod tests;
