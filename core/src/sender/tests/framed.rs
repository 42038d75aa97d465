//! The framed protocol: all messages on one stream.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::bench::limited;
use crate::*;

/// When the first connection came to stand.
const UP: Time = Time::from_secs(100);

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
    step_at(machine, UP, events)
}

fn step_at(
    machine: &mut PeerSenderMachine,
    now: Time,
    events: impl IntoIterator<Item = Event>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(now, events, &mut actions);
    machine.check().unwrap();
    let told = |action: &Action| !matches!(action, Action::Room { .. });
    actions.into_iter().filter(told).collect()
}

/// Steps at the next deadline, which is this one.
fn wait_for(machine: &mut PeerSenderMachine, timer: Timer) -> Vec<Action> {
    let deadline = machine.next_deadline().unwrap();
    assert_eq!(deadline.timer, timer);
    step_at(machine, deadline.at, [Event::TimerFired])
}

/// Waits out the backoff, and is confirmed again.
fn come_back(machine: &mut PeerSenderMachine, events: &[Event]) -> Vec<Action> {
    wait_for(machine, Timer::Backoff);
    let attempt = machine.state().link().attempt().unwrap();
    let now = machine.state().now;
    let connected = [Event::Connected { attempt }];
    step_at(machine, now, connected.iter().chain(events).cloned())
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

fn finished(transfer: u64) -> Event {
    let transfer = TransferId(transfer);
    Event::TransferFinished { transfer }
}

fn acknowledged(transfer: u64) -> Event {
    let transfer = TransferId(transfer);
    Event::TransferAcknowledged { transfer }
}

fn answered() -> Event {
    let attempt = Attempt(0);
    Event::ProbeAnswered { attempt }
}

/// The outcomes that fell.
fn outcomes(actions: &[Action]) -> Vec<(u64, Outcome)> {
    let settled = actions.iter().filter_map(|action| match action {
        Action::Settle { id, outcome } => Some((id.0, outcome.clone())),
        _ => None,
    });
    settled.collect()
}

/// How many messages are written.
fn written(actions: &[Action]) -> usize {
    let bytes = actions.iter().map(|action| match action {
        Action::Write { chunks, .. } => chunks.concat().len(),
        _ => 0,
    });
    bytes.sum::<usize>() / (4 + b"payload".len())
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
    assert_eq!(machine.snapshot().next_attempt_at, None);
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

#[test]
fn a_message_counts_as_written_once_a_connection_that_has_stood_has_answered() {
    let probe = Action::Probe {
        attempt: Attempt(0),
    };
    let mut machine = up(|_| ());
    step(&mut machine, [queued(0)]);
    assert_eq!(step(&mut machine, [finished(0), acknowledged(0)]), []);
    let almost = UP + (FRAMED_TRUSTED_AFTER - Duration::from_nanos(1));
    assert_eq!(step_at(&mut machine, almost, [Event::TimerFired]), []);
    let (at, timer) = (UP + FRAMED_TRUSTED_AFTER, Timer::Trust);
    assert_eq!(machine.next_deadline(), Some(Deadline { at, timer }));
    assert_eq!(wait_for(&mut machine, timer), [probe]);
    // It is asked once, and nothing counts before it has answered.
    let actions = step_at(&mut machine, at, [queued(1)]);
    assert_eq!((written(&actions), actions.len()), (1, 1));
    let taken = [finished(1), acknowledged(1)];
    assert_eq!(step_at(&mut machine, at, taken), []);
    assert_eq!(
        outcomes(&step_at(&mut machine, at, [answered()])),
        [(0, Outcome::Written), (1, Outcome::Written)]
    );
    // From then on what is acknowledged counts at once.
    step_at(&mut machine, at, [queued(2)]);
    let actions = step_at(&mut machine, at, [finished(2), acknowledged(2)]);
    assert_eq!(outcomes(&actions), [(2, Outcome::Written)]);
    assert_eq!(actions.len(), 1);
    assert_eq!(machine.stats().stale_events, 0);
}

#[test]
fn nobody_is_asked_before_anything_is_acknowledged() {
    let mut machine = up(|_| ());
    let actions = step(&mut machine, [queued(0)]);
    assert_eq!((written(&actions), actions.len()), (1, 1));
    let late = UP + 2 * FRAMED_TRUSTED_AFTER;
    assert_eq!(machine.next_deadline(), None);
    assert_eq!(step_at(&mut machine, late, [finished(0)]), []);
    let actions = step_at(&mut machine, late, [acknowledged(0)]);
    assert!(
        matches!(&actions[..], [Action::Probe { .. }]),
        "{actions:?}"
    );
}

#[test]
fn at_most_once_only_the_last_of_what_quic_was_not_given_whole_is_sent_again() {
    let at_most_once = |it: &mut SendLimits| it.policy.redelivery = Redelivery::AtMostOnce;
    let unknown = |id| (id, Outcome::Unknown(UnknownReason::ConnectionLost));
    for (taken, settled, again) in [
        (vec![], vec![unknown(0), unknown(1)], 1),
        (
            vec![finished(0)],
            vec![unknown(0), unknown(1), unknown(2)],
            0,
        ),
    ] {
        let mut machine = up(at_most_once);
        let actions = step(&mut machine, (0..3).map(queued));
        assert_eq!(written(&actions), 3, "in one write");
        step(&mut machine, taken);
        let actions = step(&mut machine, [lost(LinkError::IdleTimeout)]);
        assert_eq!(outcomes(&actions), settled);
        assert_eq!(written(&come_back(&mut machine, &[])), again);
        assert_eq!(machine.stats().redelivered, again as u64);
    }
}

#[test]
fn what_a_lost_connection_left_open_is_sent_again_and_counted() {
    let mut machine = up(|_| ());
    step(&mut machine, (0..3).map(queued));
    step(&mut machine, [lost(LinkError::IdleTimeout)]);
    let actions = come_back(&mut machine, &[queued(3)]);
    assert_eq!(written(&actions), 4);
    let stats = machine.stats();
    assert_eq!((stats.written, stats.redelivered), (7, 3));
}

#[test]
fn what_is_cancelled_before_it_is_sent_again_is_not() {
    let mut machine = up(|_| ());
    step(&mut machine, [queued(0), queued(1)]);
    step(&mut machine, [finished(0), lost(LinkError::IdleTimeout)]);
    let id = MessageId(0);
    let actions = come_back(&mut machine, &[Event::Cancel { id }]);
    let unknown = Outcome::Unknown(UnknownReason::ConnectionLost);
    assert_eq!(outcomes(&actions), [(0, unknown)]);
    assert_eq!(written(&actions), 1);
}

#[test]
fn it_says_whether_quic_or_the_peer_is_awaited() {
    let mut machine = up(|_| ());
    step(&mut machine, [queued(0)]);
    assert_eq!(machine.snapshot().holdup, Holdup::QuicBlocked);
    step(&mut machine, [finished(0)]);
    assert_eq!(machine.snapshot().holdup, Holdup::AwaitsAcknowledgement);
}

/// A sender that has written a message for whose outcome nobody waits any more.
fn impatient() -> (PeerSenderMachine, Time) {
    let mut machine = up(|_| ());
    let id = MessageId(0);
    step(&mut machine, [queued(0)]);
    assert_eq!(step(&mut machine, [finished(0), Event::Cancel { id }]), []);
    let actions = wait_for(&mut machine, Timer::Patience);
    let unknown = Outcome::Unknown(UnknownReason::Patience);
    assert_eq!(outcomes(&actions), [(0, unknown)]);
    let now = machine.state().now;
    (machine, now)
}

#[test]
fn a_stopping_sender_closes_once_all_that_it_wrote_has_arrived() {
    let (mut machine, now) = impatient();
    let mode = StopMode::Drain(Duration::from_secs(10));
    assert_eq!(step_at(&mut machine, now, [Event::Stop { mode }]), []);
    // No message awaits anything, so that there is nothing to drain.
    assert!(matches!(machine.state().link(), Link::Up(_)));
    let actions = step_at(&mut machine, now, [acknowledged(0)]);
    assert!(
        matches!(&actions[..], [Action::Probe { .. }]),
        "{actions:?}"
    );
    let actions = step_at(&mut machine, now, [answered()]);
    assert!(
        matches!(&actions[..], [Action::Close { .. }]),
        "{actions:?}"
    );
}

#[test]
fn a_peer_that_reads_no_more_of_the_one_stream_ends_its_connection() {
    let stopped = |opener, index| Event::StreamStopped {
        attempt: Attempt(0),
        stream: StreamId { opener, index },
        code: 5,
    };
    let mut machine = up(|_| ());
    step(&mut machine, [queued(0)]);
    // There is no other of ours.
    assert_eq!(step(&mut machine, [stopped(Side::Local, 1)]), []);
    assert_eq!(machine.stats().stale_events, 1);
    step(&mut machine, [stopped(Side::Local, 0)]);
    assert!(matches!(machine.state().link(), Link::Backoff { .. }));
    assert_eq!(machine.stats().stale_events, 1);
}

#[test]
fn a_stream_of_the_peer_that_never_was_is_not_cut() {
    let reset = |index| Event::StreamReset {
        attempt: Attempt(0),
        stream: StreamId {
            opener: Side::Remote,
            index,
        },
        code: 5,
    };
    let mut machine = up(|_| ());
    step(&mut machine, replied());
    assert_eq!(step(&mut machine, [reset(1)]), []);
    assert_eq!(machine.stats().stale_events, 1);
    step(&mut machine, [reset(0)]);
    assert_eq!(machine.stats().stale_events, 1);
}

#[test]
fn what_comes_late_on_a_connection_that_was_put_to_rest_has_nobody_dialled() {
    let mut machine = up(|_| ());
    let actions = wait_for(&mut machine, Timer::Idle);
    assert!(
        matches!(&actions[..], [Action::Close { .. }, Action::Emit(_)]),
        "{actions:?}"
    );
    assert_eq!(machine.state().link(), Link::Idle);
    let now = machine.state().now;
    let actions = step_at(&mut machine, now, replied());
    assert!(matches!(&actions[..], [Action::Deliver(_)]), "{actions:?}");
    // The peer is not told that it is answered.
    let (lane, below) = (Lane(0), 1);
    let consumed = Event::Consumed { lane, below };
    assert_eq!(step_at(&mut machine, now, [consumed]), []);
    assert_eq!(machine.state().link(), Link::Idle);
    assert_eq!(machine.stats().stale_events, 0);
}

#[test]
fn states_that_go_on_alike_compare_as_equal() {
    // So many messages went before, and of three more so many are acknowledged.
    let by_way_of = |before: u64, acks: u64, taken: bool| {
        let mut machine = up(|_| ());
        step(&mut machine, (0..before).map(queued));
        step(&mut machine, [finished(0), acknowledged(0)]);
        let now = UP + FRAMED_TRUSTED_AFTER;
        step_at(&mut machine, now, [Event::TimerFired]);
        step_at(&mut machine, now, [answered()]);
        assert_eq!(machine.stats().handed_over, before);
        for (id, transfer) in (before..before + 3).zip(1..) {
            step_at(&mut machine, now, [queued(id)]);
            if taken || transfer < 3 {
                step_at(&mut machine, now, [finished(transfer)]);
            }
        }
        let events = (1..=acks).map(acknowledged);
        step_at(&mut machine, now, events);
        machine.canonical()
    };
    for acks in 0..3 {
        assert_eq!(by_way_of(1, acks, true), by_way_of(5, acks, true));
        assert_eq!(by_way_of(1, acks, false), by_way_of(5, acks, false));
        assert_ne!(by_way_of(1, acks, true), by_way_of(1, acks, false));
        assert_ne!(by_way_of(1, acks, true), by_way_of(1, acks + 1, true));
    }
}
