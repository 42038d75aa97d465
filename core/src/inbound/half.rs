//! A whole receiving half: the lanes of the other end's sending half, or its messages without any,
//! over all its connections.

#[cfg(test)]
mod breaks;
mod check;
#[cfg(feature = "trace")]
mod image;
mod laneless;
mod look;
mod other;
mod reads;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

pub(crate) use self::other::OtherHalf;
use super::{Allowance, Answer, Budget, InboundLane, LANE, Place, Reading};
use crate::config::ReceiveLimits;
use crate::stats::Aside;
use crate::{
    Action, Attempt, Epoch, LANES_MAX, Lane, Priority, Protocol, ReceiverStats, RefuseCode,
    SessionId, Side, StreamId, TransferId,
};

/// What the other end sends. It outlives connections, several of which may stand at once; each lane
/// belongs to the newest that opened it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Inbound {
    limits: ReceiveLimits,
    epoch: Epoch,
    /// The record of lane 0 has this number, and those of the others follow.
    first_record: u64,
    other: OtherHalf,
    budget: Budget,
    /// Lane by lane, as far as any was opened.
    lanes: Vec<InboundLane>,
    connections: BTreeMap<Attempt, Connection>,
    /// Connections that have news in this step; empty between steps.
    touched: BTreeSet<Attempt>,
    /// The application refused a message in this step.
    refusal_added: bool,
    /// Connections that brought in a message that the application cannot read, in this step.
    malformed: BTreeSet<Attempt>,
    tally: Aside<ReceiverStats>,
}

/// What is known of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Connection {
    streams: BTreeMap<StreamId, Reading>,
    /// The session of its first OPEN.
    session: Option<SessionId>,
    /// The lanes that were opened in it, which may happen once each, as bits.
    opened: u8,
    stage: Stage,
}

/// How near its end a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
enum Stage {
    /// It stands.
    #[default]
    Open,
    /// We have closed it. What had come by then, without a lane, is still handed over.
    Left,
    /// Nothing more comes.
    Lost,
}

impl Inbound {
    /// The lanes of sessions. `first_record`: no other half of the epoch may ever have had this or
    /// the seven numbers after it.
    pub(crate) fn new(
        limits: ReceiveLimits,
        epoch: Epoch,
        first_record: u64,
        other: OtherHalf,
    ) -> Self {
        Self {
            budget: budget_of(&limits, &other),
            limits,
            epoch,
            first_record,
            other,
            lanes: Vec::new(),
            connections: BTreeMap::new(),
            touched: BTreeSet::new(),
            refusal_added: false,
            malformed: BTreeSet::new(),
            tally: Aside::default(),
        }
    }

    /// Messages of a protocol without sessions and lanes.
    pub(crate) fn without_lanes(limits: ReceiveLimits, protocol: Protocol) -> Self {
        Self::new(limits, Epoch([0; 16]), 0, OtherHalf::of(protocol))
    }

    pub(crate) fn connected(&mut self, attempt: Attempt) {
        // All that had come on one that we left was told before (`Action::Close`).
        while let Some(left) = self.left()
            && let Some(connection) = self.connections.remove(&left)
        {
            self.keep_whole(left, connection);
            self.lose_lanes(left);
        }
        if let OtherHalf::Framed(framed) = &mut self.other {
            framed.connected(attempt);
        }
        self.connections.entry(attempt).or_default();
        self.touched.insert(attempt);
    }

    /// The connection is lost: it is parted from once all that came on it is taken. False if it
    /// is not known.
    pub(crate) fn lost(&mut self, attempt: Attempt) -> bool {
        match self.connections.get_mut(&attempt) {
            Some(connection) => {
                connection.stage = Stage::Lost;
                self.touched.insert(attempt);
                true
            }
            None => false,
        }
    }

