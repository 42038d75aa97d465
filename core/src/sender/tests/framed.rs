//! The framed protocol: all messages on one stream.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::bench::limited;
use crate::*;

/// A sender whose first connection stands.
fn up(set: impl FnOnce(&mut SendLimits)) -> PeerSenderMachine {
    let config = limited(set).with_protocol(Protocol::Framed).unwrap();
    let mut machine = PeerSenderMachine::new(config, [7; 32]);
    step(&mut machine, []);
    let attempt = Attempt(0);
    step(&mut machine, [Event::Connected { attempt }]);
    machine
}

fn step(machine: &mut PeerSenderMachine, events: impl IntoIterator<Item = Event>) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(Time::from_secs(100), events, &mut actions);
    machine.check().unwrap();
    actions
}

fn queued(id: u64) -> Event {
    Event::MessageQueued {
        id: MessageId(id),
        lane: Lane(0),
        payload: Bytes::from_static(b"payload"),
        options: MessageOptions::default(),
    }
}

#[test]
fn a_stopping_sender_drains_once_each_message_is_on_the_stream() {
    let mode = StopMode::Drain(Duration::from_secs(10));
    let drains = |machine: &PeerSenderMachine| matches!(machine.state().link(), Link::Draining(_));
    let mut machine = up(|_| ());
    step(&mut machine, [queued(0), queued(1)]);
    step(&mut machine, [Event::Stop { mode }]);
    assert!(drains(&machine), "QUIC has the rest to do");
    // The second waits until QUIC has taken the first.
    let mut machine = up(|_| ());
    step(&mut machine, [queued(0)]);
    step(&mut machine, [queued(1), Event::Stop { mode }]);
    assert!(!drains(&machine), "one is not written");
    let transfer = TransferId(0);
    step(&mut machine, [Event::TransferFinished { transfer }]);
    assert!(drains(&machine));
}

#[test]
fn a_sender_that_only_waits_for_its_application_does_not_dial() {
    let mut machine = up(|_| ());
    let (attempt, opener) = (Attempt(0), Side::Remote);
    let stream = StreamId { opener, index: 0 };
    let bytes = Bytes::from_static(&[0, 0, 0, 1, 9]);
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
    let mode = StopMode::Drain(Duration::from_secs(10));
    let error = LinkError::IdleTimeout;
    let lost = Event::ConnectionLost { attempt, error };
    step(&mut machine, [Event::Stop { mode }, lost]);
    assert!(!machine.is_closed(), "a reply is held");
    let deadline = machine.next_deadline().unwrap();
    assert_eq!(deadline.timer, Timer::Drain);
    let reason = WakeReason::Operator;
    assert!(step(&mut machine, [Event::Wake { reason }]).is_empty());
    let (lane, below) = (Lane(0), 1);
    step(&mut machine, [Event::Consumed { lane, below }]);
    assert!(machine.is_closed());
    assert_eq!(machine.stats().stale_events, 0);
}

#[test]
fn what_was_read_late_has_nobody_dialled() {
    let mut machine = up(|_| ());
    let (attempt, opener) = (Attempt(0), Side::Remote);
    let stream = StreamId { opener, index: 0 };
    let bytes = Bytes::from_static(&[0, 0, 0, 1, 9]);
    let received = Event::BytesReceived {
        attempt,
        stream,
        bytes,
        fin: false,
    };
    let addresses = Vec::new();
    let actions = step(&mut machine, [Event::AddressesChanged { addresses }]);
    let closes = |action: &Action| matches!(action, Action::Close { .. });
    assert!(actions.iter().any(closes), "{actions:?}");
    let opened = Event::StreamOpened { attempt, stream };
    let actions = step(&mut machine, [opened, received]);
    assert!(matches!(&actions[..], [Action::Deliver(_)]), "{actions:?}");
    let error = LinkError::Moved;
    let lost = Event::ConnectionLost { attempt, error };
    assert!(step(&mut machine, [lost]).is_empty());
    let (lane, below) = (Lane(0), 1);
    assert!(step(&mut machine, [Event::Consumed { lane, below }]).is_empty());
    assert_eq!(machine.stats().stale_events, 0);
    assert_eq!(machine.reply_stats().held_bytes, 0);
}
