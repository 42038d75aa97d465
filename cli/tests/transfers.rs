//! `listen` and `send` as two processes: what arrives, in which order, and what each reports.

#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use common::pair::Pair;
use common::{Listener, Logged, Running, assert_accounted, assert_counts, json, run};
use serde_json::json;

/// Each of the numbers once and in order.
#[track_caller]
fn assert_once_and_in_order(log: &[Logged], count: u64) {
    assert_eq!(log.len() as u64, count);
    for (line, number) in log.iter().zip(0..) {
        assert_eq!(line.number, number);
    }
}

const SHA256_OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn messages_files_and_lines_arrive_as_they_are() {
    let pair = Pair::new("sources");
    let listener = pair.listen("127.0.0.1:0");
    let to = listener.address.clone();

    let sent = pair.send(&to, "--message hello --message world");
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_counts(
        &json(&sent.stdout),
        &[("accepted", 2), ("delivered", 2), ("reconnects", 0)],
    );

    let (one, two) = (pair.directory.file("one"), pair.directory.file("two"));
    fs::write(&one, "hello").unwrap();
    fs::write(&two, vec![7; 300_000]).unwrap();
    let sent = pair.send(&to, &format!("{one} {two}"));
    assert_eq!(sent.code, Some(0), "{sent:?}");

    let mut sending = Running::start_with_stdin(&pair.send_line(&to, "-"));
    sending.say("hello\n\nhello");
    sending.close_stdin();
    assert_eq!(sending.end().code, Some(0));

    let (log, summary) = listener.finish();
    let bytes: Vec<u64> = log.iter().map(|line| line.bytes).collect();
    assert_eq!(bytes, [5, 5, 5, 300_000, 5, 0, 5]);
    for hello in [0, 2, 4, 6] {
        assert_eq!(log[hello].sha256, SHA256_OF_HELLO);
        assert_eq!(log[hello].peer, pair.sender_key);
    }
    assert_eq!(
        summary,
        json!({"messages": 7, "bytes": 300_025, "peers": 1})
    );
}

#[test]
fn the_plain_protocol_carries_messages_between_ends_that_name_it_alike() {
    let pair = Pair::new("plain");
    let flags = format!(
        "--allow {} --json --protocol plain --alpn app/1",
        pair.sender_key
    );
    let listener = Listener::start(&pair.directory.file("listener"), "127.0.0.1:0", &flags);
    let plain = "--protocol plain --alpn app/1 --server-name peer.example";
    let sent = pair.send(
        &listener.address,
        &format!("{plain} --count 300 --size 3000"),
    );
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_counts(
        &json(&sent.stdout),
        &[("accepted", 300), ("delivered", 300), ("reconnects", 0)],
    );
    let other = "--protocol plain --alpn app/2 --give-up 0.5 --message hello";
    let sent = pair.send(&listener.address, other);
    assert_eq!(sent.code, Some(1), "{sent:?}");
    assert!(sent.stderr.contains("does not speak app/2"), "{sent:?}");

    let (log, summary) = listener.finish();
    let different: BTreeSet<&str> = log.iter().map(|line| line.sha256.as_str()).collect();
    assert_eq!((log.len(), different.len()), (300, 300));
    assert_eq!(
        summary,
        json!({"messages": 300, "bytes": 900_000, "peers": 1})
    );
}

#[test]
fn for_people_a_listener_writes_messages_to_stdout_and_its_summary_to_stderr() {
    let pair = Pair::new("for-people");
    let (key, allow) = (pair.directory.file("listener"), &pair.sender_key);
    let listener = Listener::start(&key, "127.0.0.1:0", &format!("--allow {allow}"));
    let sent = pair.send(&listener.address, "--message hello");
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let mut process = listener.process;
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, format!("{allow:.8} #0 5 B \"hello\"\n"));
    let summary = "received 1 message of 5 bytes in all from 1 peer\n";
    assert!(ended.stderr.ends_with(summary), "{ended:?}");
}

#[test]
fn every_size_arrives_once_and_in_order() {
    let pair = Pair::new("sizes");
    for (count, size) in [
        (1, 0),
        (3_000, 3),
        (20_000, 100),
        (200, 65_536),
        (3, 16 << 20),
    ] {
        let listener = pair.listen("127.0.0.1:0");
        let sent = pair.send(&listener.address, &format!("--count {count} --size {size}"));
        assert_eq!(sent.code, Some(0), "{sent:?}");
        let report = json(&sent.stdout);
        assert_counts(&report, &[("accepted", count), ("delivered", count)]);
        assert_accounted(&report);
        assert!(
            report["messages_per_second"].as_f64() > Some(0.0),
            "{report}"
        );
        assert!(report["latency_us"]["p50"].as_u64() >= Some(1), "{report}");
        let (log, summary) = listener.finish();
        assert_once_and_in_order(&log, count);
        assert!(log.iter().all(|line| line.bytes == size));
        assert_counts(&summary, &[("messages", count), ("bytes", count * size)]);
    }
}

