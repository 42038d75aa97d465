//! The messages that took longest.

use std::fmt::Write;

use serde_json::{Value, json};

use super::causes::why;
use super::history::History;
use crate::figures::thousands;
use crate::trace::moment::{Since, spell};
use crate::trace::story::Life;
use crate::trace::words::outcome_word;

/// As many are told.
const TOLD_MAX: usize = 5;

/// The messages of a sender that took longest, the longest first.
#[derive(Debug, Default)]
pub(super) struct Longest(Vec<Long>);

/// A message that took long.
#[derive(Debug)]
struct Long {
    nanos: u64,
    id: u64,
    accepted_at: u64,
    /// Messages that were handed over with it and took no longer.
    more: u64,
    outcome: &'static str,
    why: String,
}

impl Longest {
    /// Of messages that were handed over together the one that took longest stands for all.
    pub(super) fn note(&mut self, life: &Life, history: &History) {
        let nanos = life.took();
        let mut known = self.0.iter();
        match known.position(|it| it.accepted_at == life.accepted_at) {
            Some(place) => {
                if let Some(known) = self.0.get_mut(place).filter(|it| it.nanos >= nanos) {
                    known.more += 1;
                    return;
                }
                let more = self.0.remove(place).more + 1;
                self.insert(life, more, history);
            }
            None => {
                let last = self.0.get(TOLD_MAX - 1);
                if last.is_none_or(|last| last.nanos < nanos) {
                    self.insert(life, 0, history);
                }
            }
        }
    }

    fn insert(&mut self, life: &Life, more: u64, history: &History) {
        let nanos = life.took();
        let history = history.of(life.accepted_at, life.ended_at);
        let place = self.0.partition_point(|it| it.nanos >= nanos);
        let long = Long {
            nanos,
            id: life.id.0,
            accepted_at: life.accepted_at,
            more,
            outcome: life.outcome.as_ref().map_or("open", outcome_word),
            why: why(life, &history),
        };
        self.0.insert(place, long);
        self.0.truncate(TOLD_MAX);
    }

    pub(super) fn text(&self, start: u64, text: &mut String) {
        if !self.0.is_empty() {
            text.push_str("  took longest:\n");
        }
        for long in &self.0 {
            let more = match long.more {
                0 => String::new(),
                more => format!(", with {} more", thousands(more)),
            };
            let _ = writeln!(
                text,
                "    message #{}, {} after {} (handed over at {} s{more}), because {}",
                long.id,
                long.outcome,
                spell(long.nanos),
                Since(long.accepted_at.saturating_sub(start)),
                long.why,
            );
        }
    }

    pub(super) fn json(&self, start: u64) -> Value {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let all = self.0.iter().map(|it| {
            json!({
                "message": it.id,
                "seconds": seconds(it.nanos),
                "accepted": seconds(it.accepted_at.saturating_sub(start)),
                "more": it.more,
                "outcome": it.outcome,
                "because": it.why,
            })
        });
        Value::Array(all.collect())
    }
}
