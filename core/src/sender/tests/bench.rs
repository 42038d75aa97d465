//! A sender on a test bench: each step answers with its actions in words.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::wire::{Decoder, Frame, Item, Resume};
use crate::*;

pub(super) const EPOCH: Epoch = Epoch([1; 16]);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct Bench {
    pub(super) machine: PeerSenderMachine,
    pub(super) now: Time,
    next_id: u64,
    attempt: Attempt,
    last_transfer: TransferId,
    written: Decoder,
    /// Messages that came back unsent.
    pub(super) handed_back: Vec<MessageId>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: Config) -> Self {
        Self {
            machine: PeerSenderMachine::new(config, [7; 32]),
            now: Time::from_secs(100),
            next_id: 0,
            attempt: Attempt(0),
            last_transfer: TransferId(0),
            written: Decoder::default(),
            handed_back: Vec::new(),
        }
    }

    /// A sender whose first connection stands and has nothing to write.
    pub(super) fn up() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.step([]), ["connecting", "dial 0"]);
        assert_eq!(bench.confirm(), ["connected"]);
        bench
    }

    pub(super) fn step(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let mut actions = Vec::new();
        self.machine.handle(self.now, events, &mut actions);
        self.machine.check().unwrap();
        let mut words = Vec::new();
        for action in actions {
            match action {
                // It follows from what is written or settled, which is told.
                Action::Room { .. } => {}
                Action::HandBack(Unsent { id, .. }) => self.handed_back.push(id),
                action => words.push(self.in_words(action)),
            }
        }
        words
    }

    pub(super) fn wait(&mut self, wait: Duration) -> Vec<String> {
        self.now = self.now + wait;
        self.step([Event::TimerFired])
    }

    /// Sleeps until the next deadline; the words begin with how long that was.
    pub(super) fn sleep(&mut self) -> Vec<String> {
        let at = self.machine.next_deadline().unwrap().at;
        let slept = at.saturating_since(self.now);
        self.now = at;
        let mut words = self.step([Event::TimerFired]);
        words.insert(0, format!("after {slept:?}"));
        words
    }

    /// Hands over one message that expires so long from now.
    pub(super) fn queue_for(&mut self, ttl: Duration) -> Vec<String> {
        let expires_at = Some(self.now + ttl);
        let mut event = self.message(&[]);
        if let Event::MessageQueued { options, .. } = &mut event {
            *options = MessageOptions { expires_at };
        }
        self.step([event])
    }

    pub(super) fn cancel(&mut self, id: u64) -> Vec<String> {
        self.step([Event::Cancel { id: MessageId(id) }])
    }

    /// Hands over messages whose payloads are their ids.
    pub(super) fn queue(&mut self, count: u64) -> Vec<String> {
        let events: Vec<_> = (0..count).map(|_| self.message(&[])).collect();
        self.step(events)
    }

    /// A message of this payload; an empty one stands for its id.
    pub(super) fn message(&mut self, payload: &[u8]) -> Event {
        let id = MessageId(self.next_id);
        self.next_id += 1;
        let payload = match payload {
            [] => Bytes::from(format!("{id}")),
            payload => Bytes::copy_from_slice(payload),
        };
        Event::MessageQueued {
            id,
            lane: Lane(0),
            payload,
            options: MessageOptions::default(),
        }
    }

    pub(super) fn confirm(&mut self) -> Vec<String> {
        self.step([Event::Connected {
            attempt: self.attempt,
        }])
    }

    pub(super) fn lose(&mut self) -> Vec<String> {
        self.fail(LinkError::IdleTimeout)
    }

    pub(super) fn fail(&mut self, error: LinkError) -> Vec<String> {
        self.step([Event::ConnectionLost {
            attempt: self.attempt,
            error,
        }])
    }

    /// Loses the connection, waits out the backoff, and is confirmed again.
    pub(super) fn reconnect(&mut self) -> Vec<String> {
        self.lose();
        self.sleep();
        self.confirm()
    }

    /// QUIC has taken the last write.
    pub(super) fn taken_by_quic(&mut self) -> Vec<String> {
        self.step([Event::TransferFinished {
            transfer: self.last_transfer,
        }])
    }

    pub(super) fn hear(&mut self, frames: &[Frame]) -> Vec<String> {
        let event = self.back(frames, false);
        self.step([event])
    }

    pub(super) fn hear_end(&mut self) -> Vec<String> {
        let event = self.back(&[], true);
        self.step([event])
    }

    pub(super) fn back(&self, frames: &[Frame], fin: bool) -> Event {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        let stream = StreamId {
            opener: Side::Local,
            index: 0,
        };
        Event::BytesReceived {
            attempt: self.attempt,
            stream,
            bytes: bytes.into(),
            fin,
        }
    }

    fn in_words(&mut self, action: Action) -> String {
        match action {
            Action::Connect { attempt, .. } => {
                self.attempt = attempt;
                self.written = Decoder::default();
                format!("dial {attempt}")
            }
            Action::Write {
                transfer,
                chunks,
                fin,
                ..
            } => {
                self.last_transfer = transfer;
                assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
                let mut bytes = BytesMut::new();
                chunks
                    .iter()
                    .for_each(|chunk| bytes.extend_from_slice(chunk));
                let mut frames = self.frames_in_words(bytes.freeze());
                frames.extend(fin.then(|| "FIN".into()));
                format!("write {}", frames.join(" "))
            }
            Action::ScheduleBackoff { delay, .. } => format!("back off {delay:?}"),
            Action::Emit(PeerEvent::Connecting { .. }) => "connecting".into(),
            Action::Emit(PeerEvent::Connected { .. }) => "connected".into(),
            Action::Emit(PeerEvent::Disconnected { error, .. }) => format!("lost: {error}"),
            Action::Emit(PeerEvent::BackoffStarted { failures, .. }) => {
                format!("failures {failures}")
            }
            Action::Emit(PeerEvent::AddressChanged { addresses }) => {
                format!("{} addresses", addresses.len())
            }
            Action::Emit(PeerEvent::Idle) => "idle".into(),
            Action::Emit(PeerEvent::SlowPeer { since }) => format!("slow since {since}"),
            Action::Emit(PeerEvent::SlowPeerCleared) => "no longer slow".into(),
            Action::Emit(PeerEvent::SenderStopped { reason }) => format!("stopped: {reason:?}"),
            Action::Settle { id, outcome } => format!("{id}: {outcome:?}"),
            Action::Reject { id, reason, .. } => format!("{id} rejected: {reason}"),
            Action::Close { attempt, code, .. } => format!("close {attempt}: {code}"),
            other => panic!("a sender never does {other:?}"),
        }
    }

    fn frames_in_words(&mut self, mut bytes: Bytes) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(item) = self.written.next(&mut bytes).unwrap() {
            words.push(match item {
                Item::Frame(Frame::Open(open)) => {
                    let kind = if open.fresh { "fresh" } else { "resumed" };
                    format!("OPEN {kind} at {}", open.base)
                }
                Item::Frame(Frame::Skip { count }) => format!("SKIP {count}"),
                Item::Frame(frame) => panic!("an opener never writes {frame:?}"),
                Item::MessageBegins { .. } => continue,
                Item::Message(payload) if payload.len() < 8 => {
                    String::from_utf8(payload.to_vec()).unwrap()
                }
                Item::Message(payload) => format!("[{}]", payload.len()),
            });
        }
        self.written.finish().unwrap();
        words
    }
}

/// The defaults, and silence about slow peers.
pub(super) fn config() -> Config {
    let builder = Config::builder("192.0.2.1:4433".parse().unwrap());
    builder.slow_after(None).build().unwrap()
}

/// The defaults with other limits of what is sent.
pub(super) fn limited(set: impl FnOnce(&mut SendLimits)) -> Config {
    let mut config = config();
    set(&mut config.send);
    config
}

/// A RESUME of the record 0.
pub(super) fn resume(taken: u64, next: u64) -> Frame {
    resume_of(0, taken, next)
}

pub(super) fn resume_of(record: u64, taken: u64, next: u64) -> Frame {
    Frame::Resume(Resume {
        epoch: EPOCH,
        record,
        taken,
        next,
        message_bytes_max: 100_000,
    })
}

pub(super) fn receipt(taken: u64) -> Frame {
    Frame::Receipt { taken }
}