#[test]
fn a_listener_that_is_killed_and_comes_back_gets_all_of_it() {
    const COUNT: u64 = 200_000;
    let pair = Pair::new("killed");
    let mut first = pair.listen("127.0.0.1:0");
    let to = first.address.clone();
    let mut sending = Running::start(&pair.send_line(&to, &format!("--count {COUNT} --size 1024")));
    // In the midst of it, and not at its end.
    for _ in 0..COUNT / 10 {
        first.process.stdout_line();
    }
    first.process.signal("KILL");
    let killed = first.process.end();
    sending.stderr_line("connection lost");
    let second = pair.listen(&to);
    sending.stderr_line("connected again");
    let sent = sending.end();
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    let report = json(&sent.stdout);
    assert_counts(
        &report,
        &[("accepted", COUNT), ("delivered", COUNT), ("unknown", 0)],
    );
    assert!(report["reconnects"].as_u64() >= Some(1), "{report}");

    // The last line may be torn: it was never accepted.
    let mut lines: Vec<&str> = killed.stdout.lines().collect();
    if lines.last().is_some_and(|last| !last.ends_with('}')) {
        lines.pop();
    }
    let before: Vec<Logged> = lines.into_iter().map(Logged::from).collect();
    let (after, _) = second.finish();
    assert!(!before.is_empty() && !after.is_empty());

    // The numbers of a session that the second process never knew may begin anew there, so
    // messages are told apart by what is in them.
    let mut times = BTreeMap::<&str, u32>::new();
    for line in before.iter().chain(&after) {
        *times.entry(&line.sha256).or_default() += 1;
    }
    assert_eq!(times.len() as u64, COUNT, "every message stands in a log");
    let twice = times.values().filter(|&&times| times == 2).count();
    assert!(times.values().all(|&times| times <= 2));
    assert!(
        twice <= 8_192,
        "{twice} twice: more than what was in flight"
    );
    for log in [&before, &after] {
        assert!(
            log.windows(2)
                .all(|pair| pair[0].number + 1 == pair[1].number),
            "in order"
        );
    }
}

#[test]
fn a_listener_that_ends_in_good_order_is_waited_for() {
    let pair = Pair::new("restarted");
    let mut first = pair.listen("127.0.0.1:0");
    let to = first.address.clone();
    let mut sending = Running::start_with_stdin(&pair.send_line(&to, "-"));
    sending.say("before\n");
    first.process.stdout_line();
    let (log, _) = first.finish();
    assert_eq!(log.len(), 1);
    sending.stderr_line("connection lost");
    sending.say("after\n");
    sending.close_stdin();
    let second = pair.listen(&to);
    let sent = sending.end();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_counts(
        &json(sent.stdout.trim()),
        &[("accepted", 2), ("delivered", 2)],
    );
    let (log, _) = second.finish();
    assert_eq!(
        log.last().map(|line| line.bytes),
        Some("after".len() as u64)
    );
}

#[test]
fn an_interrupt_during_a_transfer_drains_and_reports_every_outcome() {
    let pair = Pair::new("interrupted");
    let mut listener = pair.listen("127.0.0.1:0");
    // More than can be sent before the interrupt comes.
    let line = pair.send_line(&listener.address, "--count 1000000000 --size 512");
    let mut sending = Running::start(&line);
    for _ in 0..10_000 {
        listener.process.stdout_line();
    }
    sending.signal("INT");
    let sent = sending.end();
    sent.failed(
        1,
        &[
            "finishing what was handed over",
            "stopped before all was handed over",
        ],
    );
    let report = json(&sent.stdout);
    assert_accounted(&report);
    let accepted = report["accepted"].as_u64().unwrap();
    assert!((10_000..1_000_000_000).contains(&accepted));
    assert_counts(&report, &[("delivered", accepted)]);
    let (log, _) = listener.finish();
    assert_once_and_in_order(&log, accepted);
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let pair = Pair::new("twice");
    // A port that was free a moment ago: nobody answers there.
    let address = nobody_listens();
    let mut sending = Running::start(&pair.send_line(&address, "--count 5 --size 5"));
    sending.stderr_line("cannot connect");
    sending.signal("INT");
    sending.stderr_line("once more to end at once");
    sending.signal("TERM");
    let sent = sending.end();
    sent.failed(1, &["5 failed (numbers 1-5 of", "send them again"]);
    assert_counts(
        &json(&sent.stdout),
        &[("accepted", 5), ("failed", 5), ("delivered", 0)],
    );
}

