//! Several lanes, messages that are taken back, and the peer's replies.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::bench::{Bench, EPOCH, MINUTE, config};
use crate::wire::{Frame, Open, Resume, encode_message_head};
use crate::*;

const ATTEMPT: Attempt = Attempt(0);

fn message(id: u64, lane: u8) -> Event {
    Event::MessageQueued {
        id: MessageId(id),
        lane: Lane(lane),
        payload: Bytes::from(alloc::format!("{id}")),
        options: MessageOptions::default(),
    }
}

fn on(opener: Side, index: u64, bytes: Vec<u8>, fin: bool) -> Event {
    Event::BytesReceived {
        attempt: ATTEMPT,
        stream: StreamId { opener, index },
        bytes: bytes.into(),
        fin,
    }
}

fn encoded(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    bytes
}

fn resume() -> Frame {
    Frame::Resume(Resume {
        epoch: EPOCH,
        record: 0,
        taken: 0,
        next: 0,
        message_bytes_max: 1_000,
    })
}

/// The start of the peer's lane, with these messages.
fn replies(session: u8, lane: u64, messages: &[&[u8]]) -> Vec<u8> {
    let session = SessionId([session; 16]);
    let open = Open {
        fresh: true,
        session,
        lane,
        base: 0,
    };
    let mut bytes = encoded(&[Frame::Open(open)]);
    for message in messages {
        encode_message_head(message.len(), &mut bytes);
        bytes.extend_from_slice(message);
    }
    bytes
}

fn run(machine: &mut PeerSenderMachine, events: Vec<Event>) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(Time::from_secs(1), events, &mut actions);
    machine.check().unwrap();
    actions
}

fn up() -> PeerSenderMachine {
    let mut machine = PeerSenderMachine::new(config(), [7; 32]);
    run(&mut machine, vec![]);
    run(&mut machine, vec![Event::Connected { attempt: ATTEMPT }]);
    machine
}

fn opened(index: u64) -> Event {
    let stream = StreamId {
        opener: Side::Remote,
        index,
    };
    Event::StreamOpened {
        attempt: ATTEMPT,
        stream,
    }
}

fn written_on(actions: &[Action]) -> Vec<(Side, u64)> {
    let places = actions.iter().filter_map(|action| match action {
        Action::Write { stream, .. } => Some((stream.opener, stream.index)),
        _ => None,
    });
    places.collect()
}

fn settled(actions: &[Action]) -> Vec<(u64, Outcome)> {
    let settled = actions.iter().filter_map(|action| match action {
        Action::Settle { id, outcome } => Some((id.0, outcome.clone())),
        _ => None,
    });
    settled.collect()
}

#[test]
fn each_lane_has_a_stream_and_limits_of_its_own() {
    let mut machine = up();
    let actions = run(
        &mut machine,
        vec![message(0, 5), message(1, 2), message(2, 5)],
    );
    assert_eq!(written_on(&actions), [(Side::Local, 0), (Side::Local, 1)]);
    let delivered = Outcome::Delivered(Level::Application);
    // The first stream carries lane 2, which stands first among the lanes.
    let taken = encoded(&[resume(), Frame::Receipt { taken: 1 }]);
    let actions = run(&mut machine, vec![on(Side::Local, 0, taken, false)]);
    assert_eq!(settled(&actions), [(1, delivered.clone())]);
    let taken = encoded(&[resume(), Frame::Receipt { taken: 2 }]);
    let actions = run(&mut machine, vec![on(Side::Local, 1, taken, false)]);
    assert_eq!(settled(&actions), [(0, delivered.clone()), (2, delivered)]);
}

