//! What one session of an accepting node received, and what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use peer_sender_core::{Attempt, IncomingMessage, Lane, LinkError, Outcome, PeerKey};
use serde_json::{Value, json};

use crate::figures::{plural, thousands};
use crate::trace::moment::{Since, spell};
use crate::trace::words::{error_words, outcome_word};

/// As many comings and goings of connections are kept from the start, and as many from the end.
const LINES_MAX: usize = 10;

/// A sender's messages, as they come over one connection after the other.
#[derive(Debug)]
pub(super) struct Session {
    key: Option<PeerKey>,
    received: u64,
    bytes: u64,
    accepted: u64,
    pub(super) refused: u64,
    /// Handed to the application and not answered, of each lane in order.
    held: BTreeMap<Lane, VecDeque<Held>>,
    /// How long answers took in all, and the longest of them.
    took: (u64, u64),
    connections: u64,
    first: Vec<Link>,
    latest: VecDeque<Link>,
    /// Replies that were handed over, and the outcomes of those that have one.
    replies: u64,
    outcomes: BTreeMap<&'static str, u64>,
    forgotten: Option<u64>,
}

#[derive(Debug)]
struct Held {
    number: u64,
    bytes: u64,
    at: u64,
    refused: bool,
}

/// What a connection did.
#[derive(Debug)]
struct Link {
    at: u64,
    attempt: Attempt,
    what: Way,
}

#[derive(Debug)]
enum Way {
    Came,
    /// It had come before the trace begins.
    Stood,
    Went(LinkError),
}

/// What the application has not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// How long the oldest has waited.
    pub(super) nanos: u64,
}

impl Session {
    pub(super) fn new(key: Option<PeerKey>) -> Self {
        Self {
            key,
            received: 0,
            bytes: 0,
            accepted: 0,
            refused: 0,
            held: BTreeMap::new(),
            took: (0, 0),
            connections: 0,
            first: Vec::new(),
            latest: VecDeque::new(),
            replies: 0,
            outcomes: BTreeMap::new(),
            forgotten: None,
        }
    }

    pub(super) fn came(&mut self, at: u64, attempt: Attempt) {
        self.connections += 1;
        let what = Way::Came;
        self.link(Link { at, attempt, what });
    }

    /// Seen for the first time, of a connection that came before the trace begins.
    pub(super) fn stood(&mut self, at: u64, attempt: Attempt) {
        self.connections += 1;
        let what = Way::Stood;
        self.link(Link { at, attempt, what });
    }

    pub(super) fn went(&mut self, at: u64, attempt: Attempt, error: LinkError) {
        let what = Way::Went(error);
        self.link(Link { at, attempt, what });
    }

    fn link(&mut self, link: Link) {
        if self.first.len() < LINES_MAX {
            return self.first.push(link);
        }
        if self.latest.len() == LINES_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(link);
    }

    pub(super) fn receive(&mut self, at: u64, messages: &[IncomingMessage]) {
        for message in messages {
            let bytes = message.payload.len() as u64;
            self.received += 1;
            self.bytes = self.bytes.saturating_add(bytes);
            self.held.entry(message.lane).or_default().push_back(Held {
                number: message.number,
                bytes,
                at,
                refused: false,
            });
        }
    }

    pub(super) fn refuse(&mut self, lane: Lane, number: u64) {
        let mut held = self.held.get_mut(&lane).into_iter().flatten();
        if let Some(held) = held.find(|held| held.number == number) {
            held.refused = true;
        }
    }

    /// The application has answered all of a lane below this number.
    pub(super) fn answer(&mut self, at: u64, lane: Lane, below: u64) {
        let Some(held) = self.held.get_mut(&lane) else {
            return;
        };
        let answered = held.partition_point(|held| held.number < below);
        for answered in held.drain(..answered) {
            match answered.refused {
                true => self.refused += 1,
                false => self.accepted += 1,
            }
            let took = at.saturating_sub(answered.at);
            self.took.0 = self.took.0.saturating_add(took);
            self.took.1 = self.took.1.max(took);
        }
    }

    pub(super) fn reply(&mut self) {
        self.replies += 1;
    }

    pub(super) fn settle(&mut self, outcome: &Outcome) {
        *self.outcomes.entry(outcome_word(outcome)).or_default() += 1;
    }

