//! Messages that nobody wants to be sent any more: cancelled, or past their time to live. One that
//! has not begun ends at once; of one that has begun the receiver is asked first, and if it stays
//! away for longer than the sender's patience, its fate is unknown.

use alloc::vec::Vec;
use core::time::Duration;

use super::bench::{Bench, limited, receipt, resume, resume_of};
use crate::wire::Frame;
use crate::*;

const SECOND: Duration = Duration::from_secs(1);

/// Up, and message 0 has begun: it expires in a second.
fn begun() -> Bench {
    let mut bench = Bench::up();
    bench.queue_for(SECOND);
    bench.hear(&[resume(0, 0)]);
    bench.taken_by_quic();
    bench
}

#[test]
fn what_has_not_begun_expires_at_its_moment() {
    let mut bench = Bench::new();
    bench.queue_for(SECOND);
    let before = SECOND - Duration::from_nanos(1);
    assert_eq!(bench.machine.next_deadline().unwrap().timer, Timer::Expiry);
    assert!(bench.wait(before).is_empty());
    assert_eq!(bench.wait(Duration::from_nanos(1)), ["0: Expired"]);
    assert_eq!(bench.machine.stats().expired, 1);
}

#[test]
fn what_has_expired_is_not_written_in_the_same_step() {
    let mut bench = Bench::new();
    bench.queue_for(SECOND);
    bench.queue(1);
    bench.now = bench.now + SECOND;
    assert_eq!(
        bench.confirm(),
        ["connected", "0: Expired", "write OPEN fresh at 0 1"]
    );
}

#[test]
fn a_message_that_has_expired_when_it_comes_is_accepted_and_expires() {
    let mut bench = Bench::up();
    assert_eq!(bench.queue_for(Duration::ZERO), ["0: Expired"]);
    assert_eq!(bench.machine.stats().accepted, 1);
}

#[test]
fn the_earlier_end_of_the_messages_own_and_the_peers_counts() {
    let mut bench = Bench::with(limited(|send| send.policy.ttl = Some(2 * SECOND)));
    bench.queue_for(SECOND);
    bench.queue_for(9 * SECOND);
    bench.queue(1);
    assert_eq!(bench.wait(SECOND), ["0: Expired"]);
    assert_eq!(bench.wait(SECOND), ["1: Expired", "2: Expired"]);
}

#[test]
fn those_that_expire_leave_the_others_in_their_order() {
    let mut bench = Bench::new();
    bench.queue(1);
    bench.queue_for(2 * SECOND);
    bench.queue(1);
    bench.queue_for(SECOND);
    bench.queue(1);
    assert_eq!(bench.wait(2 * SECOND), ["3: Expired", "1: Expired"]);
    assert_eq!(
        bench.confirm(),
        ["connected", "write OPEN fresh at 0 0 2 4"]
    );
}

#[test]
fn those_that_expire_together_end_in_the_order_of_their_moments_wherever_they_wait() {
    let mut bench = Bench::new();
    for seconds in [1, 5, 3, 2, 9, 3, 4] {
        bench.queue_for(seconds * SECOND);
    }
    let expired = ["0: Expired", "3: Expired", "2: Expired", "5: Expired"];
    assert_eq!(bench.wait(3 * SECOND), expired);
    assert_eq!(
        bench.confirm(),
        ["connected", "write OPEN fresh at 0 1 4 6"]
    );
}

#[test]
fn what_makes_room_by_expiring_behind_others_says_so() {
    let mut bench = Bench::with(limited(|send| send.queue_messages_max = 2));
    bench.queue(1);
    bench.queue_for(SECOND);
    bench.now = bench.now + SECOND;
    let mut actions = Vec::new();
    let (now, timer) = (bench.now, [Event::TimerFired]);
    bench.machine.handle(now, timer, &mut actions);
    let capacity = bench.machine.capacity(Lane(0));
    assert_eq!(capacity.messages, 1);
    let lane = Lane(0);
    assert!(actions.contains(&Action::Room { lane, capacity }));
}

#[test]
fn a_cancel_finds_its_message_among_settled_ones() {
    let mut bench = Bench::up();
    let refuse = |number| Frame::Refuse { number, code: 2 };
    bench.queue(4);
    bench.hear(&[resume(0, 0), refuse(1), refuse(2)]);
    bench.taken_by_quic();
    // Settled, begun, and never heard of.
    for id in [1, 3, 9] {
        assert!(bench.cancel(id).is_empty());
    }
    bench.reconnect();
    bench.taken_by_quic();
    assert_eq!(
        bench.hear(&[resume(0, 1)]),
        ["3: Cancelled", "write SKIP 1 SKIP 3"]
    );
}

/// Of a lane's 8,192 messages none is looked at that the cancels are not about: this takes half a
/// minute where each cancel goes through the flight.
#[test]
fn many_cancels_of_what_is_not_here_cost_little() {
    let mut bench = Bench::up();
    bench.queue(8_192);
    let cancels = (8_192..200_000).map(|id| Event::Cancel { id: MessageId(id) });
    assert!(bench.step(cancels).is_empty());
}

#[test]
fn what_has_begun_waits_for_its_answer() {
    let mut bench = begun();
    assert!(bench.wait(100 * SECOND).is_empty());
    assert_eq!(bench.hear(&[receipt(1)]), ["0: Delivered(Application)"]);
}