#[test]
fn a_full_lane_takes_nothing_from_another() {
    let mut machine = up();
    let limits = config().send;
    let mut id = 0;
    while machine.capacity(Lane(0)).messages > 0 {
        run(&mut machine, vec![message(id, 0)]);
        id += 1;
    }
    let all = (limits.queue_messages_max + 1) as u64;
    assert_eq!(id, all, "QUIC takes none but the first write");
    assert_eq!(
        machine.capacity(Lane(1)).messages,
        limits.queue_messages_max
    );
    let actions = run(&mut machine, vec![message(id, 1)]);
    assert_eq!(written_on(&actions), [(Side::Local, 1)]);
}

#[test]
fn a_message_that_waits_is_taken_back_at_once_and_makes_room() {
    let mut machine = PeerSenderMachine::new(config(), [7; 32]);
    run(
        &mut machine,
        vec![message(0, 0), message(1, 3), message(2, 0)],
    );
    let actions = run(&mut machine, vec![Event::Cancel { id: MessageId(1) }]);
    let [
        Action::Settle {
            id: MessageId(1),
            outcome: Outcome::Cancelled,
        },
        room,
    ] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert!(matches!(room, Action::Room { lane: Lane(3), .. }));
    let again = vec![
        Event::Cancel { id: MessageId(1) },
        Event::Cancel { id: MessageId(9) },
    ];
    assert_eq!(run(&mut machine, again), []);
    assert_eq!(machine.stats().stale_events, 2);
}

#[test]
fn one_that_has_begun_is_taken_back_only_when_proven_not_received() {
    for (next, outcome) in [
        (0, Outcome::Cancelled),
        (1, Outcome::Delivered(Level::Application)),
    ] {
        let mut bench = Bench::up();
        bench.queue(2);
        bench.taken_by_quic();
        bench.hear(&[super::bench::resume(0, 0)]);
        assert!(bench.step([Event::Cancel { id: MessageId(0) }]).is_empty());
        bench.reconnect();
        bench.taken_by_quic();
        let words = bench.hear(&[super::bench::resume(next, next)]);
        assert!(
            words.contains(&alloc::format!("0: {outcome:?}")),
            "{words:?}"
        );
        assert!(words.contains(&"write SKIP 1 1".into()), "{words:?}");
    }
}

#[test]
fn a_stop_tells_what_was_taken_back_from_what_failed() {
    let mut bench = Bench::up();
    bench.queue(2);
    bench.taken_by_quic();
    bench.hear(&[super::bench::resume(0, 0)]);
    bench.reconnect();
    // The answer proves that neither was received; QUIC takes nothing yet.
    bench.hear(&[super::bench::resume(0, 0)]);
    assert_eq!(
        bench.step([Event::Cancel { id: MessageId(1) }]),
        ["1: Cancelled"]
    );
    let mode = StopMode::Abort;
    let words = bench.step([Event::Stop { mode }]);
    assert_eq!(words[0], "0: Failed(Stopped)");
}

#[test]
fn replies_are_delivered_and_answered_on_their_way_back() {
    let mut machine = up();
    let bytes = replies(4, 6, &[b"one", b"two"]);
    let actions = run(
        &mut machine,
        vec![opened(0), on(Side::Remote, 0, bytes, false)],
    );
    let delivered: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Deliver(message) => Some((message.lane, message.number)),
            _ => None,
        })
        .collect();
    assert_eq!(delivered, [(Lane(6), 0), (Lane(6), 1)]);
    let [.., Action::Write { transfer, .. }] = actions[..] else {
        panic!("RESUME is written at once")
    };
    let consumed = Event::Consumed {
        lane: Lane(6),
        below: 2,
    };
    let actions = run(
        &mut machine,
        vec![Event::TransferFinished { transfer }, consumed],
    );
    assert_eq!(written_on(&actions), [(Side::Remote, 0)]);
    assert_eq!(machine.reply_stats().delivered, 2);
}

