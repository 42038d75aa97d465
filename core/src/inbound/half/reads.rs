//! What a receiving half takes from its streams, once a step.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{Connection, Inbound, OtherHalf, Stage};
use crate::inbound::{Begun, Closing, InboundLane, Names, Opened, Place, Reading, item_name};
use crate::wire::{Frame, Item, Open};
use crate::{Action, Attempt, CloseCode, IncomingMessage, LANES_MAX, Lane, ProtocolError, Time};

impl Inbound {
    /// Takes what the streams hold, and parts from connections that are lost. Returns those that
    /// must be closed, which it has parted from as well, or left.
    pub(crate) fn read(&mut self, now: Time, actions: &mut Vec<Action>) -> Vec<(Attempt, Closing)> {
        let waiting = self.lanes.iter().filter(|lane| lane.waits());
        let waiting = waiting.filter_map(|lane| Some(lane.place()?.attempt));
        self.touched.extend(waiting);
        let waiting = self.other.waiting();
        self.touched.extend(waiting.iter().map(|it| it.attempt));
        self.take_late(now, actions);
        let mut closings = Vec::new();
        while let Some(attempt) = self.touched.pop_first() {
            let Some(mut connection) = self.connections.remove(&attempt) else {
                continue;
            };
            let taken = self.take(now, attempt, &mut connection, actions);
            let stage = connection.stage;
            if taken.is_ok() && stage != Stage::Lost {
                self.connections.insert(attempt, connection);
                continue;
            }
            self.keep_whole(attempt, connection);
            self.lose_lanes(attempt);
            if let Err(closing) = taken {
                self.count(&closing);
                if stage == Stage::Open {
                    closings.push((attempt, closing));
                }
            }
        }
        if core::mem::take(&mut self.refusal_added) {
            self.part_from_overloaded(&mut closings);
        }
        self.part_from_malformed(&mut closings);
        closings
    }

    /// As [`read`](Self::read), once streams are not read any more: notes which of them were given
    /// up, and parts from connections that are lost.
    pub(crate) fn read_nothing(&mut self) {
        self.refusal_added = false;
        self.malformed.clear();
        while let Some(attempt) = self.touched.pop_first() {
            let Some(mut connection) = self.connections.remove(&attempt) else {
                continue;
            };
            connection.streams.retain(|&stream, reading| {
                if reading.cut {
                    self.lose_stream(Place { attempt, stream });
                    self.tally.0.incomplete += u64::from(self.other.loses(reading));
                }
                if connection.stage != Stage::Lost {
                    reading.clear();
                }
                !reading.cut
            });
            if connection.stage == Stage::Lost {
                self.lose_lanes(attempt);
                self.count_incomplete(&connection);
            } else {
                self.connections.insert(attempt, connection);
            }
        }
    }

    fn count(&mut self, closing: &Closing) {
        match closing {
            Closing::Protocol(_) => self.tally.0.protocol_errors += 1,
            Closing::TooLarge { .. } => self.tally.0.refused += 1,
            Closing::Overloaded => {}
        }
    }

    /// Where an application refuses more than is remembered, the next connection's OPEN will tell
    /// how much of it the other end has heard of.
    fn part_from_overloaded(&mut self, closings: &mut Vec<(Attempt, Closing)>) {
        let overloaded = self.lanes.iter().filter(|lane| lane.refusals_exceed());
        let attempts: Vec<_> = overloaded
            .filter_map(|lane| Some(lane.place()?.attempt))
            .collect();
        for attempt in attempts {
            if self.has(attempt) {
                self.part_from(attempt);
                closings.push((attempt, Closing::Overloaded));
            }
        }
    }

    /// The application could not read a message, and no message can be refused alone. Those behind it
    /// that have come are none the worse for it.
    fn part_from_malformed(&mut self, closings: &mut Vec<(Attempt, Closing)>) {
        for attempt in core::mem::take(&mut self.malformed) {
            if self.stands(attempt) {
                self.leave(attempt);
                let closing = Closing::Protocol(ProtocolError::Malformed);
                self.count(&closing);
                closings.push((attempt, closing));
            }
        }
    }

    /// Takes from each stream of a connection what can be taken now.
    fn take(
        &mut self,
        now: Time,
        attempt: Attempt,
        connection: &mut Connection,
        actions: &mut Vec<Action>,
    ) -> Result<(), Closing> {
        match self.other {
            OtherHalf::Fixed(_) | OtherHalf::Latest(_) => {}
            OtherHalf::Plain(_) => {
                self.take_messages(now, attempt, connection, actions);
                return Ok(());
            }
            OtherHalf::Framed(_) => return self.take_framed(now, attempt, connection, actions),
        }
        let mut streams = core::mem::take(&mut connection.streams);
        let mut gone = Vec::new();
        for (&stream, reading) in &mut streams {
            let place = Place { attempt, stream };
            let stays = self.take_stream(now, place, reading, connection, actions)?;
            let cut = match stays {
                _ if reading.cut => Some(CloseCode::Done),
                false => Some(CloseCode::Superseded),
                true => None,
            };
            if let Some(code) = cut {
                self.lose_stream(place);
                gone.push(stream);
                if connection.stage == Stage::Open {
                    actions.extend(place.cut(code));
                }
                continue;
            }
            reading.own();
            let waits = self.lane_at(place).is_some_and(|(_, lane)| lane.waits());
            let stands = connection.stage == Stage::Open;
            pause_while(waits, place, reading, stands, actions);
        }
        for stream in gone {
            streams.remove(&stream);
        }
        connection.streams = streams;
        Ok(())
    }

