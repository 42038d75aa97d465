//! The plain protocol: each message has a stream of its own, and the peer's transport answers.

mod bench;

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use self::bench::Bench;
use crate::table::{TRANSITIONS, is_without_lanes};
use crate::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn each_message_has_a_stream_and_is_settled_as_its_stream_ends() {
    let mut bench = Bench::up();
    let written = bench.queue(3);
    assert_eq!(
        written,
        ["stream 0: m0 (0)", "stream 1: m1 (1)", "stream 2: m2 (2)"]
    );
    let (second, first) = (bench.acknowledged(1), bench.acknowledged(0));
    assert_eq!(bench.step([second]), ["1: Delivered(Transport)"]);
    let refused = bench.stopped(2, 77);
    assert_eq!(
        bench.step([refused, first.clone()]),
        ["2: Refused(Other(77))", "0: Delivered(Transport)"]
    );
    assert_eq!(bench.step([first]), [""; 0], "told twice");
    assert_eq!(bench.stale(), 1);
    assert_eq!(bench.machine.stats().delivered, 2);
}

#[test]
fn a_refusal_by_the_peer_concerns_one_message_only() {
    let mut bench = Bench::up();
    bench.queue(1);
    let refused = bench.stopped(0, 0);
    assert_eq!(bench.step([refused]), ["0: Refused(Other(0))"]);
    assert_eq!(bench.queue(1), ["stream 1: m1 (1)"]);
    assert!(matches!(bench.machine.state().link(), Link::Up(_)));
}

#[test]
fn check_sees_a_write_whose_name_comes_again() {
    let mut bench = Bench::up();
    bench.queue(2);
    assert_eq!(bench.machine.check(), Ok(()));
    bench.machine.state.transfers = 1;
    let found = bench.machine.check();
    assert_eq!(found.map_err(|it| it.id), Err("I10"));
}

#[test]
fn an_answer_proves_the_peer_healthy() {
    let mut bench = Bench::up();
    bench.lose();
    bench.come_back();
    bench.queue(1);
    let acknowledged = bench.acknowledged(0);
    bench.step([acknowledged]);
    assert_eq!(bench.lose()[1], "failures 1", "begun anew");
}

#[test]
fn streams_messages_and_bytes_in_flight_are_bounded() {
    type Set = fn(&mut SendLimits);
    let sets: [Set; 3] = [
        |it| it.streams_max = 2,
        |it| it.flight_messages_max = 2,
        |it| it.flight_bytes_max = 5,
    ];
    for set in sets {
        let mut bench = Bench::up_with(set);
        assert_eq!(bench.queue(4), ["stream 0: m0 (0)", "stream 1: m1 (1)"]);
        bench.taken(&[0, 1]);
        assert_eq!(bench.machine.snapshot().holdup, Holdup::FlightFull);
        let acknowledged = bench.acknowledged(1);
        assert_eq!(
            bench.step([acknowledged]),
            ["1: Delivered(Transport)", "stream 2: m2 (2)"]
        );
    }
}

#[test]
fn a_message_above_the_bytes_in_flight_goes_alone() {
    let mut bench = Bench::up_with(|it| it.flight_bytes_max = 1);
    assert_eq!(bench.queue(2), ["stream 0: m0 (0)"]);
    let acknowledged = bench.acknowledged(0);
    assert_eq!(
        bench.step([acknowledged]),
        ["0: Delivered(Transport)", "stream 1: m1 (1)"]
    );
}

#[test]
fn what_a_lost_connection_left_open_is_sent_again_in_its_old_place() {
    let mut bench = Bench::up_with(|it| it.streams_max = 2);
    bench.queue(3);
    bench.taken(&[0]);
    assert_eq!(bench.lose()[0], "lost");
    assert_eq!(
        bench.come_back(),
        ["connected", "stream 0: m0 (2)", "stream 1: m1 (3)"]
    );
    assert_eq!(bench.machine.stats().redelivered, 2);
    let acknowledged = bench.acknowledged(0);
    assert_eq!(
        bench.step([acknowledged]),
        ["0: Delivered(Transport)", "stream 2: m2 (4)"]
    );
}

