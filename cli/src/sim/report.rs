//! What an exploration has found, for scripts and for people.

use std::fmt::Write;

use peer_sender_sim::explore::{Climb, Counterexample};
use serde::Serialize;

use crate::console;
use crate::figures::thousands;

#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    states: u64,
    transitions: u64,
    depth: u64,
    violations: u64,
    seconds: f64,
    /// States that were seen to a good end: one in `healed_of`.
    healed: u64,
    healed_of: u64,
    /// Bounds that were explored until no state was left.
    exhausted: usize,
    bounds: Vec<Within<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    violation: Option<Broken>,
}

/// What was found within one set of bounds.
#[derive(Debug, Serialize)]
struct Within<'a> {
    name: &'a str,
    messages: u8,
    losses: u8,
    states: u64,
    transitions: u64,
    depth: u64,
    exhausted: bool,
}

#[derive(Debug, Serialize)]
struct Broken {
    invariant: &'static str,
    what: String,
    scenario: String,
}

impl<'a> Report<'a> {
    pub(super) fn new(climb: &'a Climb, healed_of: u64, seconds: f64) -> Self {
        let bounds = climb.rungs.iter().map(|(bounds, found)| Within {
            name: bounds.name,
            messages: bounds.most.messages,
            losses: bounds.most.losses,
            states: found.states,
            transitions: found.transitions,
            depth: found.depth,
            exhausted: found.exhausted,
        });
        Self {
            states: climb.states,
            transitions: climb.transitions,
            depth: climb.depth,
            violations: u64::from(climb.violation().is_some()),
            seconds,
            healed: climb.healed,
            healed_of,
            exhausted: climb.exhausted(),
            bounds: bounds.collect(),
            violation: climb.violation().map(Broken::of),
        }
    }

    /// One line.
    pub(super) fn json(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }

    /// A line for each set of bounds, the whole, and what broke.
    pub(super) fn page(&self) -> String {
        let mut text = String::new();
        for within in &self.bounds {
            let _ = writeln!(
                text,
                "{:>11} states, depth {:>3}, {} with {} messages, {} losses: {}",
                thousands(within.states),
                within.depth,
                match within.exhausted {
                    true => "all there are",
                    false => "not all      ",
                },
                within.messages,
                within.losses,
                within.name,
            );
        }
        let _ = writeln!(
            text,
            "{:>11} states that differ, {} transitions, depth {}, {:.1} s; one in {} seen to a good \
             end",
            thousands(self.states),
            thousands(self.transitions),
            self.depth,
            self.seconds,
            self.healed_of,
        );
        match &self.violation {
            None => text.push_str("no violation\n"),
            Some(broken) => broken.page(&mut text),
        }
        text
    }
}

impl Broken {
    fn of(found: &Counterexample) -> Self {
        Self {
            invariant: found.violation.id,
            what: found.violation.what.to_string(),
            scenario: found.scenario.to_string(),
        }
    }

    /// What broke, and the command that shows it again, to be copied whole.
    fn page(&self, text: &mut String) {
        let _ = write!(
            text,
            "\n{} does not hold: {}\nto see it again: {} sim --scenario - <<'END'\n{}END\n",
            self.invariant,
            self.what,
            console::program(),
            self.scenario,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peer_sender_sim::Violation;
    use peer_sender_sim::explore::{Bounds, Found, ladder};

    /// A climb that has come to a violation.
    fn broken() -> Climb {
        let bounds: Bounds = ladder().next().unwrap();
        let scenario = "send 0 1B\nconfirm a0\n".parse().unwrap();
        let violation = Violation {
            id: "I3",
            what: "the application never accepted it".into(),
        };
        let found = Found {
            states: 12_345,
            depth: 2,
            violation: Some(Counterexample {
                violation,
                scenario,
            }),
            ..Found::default()
        };
        Climb {
            states: found.states,
            rungs: vec![(bounds, found)],
            ..Climb::default()
        }
    }

    #[test]
    fn a_violation_comes_with_the_command_that_shows_it_again() {
        let climb = broken();
        let page = Report::new(&climb, 16, 0.5).page();
        assert!(page.contains("12,345 states"), "{page}");
        assert!(page.contains("I3 does not hold: the application"), "{page}");
        let (_, command) = page.split_once("to see it again: ").unwrap();
        assert!(
            command.ends_with("sim --scenario - <<'END'\nsend 0 1B\nconfirm a0\nEND\n"),
            "{command}"
        );
    }

    #[test]
    fn scripts_read_how_many_violations_there_are() {
        let climb = broken();
        let json = Report::new(&climb, 16, 0.5).json();
        let object: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(object["violations"], 1);
        assert_eq!(object["violation"]["invariant"], "I3");
        assert_eq!(object["bounds"][0]["exhausted"], false);
        let well = Report::new(&Climb::default(), 16, 0.5).json();
        let object: serde_json::Value = serde_json::from_str(&well).unwrap();
        assert_eq!(object["violations"], 0);
        assert_eq!(object.get("violation"), None);
    }
}
