//! What a listener wrote, kept small: a million lines of it are looked at.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ring::digest;
use serde_json::Value;

use crate::common::json;

/// The SHA-256 of a message.
type Sha256 = [u8; 32];

/// Lines that all listeners of a test have written so far.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<(Mutex<u64>, Condvar)>);

impl Written {
    pub(crate) fn count(&self) -> u64 {
        *self.0.0.lock().expect("no thread has died")
    }

    /// Waits until so many are written; says whether they were, within this time.
    pub(crate) fn wait(&self, count: u64, at_most: Duration) -> bool {
        let (written, more) = &*self.0;
        let written = written.lock().expect("no thread has died");
        let ended = more.wait_timeout_while(written, at_most, |written| *written < count);
        !ended.expect("no thread has died").1.timed_out()
    }

    fn add(&self) {
        *self.0.0.lock().expect("no thread has died") += 1;
        self.0.1.notify_all();
    }
}

/// The log of one process, as it is written.
pub(crate) struct Log {
    reading: JoinHandle<(Vec<Sha256>, Option<Value>)>,
}

impl Log {
    pub(crate) fn of(stdout: ChildStdout, written: Written) -> Self {
        Self {
            reading: thread::spawn(move || read(stdout, &written)),
        }
    }

    /// All of it once the process has ended, and its summary if it came to that.
    pub(crate) fn end(self) -> (Vec<Sha256>, Option<Value>) {
        self.reading.join().expect("it was read")
    }
}

fn read(stdout: ChildStdout, written: &Written) -> (Vec<Sha256>, Option<Value>) {
    let mut lines = BufReader::new(stdout);
    let mut messages = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        let read = lines.read_line(&mut line);
        // A last line without its end is torn: its message was never accepted.
        if !matches!(read, Ok(1..)) || !line.ends_with('\n') {
            return (messages, None);
        }
        let line = json(&line);
        match line["sha256"].as_str() {
            Some(digits) => {
                messages.push(from_hex(digits));
                written.add();
            }
            None => return (messages, Some(line)),
        }
    }
}

fn from_hex(digits: &str) -> Sha256 {
    let mut bytes = [0; 32];
    assert_eq!(digits.len(), 64, "{digits}");
    for (place, byte) in bytes.iter_mut().enumerate() {
        let digits = &digits[2 * place..2 * place + 2];
        *byte = u8::from_str_radix(digits, 16).expect("hexadecimal digits");
    }
    bytes
}

/// The line that is message `number`, of `size` bytes.
pub(crate) fn line(number: u64, size: usize) -> String {
    format!("{number:0size$}")
}

/// What the logs of the processes that listened one after the other have to be, for `count`
/// messages of a lane in all: each process's log without a gap, a repetition, or a message out of
/// place; the next one's goes on where that ended, or before that by what was in flight, as a new
/// process remembers nothing. Returns how many stand in two logs.
#[track_caller]
pub(crate) fn judge(logs: &[Vec<Sha256>], count: u64, size: usize) -> u64 {
    /// Messages of a peer that are written and not settled, at most.
    const FLIGHT: u64 = 8_192;
    let numbers: BTreeMap<Sha256, u64> = (0..count)
        .map(|number| {
            let hash = digest::digest(&digest::SHA256, line(number, size).as_bytes());
            (hash.as_ref().try_into().expect("32 bytes"), number)
        })
        .collect();
    let mut below = 0;
    let mut twice = 0;
    for log in logs {
        let mut log = log.iter().map(|hash| numbers.get(hash).copied());
        let Some(first) = log.next() else { continue };
        let first = first.expect("a message that was sent");
        assert!(first <= below, "{below} to {first} stand in no log");
        assert!(
            below - first <= FLIGHT,
            "{first} to {below} came again: more than was in flight"
        );
        twice += below - first;
        below = first + 1;
        for number in log {
            assert_eq!(number, Some(below), "a gap, a repetition, or out of place");
            below += 1;
        }
    }
    assert_eq!(below, count, "the last of them stand in no log");
    twice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(numbers: impl IntoIterator<Item = u64>) -> Vec<Sha256> {
        let hash = |number| {
            let hash = digest::digest(&digest::SHA256, line(number, 10).as_bytes());
            hash.as_ref().try_into().unwrap()
        };
        numbers.into_iter().map(hash).collect()
    }

    #[test]
    fn what_was_in_flight_may_come_again_to_a_new_process() {
        assert_eq!(judge(&[log_of(0..10)], 10, 10), 0);
        assert_eq!(judge(&[log_of(0..6), log_of(4..10)], 10, 10), 2);
        assert_eq!(judge(&[log_of(0..6), log_of([]), log_of(6..10)], 10, 10), 0);
        assert_eq!(
            judge(&[log_of(0..9_000), log_of(808..9_000)], 9_000, 10),
            8_192
        );
    }

    #[test]
    fn every_other_log_is_a_fault() {
        let faults: [(&[Vec<Sha256>], u64); 8] = [
            (&[log_of([0, 1, 3])], 4),
            (&[log_of([0, 1, 1, 2])], 3),
            (&[log_of([1, 0, 2])], 3),
            (&[log_of(0..3)], 4),
            (&[log_of(1..3)], 3),
            (&[log_of(0..4)], 3),
            (&[log_of(0..2), log_of(3..4)], 4),
            (&[log_of(0..9_000), log_of(807..9_000)], 9_000),
        ];
        for (logs, count) in faults {
            let judged = std::panic::catch_unwind(|| judge(logs, count, 10));
            assert!(judged.is_err(), "{count} messages");
        }
    }
}
