//! From single measurements to medians, spreads and ratios.

use serde::Serialize;

use super::courier::Micros;
use super::pair::Found;
use super::plan::{Contender, Speech, Work, Workload};
use crate::runtime;

/// What one contender did in each repetition.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    each: Vec<Figures>,
}

/// The figures of one measurement, or the medians of several; each where it applies, and where the
/// system tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mib_per_second: Option<f64>,
    /// Of both ends together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us_per_message: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us_dialling: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us_accepting: Option<f64>,
    /// From when a message was due until it was known to be delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency_us: Option<Micros>,
    /// What a connected peer costs the dialling end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kib_per_peer: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kib_per_peer_accepting: Option<f64>,
    /// CPU time of both ends for each connected peer and second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us_per_peer_second: Option<f64>,
    /// The largest less the smallest of what the ratio is of, as a part of the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spread: Option<f64>,
}

/// One work done by a node of ours and, if there is something to compare with, by quinn in one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) workload: Workload,
    /// What both ends ran on, whoever's they were.
    pub(super) runtime: runtime::Name,
    /// What our nodes spoke.
    pub(super) protocol: Speech,
    /// Bytes of each message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<usize>,
    pub(super) peers: usize,
    /// The most messages to a peer that may be handed over and not delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_flight_max: Option<usize>,
    #[serde(flatten)]
    pub(super) ours: Figures,
    #[serde(flatten)]
    pub(super) compared: Option<Compared>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Compared {
    pub(super) against: Contender,
    /// Of messages a second; of the median latency; or of the memory of a peer. The median of what
    /// each repetition gave; above 1, ours is better.
    pub(super) ratio_to_quinn: Option<f64>,
    /// Of CPU time for each message, or for each peer and second. Above 1, ours takes less.
    pub(super) cpu_ratio_to_quinn: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quinn_in_flight_max: Option<usize>,
    pub(super) quinn: Figures,
}

/// The rows of one work; the first contender is ours.
pub(super) fn of(work: &Work, contenders: &[Contender], all: &[Series]) -> Vec<Row> {
    let (Some(ours), [first, others @ ..]) = (all.first(), contenders) else {
        return Vec::new();
    };
    let row = |compared| Row {
        workload: work.workload,
        runtime: work.runtime,
        protocol: match first {
            Contender::Plain => Speech::Plain,
            Contender::Framed => Speech::Framed,
            _ => Speech::Lanes,
        },
        size: (work.workload != Workload::Idle).then_some(work.size),
        peers: work.peers,
        in_flight_max: work.window(*first),
        ours: ours.median(work.workload),
        compared,
    };
    if others.is_empty() {
        return vec![row(None)];
    }
    let compare = |(&against, quinn): (&Contender, &Series)| {
        row(Some(Compared {
            against,
            ratio_to_quinn: ours.ratio(quinn, |figures| figures.score(work.workload)),
            cpu_ratio_to_quinn: ours.ratio(quinn, Figures::thrift),
            quinn_in_flight_max: work.window(against),
            quinn: quinn.median(work.workload),
        }))
    };
    others.iter().zip(all.iter().skip(1)).map(compare).collect()
}

impl Series {
    pub(super) fn push(&mut self, work: &Work, found: &Found) {
        self.each.push(Figures::of(work, found));
    }

    fn median(&self, workload: Workload) -> Figures {
        let of = |part: fn(&Figures) -> Option<f64>| median(self.each.iter().filter_map(part));
        let latency = |part: fn(&Micros) -> f64| {
            let each = self.each.iter().filter_map(|figures| figures.latency_us);
            median(each.map(|micros| part(&micros)))
        };
        let micros = || {
            Some(Micros {
                p50: latency(|micros| micros.p50)?,
                p99: latency(|micros| micros.p99)?,
                p99_9: latency(|micros| micros.p99_9)?,
                max: latency(|micros| micros.max)?,
            })
        };
        Figures {
            messages_per_second: of(|figures| figures.messages_per_second),
            mib_per_second: of(|figures| figures.mib_per_second),
            cpu_us_per_message: of(|figures| figures.cpu_us_per_message),
            cpu_us_dialling: of(|figures| figures.cpu_us_dialling),
            cpu_us_accepting: of(|figures| figures.cpu_us_accepting),
            latency_us: micros(),
            kib_per_peer: of(|figures| figures.kib_per_peer),
            kib_per_peer_accepting: of(|figures| figures.kib_per_peer_accepting),
            cpu_us_per_peer_second: of(|figures| figures.cpu_us_per_peer_second),
            spread: spread(
                self.each
                    .iter()
                    .filter_map(|figures| figures.score(workload)),
            ),
        }
    }

    /// The median of the repetitions' own ratios: those of one repetition were measured right
    /// after one another.
    fn ratio(&self, other: &Self, score: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        let pairs = self.each.iter().zip(&other.each);
        median(pairs.filter_map(|(one, other)| Some(score(one)? / score(other)?)))
    }
}

