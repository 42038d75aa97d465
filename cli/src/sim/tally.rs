//! What seeds have come to, for scripts and for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::figures::{plural, thousands};

/// What one run, or many, have come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
    /// How often the sender was stopped after a single thing, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stops: Option<u64>,
    /// Virtual time that passed.
    #[serde(rename = "simulated_hours", serialize_with = "in_hours")]
    pub(super) simulated: Duration,
    /// Of all that happened; of many runs, whatever their order. Told in hexadecimal.
    #[serde(serialize_with = "in_hexadecimal")]
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
        self.stops = match (self.stops, other.stops) {
            (None, None) => None,
            (own, its) => Some(own.unwrap_or(0) + its.unwrap_or(0)),
        };
        self.simulated += other.simulated;
        // In whichever order the threads bring them; the multiplier keeps two that differ by the
        // same bits from cancelling each other out.
        let mixed = other.digest.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.digest = self.digest.wrapping_add(mixed ^ (mixed >> 29));
        for (class, count) in &other.drawn {
            *self.drawn.entry(class).or_default() += count;
        }
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
            figure(hours(self.simulated)),
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

fn hours(time: Duration) -> f64 {
    time.as_secs_f64() / 3_600.0
}

fn in_hours<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(hours(*time))
}

fn in_hexadecimal<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{number:016x}"))
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
    #[serde(flatten)]
    pub(super) tally: Tally,
    pub(super) layer: &'static str,
    pub(super) profile: String,
    pub(super) violations: u64,
    /// None where the system does not tell.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) seconds: f64,
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
            plural(self.tally.seeds, "seed"),
            self.layer,
            self.profile,
            self.seconds,
        );
        text.push_str(&self.tally.page());
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        if let Some(cpu) = self.cpu_seconds.filter(|it| *it > 0.0) {
            let each_minute = hours(self.tally.simulated) * 60.0 / cpu;
            line(format!(
                "{} h simulated per minute of processor time",
                figure(each_minute)
            ));
        }
        if let Some(stops) = self.tally.stops {
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
                thousands(self.tally.seeds),
                broken.seed,
                broken.invariant,
                broken.what
            )),
        }
        text
    }
}
