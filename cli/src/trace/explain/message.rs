//! One message in words.

use std::fmt::Write;

use peer_sender_core::Outcome;
use peer_sender_core::trace::MachineId;
use serde_json::{Value, json};

use super::causes::{link_words, why};
use super::history::History;
use crate::figures::{plural, thousands};
use crate::trace::moment::{OfDay, Since, Utc, spell};
use crate::trace::story::{Life, Waits};
use crate::trace::words::{outcome_word, outcome_words};

/// As many lines are told from the start of a message's life, and as many from its end.
const LINES_MAX: usize = 20;

pub(super) struct Message<'a> {
    pub(super) machine: MachineId,
    pub(super) peer: &'a str,
    /// The same, and told apart from others of this name.
    pub(super) called: &'a str,
    pub(super) life: &'a Life,
    pub(super) history: &'a History,
    pub(super) start: u64,
}

impl Message<'_> {
    pub(super) fn text(&self) -> String {
        let life = self.life;
        let mut text = format!(
            "message #{} for {} (lane {}, {}): {}\n",
            life.id,
            self.called,
            life.lane,
            plural(life.bytes, "byte"),
            self.headline()
        );
        let _ = writeln!(text, "because {}\n", why(life, self.history));
        let lines = self.lines();
        let skipped = lines.len().saturating_sub(2 * LINES_MAX);
        for (place, (at, words)) in lines.iter().enumerate() {
            if skipped > 0 && place == LINES_MAX {
                let _ = writeln!(text, "  ... {} more lines ...", thousands(skipped as u64));
            }
            if skipped == 0 || place < LINES_MAX || place >= LINES_MAX + skipped {
                let since = Since(at.saturating_sub(self.start));
                let _ = writeln!(text, "  {} {since:>12}  {words}", OfDay(*at));
            }
        }
        let title = match life.begun_at() {
            Some(_) => "before it was first written",
            None => "never written",
        };
        let until = life.begun_at().unwrap_or(life.ended_at);
        waits(
            title,
            until.saturating_sub(life.accepted_at),
            &life.waited,
            &mut text,
        );
        if let Some(begun) = life.begun_at() {
            waits(
                "from then on",
                life.ended_at.saturating_sub(begun),
                &life.open,
                &mut text,
            );
        }
        text
    }

    fn headline(&self) -> String {
        let took = spell(self.life.took());
        match &self.life.outcome {
            Some(outcome) => format!("{} {took} after it was handed over", outcome_word(outcome)),
            None => format!("no outcome when the trace ends, {took} after it was handed over"),
        }
    }

    /// What happened, in order.
    fn lines(&self) -> Vec<(u64, String)> {
        let life = self.life;
        let mut lines: Vec<(u64, u8, String)> = Vec::new();
        let behind = match (life.ahead, life.ahead_in_flight) {
            (0, _) => String::new(),
            (ahead, 0) => format!(" behind {} of its lane", plural(ahead, "message")),
            (ahead, flight) => format!(
                " behind {} of its lane, {} of them written and not answered",
                plural(ahead, "message"),
                thousands(flight)
            ),
        };
        lines.push((life.accepted_at, 1, format!("handed over, queued{behind}")));
        for (at, what) in self.history.facts() {
            let order = if *at < life.accepted_at { 0 } else { 2 };
            lines.push((*at, order, link_words(what)));
        }
        for (place, writing) in life.writings.iter().enumerate() {
            let again = match place {
                0 => "written",
                _ => "written again",
            };
            let connection = writing.attempt;
            lines.push((writing.at, 3, format!("{again} on connection {connection}")));
        }
        if let Some(at) = life.cancelled_at {
            lines.push((at, 4, "taken back".to_owned()));
        }
        if let Some(at) = life.expires_at.filter(|at| *at <= life.ended_at) {
            let after = spell(at.saturating_sub(life.accepted_at));
            lines.push((at, 5, format!("its time to live of {after} was over")));
        }
        let end = match &life.outcome {
            Some(outcome) => outcome_words(outcome),
            None => "the trace ends".to_owned(),
        };
        lines.push((life.ended_at, 6, end));
        // A loss comes before what is written because of it, and the rest in the order of things.
        lines.sort_by_key(|(at, order, _)| (*at, *order));
        lines
            .into_iter()
            .map(|(at, _, words)| (at, words))
            .collect()
    }

    pub(super) fn json(&self) -> Value {
        let life = self.life;
        let utc = |at: u64| Utc(at).to_string();
        let lines = self.lines().into_iter();
        let told = lines.take(10_000).map(|(at, words)| {
            json!({
                "time": utc(at),
                "seconds": at.saturating_sub(self.start) as f64 / 1e9,
                "text": words,
            })
        });
        json!({
            "machine": self.machine.0,
            "peer": self.peer,
            "message": life.id.0,
            "lane": life.lane.0,
            "bytes": life.bytes,
            "accepted": utc(life.accepted_at),
            "begun": life.begun_at().map(utc),
            "ended": utc(life.ended_at),
            "seconds": life.took() as f64 / 1e9,
            "outcome": life.outcome.as_ref().map(outcome_word),
            "delivered": life.outcome.as_ref().is_some_and(Outcome::is_delivered),
            "ahead": life.ahead,
            "written": life.written,
            "failures": life.failures.1 - life.failures.0,
            "because": why(life, self.history),
            "waited": waits_json(&life.waited),
            "open": waits_json(&life.open),
            "history": told.collect::<Vec<_>>(),
        })
    }
}

fn waits(title: &str, nanos: u64, waits: &Waits, text: &mut String) {
    let _ = writeln!(text, "\n{title}: {}", spell(nanos));
    for (wait, nanos) in waits.longest() {
        let _ = writeln!(text, "  {:>9}  {}", spell(nanos), wait.words());
    }
}

fn waits_json(waits: &Waits) -> Value {
    let all = waits.longest().into_iter();
    let all = all.map(|(wait, nanos)| (wait.name().to_owned(), json!(nanos as f64 / 1e9)));
    Value::Object(all.collect())
}
