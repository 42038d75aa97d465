//! What tools see that look at a sender from outside.

use alloc::vec::Vec;

use super::bench::{Bench, EPOCH, config, limited, receipt, resume};
use crate::*;

/// One step, and what each write of it holds.
fn written(bench: &mut Bench, events: Vec<Event>) -> Vec<Vec<u64>> {
    let mut actions = Vec::new();
    bench.machine.handle(bench.now, events, &mut actions);
    let writes = actions.iter().filter_map(|action| match action {
        Action::Write {
            attempt,
            stream,
            chunks,
            ..
        } => Some(bench.machine.messages_of(*attempt, *stream, chunks)),
        _ => None,
    });
    writes
        .map(|ids| ids.iter().map(|id| id.0).collect())
        .collect()
}

fn lane(bench: &Bench) -> LaneSnapshot {
    bench.machine.lane(Lane(0)).unwrap()
}

#[test]
fn it_is_known_which_messages_a_write_holds() {
    let mut bench = Bench::up();
    let (one, other) = (bench.message(b"a"), bench.message(&[7; 5_000]));
    assert_eq!(written(&mut bench, [one, other].into()), [[0, 1]]);
    bench.taken_by_quic();
    bench.hear(&[resume(0, 0)]);
    let (empty, last) = (bench.message(b"x"), bench.message(b"y"));
    assert_eq!(written(&mut bench, [empty, last].into()), [[2, 3]]);
    bench.taken_by_quic();
    bench.hear(&[receipt(1)]);

    // The receiver holds #1 already: what is written again begins behind it.
    bench.lose();
    bench.sleep();
    bench.confirm();
    bench.taken_by_quic();
    let answer = bench.back(&[resume(1, 2)], false);
    assert_eq!(written(&mut bench, [answer].into()), [[2, 3]]);
}

#[test]
fn it_is_known_what_a_lane_waits_for() {
    let mut bench = Bench::with(limited(|limits| limits.flight_messages_max = 2));
    assert_eq!(bench.machine.lane(Lane(0)), None);
    bench.queue(3);
    let snapshot = lane(&bench);
    assert_eq!(snapshot.holdup, Holdup::Connecting);
    assert_eq!((snapshot.queued, snapshot.next), (3, Some(MessageId(0))));
    bench.confirm();
    assert_eq!(lane(&bench).holdup, Holdup::QuicBlocked);
    bench.taken_by_quic();
    assert_eq!(lane(&bench).holdup, Holdup::AwaitsResume);
    assert_eq!(lane(&bench).receiver, None);
    bench.hear(&[resume(0, 0)]);
    let snapshot = lane(&bench);
    assert_eq!(snapshot.holdup, Holdup::FlightFull);
    assert_eq!(
        (snapshot.queued, snapshot.in_flight, snapshot.next),
        (1, 2, Some(MessageId(2)))
    );
    assert_eq!(snapshot.receiver, Some(EPOCH));
    bench.hear(&[receipt(2)]);
    bench.taken_by_quic();
    assert_eq!(lane(&bench).holdup, Holdup::AwaitsReceipts);
    bench.hear(&[receipt(3)]);
    assert_eq!(lane(&bench).holdup, Holdup::NothingToDo);
    bench.queue(1);
    bench.lose();
    assert_eq!(lane(&bench).holdup, Holdup::Backoff);
}

#[test]
fn a_plain_write_is_one_message() {
    let config = config().with_protocol(Protocol::Plain).unwrap();
    let mut bench = Bench::with(config);
    bench.step([]);
    bench.confirm();
    let (one, other) = (bench.message(b"a"), bench.message(b"b"));
    assert_eq!(written(&mut bench, [one, other].into()), [[0], [1]]);
    let stream = |opener| StreamId { opener, index: 1 };
    let machine = &bench.machine;
    let of = |attempt, opener| machine.messages_of(Attempt(attempt), stream(opener), &[]);
    assert_eq!(of(0, Side::Local), [MessageId(1)]);
    assert_eq!(of(0, Side::Remote), []);
    assert_eq!(of(1, Side::Local), []);
    assert_eq!(
        machine.lane_of(Attempt(0), stream(Side::Local)),
        Some(Lane(0))
    );
    assert_eq!(machine.lane_of(Attempt(0), stream(Side::Remote)), None);
    assert_eq!(machine.lane(Lane(0)).unwrap().holdup, Holdup::QuicBlocked);
}

#[test]
fn a_framed_write_is_all_that_it_was_composed_of() {
    let config = config().with_protocol(Protocol::Framed).unwrap();
    let mut bench = Bench::with(config);
    bench.step([]);
    bench.confirm();
    let (one, other) = (bench.message(b"a"), bench.message(b"b"));
    assert_eq!(written(&mut bench, [one, other].into()), [[0, 1]]);
    let transfer = TransferId(0);
    let taken = Event::TransferFinished { transfer };
    let (next, last) = (bench.message(b"c"), bench.message(b"d"));
    assert_eq!(written(&mut bench, [taken, next, last].into()), [[2, 3]]);
    let opener = Side::Local;
    let stream = StreamId { opener, index: 0 };
    let of = |attempt| bench.machine.messages_of(Attempt(attempt), stream, &[]);
    assert_eq!(of(0), [MessageId(2), MessageId(3)]);
    assert_eq!(of(1), []);
}

#[test]
fn a_stream_is_known_by_its_lane() {
    let mut bench = Bench::up();
    bench.queue(1);
    let (id, lane) = (MessageId(100), Lane(3));
    let (payload, options) = (bytes::Bytes::new(), MessageOptions::default());
    let queued = Event::MessageQueued {
        id,
        lane,
        payload,
        options,
    };
    let mut actions = Vec::new();
    bench.machine.handle(bench.now, [queued], &mut actions);
    let lanes = (0..3).map(|index| {
        let opener = Side::Local;
        bench
            .machine
            .lane_of(Attempt(0), StreamId { opener, index })
    });
    assert_eq!(
        lanes.collect::<Vec<_>>(),
        [Some(Lane(0)), Some(Lane(3)), None]
    );
}

#[test]
fn a_configuration_can_be_built_on() {
    let config = config();
    assert_eq!(config.to_builder().build().unwrap(), config);
    let bench = Bench::with(config.clone());
    assert_eq!(bench.machine.config(), &config);
    assert_eq!(bench.machine.last_error(), None);
}

#[test]
fn a_lane_without_messages_waits_for_nothing() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.taken_by_quic();
    bench.hear(&[resume(0, 0), receipt(1)]);
    bench.lose();
    assert_eq!(lane(&bench).holdup, Holdup::NothingToDo);
    assert_eq!(bench.machine.holdup(), Holdup::Backoff);
}

#[test]
fn it_is_known_what_went_wrong_last_and_when_it_is_tried_again() {
    let mut bench = Bench::up();
    assert_eq!(bench.machine.snapshot().next_attempt_at, None);
    bench.lose();
    let lost = bench.now;
    let error = Some(&(LinkError::IdleTimeout, lost));
    assert_eq!(bench.machine.last_error(), error);
    let again_at = bench.machine.snapshot().next_attempt_at;
    bench.sleep();
    assert_eq!(again_at, Some(bench.now), "it dials then");
    assert_eq!(bench.machine.snapshot().next_attempt_at, None);
    assert_eq!(bench.machine.last_error(), error, "it is still the last");
}
