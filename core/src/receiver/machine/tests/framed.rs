//! Under the framed protocol: one connection, with one stream for all messages.

use super::*;
use crate::Protocol;

/// A receiver with this much room, and its connection.
fn connected(room: usize) -> PeerReceiverMachine {
    let config = ReceiverConfig::new(MESSAGE_BYTES_MAX, room).unwrap();
    let config = config.with_protocol(Protocol::Framed).unwrap();
    let mut machine = PeerReceiverMachine::framed(config);
    let attempt = Attempt(1);
    assert_eq!(step(&mut machine, [Event::Connected { attempt }]), []);
    machine
}

fn step(machine: &mut PeerReceiverMachine, events: impl IntoIterator<Item = Event>) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(Time::ZERO, events, &mut actions);
    machine.check().unwrap();
    actions
}

fn opened() -> Event {
    let (attempt, stream) = (Attempt(1), remote(0));
    Event::StreamOpened { attempt, stream }
}

/// Messages of so many bytes, each behind its length.
fn messages(sizes: &[usize]) -> Vec<u8> {
    let message = |&size: &usize| {
        let mut bytes = (size as u32).to_be_bytes().to_vec();
        bytes.resize(4 + size, 7);
        bytes
    };
    sizes.iter().flat_map(message).collect()
}

fn received(bytes: &[u8]) -> Event {
    Event::BytesReceived {
        attempt: Attempt(1),
        stream: remote(0),
        bytes: Bytes::copy_from_slice(bytes),
        fin: false,
    }
}

#[test]
fn what_an_abort_leaves_half_or_unread_is_counted() {
    let whole = messages(&[10]);
    let waits = messages(&[900, 900]);
    for (room, bytes, incomplete) in [
        (1 << 20, &[][..], 0),
        (1 << 20, &whole, 0),
        (1 << 20, &whole[..3], 1),
        (1 << 20, &whole[..13], 1),
        // There is no room for the second, of which all has come, or nothing but its length.
        (1_000, &waits, 1),
        (1_000, &waits[..908], 1),
    ] {
        let mut machine = connected(room);
        step(&mut machine, [opened(), received(bytes)]);
        let mode = StopMode::Abort;
        step(&mut machine, [Event::Stop { mode }]);
        let stats = machine.stats();
        assert_eq!(stats.incomplete, incomplete, "{} bytes", bytes.len());
        assert!(machine.is_closed());
    }
}

#[test]
fn what_is_behind_a_malformed_message_is_given_out_and_the_connection_closed() {
    let mut machine = connected(1_000);
    let actions = step(&mut machine, [opened(), received(&messages(&[900, 10]))]);
    assert!(
        matches!(
            &actions[..],
            [Action::Deliver(_), Action::PauseReading { .. }]
        ),
        "{actions:?}"
    );
    let (lane, number, code) = (LANE, 0, RefuseCode::Malformed);
    let actions = step(&mut machine, [Event::Refused { lane, number, code }]);
    let closes = |action: &Action| matches!(action, Action::Close { code, .. } if *code == CloseCode::Protocol);
    let gives = |action: &Action| matches!(action, Action::Deliver(it) if it.payload.len() == 10);
    assert!(actions.iter().any(closes), "{actions:?}");
    assert!(actions.iter().any(gives), "{actions:?}");
    // More had come, and is still read; a second malformed message closes nothing any more.
    let actions = step(&mut machine, [received(&messages(&[20]))]);
    assert!(matches!(&actions[..], [Action::Deliver(_)]), "{actions:?}");
    let number = 1;
    let refused = Event::Refused { lane, number, code };
    assert_eq!(step(&mut machine, [refused]), []);
    assert_eq!(machine.stats().protocol_errors, 1);
    step(&mut machine, [lost(1)]);
    assert_eq!((machine.connections(), machine.stats().incomplete), (0, 0));
}

#[test]
fn a_refusal_for_another_reason_or_of_what_is_not_held_closes_nothing() {
    let mut machine = connected(1_000);
    step(&mut machine, [opened(), received(&messages(&[10, 10]))]);
    let lane = LANE;
    for (number, code) in [
        (0, RefuseCode::Application),
        (0, RefuseCode::Malformed),
        (2, RefuseCode::Malformed),
    ] {
        let refused = Event::Refused { lane, number, code };
        assert_eq!(step(&mut machine, [refused]), [], "{number}, {code:?}");
    }
    assert_eq!(machine.stats().protocol_errors, 0);
    let (number, code) = (1, RefuseCode::Malformed);
    let actions = step(&mut machine, [Event::Refused { lane, number, code }]);
    assert!(
        matches!(&actions[..], [Action::Close { .. }]),
        "{actions:?}"
    );
}

#[test]
fn a_connection_that_is_left_is_asked_for_nothing() {
    let mut machine = connected(1_000);
    step(&mut machine, [opened(), received(&messages(&[900]))]);
    let mode = StopMode::Drain(core::time::Duration::from_secs(1));
    let actions = step(&mut machine, [Event::Stop { mode }]);
    assert!(
        matches!(&actions[..], [Action::Close { .. }]),
        "{actions:?}"
    );
    // There is no room for it, and nothing to be paused any more.
    assert_eq!(step(&mut machine, [received(&messages(&[900, 900]))]), []);
    let cut = Event::StreamReset {
        attempt: Attempt(1),
        stream: remote(0),
        code: 0,
    };
    assert_eq!(step(&mut machine, [cut, lost(1)]), []);
    for number in 0..3 {
        assert!(!machine.is_closed(), "{number}");
        let below = number + 1;
        let consumed = Event::Consumed { lane: LANE, below };
        let actions = step(&mut machine, [consumed]);
        let next = matches!(&actions[..], [Action::Deliver(it)] if it.number == number + 1);
        assert_eq!(next, number < 2, "{actions:?}");
    }
    assert!(machine.is_closed());
    assert_eq!(machine.stats().incomplete, 0);
}
