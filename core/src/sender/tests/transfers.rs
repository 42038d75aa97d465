//! The times of messages: kept if they are asked for, and nothing else changes by that.

use alloc::vec::Vec;
use core::time::Duration;

use super::bench::{Bench, config, receipt, resume};
use crate::*;

fn times(transfer: &Transfer) -> (u64, Option<u64>, u64) {
    let millis = |at: Time| at.saturating_since(Time::from_secs(100)).as_millis() as u64;
    (
        millis(transfer.accepted_at),
        transfer.begun_at.map(millis),
        millis(transfer.settled_at),
    )
}

#[test]
fn a_message_tells_when_it_was_accepted_begun_and_settled() {
    let mut bench = Bench::new();
    bench.machine.time_transfers(true);
    bench.step([]);
    bench.queue(1);
    assert_eq!(bench.machine.take_transfers(), []);
    bench.now = bench.now + Duration::from_millis(20);
    bench.confirm();
    bench.now = bench.now + Duration::from_millis(300);
    bench.taken_by_quic();
    bench.hear(&[resume(0, 0), receipt(1)]);
    let transfers = bench.machine.take_transfers();
    assert_eq!(transfers.len(), 1);
    assert_eq!(times(&transfers[0]), (0, Some(20), 320));
    let delivered = Outcome::Delivered(Level::Application);
    assert_eq!((transfers[0].bytes, &transfers[0].outcome), (1, &delivered));
}

#[test]
fn what_is_sent_again_began_the_first_time() {
    let mut bench = Bench::up();
    bench.machine.time_transfers(true);
    bench.queue(1);
    bench.now = bench.now + Duration::from_secs(1);
    bench.reconnect();
    bench.taken_by_quic();
    assert_eq!(bench.hear(&[resume(0, 0)]), ["write 0"]);
    bench.hear(&[receipt(1)]);
    let transfers = bench.machine.take_transfers();
    assert_eq!(times(&transfers[0]).1, Some(0));
}

#[test]
fn what_never_began_says_so() {
    let mut bench = Bench::new();
    bench.machine.time_transfers(true);
    bench.step([]);
    bench.queue(3);
    bench.queue_for(Duration::from_millis(5));
    bench.cancel(1);
    assert_eq!(bench.machine.take_transfers()[0].id, MessageId(1));
    bench.wait(Duration::from_millis(7));
    let expired = bench.machine.take_transfers();
    assert_eq!(times(&expired[0]), (0, None, 7));
    assert_eq!(expired[0].outcome, Outcome::Expired);
    bench.step([Event::Stop {
        mode: StopMode::Abort,
    }]);
    let left = bench.machine.take_transfers();
    let ids: Vec<_> = left.iter().map(|it| it.id).collect();
    assert_eq!(ids, [MessageId(0), MessageId(2)]);
    assert!(left.iter().all(|it| it.begun_at.is_none()));
}

#[test]
fn what_is_not_taken_is_gone_with_the_next_step() {
    let mut bench = Bench::new();
    bench.machine.time_transfers(true);
    bench.queue(2);
    bench.cancel(0);
    bench.cancel(1);
    assert_eq!(bench.machine.take_transfers().len(), 1);
}

#[test]
fn times_change_nothing() {
    let run = |timed| {
        let mut bench = Bench::with(config());
        bench.machine.time_transfers(timed);
        let mut words = bench.step([]);
        words.extend(bench.queue(3));
        words.extend(bench.confirm());
        words.extend(bench.hear(&[resume(0, 0), receipt(2)]));
        words.extend(bench.queue_for(Duration::from_millis(5)));
        (words, bench.machine)
    };
    let (with, without) = (run(true), run(false));
    assert_eq!(with.0, without.0);
    assert_eq!(with.1.state(), without.1.state());
    assert_eq!(run(false).1.take_transfers(), []);
}
