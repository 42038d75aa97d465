//! Writing, receipts and limits.

use super::bench::{Bench, EPOCH, limited, receipt, resume};
use crate::wire::{Frame, Resume, VARINT_MAX};
use crate::*;

const DELIVERED: &str = "Delivered(Application)";

#[test]
fn messages_follow_a_fresh_open_at_once_and_receipts_settle_them() {
    let mut bench = Bench::up();
    assert_eq!(bench.queue(3), ["write OPEN fresh at 0 0 1 2"]);
    assert!(bench.hear(&[resume(0, 0)]).is_empty());
    assert_eq!(
        bench.hear(&[receipt(2)]),
        ["0: ", "1: "].map(|id| [id, DELIVERED].concat())
    );
    assert!(bench.hear(&[receipt(2)]).is_empty());
    assert_eq!(bench.hear(&[receipt(3)]), ["2: Delivered(Application)"]);
}

#[test]
fn one_write_is_under_way_at_a_time() {
    let mut bench = Bench::up();
    assert_eq!(bench.queue(1), ["write OPEN fresh at 0 0"]);
    assert!(bench.queue(1).is_empty());
    assert!(bench.queue(1).is_empty());
    assert_eq!(bench.taken_by_quic(), ["write 1 2"]);
    assert!(bench.taken_by_quic().is_empty());
    assert_eq!(bench.queue(1), ["write 3"]);
}

#[test]
fn a_write_holds_256_kib_or_one_message() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.hear(&[resume(0, 0)]);
    let large = [&[1; 100_000][..]; 4].map(|payload| bench.message(payload));
    bench.step(large);
    assert_eq!(bench.taken_by_quic(), ["write [100000] [100000]"]);
    assert_eq!(bench.taken_by_quic(), ["write [100000] [100000]"]);
}

#[test]
fn a_large_message_waits_for_the_receivers_limit() {
    let mut bench = Bench::up();
    let messages = [&[1; 65_536][..], &[2; 65_537], &[3; 10]].map(|p| bench.message(p));
    assert_eq!(bench.step(messages), ["write OPEN fresh at 0 [65536]"]);
    assert!(bench.taken_by_quic().is_empty());
    assert_eq!(bench.hear(&[resume(0, 0)]), ["write [65537] [10]"]);
}

#[test]
fn a_message_above_the_receivers_limit_is_refused_unwritten() {
    let mut bench = Bench::up();
    let messages = [&[1; 100_001][..], &[2; 100_000]].map(|p| bench.message(p));
    assert_eq!(bench.step(messages), ["write OPEN fresh at 0"]);
    bench.taken_by_quic();
    assert_eq!(
        bench.hear(&[resume(0, 0)]),
        ["write [100000]", "0: Refused(TooLarge)"]
    );
}

#[test]
fn the_flight_fills_and_frees() {
    let limited = limited(|it| {
        it.flight_messages_max = 2;
    });
    let mut bench = Bench::with(limited);
    bench.step([]);
    bench.confirm();
    assert_eq!(bench.queue(5), ["write OPEN fresh at 0 0 1"]);
    assert!(bench.taken_by_quic().is_empty());
    let words = bench.hear(&[resume(0, 0), receipt(1)]);
    assert_eq!(words, ["0: Delivered(Application)", "write 2"]);
}

#[test]
fn a_message_above_the_flights_bytes_goes_alone() {
    let limited = limited(|it| {
        it.flight_bytes_max = 10;
    });
    let mut bench = Bench::with(limited);
    bench.step([]);
    bench.confirm();
    let messages = [&[1; 20][..], &[2; 20]].map(|payload| bench.message(payload));
    assert_eq!(bench.step(messages), ["write OPEN fresh at 0 [20]"]);
    assert!(bench.taken_by_quic().is_empty());
    assert_eq!(bench.hear(&[resume(0, 0), receipt(1)])[1], "write [20]");
}

#[test]
fn what_is_not_accepted_is_handed_back_at_once() {
    let limited = limited(|it| {
        it.queue_messages_max = 2;
        it.queue_bytes_max = 10;
        it.message_bytes_max = 10;
    });
    let mut bench = Bench::with(limited);
    bench.step([]);
    assert!(bench.queue(2).is_empty());
    let full = "2 rejected: the queue is full; wait for room, or raise queue_messages_max or \
                queue_bytes_max";
    assert_eq!(bench.queue(1), [full]);
    let too_large = bench.message(&[0; 11]);
    let reason = "3 rejected: it has 11 bytes, the limit is 10; split it, or raise \
                  message_bytes_max on both ends";
    assert_eq!(bench.step([too_large]), [reason]);
    let (payload, lane) = (bytes::Bytes::new(), Lane(0));
    let again = Event::MessageQueued {
        id: MessageId(3),
        lane,
        payload: payload.clone(),
        options: MessageOptions::default(),
    };
    assert_eq!(
        bench.step([again]),
        ["3 rejected: its id does not come after those given before"]
    );
    let other = Event::MessageQueued {
        id: MessageId(9),
        lane: Lane(8),
        payload,
        options: MessageOptions::default(),
    };
    assert_eq!(
        bench.step([other]),
        ["9 rejected: lane 8 is not one of this sender's"]
    );
    assert_eq!(
        bench.machine.capacity(Lane(0)),
        Capacity {
            messages: 0,
            bytes: 8
        }
    );
}