    pub(super) fn forget(&mut self, at: u64) {
        self.forgotten.get_or_insert(at);
    }

    pub(super) fn unanswered(&self, until: u64) -> Unanswered {
        let mut sum = Unanswered::default();
        for held in self.held.values().flatten() {
            sum.messages += 1;
            sum.bytes = sum.bytes.saturating_add(held.bytes);
            sum.nanos = sum.nanos.max(until.saturating_sub(held.at));
        }
        sum
    }

    /// The longest that the application has taken over an answer.
    pub(super) fn slowest(&self) -> u64 {
        self.took.1
    }

    fn average(&self) -> Option<u64> {
        self.took.0.checked_div(self.accepted + self.refused)
    }

    pub(super) fn text(&self, name: u64, start: u64, until: u64, text: &mut String) {
        let key = match &self.key {
            Some(key) => format!(" of {key}"),
            None => String::new(),
        };
        let refused = match self.refused {
            0 => String::new(),
            refused => format!(", {} refused", thousands(refused)),
        };
        let _ = writeln!(
            text,
            "  session {name}{key}: {} of {} received, {} accepted by the application{refused}",
            plural(self.received, "message"),
            plural(self.bytes, "byte"),
            thousands(self.accepted),
        );
        if let Some(average) = self.average() {
            let (average, most) = (spell(average), spell(self.took.1));
            let _ = writeln!(
                text,
                "    answered after {average} on average, {most} at most"
            );
        }
        let held = self.unanswered(until);
        if held.messages > 0 {
            let _ = writeln!(
                text,
                "    {} of {} held unanswered at the end, the oldest for {}",
                plural(held.messages, "message"),
                plural(held.bytes, "byte"),
                spell(held.nanos),
            );
        }
        if self.replies > 0 || !self.outcomes.is_empty() {
            let outcomes = self.outcomes.iter();
            let outcomes = outcomes.map(|(word, count)| format!(", {} {word}", thousands(*count)));
            let replies = match self.replies {
                1 => "1 reply".to_owned(),
                count => format!("{} replies", thousands(count)),
            };
            let outcomes: String = outcomes.collect();
            let _ = writeln!(text, "    {replies} handed over{outcomes}");
        }
        self.links(start, text);
        if let Some(at) = self.forgotten {
            let since = Since(at.saturating_sub(start));
            let _ = writeln!(text, "    {since} s  the session was forgotten");
        }
    }

    fn links(&self, start: u64, text: &mut String) {
        let write = |links: &mut dyn Iterator<Item = &Link>, text: &mut String| {
            for link in links {
                let since = Since(link.at.saturating_sub(start));
                let what = match &link.what {
                    Way::Came => "came".to_owned(),
                    Way::Stood => "stood already".to_owned(),
                    Way::Went(error) => format!("went: {}", error_words(error)),
                };
                let _ = writeln!(text, "    {since} s  connection {} {what}", link.attempt);
            }
        };
        write(&mut self.first.iter(), text);
        if self.latest.len() == LINES_MAX {
            text.push_str("    ... and so on, the latest:\n");
        }
        write(&mut self.latest.iter(), text);
    }

    pub(super) fn json(&self, name: u64, start: u64, until: u64) -> Value {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let held = self.unanswered(until);
        let links = self.first.iter().chain(&self.latest).map(|link| {
            json!({
                "seconds": seconds(link.at.saturating_sub(start)),
                "connection": link.attempt.0,
                "stood_already": matches!(link.what, Way::Stood),
                "went": match &link.what {
                    Way::Went(error) => Some(error_words(error)),
                    Way::Came | Way::Stood => None,
                },
            })
        });
        json!({
            "session": name,
            "key": self.key.map(|key| key.to_string()),
            "received": self.received,
            "bytes": self.bytes,
            "accepted": self.accepted,
            "refused": self.refused,
            "answer_seconds": self.average().map(seconds),
            "answer_seconds_max": self.average().map(|_| seconds(self.took.1)),
            "unanswered": held.messages,
            "unanswered_bytes": held.bytes,
            "unanswered_seconds_max": seconds(held.nanos),
            "connections": self.connections,
            "links": links.collect::<Vec<_>>(),
            "replies": self.replies,
            "outcomes": self.outcomes,
            "forgotten": self.forgotten.map(|at| seconds(at.saturating_sub(start))),
        })
    }
}
