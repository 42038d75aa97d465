//! How the night of one peer went.

use std::collections::BTreeMap;
use std::fmt::Write;

use peer_sender_core::table::Standing;
use peer_sender_core::trace::MachineId;
use peer_sender_core::{ErrorClass, LinkError, Outcome, StopReason, UnknownReason};
use serde_json::{Value, json};

use super::errors::Errors;
use super::history::History;
use super::longest::Longest;
use super::restarts::Restarts;
use crate::figures::{plural, thousands};
use crate::trace::moment::{Since, spell};
use crate::trace::story::{Life, LinkFact};
use crate::trace::words::{error_words, outcome_word, stop_words};

#[derive(Debug)]
pub(super) struct Night {
    from: u64,
    until: u64,
    outcomes: BTreeMap<&'static str, u64>,
    accepted: u64,
    open: u64,
    again: u64,
    unknown: BTreeMap<String, u64>,
    pub(super) rejected: u64,
    pub(super) before: u64,
    /// Connections that stood where the trace begins.
    already: u64,
    attempts: u64,
    connections: u64,
    /// When one was last seen to stand.
    connected_at: Option<u64>,
    lost: u64,
    errors: Errors,
    stood: BTreeMap<Standing, u64>,
    longest: Longest,
    restarts: Restarts,
    slow: Vec<u64>,
    stopped: Option<(u64, StopReason)>,
}

impl Night {
    pub(super) fn new(at: u64) -> Self {
        Self {
            from: at,
            until: at,
            outcomes: BTreeMap::new(),
            accepted: 0,
            open: 0,
            again: 0,
            unknown: BTreeMap::new(),
            rejected: 0,
            before: 0,
            already: 0,
            attempts: 0,
            connections: 0,
            connected_at: None,
            lost: 0,
            errors: Errors::default(),
            stood: BTreeMap::new(),
            longest: Longest::default(),
            restarts: Restarts::default(),
            slow: Vec::new(),
            stopped: None,
        }
    }

    pub(super) fn stood(&mut self, standing: Standing, nanos: u64) {
        let sum = self.stood.entry(standing).or_default();
        *sum = sum.saturating_add(nanos);
        self.until = self.until.saturating_add(nanos);
    }

    pub(super) fn link(&mut self, at: u64, what: &LinkFact) {
        match what {
            LinkFact::Dialled { attempt, .. } => {
                self.attempts += 1;
                self.restarts.dials(*attempt);
            }
            LinkFact::Already { attempt, stood } => {
                self.already += u64::from(*stood);
                self.attempts += u64::from(!*stood);
                self.restarts.dials(*attempt);
            }
            LinkFact::Connected { .. } => {
                self.connections += 1;
                self.connected_at = Some(at);
            }
            LinkFact::Failed { error, stood, .. } => {
                self.lost += u64::from(*stood);
                self.errors.add(at, error, *stood);
            }
            LinkFact::Restarted => self.restarts.add(at),
            LinkFact::Slow { .. } => note(&mut self.slow, at),
            LinkFact::Stopped { reason } => self.stopped = Some((at, *reason)),
            LinkFact::Waits { .. }
            | LinkFact::Rested
            | LinkFact::Moved
            | LinkFact::NoLongerSlow => {}
        }
    }

    pub(super) fn message(&mut self, life: &Life, history: &History) {
        self.accepted += 1;
        self.again += u64::from(life.written > 1);
        self.restarts.message(life);
        match &life.outcome {
            Some(outcome) => *self.outcomes.entry(outcome_word(outcome)).or_default() += 1,
            None => self.open += 1,
        }
        if let Some(Outcome::Unknown(reason)) = &life.outcome {
            *self.unknown.entry(unknown(*reason).to_owned()).or_default() += 1;
        }
        self.longest.note(life, history);
    }

    /// What the user should know, each in a sentence.
    fn warnings(&self, start: u64) -> Vec<String> {
        let mut warnings = Vec::new();
        let since = |at: &u64| format!("{} s", Since(at.saturating_sub(start)));
        for error in self.errors.iter() {
            if error.error.class() == ErrorClass::Permanent {
                let what = match &error.error {
                    LinkError::WrongIdentity { offered, .. } => format!(
                        "whoever answers at the peer's address has the wrong key, {offered}"
                    ),
                    other => error_words(other),
                };
                let times = plural(error.count, "time");
                let since = match self.connected_at {
                    Some(at) if error.last <= at => "a connection stood later",
                    _ => "it does not pass by itself",
                };
                warnings.push(format!("{what}: {times}, and {since}"));
            }
        }
        let sum = self.unknown.values().sum::<u64>();
        if sum > 0 {
            let reasons = self
                .unknown
                .iter()
                .map(|(why, count)| format!("{count} {why}"));
            let reasons: Vec<_> = reasons.collect();
            warnings.push(format!(
                "{} may or may not have arrived: {}",
                plural(sum, "message"),
                reasons.join("; ")
            ));
        }
        if let Some(expired) = self.outcomes.get("expired") {
            warnings.push(format!(
                "{} expired: the time to live ended before the receiver had {}",
                plural(*expired, "message"),
                if *expired == 1 { "it" } else { "them" }
            ));
        }
        warnings.extend(self.restarts.warning(start));
        if let Some(first) = self.slow.first() {
            warnings.push(format!(
                "the peer was slow, or away ({}, first at {})",
                plural(self.slow.len() as u64, "time"),
                since(first)
            ));
        }
        if self.rejected > 0 {
            let rejected = plural(self.rejected, "message");
            warnings.push(format!("{rejected} not accepted"));
        }
        if self.before > 0 {
            warnings.push(format!(
                "{} with outcomes here were handed over before the trace begins",
                plural(self.before, "message")
            ));
        }
        warnings
    }