#[test]
fn a_refused_message_is_settled_and_those_behind_it_go_on() {
    let mut bench = Bench::up();
    bench.queue(3);
    let refuse = Frame::Refuse { number: 1, code: 2 };
    let words = bench.hear(&[resume(0, 0), refuse, receipt(3)]);
    let expected = [
        "1: Refused(Application)",
        "0: Delivered(Application)",
        "2: Delivered(Application)",
    ];
    assert_eq!(words, expected);
}

#[test]
fn a_receiver_that_refuses_all_but_one_does_not_make_the_flight_grow() {
    let limited = limited(|it| {
        it.flight_messages_max = 4;
        it.queue_messages_max = 4;
    });
    let mut bench = Bench::with(limited);
    bench.step([]);
    bench.confirm();
    bench.queue(4);
    bench.hear(&[resume(0, 0)]);
    let mut written = 4;
    for number in 1..100 {
        bench.taken_by_quic();
        bench.queue(1);
        // `check` in each step sees that the flight keeps to its limit.
        let refuse = Frame::Refuse { number, code: 2 };
        bench.hear(&[refuse; 1][..usize::from(number < written)]);
        written = bench.machine.stats().written;
    }
    assert_eq!(written, 4);
    bench.hear(&[receipt(4)]);
    assert_eq!(bench.machine.stats().written, 8);
}

#[test]
fn the_head_of_a_large_message_keeps_no_large_buffer() {
    let mut bench = Bench::up();
    let message = bench.message(&[1; 60_000]);
    let mut actions = alloc::vec::Vec::new();
    bench.machine.handle(bench.now, [message], &mut actions);
    let [Action::Write { chunks, .. }, Action::Room { .. }] = &mut actions[..] else {
        panic!("a write and room")
    };
    let chunks = core::mem::take(chunks);
    let head = chunks.into_iter().next().unwrap();
    assert!(head.try_into_mut().unwrap().capacity() < 100);
}

#[test]
fn what_no_receiver_can_say_breaks_the_protocol() {
    let unlimited = |taken, next| {
        let epoch = EPOCH;
        Frame::Resume(Resume {
            epoch,
            record: 0,
            taken,
            next,
            message_bytes_max: 1 << 20,
        })
    };
    let cases: [(&[Frame], &str); 10] = [
        (&[receipt(0)], "unexpected RECEIPT frame"),
        (
            &[Frame::Refuse { number: 0, code: 2 }],
            "unexpected REFUSE frame",
        ),
        (&[Frame::Skip { count: 1 }], "unexpected SKIP frame"),
        (
            &[unlimited(0, 0), unlimited(0, 0)],
            "unexpected RESUME frame",
        ),
        (&[unlimited(0, 1)], "RESUME with next out of range"),
        (&[unlimited(1, 0)], "RESUME with taken out of range"),
        (
            &[unlimited(0, 0), receipt(3)],
            "RECEIPT covers a message that was never sent",
        ),
        (
            &[unlimited(0, 0), receipt(2), receipt(1)],
            "RECEIPT going back",
        ),
        (
            &[unlimited(0, 0), Frame::Refuse { number: 2, code: 2 }],
            "REFUSE of a message that cannot be refused",
        ),
        (
            &[
                unlimited(0, 0),
                receipt(1),
                Frame::Refuse { number: 0, code: 2 },
            ],
            "REFUSE of a message that cannot be refused",
        ),
    ];
    for (frames, error) in cases {
        let mut bench = Bench::up();
        bench.queue(2);
        let words = bench.hear(frames);
        let lost = alloc::format!("lost: the peer broke the protocol: {error}");
        assert!(words.contains(&lost), "{words:?} should say {lost}");
        assert!(
            words.contains(&"close 0: protocol error (1)".into()),
            "{words:?}"
        );
        assert_eq!(bench.machine.stats().protocol_errors, 1);
        // Nothing accepted is lost: what is open is asked for again.
        let stats = bench.machine.stats();
        assert_eq!(stats.delivered + stats.in_flight, 2);
        bench.sleep();
        let reopened = alloc::format!("write OPEN resumed at {}", stats.delivered);
        // Where nothing is open, the peer must still know whose connection it is, to reply.
        assert_eq!(bench.confirm().get(1), Some(&reopened));
    }
}

#[test]
fn a_receiver_may_take_messages_of_any_size() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.taken_by_quic();
    let resume = Frame::Resume(Resume {
        epoch: EPOCH,
        record: 0,
        taken: 0,
        next: 0,
        message_bytes_max: VARINT_MAX,
    });
    assert_eq!(bench.hear(&[resume]), [""; 0]);
    assert_eq!(bench.machine.snapshot().holdup, Holdup::AwaitsReceipts);
}
