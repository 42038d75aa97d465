//! What a listener does when nobody reads what it writes.

#![cfg(unix)]

mod common;

use std::time::Duration;

use common::pair::Pair;
use common::{Running, assert_accounted, assert_counts, json, last_word};

#[test]
fn a_listener_whose_stdout_is_closed_leaves_its_messages_to_the_next() {
    let pair = Pair::new("broken-pipe");
    let mut first = pair.listen("127.0.0.1:0");
    let to = first.address.clone();
    let mut sending = Running::start_with_stdin(&pair.send_line(&to, "-"));
    sending.say("one\n");
    first.process.stdout_line();
    first.process.close_stdout();
    // The pipe closes at the first line that nobody takes, and the listener finds out at the next.
    let mut lines = 1;
    while lines < 1_000 && !first.process.ends_within(Duration::from_millis(50)) {
        sending.say("more\n");
        lines += 1;
    }
    let ended = first.process.end();
    ended.failed(
        1,
        &["stdout's reader is gone; what stdout did not take was not accepted"],
    );
    assert!(!ended.stderr.contains("error"), "{ended:?}");
    let second = pair.listen(&to);
    sending.close_stdin();
    let sent = sending.end();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let report = json(&sent.stdout);
    assert_counts(
        &report,
        &[("accepted", lines), ("delivered", lines), ("refused", 0)],
    );
    let (log, _) = second.finish();
    assert!(!log.is_empty());
}

#[test]
fn a_sender_whose_report_nobody_reads_says_what_was_delivered() {
    let pair = Pair::new("unread-report");
    let listener = pair.listen("127.0.0.1:0");
    let line = pair.send_line(&listener.address, "-");
    let mut sending = Running::start_with_stdin_unread(&line);
    sending.close_stdout();
    sending.say("one\ntwo\n");
    sending.close_stdin();
    let said = "stdout's reader is gone; all 2 messages were delivered";
    sending.end().failed(1, &[said]);
    let (log, _) = listener.finish();
    assert_eq!(log.len(), 2);
}

#[test]
fn nothing_is_delivered_before_its_line_is_out() {
    let pair = Pair::new("full-pipe");
    let key = pair.directory.file("listener");
    let line = format!("listen --bind 127.0.0.1:0 --key {key} --allow-any --json");
    let mut listener = Running::start_unread(&line);
    let to = last_word(&listener.stderr_line("listening on"));
    // Far more lines than the pipe holds.
    let sent = pair.send(&to, "--count 20000 --size 8 --give-up 1");
    assert_eq!(sent.code, Some(1), "{sent:?}");
    let report = json(&sent.stdout);
    assert_accounted(&report);
    listener.signal("KILL");
    listener.read_stdout();
    let lines = listener.end().stdout.matches('\n').count() as u64;
    assert!((1..20_000).contains(&lines), "{lines}");
    assert!(
        report["delivered"].as_u64() <= Some(lines),
        "{lines} lines, but {report}"
    );
}

/// A listener whose stdout nobody reads, and so much sent to it that its log is stuck.
fn stuck_listener(pair: &Pair) -> Running {
    let key = pair.directory.file("listener");
    let line = format!("listen --bind 127.0.0.1:0 --key {key} --allow-any --json");
    let mut listener = Running::start_unread(&line);
    let to = last_word(&listener.stderr_line("listening on"));
    // Far more lines than the pipe holds.
    let sent = pair.send(&to, "--count 20000 --size 8 --give-up 1");
    assert_eq!(sent.code, Some(1), "{sent:?}");
    listener
}

#[test]
fn a_second_interrupt_ends_a_listener_whose_stdout_nobody_reads() {
    let pair = Pair::new("stuck-twice");
    let mut listener = stuck_listener(&pair);
    listener.signal("INT");
    listener.stderr_line("once more to end at once");
    listener.signal("INT");
    assert_eq!(listener.end().code, Some(1));
}

#[test]
#[ignore = "the listener waits for its reader as long as a drain may take: 10 s"]
fn one_interrupt_ends_a_listener_whose_stdout_nobody_reads() {
    let pair = Pair::new("stuck-once");
    let mut listener = stuck_listener(&pair);
    listener.signal("INT");
    listener.end().failed(
        1,
        &[
            "stdout takes no more",
            "messages accepted, and nothing that it did not take",
        ],
    );
}

#[test]
fn a_listener_whose_stderr_nobody_reads_goes_on() {
    let pair = Pair::new("paused-stderr");
    let key = pair.directory.file("listener");
    let line = format!("listen --bind 127.0.0.1:0 --key {key} --allow-any --json");
    let mut listener = Running::start_with_paused_stderr(&line);
    let to = last_word(&listener.stderr_line("listening on"));
    // Each packet is some lines of its log: far more than the pipe holds.
    let sent = pair.send(&to, "--count 20000 --size 1024 --give-up 20");
    assert_eq!(sent.code, Some(0), "{sent:?}");
    listener.signal("INT");
    // What found no room is told of in its place.
    listener.stderr_line("lines dropped here");
    listener.stderr_line("ending in good order");
    assert_eq!(listener.end().code, Some(0));
}
