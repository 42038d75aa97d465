//! Failures of connections, those that say the same together.

use std::fmt::Write;

use peer_sender_core::LinkError;
use serde_json::{Value, json};

use crate::figures::{plural, thousands};
use crate::trace::moment::Since;
use crate::trace::words::error_words;

/// As many errors that differ are told apart.
pub(super) const ERRORS_MAX: usize = 32;

/// What connections ended with, in the order in which each came first.
#[derive(Debug, Default)]
pub(super) struct Errors {
    known: Vec<Error>,
    /// Failures with yet other errors.
    more: u64,
}

/// Failures that say the same.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) error: LinkError,
    pub(super) count: u64,
    /// Of them, connections that had stood.
    pub(super) stood: u64,
    first: u64,
    pub(super) last: u64,
}

impl Errors {
    pub(super) fn add(&mut self, at: u64, error: &LinkError, stood: bool) {
        if let Some(known) = self.known.iter_mut().find(|it| it.error == *error) {
            known.count += 1;
            known.stood += u64::from(stood);
            known.last = at;
        } else if self.known.len() < ERRORS_MAX {
            self.known.push(Error {
                error: error.clone(),
                count: 1,
                stood: u64::from(stood),
                first: at,
                last: at,
            });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Error> {
        self.known.iter()
    }

    /// A line for each; `ended` says of connections that had stood what became of them.
    pub(super) fn text(&self, ended: &str, start: u64, text: &mut String) {
        for error in &self.known {
            let _ = writeln!(text, "    {}", error.text(ended, start));
        }
        if self.more > 0 {
            let _ = writeln!(text, "    and {} with other errors", thousands(self.more));
        }
    }

    pub(super) fn json(&self, start: u64) -> Value {
        let since = |at: u64| at.saturating_sub(start) as f64 / 1e9;
        let all = self.known.iter().map(|it| {
            json!({
                "error": error_words(&it.error),
                "count": it.count,
                "lost": it.stood,
                "first": since(it.first),
                "last": since(it.last),
            })
        });
        Value::Array(all.collect())
    }
}

impl Error {
    fn text(&self, ended: &str, start: u64) -> String {
        let since = |at: u64| Since(at.saturating_sub(start));
        let what = match (self.count - self.stood, self.stood) {
            (failed, 0) => format!("{} failed", plural(failed, "attempt")),
            (0, lost) => format!("{} {ended}", plural(lost, "connection")),
            (failed, lost) => format!(
                "{} {ended} and {} failed",
                plural(lost, "connection"),
                plural(failed, "attempt")
            ),
        };
        let (first, last) = (since(self.first).to_string(), since(self.last).to_string());
        let when = match first == last {
            true => format!("{first} s"),
            false => format!("{first} to {last} s"),
        };
        format!("{what} ({when}): {}", error_words(&self.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_one_moment_have_one_time() {
        let mut errors = Errors::default();
        errors.add(5_000_001_000, &LinkError::Reset, false);
        errors.add(5_000_001_999, &LinkError::Reset, false);
        let mut text = String::new();
        errors.text("lost", 0, &mut text);
        assert!(
            text.starts_with("    2 attempts failed (+5.000001 s): "),
            "{text}"
        );
        errors.add(6_000_000_000, &LinkError::Reset, true);
        text.clear();
        errors.text("lost", 0, &mut text);
        assert!(text.contains("(+5.000001 to +6.000000 s)"), "{text}");
    }
}
