//! The same with a flight recorder beside the machines; and their images.

use std::hint::black_box;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use peer_sender_core::trace::{
    About, Call as Function, Image, MachineConfig, Recorder, RecorderConfig, StepRecorder,
};
use peer_sender_core::{
    Action, Config, Event, Lane, MessageId, MessageOptions, PeerKey, PeerSenderMachine,
    SessionNews, Sessions, Time,
};

use crate::conversation::{Call, Conversation};
use crate::{NOW, receiver, sender};

/// A machine's place in a flight recorder.
struct Flight {
    recorder: Recorder,
    steps: StepRecorder,
}

impl Flight {
    fn of(config: MachineConfig) -> Self {
        let about = About {
            name: String::new(),
            key: None,
            zero_unix_nanos: 0,
        };
        let mut recorder = Recorder::new(RecorderConfig::flight(16 << 20));
        let steps = recorder.made(about, config, [7; 32]);
        Self { recorder, steps }
    }

    /// A step is over, in which the machine was told these events.
    fn end(&mut self, function: Function, actions: &mut Vec<Action>, news: &[SessionNews]) {
        actions.drain(..).for_each(|it| self.steps.action(&it));
        news.iter().for_each(|it| self.steps.news(it));
        self.steps.end(NOW, function);
        self.recorder.add(&self.steps);
    }
}

pub(crate) fn both(group: &mut BenchmarkGroup<'_, WallTime>, conversation: &Conversation) {
    group.bench_function("sender, recorded", |bencher| {
        let config = Config::new(([192, 0, 2, 1], 4433).into()).expect("an address");
        let config = MachineConfig::Sender(Box::new(config));
        let flight = || Flight::of(config.clone());
        let setup = || (sender(), conversation.sender.clone(), flight());
        bencher.iter_batched(setup, send, BatchSize::LargeInput);
    });
    group.bench_function("receiver, recorded", |bencher| {
        let config = MachineConfig::Sessions(Box::default());
        let flight = || Flight::of(config.clone());
        let setup = || (receiver(), conversation.receiver.clone(), flight());
        bencher.iter_batched(setup, receive, BatchSize::LargeInput);
    });
}

fn send(
    (mut machine, steps, mut flight): (PeerSenderMachine, Vec<Vec<Event>>, Flight),
) -> (PeerSenderMachine, Flight) {
    let mut actions = Vec::new();
    for events in steps {
        flight.steps.begin();
        let events = events.into_iter().inspect(|it| flight.steps.event(it));
        machine.handle(NOW, events, &mut actions);
        flight.end(Function::Handle, &mut actions, &[]);
    }
    (machine, flight)
}

fn receive((mut sessions, calls, mut flight): (Sessions, Vec<Call>, Flight)) -> (Sessions, Flight) {
    let (mut actions, mut news) = (Vec::new(), Vec::new());
    for call in calls {
        flight.steps.begin();
        if let Call::Connection(_, events) | Call::Session(_, events) = &call {
            events.iter().for_each(|it| flight.steps.event(it));
        }
        let function = match call {
            Call::Accepted(attempt) => {
                let key = PeerKey([9; 32]);
                Function::Accepted { attempt, key }
            }
            Call::Connection(attempt, _) => Function::Connection { attempt },
            Call::Session(session, _) => Function::Session { session },
        };
        call.make(&mut sessions, &mut actions);
        news.extend(std::iter::from_fn(|| sessions.poll_news()));
        flight.end(function, &mut actions, &news);
        news.clear();
    }
    (sessions, flight)
}

/// The image of a sender whose messages wait, each handed over at its own time.
pub(crate) fn images(criterion: &mut Criterion) {
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
