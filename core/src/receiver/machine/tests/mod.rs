//! The machine against a peer that is played frame by frame.

use alloc::string::{String, ToString};
use alloc::vec;

use super::*;
use crate::wire::{Decoder, Frame, Item, Open, Resume, encode_message_head};
use crate::{
    CloseCode, Deadline, Holdup, ProtocolError, RefuseCode, RejectReason, Timer, TransferId,
};

mod budget;
mod ending;
mod errors;
mod framed;
mod lane;
mod plain;
mod refusals;
mod replies;
mod robustness;
mod take_over;

const SESSION: SessionId = SessionId([1; 16]);
const EPOCH: Epoch = Epoch([2; 16]);
const RECORD: u64 = 40;
const LANE: Lane = Lane(0);
const REPLIES: SessionId = SessionId([9; 16]);
const MESSAGE_BYTES_MAX: usize = 1_000;

/// The budget of which one lane alone gets this much.
fn of_one_lane(bytes: usize) -> usize {
    (bytes..).find(|all| all - 7 * (all / 16) == bytes).unwrap()
}

fn remote(index: u64) -> StreamId {
    StreamId {
        opener: Side::Remote,
        index,
    }
}

/// Bytes of a stream, composed frame by frame.
#[derive(Clone, Default)]
struct Frames(Vec<u8>);

impl Frames {
    fn open(base: u64) -> Self {
        Self::default().frame(Frame::Open(Open {
            fresh: false,
            session: SESSION,
            lane: 0,
            base,
        }))
    }

    fn fresh() -> Self {
        Self::default().frame(Frame::Open(Open {
            fresh: true,
            session: SESSION,
            lane: 0,
            base: 0,
        }))
    }

    fn frame(mut self, frame: Frame) -> Self {
        frame.encode(&mut self.0);
        self
    }

    fn message(mut self, payload: &[u8]) -> Self {
        encode_message_head(payload.len(), &mut self.0);
        self.0.extend(payload);
        self
    }

    fn messages(self, count: usize) -> Self {
        (0..count).fold(self, |frames, _| frames.message(b"m"))
    }

    fn skip(self, count: u64) -> Self {
        self.frame(Frame::Skip { count })
    }

    fn bytes(&self) -> Bytes {
        Bytes::from(self.0.clone())
    }
}

/// A machine and the world around it: writes are done at once, unless `slow`.
struct Rig {
    machine: PeerReceiverMachine,
    now: Time,
    /// Writes stay under way.
    slow: bool,
    under_way: Vec<TransferId>,
}

/// What one step did.
#[derive(Debug, Default, PartialEq)]
struct Step {
    /// Numbers and payloads.
    delivered: Vec<(u64, Vec<u8>)>,
    /// Frames written, by connection.
    written: Vec<(u64, Frame)>,
    /// Connections whose stream got our FIN.
    fins: Vec<u64>,
    paused: Vec<bool>,
    /// Connections whose stream was cut, with the code.
    cut: Vec<(u64, CloseCode)>,
    closed: Vec<(u64, CloseCode)>,
    reason: String,
}

impl Rig {
    fn new() -> Self {
        Self::with(ReceiverConfig::new(MESSAGE_BYTES_MAX, 1 << 20).unwrap())
    }

    fn with(config: ReceiverConfig) -> Self {
        let machine = PeerReceiverMachine::new(config, SESSION, EPOCH, RECORD, REPLIES);
        Self {
            machine,
            now: Time::ZERO,
            slow: false,
            under_way: Vec::new(),
        }
    }

    /// One step; then, unless slow, one in which its writes are done.
    fn step(&mut self, events: impl IntoIterator<Item = Event>) -> Step {
        let mut actions = Vec::new();
        self.machine.handle(self.now, events, &mut actions);
        self.machine.check().unwrap();
        let mut step = self.read(actions);
        while !self.slow && !self.under_way.is_empty() {
            let mut actions = Vec::new();
            let done = self
                .under_way
                .drain(..)
                .map(|transfer| Event::TransferFinished { transfer });
            let done: Vec<_> = done.collect();
            self.machine.handle(self.now, done, &mut actions);
            self.machine.check().unwrap();
            let more = self.read(actions);
            assert!(
                more.delivered.is_empty() && more.closed.is_empty(),
                "{more:?}"
            );
            step.written.extend(more.written);
            step.fins.extend(more.fins);
        }
        step
    }

