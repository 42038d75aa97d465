//! What the demonstration has shown.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::Id;
use super::flow::FlowEnd;
use super::receiver::Received;
use crate::args::DemoArgs;
use crate::console::{self, Paint};
use crate::figures::{self, thousands};
use crate::latency::{Latency, Percentiles};
use crate::recording::Replayed;
use crate::transfer::Fate;

/// Figures, all of them counted or measured, and the checks that they must pass.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    sent: u64,
    delivered: u64,
    lost: u64,
    duplicated: u64,
    out_of_order: u64,
    digests_match: bool,
    reconnects: u64,
    seconds: f64,
    messages_per_second: f64,
    latency_us: Typical,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Replayed>,
    #[serde(skip)]
    checks: Vec<Check>,
    #[serde(skip)]
    rows: Vec<[String; 7]>,
    #[serde(skip)]
    opening: String,
}

/// Without the longest latency, which one hiccup of the machine decides.
#[derive(Clone, Copy, Debug, Serialize)]
struct Typical {
    p50: Option<u64>,
    p99: Option<u64>,
}

impl From<Percentiles> for Typical {
    fn from(Percentiles { p50, p99, .. }: Percentiles) -> Self {
        Self { p50, p99 }
    }
}

#[derive(Clone, Debug)]
struct Check {
    passed: bool,
    claim: &'static str,
    found: String,
}

impl Report {
    /// A receiver that either end has no result for (its task died) counts as all lost.
    pub(super) fn new(
        args: &DemoArgs,
        sent: &BTreeMap<Id, FlowEnd>,
        received: &BTreeMap<Id, Received>,
        trace: Option<Replayed>,
    ) -> Self {
        let mut report = Self::empty(args);
        let mut latency = Latency::new();
        let mut span = None;
        let (mut came_back, mut unexpected) = (true, 0);
        for id in 0..args.peers {
            let (Some(flow), Some(end)) = (sent.get(&id), received.get(&id)) else {
                report.digests_match = false;
                report.rows.push(std::array::from_fn(|_| "?".to_owned()));
                continue;
            };
            let (tally, proof) = (&flow.tally, &end.proof);
            let accepted = tally.accepted_count();
            let same = flow.digest.as_ref() == proof.digest().as_ref();
            report.sent += accepted;
            report.delivered += tally.count(Fate::Delivered);
            report.lost += proof.lost(accepted);
            report.duplicated += proof.duplicated();
            report.out_of_order += proof.out_of_order();
            report.reconnects += flow.reconnects;
            report.digests_match &= same;
            unexpected += proof.unexpected();
            latency.add(tally.latency());
            if let Some((first, last)) = tally.span() {
                let (start, end) = span.get_or_insert((first, last));
                (*start, *end) = (first.min(*start), last.max(*end));
            }
            if let Some(at) = end.cut_at {
                came_back &= flow.reconnects > 0;
                let _ = writeln!(
                    report.opening,
                    "the connections of receiver {} were cut when it had {}",
                    id + 1,
                    figures::plural(at, "message")
                );
            }
            report.rows.push(row(id, flow, end, same));
        }
        if let Some((first, last)) = span {
            report.seconds = last.saturating_since(first).as_secs_f64();
        }
        report.messages_per_second = figures::rate(report.delivered, report.seconds);
        report.latency_us = latency.percentiles().into();
        report.trace = trace;
        report.checks = report.check(args.messages, unexpected, came_back);
        report
    }

