//! The dialling end: what its user asks for, and what its machine does.

use std::time::Duration;

use peer_sender_core::wire::{Decoder, Frame, Item};
use peer_sender_core::{
    Action, Event, Lane, MessageId, MessageOptions, Priority, StopMode, StreamId, TransferId,
    Unsent,
};

use super::{Trouble, World, impossible};
use crate::aside::Aside;
use crate::op::{Conn, End, Op};
use crate::oracle::{Before, Violation, payload, violated};
use crate::print;
use crate::settings::address;
use crate::transport::{Connection, Stand};

impl World {
    pub(super) fn send(
        &mut self,
        lane: u8,
        bytes: u32,
        ttl: Option<Duration>,
    ) -> Result<(), Trouble> {
        // What there is room for shows before.
        self.ask_alone()?;
        let room = self.sender.capacity(Lane(lane));
        let fits = room.messages > 0
            && room.bytes >= bytes as usize
            && u64::from(bytes) <= self.settings.message_bytes_max;
        let now = self.sender_clock.now;
        let ends = ttl.into_iter().chain(self.settings.ttl);
        let expires_at = ends.map(|ttl| now + ttl).min();
        let id = self.oracle.offered(lane, bytes, expires_at);
        let queued = Event::MessageQueued {
            id: MessageId(id),
            lane: Lane(lane),
            payload: payload(id, bytes),
            options: MessageOptions {
                expires_at: ttl.map(|ttl| now + ttl),
            },
        };
        self.step_sender([queued])?;
        let message = self.oracle.message(id);
        let accepted = message.is_some_and(|it| it.fate != crate::oracle::Fate::Rejected);
        match accepted == fits {
            true => Ok(()),
            false if fits => Ok(violated(
                "I8",
                "there was room, and a message is handed back",
            )?),
            false => Ok(violated(
                "I8",
                "there was no room, and a message is accepted",
            )?),
        }
    }

    pub(super) fn cancel(&mut self, id: u64) -> Result<(), Trouble> {
        self.ask_alone()?;
        let Some(message) = self.oracle.message(id) else {
            return impossible("there is no such message");
        };
        let waits = message.fate == crate::oracle::Fate::Live && !message.begun;
        let event = self.asks(&Op::Cancel { id });
        self.step_sender(event)?;
        if waits && self.oracle.is_live(id) {
            violated(
                "I1",
                "a message that has not begun is not cancelled at once",
            )?;
        }
        Ok(())
    }

    /// The user stops the sender, wakes it, or tells it of addresses.
    pub(super) fn ask(&mut self, op: &Op) -> Result<(), Trouble> {
        let event = self.asks(op);
        Ok(self.step_sender(event)?)
    }

    /// The same in the sender's next step, whatever brings that about.
    pub(super) fn goes_along(&mut self, op: &Op) -> Result<(), Trouble> {
        match op {
            Op::Cancel { id } if self.oracle.message(*id).is_none() => {
                impossible("there is no such message")
            }
            _ => {
                self.along.push(op.clone());
                Ok(())
            }
        }
    }

    /// What waited for a step of the sender that has not come, before its clock moves.
    pub(super) fn ask_alone(&mut self) -> Result<(), Violation> {
        match self.along.is_empty() {
            true => Ok(()),
            false => self.step_sender([]),
        }
    }

    /// What the sender is told when its user asks for something; none if that is no event.
    fn asks(&mut self, op: &Op) -> Option<Event> {
        let now = self.sender_clock.now;
        match *op {
            Op::Cancel { id } => {
                self.oracle.cancelled(id, now);
                Some(Event::Cancel { id: MessageId(id) })
            }
            Op::Stop { mode } => {
                let at = match mode {
                    StopMode::Drain(within) => now + within,
                    StopMode::Abort | StopMode::Remove => now,
                };
                self.oracle.stops(at, mode == StopMode::Remove);
                Some(Event::Stop { mode })
            }
            Op::Wake { reason } => Some(Event::Wake { reason }),
            Op::Addresses { ref places } => {
                let addresses = places.iter().map(|it| address(*it)).collect();
                Some(Event::AddressesChanged { addresses })
            }
            _ => None,
        }
    }

