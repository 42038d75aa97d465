//! The machine under test: told what the model was told, and held to what the model said.

use std::collections::BTreeMap;

use bytes::Bytes;
use peer_sender_core::wire::{Decoder, Frame, Item};
use peer_sender_core::{
    Action, Attempt, Config, Event, Lane, LinkError, MessageId, MessageOptions, PeerEvent,
    PeerSenderMachine, SessionId, Side, StreamId, Time, TransferId,
};

use crate::judge;
use crate::model::{Fact, Message, Model, Piece, Said, Step, Why, payload};
use crate::op::Stale;
use crate::shape::{address, number};
use crate::truth::Truth;

/// The machine, and how its names stand for the model's.
#[derive(Clone)]
pub struct Subject {
    pub machine: PeerSenderMachine,
    config: Config,
    attempts: Vec<Attempt>,
    sessions: Vec<SessionId>,
    streams: BTreeMap<(Attempt, StreamId), (u8, Decoder)>,
    /// The last write of each lane.
    transfers: BTreeMap<u8, TransferId>,
    /// A write that was taken.
    taken: Option<TransferId>,
    truth: Truth,
}

impl Subject {
    pub fn new(model: &Model, seed: [u8; 32]) -> Self {
        let config = model.shape.config();
        Self {
            machine: PeerSenderMachine::new(config.clone(), seed),
            config,
            attempts: Vec::new(),
            sessions: Vec::new(),
            streams: BTreeMap::new(),
            transfers: BTreeMap::new(),
            taken: None,
            truth: Truth::default(),
        }
    }

    /// Makes the step that the model has made.
    ///
    /// # Errors
    ///
    /// What the machine did otherwise.
    pub fn step(&mut self, model: &Model, step: &Step) -> Result<(), String> {
        let before = self.machine.clone();
        let event = self.event(&step.fact);
        let mut actions = Vec::new();
        self.machine
            .handle(step.clock, [event.clone()], &mut actions);
        if let Fact::Stale(_) = step.fact {
            judge::stale(&before, &self.machine, step, &actions)?;
        }
        judge::rejects(step, &actions)?;
        judge::path(&before, &self.machine)?;
        judge::count(&self.config, step, &actions)?;
        let said = self.translate(actions)?;
        judge::said(&step.said, &said)?;
        judge::books(model, &self.machine)?;
        if step.twice && model.deadline() != Some(model.now) {
            let before = self.machine.clone();
            self.repeat(&before, step)?;
        }
        self.truth.step(model, &said)
    }

    /// One step that nobody judges.
    ///
    /// # Errors
    ///
    /// What cannot be understood of what the machine did.
    pub fn tell(&mut self, clock: Time, event: Event) -> Result<Vec<Said>, String> {
        self.tell_all(clock, [event])
    }