#[test]
fn a_silent_peer_is_reported_and_given_up_if_asked() {
    let pair = Pair::new("silent");
    let address = nobody_listens();
    let sent = pair.send(&address, "--count 3 --size 5 --give-up 1");
    sent.failed(
        1,
        &[
            "cannot connect",
            "next try in",
            "peer-sender listen --bind",
            "giving up",
        ],
    );
    let report = json(&sent.stdout);
    assert_accounted(&report);
    assert_counts(
        &report,
        &[
            ("accepted", 3),
            ("failed", 3),
            ("delivered", 0),
            ("reconnects", 0),
        ],
    );
}

#[test]
fn another_identity_than_expected_gets_nothing_and_both_keys_are_named() {
    let pair = Pair::new("wrong");
    let listener = pair.listen("127.0.0.1:0");
    let (to, key) = (&listener.address, pair.directory.file("sender"));
    // The sender's own key is certainly not the listener's.
    let expected = &pair.sender_key;
    let line = format!("send --to {to} --peer-key {expected} --key {key} --json --message x");
    let sent = run(&format!("{line} --give-up 1"));
    let advice = format!("--peer-key {}", pair.listener_key);
    sent.failed(1, &["wrong identity", expected, &advice]);
    assert_counts(&json(&sent.stdout), &[("accepted", 1), ("failed", 1)]);
    let (log, _) = listener.finish();
    assert!(log.is_empty());
}

#[test]
fn an_identity_that_is_not_allowed_is_told_so_at_both_ends() {
    let pair = Pair::new("refused");
    let stranger = pair.directory.key("stranger");
    let mut listener = pair.listen("127.0.0.1:0");
    let (to, key) = (&listener.address, pair.directory.file("stranger"));
    let peer_key = &pair.listener_key;
    let line = format!("send --to {to} --peer-key {peer_key} --key {key} --json --message x");
    let sent = run(&format!("{line} --give-up 1"));
    let advice = format!("--allow {stranger}");
    sent.failed(1, &["refused our identity", &advice]);
    assert_counts(&json(&sent.stdout), &[("accepted", 1), ("failed", 1)]);
    let told = listener.process.stderr_line("turned away");
    let not_allowed = format!("the key {stranger} is not allowed here");
    assert!(told.ends_with(&not_allowed), "{told}");
    let advice = listener.process.stderr_line("to let it in");
    assert!(advice.ends_with(&format!("--allow {stranger}")), "{advice}");
    let (log, _) = listener.finish();
    assert!(log.is_empty());
}

#[test]
fn a_line_that_is_too_long_is_not_sent_and_the_others_are() {
    let pair = Pair::new("long-line");
    let listener = pair.listen("127.0.0.1:0");
    let mut sending = Running::start_with_stdin(&pair.send_line(&listener.address, "-"));
    sending.say("short\n");
    sending.say(&"x".repeat((16 << 20) + 1));
    sending.say("\nshort\n");
    sending.close_stdin();
    let sent = sending.end();
    sent.failed(1, &["not sent: line 2", "16777216", "1 not accepted"]);
    assert_counts(&json(&sent.stdout), &[("accepted", 2), ("delivered", 2)]);
    let (log, _) = listener.finish();
    assert_once_and_in_order(&log, 2);
}

#[test]
#[ignore = "the listener must be frozen for longer than the idle timeout: 12 s"]
fn a_listener_that_is_frozen_and_thaws_gets_each_message_once() {
    const COUNT: u64 = 200_000;
    let pair = Pair::new("frozen");
    let mut listener = pair.listen("127.0.0.1:0");
    let what = format!("--count {COUNT} --size 1024");
    let mut sending = Running::start(&pair.send_line(&listener.address, &what));
    for _ in 0..COUNT / 10 {
        listener.process.stdout_line();
    }
    listener.process.signal("STOP");
    // The sender tells when its idle timeout has passed.
    sending.stderr_line("connection lost");
    listener.process.signal("CONT");
    let sent = sending.end();
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    let report = json(&sent.stdout);
    assert_counts(&report, &[("accepted", COUNT), ("delivered", COUNT)]);
    assert!(report["reconnects"].as_u64() >= Some(1), "{report}");
    let (log, _) = listener.finish();
    assert_once_and_in_order(&log, COUNT);
}

/// An address of this host where nobody listens.
fn nobody_listens() -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.local_addr().expect("its address").to_string()
}