    /// False if the connection is not known, or the stream is not the other end's.
    pub(crate) fn stream_opened(&mut self, attempt: Attempt, stream: StreamId) -> bool {
        let protocol = self.protocol();
        match self.connections.get_mut(&attempt) {
            Some(connection) if stream.opener == Side::Remote => {
                let reading = || Reading::new(protocol);
                connection.streams.entry(stream).or_insert_with(reading);
                true
            }
            _ => false,
        }
    }

    /// False if the stream is not known.
    pub(crate) fn received(
        &mut self,
        attempt: Attempt,
        stream: StreamId,
        bytes: Bytes,
        fin: bool,
    ) -> bool {
        let reading = self.touch(attempt, stream);
        reading.map(|reading| reading.push(bytes, fin)).is_some()
    }

    /// The other end gave a stream up. False if it is not known.
    pub(crate) fn cut(&mut self, attempt: Attempt, stream: StreamId) -> bool {
        let reading = self.touch(attempt, stream);
        reading.map(|reading| reading.cut = true).is_some()
    }

    /// QUIC holds all of a write; whether it was one of ours.
    pub(crate) fn written(&mut self, transfer: TransferId) -> bool {
        self.lanes.iter_mut().any(|lane| lane.written(transfer))
    }

    /// The other end's transport has all that was written, FIN included; whether our FIN was.
    pub(crate) fn acknowledged(&mut self, place: Place) -> bool {
        self.lanes.iter_mut().any(|lane| lane.acknowledged(place))
    }

    /// The application answered all of a lane below this number. False if there is no such lane.
    pub(crate) fn consume(&mut self, lane: Lane, below: u64) -> bool {
        let budget = &mut self.budget;
        match &mut self.other {
            OtherHalf::Fixed(_) | OtherHalf::Latest(_) => {}
            OtherHalf::Plain(_) | OtherHalf::Framed(_) if lane != LANE => return false,
            OtherHalf::Plain(plain) => {
                plain.consume(below, budget);
                return true;
            }
            OtherHalf::Framed(framed) => {
                framed.consume(below, budget);
                return true;
            }
        }
        let Some(known) = self.lanes.get_mut(usize::from(lane.0)) else {
            return false;
        };
        known.consume(below, &mut self.budget);
        true
    }

    /// The application refused a message. False if it was not held.
    pub(crate) fn refuse(&mut self, lane: Lane, number: u64, code: RefuseCode) -> bool {
        let Self { lanes, budget, .. } = self;
        let held = match &mut self.other {
            OtherHalf::Plain(plain) => lane == LANE && plain.refuse(number, budget),
            OtherHalf::Framed(framed) => {
                let held = lane == LANE && framed.refuse(number, budget);
                if held && code == RefuseCode::Malformed {
                    self.malformed.extend(framed.brought(number));
                }
                held
            }
            OtherHalf::Fixed(_) | OtherHalf::Latest(_) => {
                let known = lanes.get_mut(usize::from(lane.0));
                let held = known.is_some_and(|known| known.refuse(number, code, budget));
                self.refusal_added |= held;
                held
            }
        };
        self.tally.0.refused += u64::from(held);
        held
    }

    pub(crate) fn count_stale(&mut self) {
        self.tally.0.stale_events += 1;
    }