#[test]
fn what_has_begun_expires_once_it_is_proven_not_to_be_received() {
    let mut bench = begun();
    bench.queue(1);
    assert!(bench.wait(SECOND).is_empty());
    bench.reconnect();
    bench.taken_by_quic();
    assert_eq!(
        bench.hear(&[resume(0, 0)]),
        ["0: Expired", "write SKIP 1 1"]
    );
}

#[test]
fn what_is_proven_not_to_be_received_expires_at_its_moment() {
    let mut bench = begun();
    bench.reconnect();
    bench.taken_by_quic();
    // Proven, and not written again before the connection is lost once more.
    let frames = [resume(0, 0)];
    let event = bench.back(&frames, false);
    let lost = Event::ConnectionLost {
        attempt: Attempt(1),
        error: LinkError::Reset,
    };
    bench.step([event, lost]);
    assert_eq!(bench.machine.next_deadline().unwrap().timer, Timer::Backoff);
    let words = bench.wait(SECOND);
    assert_eq!(words[0], "0: Expired");
}

#[test]
fn a_receiver_that_stays_away_makes_it_unknown_after_the_patience() {
    let mut bench = begun();
    bench.wait(SECOND);
    // It is given up while the connection stands, so that patience begins with its end.
    bench.wait(5 * SECOND);
    bench.lose();
    let lost_at = bench.now;
    let words = loop {
        let deadline = bench.machine.next_deadline().unwrap();
        let words = bench.sleep();
        if deadline.timer == Timer::Patience {
            break words;
        }
    };
    assert_eq!(bench.now, lost_at + 10 * SECOND);
    assert!(words.contains(&"0: Unknown(Patience)".into()), "{words:?}");
    // It stays known as a gap, which is skipped when the receiver comes back.
    bench.queue(1);
    while !matches!(bench.machine.state().link(), Link::Connecting { .. }) {
        bench.sleep();
    }
    assert_eq!(bench.confirm(), ["connected", "write OPEN resumed at 1"]);
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(0, 1)]), ["write 1"]);
}

#[test]
fn patience_begins_anew_with_a_receiver_that_ends_its_way_back() {
    let mut bench = begun();
    bench.wait(SECOND);
    bench.wait(100 * SECOND);
    let words = bench.hear_end();
    assert!(!words.contains(&"0: Unknown(Patience)".into()), "{words:?}");
    let left_at = bench.now;
    while bench.machine.next_deadline().unwrap().timer != Timer::Patience {
        bench.sleep();
    }
    bench.sleep();
    assert_eq!(bench.now, left_at + 10 * SECOND);
}

#[test]
fn patience_begins_when_a_message_is_given_up_while_the_receiver_is_away() {
    let mut bench = begun();
    bench.lose();
    bench.wait(SECOND / 2);
    bench.cancel(0);
    let given_up_at = bench.now;
    while bench.machine.next_deadline().unwrap().timer != Timer::Patience {
        bench.sleep();
    }
    bench.sleep();
    assert_eq!(bench.now, given_up_at + 10 * SECOND);
    assert_eq!(bench.machine.stats().unknown, 1);
}

#[test]
fn a_receiver_that_comes_back_in_time_says_what_became_of_it() {
    let mut bench = begun();
    bench.wait(SECOND);
    bench.reconnect();
    bench.taken_by_quic();
    assert_eq!(
        bench.hear(&[resume(1, 1)]),
        ["0: Delivered(Application)", "write SKIP 1"]
    );
}

#[test]
fn what_is_held_is_not_given_up_while_the_receiver_is_there() {
    let mut bench = begun();
    bench.wait(SECOND);
    bench.reconnect();
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(0, 1)]), ["write SKIP 1"]);
    assert!(bench.wait(100 * SECOND).is_empty());
    assert_eq!(bench.hear(&[receipt(1)]), ["0: Delivered(Application)"]);
}

#[test]
fn at_most_once_waits_for_resume_before_the_first_message() {
    let mut bench = Bench::with(limited(|send| {
        send.policy.redelivery = Redelivery::AtMostOnce;
    }));
    bench.queue(2);
    assert_eq!(bench.confirm(), ["connected", "write OPEN fresh at 0"]);
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(0, 0)]), ["write 0 1"]);
    // What the same record proves is sent again; a new one proves nothing.
    bench.reconnect();
    bench.taken_by_quic();
    assert_eq!(
        bench.hear(&[resume(1, 1)]),
        ["0: Delivered(Application)", "write SKIP 1 1"]
    );
    bench.reconnect();
    bench.taken_by_quic();
    assert_eq!(
        bench.hear(&[resume_of(1, 1, 1)]),
        ["1: Unknown(Forgotten)", "write SKIP 1"]
    );
}

#[test]
fn without_patience_a_lost_connection_makes_it_unknown_in_the_same_step() {
    let mut bench = Bench::with(limited(|send| send.policy.patience = Duration::ZERO));
    bench.queue(1);
    bench.confirm();
    bench.hear(&[resume(0, 0)]);
    bench.cancel(0);
    let words = bench.lose();
    assert!(words.contains(&"0: Unknown(Patience)".into()), "{words:?}");
    assert_eq!(bench.machine.next_deadline().unwrap().timer, Timer::Backoff);
}

#[test]
fn patience_counts_from_the_moment_of_expiry_however_late_somebody_looks() {
    let mut bench = begun();
    let expires_at = bench.now + SECOND;
    bench.lose();
    bench.wait(4 * SECOND);
    while bench.machine.stats().unknown == 0 {
        bench.sleep();
    }
    assert_eq!(bench.now, expires_at + 10 * SECOND);
}
