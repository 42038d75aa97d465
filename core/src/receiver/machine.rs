//! One session of one peer.

mod settle;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use bytes::Bytes;

use super::ReceiverCanonical;
use super::phase::Phase;
use crate::inbound::{Budget, InboundLane, Place, Reading};
use crate::{
    Action, Attempt, Deadline, Epoch, Event, Lane, MessageId, ReceiverConfig, ReceiverStats,
    SessionId, Side, StopMode, StreamId, Time, Timer, Violation,
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
    pub(super) now: Time,
    pub(super) phase: Phase,
    /// The earliest end that was asked for in this step.
    stop_by: Option<Time>,
    budget: Budget,
    pub(super) lane: InboundLane,
    pub(super) connections: BTreeMap<Attempt, Connection>,
    /// Connections that have news in this step; empty between steps.
    touched: BTreeSet<Attempt>,
    /// The application refused a message in this step.
    refusal_added: bool,
    /// Messages of this step that were meant for a sender.
    misplaced: Vec<(MessageId, Lane, Bytes)>,
    pub(super) transfers: u64,
    tally: Tally,
}

/// What is known of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Connection {
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
            budget: Budget::new(config.receive.inbound_bytes_max),
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

    /// Its state with times relative to now and connections renamed, so that two histories that
    /// will go on alike compare as equal.
    pub fn canonical(&self) -> ReceiverCanonical {
        ReceiverCanonical::of(self)
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
        let wrong = |id, what| Err(Violation { id, what });
        if self.budget.used() != self.lane.cost() {
            return wrong("I21", "the budget differs from what is held and coming");
        }
        if !self.touched.is_empty() || !self.misplaced.is_empty() || self.stop_by.is_some() {
            return wrong("I18", "facts of a step were left undecided");
        }
        let at = |place: Place| {
            self.connections
                .get(&place.attempt)?
                .streams
                .get(&place.stream)
        };
        if let Some(place) = self.lane.place() {
            let Some(reading) = at(place) else {
                return wrong("I10", "the lane is held by a stream that is gone");
            };
            if self.lane.waits() && !reading.paused && !reading.fin {
                return wrong("I21", "a message waits for room, and its stream is read");
            }
        }
        if self.phase == Phase::Closed && (self.lane.is_known() || !self.connections.is_empty()) {
            return wrong("I27", "a closed receiver keeps something");
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
            Event::Cancel { .. }
            | Event::AddressesChanged { .. }
            | Event::Wake { .. }
            | Event::ConnectFailed { .. }
            | Event::Consumed { .. }
            | Event::Refused { .. } => {
                self.count_stale();
            }
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

#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one action among all"
)]
mod tests;
