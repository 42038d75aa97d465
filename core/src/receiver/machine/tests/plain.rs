//! Under the plain protocol: one connection, with a stream for each message.

use super::*;
use crate::{Outcome, Protocol, SendLimits, Unsent};

fn plain() -> PeerReceiverMachine {
    let replies = SendLimits {
        queue_messages_max: 2,
        streams_max: 1,
        ..SendLimits::default()
    };
    let config = ReceiverConfig::new(MESSAGE_BYTES_MAX, 1 << 20).unwrap();
    let config = config.with_replies(replies).unwrap();
    PeerReceiverMachine::plain(config.with_protocol(Protocol::Plain).unwrap())
}

fn step(machine: &mut PeerReceiverMachine, events: impl IntoIterator<Item = Event>) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(Time::ZERO, events, &mut actions);
    machine.check().unwrap();
    actions
}

fn connect(machine: &mut PeerReceiverMachine) {
    let attempt = Attempt(1);
    assert_eq!(step(machine, [Event::Connected { attempt }]), []);
}

/// A whole message on a stream of its own.
fn deliver(machine: &mut PeerReceiverMachine) {
    let (attempt, stream) = (Attempt(1), remote(0));
    let opened = Event::StreamOpened { attempt, stream };
    let actions = step(machine, [opened, bytes(1, b"m", true)]);
    assert!(matches!(&actions[..], [Action::Deliver(_)]), "{actions:?}");
}

fn reply(id: u64) -> Event {
    Event::MessageQueued {
        id: MessageId(id),
        lane: LANE,
        payload: Bytes::from_static(b"r"),
        options: MessageOptions::default(),
    }
}

fn failed(id: u64) -> Action {
    Action::Settle {
        id: MessageId(id),
        outcome: Outcome::Failed(FailReason::ConnectionLost),
    }
}

fn handed_back(id: u64) -> Action {
    Action::HandBack(Unsent {
        id: MessageId(id),
        lane: LANE,
        payload: Bytes::from_static(b"r"),
    })
}

#[test]
fn check_sees_a_write_whose_name_comes_again() {
    let mut machine = plain();
    connect(&mut machine);
    step(&mut machine, [reply(0)]);
    assert_eq!(machine.check(), Ok(()));
    machine.transfers = 0;
    assert_eq!(machine.check().map_err(|it| it.id), Err("I10"));
}

#[test]
fn a_reply_after_the_end_of_its_connection_fails_at_once() {
    let mut machine = plain();
    connect(&mut machine);
    deliver(&mut machine);
    assert_eq!(step(&mut machine, [lost(1)]), []);
    assert!(machine.remembers(), "a message is unanswered");
    let actions = step(&mut machine, [reply(0), reply(1)]);
    let outcomes = [failed(0), failed(1), handed_back(0), handed_back(1)];
    assert_eq!(actions[..4], outcomes);
    assert_eq!(machine.snapshot().holdup, Holdup::NothingToDo);
}

#[test]
fn replies_that_the_end_of_their_connection_settles_leave_their_room() {
    let mut machine = plain();
    connect(&mut machine);
    deliver(&mut machine);
    let actions = step(&mut machine, (0..2).map(reply));
    assert!(matches!(actions[0], Action::Write { .. }), "{actions:?}");
    step(&mut machine, [reply(2)]);
    assert_eq!(machine.capacity(LANE).messages, 0);
    let actions = step(&mut machine, [lost(1)]);
    let capacity = machine.capacity(LANE);
    assert_eq!(capacity.messages, 2);
    // QUIC had not taken the first to its end.
    let outcomes = [failed(0), failed(1), failed(2)];
    assert_eq!(actions[..3], outcomes);
    assert_eq!(
        actions[3..6],
        [handed_back(0), handed_back(1), handed_back(2)]
    );
    assert_eq!(
        actions[6..],
        [Action::Room {
            lane: LANE,
            capacity
        }]
    );
}

#[test]
fn a_reply_that_quic_had_to_its_end_is_of_unknown_fate() {
    let mut machine = plain();
    connect(&mut machine);
    let transfer = TransferId(0);
    step(&mut machine, [reply(0)]);
    step(&mut machine, [Event::TransferFinished { transfer }]);
    let unknown = Action::Settle {
        id: MessageId(0),
        outcome: Outcome::Unknown(UnknownReason::ConnectionLost),
    };
    assert_eq!(step(&mut machine, [lost(1)]), [unknown]);
}