    /// Whether every check has passed.
    pub(super) fn is_proven(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    /// The checks that have not passed.
    pub(super) fn shortcomings(&self) -> impl Iterator<Item = String> {
        let failed = self.checks.iter().filter(|check| !check.passed);
        failed.map(|Check { claim, found, .. }| format!("check failed: {claim}: {found}"))
    }

    /// One line.
    pub(super) fn json(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }

    /// For people.
    pub(super) fn page(&self, paint: Paint) -> String {
        let mut text = format!("{}\n", self.opening);
        let head = [
            "receiver",
            "sent",
            "delivered",
            "reconnects",
            "p50",
            "p99",
            "SHA-256 of all",
        ];
        for row in [head.map(str::to_owned)].iter().chain(&self.rows) {
            let [id, sent, delivered, reconnects, p50, p99, digest] = row;
            let _ = writeln!(
                text,
                "{id:>8} {sent:>12} {delivered:>12} {reconnects:>11} {p50:>9} {p99:>9}  {digest}"
            );
        }
        text.push('\n');
        for Check {
            passed,
            claim,
            found,
        } in &self.checks
        {
            let mark = if *passed {
                paint.good("ok  ")
            } else {
                paint.bad("FAIL")
            };
            let _ = writeln!(text, "{mark} {claim}: {found}");
        }
        let _ = writeln!(
            text,
            "\n{} delivered in {:.2} s, {} a second",
            figures::plural(self.delivered, "message"),
            self.seconds,
            thousands(self.messages_per_second as u64)
        );
        text + &what_next()
    }

    fn empty(args: &DemoArgs) -> Self {
        Self {
            sent: 0,
            delivered: 0,
            lost: 0,
            duplicated: 0,
            out_of_order: 0,
            digests_match: true,
            reconnects: 0,
            seconds: 0.0,
            messages_per_second: 0.0,
            latency_us: Latency::new().percentiles().into(),
            trace: None,
            checks: Vec::new(),
            rows: Vec::new(),
            opening: format!(
                "{} of {} bytes to {} over QUIC on loopback, each end with its own key\n",
                figures::plural(args.messages, "message"),
                thousands(args.size.into()),
                figures::plural(args.peers.into(), "receiver"),
            ),
        }
    }

    fn check(&self, planned: u64, unexpected: u64, came_back: bool) -> Vec<Check> {
        let check = |passed, claim, found| Check {
            passed,
            claim,
            found,
        };
        let number = |count: u64, what: &str| format!("{} {what}", thousands(count));
        let mut checks = vec![
            check(
                self.sent == planned && self.delivered == self.sent,
                "each message was handed over and reported delivered",
                format!("{} of {}", thousands(self.delivered), thousands(planned)),
            ),
            check(
                self.lost == 0,
                "each receiver has all of them",
                number(self.lost, "lost"),
            ),
            check(
                self.duplicated == 0,
                "each once",
                number(self.duplicated, "duplicated"),
            ),
            check(
                self.out_of_order == 0,
                "in order",
                number(self.out_of_order, "out of order"),
            ),
            check(
                self.digests_match && unexpected == 0,
                "unaltered, by SHA-256 over all that each end saw",
                if self.digests_match {
                    "equal"
                } else {
                    "different"
                }
                .to_owned(),
            ),
            check(
                came_back,
                "the connection that was cut came back",
                figures::plural(self.reconnects, "reconnect"),
            ),
        ];
        checks.extend(self.trace.as_ref().map(|trace| {
            check(
                trace.replay,
                "the trace replays step by step as it was recorded",
                trace.found.clone(),
            )
        }));
        checks
    }
}

fn row(id: Id, flow: &FlowEnd, end: &Received, same: bool) -> [String; 7] {
    let Percentiles { p50, p99, .. } = flow.tally.latency().percentiles();
    let micros = |micros: Option<u64>| micros.map_or_else(|| "-".to_owned(), figures::micros);
    let digest = end.proof.digest();
    let beginning: String = digest
        .as_ref()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let equal = if same {
        "= sender's"
    } else {
        "is not the sender's"
    };
    [
        (id + 1).to_string(),
        thousands(flow.tally.accepted_count()),
        thousands(flow.tally.count(Fate::Delivered)),
        thousands(flow.reconnects),
        micros(p50),
        micros(p99),
        format!("{beginning}... {equal}"),
    ]
}

fn what_next() -> String {
    let program = console::program();
    format!(
        "
to try next, in two terminals:
  {program} keys new a.key && {program} listen --bind 127.0.0.1:4433 --key a.key --allow-any
  {program} keys new b.key && {program} send --to 127.0.0.1:4433 --key b.key --count 100000 \\
    --peer-key $({program} keys show a.key | awk '{{print $NF}}')
then kill the listener in the middle (Ctrl-C twice), start it again, and see that nothing is lost
"
    )
}
