//! `bench`: what the library does on this machine, and what plain quinn does with the same work.
//!
//! Each measurement has two processes of its own, one for each end, so that one end's memory and
//! CPU are not taken for the other's and nothing is left of the measurement before. All contenders
//! run in the same way: on one thread of the same runtime, the application's tasks and the library's alike,
//! over loopback, with mutual TLS 1.3 and 4 MiB of socket buffers asked for. They take turns,
//! repetition after repetition, since a machine's own speed changes from minute to minute. A message counts when the sender knows that
//! the application at the other end has it.

mod courier;
mod end;
mod ours;
mod pace;
mod pair;
#[cfg(feature = "compare")]
mod plain;
mod plan;
mod report;
mod rows;

use std::fmt::Display;

use crate::Verdict;
use crate::args::BenchArgs;
use crate::console::{self, Screen};
use crate::failure::Failure;

pub(crate) use end::run as run_end;
use plan::Plan;
pub(crate) use plan::{Speech, Workload};
use report::Report;
use rows::Series;

pub(crate) fn run(args: &BenchArgs) -> Result<Verdict, Failure> {
    #[cfg(not(feature = "compare"))]
    if args.against.is_some() {
        return Err(Failure::NothingToCompareWith);
    }
    let plan = Plan::new(args);
    let screen = Screen::new();
    let bar = screen.bar("measuring", Some(plan.len() as u64));
    #[cfg(feature = "compare")]
    let credentials = plain::Credentials::new()?;
    let mut rows = Vec::new();
    for &work in &plan.works {
        let mut all: Vec<Series> = plan.contenders.iter().map(|_| Series::default()).collect();
        for _ in 0..plan.repetitions {
            for (&contender, series) in plan.contenders.iter().zip(&mut all) {
                let found = pair::measure(
                    work,
                    contender,
                    #[cfg(feature = "compare")]
                    &credentials,
                )?;
                series.push(&work, &found);
                bar.inc(1);
            }
        }
        rows.extend(rows::of(&work, &plan.contenders, &all));
    }
    screen.clear();
    let report = Report::new(&plan, rows);
    let text = match args.json {
        true => report.json(),
        false => report.page(),
    };
    console::print(&text, "everything was measured")?;
    Ok(Verdict::AllIsWell)
}

fn failed(what: &str, error: impl Display) -> Failure {
    Failure::Bench {
        what: format!("{what}: {error}"),
    }
}
