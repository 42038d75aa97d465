//! What the command line may say.

use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use peer_sender_tokio::{LANES_MAX, PeerKey};

use crate::bench::Workload;
use crate::recording::RecordingArgs;
use crate::spoken::SpokenArgs;

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
Exit codes: 0 ok; 1 something was not delivered, or a check failed; 2 usage, or the surroundings.
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
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
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
}

/// What to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// Plain quinn: an ordered stream with counts written back, and a stream for each message.
    Quinn,
    /// The same nodes, recorded: by a flight recorder (lengths alone), and into a file (digests).
    Recording,
}

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an identity; never overwrites a file.
    New(KeyFileArgs),
    /// Print the key by which others know an identity: the last word of the output.
    Show(KeyFileArgs),
}

#[derive(Debug, Args)]
pub(crate) struct KeyFileArgs {
    /// The identity's file: a private key, so readable by its owner only.
    pub(crate) file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("trust").required(true).args(["allow", "allow_any"])))]
pub(crate) struct ListenArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT", value_parser = bind_address)]
    pub(crate) bind: SocketAddr,
    /// The file of our identity.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The keys of those who may send here.
    #[arg(long, value_name = "KEY", num_args = 1..)]
    pub(crate) allow: Vec<PeerKey>,
    /// Let everybody send here who can reach the address.
    #[arg(long)]
    pub(crate) allow_any: bool,
    #[command(flatten)]
    pub(crate) spoken: SpokenArgs,
    /// Print one JSON object a message, with its SHA-256, and a summary at the end.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["count", "message", "files"])))]
pub(crate) struct SendArgs {
    /// Where the peer listens.
    #[arg(long, value_name = "HOST:PORT", value_parser = peer_address)]
    pub(crate) to: SocketAddr,
    /// The key that the peer must have (its `keys show`).
    #[arg(long, value_name = "KEY")]
    pub(crate) peer_key: PeerKey,
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
}

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
    /// Stop the sender in five ways after each single thing that happens in a seed.
    #[arg(long, conflicts_with_all = ["exhaustive", "scenario", "pcap"])]
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

fn bind_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected IP:PORT, as 127.0.0.1:4433 or [::]:4433".to_owned())
}

fn peer_address(text: &str) -> Result<SocketAddr, String> {
    let address = match text.parse() {
        Ok(address) => address,
        Err(_)
            if text
                .rsplit_once(':')
                .is_none_or(|(_, port)| port.parse::<u16>().is_err()) =>
        {
            return Err("expected HOST:PORT, as 192.0.2.7:4433 or example.org:4433".to_owned());
        }
        Err(_) => text
            .to_socket_addrs()
            .map_err(|error| format!("the host has no address: {error}"))?
            .next()
            .ok_or("the host has no address")?,
    };
    if address.port() == 0 || address.ip().is_unspecified() {
        return Err("must name a host and a port that can be sent to".to_owned());
    }
    Ok(address)
}

fn window(text: &str) -> Result<usize, String> {
    within(text, 1..=16_384, "expected a number from 1 to 16384")
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected seconds above 0, as 30 or 0.5".to_owned())
}

fn message_size(text: &str) -> Result<usize, String> {
    within(text, 1..=16 << 20, "expected bytes from 1 to 16777216")
}

fn peers(text: &str) -> Result<usize, String> {
    within(text, 1..=10_000, "expected a number from 1 to 10000")
}

fn repetitions(text: &str) -> Result<usize, String> {
    within(text, 1..=1_000, "expected a number from 1 to 1000")
}

