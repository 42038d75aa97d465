//! A whole receiving half: the lanes of the other end's sending half, or its messages without any,
//! over all its connections.

#[cfg(feature = "trace")]
mod image;
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
    SessionId, Side, StreamId, TransferId, Violation,
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

    /// What the other end speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.other.protocol()
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

    /// Connections on which a stream still waits for its last answers to be acknowledged.
    pub(crate) fn awaited(&self) -> BTreeSet<Attempt> {
        let unfinished = self.lanes.iter().filter(|lane| !lane.is_acknowledged());
        unfinished
            .filter_map(InboundLane::place)
            .map(|place| place.attempt)
            .collect()
    }

    /// Whether a message waits for room.
    pub(crate) fn waits(&self) -> bool {
        self.other.waits() || self.lanes.iter().any(InboundLane::waits)
    }

    /// Whether a lane was ever opened, and not forgotten; of messages without one, whether any
    /// ever came.
    pub(crate) fn is_known(&self) -> bool {
        self.other.is_known() || self.lanes.iter().any(InboundLane::is_known)
    }

    /// Whether it would matter if it were forgotten while it has no connection: what is known of a
    /// lane counts for the next connection, of messages without one what was not answered yet.
    pub(crate) fn remembers(&self) -> bool {
        match self.protocol().has_lanes() {
            true => self.is_known(),
            false => self.holds_messages(),
        }
    }

    /// Whether the application has still to answer messages that came without a lane. Nobody waits
    /// for the answers, but until then they are the application's to take.
    pub(crate) fn holds_messages(&self) -> bool {
        self.other.holds()
    }

    /// Whether there are messages that the other end takes for received, and that the application has
    /// not answered: they are held, or may still be read from a connection that we left.
    pub(crate) fn owes_messages(&self) -> bool {
        self.holds_messages() || self.left().is_some()
    }

    /// Whether messages of a connection that is gone wait until there is room to give them out.
    pub(crate) fn keeps_late(&self) -> bool {
        self.other.late() > 0
    }

    /// A connection that we left, while its loss is still to be told.
    pub(crate) fn left(&self) -> Option<Attempt> {
        let mut connections = self.connections.iter();
        connections.find_map(|(&attempt, it)| (it.stage == Stage::Left).then_some(attempt))
    }

    /// Connections that stand, oldest first.
    pub(crate) fn standing(&self) -> impl DoubleEndedIterator<Item = Attempt> + '_ {
        let stand = |connection: &Connection| connection.stage == Stage::Open;
        let connections = self.connections.iter();
        connections.filter_map(move |(&attempt, it)| stand(it).then_some(attempt))
    }

    /// Whether this connection stands.
    pub(crate) fn stands(&self, attempt: Attempt) -> bool {
        let connection = self.connections.get(&attempt);
        connection.is_some_and(|it| it.stage == Stage::Open)
    }

    /// Whether anything that comes on this connection is taken: it stands, or we have only left it.
    pub(crate) fn has(&self, attempt: Attempt) -> bool {
        self.connections.contains_key(&attempt)
    }

    /// How many connections it [has](Self::has).
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn allow(&mut self, allowance: Allowance) {
        self.budget.allow(allowance);
    }

    pub(crate) fn stats(&self) -> ReceiverStats {
        ReceiverStats {
            held_bytes: self.budget.used() as u64,
            ..self.tally.0
        }
    }

    /// Gives connections and writes other names, for states to be compared across histories.
    /// Returns the name of this one.
    pub(crate) fn rename(&mut self, of: Option<Attempt>) -> Option<Attempt> {
        let mut attempts: BTreeSet<Attempt> = self.connections.keys().copied().collect();
        attempts.extend(self.lanes.iter().filter_map(InboundLane::newest));
        let rank = |attempt| Attempt(attempts.range(..attempt).count() as u64);
        let connections = core::mem::take(&mut self.connections);
        self.connections = connections
            .into_iter()
            .map(|(attempt, it)| (rank(attempt), it))
            .collect();
        for lane in &mut self.lanes {
            lane.rename(rank);
        }
        self.other.rename(rank);
        of.map(rank)
    }

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

/// For tests to look inside, and to break what `check` must see.
#[cfg(test)]
impl Inbound {
    pub(crate) fn buffered(&self, attempt: Attempt, stream: StreamId) -> usize {
        let connection = self.connections.get(&attempt).unwrap();
        connection.streams.get(&stream).unwrap().decoder.buffered()
    }

    pub(crate) fn break_budget(&mut self) {
        self.budget = budget_of(&self.limits, &self.other);
    }

    pub(crate) fn break_touched(&mut self, attempt: Attempt) {
        self.touched.insert(attempt);
    }

    /// As many lanes, of which none is opened but those that were.
    pub(crate) fn break_lanes(&mut self, count: usize) {
        self.lanes.resize_with(count, InboundLane::default);
        if count == 0 {
            self.break_budget();
        }
    }

    /// The second lane is held by the first one's stream.
    pub(crate) fn break_places(&mut self) {
        self.lanes.resize_with(2, InboundLane::default);
        let [first, second] = &mut self.lanes[..] else {
            panic!("two lanes")
        };
        second.share(first);
    }

    pub(crate) fn break_payload(&mut self, attempt: Attempt, stream: StreamId) {
        let connection = self.connections.get_mut(&attempt).unwrap();
        let reading = connection.streams.get_mut(&stream).unwrap();
        reading.decoder.discard_message();
    }

    pub(crate) fn break_connections(&mut self) {
        self.connections.clear();
    }

    pub(crate) fn break_pause(&mut self, attempt: Attempt, stream: StreamId) {
        assert!(self.lanes.iter().any(InboundLane::waits));
        let connection = self.connections.get_mut(&attempt).unwrap();
        connection.streams.get_mut(&stream).unwrap().paused = false;
    }
}
