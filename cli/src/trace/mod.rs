//! `trace`: what happened in production, shown, replayed exactly and explained.

mod args;
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

pub(crate) use self::args::TraceArgs;
use self::args::TraceCommand;
use crate::Verdict;
use crate::failure::Failure;

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
