//! `sim`: the machines in a world in virtual time. Explores all that can happen to them within
//! bounds that open step by step, or runs one scenario.

mod report;

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use std::{fs, io, thread};

use peer_sender_sim::Scenario;
use peer_sender_sim::explore::{self, Extent, Order};
use tokio::time::Instant;

use crate::Verdict;
use crate::args::SimArgs;
use crate::console::{self, Screen};
use crate::failure::Failure;
use report::Report;

/// One state in so many is seen to a good end; of a depth-first exploration, which is for many
/// more states, fewer.
const HEALED_OF: u64 = 16;
const HEALED_OF_DEEP: u64 = 256;

pub(crate) fn run(args: &SimArgs) -> Result<Verdict, Failure> {
    match &args.scenario {
        Some(file) => replay(file),
        None => explore(args),
    }
}

fn explore(args: &SimArgs) -> Result<Verdict, Failure> {
    let (order, healed_of) = match args.depth_first {
        true => (Order::Depth, HEALED_OF_DEEP),
        false => (Order::Breadth, HEALED_OF),
    };
    let extent = Extent {
        states_max: args.states,
        healed_of,
        threads: thread::available_parallelism().map_or(1, usize::from),
    };
    let screen = Screen::new();
    let bar = screen.bar("exploring", Some(args.states));
    let begin = Instant::now();
    let end = args.seconds.and_then(|limit| begin.checked_add(limit));
    let climb = explore::climb(order, extent, |bounds, states, found| {
        bar.set_position(states);
        bar.set_message(format!("depth {}, {}", found.depth, bounds.name));
        match end.is_some_and(|end| Instant::now() >= end) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let report = Report::new(&climb, healed_of, rounded(begin.elapsed()));
    screen.clear();
    let text = match args.json {
        true => report.json(),
        false => report.page(),
    };
    console::print(&text, "the exploration has ended")?;
    Ok(match climb.violation() {
        Some(_) => Verdict::NotAll,
        None => Verdict::AllIsWell,
    })
}

fn replay(file: &Path) -> Result<Verdict, Failure> {
    let unusable = |problem: String| Failure::Scenario {
        file: file.to_owned(),
        problem,
    };
    let text = match file.to_str() {
        Some("-") => io::read_to_string(io::stdin().take(SCENARIO_BYTES_MAX)),
        _ => fs::read_to_string(file),
    };
    let text = text.map_err(|error| unusable(error.to_string()))?;
    let told = peer_sender_sim::transcript(&text).map_err(|error| unusable(error.to_string()))?;
    console::print(&told, "the scenario has ended")?;
    let scenario: Scenario = text
        .parse()
        .map_err(|error: peer_sender_sim::BadScenario| unusable(error.to_string()))?;
    match scenario.run() {
        Ok(_) => Ok(Verdict::AllIsWell),
        Err(failure) => {
            console::say(&failure.to_string());
            Ok(Verdict::NotAll)
        }
    }
}

/// More than any scenario has.
const SCENARIO_BYTES_MAX: u64 = 16 << 20;

/// Seconds, to the millisecond.
fn rounded(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1_000.0
}
