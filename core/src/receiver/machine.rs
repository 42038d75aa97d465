//! One session of one peer.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use bytes::Bytes;

use super::phase::Phase;
use crate::inbound::{
    Answer, Begun, Budget, InboundLane, Names, Opened, Place, Reading, item_name,
};
use crate::wire::{Frame, Item, Open};
use crate::{
    Action, Attempt, CloseCode, Deadline, Epoch, Event, IncomingMessage, Lane, MessageId,
    ProtocolError, ReceiverConfig, ReceiverStats, RejectReason, SessionId, Side, StopMode,
    StreamId, Time, Timer, TransferId, Violation,
};

/// The lane that a receiver takes.
const LANE: Lane = Lane(0);

/// One session of one peer at an accepting node: takes its messages, hands each to the application
/// once and in order, and answers what the application said. It outlives its connections, several
/// of which may stand at once; the lane belongs to the newest that opened it.
///
/// It is pure: the same configuration and steps give the same actions. Each step
/// [`handle`](Self::handle)s the events of one moment; the actions say what the world must do.
///
/// ```
/// use bytes::Bytes;
/// use peer_sender_core::wire::{Frame, Open, encode_message_head};
/// use peer_sender_core::{
///     Action, Attempt, Epoch, Event, Lane, PeerReceiverMachine, ReceiverConfig, SessionId, Side,
///     StreamId, Time,
/// };
///
/// let (session, attempt) = (SessionId([1; 16]), Attempt(1));
/// let stream = StreamId { opener: Side::Remote, index: 0 };
/// let mut machine =
///     PeerReceiverMachine::new(ReceiverConfig::default(), session, Epoch([2; 16]), 0);
///
/// let mut bytes = Vec::new();
/// Frame::Open(Open { fresh: true, session, lane: 0, base: 0 }).encode(&mut bytes);
/// encode_message_head(2, &mut bytes);
/// bytes.extend(b"hi");
///
/// let mut actions = Vec::new();
/// let events = [
///     Event::Connected { attempt },
///     Event::StreamOpened { attempt, stream },
///     Event::BytesReceived { attempt, stream, bytes: Bytes::from(bytes), fin: false },
/// ];
/// machine.handle(Time::ZERO, events, &mut actions);
/// let [Action::Deliver(message), Action::Write { .. }] = &actions[..] else { panic!() };
/// assert_eq!((message.number, &message.payload[..]), (0, &b"hi"[..]));
///
/// // The application has it: a RECEIPT follows once the RESUME is written.
/// machine.handle(Time::ZERO, [Event::Consumed { lane: Lane(0), below: 1 }], &mut actions);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerReceiverMachine {
    config: ReceiverConfig,
    session: SessionId,
    epoch: Epoch,
    record: u64,
    now: Time,
    phase: Phase,
    /// The earliest end that was asked for in this step.
    stop_by: Option<Time>,
    budget: Budget,
    lane: InboundLane,
    connections: BTreeMap<Attempt, Connection>,
    /// Connections that have news in this step; empty between steps.
    touched: BTreeSet<Attempt>,
    /// The application refused a message in this step.
    refusal_added: bool,
    /// Messages of this step that were meant for a sender.
    misplaced: Vec<(MessageId, Lane, Bytes)>,
    transfers: u64,
    tally: Tally,
}

/// What is known of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Connection {
    streams: BTreeMap<StreamId, Reading>,
    /// The lane was opened in it, which may happen once.
    lane_opened: bool,
    lost: bool,
}

/// Counters, which take no part in decisions and thus in comparisons neither.
#[derive(Clone, Copy, Debug, Default)]
struct Tally(ReceiverStats);

impl PartialEq for Tally {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Tally {}

impl Hash for Tally {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

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
    /// A receiver of this session in this process (`epoch`). `first_record` numbers the record of
    /// lane 0, and those of further lanes follow it: no other session of the epoch may ever have
    /// had any of them.
    pub fn new(
        config: ReceiverConfig,
        session: SessionId,
        epoch: Epoch,
        first_record: u64,
    ) -> Self {
        Self {
            budget: Budget::new(config.inbound_bytes_max),
            config,
            session,
            epoch,
            record: first_record,
            now: Time::ZERO,
            phase: Phase::Running,
            stop_by: None,
            lane: InboundLane::default(),
            connections: BTreeMap::new(),
            touched: BTreeSet::new(),
            refusal_added: false,
            misplaced: Vec::new(),
            transfers: 0,
            tally: Tally::default(),
        }
    }

    /// One step: records each event, then decides once. Never fails; a time that goes back is
    /// taken as the latest one seen. Appends what the world must do, in this order.
    pub fn handle(
        &mut self,
        now: Time,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        self.now = self.now.max(now);
        for event in events {
            self.apply(event);
        }
        self.settle(actions);
    }

    /// The end of a drain, if one is under way: the only timer there is.
    pub fn next_deadline(&self) -> Option<Deadline> {
        match self.phase {
            Phase::Draining { deadline } => Some(Deadline {
                at: deadline,
                timer: Timer::Drain,
            }),
            Phase::Running | Phase::Closed => None,
        }
    }

    /// Counters since it was made.
    pub fn stats(&self) -> ReceiverStats {
        ReceiverStats {
            held_bytes: self.budget.used() as u64,
            ..self.tally.0
        }
    }

    /// Connections that are bound to this session now.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether this connection is bound to this session now.
    pub(super) fn has(&self, attempt: Attempt) -> bool {
        self.connections.contains_key(&attempt)
    }

