//! The invariants of a receiving half, by their ids in `docs/invariants.md`.

use super::{Inbound, OtherHalf};
use crate::inbound::{InboundLane, Place};
use crate::{LANES_MAX, Lane, Violation};

impl Inbound {
    /// The invariants of its state, between steps.
    pub(crate) fn check(&self) -> Result<(), Violation> {
        let wrong = |id, what| Err(Violation { id, what });
        let mut lanes = (0..).map(Lane).zip(&self.lanes);
        lanes.try_for_each(|(number, lane)| lane.check(number))?;
        let lanes_max = match self.protocol().has_lanes() {
            true => LANES_MAX,
            false => 0,
        };
        if self.lanes.len() > usize::from(lanes_max) {
            return wrong("I21", "more lanes than may be");
        }
        self.other.check()?;
        let of_lanes: usize = self.lanes.iter().map(InboundLane::cost).sum();
        if self.budget.used() != of_lanes + self.other.cost() {
            return wrong("I21", "the budget differs from what is held and coming");
        }
        if !self.touched.is_empty() || !self.malformed.is_empty() {
            return wrong("I18", "facts of a step were left undecided");
        }
        for (&attempt, connection) in &self.connections {
            for (&stream, reading) in &connection.streams {
                let place = Place { attempt, stream };
                if let OtherHalf::Framed(framed) = &self.other {
                    if !framed.awaits(place, reading.decoder.payload()) {
                        return wrong("I21", "another message is coming than room was found for");
                    }
                } else if reading.decoder.payload().is_some() && self.lane_at(place).is_none() {
                    return wrong("I21", "a message is coming that is of no lane");
                }
            }
        }
        for (number, lane) in (0..).map(Lane).zip(&self.lanes) {
            let Some(place) = lane.place() else { continue };
            if self.lane_at(place).is_none_or(|(first, _)| first != number) {
                return wrong("I10", "one stream holds two lanes");
            }
            let connection = self.connections.get(&place.attempt);
            let Some(reading) = connection.and_then(|it| it.streams.get(&place.stream)) else {
                return wrong("I10", "a lane is held by a stream that is gone");
            };
            if lane.waits() && !reading.paused && !reading.fin {
                return wrong("I21", "a message waits for room, and its stream is read");
            }
            if !lane.awaits(reading.decoder.payload()) {
                return wrong("I21", "another message is coming than room was found for");
            }
        }
        for (place, waits) in self.other.arriving() {
            let connection = self.connections.get(&place.attempt);
            let Some(reading) = connection.and_then(|it| it.streams.get(&place.stream)) else {
                return wrong("I10", "a message comes on a stream that is gone");
            };
            let stands = self.stands(place.attempt);
            if waits && stands && !reading.paused && !reading.fin {
                return wrong("I21", "a message waits for room, and its stream is read");
            }
        }
        Ok(())
    }
}
