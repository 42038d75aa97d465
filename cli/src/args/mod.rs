//! What the command line may say.

mod sim;
#[cfg(test)]
mod tests;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use peer_sender_tokio::{LANES_MAX, Owner, PeerKey};

use self::values::{bind_address, message_size, peer_address, peers, repetitions, seconds, window};
use crate::bench::{Speech, Workload};
use crate::recording::RecordingArgs;
use crate::runtime::RuntimeArgs;
use crate::spoken::SpokenArgs;
use crate::trace::TraceArgs;
use crate::wire::WireArgs;

pub(crate) use self::sim::{Crypto, Layer, SimArgs};

/// Sends messages to peers over QUIC and tells the truth about each.
#[derive(Debug, Parser)]
#[command(name = "peer-sender", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Log to stderr; twice for the details of QUIC. RUST_LOG says it more finely.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 ok; 1 something was not delivered, or a check failed; 2 usage, or the surroundings;
3 a trace that was read did not go the same way again.
Start with: peer-sender demo";

const SCENARIO_HELP: &str = "\
A scenario has a line for each thing that happens:
  set flight_messages_max 1   # settings come first
  send 0 5B                   # a message of 5 bytes on lane 0: message #0
  confirm a0                  # the sender's first attempt, a0, is confirmed
  deliver a0 up               # what the sender wrote arrives
  take 0                      # the application accepts the message
  lose a0 dialler timeout     # the sender's end loses the connection
  heal                        # from here on everything works
without the comments, which stand on lines of their own; peer_sender_sim::Op lists all of them.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it at work on this machine: no files, no root, some seconds.
    Demo(DemoArgs),
    /// Measure it on this machine, alone or against plain QUIC.
    Bench(BenchArgs),
    /// One end of a measurement, which `bench` starts: reads what to do on stdin.
    #[command(hide = true)]
    BenchEnd,
    /// Make and show identities.
    Keys(KeysArgs),
    /// Receive messages: a line for each on stdout.
    Listen(ListenArgs),
    /// Send messages to a listener.
    Send(SendArgs),
    /// Explore all that can happen to the machines in a simulated world, or run one scenario.
    #[command(after_help = SCENARIO_HELP)]
    Sim(SimArgs),
    /// Read a trace: show what happened, replay it exactly, and explain it.
    Trace(TraceArgs),
    /// Look into the bytes of a message, or make them.
    Wire(WireArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many receivers.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) peers: u32,
    /// How many messages in all.
    #[arg(long, value_name = "N", default_value_t = 120_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) messages: u64,
    /// Bytes of each message, from 8 (they carry their number) to 1048576.
    #[arg(long, value_name = "B", default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=1_048_576))]
    pub(crate) size: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Record it, and write an HTML page about it to this file at the end, as `trace report` does;
    /// the trace is beside it, as FILE.trace, unless --trace names another place.
    #[arg(long, value_name = "FILE", conflicts_with = "flight")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
    #[command(flatten)]
    pub(crate) nodes: RuntimeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure.
    #[arg(long, value_name = "W", value_enum, default_value_t = Workload::Throughput)]
    pub(crate) workload: Workload,
    /// Bytes of each message; 1024 by default, and for throughput 100, 1024, 65536 and 1048576 in
    /// turn.
    #[arg(long, value_name = "B", value_parser = message_size)]
    pub(crate) size: Option<usize>,
    /// How many peers: for peers 100 by default, for idle 1000.
    #[arg(long, value_name = "N", value_parser = peers)]
    pub(crate) peers: Option<usize>,
    /// Messages handed over and not known to be delivered, at most, for throughput: 64 by default;
    /// 16384 is what a lane takes by default.
    #[arg(long, value_name = "N", value_parser = window)]
    pub(crate) window: Option<usize>,
    /// Do the same work on this, in turn, and print ratios; above 1 is better than that.
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) against: Option<Against>,
    /// How long each measurement lasts; by default so long that all end within 45 s.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,
    /// How often each is measured, for medians and spreads.
    #[arg(long, value_name = "N", value_parser = repetitions)]
    pub(crate) repetitions: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) nodes: RuntimeArgs,
    /// What our nodes speak. Recordings are of lanes.
    #[arg(long, value_name = "P", value_enum, default_value = "lanes")]
    pub(crate) protocol: Speech,
}

