//! What `send` can ask for: lanes, a time to live, and that nothing is sent twice.

#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::pair::Pair;
use common::{Logged, Running, assert_accounted, assert_counts, json};

#[test]
fn messages_are_spread_over_lanes_each_in_order() {
    const COUNT: u64 = 20_000;
    let pair = Pair::new("lanes");
    let listener = pair.listen("127.0.0.1:0");
    let what = format!("--count {COUNT} --size 100 --lanes 4");
    let sent = pair.send(&listener.address, &what);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_counts(&json(&sent.stdout), &[("delivered", COUNT)]);
    let (log, _) = listener.finish();
    let mut next = BTreeMap::<u64, u64>::new();
    for line in &log {
        let next = next.entry(line.lane).or_default();
        assert_eq!(line.number, *next, "lane {}", line.lane);
        *next += 1;
    }
    let expected: BTreeMap<u64, u64> = (0..4).map(|lane| (lane, COUNT / 4)).collect();
    assert_eq!(next, expected);
    let different: BTreeSet<&str> = log.iter().map(|line| &line.sha256[..]).collect();
    assert_eq!(different.len() as u64, COUNT);
}

#[test]
fn the_plain_protocol_has_no_lanes_to_spread_over() {
    let pair = Pair::new("plain-lanes");
    let what = "--count 1 --protocol plain --alpn app/1 --lanes 2";
    let sent = pair.send("127.0.0.1:1", what);
    sent.failed(2, &["--lanes: only peer-sender/1 has more than one lane"]);
}

#[test]
fn what_waits_for_a_listener_that_is_away_expires() {
    let pair = Pair::new("expiry");
    let listener = pair.listen("127.0.0.1:0");
    let to = listener.address.clone();
    listener.finish();
    let sent = pair.send(&to, "--count 5 --ttl 0.2");
    sent.failed(1, &["5 expired (numbers 1-5 of those accepted, from 1)"]);
    let report = json(&sent.stdout);
    assert_counts(
        &report,
        &[("accepted", 5), ("expired", 5), ("delivered", 0)],
    );
    assert_accounted(&report);
}

#[test]
fn at_most_once_puts_nothing_into_the_logs_of_two_listeners() {
    const COUNT: u64 = 100_000;
    let pair = Pair::new("at-most-once");
    let mut first = pair.listen("127.0.0.1:0");
    let to = first.address.clone();
    let what = format!("--count {COUNT} --size 256 --at-most-once");
    let mut sending = Running::start(&pair.send_line(&to, &what));
    for _ in 0..COUNT / 10 {
        first.process.stdout_line();
    }
    first.process.signal("KILL");
    let killed = first.process.end();
    sending.stderr_line("connection lost");
    let second = pair.listen(&to);
    let sent = sending.end();
    let report = json(&sent.stdout);
    assert_accounted(&report);
    let [delivered, unknown] = ["delivered", "unknown"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(delivered + unknown, COUNT, "{report}");
    assert!((1..=8_192).contains(&unknown), "{report}");
    sent.failed(1, &["unknown", "they may have arrived"]);

    // The last line may be torn.
    let before = killed.stdout.lines().filter(|line| line.ends_with('}'));
    let before: Vec<Logged> = before.map(Logged::from).collect();
    let (after, _) = second.finish();
    let mut seen = BTreeSet::new();
    for line in before.iter().chain(&after) {
        assert!(seen.insert(&line.sha256), "{} came twice", line.number);
    }
    let seen = seen.len() as u64;
    assert!(
        (delivered..=COUNT).contains(&seen),
        "{seen} in the logs: {report}"
    );
}