    /// Writes what the lanes' streams must be told. `ending` says that each stream ends with the
    /// last of it.
    pub(crate) fn answer(&mut self, ending: bool, transfers: &mut u64, actions: &mut Vec<Action>) {
        for lane in &mut self.lanes {
            let transfer = TransferId(*transfers);
            let Some(Answer { place, bytes, fin }) = lane.answer(transfer, ending) else {
                continue;
            };
            *transfers += 1;
            let Place { attempt, stream } = place;
            let chunks = match bytes.is_empty() {
                true => vec![],
                false => vec![Bytes::from(bytes)],
            };
            actions.push(Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
                // Few bytes, and the other end's flight waits for them.
                priority: Priority::High,
            });
        }
    }

    /// The end has begun: no stream is read further. With `stay`, streams that hold a lane outlive
    /// this step.
    pub(crate) fn stop_reading(&mut self, stay: bool, actions: &mut Vec<Action>) {
        for lane in &mut self.lanes {
            lane.read_no_more(&mut self.budget);
        }
        for &attempt in self.connections.keys() {
            self.other.lose_all(attempt, &mut self.budget);
        }
        let holds: Vec<Place> = self.lanes.iter().filter_map(InboundLane::place).collect();
        for (&attempt, connection) in &mut self.connections {
            for (&stream, reading) in &mut connection.streams {
                reading.clear();
                let stays = stay && holds.contains(&Place { attempt, stream });
                if stays && !reading.paused && !reading.fin {
                    reading.paused = true;
                    actions.push(Action::PauseReading { attempt, stream });
                }
            }
        }
    }

    /// Parts from a connection that we close. With lanes nothing is lost by it. Without them the other
    /// end was told that what has come arrived, and does not send it again: so that is still taken,
    /// until the connection is [lost](Self::lost).
    pub(crate) fn leave(&mut self, attempt: Attempt) {
        if self.protocol().has_lanes() {
            self.part_from(attempt);
        } else if let Some(connection) = self.connections.get_mut(&attempt)
            && connection.stage == Stage::Open
        {
            connection.stage = Stage::Left;
        }
    }

    /// Parts from a connection of which nothing more is to be taken.
    pub(crate) fn part_from(&mut self, attempt: Attempt) {
        self.lose_lanes(attempt);
        if let Some(connection) = self.connections.remove(&attempt) {
            self.count_incomplete(&connection);
        }
        self.touched.remove(&attempt);
    }

    /// Forgets everything but its counters.
    pub(crate) fn forget(&mut self) {
        for connection in core::mem::take(&mut self.connections).into_values() {
            self.count_incomplete(&connection);
        }
        self.touched.clear();
        self.lanes.clear();
        self.tally.0.incomplete += self.other.late();
        self.other.forget();
        self.budget = budget_of(&self.limits, &self.other);
    }

    pub(crate) fn allow(&mut self, allowance: Allowance) {
        self.budget.allow(allowance);
    }

    /// The stream's bytes, noted as news.
    fn touch(&mut self, attempt: Attempt, stream: StreamId) -> Option<&mut Reading> {
        let connection = self.connections.get_mut(&attempt)?;
        let reading = connection.streams.get_mut(&stream)?;
        self.touched.insert(attempt);
        Some(reading)
    }

    /// The streams of a connection ended, some of them before their message was whole and taken. Of
    /// lanes nothing is lost by it: it comes again.
    fn count_incomplete(&mut self, connection: &Connection) {
        let readings = connection.streams.values();
        let cut_short = readings.filter(|reading| self.other.loses(reading));
        self.tally.0.incomplete += cut_short.count() as u64;
    }

    fn lose_lanes(&mut self, attempt: Attempt) {
        for lane in &mut self.lanes {
            lane.lose(attempt, None, &mut self.budget);
        }
        self.other.lose_all(attempt, &mut self.budget);
    }

    /// Another sending half took the place of the one before: nothing of that can be answered.
    fn begin_anew(&mut self, session: SessionId, actions: &mut Vec<Action>) {
        if self.is_known() {
            actions.push(Action::ForgetDelivered);
        }
        self.lanes.clear();
        self.budget = budget_of(&self.limits, &self.other);
        self.first_record += u64::from(LANES_MAX);
        self.other = OtherHalf::Latest(Some(session));
    }
}

/// The lanes, or the messages without one, share the limit.
fn budget_of(limits: &ReceiveLimits, other: &OtherHalf) -> Budget {
    let lanes = match other.protocol().has_lanes() {
        true => LANES_MAX,
        false => 1,
    };
    Budget::new(limits.inbound_bytes_max, lanes)
}
