//! What `trace` may be told.

use std::num::ParseIntError;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use peer_sender_core::MessageId;

use super::condition::Condition;
use super::moment::When;
use super::replay::{Setting, Until};

/// The arguments of `trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    #[command(subcommand)]
    pub(super) command: TraceCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TraceCommand {
    /// Print what happened, a line for each event and each action.
    Show(ShowArgs),
    /// Have fresh machines go through it all again, and compare.
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
    /// Find the first thing that differs between two traces.
    Diff(DiffArgs),
    /// Say in words what became of a message and why, or how the night of each peer and accepting
    /// node went.
    Explain(ExplainArgs),
    /// Write it in the format of another tool.
    Export(ExportArgs),
    /// Write one HTML page about it, which needs nothing else to be read.
    Report(ReportArgs),
}

const REPLAY_HELP: &str = "\
A condition of --break-on is one of
  state=Backoff     a sender comes to stand there: Down, Connecting, Up, Draining, Parting, Idle, Closed
  event=KIND        an event comes, as `trace show` names it: queued, connection-lost, ...
  action=KIND       an action is taken: connect, write, settle, ...
  message=ID        a step is about this message
  peer=NAME         a step of this machine
Several are given with several --break-on; all of them must hold in one step.";

/// Which part of a trace.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SelectArgs {
    /// Only of the machines of this name; may be given many times.
    #[arg(long, value_name = "NAME")]
    pub(super) peer: Vec<String>,
    /// Only from here on: seconds since the start, as 12.5, or UTC, as 2026-01-31T22:15:00 or
    /// 22:15:00.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<When>,
    /// Only up to here.
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<When>,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The trace.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Where to write the page; beside the trace, as FILE.html, if it is not said.
    #[arg(short, long, value_name = "OUT.html")]
    pub(super) out: Option<PathBuf>,
    /// The first step to be listed, counted from 1.
    #[arg(long, value_name = "STEP", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) first: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The trace.
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) select: SelectArgs,
    /// Only what is about this message.
    #[arg(long, value_name = "ID", value_parser = message_id)]
    pub(super) message: Option<MessageId>,
    /// Only these kinds of events and actions, separated by commas; a wrong one lists them all.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = super::words::kind)]
    pub(super) kind: Vec<&'static str>,
    /// What the trace is, and how much of what is in it.
    #[arg(long, conflicts_with_all = ["peer", "from", "to", "message", "kind"])]
    pub(super) summary: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The trace.
    pub(super) file: PathBuf,
    /// Stop there, and print how the machines stand: a time (as `--from` of `trace show`), or the
    /// number of a step, as #1234.
    #[arg(long, value_name = "TIME|#STEP")]
    pub(super) until: Option<Until>,
    /// Stop after the first step for which this holds, and print how its machine stands.
    #[arg(long, value_name = "CONDITION")]
    pub(super) break_on: Vec<Condition>,
    /// What if: give the senders another configuration, as backoff_max=5s, and have them go
    /// through it up to where the outside world would have answered differently; a wrong name
    /// lists what may be set.
    #[arg(long, value_name = "FIELD=VALUE", conflicts_with_all = ["until", "break_on"])]
    pub(super) set: Vec<Setting>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// A trace.
    pub(super) a: PathBuf,
    /// Another.
    pub(super) b: PathBuf,
    /// Compare what happened, and not when.
    #[arg(long)]
    pub(super) ignore_times: bool,
    /// Steps to show before and behind the first difference.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(super) context: u8,
    /// Print one JSON object a machine.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The trace.
    pub(super) file: PathBuf,
    /// The message, or the reply; without one, the whole night of each peer and accepting node.
    #[arg(value_parser = message_id)]
    pub(super) message: Option<MessageId>,
    /// The peer that it is for, or the only one, or accepting node, that is of interest.
    #[arg(long, value_name = "NAME")]
    pub(super) peer: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The trace.
    pub(super) file: PathBuf,
    /// In which format.
    #[arg(long, value_enum)]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) select: SelectArgs,
    /// Write it to this file instead of stdout; never over one that exists.
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Chrome's trace JSON, for ui.perfetto.dev: states, lives of messages, depths.
    Perfetto,
    /// A sequence diagram of a window.
    Mermaid,
    /// A row for each message, with the times of its stages and its outcome.
    Csv,
}

fn message_id(text: &str) -> Result<MessageId, String> {
    let number: Result<u64, ParseIntError> = text.trim_start_matches('#').parse();
    let id = number.map_err(|_| "expected the number of a message, as 17".to_owned())?;
    Ok(MessageId(id))
}