#[test]
fn at_most_once_only_what_quic_was_not_given_whole_is_sent_again() {
    let mut bench = Bench::up_with(|it| it.policy.redelivery = Redelivery::AtMostOnce);
    bench.queue(3);
    bench.taken(&[0, 2]);
    let lost = bench.lose();
    assert_eq!(
        lost[2..],
        ["0: Unknown(ConnectionLost)", "2: Unknown(ConnectionLost)"]
    );
    assert_eq!(bench.come_back(), ["connected", "stream 0: m1 (3)"]);
    bench.taken(&[3]);
    assert_eq!(bench.lose()[2..], ["1: Unknown(ConnectionLost)"]);
}

#[test]
fn a_connection_that_is_given_up_here_proves_nothing() {
    let mut bench = Bench::up_with(|it| it.policy.redelivery = Redelivery::AtMostOnce);
    bench.queue(1);
    // What QUIC was given since the last step is not known yet.
    let addresses = alloc::vec!["192.0.2.9:1".parse().unwrap()];
    bench.machine.handle(
        bench.now,
        [Event::AddressesChanged { addresses }],
        &mut Vec::new(),
    );
    bench.machine.check().unwrap();
    assert_eq!(bench.machine.stats().unknown, 1);
}

#[test]
fn what_has_begun_and_is_cancelled_ends_by_what_shows_of_it() {
    let mut bench = Bench::up_with(|it| it.streams_max = 4);
    bench.queue(5);
    bench.taken(&[0, 1]);
    assert_eq!(bench.cancel(4), ["4: Cancelled"], "it had not begun");
    for id in 0..3 {
        assert!(bench.cancel(id).is_empty());
    }
    let acknowledged = bench.acknowledged(0);
    assert_eq!(bench.step([acknowledged]), ["0: Delivered(Transport)"]);
    assert_eq!(
        bench.lose()[2..],
        ["1: Unknown(ConnectionLost)", "2: Cancelled"]
    );
    assert_eq!(bench.cancel(3), ["3: Cancelled"], "nobody has it whole");
    assert_eq!(bench.come_back(), ["connected"]);
}

#[test]
fn what_waits_to_be_sent_again_and_is_cancelled_is_of_unknown_fate() {
    let mut bench = Bench::up();
    bench.queue(2);
    bench.taken(&[0, 1]);
    bench.lose();
    assert_eq!(bench.cancel(0), ["0: Unknown(ConnectionLost)"]);
    assert_eq!(bench.come_back(), ["connected", "stream 0: m1 (2)"]);
}

#[test]
fn patience_ends_while_the_connection_stands_and_resets_the_stream() {
    let mut bench = Bench::up();
    bench.queue(2);
    assert!(bench.cancel(1).is_empty());
    assert_eq!(
        bench.machine.next_deadline().unwrap().timer,
        Timer::Patience
    );
    assert_eq!(
        bench.wait_for_deadline(),
        ["1: Unknown(Patience)", "reset 1"]
    );
    let acknowledged = bench.acknowledged(1);
    assert!(bench.step([acknowledged]).is_empty());
    assert_eq!(bench.stale(), 1);
    let acknowledged = bench.acknowledged(0);
    assert_eq!(bench.step([acknowledged]), ["0: Delivered(Transport)"]);
}

#[test]
fn a_stream_that_is_reset_is_traffic_however_late_the_step() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.cancel(0);
    // Far beyond the patience, and beyond the time after which a silent connection is ended.
    bench.now = bench.now + 1_000 * SECOND;
    bench.step([]);
    let deadline = bench.machine.next_deadline().unwrap();
    assert_eq!(deadline.timer, Timer::Idle);
    assert!(deadline.at > bench.now);
}

#[test]
fn what_has_begun_expires_like_that_too() {
    let mut bench = Bench::up_with(|it| it.policy.ttl = Some(SECOND));
    bench.queue(2);
    bench.taken(&[0]);
    assert!(bench.wait_for_deadline().is_empty());
    assert_eq!(
        bench.lose()[2..],
        ["0: Unknown(ConnectionLost)", "1: Expired"]
    );
}

