//! What is measured, for how long, and with what in flight.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::args::{Against, BenchArgs};
use crate::runtime;

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Workload {
    /// As many messages as go through to one peer.
    Throughput,
    /// One message at a time: the next is sent when the last is known to be delivered.
    Serial,
    /// A thousand messages a second, and how long each took until it was known to be delivered.
    Latency,
    /// Rounds of one message to each of many peers.
    Peers,
    /// Many connected peers and no messages: what they cost in memory and CPU.
    Idle,
}

/// What our nodes speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speech {
    Lanes,
    Plain,
    Framed,
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Contender {
    /// A node of this library.
    Ours,
    /// A node of this library that speaks the plain protocol.
    Plain,
    /// A node of this library that speaks the framed protocol.
    Framed,
    /// The same as [`Ours`](Self::Ours) with a flight recorder, at both ends.
    Flight,
    /// The same recorded into a file, at both ends.
    File,
    /// Plain quinn: one bidirectional stream, messages with a length before them, cumulative
    /// counts written back by the receiving application.
    Ordered,
    /// Plain quinn: a unidirectional stream for each message, and one stream back with cumulative
    /// counts written by the receiving application.
    Streams,
    /// Plain quinn: a unidirectional stream for each message, which is delivered when QUIC has all of
    /// it acknowledged, as with [`Plain`](Self::Plain).
    Acknowledged,
    /// Plain quinn: a bidirectional stream for each message, answered on it by the receiving
    /// application.
    Request,
}

/// One work to be done, for some seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) workload: Workload,
    /// Bytes of each message; 0 where there are none.
    pub(super) size: usize,
    pub(super) peers: usize,
    /// Addresses that the peers are spread over.
    pub(super) listeners: usize,
    /// Messages that may be open at once, where there may be more than one.
    pub(super) window: usize,
    /// How long the measurement lasts.
    pub(super) span: Duration,
    /// What both ends run on.
    pub(super) runtime: runtime::Name,
}

/// All works, and how often each contender does each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) works: Vec<Work>,
    /// Ours first.
    pub(super) contenders: Vec<Contender>,
    pub(super) repetitions: usize,
}

/// Messages a second of [`Workload::Latency`].
pub(super) const RATE: u32 = 1_000;

/// What is open where no window is given: enough to keep both ends busy, and what one application
/// rather has open than thousands.
const WINDOW: usize = 64;
/// What [`peer_sender_tokio::Config`] lets be queued and in flight on one lane by default.
const MESSAGES_OPEN_MAX: usize = 2 * 8_192;
const BYTES_OPEN_MAX: usize = (16 + 4) << 20;

/// Streams that are open at once, at most, where each message has one of its own: more of them make
/// quinn slower.
pub(super) const STREAMS_OPEN_MAX: usize = 256;

impl Plan {
    pub(super) fn new(args: &BenchArgs) -> Self {
        let workload = args.workload;
        let span = Duration::from_millis(match workload {
            Workload::Throughput => 400,
            Workload::Serial | Workload::Peers => 1_000,
            Workload::Latency => 3_000,
            // As long as a connection may rest before it is pinged.
            Workload::Idle => 4_000,
        });
        let works = sizes(args).into_iter().map(|size| Work {
            workload,
            size,
            peers: peers(args),
            listeners: match workload {
                Workload::Throughput | Workload::Serial | Workload::Latency => 1,
                Workload::Peers | Workload::Idle => 10,
            },
            window: match workload {
                Workload::Throughput => args.window.unwrap_or(WINDOW),
                // At a fixed rate a window would hide how late messages are.
                Workload::Latency => MESSAGES_OPEN_MAX,
                Workload::Serial | Workload::Peers | Workload::Idle => 1,
            },
            span: args.seconds.unwrap_or(span),
            runtime: args.nodes.runtime,
        });
        let mut contenders = vec![match args.protocol {
            Speech::Lanes => Contender::Ours,
            Speech::Plain => Contender::Plain,
            Speech::Framed => Contender::Framed,
        }];
        match args.against {
            Some(Against::Quinn) => contenders.extend(workload.of_quinn(args.protocol)),
            Some(Against::Recording) => contenders.extend([Contender::Flight, Contender::File]),
            Some(Against::Lanes) => contenders.push(Contender::Ours),
            None => {}
        }
        let repetitions = match workload {
            Workload::Throughput | Workload::Serial | Workload::Peers => 5,
            Workload::Latency | Workload::Idle => 3,
        };
        Self {
            works: works.collect(),
            contenders,
            repetitions: args.repetitions.unwrap_or(repetitions),
        }
    }

