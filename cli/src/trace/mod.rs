//! `trace`: what happened in production, shown, replayed exactly and explained.

mod args;
mod astray;
mod condition;
mod diff;
mod explain;
mod export;
mod input;
mod moment;
mod out;
mod player;
mod replay;
mod report;
mod select;
mod show;
mod story;
mod trouble;
mod words;

use std::path::Path;

use peer_sender_core::trace::Replay;

pub(crate) use self::args::TraceArgs;
use self::args::TraceCommand;
use self::input::Input;
use crate::Verdict;
use crate::failure::Failure;
use crate::figures::plural;

/// Has machines go through a whole trace.
///
/// # Errors
///
/// In words, why it cannot be read, or does not go the same way again.
pub(crate) fn go_through(file: &Path, replay: &mut Replay) -> Result<(), String> {
    let mut input = Input::open(file).map_err(|error| error.to_string())?;
    while let Some(record) = input.next().map_err(|error| error.to_string())? {
        replay.record(record).map_err(|error| error.to_string())?;
    }
    match input.torn() {
        0 => Ok(()),
        torn => Err(format!("its last {} are torn", plural(torn, "byte"))),
    }
}

/// Writes the HTML page about a trace, as `trace report` does; returns its bytes.
///
/// # Errors
///
/// The trace cannot be read, or the page cannot be written.
pub(crate) fn write_report(trace: &Path, page: &Path) -> Result<u64, Failure> {
    report::of_trace(trace, page)
}

pub(crate) fn run(args: &TraceArgs) -> Result<Verdict, Failure> {
    match &args.command {
        TraceCommand::Show(args) => show::run(args),
        TraceCommand::Replay(args) => replay::run(args),
        TraceCommand::Explain(args) => explain::run(args),
        TraceCommand::Diff(args) => diff::run(args),
        TraceCommand::Export(args) => export::run(args),
        TraceCommand::Report(args) => report::run(args),
    }
}
