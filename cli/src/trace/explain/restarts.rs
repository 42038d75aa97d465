//! Restarts of a peer's process, and what became of the messages that were under way to it then.

use peer_sender_core::{Attempt, Outcome, UnknownReason};

use crate::figures::{plural, thousands};
use crate::trace::moment::Since;
use crate::trace::story::Life;

/// As many are told apart by the connection on which they were noticed.
const KEPT_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Restarts {
    count: u64,
    first: u64,
    /// The connections on which another process answered, in order.
    noticed: Vec<Attempt>,
    /// The latest connection.
    attempt: Option<Attempt>,
    /// Messages that were written to one process, and once more to the next.
    again: u64,
    /// Messages that the process before may have taken, and that were not written to the next.
    forgotten: u64,
}

impl Restarts {
    pub(super) fn dials(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    /// Another process answers on the latest connection.
    pub(super) fn add(&mut self, at: u64) {
        if self.count == 0 {
            self.first = at;
        }
        self.count += 1;
        if let Some(attempt) = self.attempt.filter(|_| self.noticed.len() < KEPT_MAX) {
            self.noticed.push(attempt);
        }
    }

    /// A message has its outcome, or has none at the end of the trace.
    pub(super) fn message(&mut self, life: &Life) {
        if life.outcome == Some(Outcome::Unknown(UnknownReason::Forgotten)) {
            self.forgotten += 1;
        } else if let (Some(first), Some(last)) = (life.writings.first(), life.writings.last()) {
            let mut noticed = self.noticed.iter();
            let between = noticed.any(|it| first.attempt < *it && *it <= last.attempt);
            self.again += u64::from(between);
        }
    }

    pub(super) fn warning(&self, start: u64) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        let times = plural(self.count, "time");
        let since = Since(self.first.saturating_sub(start));
        let fates = [
            fate(
                self.again,
                "was sent again, and may have been seen twice",
                "were sent again, and may have been seen twice",
            ),
            fate(
                self.forgotten,
                "was not sent again, and its fate is unknown",
                "were not sent again, and their fate is unknown",
            ),
        ];
        let fates: Vec<_> = fates.into_iter().flatten().collect();
        let fates = match fates.is_empty() {
            true => "no message was sent again or is unknown because of it".to_owned(),
            false => fates.join("; "),
        };
        Some(format!(
            "the peer's process was restarted ({times}, first at {since} s): {fates}"
        ))
    }
}

/// What became of so many messages.
fn fate(count: u64, one: &str, many: &str) -> Option<String> {
    let (messages, fate) = match count {
        0 => return None,
        1 => ("message", one),
        _ => ("messages", many),
    };
    let count = thousands(count);
    Some(format!(
        "{count} {messages} that the one before may have taken {fate}"
    ))
}
