//! What the machines cost by themselves, without QUIC: messages queued, written, read, answered and
//! settled, in batches as a driver makes them.
//!
//! A conversation of both ends is recorded once. Then each end hears its own part of it again, by
//! itself: machines do the same with the same steps.

use std::collections::BTreeSet;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use peer_sender_core::{
    Action, Attempt, Config, Event, Lane, MessageId, MessageOptions, Outcome, PeerKey,
    PeerSenderMachine, SessionHandle, SessionNews, Sessions, SessionsConfig, Side, StreamId, Time,
};

/// Messages of one conversation.
const MESSAGES: u64 = 8_192;
/// Messages handed over in one step.
const BATCH: usize = 256;
const NOW: Time = Time::ZERO;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    #[cfg(feature = "trace")]
    images(&mut criterion);
    for (name, size) in [("100 B", 100), ("1 KiB", 1_024)] {
        for lanes in [1, 8] {
            let conversation = Conversation::record(size, lanes);
            let mut group = criterion.benchmark_group(format!("{name}, lanes: {lanes}"));
            group.throughput(Throughput::Elements(MESSAGES));
            group.bench_function("sender", |bencher| {
                let setup = || (sender(), conversation.sender.clone());
                bencher.iter_batched(
                    setup,
                    |(mut machine, steps)| {
                        let mut actions = Vec::new();
                        for events in steps {
                            machine.handle(NOW, events, &mut actions);
                            black_box(&actions);
                            actions.clear();
                        }
                        machine
                    },
                    BatchSize::LargeInput,
                );
            });
            #[cfg(feature = "trace")]
            group.bench_function("sender, recorded", |bencher| {
                let setup = || (sender(), conversation.sender.clone(), recorder());
                bencher.iter_batched(
                    setup,
                    |(mut machine, steps, (mut recorder, mut recording))| {
                        let mut actions = Vec::new();
                        for events in steps {
                            recording.begin();
                            let events = events.into_iter().inspect(|it| recording.event(it));
                            machine.handle(NOW, events, &mut actions);
                            for action in actions.drain(..) {
                                recording.action(&action);
                            }
                            recording.end(NOW, peer_sender_core::trace::Call::Handle);
                            recorder.add(&recording);
                        }
                        (machine, recorder)
                    },
                    BatchSize::LargeInput,
                );
            });
            group.bench_function("receiver", |bencher| {
                let setup = || (receiver(), conversation.receiver.clone());
                bencher.iter_batched(
                    setup,
                    |(mut sessions, calls)| {
                        let mut actions = Vec::new();
                        for call in calls {
                            call.make(&mut sessions, &mut actions);
                            black_box(&actions);
                            actions.clear();
                            while let Some(news) = sessions.poll_news() {
                                black_box(news);
                            }
                        }
                        sessions
                    },
                    BatchSize::LargeInput,
                );
            });
            group.finish();
        }
    }
    criterion.final_summary();
}

fn sender() -> PeerSenderMachine {
    let address = ([192, 0, 2, 1], 4433).into();
    let config = Config::new(address).expect("an address with a host and a port");
    PeerSenderMachine::new(config, [7; 32])
}

/// A flight recorder, as it stands beside a sender.
#[cfg(feature = "trace")]
fn recorder() -> (
    peer_sender_core::trace::Recorder,
    peer_sender_core::trace::StepRecorder,
) {
    use peer_sender_core::trace::{About, MachineConfig, Recorder, RecorderConfig};
    let address = ([192, 0, 2, 1], 4433).into();
    let config = Config::new(address).expect("an address with a host and a port");
    let about = About {
        name: String::new(),
        key: None,
        zero_unix_nanos: 0,
    };
    let mut recorder = Recorder::new(RecorderConfig::flight(16 << 20));
    let config = MachineConfig::Sender(Box::new(config));
    let steps = recorder.made(about, config, [7; 32]);
    (recorder, steps)
}

fn receiver() -> Sessions {
    Sessions::new(SessionsConfig::default(), [8; 32])
}

/// All that each end was told.
struct Conversation {
    sender: Vec<Vec<Event>>,
    receiver: Vec<Call>,
}

#[derive(Clone)]
enum Call {
    Accepted(Attempt),
    Connection(Attempt, Vec<Event>),
    Session(SessionHandle, Vec<Event>),
}

impl Call {
    fn make(self, sessions: &mut Sessions, actions: &mut Vec<Action>) {
        match self {
            Self::Accepted(attempt) => sessions.accepted(NOW, attempt, PeerKey([9; 32]), actions),
            Self::Connection(attempt, events) => {
                sessions.handle_connection(NOW, attempt, events, actions);
            }
            Self::Session(session, events) => {
                sessions.handle_session(NOW, session, events, actions);
            }
        }
    }
}

impl Conversation {
    /// Of messages of one size, dealt out to lanes in turn.
    fn record(size: usize, lanes: u8) -> Self {
        let payload = Bytes::from(vec![0x5a; size]);
        let mut queue = (0..MESSAGES).peekable();
        let message = |id| Event::MessageQueued {
            id: MessageId(id),
            lane: Lane((id % u64::from(lanes)) as u8),
            payload: payload.clone(),
            options: MessageOptions::default(),
        };
        let mut ends = Ends {
            sender: sender(),
            receiver: receiver(),
            recorded: Self {
                sender: Vec::new(),
                receiver: Vec::new(),
            },
            opened: BTreeSet::new(),
            delivered: 0,
        };
        let mut facts = ends.tell_sender(vec![Event::TimerFired]);
        while !facts.is_empty() || queue.peek().is_some() {
            facts.extend(queue.by_ref().take(BATCH).map(message));
            facts = ends.tell_sender(facts);
        }
        assert_eq!(ends.delivered, MESSAGES, "each message, once");
        ends.recorded
    }
}

