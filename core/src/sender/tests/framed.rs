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

/// A reply of one byte comes on the first connection.
fn replied() -> [Event; 2] {
    let (attempt, opener) = (Attempt(0), Side::Remote);
    let stream = StreamId { opener, index: 0 };
    let received = Event::BytesReceived {
        attempt,
        stream,
        bytes: Bytes::from_static(&[0, 0, 0, 1, 9]),
        fin: false,
    };
    [Event::StreamOpened { attempt, stream }, received]
}

fn lost(error: LinkError) -> Event {
    let attempt = Attempt(0);
    Event::ConnectionLost { attempt, error }
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
    step(&mut machine, replied());
    let mode = StopMode::Drain(Duration::from_secs(10));
    let lost = lost(LinkError::IdleTimeout);
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
    let addresses = Vec::new();
    let actions = step(&mut machine, [Event::AddressesChanged { addresses }]);
    let closes = |action: &Action| matches!(action, Action::Close { .. });
    assert!(actions.iter().any(closes), "{actions:?}");
    assert_eq!(machine.state().left(), Some(Attempt(0)));
    let actions = step(&mut machine, replied());
    assert!(matches!(&actions[..], [Action::Deliver(_)]), "{actions:?}");
    assert!(step(&mut machine, [lost(LinkError::Moved)]).is_empty());
    assert_eq!(machine.state().left(), None);
    let (lane, below) = (Lane(0), 1);
    assert!(step(&mut machine, [Event::Consumed { lane, below }]).is_empty());
    assert_eq!(machine.stats().stale_events, 0);
    assert_eq!(machine.reply_stats().held_bytes, 0);
}

#[test]
fn what_a_world_does_not_tell_of_a_connection_is_over_with_the_next() {
    let mut machine = up(|_| ());
    // The reply waits behind one that fills the room, and half of another has come.
    let room = machine.config().inbound_bytes_max();
    let large = room.min(machine.config().message_bytes_max());
    let mut bytes = (large as u32).to_be_bytes().to_vec();
    bytes.resize(4 + large, 7);
    bytes.extend([0, 0, 0, 2, 9]);
    let [opened, _] = replied();
    let received = Event::BytesReceived {
        attempt: Attempt(0),
        stream: StreamId {
            opener: Side::Remote,
            index: 0,
        },
        bytes: bytes.into(),
        fin: false,
    };
    step(&mut machine, [opened, received]);
    let addresses = alloc::vec![([192, 0, 2, 9], 1).into()];
    step(&mut machine, [Event::AddressesChanged { addresses }]);
    assert_eq!(machine.state().left(), Some(Attempt(0)));
    let now = Time::from_secs(200);
    machine.handle(now, [Event::TimerFired], &mut Vec::new());
    let attempt = machine.state().link().attempt().unwrap();
    machine.handle(now, [Event::Connected { attempt }], &mut Vec::new());
    machine.check().unwrap();
    assert_eq!(machine.state().left(), None);
    assert_eq!(machine.reply_stats().incomplete, 1);
}