    pub(super) fn text(&self, machine: MachineId, peer: &str, start: u64) -> String {
        let span = self.until.saturating_sub(self.from);
        let mut text = format!("{peer} (machine {}), {}\n", machine.0, spell(span));
        let outcomes = self.outcomes.iter();
        let outcomes = outcomes.map(|(word, count)| format!(", {} {word}", thousands(*count)));
        let open = match self.open {
            0 => String::new(),
            open => format!(
                ", {} without an outcome when the trace ends",
                thousands(open)
            ),
        };
        let again = match self.again {
            0 => String::new(),
            again => format!("; {} written more than once", thousands(again)),
        };
        let _ = writeln!(
            text,
            "  messages: {} accepted{}{open}{again}",
            thousands(self.accepted),
            outcomes.collect::<String>(),
        );
        let already = match self.already {
            0 => String::new(),
            already => format!("{} stood already, ", thousands(already)),
        };
        let _ = writeln!(
            text,
            "  connections: {already}{} of {} stood, {} lost",
            thousands(self.connections),
            plural(self.attempts, "attempt"),
            thousands(self.lost),
        );
        self.errors.text("lost", start, &mut text);
        let mut stood: Vec<_> = self.stood.iter().filter(|(_, nanos)| **nanos > 0).collect();
        stood.sort_by_key(|(_, nanos)| std::cmp::Reverse(**nanos));
        let stood = stood
            .iter()
            .map(|(standing, nanos)| format!("{standing:?} {}", spell(**nanos)));
        let stood: Vec<_> = stood.collect();
        if !stood.is_empty() {
            let _ = writeln!(text, "  stood at: {}", stood.join(", "));
        }
        if let Some((at, reason)) = &self.stopped {
            let since = Since(at.saturating_sub(start));
            let _ = writeln!(text, "  ended at {since} s: {}", stop_words(*reason));
        }
        self.longest.text(start, &mut text);
        let warnings = self.warnings(start);
        if warnings.is_empty() {
            text.push_str("  nothing to warn of\n");
        }
        for warning in warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
        text
    }

    pub(super) fn json(&self, machine: MachineId, peer: &str, start: u64) -> Value {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let stood = self.stood.iter();
        let stood =
            stood.map(|(standing, nanos)| (format!("{standing:?}"), json!(seconds(*nanos))));
        json!({
            "machine": machine.0,
            "kind": "sender",
            "peer": peer,
            "seconds": seconds(self.until.saturating_sub(self.from)),
            "accepted": self.accepted,
            "outcomes": self.outcomes,
            "open": self.open,
            "written_again": self.again,
            "rejected": self.rejected,
            "stood_already": self.already,
            "attempts": self.attempts,
            "connections": self.connections,
            "lost": self.lost,
            "failures": self.errors.json(start),
            "stood": Value::Object(stood.collect()),
            "longest": self.longest.json(start),
            "stopped": self.stopped.map(|(_, reason)| stop_words(reason)),
            "warnings": self.warnings(start),
        })
    }
}

/// Notes a moment, as long as there are not too many.
fn note(moments: &mut Vec<u64>, at: u64) {
    const MOMENTS_MAX: usize = 100_000;
    if moments.len() < MOMENTS_MAX {
        moments.push(at);
    }
}

fn unknown(reason: UnknownReason) -> &'static str {
    match reason {
        UnknownReason::Stopped => "since the sender was stopped first",
        UnknownReason::GaveUp => "since the peer was given up first",
        UnknownReason::Removed => "since the peer was removed first",
        UnknownReason::Patience => "since the receiver stayed away for longer than the patience",
        UnknownReason::ConnectionLost => "since their connection was lost first",
        UnknownReason::SessionForgotten => "since the session was forgotten first",
        UnknownReason::Forgotten => "since the receiver that may have taken them is no more",
    }
}