#[test]
fn a_drain_ends_once_every_stream_is_acknowledged_and_closes_with_0() {
    let mut bench = Bench::up_with(|it| it.streams_max = 1);
    bench.queue(2);
    let mode = StopMode::Drain(10 * SECOND);
    assert!(bench.step([Event::Stop { mode }]).is_empty());
    let acknowledged = bench.acknowledged(0);
    assert_eq!(
        bench.step([acknowledged]),
        ["0: Delivered(Transport)", "stream 1: m1 (1)"]
    );
    assert!(matches!(bench.machine.state().link(), Link::Draining(_)));
    let acknowledged = bench.acknowledged(1);
    assert_eq!(
        bench.step([acknowledged]),
        ["1: Delivered(Transport)", "close: done (0)"]
    );
    assert_eq!(bench.machine.state().link(), Link::Idle);
    assert_eq!(bench.lose(), ["stopped: Drained"]);
    let taken = TRANSITIONS.iter().zip(bench.machine.visits());
    let mut without_lanes = taken.filter(|(row, _)| is_without_lanes(row));
    assert!(without_lanes.all(|(_, &visits)| visits == 1));
}

#[test]
fn an_abort_tells_what_was_written_from_what_was_not() {
    let mut bench = Bench::up_with(|it| it.streams_max = 1);
    bench.queue(2);
    let mode = StopMode::Abort;
    assert_eq!(
        bench.step([Event::Stop { mode }]),
        [
            "0: Unknown(Stopped)",
            "1: Failed(Stopped)",
            "close: going away (3)",
            "stopped: Aborted"
        ]
    );
}

#[test]
fn an_idle_connection_is_parted_from_at_once() {
    let mut bench = Bench::up();
    bench.queue(1);
    let acknowledged = bench.acknowledged(0);
    bench.step([acknowledged]);
    assert_eq!(bench.wait_for_deadline(), ["close: done (0)", "idle"]);
    assert_eq!(bench.queue(1), ["connecting", "dial 1"]);
}

#[test]
fn messages_come_the_other_way_too() {
    let mut bench = Bench::up();
    let (attempt, opener) = (bench.attempt, Side::Remote);
    let stream = StreamId { opener, index: 3 };
    let bytes = |bytes: &'static str, fin| Event::BytesReceived {
        attempt,
        stream,
        bytes: bytes.into(),
        fin,
    };
    let opened = Event::StreamOpened { attempt, stream };
    assert!(bench.step([opened, bytes("hel", false)]).is_empty());
    assert_eq!(bench.step([bytes("lo", true)]), ["got 5 as 0"]);
    assert_eq!(bench.machine.stats().stale_events, 0);
    // It could not reach us without the connection.
    assert_eq!(bench.machine.next_deadline(), None);
    let (lane, below) = (Lane(0), 1);
    assert!(bench.step([Event::Consumed { lane, below }]).is_empty());
    assert_eq!(bench.machine.reply_stats().held_bytes, 0);
}

#[test]
fn states_that_go_on_alike_compare_as_equal() {
    let by_way_of = |before: u64, open: u64| {
        let mut bench = Bench::up();
        bench.queue(before);
        let acknowledged: Vec<_> = (0..before).map(|index| bench.acknowledged(index)).collect();
        bench.step(acknowledged);
        bench.now = bench.now + 20 * SECOND;
        let message = |id| Event::MessageQueued {
            id: MessageId(before + id),
            lane: Lane(0),
            payload: Bytes::from_static(b"the same"),
            options: MessageOptions::default(),
        };
        bench.step((0..3).map(message));
        let acknowledged = bench.acknowledged(before + open);
        bench.step([acknowledged]);
        bench.machine.canonical()
    };
    assert_eq!(by_way_of(1, 0), by_way_of(5, 0));
    assert_eq!(by_way_of(1, 1), by_way_of(5, 1));
    // Alike too: which streams they are makes no difference.
    assert_eq!(by_way_of(1, 0), by_way_of(1, 1));
}

