//! What a receiver decides, once a step.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Connection, LANE, PeerReceiverMachine};
use crate::inbound::{
    Answer, Begun, Budget, InboundLane, Names, Opened, Place, Reading, item_name,
};
use crate::receiver::phase::Phase;
use crate::wire::{Frame, Item, Open};
use crate::{Action, Attempt, CloseCode, IncomingMessage, ProtocolError, RejectReason, TransferId};

/// Why a connection is to be closed by us.
struct Closing {
    code: CloseCode,
    reason: String,
}

impl From<ProtocolError> for Closing {
    fn from(error: ProtocolError) -> Self {
        Self {
            code: CloseCode::Protocol,
            reason: error.to_string(),
        }
    }
}

impl PeerReceiverMachine {
    /// Looks at the whole state and says what is to be done.
    pub(super) fn settle(&mut self, actions: &mut Vec<Action>) {
        for (id, lane, payload) in self.misplaced.drain(..) {
            let reason = RejectReason::UnknownLane { lane: lane.0 };
            actions.push(Action::Reject {
                id,
                reason,
                payload,
            });
        }
        let was = self.phase;
        if let Some(deadline) = self.stop_by.take() {
            self.phase = self.phase.stop(self.now, deadline);
        } else if let Phase::Draining { deadline } = self.phase {
            self.phase = self.phase.stop(self.now, deadline);
        }
        if was == Phase::Running && self.phase != was {
            self.stop_reading(actions);
        }
        if self.lane.waits()
            && let Some(place) = self.lane.place()
        {
            self.touched.insert(place.attempt);
        }
        while let Some(attempt) = self.touched.pop_first() {
            self.settle_connection(attempt, actions);
        }
        if core::mem::take(&mut self.refusal_added) && self.lane.refusals_exceed() {
            self.close_overloaded(actions);
        }
        if let Phase::Draining { .. } | Phase::Running = self.phase {
            self.answer(actions);
        }
        if self.phase != Phase::Running {
            self.end_connections(actions);
        }
    }

    /// Takes what the connection's streams hold, and parts from it if it is lost or must go.
    fn settle_connection(&mut self, attempt: Attempt, actions: &mut Vec<Action>) {
        let Some(mut connection) = self.connections.remove(&attempt) else {
            return;
        };
        let taken = if self.phase == Phase::Running {
            self.take(attempt, &mut connection, actions)
        } else {
            self.drop_input(attempt, &mut connection);
            Ok(())
        };
        match taken {
            Ok(()) if !connection.lost => {
                self.connections.insert(attempt, connection);
            }
            Ok(()) => self.lane.lose(attempt, None, &mut self.budget),
            Err(closing) => {
                self.lane.lose(attempt, None, &mut self.budget);
                if closing.code == CloseCode::Protocol {
                    self.tally.0.protocol_errors += 1;
                }
                if !connection.lost {
                    let Closing { code, reason } = closing;
                    actions.push(Action::Close {
                        attempt,
                        code,
                        reason,
                    });
                }
            }
        }
    }

    /// Notes which streams the peer gave up, and takes nothing from the others.
    fn drop_input(&mut self, attempt: Attempt, connection: &mut Connection) {
        connection.streams.retain(|&stream, reading| {
            reading.clear();
            if reading.cut {
                self.lane.lose(attempt, Some(stream), &mut self.budget);
            }
            !reading.cut
        });
    }

    /// Takes from each stream of a connection what can be taken now.
    fn take(
        &mut self,
        attempt: Attempt,
        connection: &mut Connection,
        actions: &mut Vec<Action>,
    ) -> Result<(), Closing> {
        let Connection {
            streams,
            lane_opened,
            lost,
        } = connection;
        let mut gone = Vec::new();
        for (&stream, reading) in streams.iter_mut() {
            let place = Place { attempt, stream };
            let stays = self.take_stream(place, reading, lane_opened, actions)?;
            let cut = match stays {
                _ if reading.cut => Some(CloseCode::Done),
                false => Some(CloseCode::Superseded),
                true => None,
            };
            if let Some(code) = cut {
                self.lane.lose(attempt, Some(stream), &mut self.budget);
                gone.push(stream);
                if !*lost {
                    actions.extend(place.cut(code));
                }
                continue;
            }
            reading.own();
            let waits = self.lane.place() == Some(place) && self.lane.waits();
            if waits != reading.paused && !reading.fin && !*lost {
                reading.paused = waits;
                actions.push(if waits {
                    Action::PauseReading { attempt, stream }
                } else {
                    Action::ResumeReading { attempt, stream }
                });
            }
        }
        for stream in gone {
            streams.remove(&stream);
        }
        Ok(())
    }

    /// Takes frames off a stream until it has no whole one, or its next message must wait. False
    /// if a newer connection has the lane.
    fn take_stream(
        &mut self,
        place: Place,
        reading: &mut Reading,
        lane_opened: &mut bool,
        actions: &mut Vec<Action>,
    ) -> Result<bool, Closing> {
        if self.lane.place() != Some(place) {
            match reading.next_open()? {
                Some(open) => {
                    if !self.open(place, &open, lane_opened, actions)? {
                        return Ok(false);
                    }
                }
                None if reading.fin => return Err(ProtocolError::Truncated.into()),
                None => return Ok(true),
            }
        }
        while self.lane.reserve(&mut self.budget) {
            match reading.next()? {
                Some(Item::Message(payload)) => self.deliver(payload, actions),
                Some(Item::MessageBegins { length }) => self.begin(length, reading)?,
                Some(Item::Frame(Frame::Skip { count })) => self.lane.skip(count)?,
                Some(item) => {
                    return Err(ProtocolError::Unexpected {
                        frame: item_name(&item),
                    }
                    .into());
                }
                None => {
                    if reading.fin {
                        reading.decoder.finish()?;
                        self.lane.opener_done();
                    }
                    break;
                }
            }
        }
        Ok(true)
    }

