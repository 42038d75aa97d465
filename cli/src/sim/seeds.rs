//! Runs what seeds draw, on all cores; makes the first that breaks something small.

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, thread};

use clap::ValueEnum;
use tokio::time::Instant;

use super::Kept;
use super::machine::Machine;
use super::quic::Quic;
use super::tally::{Again, Broken, Tally, Told};
use crate::Verdict;
use crate::args::{self, SimArgs};
use crate::console::{self, Screen};
use crate::failure::Failure;
use crate::usage::Usage;

/// What seeds run on.
pub(super) trait Layer: Sync {
    fn name(&self) -> &'static str;

    /// Runs what a seed draws.
    fn run(&self, seed: u64) -> (Tally, Option<Broken>);

    /// The smallest scenario found that breaks what this seed breaks.
    fn smallest(&self, seed: u64) -> String;
}

pub(super) fn run(args: &SimArgs, range: Range<u64>) -> Result<Verdict, Failure> {
    let kept = Kept::of(args);
    match args.layer {
        args::Layer::Machine => {
            let layer = Machine::new(&args.faults, args.stops)?;
            match (kept.is_something(), range.end - range.start) {
                (false, _) => run_layer(&layer, args, range),
                (true, 1) => super::replay_machines(&layer.scenario(range.start), &kept),
                (true, _) => Err(Failure::NothingToCapture),
            }
        }
        args::Layer::Quic => {
            if args.stops {
                return Err(Failure::StopsOfMachines);
            }
            let layer = Quic::new(&args.faults, args.crypto)?;
            match (kept.is_something(), range.end - range.start) {
                (false, _) => run_layer(&layer, args, range),
                (true, 1) => super::replay_nodes(&layer.scenario(range.start), &kept),
                (true, _) => Err(Failure::NothingToCapture),
            }
        }
    }
}

fn run_layer(layer: &impl Layer, args: &SimArgs, range: Range<u64>) -> Result<Verdict, Failure> {
    let before = Usage::now();
    let begin = Instant::now();
    let screen = Screen::new();
    let every = usize::try_from(args.every).unwrap_or(usize::MAX);
    let seeds: Vec<u64> = range.clone().step_by(every).collect();
    let swept = sweep(layer, &seeds, args.again, &screen);
    if args.digests {
        screen.clear();
        let lines = swept
            .digests
            .iter()
            .map(|(seed, digest)| line(*seed, *digest));
        console::print(&lines.collect::<String>(), "the seeds have been run")?;
        return Ok(verdict(&swept.broken, None));
    }
    let again = match args.again {
        Some(every) => Some(run_again(args, &range, every, &swept.digests)?),
        None => None,
    };
    let first = swept.broken.first().cloned();
    let scenario = first.as_ref().map(|broken| {
        screen.say(&format!(
            "seed {}: looking for the smallest scenario",
            broken.seed
        ));
        layer.smallest(broken.seed)
    });
    screen.clear();
    let verdict = verdict(&swept.broken, again.as_ref());
    let told = Told {
        layer: layer.name(),
        profile: args.faults.clone(),
        violations: swept.broken.len() as u64,
        cpu_seconds: Usage::now().cpu_seconds_since(&before),
        seconds: super::rounded(begin.elapsed()),
        tally: swept.tally,
        again,
        violation: first,
        scenario,
    };
    let text = match args.json {
        true => told.json(),
        false => told.page(),
    };
    console::print(&text, "the seeds have been run")?;
    if let Some(scenario) = &told.scenario {
        keep(args, scenario)?;
    }
    Ok(verdict)
}

/// What came of all seeds.
#[derive(Debug, Default)]
struct Swept {
    tally: Tally,
    /// By seed.
    broken: Vec<Broken>,
    /// Of those seeds of which they are asked for.
    digests: BTreeMap<u64, u64>,
}

