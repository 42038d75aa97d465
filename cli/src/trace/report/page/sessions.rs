//! Accepting nodes: their sessions, and what they took.

use std::fmt::Write;

use peer_sender_core::trace::MachineId;

use super::super::facts::{Facts, Machine};
use super::super::html::Html;
use super::super::table::Table;
use super::life::{self, at_most};
use super::peers::errors;
use super::plot::{self, Plot, Window};
use crate::figures::bytes;
use crate::figures::{plural, thousands};

/// The most tables that are drawn.
const TABLES_MAX: usize = 4;

pub(super) fn render(facts: &Facts) -> String {
    let Some((start, end)) = facts.span else {
        return String::new();
    };
    let window = Window { start, end };
    let tables = facts.tables();
    if tables.is_empty() {
        return "<p class=\"cap\">No accepting node is in this trace.</p>\n".to_owned();
    }
    let mut out = String::new();
    if tables.len() > TABLES_MAX {
        let _ = writeln!(
            out,
            "<p class=\"cap\">The first {TABLES_MAX} of {} are drawn.</p>",
            thousands(tables.len() as u64)
        );
    }
    for (place, (id, machine, table)) in tables.into_iter().enumerate() {
        if place < TABLES_MAX {
            out.push_str(&one(id, machine, table, window));
        } else {
            // What links to it finds at least its name and figures.
            let (name, summary) = (Html(&machine.about.name), Html(summary(table)));
            let _ = writeln!(
                out,
                "<p id=\"table-{}\" class=\"cap\">{name}, not drawn: {summary}</p>",
                id.0
            );
        }
    }
    out
}

fn one(id: MachineId, machine: &Machine, table: &Table, window: Window) -> String {
    let mut out = String::new();
    let name = &machine.about.name;
    let _ = writeln!(
        out,
        "<article id=\"table-{}\" class=\"peer\">\n<h3>{}</h3>",
        id.0,
        Html(name)
    );
    let _ = writeln!(out, "<p>{}</p>", Html(summary(table)));
    out.push_str(&life::depth("Sessions", "queue", &table.sessions, window));
    out.push_str(&flow(table, window));
    out.push_str(&life::depth_as(
        "Bytes held",
        "flight",
        &table.held,
        window,
        bytes,
    ));
    out.push_str(&errors("Connections lost", &table.errors, window));
    out.push_str("</article>\n");
    out
}

fn summary(table: &Table) -> String {
    let stats = &table.stats;
    let mut text = format!(
        "{} at the end, at most {}; {} accepted. {} delivered ({}), {} refused, {} received again and dropped.",
        plural(table.remembered, "session"),
        thousands(table.sessions_max),
        plural(table.connections, "connection"),
        plural(stats.delivered, "message"),
        bytes(stats.delivered_bytes),
        thousands(stats.refused),
        thousands(stats.duplicates),
    );
    for (count, one) in [
        (table.forgotten, "forgotten session"),
        (stats.taken_over, "lane taken over by a newer connection"),
        (stats.protocol_errors, "broken protocol"),
        (table.replies_settled, "settled answer"),
    ] {
        if count > 0 {
            let _ = write!(text, " {}.", plural(count, one));
        }
    }
    text
}

fn flow(table: &Table, window: Window) -> String {
    let counts = life::spread(&table.flow, window);
    let delivered: Vec<u64> = counts.iter().map(|counts| counts[0]).collect();
    let refused: Vec<u64> = counts.iter().map(|counts| counts[1]).collect();
    let max = counts.iter().flatten().copied().max().unwrap_or_default();
    let caption = format!(
        "Messages <span class=\"key delivered\">delivered</span> \
         <span class=\"key otherwise\">refused</span>{}",
        at_most(max, window, counts.len())
    );
    let mut plot = Plot::new(&caption, "Messages delivered and refused over time", 56);
    plot.times(window);
    plot.path("delivered", &plot::bars(&delivered, max));
    plot.path("otherwise", &plot::bars(&refused, max));
    plot.finish_over_time()
}
