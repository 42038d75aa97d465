//! `listen` and `send` with the protocol of the Acki Nacki network, as two processes.

#![cfg(unix)]

mod common;

use std::collections::BTreeMap;

use common::{
    Directory, Listener, Logged, Running, assert_accounted, assert_counts, json, last_word, run,
};

/// Two nodes that know each other by their certificates.
struct Nodes {
    directory: Directory,
    listener: String,
    sender: String,
}

impl Nodes {
    fn new(test: &str) -> Self {
        let directory = Directory::new(test);
        let [listener, sender] = ["listener", "sender"].map(|name| {
            let made = run(&format!("keys new --acki-nacki {}", directory.file(name)));
            assert_eq!(made.code, Some(0), "{made:?}");
            last_word(&made.stdout)
        });
        Self {
            directory,
            listener,
            sender,
        }
    }

    fn listen(&self, bind: &str) -> Listener {
        let flags = format!("--protocol acki-nacki --allow {} --json", self.sender);
        Listener::start(&self.directory.file("listener"), bind, &flags)
    }

    fn send_line(&self, to: &str, what: &str) -> String {
        let (peer_key, key) = (&self.listener, self.directory.file("sender"));
        format!(
            "send --protocol acki-nacki --to {to} --peer-key {peer_key} --key {key} --json {what}"
        )
    }
}

const COUNT: u64 = 100_000;

/// Messages of up to 1,300 bytes, no two alike: some are compressed.
fn lines() -> String {
    let filling = "0123456789abcdef".repeat(82);
    let line = |number: u64| {
        let size = (number * 7_919 % 1_300) as usize;
        format!("{number} {}\n", &filling[..size])
    };
    (0..COUNT).map(line).collect()
}

/// Sends all lines while the listener ends in good order in the midst of it and another one takes its
/// place; what the sender reports, and how often each message stands in the logs.
fn send_with_a_cut(test: &str, policy: &str) -> (serde_json::Value, Vec<u32>) {
    let nodes = Nodes::new(test);
    let mut first = nodes.listen("127.0.0.1:0");
    let to = first.address.clone();
    let mut sending = Running::start_with_stdin(&nodes.send_line(&to, &format!("{policy} -")));
    let text = lines();
    let (half, rest) = text.split_at(text.len() / 2);
    sending.say(half);
    for _ in 0..COUNT / 10 {
        first.process.stdout_line();
    }
    let (before, _) = first.finish();
    let second = nodes.listen(&to);
    sending.say(rest);
    sending.close_stdin();
    let sent = sending.end();
    let report = json(sent.stdout.trim());
    assert_accounted(&report);
    assert_counts(&report, &[("accepted", COUNT), ("delivered", 0)]);
    assert!(report["reconnects"].as_u64() >= Some(1), "{report}");
    let (after, _) = second.finish();
    for log in [&before, &after] {
        let follows = |pair: &[Logged]| pair[0].number + 1 == pair[1].number;
        assert!(log.windows(2).all(follows), "in order");
    }
    let mut times = BTreeMap::<&str, u32>::new();
    for line in before.iter().chain(&after) {
        *times.entry(&line.sha256).or_default() += 1;
    }
    (report, times.into_values().collect())
}

#[test]
fn what_a_listener_that_ends_did_not_take_is_sent_to_the_next() {
    let (report, times) = send_with_a_cut("acki-nacki-again", "");
    assert_counts(&report, &[("written", COUNT), ("unknown", 0)]);
    assert_eq!(times.len() as u64, COUNT, "every message stands in a log");
    assert!(times.iter().all(|&times| times <= 2));
}

#[test]
fn at_most_once_what_is_called_written_stands_in_a_log_once() {
    let (report, times) = send_with_a_cut("acki-nacki-once", "--at-most-once");
    let count = |name: &str| report[name].as_u64().unwrap_or_default();
    assert_eq!(count("written") + count("unknown"), COUNT, "{report}");
    assert!(times.iter().all(|&times| times == 1));
    assert!(times.len() as u64 >= count("written"), "{report}");
}