#[test]
fn what_is_consumed_of_a_lane_that_is_not_there_changes_nothing() {
    let mut machine = plain();
    connect(&mut machine);
    deliver(&mut machine);
    let held = machine.held();
    let lane = Lane(1);
    step(&mut machine, [Event::Consumed { lane, below: 1 }]);
    assert_eq!(machine.held(), held);
    assert_eq!(machine.stats().stale_events, 1);
    step(
        &mut machine,
        [Event::Consumed {
            lane: LANE,
            below: 1,
        }],
    );
    assert_eq!(machine.held().0, 0);
}

/// A message of 900 bytes, of which one fits, and so many more that wait for room.
fn fill(machine: &mut PeerReceiverMachine, waiting: u64) {
    let attempt = Attempt(1);
    let events = (0..=waiting).flat_map(|index| {
        let (stream, bytes) = (remote(index), Bytes::from(vec![7; 900]));
        let fin = true;
        let received = Event::BytesReceived {
            attempt,
            stream,
            bytes,
            fin,
        };
        [Event::StreamOpened { attempt, stream }, received]
    });
    let actions = step(machine, events);
    assert!(matches!(&actions[..], [Action::Deliver(_)]), "{actions:?}");
}

#[test]
fn what_waits_when_its_session_is_forgotten_is_counted() {
    let config = ReceiverConfig::new(MESSAGE_BYTES_MAX, 1_100).unwrap();
    let config = config.with_protocol(Protocol::Plain).unwrap();
    let mut machine = PeerReceiverMachine::plain(config);
    connect(&mut machine);
    fill(&mut machine, 3);
    step(&mut machine, [lost(1)]);
    step(
        &mut machine,
        [Event::Consumed {
            lane: LANE,
            below: 1,
        }],
    );
    assert_eq!(machine.stats().delivered, 2);
    assert_eq!(machine.stats().delivered_bytes, 2 * 900);
    assert_eq!(machine.stats().incomplete, 0);
    machine.forget(&mut Vec::new());
    assert_eq!(machine.stats().incomplete, 2);
}

#[test]
fn a_message_that_is_refused_leaves_its_room_and_nobody_is_told() {
    let mut machine = plain();
    connect(&mut machine);
    deliver(&mut machine);
    let code = RefuseCode::Application;
    let of_another_lane = Event::Refused {
        lane: Lane(1),
        number: 0,
        code,
    };
    assert_eq!(step(&mut machine, [of_another_lane]), []);
    assert_eq!(machine.stats().refused, 0);
    assert!(machine.held().0 > 0);
    assert_eq!(step(&mut machine, [refused(0)]), []);
    assert_eq!((machine.stats().refused, machine.held().0), (1, 0));
    assert_eq!(machine.stats().stale_events, 1);
    step(&mut machine, [refused(0)]);
    assert_eq!(machine.stats().refused, 1);
    assert_eq!(machine.stats().stale_events, 2);
}

#[test]
fn a_drain_waits_for_the_answer_to_what_was_delivered() {
    let mut machine = plain();
    connect(&mut machine);
    deliver(&mut machine);
    let mode = StopMode::Drain(core::time::Duration::from_secs(1));
    let actions = step(&mut machine, [Event::Stop { mode }]);
    assert!(
        matches!(&actions[..], [Action::Close { .. }]),
        "{actions:?}"
    );
    assert_eq!(step(&mut machine, [lost(1)]), []);
    assert!(!machine.is_closed());
    let below = 1;
    assert_eq!(
        step(&mut machine, [Event::Consumed { lane: LANE, below }]),
        []
    );
    assert!(machine.is_closed());
}

#[test]
fn what_had_come_when_a_receiver_stopped_is_given_out_before_it_ends() {
    let mut machine = plain();
    connect(&mut machine);
    let mode = StopMode::Drain(core::time::Duration::from_secs(1));
    step(&mut machine, [Event::Stop { mode }]);
    assert_eq!((machine.connections(), machine.carrier()), (1, None));
    deliver(&mut machine);
    assert_eq!(machine.stats().delivered, 1);
    let below = 1;
    let consumed = Event::Consumed { lane: LANE, below };
    assert_eq!(step(&mut machine, [consumed]), []);
    assert!(!machine.is_closed(), "more may have come");
    assert_eq!(step(&mut machine, [lost(1)]), []);
    assert!(machine.is_closed());
}