    /// A stream's OPEN was read. Whether the stream holds the lane now.
    fn open(
        &mut self,
        place: Place,
        open: &Open,
        lane_opened: &mut bool,
        actions: &mut Vec<Action>,
    ) -> Result<bool, Closing> {
        if open.session != self.session {
            return Err(ProtocolError::SessionChanged.into());
        }
        if open.lane != u64::from(LANE.0) {
            return Err(ProtocolError::LaneRange { lane: open.lane }.into());
        }
        if core::mem::replace(lane_opened, true) {
            return Err(ProtocolError::LaneTwice { lane: open.lane }.into());
        }
        let names = Names {
            epoch: self.epoch,
            record: self.record,
            message_bytes_max: self.config.receive.message_bytes_max,
        };
        match self.lane.open(place, open, &names, &mut self.budget)? {
            Opened::Holds { cut } => {
                if let Some(older) = cut {
                    self.tally.0.taken_over += 1;
                    if let Some(connection) = self.connections.get_mut(&older.attempt) {
                        connection.streams.remove(&older.stream);
                    }
                    actions.extend(older.cut(CloseCode::Superseded));
                }
                Ok(true)
            }
            Opened::Superseded => Ok(false),
        }
    }

    /// A MESSAGE's head was read.
    fn begin(&mut self, length: u64, reading: &mut Reading) -> Result<(), Closing> {
        let max = self.config.receive.message_bytes_max;
        match self.lane.begin(length, max, &mut self.budget)? {
            Begun::Taken | Begun::Waits => Ok(()),
            Begun::Dropped => {
                self.tally.0.duplicates += 1;
                reading.decoder.discard_message();
                Ok(())
            }
            Begun::TooLarge => {
                self.tally.0.refused += 1;
                let reason = alloc::format!("a message of {length} bytes, the limit is {max}");
                Err(Closing {
                    code: CloseCode::MessageTooLarge,
                    reason,
                })
            }
            Begun::Overloaded => Err(overloaded()),
        }
    }

    /// A message is whole.
    fn deliver(&mut self, payload: Bytes, actions: &mut Vec<Action>) {
        let Some(number) = self.lane.hold() else {
            return;
        };
        self.tally.0.delivered += 1;
        self.tally.0.delivered_bytes += payload.len() as u64;
        let received_at = self.now;
        actions.push(Action::Deliver(IncomingMessage {
            lane: LANE,
            number,
            payload,
            received_at,
        }));
    }

    /// Closes the connection that holds the lane: the next one's OPEN will tell how much of what
    /// was refused the other end has heard of.
    fn close_overloaded(&mut self, actions: &mut Vec<Action>) {
        let Some(Place { attempt, .. }) = self.lane.place() else {
            return;
        };
        self.lane.lose(attempt, None, &mut self.budget);
        self.connections.remove(&attempt);
        let Closing { code, reason } = overloaded();
        actions.push(Action::Close {
            attempt,
            code,
            reason,
        });
    }

    /// Writes what the lane's stream must be told.
    fn answer(&mut self, actions: &mut Vec<Action>) {
        let transfer = TransferId(self.transfers);
        let ending = self.phase != Phase::Running;
        let Some(Answer { place, bytes, fin }) = self.lane.answer(transfer, ending) else {
            return;
        };
        self.transfers += 1;
        let Place { attempt, stream } = place;
        let chunks = if bytes.is_empty() {
            vec![]
        } else {
            vec![Bytes::from(bytes)]
        };
        actions.push(Action::Write {
            transfer,
            attempt,
            stream,
            chunks,
            fin,
        });
    }

    /// The end has begun: no stream is read further. Only the one that holds the lane outlives
    /// this step.
    fn stop_reading(&mut self, actions: &mut Vec<Action>) {
        self.lane.read_no_more(&mut self.budget);
        let holds = self.lane.place();
        for (&attempt, connection) in &mut self.connections {
            for (&stream, reading) in &mut connection.streams {
                reading.clear();
                let stays = holds == Some(Place { attempt, stream }) && self.phase != Phase::Closed;
                if stays && !reading.paused && !reading.fin {
                    reading.paused = true;
                    actions.push(Action::PauseReading { attempt, stream });
                }
            }
        }
    }

    /// Closes each connection that has nothing left to be told, and ends with the last.
    fn end_connections(&mut self, actions: &mut Vec<Action>) {
        let awaited = match self.phase {
            Phase::Draining { .. } if !self.lane.is_acknowledged() => self.lane.place(),
            Phase::Draining { .. } | Phase::Running | Phase::Closed => None,
        };
        let awaited = awaited.map(|place| place.attempt);
        for (&attempt, _) in self
            .connections
            .iter()
            .filter(|&(&it, _)| Some(it) != awaited)
        {
            let reason = String::from("the receiver stops");
            actions.push(Action::Close {
                attempt,
                code: CloseCode::GoingAway,
                reason,
            });
        }
        self.connections.retain(|&it, _| Some(it) == awaited);
        if self.connections.is_empty() {
            self.phase = self.phase.close();
            self.lane = InboundLane::default();
            self.budget = Budget::new(self.config.receive.inbound_bytes_max);
        }
    }
}

fn overloaded() -> Closing {
    let reason = String::from("more refused messages than are remembered");
    Closing {
        code: CloseCode::ExcessiveLoad,
        reason,
    }
}
