//! How the night of an accepting node went: what its sessions received, and from whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use peer_sender_core::trace::{Call, MachineId, TraceEvent};
use peer_sender_core::{
    Action, Attempt, LinkError, MessageId, Outcome, ReceiverStats, SessionHandle, SessionNews,
    Sessions,
};
use serde_json::{Value, json};

use super::errors::Errors;
use super::session::{Session, Unanswered};
use crate::figures::{plural, thousands};
use crate::trace::moment::spell;
use crate::trace::player::Step;
use crate::trace::words::{outcome_word, outcome_words};

/// Of as many sessions more is kept than that they were there.
const SESSIONS_MAX: usize = 100;

/// After so many steps the counters of all sessions are added up again: there may be thousands.
const SUM_EVERY: u64 = 256;

/// An application that takes longer over a message is worth a warning, in nanoseconds.
const SLOW: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Table {
    from: u64,
    until: u64,
    steps: u64,
    connections: u64,
    /// Whether the trace begins in the middle of its life.
    met: bool,
    /// The first that was accepted in the trace.
    first: Option<Attempt>,
    /// Those that were accepted before the trace begins, as far as it tells of them.
    before: BTreeSet<Attempt>,
    /// Connections that went before they had named a session.
    unnamed: u64,
    went: u64,
    errors: Errors,
    /// Those that stand, and the session of each once it has named one.
    standing: BTreeMap<Attempt, Option<SessionHandle>>,
    sessions: BTreeMap<SessionHandle, Session>,
    /// Of further sessions, how much they did.
    left_out: u64,
    stats: ReceiverStats,
    /// The reply that is asked for.
    asked: Option<MessageId>,
    found: Option<Reply>,
}

/// A reply that was asked for.
#[derive(Debug)]
struct Reply {
    session: SessionHandle,
    bytes: u64,
    at: u64,
    ended: Option<(u64, Outcome)>,
}

impl Table {
    pub(super) fn new(at: u64, met: bool, asked: Option<MessageId>) -> Self {
        Self {
            from: at,
            until: at,
            steps: 0,
            connections: 0,
            met,
            first: None,
            before: BTreeSet::new(),
            unnamed: 0,
            went: 0,
            errors: Errors::default(),
            standing: BTreeMap::new(),
            sessions: BTreeMap::new(),
            left_out: 0,
            stats: ReceiverStats::default(),
            asked,
            found: None,
        }
    }

    pub(super) fn step(&mut self, step: &Step<'_>, table: &Sessions) {
        self.until = step.at;
        let session = match step.played.call {
            Call::Accepted { attempt, .. } | Call::AcceptedSharing { attempt, .. } => {
                self.connections += 1;
                self.first.get_or_insert(attempt);
                self.standing.insert(attempt, None);
                // Without lanes it is a session by itself.
                self.bind(step.at, attempt, table);
                None
            }
            Call::Connection { attempt } => {
                self.bind(step.at, attempt, table);
                self.standing.get(&attempt).copied().flatten()
            }
            Call::Session { session } => Some(session),
            Call::Handle | Call::Stop { .. } | Call::Timeout => None,
        };
        for event in &step.played.events {
            self.event(step.at, session, event);
        }
        for action in step.played.actions {
            if let Action::Close {
                attempt,
                code,
                reason,
            } = action
            {
                let (code, reason) = (*code, reason.clone());
                self.goes(step.at, *attempt, LinkError::ClosedHere { code, reason });
            }
        }
        for news in step.played.news {
            self.hear(step.at, news, table);
        }
        if self.steps.is_multiple_of(SUM_EVERY) {
            self.sum(table);
        }
        self.steps += 1;
    }

    /// Adds the counters of all sessions up.
    pub(super) fn sum(&mut self, table: &Sessions) {
        self.stats = table.stats();
    }

