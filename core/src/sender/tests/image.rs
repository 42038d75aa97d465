//! What an image of a sender holds, and which are refused.

use alloc::vec;
use alloc::vec::Vec;

use super::bench::{Bench, receipt, resume};
use crate::sender::PeerSenderMachine;
use crate::trace::{Image, ImageError};
use crate::wire::{Frame, Open, encode_message_head};
use crate::*;

const CANARY: &[u8] = b"CANARY";

fn image(machine: &PeerSenderMachine) -> Vec<u8> {
    let mut image = Vec::new();
    machine.save(&mut image);
    image
}

/// A payload of so many bytes which nothing else has.
fn secret(bytes: usize) -> Vec<u8> {
    CANARY.iter().copied().cycle().take(bytes).collect()
}

/// That it is restored as it is, and tells no payload.
fn keeps_secrets(machine: &PeerSenderMachine) -> PeerSenderMachine {
    let image = image(machine);
    let told = |bytes: &[u8]| CANARY.windows(4).any(|of| of == bytes);
    assert!(!image.windows(4).any(told), "{machine:?}");
    let restored = PeerSenderMachine::restore(&image).unwrap();
    let mut again = Vec::new();
    restored.save(&mut again);
    assert_eq!(again, image);
    assert_eq!(restored.stats(), machine.stats());
    assert_eq!(restored.reply_stats(), machine.reply_stats());
    assert_eq!(restored.visits(), machine.visits());
    assert_eq!(restored.snapshot(), machine.snapshot());
    restored
}

fn remote(index: u64) -> StreamId {
    let opener = Side::Remote;
    StreamId { opener, index }
}

fn received(index: u64, bytes: Vec<u8>, fin: bool) -> [Event; 2] {
    let (attempt, stream) = (Attempt(0), remote(index));
    let bytes = bytes.into();
    [
        Event::StreamOpened { attempt, stream },
        Event::BytesReceived {
            attempt,
            stream,
            bytes,
            fin,
        },
    ]
}

fn queued(id: u64, bytes: usize) -> Event {
    Event::MessageQueued {
        id: MessageId(id),
        lane: Lane(0),
        payload: secret(bytes).into(),
        options: MessageOptions::default(),
    }
}

fn open(lane: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::Open(Open {
        fresh: true,
        session: SessionId([5; 16]),
        lane,
        base: 0,
    })
    .encode(&mut bytes);
    bytes
}

fn message(bytes: &mut Vec<u8>, length: usize, here: usize) {
    encode_message_head(length, bytes);
    bytes.extend(secret(here));
}

fn up(protocol: Protocol) -> PeerSenderMachine {
    let config = Config::builder("192.0.2.1:4433".parse().unwrap())
        .protocol(protocol)
        .message_bytes_max(20_000)
        .inbound_bytes_max(40_000)
        .flight_messages_max(2)
        .build();
    let mut machine = PeerSenderMachine::new(config.unwrap(), [7; 32]);
    let attempt = Attempt(0);
    machine.handle(Time::ZERO, [], &mut Vec::new());
    let connected = Event::Connected { attempt };
    machine.handle(Time::from_secs(1), [connected], &mut Vec::new());
    machine
}

fn step(machine: &mut PeerSenderMachine, events: impl IntoIterator<Item = Event>) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(Time::from_secs(2), events, &mut actions);
    machine.check().unwrap();
    actions
}

#[test]
fn no_payload_of_lanes_is_in_an_image() {
    let mut machine = up(Protocol::Lanes);
    step(&mut machine, [queued(0, 100), queued(1, 5_000)]);
    step(&mut machine, [queued(2, 100), queued(3, 19_000)]);
    let stats = machine.stats();
    assert_eq!((stats.in_flight, stats.queued), (2, 2));
    // One that is held and one of which half has come; then one that waits for room, with what is
    // behind it.
    let mut half = open(0);
    message(&mut half, 10, 10);
    message(&mut half, 300, 150);
    step(&mut machine, received(0, half, false));
    assert_eq!(machine.state.inbound.buffered(Attempt(0), remote(0)), 150);
    let mut waits = open(1);
    message(&mut waits, 18_000, 18_000);
    message(&mut waits, 19_000, 19_000);
    waits.extend([0x50, 40]);
    waits.extend(secret(40));
    message(&mut waits, 100, 50);
    let actions = step(&mut machine, received(1, waits, false));
    assert!(
        matches!(actions[..], [.., Action::PauseReading { .. }, _]),
        "{actions:?}"
    );
    // An extension of which half has come.
    let mut passing = open(2);
    passing.extend([0x50, 40]);
    passing.extend(secret(20));
    step(&mut machine, received(2, passing, false));
    let mut restored = keeps_secrets(&machine);
    let consumed = || Event::Consumed {
        lane: Lane(1),
        below: 1,
    };
    let lengths = |actions: Vec<Action>| -> Vec<usize> {
        let payloads = actions.into_iter().filter_map(|action| match action {
            Action::Deliver(message) => Some(message.payload.len()),
            _ => None,
        });
        payloads.collect()
    };
    assert_eq!(lengths(step(&mut restored, [consumed()])), [19_000]);
    assert_eq!(lengths(step(&mut machine, [consumed()])), [19_000]);
    keeps_secrets(&machine);
}