    /// Whether it remembers anything: a lane was opened, and it has not ended.
    pub(super) fn remembers(&self) -> bool {
        self.lane.is_known()
    }

    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// The invariants of its state, between steps.
    ///
    /// # Errors
    ///
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), Violation> {
        self.lane.check()?;
        let wrong = |what| Err(Violation { id: "R3", what });
        if self.budget.used() != self.lane.cost() {
            return wrong("the budget differs from what is held and coming");
        }
        if !self.touched.is_empty() || !self.misplaced.is_empty() || self.stop_by.is_some() {
            return wrong("facts of a step were left undecided");
        }
        let at = |place: Place| {
            self.connections
                .get(&place.attempt)?
                .streams
                .get(&place.stream)
        };
        if let Some(place) = self.lane.place() {
            let Some(reading) = at(place) else {
                return wrong("the lane is held by a stream that is gone");
            };
            if self.lane.waits() && !reading.paused && !reading.fin {
                return wrong("a message waits for room, and its stream is read");
            }
        }
        if self.phase == Phase::Closed && (self.lane.is_known() || !self.connections.is_empty()) {
            return wrong("a closed receiver keeps something");
        }
        Ok(())
    }

    /// Records a fact. Decides nothing.
    fn apply(&mut self, event: Event) {
        match event {
            Event::Connected { attempt } => {
                self.connections.entry(attempt).or_default();
                self.touched.insert(attempt);
            }
            Event::ConnectionLost { attempt, .. } => match self.connections.get_mut(&attempt) {
                Some(connection) => {
                    connection.lost = true;
                    self.touched.insert(attempt);
                }
                None => self.count_stale(),
            },
            Event::StreamOpened { attempt, stream } => match self.connections.get_mut(&attempt) {
                Some(connection) if stream.opener == Side::Remote => {
                    connection.streams.entry(stream).or_default();
                }
                _ => self.count_stale(),
            },
            Event::BytesReceived {
                attempt,
                stream,
                bytes,
                fin,
            } => match self.touch(attempt, stream) {
                Some(reading) => reading.push(bytes, fin),
                None => self.count_stale(),
            },
            Event::StreamReset {
                attempt, stream, ..
            }
            | Event::StreamStopped {
                attempt, stream, ..
            } => match self.touch(attempt, stream) {
                Some(reading) => reading.cut = true,
                None => self.count_stale(),
            },
            Event::TransferFinished { transfer } => {
                if !self.lane.written(transfer) {
                    self.count_stale();
                }
            }
            Event::StreamAcknowledged { attempt, stream } => {
                if !self.lane.acknowledged(Place { attempt, stream }) {
                    self.count_stale();
                }
            }
            Event::Consumed { lane: LANE, below } => self.lane.consume(below, &mut self.budget),
            Event::Refused {
                lane: LANE,
                number,
                code,
            } => {
                if self.lane.refuse(number, code, &mut self.budget) {
                    self.refusal_added = true;
                    self.tally.0.refused += 1;
                } else {
                    self.count_stale();
                }
            }
            Event::Stop { mode } => {
                let by = match mode {
                    StopMode::Drain(wait) => self.now + wait,
                    StopMode::Abort => self.now,
                };
                self.stop_by = Some(self.stop_by.map_or(by, |earlier| earlier.min(by)));
            }
            Event::MessageQueued { id, lane, payload } => self.misplaced.push((id, lane, payload)),
            Event::TimerFired => {}
            Event::ConnectFailed { .. } | Event::Consumed { .. } | Event::Refused { .. } => {
                self.count_stale();
            }
        }
    }

    /// Looks at the whole state and says what is to be done.
    fn settle(&mut self, actions: &mut Vec<Action>) {
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
            if reading.cut {
                self.lane.lose(attempt, Some(stream), &mut self.budget);
                cut_stream(place, CloseCode::Done, actions);
            }
            if reading.cut || !stays {
                gone.push(stream);
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

    /// Takes frames off a stream until it has no whole one, or its next message must wait.
    /// Whether the stream stays.
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
            message_bytes_max: self.config.message_bytes_max,
        };
        match self.lane.open(place, open, &names, &mut self.budget)? {
            Opened::Holds { cut } => {
                if let Some(older) = cut {
                    self.tally.0.taken_over += 1;
                    if let Some(connection) = self.connections.get_mut(&older.attempt) {
                        connection.streams.remove(&older.stream);
                    }
                    cut_stream(older, CloseCode::Superseded, actions);
                }
                Ok(true)
            }
            Opened::Superseded => {
                cut_stream(place, CloseCode::Superseded, actions);
                Ok(false)
            }
        }
    }

    /// A MESSAGE's head was read.
    fn begin(&mut self, length: u64, reading: &mut Reading) -> Result<(), Closing> {
        let max = self.config.message_bytes_max;
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
            self.budget = Budget::new(self.config.inbound_bytes_max);
        }
    }

    /// The stream's bytes, noted as news.
    fn touch(&mut self, attempt: Attempt, stream: StreamId) -> Option<&mut Reading> {
        let reading = self
            .connections
            .get_mut(&attempt)?
            .streams
            .get_mut(&stream)?;
        self.touched.insert(attempt);
        Some(reading)
    }

    fn count_stale(&mut self) {
        self.tally.0.stale_events += 1;
    }
}

/// Ends both directions of a stream at once.
fn cut_stream(place: Place, code: CloseCode, actions: &mut Vec<Action>) {
    let Place { attempt, stream } = place;
    actions.push(Action::StopSending {
        attempt,
        stream,
        code,
    });
    actions.push(Action::ResetStream {
        attempt,
        stream,
        code,
    });
}

fn overloaded() -> Closing {
    let reason = String::from("more refused messages than are remembered");
    Closing {
        code: CloseCode::ExcessiveLoad,
        reason,
    }
}

#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one action among all"
)]
mod tests;
