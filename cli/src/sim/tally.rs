//! What seeds have come to, for scripts and for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::figures::{plural, thousands};

/// What one run, or many, have come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) seeds: u64,
    /// Messages that were accepted.
    pub(super) messages: u64,
    pub(super) delivered: u64,
    pub(super) faults: u64,
    /// Things that happened.
    pub(super) inputs: u64,
    /// Steps that they led to.
    pub(super) steps: u64,
    /// How often the sender was stopped after a single thing.
    pub(super) stops: u64,
    /// Virtual time that passed.
    pub(super) simulated: Duration,
    /// Of all that happened; of many runs, whatever their order.
    pub(super) digest: u64,
    /// How often something of each class happened.
    pub(super) drawn: BTreeMap<&'static str, u64>,
}

/// An invariant that a seed breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Broken {
    pub(super) seed: u64,
    pub(super) invariant: &'static str,
    pub(super) what: String,
}

impl Tally {
    /// Adds what another run has come to.
    pub(super) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.messages += other.messages;
        self.delivered += other.delivered;
        self.faults += other.faults;
        self.inputs += other.inputs;
        self.steps += other.steps;
        self.stops += other.stops;
        self.simulated += other.simulated;
        // In whichever order the threads bring them; the multiplier keeps two that differ by the
        // same bits from cancelling each other out.
        let mixed = other.digest.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.digest = self.digest.wrapping_add(mixed ^ (mixed >> 29));
        for (class, count) in &other.drawn {
            *self.drawn.entry(class).or_default() += count;
        }
    }

    pub(super) fn simulated_hours(&self) -> f64 {
        self.simulated.as_secs_f64() / 3_600.0
    }

    /// Some lines.
    pub(super) fn page(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{} of {} messages delivered; {} steps, {} faults, {} h simulated",
            thousands(self.delivered),
            thousands(self.messages),
            thousands(self.steps),
            thousands(self.faults),
            figure(self.simulated_hours()),
        );
        let drawn: Vec<_> = self.drawn.iter().filter(|it| *it.1 > 0).collect();
        for some in drawn.chunks(4) {
            let some = some
                .iter()
                .map(|(name, count)| format!("{name} {}", thousands(**count)));
            let _ = writeln!(text, "  {}", some.collect::<Vec<_>>().join(", "));
        }
        let _ = writeln!(text, "digest {:016x}", self.digest);
        text
    }
}

/// Two digits, or more where it is large.
fn figure(number: f64) -> String {
    match number < 10.0 {
        true => format!("{number:.2}"),
        false => thousands(number as u64),
    }
}

/// All that is told at the end.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Told {
    #[serde(skip)]
    pub(super) tally: Tally,
    pub(super) layer: &'static str,
    pub(super) profile: String,
    pub(super) seeds: u64,
    pub(super) violations: u64,
    pub(super) messages: u64,
    pub(super) delivered: u64,
    pub(super) faults: u64,
    pub(super) inputs: u64,
    pub(super) steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stops: Option<u64>,
    pub(super) simulated_hours: f64,
    /// None where the system does not tell.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) seconds: f64,
    /// In hexadecimal.
    pub(super) digest: String,
    pub(super) drawn: BTreeMap<&'static str, u64>,
    /// Seeds that were run again in another process, and those of them that came out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) again: Option<Again>,
    /// The lowest seed that breaks something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) violation: Option<Broken>,
    /// The smallest scenario found that breaks the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scenario: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Again {
    pub(super) seeds: u64,
    pub(super) otherwise: Vec<u64>,
}

impl Told {
    /// One line.
    pub(super) fn json(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }

    pub(super) fn page(&self) -> String {
        let mut text = format!(
            "{} of the layer {}, faults {}, in {:.1} s\n",
            plural(self.seeds, "seed"),
            self.layer,
            self.profile,
            self.seconds,
        );
        text.push_str(&self.tally.page());
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        if let Some(cpu) = self.cpu_seconds.filter(|it| *it > 0.0) {
            let hours = self.simulated_hours * 60.0 / cpu;
            line(format!(
                "{} h simulated per minute of processor time",
                figure(hours)
            ));
        }
        if let Some(stops) = self.stops {
            line(format!(
                "{} stops, one after each thing that happened in each of five ways",
                thousands(stops)
            ));
        }
        if let Some(again) = &self.again {
            line(match again.otherwise.as_slice() {
                [] => format!(
                    "{} run again in another process: the same",
                    plural(again.seeds, "seed")
                ),
                some => format!("run again in another process, these came out otherwise: {some:?}"),
            });
        }
        match &self.violation {
            None => line("no violation".to_owned()),
            Some(broken) => line(format!(
                "\n{} of {} seeds break an invariant; seed {}: {} does not hold: {}",
                thousands(self.violations),
                thousands(self.seeds),
                broken.seed,
                broken.invariant,
                broken.what
            )),
        }
        text
    }
}