/// Both ends, and a connection on which nothing takes time.
struct Ends {
    sender: PeerSenderMachine,
    receiver: Sessions,
    recorded: Conversation,
    opened: BTreeSet<StreamId>,
    delivered: u64,
}

impl Ends {
    /// A step of the sender and what follows from it at the receiver; the facts that come of it
    /// for the sender.
    fn tell_sender(&mut self, events: Vec<Event>) -> Vec<Event> {
        self.recorded.sender.push(events.clone());
        let mut actions = Vec::new();
        self.sender.handle(NOW, events, &mut actions);
        let (mut facts, mut arriving, mut connection) = (Vec::new(), Vec::new(), None);
        for action in actions {
            if let Action::Connect { attempt, .. } = action {
                facts.push(Event::Connected { attempt });
                facts.extend(self.call(Call::Accepted(attempt)));
                arriving.push(Event::Connected { attempt });
                connection = Some(attempt);
            } else if let Action::Settle { outcome, .. } = action {
                assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
                self.delivered += 1;
            } else if let Action::Write {
                attempt,
                stream,
                transfer,
                chunks,
                fin,
                ..
            } = action
            {
                let mirrored = StreamId {
                    opener: Side::Remote,
                    ..stream
                };
                if self.opened.insert(mirrored) {
                    arriving.push(Event::StreamOpened {
                        attempt,
                        stream: mirrored,
                    });
                }
                arriving.extend(chunks.into_iter().map(|bytes| Event::BytesReceived {
                    attempt,
                    stream: mirrored,
                    bytes,
                    fin,
                }));
                facts.push(Event::TransferFinished { transfer });
                connection = Some(attempt);
            }
        }
        if let Some(attempt) = connection {
            facts.extend(self.call(Call::Connection(attempt, arriving)));
        }
        facts
    }

    /// A step of the receiver, whose application accepts all that it gets, and every step that
    /// follows; the facts that come of them for the sender.
    fn call(&mut self, call: Call) -> Vec<Event> {
        let (mut facts, mut calls) = (Vec::new(), vec![call]);
        while let Some(call) = calls.pop() {
            self.recorded.receiver.push(call.clone());
            let mut actions = Vec::new();
            call.make(&mut self.receiver, &mut actions);
            for action in actions {
                if let Action::Write {
                    attempt,
                    stream,
                    transfer,
                    chunks,
                    fin,
                    ..
                } = action
                {
                    let mirrored = StreamId {
                        opener: Side::Local,
                        ..stream
                    };
                    facts.extend(chunks.into_iter().map(|bytes| Event::BytesReceived {
                        attempt,
                        stream: mirrored,
                        bytes,
                        fin,
                    }));
                    let done = vec![Event::TransferFinished { transfer }];
                    calls.push(Call::Connection(attempt, done));
                }
            }
            while let Some(news) = self.receiver.poll_news() {
                if let SessionNews::Delivered { session, messages } = news {
                    let answers = messages.iter().map(|message| Event::Consumed {
                        lane: message.lane,
                        below: message.number + 1,
                    });
                    calls.push(Call::Session(session, latest(answers)));
                }
            }
        }
        facts
    }
}

/// The image of a sender whose messages wait, each handed over at its own time.
#[cfg(feature = "trace")]
fn images(criterion: &mut Criterion) {
    use peer_sender_core::trace::Image;

    const WAITING: u64 = 65_536;
    let config = Config::builder("192.0.2.1:4433".parse().expect("an address"))
        .queue_messages_max(WAITING as usize)
        .build();
    let mut machine = PeerSenderMachine::new(config.expect("usable limits"), [1; 32]);
    for id in 0..WAITING {
        let message = Event::MessageQueued {
            id: MessageId(id),
            lane: Lane(0),
            payload: Bytes::from_static(&[7; 100]),
            options: MessageOptions::default(),
        };
        machine.handle(Time::from_nanos(id * 1_500), [message], &mut Vec::new());
    }
    let mut image = Vec::new();
    machine.save(&mut image);
    println!("{WAITING} messages that wait: {} bytes", image.len());
    let mut group = criterion.benchmark_group("image");
    group.throughput(Throughput::Elements(WAITING));
    group.bench_function("save", |bencher| {
        bencher.iter(|| {
            image.clear();
            machine.save(&mut image);
            black_box(&image);
        });
    });
    group.bench_function("restore", |bencher| {
        bencher.iter(|| PeerSenderMachine::restore(&image));
    });
}

/// The last answer of each lane, as a driver gives it.
fn latest(answers: impl Iterator<Item = Event>) -> Vec<Event> {
    let mut latest: Vec<(Lane, Event)> = Vec::new();
    for answer in answers {
        if let Event::Consumed { lane, .. } = answer {
            match latest.iter_mut().find(|(of, _)| *of == lane) {
                Some((_, last)) => *last = answer,
                None => latest.push((lane, answer)),
            }
        }
    }
    latest.into_iter().map(|(_, answer)| answer).collect()
}
