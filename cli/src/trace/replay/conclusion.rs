//! What a replay came to.

use std::fmt::Write;

use peer_sender_core::table::Standing;
use peer_sender_core::trace::{Divergence, StepResult, Summary, TraceAction};
use serde_json::json;

use super::{Ended, Player};
use crate::figures::{plural, rate, thousands};
use crate::trace::moment::{Since, Utc};
use crate::trace::words::{action_words, clean, event_words};

/// As many events, and as many actions, are printed.
const LINES_MAX: usize = 40;

pub(super) struct Conclusion<'a> {
    summary: Summary,
    torn: u64,
    ended: &'a Ended,
    seconds: f64,
    /// The start of the trace, and when the time of the machine that diverged was zero.
    start: u64,
    zero: u64,
}

impl<'a> Conclusion<'a> {
    pub(super) fn new(player: &Player, ended: &'a Ended, seconds: f64) -> Self {
        let zero = match ended {
            Ended::Diverged(divergence, _) => divergence.about.zero_unix_nanos,
            _ => 0,
        };
        let at = match ended {
            Ended::Diverged(divergence, _) => zero.saturating_add(divergence.now.as_nanos()),
            _ => 0,
        };
        Self {
            summary: player.summary(),
            torn: player.input().torn(),
            ended,
            seconds,
            start: match player.start() {
                0 => at,
                start => start,
            },
            zero,
        }
    }

    pub(super) fn json(&self) -> String {
        let Summary {
            machines,
            steps,
            events,
            actions,
            passed,
            ..
        } = self.summary;
        let mut object = json!({
            "machines": machines,
            "steps": steps,
            "events": events,
            "actions": actions,
            "passed": passed,
            "torn": self.torn,
            "identical": matches!(self.ended, Ended::AtTheEnd | Ended::Stopped),
            "stopped": matches!(self.ended, Ended::Stopped),
            "seconds": self.seconds,
            "events_per_second": rate(events, self.seconds),
        });
        match self.ended {
            Ended::AtTheEnd | Ended::Stopped => {}
            Ended::Diverged(divergence, before) => {
                object["divergence"] = self.divergence(divergence, *before);
            }
            Ended::Impossible(machine, problem) => {
                object["impossible"] = json!({ "machine": machine.0, "problem": problem });
            }
        }
        format!("{object}\n")
    }

    fn divergence(&self, found: &Divergence, before: Option<Standing>) -> serde_json::Value {
        let expected = match &found.expected {
            StepResult::Digest(digest) => json!({ "digest": format!("{digest:016x}") }),
            StepResult::Actions(actions) => json!({ "actions": words(actions) }),
        };
        let at = self.zero.saturating_add(found.now.as_nanos());
        json!({
            "step": found.step,
            "time": Utc(at).to_string(),
            "machine": found.machine.0,
            "peer": found.about.name,
            "state": before.map(|standing| format!("{standing:?}")),
            "events": found.events.iter().map(event_words).collect::<Vec<_>>(),
            "expected": expected,
            "got": words(&found.got),
        })
    }

    pub(super) fn page(&self) -> String {
        let mut text = String::new();
        let Summary {
            machines,
            steps,
            events,
            actions,
            ..
        } = self.summary;
        let _ = writeln!(
            text,
            "{}, {}, {}, {}: {:.3} s, {} events/s",
            plural(machines, "machine"),
            plural(steps, "step"),
            plural(events, "event"),
            plural(actions, "action"),
            self.seconds,
            thousands(rate(events, self.seconds) as u64),
        );
        match self.ended {
            Ended::AtTheEnd => text.push_str("the same as recorded\n"),
            Ended::Stopped => text.push_str("the same as recorded up to here\n"),
            Ended::Impossible(machine, problem) => {
                let _ = writeln!(
                    text,
                    "the trace says what cannot be: machine {}: {problem}",
                    machine.0
                );
            }
            Ended::Diverged(divergence, before) => self.diverged(divergence, *before, &mut text),
        }
        text
    }

    fn diverged(&self, found: &Divergence, before: Option<Standing>, text: &mut String) {
        let at = self.zero.saturating_add(found.now.as_nanos());
        let _ = writeln!(
            text,
            "another way than recorded after {} that went the same way, at {} UTC ({} s)",
            plural(found.step, "step"),
            Utc(at),
            Since(at.saturating_sub(self.start)),
        );
        let stood = match before {
            Some(standing) => format!(", which stood at {standing:?} before"),
            None => String::new(),
        };
        let name = clean(&found.about.name);
        let _ = writeln!(text, "machine {} {name}{stood}", found.machine.0);
        list("was told", found.events.iter().map(event_words), text);
        match &found.expected {
            StepResult::Digest(digest) => {
                let _ = writeln!(
                    text,
                    "expected: actions of the digest {digest:016x}; the trace does not have them"
                );
            }
            StepResult::Actions(actions) => list("expected", words(actions), text),
        }
        list("got", words(&found.got), text);
    }
}

fn words(actions: &[TraceAction]) -> Vec<String> {
    actions
        .iter()
        .map(|action| action_words(action, &[]))
        .collect()
}

fn list(title: &str, lines: impl IntoIterator<Item = String>, text: &mut String) {
    let _ = writeln!(text, "{title}:");
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        text.push_str("  nothing\n");
    }
    for line in lines.by_ref().take(LINES_MAX) {
        let _ = writeln!(text, "  {line}");
    }
    let more = lines.count() as u64;
    if more > 0 {
        let _ = writeln!(text, "  and {} more", thousands(more));
    }
}