    /// A connection has named its session, or is one from before the trace.
    fn bind(&mut self, at: u64, attempt: Attempt, table: &Sessions) {
        let Some(session) = table.session_of(attempt) else {
            return;
        };
        let known = self.standing.insert(attempt, Some(session));
        if known == Some(Some(session)) {
            return;
        }
        if known.is_none() {
            self.before.insert(attempt);
        }
        if let Some(session) = self.session(session, table) {
            match known {
                None => session.stood(at, attempt),
                Some(_) => session.came(at, attempt),
            }
        }
    }

    fn session(&mut self, name: SessionHandle, table: &Sessions) -> Option<&mut Session> {
        if !self.sessions.contains_key(&name) {
            if self.sessions.len() >= SESSIONS_MAX {
                self.left_out += 1;
                return None;
            }
            self.sessions.insert(name, Session::new(table.key(name)));
        }
        self.sessions.get_mut(&name)
    }

    fn event(&mut self, at: u64, name: Option<SessionHandle>, event: &TraceEvent) {
        if let TraceEvent::ConnectionLost { attempt, error } = event {
            self.goes(at, *attempt, error.clone());
        }
        let Some(name) = name else { return };
        if let TraceEvent::MessageQueued { id, payload, .. } = event
            && self.asked == Some(*id)
        {
            self.found.get_or_insert(Reply {
                session: name,
                bytes: payload.bytes(),
                at,
                ended: None,
            });
        }
        let Some(session) = self.sessions.get_mut(&name) else {
            return;
        };
        match event {
            TraceEvent::Consumed { lane, below } => session.answer(at, *lane, *below),
            TraceEvent::Refused { lane, number, .. } => session.refuse(*lane, *number),
            TraceEvent::MessageQueued { .. } => session.reply(),
            _ => {}
        }
    }

    fn goes(&mut self, at: u64, attempt: Attempt, error: LinkError) {
        let Some(session) = self.standing.remove(&attempt) else {
            // Of one that was accepted before the trace begins this may be all that it tells.
            let before = self.met && self.first.is_none_or(|first| attempt < first);
            if before && self.before.insert(attempt) {
                self.went += 1;
                self.errors.add(at, &error, true);
            }
            return;
        };
        self.went += 1;
        self.errors.add(at, &error, true);
        let Some(session) = session else {
            self.unnamed += 1;
            return;
        };
        if let Some(session) = self.sessions.get_mut(&session) {
            session.went(at, attempt, error);
        }
    }