#[test]
fn a_class_of_a_lane_that_plain_has_not_is_refused_and_not_ignored() {
    let builder = || Config::builder("192.0.2.1:1".parse().unwrap());
    let classed = || builder().priority(Lane(1), Priority::High);
    let of_lanes = classed().build().unwrap();
    let replies = of_lanes.send_limits().clone();
    let spoken = ReceiverConfig::default()
        .with_protocol(Protocol::Plain)
        .unwrap();
    let receiver = ReceiverConfig::default().with_replies(replies.clone());
    for refused in [
        classed().protocol(Protocol::Plain).build().err(),
        of_lanes.with_protocol(Protocol::Plain).err(),
        spoken.with_replies(replies).err(),
        receiver.unwrap().with_protocol(Protocol::Plain).err(),
    ] {
        assert_eq!(refused.unwrap().field, "priority");
    }
    let first = builder().priority(Lane(0), Priority::High);
    assert!(first.protocol(Protocol::Plain).build().is_ok());
}

#[test]
fn the_highest_id_that_there_is_compares_like_any_other() {
    let with = |id| {
        let mut bench = Bench::up();
        let id = MessageId(id);
        let (lane, payload) = (Lane(0), Bytes::from_static(b"m"));
        let options = MessageOptions::default();
        let queued = Event::MessageQueued {
            id,
            lane,
            payload,
            options,
        };
        assert_eq!(bench.step([queued]).len(), 1);
        bench.machine.canonical()
    };
    assert_eq!(with(u64::MAX), with(5));
}

#[test]
fn what_never_came_whole_is_counted_once() {
    let opener = Side::Remote;
    let begun = |bench: &Bench, index| {
        let (attempt, stream) = (bench.attempt, StreamId { opener, index });
        let received = Event::BytesReceived {
            attempt,
            stream,
            bytes: Bytes::from_static(b"half"),
            fin: false,
        };
        [Event::StreamOpened { attempt, stream }, received]
    };
    let ends: [fn(&mut Bench); 3] = [
        |bench| drop(bench.lose()),
        |bench| {
            let mode = StopMode::Drain(SECOND);
            bench.step([Event::Stop { mode }]);
            bench.lose();
        },
        |bench| {
            bench.wait_for_deadline();
            bench.lose();
        },
    ];
    for end in ends {
        let mut bench = Bench::up();
        let events = [begun(&bench, 0), begun(&bench, 1)].concat();
        bench.step(events);
        end(&mut bench);
        assert_eq!(bench.machine.reply_stats().incomplete, 2);
    }
}

#[test]
fn a_stopping_sender_drains_once_each_message_is_on_its_stream() {
    let drains = |bench: &Bench| matches!(bench.machine.state().link(), Link::Draining(_));
    let mode = StopMode::Drain(SECOND);
    let mut bench = Bench::up_with(|it| it.streams_max = 1);
    bench.queue(2);
    bench.step([Event::Stop { mode }]);
    assert!(!drains(&bench), "a message waits for its stream");
    let acknowledged = bench.acknowledged(0);
    bench.step([acknowledged]);
    assert!(drains(&bench));
    let mut bench = Bench::up();
    bench.queue(2);
    bench.step([Event::Stop { mode }]);
    assert!(drains(&bench));
    assert_eq!(bench.machine.stats().written, 2);
}

#[test]
fn what_is_cancelled_as_its_next_connection_stands_is_not_sent_again() {
    let mut bench = Bench::up();
    bench.queue(2);
    bench.taken(&[0, 1]);
    bench.lose();
    bench.wait_for_deadline();
    let (attempt, id) = (bench.attempt, MessageId(0));
    let words = bench.step([Event::Connected { attempt }, Event::Cancel { id }]);
    assert_eq!(
        words,
        [
            "connected",
            "0: Unknown(ConnectionLost)",
            "stream 0: m1 (2)"
        ]
    );
}

#[test]
fn all_that_is_written_awaits_its_acknowledgement() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.taken(&[0]);
    assert_eq!(
        bench.machine.snapshot().holdup,
        Holdup::AwaitsAcknowledgement
    );
}