#[test]
fn a_sending_half_that_begins_anew_voids_what_was_delivered_before() {
    let mut machine = up();
    let bytes = replies(4, 0, &[b"old"]);
    run(
        &mut machine,
        vec![opened(0), on(Side::Remote, 0, bytes, false)],
    );
    let error = LinkError::Reset;
    run(
        &mut machine,
        vec![Event::ConnectionLost {
            attempt: ATTEMPT,
            error,
        }],
    );
    let attempt = Attempt(1);
    let mut actions = Vec::new();
    let later = Time::from_secs(60);
    machine.handle(later, [Event::TimerFired], &mut actions);
    let stream = StreamId {
        opener: Side::Remote,
        index: 0,
    };
    let events = [
        Event::Connected { attempt },
        Event::StreamOpened { attempt, stream },
        Event::BytesReceived {
            attempt,
            stream,
            bytes: replies(5, 0, &[b"new"]).into(),
            fin: false,
        },
    ];
    actions.clear();
    machine.handle(later, events, &mut actions);
    machine.check().unwrap();
    let order: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::ForgetDelivered => Some("forget"),
            Action::Deliver(_) => Some("deliver"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["forget", "deliver"]);
    assert_eq!(
        machine.reply_stats().held_bytes,
        128 + 3,
        "only the new one"
    );
}

#[test]
fn a_further_lane_of_replies_leaves_what_came_on_the_first() {
    let mut machine = up();
    let first = replies(4, 0, &[b"one"]);
    run(
        &mut machine,
        vec![opened(0), on(Side::Remote, 0, first, false)],
    );
    let second = replies(4, 1, &[b"two"]);
    let actions = run(
        &mut machine,
        vec![opened(1), on(Side::Remote, 1, second, false)],
    );
    assert!(!actions.contains(&Action::ForgetDelivered), "{actions:?}");
    assert_eq!(machine.reply_stats().held_bytes, 2 * (128 + 3));
}

#[test]
fn a_drain_reads_replies_until_its_own_lanes_have_ended_and_answers_what_is_held() {
    let mut machine = up();
    let actions = run(&mut machine, vec![message(0, 0)]);
    let [Action::Write { transfer, .. }, ..] = actions[..] else {
        panic!("{actions:?}")
    };
    run(&mut machine, vec![Event::TransferFinished { transfer }]);
    run(
        &mut machine,
        vec![on(Side::Local, 0, encoded(&[resume()]), false)],
    );
    let mode = StopMode::Drain(MINUTE);
    let actions = run(&mut machine, vec![Event::Stop { mode }]);
    assert!(matches!(actions[..], [Action::Write { fin: true, .. }]));
    let bytes = replies(4, 0, &[b"reply"]);
    let actions = run(
        &mut machine,
        vec![opened(0), on(Side::Remote, 0, bytes, false)],
    );
    let [Action::Deliver(_), Action::Write { transfer, .. }] = actions[..] else {
        panic!("{actions:?}")
    };
    run(&mut machine, vec![Event::TransferFinished { transfer }]);
    let end = encoded(&[Frame::Receipt { taken: 1 }]);
    let actions = run(&mut machine, vec![on(Side::Local, 0, end, true)]);
    let [Action::Settle { .. }, Action::PauseReading { .. }] = actions[..] else {
        panic!("the reply is not answered: {actions:?}")
    };
    let consumed = Event::Consumed {
        lane: Lane(0),
        below: 1,
    };
    let actions = run(&mut machine, vec![consumed]);
    let [
        Action::Write {
            fin: true, stream, ..
        },
    ] = actions[..]
    else {
        panic!("{actions:?}")
    };
    let attempt = ATTEMPT;
    let actions = run(
        &mut machine,
        vec![Event::StreamAcknowledged { attempt, stream }],
    );
    let reason = StopReason::Drained;
    let stopped = Action::Emit(PeerEvent::SenderStopped { reason });
    assert_eq!(actions.last(), Some(&stopped));
    assert!(matches!(
        actions[0],
        Action::Close {
            code: CloseCode::Done,
            ..
        }
    ));
}