    /// Measurements in all.
    pub(super) fn len(&self) -> usize {
        self.works.len() * self.contenders.len() * self.repetitions
    }
}

fn sizes(args: &BenchArgs) -> Vec<usize> {
    match (args.workload, args.size) {
        (Workload::Idle, _) => vec![0],
        (_, Some(size)) => vec![size],
        (Workload::Throughput, None) => vec![100, 1 << 10, 64 << 10, 1 << 20],
        (Workload::Serial | Workload::Latency | Workload::Peers, None) => vec![1 << 10],
    }
}

fn peers(args: &BenchArgs) -> usize {
    match args.workload {
        Workload::Throughput | Workload::Serial | Workload::Latency => 1,
        Workload::Peers => args.peers.unwrap_or(100),
        Workload::Idle => args.peers.unwrap_or(1_000),
    }
}

impl Workload {
    /// The ways in which quinn may do it that are worth comparing with.
    fn of_quinn(self, protocol: Speech) -> &'static [Contender] {
        if protocol == Speech::Plain && self != Self::Idle {
            return &[Contender::Streams, Contender::Acknowledged];
        }
        match self {
            Self::Throughput => &[Contender::Ordered, Contender::Streams],
            Self::Serial | Self::Latency | Self::Peers => &[Contender::Ordered, Contender::Request],
            Self::Idle => &[Contender::Ordered],
        }
    }
}

impl Work {
    /// As [`open_max`](Self::open_max), where that is a limit: at a fixed rate nothing is.
    pub(super) fn window(&self, contender: Contender) -> Option<usize> {
        (self.workload != Workload::Latency).then(|| self.open_max(contender))
    }

    /// The most messages to one peer that are handed over and not known to be delivered.
    pub(super) fn open_max(&self, contender: Contender) -> usize {
        let most = match self.workload {
            Workload::Serial | Workload::Peers => 1,
            Workload::Idle => 0,
            Workload::Throughput | Workload::Latency => match contender {
                Contender::Ours
                | Contender::Plain
                | Contender::Framed
                | Contender::Flight
                | Contender::File
                | Contender::Ordered => self.window,
                Contender::Streams | Contender::Acknowledged | Contender::Request => {
                    self.window.min(STREAMS_OPEN_MAX)
                }
            },
        };
        most.min((BYTES_OPEN_MAX / self.size.max(1)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn plan(line: &str) -> Plan {
        let cli = Cli::try_parse_from(format!("p bench {line}").split_whitespace()).unwrap();
        let Command::Bench(args) = cli.command else {
            panic!("not bench")
        };
        Plan::new(&args)
    }

    #[test]
    fn by_default_throughput_of_four_sizes_is_measured() {
        let plan = plan("");
        let sizes: Vec<usize> = plan.works.iter().map(|work| work.size).collect();
        assert_eq!(sizes, [100, 1_024, 65_536, 1_048_576]);
        assert_eq!(plan.contenders, [Contender::Ours]);
        assert_eq!(plan.len(), 4 * plan.repetitions);
    }

    #[test]
    fn no_default_run_measures_for_longer_than_40_seconds() {
        for workload in ["throughput", "serial", "latency", "peers", "idle"] {
            let plan = plan(&format!("--workload {workload} --against quinn"));
            let span: Duration = plan.works.iter().map(|work| work.span).sum();
            let all = span * (plan.contenders.len() * plan.repetitions) as u32;
            assert!(all <= Duration::from_secs(40), "{workload}: {all:?}");
        }
    }

    #[test]
    fn what_is_open_is_bounded_in_messages_and_bytes() {
        let work = plan("--window 16384").works[0];
        let open = |size, contender| Work { size, ..work }.open_max(contender);
        assert_eq!(open(100, Contender::Ours), 16_384);
        assert_eq!(open(100, Contender::Streams), STREAMS_OPEN_MAX);
        assert_eq!(open(1 << 20, Contender::Ordered), 20);
        assert_eq!(open(1 << 30, Contender::Ours), 1);
        assert_eq!(open(0, Contender::Ordered), 16_384);
    }

    #[test]
    fn all_contenders_have_the_same_window_by_default() {
        let work = plan("").works[0];
        for contender in [Contender::Ours, Contender::Ordered, Contender::Streams] {
            assert_eq!(work.open_max(contender), WINDOW);
        }
    }

    #[test]
    fn one_message_at_a_time_is_one() {
        let plan = plan("--workload serial");
        assert_eq!(plan.works[0].open_max(Contender::Ours), 1);
    }
}
