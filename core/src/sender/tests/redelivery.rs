//! What a lost connection leaves open, and what the next RESUME says of it.

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;

use super::bench::{Bench, EPOCH, limited, receipt, resume, resume_of};
use crate::wire::Frame;
use crate::*;

#[test]
fn after_a_loss_nothing_is_written_before_resume_has_judged() {
    let mut bench = Bench::up();
    bench.queue(3);
    bench.hear(&[resume(0, 0), receipt(1)]);
    bench.lose();
    bench.sleep();
    bench.queue(1);
    assert_eq!(bench.confirm(), ["connected", "write OPEN resumed at 1"]);
    assert!(bench.taken_by_quic().is_empty());
    // 1 was taken, 2 is held: only what is new is written.
    let words = bench.hear(&[resume(2, 3)]);
    assert_eq!(words, ["1: Delivered(Application)", "write SKIP 2 3"]);
    assert_eq!(bench.hear(&[receipt(4)]).len(), 2);
}

#[test]
fn what_was_not_received_is_sent_again_in_its_place() {
    let mut bench = Bench::up();
    bench.queue(3);
    bench.hear(&[resume(0, 0)]);
    bench.reconnect();
    bench.queue(1);
    bench.taken_by_quic();
    assert_eq!(
        bench.hear(&[resume(1, 1)]),
        ["0: Delivered(Application)", "write SKIP 1 1 2 3"]
    );
    assert_eq!(bench.machine.stats().redelivered, 2);
}

#[test]
fn a_receiver_that_starts_anew_gets_everything_that_is_open() {
    let mut bench = Bench::up();
    bench.queue(3);
    bench.hear(&[resume(0, 0), receipt(1)]);
    bench.reconnect();
    bench.taken_by_quic();
    // Another record: what the old one took is not known any more.
    assert_eq!(bench.hear(&[resume_of(1, 1, 1)]), ["write 1 2"]);
    assert_eq!(bench.hear(&[receipt(3)]).len(), 2);
}

#[test]
fn receipts_that_came_with_the_loss_count() {
    let mut bench = Bench::up();
    bench.queue(2);
    bench.hear(&[resume(0, 0)]);
    let last = bench.back(&[receipt(2)], false);
    let lost = Event::ConnectionLost {
        attempt: Attempt(0),
        error: LinkError::Reset,
    };
    let words = bench.step([last, lost]);
    assert_eq!(
        words[..2],
        ["0: Delivered(Application)", "1: Delivered(Application)"]
    );
    // The delivery was proof of health.
    assert_eq!(words.last().unwrap(), "back off 100ms");
}

#[test]
fn a_refused_number_is_passed_over_by_a_receiver_that_knows_nothing() {
    let mut bench = Bench::up();
    bench.queue(4);
    bench.hear(&[resume(0, 0), Frame::Refuse { number: 2, code: 3 }]);
    bench.reconnect();
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume_of(5, 0, 0)]), ["write 0 1 SKIP 1 3"]);
    // A refusal that was told already may be told again.
    assert!(
        bench
            .hear(&[Frame::Refuse { number: 2, code: 3 }])
            .is_empty()
    );
    assert_eq!(bench.hear(&[receipt(4)]).len(), 3);
}

#[test]
fn refusals_come_again_before_the_receipt_that_covers_them() {
    let mut bench = Bench::up();
    bench.queue(3);
    bench.hear(&[resume(0, 0)]);
    bench.reconnect();
    bench.taken_by_quic();
    let refuse = Frame::Refuse { number: 1, code: 2 };
    let words = bench.hear(&[resume(1, 3), refuse, receipt(3)]);
    let expected = [
        "0: Delivered(Application)",
        "1: Refused(Application)",
        "2: Delivered(Application)",
        "write SKIP 3",
    ];
    assert_eq!(words, expected);
}

/// A RESUME of this record by a receiver that takes 3,000 bytes.
fn resume_of_smaller(record: u64) -> Frame {
    let resume = wire::Resume {
        epoch: EPOCH,
        record,
        taken: 0,
        next: 0,
        message_bytes_max: 3_000,
    };
    Frame::Resume(resume)
}

#[test]
fn what_was_not_received_and_is_too_large_now_is_refused_and_passed_over() {
    let mut bench = Bench::up();
    let messages = [&[1; 60_000][..], &[2; 2_000], &[3; 60_000]].map(|p| bench.message(p));
    bench.step(messages);
    bench.hear(&[resume(0, 0)]);
    bench.reconnect();
    bench.taken_by_quic();
    let words = bench.hear(&[resume_of_smaller(0)]);
    let expected = [
        "write SKIP 1 [2000] SKIP 1",
        "0: Refused(TooLarge)",
        "2: Refused(TooLarge)",
    ];
    assert_eq!(words, expected);
}

#[test]
fn what_may_have_been_taken_is_never_called_refused_by_a_smaller_receiver() {
    let mut bench = Bench::up();
    let messages = [&[1; 60_000][..], &[2; 2_000]].map(|p| bench.message(p));
    bench.step(messages);
    bench.hear(&[resume(0, 0)]);
    bench.reconnect();
    bench.taken_by_quic();
    let words = bench.hear(&[resume_of_smaller(1)]);
    assert_eq!(words, ["write SKIP 1 [2000]", "0: Unknown(Forgotten)"]);
}

