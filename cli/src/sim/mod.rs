//! `sim`: the machines in a world in virtual time. Explores all that can happen to them within
//! bounds that open step by step, runs what seeds draw, or runs one scenario.

mod explore;
mod machine;
mod quic;
mod report;
mod seeds;
mod tally;

use std::io::Read;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use peer_sender_sim::{BadScenario, Scenario, net};

use crate::Verdict;
use crate::args::SimArgs;
use crate::console;
use crate::failure::Failure;
use crate::figures::plural;

pub(crate) fn run(args: &SimArgs) -> Result<Verdict, Failure> {
    match (&args.scenario, &args.seeds) {
        (Some(file), _) => replay(file, &Kept::of(args)),
        (None, Some(range)) => seeds::run(args, range.clone()),
        (None, None) => explore::run(args),
    }
}

fn replay(file: &Path, kept: &Kept<'_>) -> Result<Verdict, Failure> {
    let unusable = |problem: String| Failure::Scenario {
        file: file.to_owned(),
        problem,
    };
    let text = match file.to_str() {
        Some("-") => io::read_to_string(io::stdin().take(SCENARIO_BYTES_MAX)),
        _ => fs::read_to_string(file),
    };
    let text = text.map_err(|error| unusable(error.to_string()))?;
    let bad = |error: BadScenario| unusable(error.to_string());
    if net::Scenario::is_of(&text) {
        return replay_nodes(&text.parse().map_err(bad)?, kept);
    }
    let told = peer_sender_sim::transcript(&text).map_err(|error| unusable(error.to_string()))?;
    console::print(&told, "the scenario has ended")?;
    replay_machines(&text.parse().map_err(bad)?, kept)
}

/// Runs a scenario of the machines alone, and says whether all was well.
fn replay_machines(scenario: &Scenario, kept: &Kept<'_>) -> Result<Verdict, Failure> {
    if kept.pcap.is_some() {
        return Err(Failure::NothingToCapture);
    }
    let result = match kept.trace {
        Some(file) => {
            let (result, trace) = scenario.run_recorded();
            keep(file, &trace)?;
            result
        }
        None => scenario.run().map(drop),
    };
    Ok(match result {
        Ok(()) => Verdict::AllIsWell,
        Err(failure) => {
            console::say(&failure.to_string());
            Verdict::NotAll
        }
    })
}

fn keep(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(file, bytes).map_err(|error| Failure::Capture {
        file: file.to_owned(),
        error,
    })?;
    let bytes = plural(bytes.len() as u64, "byte");
    console::say(&format!("wrote {bytes} to {}", file.display()));
    Ok(())
}

/// Runs a scenario of whole nodes, and tells what it came to.
fn replay_nodes(scenario: &net::Scenario, kept: &Kept<'_>) -> Result<Verdict, Failure> {
    let result = match kept.is_something() {
        true => quic::capture(scenario, kept)?,
        false => scenario.run(),
    };
    Ok(match result {
        Ok(report) => {
            console::print(&quic::tally(&report).page(), "the scenario has ended")?;
            Verdict::AllIsWell
        }
        Err(failure) => {
            let (invariant, what) = quic::said(failure);
            console::say(&format!("{invariant} does not hold: {what}"));
            Verdict::NotAll
        }
    })
}

/// The files for what happens in a run.
#[derive(Clone, Copy, Debug)]
struct Kept<'a> {
    pcap: Option<&'a Path>,
    trace: Option<&'a Path>,
}

impl<'a> Kept<'a> {
    fn of(args: &'a SimArgs) -> Self {
        Self {
            pcap: args.pcap.as_deref(),
            trace: args.trace.as_deref(),
        }
    }

    fn is_something(&self) -> bool {
        self.pcap.is_some() || self.trace.is_some()
    }
}

/// More than any scenario has.
const SCENARIO_BYTES_MAX: u64 = 16 << 20;

/// Seconds, to the millisecond.
fn rounded(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1_000.0
}