impl Figures {
    fn of(work: &Work, found: &Found) -> Self {
        let Found {
            done,
            dialling,
            accepting,
        } = found;
        let messages = done.messages as f64;
        let each = |cpu: Option<f64>| Some(cpu? / messages).filter(|_| done.messages > 0);
        let both = dialling
            .cpu_micros
            .zip(accepting.cpu_micros)
            .map(|(one, other)| one + other);
        let rate = Some(messages / done.seconds).filter(|_| done.messages > 0);
        let peers = work.peers as f64;
        match work.workload {
            // What paces an open loop spins, which would be counted.
            Workload::Latency => Self {
                messages_per_second: rate,
                latency_us: done.latency,
                ..Self::default()
            },
            Workload::Throughput | Workload::Serial | Workload::Peers => Self {
                messages_per_second: rate,
                mib_per_second: rate.map(|rate| rate * work.size as f64 / f64::from(1 << 20)),
                cpu_us_per_message: each(both),
                cpu_us_dialling: each(dialling.cpu_micros),
                cpu_us_accepting: each(accepting.cpu_micros),
                ..Self::default()
            },
            Workload::Idle => Self {
                kib_per_peer: dialling.grown_kib.map(|kib| kib / peers),
                kib_per_peer_accepting: accepting.grown_kib.map(|kib| kib / peers),
                cpu_us_per_peer_second: both.map(|cpu| cpu / peers / done.seconds),
                ..Self::default()
            },
        }
    }

    /// What contenders are compared by: more is better.
    fn score(&self, workload: Workload) -> Option<f64> {
        match workload {
            Workload::Throughput | Workload::Serial | Workload::Peers => self.messages_per_second,
            Workload::Latency => self.latency_us.map(|micros| 1.0 / micros.p50),
            Workload::Idle => self.kib_per_peer.map(|kib| 1.0 / kib),
        }
    }

    fn thrift(&self) -> Option<f64> {
        let spent = self.cpu_us_per_message.or(self.cpu_us_per_peer_second)?;
        Some(1.0 / spent)
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values = sorted(values);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

fn spread(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values = sorted(values);
    let (least, most) = (*values.first()?, *values.last()?);
    Some((most - least) / median(values.into_iter())?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::courier::Done;
    use crate::bench::pair::Spent;

    fn a_work(workload: Workload) -> Work {
        Work {
            workload,
            size: 1 << 20,
            peers: 10,
            listeners: 1,
            window: 64,
            span: Duration::from_secs(1),
            runtime: runtime::Name::default(),
        }
    }

    fn found(messages: u64, seconds: f64, cpu: f64, kib: f64) -> Found {
        let spent = Spent {
            cpu_micros: Some(cpu),
            grown_kib: Some(kib),
        };
        Found {
            done: Done {
                messages,
                seconds,
                latency: None,
            },
            dialling: spent,
            accepting: spent,
        }
    }

    fn series(work: &Work, all: &[Found]) -> Series {
        let mut series = Series::default();
        all.iter().for_each(|found| series.push(work, found));
        series
    }

    #[test]
    fn the_middle_is_the_median() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median([].into_iter()), None);
        assert_eq!(spread([2.0, 1.0, 4.0].into_iter()), Some(1.5));
    }

    #[test]
    fn a_ratio_is_of_neighbours() {
        let work = a_work(Workload::Throughput);
        let with =
            |rates: [u64; 3], cpu| series(&work, &rates.map(|rate| found(rate, 1.0, cpu, 0.0)));
        // The machine became slower; each time ours did twice as much, for half of the CPU.
        let all = [with([200, 100, 20], 500.0), with([100, 50, 10], 500.0)];
        let rows = of(&work, &[Contender::Ours, Contender::Ordered], &all);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!(row.ours.messages_per_second, Some(100.0));
        assert_eq!(row.ours.mib_per_second, Some(100.0));
        assert_eq!(row.ours.cpu_us_per_message, Some(10.0), "both ends");
        assert_eq!(row.ours.spread, Some(1.8));
        let compared = row.compared.as_ref().unwrap();
        assert_eq!(compared.ratio_to_quinn, Some(2.0));
        assert_eq!(compared.cpu_ratio_to_quinn, Some(2.0));
        assert_eq!(compared.quinn.messages_per_second, Some(50.0));
    }

    #[test]
    fn less_memory_is_better() {
        let work = a_work(Workload::Idle);
        let all = [400.0, 800.0].map(|kib| series(&work, &[found(0, 2.0, 100.0, kib)]));
        let rows = of(&work, &[Contender::Ours, Contender::Ordered], &all);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!(row.ours.kib_per_peer, Some(40.0));
        assert_eq!(row.ours.cpu_us_per_peer_second, Some(10.0));
        assert_eq!(row.compared.as_ref().unwrap().ratio_to_quinn, Some(2.0));
        assert_eq!((row.size, row.ours.messages_per_second), (None, None));
    }

    #[test]
    fn alone_there_is_one_row_without_a_ratio() {
        let work = a_work(Workload::Serial);
        let all = [series(&work, &[found(10, 1.0, 1.0, 1.0)])];
        let rows = of(&work, &[Contender::Ours], &all);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!(row.compared, None);
    }
}
