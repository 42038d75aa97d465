//! A small night with every kind of event in it, recorded.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::trace::{
    About, Call, Image, MachineConfig, Record, Recorder, RecorderConfig, StepRecorder, TraceReader,
};
use peer_sender_core::wire::{Frame, Open, Resume, encode_message_head};
use peer_sender_core::{
    Action, Attempt, Config, Dialler, Epoch, Event, Lane, LinkError, MessageId, MessageOptions,
    PeerKey, PeerSenderMachine, RefuseCode, SessionId, Sessions, SessionsConfig, Side, StopMode,
    StreamId, Time, WakeReason,
};

/// What the messages say.
pub(crate) const SECRET: &[u8] = b"what nobody else may know";

const KEY: PeerKey = PeerKey([7; 32]);

/// A sender and a table of sessions, whose steps go into one trace.
pub(crate) struct Night {
    pub(crate) recorder: Recorder,
    sender: (PeerSenderMachine, StepRecorder),
    sessions: (Sessions, StepRecorder),
    now: Time,
    actions: Vec<Action>,
}

/// All records of a trace, which is whole.
pub(crate) fn records(bytes: &[u8]) -> Vec<Record> {
    let mut reader = TraceReader::new();
    let mut records = Vec::new();
    // In pieces, as a file is read.
    for piece in bytes.chunks(37) {
        reader.feed(piece);
        while let Some(record) = reader.next_record().unwrap() {
            records.push(record);
        }
    }
    assert_eq!(reader.torn(), 0);
    records
}

pub(crate) fn about(name: &str) -> About {
    About {
        name: name.to_owned(),
        key: Some(KEY),
        zero_unix_nanos: 1_767_225_600_000_000_000,
    }
}

fn stream(opener: Side, index: u64) -> StreamId {
    StreamId { opener, index }
}

