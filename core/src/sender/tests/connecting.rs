//! Dialling, failing and waiting.

use alloc::format;
use alloc::string::ToString;

use super::bench::{Bench, MINUTE, config, receipt, resume};
use crate::wire::Frame;
use crate::*;

#[test]
fn it_dials_in_its_first_step_and_again_after_each_failure() {
    let mut bench = Bench::new();
    assert_eq!(bench.step([]), ["connecting", "dial 0"]);
    let timeout = "lost: no confirmed connection within the connect deadline; is the peer running and \
         reachable?";
    let waits = ["100ms", "100ms", "200ms", "300ms", "500ms", "800ms"];
    for (attempt, wait) in waits.into_iter().enumerate() {
        let close = format!("close {attempt}: done (0)");
        let failures = format!("failures {}", attempt + 1);
        let back_off = format!("back off {wait}");
        assert_eq!(
            bench.sleep(),
            ["after 5s", &close, timeout, &failures, &back_off]
        );
        let redial = [
            format!("after {wait}"),
            "connecting".into(),
            format!("dial {}", attempt + 1),
        ];
        assert_eq!(bench.sleep(), redial);
    }
}

#[test]
fn being_confirmed_alone_does_not_reset_the_backoff() {
    let mut bench = Bench::up();
    assert_eq!(bench.lose().last().unwrap(), "back off 100ms");
    for wait in ["100ms", "200ms", "300ms", "500ms"] {
        bench.sleep();
        bench.confirm();
        assert_eq!(bench.lose().last().unwrap(), &format!("back off {wait}"));
    }
    bench.sleep();
    bench.confirm();
    bench.now = bench.now + config().health_after;
    assert_eq!(bench.lose()[1..], ["failures 1", "back off 100ms"]);
}

#[test]
fn a_delivery_resets_the_backoff() {
    let mut bench = Bench::up();
    bench.lose();
    bench.sleep();
    bench.confirm();
    bench.queue(1);
    bench.hear(&[resume(0, 0), receipt(1)]);
    assert_eq!(bench.lose()[1..], ["failures 1", "back off 100ms"]);
}

#[test]
fn a_refusal_is_an_answer_and_resets_the_backoff_too() {
    let mut bench = Bench::up();
    bench.lose();
    bench.sleep();
    bench.confirm();
    bench.queue(1);
    let refuse = Frame::Refuse { number: 0, code: 2 };
    bench.hear(&[resume(0, 0), refuse]);
    assert_eq!(bench.lose()[1..], ["failures 1", "back off 100ms"]);
}

#[test]
fn a_peer_that_does_not_answer_open_is_given_up() {
    let mut bench = Bench::up();
    bench.wait(MINUTE);
    bench.queue(1);
    let words = bench.sleep();
    let lost = "lost: the peer accepted the connection but does not answer; is its program stuck?";
    assert_eq!(words[..3], ["after 5s", "close 0: done (0)", lost]);
    bench.sleep();
    bench.confirm();
    // Once it has answered, it may take its time.
    bench.taken_by_quic();
    bench.hear(&[resume(0, 0)]);
    assert_eq!(bench.machine.next_deadline(), None);
}

#[test]
fn permanent_errors_back_off_more_slowly() {
    let mut bench = Bench::new();
    bench.step([]);
    let (expected, offered) = (PeerKey([1; 32]), PeerKey([2; 32]));
    for wait in ["5s", "5s", "10s"] {
        let error = LinkError::WrongIdentity { expected, offered };
        let words = bench.fail(error);
        assert!(words[0].contains(&expected.to_string()), "{words:?}");
        assert!(words[0].contains(&offered.to_string()), "{words:?}");
        assert_eq!(words.last().unwrap(), &format!("back off {wait}"));
        bench.sleep();
    }
}

#[test]
fn events_of_other_connections_change_nothing() {
    let mut bench = Bench::up();
    bench.queue(2);
    bench.reconnect();
    let before = bench.machine.state().clone();
    let stale = bench.machine.stats().stale_events;
    let stream = StreamId {
        opener: Side::Local,
        index: 0,
    };
    let error = LinkError::Reset;
    for attempt in [Attempt(0), Attempt(7)] {
        let events = [
            Event::Connected { attempt },
            Event::ConnectFailed {
                attempt,
                error: error.clone(),
            },
            Event::ConnectionLost {
                attempt,
                error: error.clone(),
            },
            Event::StreamOpened { attempt, stream },
            Event::BytesReceived {
                attempt,
                stream,
                bytes: [9; 9][..].into(),
                fin: true,
            },
            Event::StreamReset {
                attempt,
                stream,
                code: 7,
            },
            Event::StreamStopped {
                attempt,
                stream,
                code: 7,
            },
            Event::TransferFinished {
                transfer: TransferId(99),
            },
        ];
        assert!(bench.step(events).is_empty());
    }
    assert_eq!(bench.machine.state(), &before);
    assert_eq!(bench.machine.stats().stale_events, stale + 16);
}

#[test]
fn time_that_goes_back_does_not_move_it() {
    let mut bench = Bench::new();
    bench.step([]);
    let deadline = bench.machine.next_deadline();
    bench.now = Time::ZERO;
    assert!(bench.step([Event::TimerFired]).is_empty());
    assert_eq!(bench.machine.next_deadline(), deadline);
}

#[test]
fn a_jump_far_ahead_fires_what_is_due_once() {
    let mut bench = Bench::new();
    bench.step([]);
    let words = bench.wait(MINUTE * 60 * 24 * 30);
    assert_eq!(words.last().unwrap(), "back off 100ms");
    assert_eq!(
        words.iter().filter(|word| word.starts_with("lost")).count(),
        1
    );
}

#[test]
fn a_stream_of_the_peers_that_makes_no_sense_breaks_the_protocol() {
    let mut bench = Bench::up();
    let (attempt, stream) = (
        Attempt(0),
        StreamId {
            opener: Side::Remote,
            index: 0,
        },
    );
    let bytes = bytes::Bytes::from_static(&[0x7f, 0]);
    let words = bench.step([
        Event::StreamOpened { attempt, stream },
        Event::BytesReceived {
            attempt,
            stream,
            bytes,
            fin: false,
        },
    ]);
    assert_eq!(words[0], "close 0: protocol error (1)");
    assert_eq!(bench.machine.stats().protocol_errors, 1);
}

#[test]
fn a_stream_that_the_peer_cuts_costs_the_connection() {
    let mut bench = Bench::up();
    bench.queue(1);
    let stream = StreamId {
        opener: Side::Local,
        index: 0,
    };
    let words = bench.step([Event::StreamReset {
        attempt: Attempt(0),
        stream,
        code: 7,
    }]);
    assert_eq!(
        words[..2],
        [
            "close 0: done (0)",
            "lost: the peer cut the lane's stream with code 7"
        ]
    );
}

#[test]
fn a_sender_tells_where_it_dials_and_how_often_that_failed() {
    let mut bench = Bench::new();
    bench.step([]);
    bench.lose();
    bench.sleep();
    bench.lose();
    let state = bench.machine.state();
    assert_eq!(state.backoff().failures(), 2);
    assert_eq!(state.addresses(), ["192.0.2.1:4433".parse().unwrap()]);
}