#[test]
fn no_payload_of_the_plain_protocol_is_in_an_image() {
    let mut machine = up(Protocol::Plain);
    step(&mut machine, [queued(0, 100), queued(1, 5_000)]);
    step(&mut machine, [queued(2, 100), queued(3, 19_000)]);
    let stats = machine.stats();
    assert_eq!((stats.in_flight, stats.queued), (2, 2));
    // Little, much with room for it, and much without.
    step(&mut machine, received(0, secret(100), false));
    step(&mut machine, received(1, secret(17_000), false));
    step(&mut machine, received(2, secret(17_001), true));
    let actions = step(&mut machine, received(3, secret(17_002), false));
    assert!(
        matches!(actions[..], [Action::PauseReading { .. }]),
        "{actions:?}"
    );
    let restored = keeps_secrets(&machine);
    assert_eq!(format_of(&restored), format_of(&machine));
}

/// What of a machine shows no payload.
fn format_of(machine: &PeerSenderMachine) -> alloc::string::String {
    alloc::format!("{machine:?}")
}

#[test]
fn a_state_without_payloads_is_restored_as_it_was() {
    let mut bench = Bench::up();
    let states = |bench: &Bench| {
        let restored = PeerSenderMachine::restore(&image(&bench.machine)).unwrap();
        assert_eq!(restored.state(), bench.machine.state());
        assert_eq!(restored.config, bench.machine.config);
        assert_eq!(restored.since, bench.machine.since);
        assert_eq!(restored.last_error, bench.machine.last_error);
        assert_eq!(restored.seed, bench.machine.seed);
    };
    let empty = |id| Event::MessageQueued {
        id: MessageId(id),
        lane: Lane(1),
        payload: bytes::Bytes::new(),
        options: MessageOptions {
            expires_at: (id % 2 == 0).then_some(Time::from_secs(1_000)),
        },
    };
    states(&bench);
    bench.step((0..6).map(empty));
    states(&bench);
    bench.hear(&[
        resume(0, 0),
        receipt(1),
        Frame::Refuse { number: 3, code: 2 },
    ]);
    states(&bench);
    bench.step([2, 4].map(|id| Event::Cancel { id: MessageId(id) }));
    states(&bench);
    bench.reconnect();
    states(&bench);
    bench.lose();
    states(&bench);
    bench.step([Event::Stop {
        mode: StopMode::Drain(super::bench::MINUTE),
    }]);
    states(&bench);
    bench.step([Event::Stop {
        mode: StopMode::Remove,
    }]);
    assert!(bench.machine.is_closed());
    states(&bench);
}

#[test]
fn a_state_that_cannot_be_is_refused() {
    let mut bench = Bench::up();
    bench.queue(3);
    bench.hear(&[resume(0, 0)]);
    let above = trace::image::COUNT_MAX + 1;
    type Break = fn(&mut PeerSenderMachine, u64);
    let broken: [(&str, Break); 10] = [
        ("counters", |it, above| it.stats.connects = above),
        ("transitions", |it, above| it.visits[3] = above),
        ("names", |it, above| it.state.next_attempt = above),
        ("names", |it, above| it.state.transfers = above),
        ("I2", |it, _| it.stats.accepted += 1),
        ("I10", |it, _| it.state.next_attempt = 0),
        ("L3", |it, _| it.state.turn = 1),
        ("protocol", |it, _| it.config.protocol = Protocol::Plain),
        ("backoff_min", |it, _| {
            it.config.backoff_min = Default::default()
        }),
        ("port", |it, _| {
            it.config.addresses = vec!["192.0.2.1:0".parse().unwrap()]
        }),
    ];
    for (expected, break_it) in broken {
        let mut machine = bench.machine.clone();
        break_it(&mut machine, above);
        let error = PeerSenderMachine::restore(&image(&machine)).unwrap_err();
        let told = alloc::string::ToString::to_string(&error);
        assert!(told.contains(expected), "{told}, not {expected}");
        let kind = match error {
            ImageError::Damaged { .. } => !expected.starts_with(['I', 'L']),
            ImageError::Unsound(violation) => violation.id == expected,
            ImageError::Config(_) => expected == "backoff_min" || expected == "port",
            _ => false,
        };
        assert!(kind, "{told}");
    }
}