    /// One step of the sender, and what follows from it at once.
    pub(super) fn step_sender(
        &mut self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(), Violation> {
        let along = std::mem::take(&mut self.along);
        let along: Vec<_> = along.iter().filter_map(|op| self.asks(op)).collect();
        self.sender_handles(along.into_iter().chain(events))?;
        while self.takes_at_once() {
            let taken = self.take_writes(End::Dialler);
            if taken.is_empty() {
                break;
            }
            let finished = taken.into_iter();
            self.sender_handles(
                finished.map(|(_, transfer)| Event::TransferFinished { transfer }),
            )?;
        }
        Ok(())
    }

    fn sender_handles(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), Violation> {
        let now = self.sender_clock.now;
        let before = Before::of(&self.sender);
        let mut actions = std::mem::take(&mut self.actions);
        self.step_of_sender(now, events, &mut actions);
        self.sender_clock.stepped = now;
        self.steps += 1;
        for action in actions.drain(..) {
            self.sender_does(action)?;
        }
        self.actions = actions;
        self.oracle.check_sender(now, &before, &self.sender)
    }

    fn sender_does(&mut self, action: Action) -> Result<(), Violation> {
        let now = self.sender_clock.now;
        self.digests(End::Dialler, now, &action);
        self.oracle.told(now, &action, &self.settings)?;
        self.note_unless_write(End::Dialler, &action);
        match action {
            Action::Connect { attempt, .. } => {
                if self.connections.iter().any(|it| it.dialler != Stand::Gone) {
                    return violated("I9", "it dials while it has a connection");
                }
                let conn = u32::try_from(self.dialled).map(Conn);
                let (Ok(conn), true) = (conn, attempt.0 == self.dialled) else {
                    return violated("I10", "an attempt's name is not new");
                };
                self.dialled += 1;
                self.connections.push(Connection::new(conn));
                Ok(())
            }
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                priority,
            } => {
                let place = self.place(End::Dialler, attempt)?;
                self.write((place, End::Dialler), stream, (transfer, chunks, fin))?;
                let streams = self.connection(place).map(|it| &mut it.streams);
                let written = streams.and_then(|it| it.get(usize::try_from(stream.index).ok()?));
                if let Some(lane) = written.map(|it| it.lane) {
                    self.oracle.goes(lane, priority, &self.settings)?;
                }
                if priority != Priority::Normal {
                    self.note(|| print::class(transfer, priority));
                }
                Ok(())
            }
            Action::Close { attempt, code, .. } => {
                let place = self.place(End::Dialler, attempt)?;
                self.close(place, End::Dialler, code)
            }
            Action::PauseReading { attempt, stream } => {
                let place = self.place(End::Dialler, attempt)?;
                self.pause(place, End::Dialler, stream, true)
            }
            // Lanes ask for none.
            Action::Probe { .. } => Ok(()),
            Action::ResumeReading { attempt, stream } => {
                let place = self.place(End::Dialler, attempt)?;
                self.pause(place, End::Dialler, stream, false)
            }
            Action::ResetStream {
                attempt,
                stream,
                code,
            } => {
                let place = self.place(End::Dialler, attempt)?;
                self.sever((place, End::Dialler), stream, code, End::Dialler)
            }
            Action::StopSending {
                attempt,
                stream,
                code,
            } => {
                let place = self.place(End::Dialler, attempt)?;
                self.sever((place, End::Dialler), stream, code, End::Acceptor)
            }
            Action::Room { lane, capacity } => match self.sender.capacity(lane) == capacity {
                true => Ok(()),
                false => violated("I8", "the room that is told is not what there is"),
            },
            Action::HandBack(Unsent {
                id, payload: back, ..
            })
            | Action::Reject {
                id, payload: back, ..
            } => {
                let message = self.oracle.message(id.0);
                match message.is_some_and(|it| payload(id.0, it.bytes) == back) {
                    true => Ok(()),
                    false => violated("I8", "another message is handed back"),
                }
            }
            Action::ScheduleBackoff { .. }
            | Action::Emit(_)
            | Action::Deliver(_)
            | Action::Settle { .. }
            | Action::ForgetDelivered => Ok(()),
        }
    }

    /// What a write of the sender says: its lane's OPEN, and which messages it begins.
    pub(super) fn sender_says(
        &mut self,
        place: Conn,
        stream: StreamId,
        bytes: bytes::Bytes,
    ) -> Result<Vec<print::Said>, Violation> {
        let mut all = self.connections.iter_mut();
        let Some(connection) = all.find(|it| it.conn == place) else {
            return Ok(Vec::new());
        };
        let outlived = connection.outlived;
        let mut session = connection.session;
        let Some(written) = connection.stream_for(End::Dialler, stream) else {
            return violated("A", "a write on a stream that nobody opened");
        };
        let mut said = Vec::new();
        let mut rest = bytes;
        let mut decoder = Decoder::default();
        loop {
            let lane = written.lane;
            match decoder.next(&mut rest) {
                Ok(Some(Item::Frame(frame))) => {
                    match &frame {
                        Frame::Open(open) => {
                            written.lane = u8::try_from(open.lane).unwrap_or(u8::MAX);
                            written.position = Aside(open.base);
                            written.base = Aside(open.base);
                            written.proves = Aside(open.fresh);
                            session = Some(self.oracle.session(open.session));
                        }
                        Frame::Skip { count } => *written.position += count,
                        Frame::Resume(_) | Frame::Receipt { .. } | Frame::Refuse { .. } => {}
                    }
                    if self.log.is_some() {
                        said.push(print::Said::Frame(frame));
                    }
                }
                Ok(Some(Item::MessageBegins { .. })) => {}
                Ok(Some(Item::Message(body))) => {
                    let Some(session) = session else {
                        return violated("A", "a message before any OPEN");
                    };
                    let place = (session, lane, *written.position);
                    let id = self.oracle.begins(place, &body, outlived, &self.settings)?;
                    *written.position += 1;
                    if self.log.is_some() {
                        said.push(print::Said::Message(Some(id), body.len()));
                    }
                }
                Ok(None) => break,
                Err(_) => return violated("A", "a write of what is no frame"),
            }
        }
        connection.session = session;
        match decoder.finish() {
            Ok(()) => Ok(said),
            Err(_) => violated("A", "a write that ends inside a frame"),
        }
    }

    pub(super) fn transfer_finished(&mut self, transfer: TransferId) -> Result<(), Violation> {
        self.step_sender([Event::TransferFinished { transfer }])
    }
}