fn frame(frame: Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

fn message(bytes: &mut Vec<u8>) {
    encode_message_head(SECRET.len(), bytes);
    bytes.extend(SECRET);
}

impl Night {
    pub(crate) fn new(config: RecorderConfig) -> Self {
        let mut recorder = Recorder::new(config);
        let config = Config::new("192.0.2.1:4433".parse().unwrap()).unwrap();
        let made = MachineConfig::Sender(Box::new(config.clone()));
        let steps = recorder.made(about("bob"), made, [1; 32]);
        let sender = (PeerSenderMachine::new(config, [1; 32]), steps);
        let config = SessionsConfig::default();
        let made = MachineConfig::Sessions(Box::new(config.clone()));
        let steps = recorder.made(about("sessions"), made, [2; 32]);
        let sessions = (Sessions::new(config, [2; 32]), steps);
        Self {
            recorder,
            sender,
            sessions,
            now: Time::ZERO,
            actions: Vec::new(),
        }
    }

    pub(crate) fn of(config: RecorderConfig) -> Self {
        let mut night = Self::new(config);
        night.send();
        night.accept();
        night
            .recorder
            .mark(1_767_225_600_000_000_001, "the end".to_owned());
        let machine = night.sender.1.machine();
        night.recorder.gone(machine);
        night
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.recorder.take(&mut bytes);
        bytes
    }

    /// A step of the sender.
    pub(crate) fn sender(&mut self, events: impl IntoIterator<Item = Event>) {
        let (machine, steps) = &mut self.sender;
        if self.recorder.wants_image(steps.machine()) {
            let mut image = Vec::new();
            machine.save(&mut image);
            self.recorder.image(steps.machine(), &image);
        }
        steps.begin();
        let events = events.into_iter().inspect(|event| steps.event(event));
        machine.handle(self.now, events, &mut self.actions);
        for action in self.actions.drain(..) {
            steps.action(&action);
        }
        steps.end(self.now, Call::Handle);
        self.recorder.add(steps);
        self.now = self.now + Duration::from_millis(7);
    }

    pub(crate) fn queue(&mut self, id: u64) {
        self.sender([Event::MessageQueued {
            id: MessageId(id),
            lane: Lane((id % 2) as u8),
            payload: Bytes::from_static(SECRET),
            options: MessageOptions { expires_at: None },
        }]);
    }

    /// A step of the sessions.
    fn sessions(
        &mut self,
        call: Call,
        events: Vec<Event>,
        step: impl FnOnce(&mut Sessions, Time, Vec<Event>, &mut Vec<Action>),
    ) {
        let (table, steps) = &mut self.sessions;
        steps.begin();
        events.iter().for_each(|event| steps.event(event));
        step(table, self.now, events, &mut self.actions);
        for action in self.actions.drain(..) {
            steps.action(&action);
        }
        while let Some(news) = table.poll_news() {
            steps.news(&news);
        }
        steps.end(self.now, call);
        self.recorder.add(steps);
        self.now = self.now + Duration::from_millis(7);
    }

    fn send(&mut self) {
        let attempt = Attempt(0);
        let back = stream(Side::Local, 0);
        for id in 0..5 {
            self.queue(id);
        }
        self.sender([Event::Cancel { id: MessageId(4) }]);
        self.sender([Event::Connected { attempt }]);
        let transfer = peer_sender_core::TransferId(0);
        self.sender([Event::TransferFinished { transfer }]);
        let mut answer = frame(Frame::Resume(Resume {
            epoch: Epoch([9; 16]),
            record: 0,
            next: 0,
            taken: 0,
            message_bytes_max: 1 << 20,
        }));
        answer.extend(frame(Frame::Receipt { taken: 1 }));
        let (head, rest) = answer.split_at(5);
        for bytes in [head, rest] {
            let bytes = Bytes::copy_from_slice(bytes);
            self.sender([Event::BytesReceived {
                attempt,
                stream: back,
                bytes,
                fin: false,
            }]);
        }
        let theirs = stream(Side::Remote, 0);
        let mut reply = frame(Frame::Open(Open {
            fresh: true,
            session: SessionId([8; 16]),
            lane: 0,
            base: 0,
        }));
        message(&mut reply);
        self.sender([
            Event::StreamOpened {
                attempt,
                stream: theirs,
            },
            Event::BytesReceived {
                attempt,
                stream: theirs,
                bytes: Bytes::from(reply),
                fin: true,
            },
        ]);
        self.sender([Event::Refused {
            lane: Lane(0),
            number: 0,
            code: RefuseCode::Application,
        }]);
        self.sender([Event::Consumed {
            lane: Lane(0),
            below: 1,
        }]);
        let stream = stream(Side::Local, 1);
        self.sender([Event::StreamAcknowledged { attempt, stream }]);
        self.sender([Event::StreamStopped {
            attempt,
            stream,
            code: 7,
        }]);
        self.sender([Event::StreamReset {
            attempt,
            stream,
            code: 7,
        }]);
        self.sender([Event::ConnectionLost {
            attempt,
            error: LinkError::Transport {
                code: 11,
                reason: "no more".to_owned(),
            },
        }]);
        self.sender([Event::Wake {
            reason: WakeReason::Operator,
        }]);
        self.sender([Event::ConnectFailed {
            attempt: Attempt(1),
            error: LinkError::WrongIdentity {
                expected: KEY,
                offered: PeerKey([6; 32]),
            },
        }]);
        self.sender([Event::AddressesChanged {
            addresses: vec!["[2001:db8::1]:4433".parse().unwrap()],
        }]);
        self.sender([Event::TimerFired]);
        self.sender([Event::Stop {
            mode: StopMode::Drain(Duration::from_secs(1)),
        }]);
        self.sender([Event::Stop {
            mode: StopMode::Abort,
        }]);
    }

    /// Diallers of other keys that use one share, each with a session.
    pub(crate) fn share(&mut self, diallers: u8) {
        for number in 0..diallers {
            let attempt = Attempt(number.into());
            let (share, key) = (KEY, PeerKey([number; 32]));
            let dialler = Dialler { share, key };
            let call = Call::accepted(attempt, dialler);
            self.sessions(call, vec![], |table, now, _, actions| {
                table.accepted(now, attempt, dialler, actions);
            });
            let stream = stream(Side::Remote, 0);
            let open = frame(Frame::Open(Open {
                fresh: true,
                session: SessionId([number; 16]),
                lane: 0,
                base: 0,
            }));
            let events = vec![
                Event::StreamOpened { attempt, stream },
                Event::BytesReceived {
                    attempt,
                    stream,
                    bytes: open.into(),
                    fin: false,
                },
            ];
            let call = Call::Connection { attempt };
            self.sessions(call, events, |table, now, events, actions| {
                table.handle_connection(now, attempt, events, actions);
            });
        }
    }

    fn accept(&mut self) {
        let attempt = Attempt(0);
        let lane = stream(Side::Remote, 0);
        let call = Call::Accepted { attempt, key: KEY };
        self.sessions(call, vec![], |table, now, _, actions| {
            table.accepted(now, attempt, KEY, actions);
        });
        let mut bytes = frame(Frame::Open(Open {
            fresh: true,
            session: SessionId([1; 16]),
            lane: 0,
            base: 0,
        }));
        message(&mut bytes);
        message(&mut bytes);
        // The second message comes in halves.
        let rest = bytes.split_off(bytes.len() - 10);
        for (bytes, first) in [(bytes, true), (rest, false)] {
            let mut events = vec![Event::BytesReceived {
                attempt,
                stream: lane,
                bytes: Bytes::from(bytes),
                fin: false,
            }];
            if first {
                let opened = Event::StreamOpened {
                    attempt,
                    stream: lane,
                };
                events.insert(0, opened);
            }
            let call = Call::Connection { attempt };
            self.sessions(call, events, |table, now, events, actions| {
                table.handle_connection(now, attempt, events, actions);
            });
        }
        let session = peer_sender_core::SessionHandle(0);
        let consumed = Event::Consumed {
            lane: Lane(0),
            below: 2,
        };
        let call = Call::Session { session };
        self.sessions(call, vec![consumed], |table, now, events, actions| {
            table.handle_session(now, session, events, actions);
        });
        self.sessions(Call::Timeout, vec![], |table, now, _, actions| {
            table.handle_timeout(now, actions);
        });
        let mode = StopMode::Abort;
        self.sessions(Call::Stop { mode }, vec![], |table, now, _, actions| {
            table.stop(now, mode, actions);
        });
    }
}