/// What to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// Plain quinn on the same runtime: an ordered stream with counts written back, and a stream for
    /// each message.
    Quinn,
    /// The same nodes, recorded: by a flight recorder (lengths alone), and into a file (digests).
    Recording,
    /// The same nodes with lanes, which is what they speak by default.
    Lanes,
}

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an identity; never overwrites a file.
    New(NewKeyArgs),
    /// Print the key by which others know an identity: the last word of the output.
    Show(ShowKeyArgs),
    /// Make and show the keys of owners, who sign the keys of nodes of the Acki Nacki network.
    Owner(OwnerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewKeyArgs {
    #[command(flatten)]
    pub(crate) shown: ShowKeyArgs,
    /// The file of an owner's key, which signs the new one; may be given many times.
    #[arg(long, value_name = "FILE", requires = "acki_nacki")]
    pub(crate) owner_key: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowKeyArgs {
    #[command(flatten)]
    pub(crate) file: KeyFileArgs,
    /// As nodes of the Acki Nacki network know it: by the hash of its certificate, and by its
    /// owners. A new one has a P-256 key, and its certificate in the same file.
    #[arg(long)]
    pub(crate) acki_nacki: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OwnerArgs {
    #[command(subcommand)]
    pub(crate) command: OwnerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OwnerCommand {
    /// Make an owner's key; never overwrites a file.
    New(KeyFileArgs),
    /// Print the public key by which others know an owner: the last word of the output.
    Show(KeyFileArgs),
}

#[derive(Debug, Args)]
pub(crate) struct KeyFileArgs {
    /// The file: a private key, so nobody else may read it.
    pub(crate) file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("trust").required(true).args(["allow", "allow_any", "trust_owner"])))]
pub(crate) struct ListenArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT", value_parser = bind_address)]
    pub(crate) bind: SocketAddr,
    /// The file of our identity.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The keys of those who may send here; with --protocol acki-nacki, the hashes of their
    /// certificates.
    #[arg(long, value_name = "KEY", num_args = 1..)]
    pub(crate) allow: Vec<PeerKey>,
    /// Let everybody send here who can reach the address.
    #[arg(long)]
    pub(crate) allow_any: bool,
    /// Let those send here whose certificate one of these owners has signed.
    #[arg(long, value_name = "OWNER", num_args = 1..)]
    pub(crate) trust_owner: Vec<Owner>,
    #[command(flatten)]
    pub(crate) spoken: SpokenArgs,
    /// Print one JSON object a message, with its SHA-256, and a summary at the end.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
    #[command(flatten)]
    pub(crate) nodes: RuntimeArgs,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["count", "message", "files"])))]
#[command(group(ArgGroup::new("whom").required(true).args(["peer_key", "peer_owner"])))]
pub(crate) struct SendArgs {
    /// Where the peer listens.
    #[arg(long, value_name = "HOST:PORT", value_parser = peer_address)]
    pub(crate) to: SocketAddr,
    /// The key that the peer must have (its `keys show`); with --protocol acki-nacki, the hash of
    /// its certificate.
    #[arg(long, value_name = "KEY")]
    pub(crate) peer_key: Option<PeerKey>,
    /// The owner that must have signed the peer's certificate, in place of its key.
    #[arg(long, value_name = "OWNER")]
    pub(crate) peer_owner: Option<Owner>,
    /// The file of our identity.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) spoken: SpokenArgs,
    /// Tell the peer by which DNS name it is dialled (SNI); it is still known by its key alone.
    #[arg(long, value_name = "S")]
    pub(crate) server_name: Option<String>,
    /// Send this many made-up messages, each different.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Bytes of each made-up message.
    #[arg(long, value_name = "B", conflicts_with_all = ["message", "files"], default_value_t = 1_024)]
    pub(crate) size: usize,
    /// Send this text; may be given many times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) message: Vec<String>,
    /// Send each file as one message; `-` sends each line of stdin as one.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Spread the messages over so many lanes, in turn: each is in order by itself.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(LANES_MAX)))]
    pub(crate) lanes: u8,
    /// Do not send a message any more that has waited for so long; it has expired then. By default
    /// messages wait for ever.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ttl: Option<Duration>,
    /// Never send a message twice that the receiver may have, even if its fate stays unknown.
    #[arg(long)]
    pub(crate) at_most_once: bool,
    /// Stop if nothing was delivered for so long while something waits; by default never.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) give_up: Option<Duration>,
    /// Print one JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
    #[command(flatten)]
    pub(crate) nodes: RuntimeArgs,
}