    /// One step of several events.
    ///
    /// # Errors
    ///
    /// As of [`tell`](Self::tell).
    pub fn tell_all(
        &mut self,
        clock: Time,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Vec<Said>, String> {
        let mut actions = Vec::new();
        self.machine.handle(clock, events, &mut actions);
        if let Err(violation) = self.machine.check() {
            return Err(violation.to_string());
        }
        self.translate(actions)
    }

    /// A stale event, if there is anything for it to be stale of.
    pub fn stale_if_any(&self, stale: Stale) -> Option<Event> {
        let standing = self.machine.state().link().attempt();
        let old = self.attempts.iter().any(|it| Some(*it) != standing);
        let needs_old = matches!(stale, Stale::LostOld | Stale::BytesOld | Stale::CutOld);
        (old || !needs_old).then(|| self.stale(stale))
    }

    /// The machine is told nothing; the receiver may have gone on.
    ///
    /// # Errors
    ///
    /// What the receiver's application sees that it must not.
    pub fn nothing(&mut self, model: &Model) -> Result<(), String> {
        self.truth.handed(model)
    }

    /// A timer that fires again at the same moment finds nothing to do.
    fn repeat(&mut self, before: &PeerSenderMachine, step: &Step) -> Result<(), String> {
        let mut actions = Vec::new();
        let event = [Event::TimerFired];
        self.machine.handle(step.clock, event, &mut actions);
        let same = actions.is_empty() && self.machine.state() == before.state();
        require("I15", same, || {
            format!("a timer fired twice and led to {actions:?}")
        })
    }

    fn current(&self) -> Attempt {
        self.attempts.last().copied().unwrap_or(Attempt(1 << 40))
    }

    /// The stream of this lane in the newest connection.
    fn stream(&self, lane: u8) -> StreamId {
        let current = self.current();
        let mut streams = self.streams.iter();
        let found = streams.find(|((attempt, _), it)| *attempt == current && it.0 == lane);
        found.map_or(local(99), |((_, stream), _)| *stream)
    }

    pub fn event(&mut self, fact: &Fact) -> Event {
        let attempt = self.current();
        match fact {
            Fact::Queue(message) => queued(message),
            Fact::Cancel { id } => Event::Cancel { id: MessageId(*id) },
            Fact::Connected => Event::Connected { attempt },
            Fact::Lost(trouble) => {
                let error = trouble.error();
                match self.machine.state().link().connection() {
                    Some(_) => Event::ConnectionLost { attempt, error },
                    None => Event::ConnectFailed { attempt, error },
                }
            }
            Fact::Back { lane, bytes, fin } => Event::BytesReceived {
                attempt,
                stream: self.stream(*lane),
                bytes: Bytes::copy_from_slice(bytes),
                fin: *fin,
            },
            &Fact::Cut {
                lane,
                stopped,
                code,
            } => {
                let stream = self.stream(lane);
                match stopped {
                    true => Event::StreamStopped {
                        attempt,
                        stream,
                        code,
                    },
                    false => Event::StreamReset {
                        attempt,
                        stream,
                        code,
                    },
                }
            }
            Fact::Taken { lane } => {
                let transfer = self.transfers.get(lane).copied();
                self.taken = transfer.or(self.taken);
                let transfer = transfer.unwrap_or(TransferId(u64::MAX));
                Event::TransferFinished { transfer }
            }
            &Fact::Wake(reason) => Event::Wake { reason },
            Fact::Addresses(addresses) => Event::AddressesChanged {
                addresses: addresses.iter().map(|&it| address(it)).collect(),
            },
            &Fact::Stop(mode) => Event::Stop { mode },
            Fact::Timer => Event::TimerFired,
            &Fact::Stale(stale) => self.stale(stale),
        }
    }

    fn stale(&self, stale: Stale) -> Event {
        let future = Attempt(self.attempts.last().map_or(0, |it| it.0) + 1_000);
        let standing = self.machine.state().link().attempt();
        let old = self.attempts.iter().rev().find(|it| Some(**it) != standing);
        let old = old.copied().unwrap_or(future);
        let bytes = Bytes::from_static(&[0x05, 1, 0]);
        let error = LinkError::IdleTimeout;
        match stale {
            Stale::ConnectedOld => Event::Connected { attempt: old },
            Stale::ConnectedFuture => Event::Connected { attempt: future },
            Stale::ConnectedTwice => Event::Connected {
                attempt: self.current(),
            },
            Stale::LostOld => Event::ConnectionLost {
                attempt: old,
                error,
            },
            Stale::FailedFuture => Event::ConnectFailed {
                attempt: future,
                error,
            },
            Stale::BytesOld => Event::BytesReceived {
                attempt: old,
                stream: local(0),
                bytes,
                fin: true,
            },
            Stale::BytesUnopened => Event::BytesReceived {
                attempt: self.current(),
                stream: local(70),
                bytes,
                fin: false,
            },
            Stale::CutOld => Event::StreamReset {
                attempt: old,
                stream: local(0),
                code: 7,
            },
            Stale::TakenFuture => Event::TransferFinished {
                transfer: TransferId(1 << 40),
            },
            Stale::TakenTwice => Event::TransferFinished {
                transfer: self.taken.unwrap_or(TransferId(1 << 40)),
            },
            Stale::StreamOpenedOld => Event::StreamOpened {
                attempt: old,
                stream: StreamId {
                    opener: Side::Remote,
                    index: 0,
                },
            },
            Stale::ConsumedUnknown => Event::Consumed {
                lane: Lane(0),
                below: 1,
            },
            Stale::RefusedUnknown => Event::Refused {
                lane: Lane(0),
                number: 0,
                code: peer_sender_core::RefuseCode::Application,
            },
        }
    }

    /// What the machine asked for, in the model's names.
    fn translate(&mut self, actions: Vec<Action>) -> Result<Vec<Said>, String> {
        let mut said = Vec::new();
        for action in actions {
            said.push(match action {
                Action::Connect { attempt, address } => {
                    let newer = self.attempts.last().is_none_or(|last| *last < attempt);
                    require("I9", newer, || format!("{attempt:?} is no new attempt"))?;
                    self.attempts.push(attempt);
                    Said::Dial {
                        attempt: self.ordinal(attempt),
                        address: number(address),
                    }
                }
                Action::Write {
                    transfer,
                    attempt,
                    stream,
                    chunks,
                    fin,
                    priority,
                } => {
                    let stream = (attempt, stream);
                    let (lane, pieces) = self.written(transfer, stream, &chunks, fin)?;
                    Said::Write {
                        attempt: self.ordinal(attempt),
                        lane,
                        pieces,
                        class: priority,
                    }
                }
                Action::HandBack(unsent) => {
                    let (id, lane) = (unsent.id.0, unsent.lane.0);
                    let payload = read(&unsent.payload)?;
                    Said::HandBack { id, lane, payload }
                }
                Action::ScheduleBackoff {
                    attempt,
                    delay,
                    until,
                } => Said::ScheduleBackoff {
                    attempt: self.ordinal(attempt),
                    delay,
                    until,
                },
                Action::Emit(event) => self.emitted(event),
                Action::Settle { id, outcome } => Said::Settle { id: id.0, outcome },
                Action::Reject { id, .. } => Said::Reject { id: id.0 },
                Action::Room { lane, capacity } => Said::Room {
                    lane: lane.0,
                    messages: capacity.messages,
                    bytes: capacity.bytes,
                },
                Action::Close { attempt, code, .. } => Said::Close {
                    attempt: self.ordinal(attempt),
                    code,
                },
                other => return Err(format!("without replies a sender never does {other:?}")),
            });
        }
        Ok(said)
    }

    /// Which attempt it is, counted from 0. The event of a dial comes before the dial.
    fn ordinal(&self, attempt: Attempt) -> u64 {
        let known = self.attempts.iter().position(|it| *it == attempt);
        known.unwrap_or(self.attempts.len()) as u64
    }

    fn emitted(&self, event: PeerEvent) -> Said {
        match event {
            PeerEvent::Connecting { attempt, address } => Said::Connecting {
                attempt: self.ordinal(attempt),
                address: number(address),
            },
            PeerEvent::Connected { attempt } => Said::Connected {
                attempt: self.ordinal(attempt),
            },
            PeerEvent::Disconnected { error, retry_at } => Said::Disconnected {
                why: match error {
                    LinkError::Protocol(_) => Why::Protocol,
                    error => Why::Exactly(error),
                },
                retry_at,
            },
            PeerEvent::BackoffStarted {
                failures,
                delay,
                until,
            } => Said::BackoffStarted {
                failures,
                delay,
                until,
            },
            PeerEvent::AddressChanged { addresses } => {
                Said::AddressChanged(addresses.into_iter().map(number).collect())
            }
            PeerEvent::Idle => Said::Idle,
            PeerEvent::SlowPeer { since } => Said::Slow { since },
            PeerEvent::SlowPeerCleared => Said::SlowCleared,
            PeerEvent::SenderStopped { reason } => Said::Stopped(reason),
        }
    }

    /// Takes a write apart.
    fn written(
        &mut self,
        transfer: TransferId,
        (attempt, stream): (Attempt, StreamId),
        chunks: &[Bytes],
        fin: bool,
    ) -> Result<(u8, Vec<Piece>), String> {
        let current = Some(&attempt) == self.attempts.last();
        require("I9", current, || format!("a write on {attempt:?}"))?;
        let filled = chunks.iter().all(|it| !it.is_empty());
        require("I25", filled, || "an empty chunk".into())?;
        let mut bytes = Bytes::from(chunks.concat());
        let entry = self.streams.entry((attempt, stream));
        let known = entry.or_insert_with(|| (u8::MAX, Decoder::default()));
        let mut pieces = Vec::new();
        let broken = |error| format!("what was written cannot be read: {error}");
        while let Some(item) = known.1.next(&mut bytes).map_err(broken)? {
            match item {
                Item::Frame(Frame::Open(open)) => {
                    known.0 = open.lane as u8;
                    let before = self.sessions.iter().position(|it| *it == open.session);
                    let session = before.unwrap_or(self.sessions.len()) as u64;
                    if before.is_none() {
                        self.sessions.push(open.session);
                    }
                    pieces.push(Piece::Open {
                        fresh: open.fresh,
                        session,
                        base: open.base,
                    });
                }
                Item::Frame(Frame::Skip { count }) => match pieces.last_mut() {
                    Some(Piece::Skip(before)) => *before += count,
                    _ => pieces.push(Piece::Skip(count)),
                },
                Item::MessageBegins { .. } => {}
                Item::Message(bytes) => pieces.push(read(&bytes)?),
                Item::Frame(frame) => return Err(format!("an opener never writes {frame:?}")),
            }
        }
        known.1.finish().map_err(broken)?;
        if fin {
            pieces.push(Piece::Fin);
        }
        let lane = known.0;
        self.transfers.insert(lane, transfer);
        Ok((lane, pieces))
    }
}

/// A message that was written.
fn read(bytes: &[u8]) -> Result<Piece, String> {
    let mut id = [0; 8];
    let told = bytes.len().min(8);
    id[..told].copy_from_slice(&bytes[..told]);
    let tag = u64::from_le_bytes(id);
    let whole = payload(&message(tag, bytes.len())) == bytes;
    require("I5", whole, || format!("other bytes than those of {tag}"))?;
    Ok(Piece::Message {
        bytes: bytes.len(),
        tag,
    })
}

/// A message of which nothing else is known.
fn message(id: u64, bytes: usize) -> Message {
    Message {
        id,
        lane: 0,
        bytes,
        refused: false,
        accepted_at: Time::ZERO,
        expires_at: None,
    }
}

fn queued(message: &Message) -> Event {
    Event::MessageQueued {
        id: MessageId(message.id),
        lane: Lane(message.lane),
        payload: payload(message).into(),
        options: MessageOptions {
            expires_at: message.expires_at,
        },
    }
}

fn local(index: u64) -> StreamId {
    StreamId {
        opener: Side::Local,
        index,
    }
}

pub fn require(id: &str, holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(format!("{id}: {}", what())),
    }
}
