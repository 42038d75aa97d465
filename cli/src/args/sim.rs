//! What the command line may say of simulations.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

use super::values::seconds;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["exhaustive", "scenario", "seeds"])))]
pub(crate) struct SimArgs {
    /// Explore everything that can happen, within bounds that open step by step.
    #[arg(long)]
    pub(crate) exhaustive: bool,
    /// Run a scenario, and print what comes of each step; `-` reads it from stdin.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Run what each of these seeds draws: from A up to B, without B.
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub(crate) seeds: Option<Range<u64>>,
    /// What the seeds run on.
    #[arg(long, value_enum, default_value_t = Layer::Machine, conflicts_with_all = ["exhaustive", "scenario"])]
    pub(crate) layer: Layer,
    /// Which faults may occur: `swarm` (each class in about half of the seeds), `none`, or by name;
    /// a wrong name lists those of the layer.
    #[arg(
        long,
        value_name = "PROFILE",
        default_value = "swarm",
        conflicts_with_all = ["exhaustive", "scenario"]
    )]
    pub(crate) faults: String,
    /// What protects the connections of the layer `quic`.
    #[arg(long, value_enum, default_value_t = Crypto::Tls, conflicts_with_all = ["exhaustive", "scenario"])]
    pub(crate) crypto: Crypto,
    /// Write every datagram to this file (pcapng), with the secrets of TLS, so that Wireshark shows
    /// the streams in clear: of a scenario of the layer `quic`, or of a single seed of it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["exhaustive", "again", "digests"])]
    pub(crate) pcap: Option<PathBuf>,
    /// Write what the machines were told and did to this file, for `peer-sender trace`: of a scenario,
    /// or of a single seed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["exhaustive", "again", "digests"])]
    pub(crate) trace: Option<PathBuf>,
    /// Stop the sender in five ways after each single thing that happens in a seed.
    #[arg(long, conflicts_with_all = ["exhaustive", "scenario", "pcap", "trace"])]
    pub(crate) stops: bool,
    /// Run each so many-th seed again, in another process, and compare the digests of all that
    /// happened.
    #[arg(long, value_name = "N", conflicts_with_all = ["exhaustive", "scenario", "digests"], value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) again: Option<u64>,
    /// Run only each so many-th seed.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["exhaustive", "scenario"], value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: u64,
    /// Print a line for each seed, with the digest of all that happened, and nothing else.
    #[arg(long, conflicts_with_all = ["exhaustive", "scenario", "json"])]
    pub(crate) digests: bool,
    /// The file for the smallest scenario that breaks what the first bad seed breaks.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "violation.txt",
        conflicts_with_all = ["exhaustive", "scenario"]
    )]
    pub(crate) smallest: PathBuf,
    /// How many states, at least, unless the time is up before.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, conflicts_with_all = ["seeds", "scenario"], value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) states: u64,
    /// Go to the end of one way before the next: eight bytes a state, for very many of them. A way
    /// to a violation is then not the shortest.
    #[arg(long, conflicts_with_all = ["seeds", "scenario"])]
    pub(crate) depth_first: bool,
    /// End after so long.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with_all = ["seeds", "scenario"])]
    pub(crate) seconds: Option<Duration>,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "scenario")]
    pub(crate) json: bool,
}

/// What seeds run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layer {
    /// Both machines over a model of QUIC.
    Machine,
    /// Whole nodes with real QUIC, over a virtual network.
    Quic,
}

/// What protects connections in a virtual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Crypto {
    /// TLS that draws from the seed: each run is the same, byte for byte.
    Tls,
    /// TLS as it ships.
    Stock,
    /// Nothing: the fastest.
    Null,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(from, to)| {
        let range = from.parse().ok()?..to.parse().ok()?;
        (!range.is_empty()).then_some(range)
    });
    ends.ok_or_else(|| "expected A..B with A below B, as 0..1000".to_owned())
}
