//! Replies, seen from the end that sends them.

use super::*;
use core::time::Duration;

fn local(index: u64) -> StreamId {
    StreamId {
        opener: Side::Local,
        index,
    }
}

fn reply(id: u64) -> Event {
    Event::MessageQueued {
        id: MessageId(id),
        lane: LANE,
        payload: Bytes::from_static(b"reply"),
        options: MessageOptions::default(),
    }
}

/// A machine with a connection on which a reply was written, and QUIC has it.
fn replied() -> PeerReceiverMachine {
    let mut machine = Rig::new().machine;
    let actions = step(&mut machine, [connected(1), reply(0)]);
    let [Action::Write { transfer, .. }, Action::Room { .. }] = actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(
        step(&mut machine, [Event::TransferFinished { transfer }]),
        []
    );
    machine
}

fn connected(attempt: u64) -> Event {
    let attempt = Attempt(attempt);
    Event::Connected { attempt }
}

fn step(machine: &mut PeerReceiverMachine, events: impl IntoIterator<Item = Event>) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(Time::ZERO, events, &mut actions);
    machine.check().unwrap();
    actions
}

#[test]
fn nothing_more_is_written_on_a_stream_that_is_read_no_further() {
    let mut machine = replied();
    let stopped = Event::StreamStopped {
        attempt: Attempt(1),
        stream: local(0),
        code: 5,
    };
    assert_eq!(step(&mut machine, [stopped]), []);
    assert_eq!(machine.stats().stale_events, 0);
    assert_eq!(step(&mut machine, [reply(1)]), []);
    // The next connection carries both.
    let actions = step(&mut machine, [lost(1), connected(2)]);
    assert!(
        matches!(&actions[..], [Action::Write { .. }, ..]),
        "{actions:?}"
    );
    let unknown = Event::StreamStopped {
        attempt: Attempt(2),
        stream: local(9),
        code: 5,
    };
    step(&mut machine, [unknown]);
    assert_eq!(machine.stats().stale_events, 1);
}

#[test]
fn a_connection_that_is_told_again_carries_on() {
    let mut machine = replied();
    assert_eq!(step(&mut machine, [connected(1)]), []);
    let actions = step(&mut machine, [connected(2)]);
    assert!(
        matches!(&actions[..], [Action::Write { .. }]),
        "a newer one carries the replies: {actions:?}"
    );
}

#[test]
fn a_reply_that_comes_with_the_stop_is_handed_back() {
    let mut machine = Rig::new().machine;
    step(&mut machine, [connected(1)]);
    let mode = StopMode::Drain(Duration::from_secs(1));
    let actions = step(&mut machine, [Event::Stop { mode }, reply(0)]);
    let reason = RejectReason::Stopped;
    assert!(
        matches!(&actions[0], Action::Reject { reason: it, .. } if *it == reason),
        "{actions:?}"
    );
    assert_eq!(machine.reply_stats().rejected, 1);
}

/// What the dialling end says of the replies.
fn hear(
    machine: &mut PeerReceiverMachine,
    attempt: u64,
    frames: &[Frame],
    fin: bool,
) -> Vec<Action> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    let heard = Event::BytesReceived {
        attempt: Attempt(attempt),
        stream: local(0),
        bytes: bytes.into(),
        fin,
    };
    step(machine, [heard])
}

#[test]
fn a_drain_waits_for_the_answers_to_replies_and_for_the_end_of_their_way_back() {
    let mut machine = replied();
    let mode = StopMode::Drain(Duration::from_secs(1));
    assert_eq!(step(&mut machine, [Event::Stop { mode }]), []);
    let actions = hear(&mut machine, 1, &[resume(0, 0)], false);
    let [
        Action::Write {
            transfer,
            fin: true,
            ..
        },
    ] = actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!(
        step(&mut machine, [Event::TransferFinished { transfer }]),
        []
    );
    let actions = hear(&mut machine, 1, &[receipt(1)], false);
    assert!(
        matches!(&actions[..], [Action::Settle { .. }]),
        "{actions:?}"
    );
    let actions = hear(&mut machine, 1, &[], true);
    assert!(
        matches!(&actions[..], [Action::Close { .. }]),
        "{actions:?}"
    );
    assert!(machine.is_closed());
}

#[test]
fn what_is_written_of_replies_is_counted_and_what_is_written_again() {
    let mut machine = replied();
    step(&mut machine, [lost(1)]);
    let actions = step(&mut machine, [connected(2)]);
    let [Action::Write { transfer, .. }] = actions[..] else {
        panic!("{actions:?}")
    };
    step(&mut machine, [Event::TransferFinished { transfer }]);
    hear(&mut machine, 2, &[resume(0, 0)], false);
    let stats = machine.reply_stats();
    assert_eq!((stats.written, stats.redelivered), (2, 1));
}

#[test]
fn a_way_back_that_breaks_the_protocol_ends_its_connection_and_is_counted() {
    let mut machine = replied();
    let actions = hear(&mut machine, 1, &[receipt(1)], false);
    let [Action::Close { code, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(*code, CloseCode::Protocol);
    assert_eq!(machine.reply_stats().protocol_errors, 1);
}