    fn hear(&mut self, at: u64, news: &SessionNews, table: &Sessions) {
        match news {
            SessionNews::Delivered { session, messages } => {
                if let Some(session) = self.session(*session, table) {
                    session.receive(at, messages);
                }
            }
            SessionNews::Settled { session, settled } => {
                for (id, outcome) in settled {
                    let found = self.found.as_mut().filter(|it| it.session == *session);
                    if let (Some(reply), true) = (found, self.asked == Some(*id)) {
                        reply.ended.get_or_insert((at, outcome.clone()));
                    }
                    if let Some(session) = self.sessions.get_mut(session) {
                        session.settle(outcome);
                    }
                }
            }
            SessionNews::Forgotten { session } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.forget(at);
                }
            }
            SessionNews::HandedBack { .. }
            | SessionNews::Rejected { .. }
            | SessionNews::Room { .. } => {}
        }
    }

    /// What the user should know, each in a sentence.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let sessions = self.sessions.values();
        let held = sessions.fold(Unanswered::default(), |sum, it| {
            let it = it.unanswered(self.until);
            Unanswered {
                messages: sum.messages + it.messages,
                bytes: sum.bytes.saturating_add(it.bytes),
                nanos: sum.nanos.max(it.nanos),
            }
        });
        if held.nanos >= SLOW {
            warnings.push(format!(
                "the application has not answered {}, one of them for {}",
                plural(held.messages, "message"),
                spell(held.nanos)
            ));
        }
        let slowest = self.sessions.values().map(Session::slowest).max();
        if let Some(slowest) = slowest.filter(|it| *it >= SLOW) {
            warnings.push(format!(
                "the application answers slowly: it took {} over a message",
                spell(slowest)
            ));
        }
        let refused = self.sessions.values().map(|it| it.refused).sum();
        if refused > 0 {
            let refused = plural(refused, "message");
            warnings.push(format!("the application refused {refused}"));
        }
        if self.unnamed > 0 {
            let unnamed = plural(self.unnamed, "connection");
            warnings.push(format!("{unnamed} went before a session was named on it"));
        }
        if self.stats.protocol_errors > 0 {
            let times = plural(self.stats.protocol_errors, "time");
            warnings.push(format!("peers broke the protocol ({times})"));
        }
        warnings
    }

    pub(super) fn text(&self, machine: MachineId, name: &str, start: u64) -> String {
        let span = spell(self.until.saturating_sub(self.from));
        let mut text = format!("{name} (machine {}), accepting node, {span}\n", machine.0);
        let already = match self.before.len() {
            0 => String::new(),
            before => format!(", {} stood already", thousands(before as u64)),
        };
        let _ = writeln!(
            text,
            "  connections: {} accepted{already}, {} ended",
            thousands(self.connections),
            thousands(self.went),
        );
        self.errors.text("ended", start, &mut text);
        for (name, session) in &self.sessions {
            session.text(name.0, start, self.until, &mut text);
        }
        if self.left_out > 0 {
            text.push_str("  further sessions are left out\n");
        }
        if self.stats.duplicates > 0 {
            let twice = plural(self.stats.duplicates, "message");
            let _ = writeln!(text, "  {twice} came once more and were dropped");
        }
        let warnings = self.warnings();
        if warnings.is_empty() {
            text.push_str("  nothing to warn of\n");
        }
        for warning in warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
        text
    }

    pub(super) fn json(&self, machine: MachineId, name: &str, start: u64) -> Value {
        let sessions = self.sessions.iter();
        let sessions = sessions.map(|(name, it)| it.json(name.0, start, self.until));
        json!({
            "machine": machine.0,
            "kind": "sessions",
            "peer": name,
            "seconds": self.until.saturating_sub(self.from) as f64 / 1e9,
            "connections": self.connections,
            "stood_already": self.before.len(),
            "ended": self.went,
            "unnamed": self.unnamed,
            "failures": self.errors.json(start),
            "sessions": sessions.collect::<Vec<_>>(),
            "complete": self.left_out == 0,
            "duplicates": self.stats.duplicates,
            "warnings": self.warnings(),
        })
    }

    /// The reply that was asked for, if it is one of its sessions'.
    pub(super) fn reply(&self, name: &str) -> Option<String> {
        let (id, reply) = (self.asked?, self.found.as_ref()?);
        let outcome = match &reply.ended {
            Some((_, outcome)) => outcome_words(outcome),
            None => "no outcome when the trace ends".to_owned(),
        };
        Some(format!(
            "reply #{id} of {name}'s session {} ({}): after {}, {outcome}\n",
            reply.session.0,
            plural(reply.bytes, "byte"),
            spell(reply.took(self.until))
        ))
    }

    pub(super) fn reply_json(&self, machine: MachineId, name: &str) -> Option<String> {
        let (id, reply) = (self.asked?, self.found.as_ref()?);
        let object = json!({
            "machine": machine.0,
            "peer": name,
            "reply": id.0,
            "session": reply.session.0,
            "bytes": reply.bytes,
            "seconds": reply.took(self.until) as f64 / 1e9,
            "outcome": reply.ended.as_ref().map(|(_, outcome)| outcome_word(outcome)),
        });
        Some(format!("{object}\n"))
    }
}

impl Reply {
    /// How long it took to its outcome, or to the end of what is known of its node.
    fn took(&self, until: u64) -> u64 {
        let ended = self.ended.as_ref().map_or(until, |it| it.0);
        ended.saturating_sub(self.at)
    }
}