    fn read(&mut self, actions: Vec<Action>) -> Step {
        let mut step = Step::default();
        for action in actions {
            match action {
                Action::Deliver(message) => {
                    assert_eq!((message.lane, message.received_at), (LANE, self.now));
                    step.delivered
                        .push((message.number, message.payload.to_vec()));
                }
                Action::Write {
                    transfer,
                    attempt,
                    chunks,
                    fin,
                    ..
                } => {
                    assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
                    assert!(fin || !chunks.is_empty());
                    for mut chunk in chunks {
                        let mut decoder = Decoder::default();
                        while let Some(item) = decoder.next(&mut chunk).unwrap() {
                            let Item::Frame(frame) = item else {
                                panic!("{item:?}")
                            };
                            step.written.push((attempt.0, frame));
                        }
                        decoder.finish().unwrap();
                    }
                    if fin {
                        step.fins.push(attempt.0);
                    }
                    self.under_way.push(transfer);
                }
                Action::PauseReading { .. } => step.paused.push(true),
                Action::ResumeReading { .. } => step.paused.push(false),
                Action::ResetStream { attempt, code, .. } => step.cut.push((attempt.0, code)),
                Action::StopSending { .. } => {}
                Action::Close {
                    attempt,
                    code,
                    reason,
                } => {
                    step.closed.push((attempt.0, code));
                    step.reason = reason;
                }
                other => panic!("{other:?}"),
            }
        }
        step
    }

    /// A new connection on whose first stream these bytes come.
    fn connect(&mut self, attempt: u64, frames: Frames) -> Step {
        let attempt = Attempt(attempt);
        self.step([
            Event::Connected { attempt },
            Event::StreamOpened {
                attempt,
                stream: remote(0),
            },
            Event::BytesReceived {
                attempt,
                stream: remote(0),
                bytes: frames.bytes(),
                fin: false,
            },
        ])
    }

    /// More bytes on the connection's first stream.
    fn receive(&mut self, attempt: u64, frames: Frames) -> Step {
        self.step([bytes(attempt, &frames.0, false)])
    }

    fn fin(&mut self, attempt: u64) -> Step {
        self.step([bytes(attempt, &[], true)])
    }

    fn lose(&mut self, attempt: u64) -> Step {
        self.step([lost(attempt)])
    }

    fn consume(&mut self, below: u64) -> Step {
        self.step([Event::Consumed { lane: LANE, below }])
    }

    fn refuse(&mut self, number: u64) -> Step {
        self.step([refused(number)])
    }
}

fn bytes(attempt: u64, bytes: &[u8], fin: bool) -> Event {
    let bytes = Bytes::copy_from_slice(bytes);
    Event::BytesReceived {
        attempt: Attempt(attempt),
        stream: remote(0),
        bytes,
        fin,
    }
}

fn lost(attempt: u64) -> Event {
    Event::ConnectionLost {
        attempt: Attempt(attempt),
        error: crate::LinkError::IdleTimeout,
    }
}

fn refused(number: u64) -> Event {
    Event::Refused {
        lane: LANE,
        number,
        code: RefuseCode::Application,
    }
}

fn resume(taken: u64, next: u64) -> Frame {
    let message_bytes_max = MESSAGE_BYTES_MAX as u64;
    Frame::Resume(Resume {
        epoch: EPOCH,
        record: RECORD,
        taken,
        next,
        message_bytes_max,
    })
}

fn receipt(taken: u64) -> Frame {
    Frame::Receipt { taken }
}

fn refuse(number: u64, code: u64) -> Frame {
    Frame::Refuse { number, code }
}

fn numbers(step: &Step) -> Vec<u64> {
    step.delivered.iter().map(|(number, _)| *number).collect()
}