    /// Takes frames off a stream until it has no whole one, or its next message must wait. False
    /// if a newer connection has the lane.
    fn take_stream(
        &mut self,
        now: Time,
        place: Place,
        reading: &mut Reading,
        connection: &mut Connection,
        actions: &mut Vec<Action>,
    ) -> Result<bool, Closing> {
        let lane = match self.lane_at(place) {
            Some((lane, _)) => lane,
            None => match reading.next_open()? {
                Some(open) => match self.open(place, &open, connection, actions)? {
                    Some(lane) => lane,
                    None => return Ok(false),
                },
                None if reading.fin => return Err(ProtocolError::Truncated.into()),
                None => return Ok(true),
            },
        };
        let Self { lanes, budget, .. } = self;
        let Some(known) = lanes.get_mut(usize::from(lane.0)) else {
            return Ok(true);
        };
        let tally = &mut self.tally.0;
        while known.reserve(budget) {
            match reading.next()? {
                Some(Item::Message(payload)) => {
                    let Some(number) = known.hold() else { continue };
                    tally.delivered += 1;
                    tally.delivered_bytes += payload.len() as u64;
                    actions.push(deliver(lane, number, payload, now));
                }
                Some(Item::MessageBegins { length }) => {
                    let max = self.limits.message_bytes_max;
                    match known.begin(length, max, budget)? {
                        Begun::Taken | Begun::Waits => {}
                        Begun::Dropped => {
                            tally.duplicates += 1;
                            reading.decoder.discard_message();
                        }
                        Begun::TooLarge => return Err(Closing::TooLarge { bytes: length, max }),
                        Begun::Overloaded => return Err(Closing::Overloaded),
                    }
                }
                Some(Item::Frame(Frame::Skip { count })) => known.skip(count)?,
                Some(item) => {
                    let frame = item_name(&item);
                    return Err(ProtocolError::Unexpected { frame }.into());
                }
                None => {
                    if reading.fin {
                        reading.decoder.finish()?;
                        known.opener_done();
                    }
                    break;
                }
            }
        }
        Ok(true)
    }

    /// A stream's OPEN was read: the lane that the stream holds now, none if a newer connection
    /// has it.
    fn open(
        &mut self,
        place: Place,
        open: &Open,
        connection: &mut Connection,
        actions: &mut Vec<Action>,
    ) -> Result<Option<Lane>, Closing> {
        if *connection.session.get_or_insert(open.session) != open.session {
            return Err(ProtocolError::SessionChanged.into());
        }
        if let OtherHalf::Fixed(session) = &self.other
            && *session != open.session
        {
            return Err(ProtocolError::SessionChanged.into());
        }
        let lane = match u8::try_from(open.lane) {
            Ok(lane) if lane < LANES_MAX => Lane(lane),
            _ => return Err(ProtocolError::LaneRange { lane: open.lane }.into()),
        };
        if connection.opened & 1 << lane.0 != 0 {
            return Err(ProtocolError::LaneTwice { lane: open.lane }.into());
        }
        connection.opened |= 1 << lane.0;
        match &self.other {
            OtherHalf::Latest(Some(known)) if *known != open.session => {
                self.begin_anew(open.session, actions);
            }
            OtherHalf::Latest(_) => self.other = OtherHalf::Latest(Some(open.session)),
            OtherHalf::Fixed(_) | OtherHalf::Plain(_) | OtherHalf::Framed(_) => {}
        }
        let names = Names {
            lane,
            epoch: self.epoch,
            record: self.first_record + u64::from(lane.0),
            message_bytes_max: self.limits.message_bytes_max,
        };
        let Self { lanes, budget, .. } = self;
        let Some(known) = lane_mut(lanes, lane) else {
            return Ok(None);
        };
        match known.open(place, open, &names, budget)? {
            Opened::Holds { cut } => {
                if let Some(older) = cut {
                    self.tally.0.taken_over += 1;
                    if let Some(connection) = self.connections.get_mut(&older.attempt) {
                        connection.streams.remove(&older.stream);
                    }
                    actions.extend(older.cut(CloseCode::Superseded));
                }
                Ok(Some(lane))
            }
            Opened::Superseded => Ok(None),
        }
    }

    /// The lane that this stream holds.
    pub(super) fn lane_at(&self, place: Place) -> Option<(Lane, &InboundLane)> {
        let mut lanes = (0..).map(Lane).zip(&self.lanes);
        lanes.find(|(_, lane)| lane.place() == Some(place))
    }

    fn lose_stream(&mut self, place: Place) {
        for lane in &mut self.lanes {
            lane.lose(place.attempt, Some(place.stream), &mut self.budget);
        }
        if let OtherHalf::Framed(framed) = &mut self.other {
            framed.lose(place, &mut self.budget);
        }
    }
}

/// Has the node hand over no more of a stream while a message of it waits for room.
pub(super) fn pause_while(
    waits: bool,
    place: Place,
    reading: &mut Reading,
    stands: bool,
    actions: &mut Vec<Action>,
) {
    let Place { attempt, stream } = place;
    if waits != reading.paused && !reading.fin && stands {
        reading.paused = waits;
        actions.push(match waits {
            true => Action::PauseReading { attempt, stream },
            false => Action::ResumeReading { attempt, stream },
        });
    }
}

/// The lane, which is made if there is none: those below it as well, since a lane costs little
/// until it is opened.
fn lane_mut(lanes: &mut Vec<InboundLane>, lane: Lane) -> Option<&mut InboundLane> {
    let place = usize::from(lane.0);
    if lanes.len() <= place {
        lanes.reserve_exact(place + 1 - lanes.len());
        lanes.resize_with(place + 1, InboundLane::default);
    }
    lanes.get_mut(place)
}

pub(super) fn deliver(lane: Lane, number: u64, payload: Bytes, received_at: Time) -> Action {
    Action::Deliver(IncomingMessage {
        lane,
        number,
        payload,
        received_at,
    })
}