fn within(text: &str, range: RangeInclusive<usize>, expected: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    const KEY: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

    fn parse(line: &str) -> Result<Cli, String> {
        Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_address_that_cannot_be_used_names_its_argument() {
        let error = parse("p listen --bind nowhere --key k --allow-any").unwrap_err();
        assert!(
            error.contains("--bind <IP:PORT>") && error.contains("127.0.0.1:4433"),
            "{error}"
        );
        for address in [
            "nowhere",
            "127.0.0.1",
            "127.0.0.1:x",
            "127.0.0.1:0",
            "0.0.0.0:9",
        ] {
            let line = format!("p send --to {address} --peer-key {KEY} --key k --count 1");
            let error = parse(&line).unwrap_err();
            assert!(error.contains("--to <HOST:PORT>"), "{error}");
        }
    }

    #[test]
    fn a_host_name_is_resolved() {
        let line = format!("p send --to localhost:4433 --peer-key {KEY} --key k --count 1");
        let Command::Send(args) = parse(&line).unwrap().command else {
            panic!("not send")
        };
        assert!(args.to.ip().is_loopback() && args.to.port() == 4433);
    }

    #[test]
    fn a_key_that_is_none_names_its_argument_and_what_is_wrong() {
        let error = parse("p send --to 127.0.0.1:1 --peer-key abc --key k --count 1").unwrap_err();
        assert!(
            error.contains("--peer-key <KEY>") && error.contains("64 hex"),
            "{error}"
        );
    }

    #[test]
    fn listen_wants_to_know_whom_to_trust() {
        assert!(
            parse("p listen --bind 127.0.0.1:0 --key k")
                .unwrap_err()
                .contains("--allow-any")
        );
        let both = format!("p listen --bind 127.0.0.1:0 --key k --allow-any --allow {KEY}");
        assert!(parse(&both).unwrap_err().contains("cannot be used with"));
        let two = format!("p listen --bind 127.0.0.1:0 --key k --allow {KEY} {KEY} --json");
        let Command::Listen(args) = parse(&two).unwrap().command else {
            panic!("not listen")
        };
        assert_eq!(args.allow.len(), 2);
    }

    #[test]
    fn the_plain_protocol_wants_its_name() {
        let send = format!("p send --to 127.0.0.1:1 --peer-key {KEY} --key k --count 1");
        let listen = "p listen --bind 127.0.0.1:0 --key k --allow-any";
        for base in [&send, listen] {
            let error = parse(&format!("{base} --protocol plain")).unwrap_err();
            assert!(error.contains("--alpn <A>"), "{error}");
            assert!(parse(&format!("{base} --protocol plain --alpn app/1")).is_ok());
            let error = parse(&format!("{base} --protocol tcp")).unwrap_err();
            assert!(error.contains("lanes, plain"), "{error}");
        }
        let line = format!("{send} --alpn app/1");
        let Command::Send(args) = parse(&line).unwrap().command else {
            panic!("not send")
        };
        let identity = peer_sender_tokio::Identity::from_secret([1; 32]);
        let builder = peer_sender_tokio::NodeConfig::builder(identity);
        let error = args.spoken.speak(builder).unwrap_err().to_string();
        assert!(
            error.starts_with("--alpn: ") && error.contains("--protocol plain"),
            "{error}"
        );
    }

    #[test]
    fn send_takes_its_messages_from_one_place() {
        let base = format!("p send --to 127.0.0.1:1 --peer-key {KEY} --key k");
        for wrong in [
            "",
            " --count 1 file",
            " --message a -",
            " --size 4 file",
            " --count 1 --lanes 0",
            " --count 1 --lanes 9",
            " --count 1 --ttl 0",
        ] {
            assert!(parse(&format!("{base}{wrong}")).is_err(), "{wrong}");
        }
        for right in [
            " --count 1",
            " --count 1 --size 0",
            " --count 1 --lanes 8 --ttl 0.5 --at-most-once",
            " --message a --message b",
            " a b",
            " -",
        ] {
            assert!(parse(&format!("{base}{right}")).is_ok(), "{right}");
        }
    }

    #[test]
    fn bench_names_what_it_does_not_understand() {
        for (wrong, expected) in [
            ("--workload all", "throughput, serial, latency, peers, idle"),
            ("--against tcp", "quinn"),
            ("--size 0", "--size <B>"),
            ("--peers 10001", "--peers <N>"),
            ("--repetitions 0", "--repetitions <N>"),
            ("--seconds 0", "--seconds <SECONDS>"),
        ] {
            let error = parse(&format!("p bench {wrong}")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn sim_explores_or_runs_a_scenario() {
        for wrong in [
            "",
            " --states 5",
            " --exhaustive --scenario file",
            " --exhaustive --states 0",
            " --scenario file --depth-first",
        ] {
            assert!(parse(&format!("p sim{wrong}")).is_err(), "{wrong}");
        }
        let Command::Sim(args) = parse("p sim --exhaustive").unwrap().command else {
            panic!("not sim")
        };
        assert_eq!(args.states, 1_000_000);
        assert!(parse("p sim --scenario -").is_ok());
    }

    #[test]
    fn giving_up_takes_seconds_above_zero() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "NaN", "inf", "1e300", "x"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
