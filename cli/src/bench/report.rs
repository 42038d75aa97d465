//! What was measured, for scripts and for people.

use std::fmt::Write;

use serde::Serialize;

use super::plan::{Contender, Plan, Speech, Workload};
use super::rows::{Compared, Figures, Row};
use crate::figures::thousands;

#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    rows: Vec<Row>,
    repetitions: usize,
    /// How long each measurement lasted.
    seconds: f64,
}

impl Report {
    pub(super) fn new(plan: &Plan, rows: Vec<Row>) -> Self {
        Self {
            rows,
            repetitions: plan.repetitions,
            seconds: plan
                .works
                .first()
                .map_or(0.0, |work| work.span.as_secs_f64()),
        }
    }

    /// One line.
    pub(super) fn json(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }

    /// A line for each contender and size.
    pub(super) fn page(&self) -> String {
        let mut text = String::new();
        let Some(first) = self.rows.first() else {
            return text;
        };
        let _ = writeln!(
            text,
            "{}, on {}; medians of {} x {:.1} s\n",
            what(first),
            first.runtime,
            self.repetitions,
            self.seconds
        );
        text += &line(&heads(first));
        let mut last_size = None;
        for row in &self.rows {
            if last_size != Some(row.size) {
                last_size = Some(row.size);
                text += &line(&cells(ours(row), row, &row.ours, None));
            }
            if let Some(compared) = &row.compared {
                let name = match compared.against {
                    Contender::Ours => "peer-sender",
                    Contender::Plain => PLAIN,
                    Contender::Framed => FRAMED,
                    Contender::Flight => "with a flight recorder",
                    Contender::File => "recorded into a file",
                    Contender::Ordered => "quinn ordered",
                    Contender::Streams => "quinn streams",
                    Contender::Acknowledged => "quinn acked",
                    Contender::Request => "quinn request",
                };
                text += &line(&cells(name, row, &compared.quinn, Some(compared)));
            }
        }
        text += "\nspread: largest less smallest, of the median";
        if first.compared.is_some() {
            text += "; ratios: ours to that line, above 1 is better, each the median of the \
                     repetitions' own";
        }
        text.push('\n');
        text
    }
}

const PLAIN: &str = "peer-sender, plain";
const FRAMED: &str = "peer-sender, framed";

fn ours(row: &Row) -> &'static str {
    match row.protocol {
        Speech::Lanes => "peer-sender",
        Speech::Plain => PLAIN,
        Speech::Framed => FRAMED,
    }
}

fn what(row: &Row) -> String {
    match row.workload {
        Workload::Throughput => "as many messages as go through to one peer".to_owned(),
        Workload::Serial => "one message at a time".to_owned(),
        Workload::Latency => "1,000 messages a second, until known to be delivered".to_owned(),
        Workload::Peers => format!("rounds of one message to each of {} peers", row.peers),
        Workload::Idle => format!(
            "{} connected peers without messages",
            thousands(row.peers as u64)
        ),
    }
}

fn heads(row: &Row) -> Vec<String> {
    let of_workload: &[&str] = match row.workload {
        Workload::Throughput | Workload::Serial | Workload::Peers => &[
            "bytes",
            "messages/s",
            "MiB/s",
            "CPU us/msg",
            "sender",
            "receiver",
        ],
        Workload::Latency => &["bytes", "p50 us", "p99 us", "p99.9 us", "max us"],
        Workload::Idle => &["KiB/peer", "accepting", "CPU us/s"],
    };
    let of_all: &[&str] = match row.compared {
        Some(_) => &["spread", "ratio", "CPU ratio"],
        None => &["spread"],
    };
    let heads = [&[""], of_workload, of_all].concat();
    heads.into_iter().map(str::to_owned).collect()
}

fn cells(name: &str, row: &Row, figures: &Figures, compared: Option<&Compared>) -> Vec<String> {
    let size = row
        .size
        .map_or(String::new(), |size| thousands(size as u64));
    let of_workload = match row.workload {
        Workload::Throughput | Workload::Serial | Workload::Peers => vec![
            size,
            whole(figures.messages_per_second),
            to_digits(figures.mib_per_second, 1),
            to_digits(figures.cpu_us_per_message, 2),
            to_digits(figures.cpu_us_dialling, 2),
            to_digits(figures.cpu_us_accepting, 2),
        ],
        Workload::Latency => {
            let micros = figures.latency_us;
            let mut cells = vec![size];
            cells.extend([
                whole(micros.map(|micros| micros.p50)),
                whole(micros.map(|micros| micros.p99)),
                whole(micros.map(|micros| micros.p99_9)),
                whole(micros.map(|micros| micros.max)),
            ]);
            cells
        }
        Workload::Idle => vec![
            to_digits(figures.kib_per_peer, 1),
            to_digits(figures.kib_per_peer_accepting, 1),
            to_digits(figures.cpu_us_per_peer_second, 1),
        ],
    };
    let ratio = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
    let mut cells = vec![name.to_owned()];
    cells.extend(of_workload);
    cells.push(
        figures
            .spread
            .map_or("-".to_owned(), |spread| format!("{:.0}%", spread * 100.0)),
    );
    cells.push(ratio(compared.and_then(|compared| compared.ratio_to_quinn)));
    cells.push(ratio(
        compared.and_then(|compared| compared.cpu_ratio_to_quinn),
    ));
    cells
}

fn whole(figure: Option<f64>) -> String {
    figure.map_or("-".to_owned(), |figure| thousands(figure.round() as u64))
}

fn to_digits(figure: Option<f64>, digits: usize) -> String {
    figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}"))
}

fn line(cells: &[String]) -> String {
    let mut text = String::new();
    for (place, cell) in cells.iter().enumerate() {
        let _ = match place {
            0 => write!(text, "{cell:<13}"),
            _ => write!(text, " {cell:>w$}", w = cell.len().max(11)),
        };
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