/// Keeps digests of each so many-th of the seeds; of all, where nothing is said.
fn sweep(layer: &impl Layer, seeds: &[u64], digests_of: Option<u64>, screen: &Screen) -> Swept {
    let next = AtomicU64::new(0);
    let take = || {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(place).ok()?;
        Some((place, *seeds.get(place)?))
    };
    let bar = screen.bar("seeds", Some(seeds.len() as u64));
    let mut swept = Swept::default();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (done, came) = mpsc::channel();
        for _ in 0..threads {
            let done = done.clone();
            scope.spawn(move || {
                // Nobody listens any more only where this thread is the last one.
                while let Some((place, seed)) = take() {
                    let _ = done.send((place, seed, layer.run(seed)));
                }
            });
        }
        drop(done);
        for (place, seed, (tally, broken)) in came {
            let chosen = digests_of.is_none_or(|every| (place as u64).is_multiple_of(every));
            if chosen {
                swept.digests.insert(seed, tally.digest);
            }
            swept.tally.add(&tally);
            if let Some(broken) = broken {
                screen.say(&format!(
                    "seed {seed}: {} does not hold: {}",
                    broken.invariant, broken.what
                ));
                swept.broken.push(broken);
            }
            bar.inc(1);
            bar.set_message(format!("{} h simulated", hours(swept.tally.simulated)));
        }
    });
    swept.broken.sort_by_key(|it| it.seed);
    swept
}

/// Runs each so many-th seed in another process, which must find the same.
fn run_again(
    args: &SimArgs,
    range: &Range<u64>,
    every: u64,
    known: &BTreeMap<u64, u64>,
) -> Result<Again, Failure> {
    let unable = |problem: String| Failure::Again { problem };
    let program = env::current_exe().map_err(|error| unable(error.to_string()))?;
    let every = every.saturating_mul(args.every);
    let ran = Command::new(program)
        .args(["sim", "--digests", "--seeds"])
        .arg(format!("{}..{}", range.start, range.end))
        .args(["--every", &every.to_string()])
        .args(["--faults", &args.faults])
        .args(["--layer", value(&args.layer).as_str()])
        .args(["--crypto", value(&args.crypto).as_str()])
        .output()
        .map_err(|error| unable(error.to_string()))?;
    let told = String::from_utf8_lossy(&ran.stdout);
    let theirs: Vec<&str> = told.lines().collect();
    if theirs.len() != known.len() {
        return Err(unable(format!(
            "it ran {} of {} seeds",
            theirs.len(),
            known.len()
        )));
    }
    let ours = known
        .iter()
        .map(|(seed, digest)| (*seed, line(*seed, *digest)));
    let otherwise = ours
        .zip(theirs)
        .filter(|((_, ours), theirs)| ours.trim_end() != *theirs);
    Ok(Again {
        seeds: known.len() as u64,
        otherwise: otherwise.map(|((seed, _), _)| seed).collect(),
    })
}

/// Writes the scenario to a file that runs it again.
fn keep(args: &SimArgs, scenario: &str) -> Result<(), Failure> {
    let file = &args.smallest;
    fs::write(file, scenario).map_err(|error| Failure::Smallest {
        file: file.clone(),
        error,
    })?;
    console::say(&format!(
        "the smallest scenario found that breaks the same is in {0}\nto see it: {1} sim --scenario {0}",
        file.display(),
        console::program(),
    ));
    Ok(())
}

fn verdict(broken: &[Broken], again: Option<&Again>) -> Verdict {
    match broken.is_empty() && again.is_none_or(|it| it.otherwise.is_empty()) {
        true => Verdict::AllIsWell,
        false => Verdict::NotAll,
    }
}

/// What it is called on the command line.
fn value(argument: &impl ValueEnum) -> String {
    let value = argument.to_possible_value();
    value.map(|it| it.get_name().to_owned()).unwrap_or_default()
}

fn line(seed: u64, digest: u64) -> String {
    format!("{seed} {digest:016x}\n")
}

fn hours(time: Duration) -> String {
    crate::figures::thousands(time.as_secs() / 3_600)
}