#[test]
fn what_is_beyond_what_a_lost_connection_may_leave_is_dropped_and_counted() {
    // Two of them may be left behind, and not a third.
    const LARGE: usize = 12 << 20;
    let config = ReceiverConfig::new(LARGE, LARGE).unwrap();
    let config = config.with_protocol(Protocol::Plain).unwrap();
    let mut machine = PeerReceiverMachine::plain(config);
    connect(&mut machine);
    deliver(&mut machine);
    let (attempt, payload) = (Attempt(1), Bytes::from(vec![7; LARGE]));
    let events = (1..4).flat_map(|index| {
        let (stream, bytes, fin) = (remote(index), payload.clone(), true);
        let received = Event::BytesReceived {
            attempt,
            stream,
            bytes,
            fin,
        };
        [Event::StreamOpened { attempt, stream }, received]
    });
    assert_eq!(step(&mut machine, events), []);
    assert_eq!(step(&mut machine, [lost(1)]), []);
    assert_eq!(machine.stats().incomplete, 1);
}

#[test]
fn what_is_cut_short_is_counted_beside_what_came_whole() {
    let mut machine = plain();
    connect(&mut machine);
    deliver(&mut machine);
    assert_eq!(
        (machine.stats().delivered, machine.stats().delivered_bytes),
        (1, 1)
    );
    let (attempt, stream) = (Attempt(1), remote(1));
    let bytes = Bytes::from_static(b"half");
    let received = Event::BytesReceived {
        attempt,
        stream,
        bytes,
        fin: false,
    };
    step(
        &mut machine,
        [Event::StreamOpened { attempt, stream }, received],
    );
    assert_eq!(machine.stats().incomplete, 0);
    let code = 3;
    let reset = Event::StreamReset {
        attempt,
        stream,
        code,
    };
    assert_eq!(step(&mut machine, [reset.clone()]), []);
    assert_eq!(machine.stats().incomplete, 1);
    step(&mut machine, [reset]);
    assert_eq!(machine.stats().stale_events, 1, "it is gone");
}

/// So much comes on a stream of its own.
fn come(machine: &mut PeerReceiverMachine, index: u64, length: usize, fin: bool) -> Vec<Action> {
    let (attempt, stream) = (Attempt(1), remote(index));
    let bytes = Bytes::from(vec![7; length]);
    let received = Event::BytesReceived {
        attempt,
        stream,
        bytes,
        fin,
    };
    step(machine, [Event::StreamOpened { attempt, stream }, received])
}

#[test]
fn what_is_too_large_is_refused_and_its_stream_is_stopped_where_more_would_come() {
    let mut machine = plain();
    connect(&mut machine);
    let stopped = Action::StopSending {
        attempt: Attempt(1),
        stream: remote(0),
        code: CloseCode::MessageTooLarge,
    };
    let above = MESSAGE_BYTES_MAX + 1;
    assert_eq!(come(&mut machine, 0, above, false), [stopped]);
    assert_eq!(come(&mut machine, 1, above, true), []);
    assert_eq!(machine.stats().refused, 2);
}

#[test]
fn a_small_message_does_not_take_the_room_that_an_older_one_waits_for() {
    let config = ReceiverConfig::new(MESSAGE_BYTES_MAX, 2_000).unwrap();
    let config = config.with_protocol(Protocol::Plain).unwrap();
    let mut machine = PeerReceiverMachine::plain(config);
    connect(&mut machine);
    come(&mut machine, 0, 900, true);
    assert_eq!(come(&mut machine, 1, 950, true), []);
    assert_eq!(come(&mut machine, 2, 100, true), [], "it would fit");
    assert_eq!(machine.stats().delivered, 1);
    let consumed = Event::Consumed {
        lane: LANE,
        below: 1,
    };
    step(&mut machine, [consumed]);
    assert_eq!(machine.stats().delivered, 3);
}
