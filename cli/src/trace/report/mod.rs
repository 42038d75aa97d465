//! `trace report`: one HTML page about a trace, which needs no network and no scripts to be read.
//!
//! The trace is read once, and as much is kept of it as the page shows: what changes over time in
//! columns, durations in buckets, and of everything that is listed the first, or the worst.

mod bands;
mod columns;
mod facts;
mod histogram;
mod html;
mod messages;
mod page;
mod peer;
mod steps;
mod table;
mod tally;
mod warnings;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::facts::Facts;
use super::args::ReportArgs;
use super::input::Input;
use crate::failure::Failure;
use crate::figures::{plural, thousands};
use crate::{Verdict, console};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told<'a> {
    report: &'a str,
    bytes: u64,
    machines: u64,
    steps: u64,
    events: u64,
    identical: bool,
    torn: u64,
    warnings: u64,
}

pub(super) fn run(args: &ReportArgs) -> Result<Verdict, Failure> {
    let out = args.out.clone().unwrap_or_else(|| beside(args));
    let (facts, bytes) = write(&args.file, &out, args.first)?;
    let out = out.to_string_lossy();
    let told = tell(args, &facts, &out, bytes);
    console::print(&told, &format!("the report is in {out}"))?;
    Ok(match facts.problems.all {
        0 => Verdict::AllIsWell,
        _ => Verdict::Diverged,
    })
}

/// Writes the page about a trace; returns its bytes.
pub(super) fn of_trace(trace: &Path, out: &Path) -> Result<u64, Failure> {
    write(trace, out, 1).map(|(_, bytes)| bytes)
}

/// Writes the page, which lists steps from this one on; returns its bytes as well.
fn write(trace: &Path, out: &Path, first: u64) -> Result<(Facts, u64), Failure> {
    let facts = Facts::read(&mut Input::open(trace)?, first)?;
    let name = trace.file_name().unwrap_or(trace.as_os_str());
    let page = page::render(&facts, &name.to_string_lossy());
    let failure = |error| Failure::Report {
        file: out.to_owned(),
        error,
    };
    let same = |a: &Path, b: &Path| fs::canonicalize(a).ok() == fs::canonicalize(b).ok();
    if out.exists() && same(out, trace) {
        return Err(failure(io::Error::other("that is the trace itself")));
    }
    fs::write(out, &page).map_err(failure)?;
    Ok((facts, page.len() as u64))
}

fn beside(args: &ReportArgs) -> PathBuf {
    let mut name = args.file.clone().into_os_string();
    name.push(".html");
    name.into()
}

fn tell(args: &ReportArgs, facts: &Facts, out: &str, bytes: u64) -> String {
    let warnings = warnings::all(facts).len() as u64;
    let told = Told {
        report: out,
        bytes,
        machines: facts.summary.machines,
        steps: facts.summary.steps,
        events: facts.summary.events,
        identical: facts.problems.all == 0,
        torn: facts.torn,
        warnings,
    };
    if args.json {
        let json = serde_json::to_string(&told).unwrap_or_default();
        return format!("{json}\n");
    }
    format!(
        "{out}: {}, {}, {} events; {}; {}\nto see it, open it in a browser\n",
        plural(told.machines, "machine"),
        plural(told.steps, "step"),
        thousands(told.events),
        match told.identical {
            true => "replayed the same",
            false => "REPLAYED OTHERWISE",
        },
        plural(warnings, "warning"),
    )
}