#[test]
fn what_an_unheard_receiver_may_have_taken_is_never_called_refused_by_a_smaller_one() {
    let mut bench = Bench::up();
    let message = bench.message(&[1; 60_000]);
    bench.step([message]);
    // The receiver is restarted before its first RESUME is heard.
    bench.reconnect();
    bench.taken_by_quic();
    let words = bench.hear(&[resume_of_smaller(0)]);
    assert_eq!(words, ["write SKIP 1", "0: Unknown(Forgotten)"]);
}

#[test]
fn what_is_proven_not_received_stays_so_in_a_new_session() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.hear(&[resume(0, 0)]);
    bench.reconnect();
    // Proven, and not written again, since QUIC has not taken the OPEN.
    bench.hear(&[resume(0, 0)]);
    let other = Event::MessageQueued {
        id: MessageId(1),
        lane: Lane(1),
        payload: Bytes::from_static(b"1"),
        options: MessageOptions::default(),
    };
    bench.step([other]);
    bench.fail(LinkError::Closed {
        code: CloseCode::Protocol,
        reason: String::new(),
    });
    let words = bench.step([Event::Cancel { id: MessageId(0) }]);
    assert_eq!(words, ["0: Cancelled"]);
}

#[test]
fn a_session_that_is_known_already_is_left_for_a_new_one() {
    let mut bench = Bench::up();
    bench.queue(2);
    let error = LinkError::Closed {
        code: CloseCode::Protocol,
        reason: "session reused".into(),
    };
    bench.fail(error.clone());
    bench.sleep();
    assert_eq!(bench.confirm()[1], "write OPEN fresh at 0 0 1");
    bench.hear(&[resume(0, 0)]);
    // After its RESUME a close with code 1 says nothing of the session.
    bench.fail(error);
    bench.sleep();
    assert_eq!(bench.confirm()[1], "write OPEN resumed at 0");
}

#[test]
fn a_new_session_begins_with_number_0_whatever_was_settled_before_it() {
    let second = Duration::from_secs(1);
    let mut bench = Bench::with(limited(|send| send.policy.patience = second));
    bench.queue(2);
    bench.confirm();
    bench.cancel(0);
    bench.fail(LinkError::Closed {
        code: CloseCode::Protocol,
        reason: "session reused".into(),
    });
    while bench.machine.stats().unknown == 0 {
        bench.sleep();
    }
    while !matches!(bench.machine.state().link(), Link::Connecting { .. }) {
        bench.sleep();
    }
    assert_eq!(bench.confirm()[1], "write OPEN fresh at 0 1");
}

#[test]
fn proof_that_a_message_did_not_arrive_ends_with_its_next_byte() {
    let stopped_after = |resent: bool| {
        let mut bench = Bench::up();
        bench.queue(1);
        bench.hear(&[resume(0, 0)]);
        bench.reconnect();
        if resent {
            bench.taken_by_quic();
        }
        bench.hear(&[resume(0, 0)]);
        bench.step([Event::Stop {
            mode: StopMode::Abort,
        }])
    };
    assert_eq!(stopped_after(false)[0], "0: Failed(Stopped)");
    assert_eq!(stopped_after(true)[0], "0: Unknown(Stopped)");
}

#[test]
fn what_was_once_unproven_stays_so() {
    let mut bench = Bench::up();
    bench.queue(1);
    bench.hear(&[resume(0, 0)]);
    bench.reconnect();
    bench.hear(&[resume_of(1, 0, 0)]);
    bench.reconnect();
    // The second record has it not; the first may have taken it.
    bench.hear(&[resume_of(1, 0, 0)]);
    let words = bench.step([Event::Stop {
        mode: StopMode::Abort,
    }]);
    assert_eq!(words[0], "0: Unknown(Stopped)");
}

#[test]
fn proof_that_a_message_did_not_arrive_outlasts_the_record_that_gave_it() {
    let stopped_after = |resent: bool| {
        let mut bench = Bench::up();
        bench.queue(1);
        bench.hear(&[resume(0, 0)]);
        bench.reconnect();
        // The first record has it not, and the connection is lost before it is written again.
        bench.hear(&[resume(0, 0)]);
        if resent {
            bench.taken_by_quic();
        }
        bench.reconnect();
        bench.hear(&[resume_of(1, 0, 0)]);
        bench.step([Event::Stop {
            mode: StopMode::Abort,
        }])
    };
    assert_eq!(stopped_after(false)[0], "0: Failed(Stopped)");
    assert_eq!(stopped_after(true)[0], "0: Unknown(Stopped)");
}

#[test]
fn a_first_resume_that_stands_above_its_base_has_heard_the_only_connection_before_it() {
    let mut bench = Bench::up();
    bench.queue(1);
    let large = bench.message(&[7; 60_000]);
    bench.step([large]);
    bench.queue(1);
    bench.taken_by_quic();
    bench.reconnect();
    bench.taken_by_quic();
    // Of this receiver it is proven that it has not received 1 and 2, and no other can have: the
    // large one is refused, and not of unknown fate.
    let smaller = Frame::Resume(wire::Resume {
        epoch: EPOCH,
        record: 0,
        taken: 1,
        next: 1,
        message_bytes_max: 1_000,
    });
    assert_eq!(
        bench.hear(&[smaller]),
        [
            "0: Delivered(Application)",
            "write SKIP 1 SKIP 1 2",
            "1: Refused(TooLarge)"
        ]
    );
}
