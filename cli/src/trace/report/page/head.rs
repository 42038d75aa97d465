//! What the trace is, whether it replays the same, and what is to be looked at.

use std::fmt::Write;

use peer_sender_core::trace::{FORMAT, Payloads};

use super::super::facts::{Facts, MACHINES_MAX};
use super::super::html::Html;
use super::super::warnings::{self, WARNINGS_MAX, Warning};
use crate::figures::bytes;
use crate::figures::{plural, thousands};
use crate::trace::moment::Utc;
use crate::trace::moment::spell;
use crate::trace::words::plain;

pub(super) fn render(facts: &Facts) -> String {
    let mut out = verdict(facts);
    out.push_str("<dl class=\"facts\">\n");
    for (name, value) in rows(facts) {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Html(value));
    }
    out.push_str("</dl>\n");
    out.push_str(&list(facts));
    out.push_str(&marks(facts));
    out
}

fn verdict(facts: &Facts) -> String {
    let steps = thousands(facts.summary.steps);
    match facts.problems.all {
        0 => format!(
            "<p class=\"verdict good\"><strong>Replays the same.</strong> All {steps} steps led to the same actions as when they were recorded.</p>\n"
        ),
        _ => format!(
            "<p class=\"verdict bad\"><strong>Does not replay the same.</strong> {steps} steps led to the same actions; the warnings say where it went another way.</p>\n"
        ),
    }
}

fn rows(facts: &Facts) -> Vec<(&'static str, String)> {
    let mut rows = vec![(
        "File",
        format!("{}, format {FORMAT}", bytes(facts.file_bytes)),
    )];
    if let Some(header) = &facts.header {
        rows.push(("Recorded by", plain(&header.program)));
        let kept = match header.payloads {
            Payloads::Whole => "whole",
            Payloads::Digest => "length and digest",
            Payloads::Length => "length",
        };
        rows.push(("Payloads kept", kept.to_owned()));
    }
    if let Some((first, last)) = facts.span {
        rows.push(("From (UTC)", Utc(first).to_string()));
        rows.push(("To (UTC)", Utc(last).to_string()));
        rows.push(("Duration", spell(last.saturating_sub(first))));
    }
    let machines = facts.summary.machines;
    let beyond = machines.saturating_sub(MACHINES_MAX as u64);
    rows.push((
        "Machines",
        match beyond {
            0 => thousands(machines),
            _ => format!(
                "{}; only the first {MACHINES_MAX} are told of",
                thousands(machines)
            ),
        },
    ));
    rows.push(("Steps", thousands(facts.summary.steps)));
    rows.push(("Events", thousands(facts.summary.events)));
    rows.push(("Actions", thousands(facts.summary.actions)));
    rows.push((
        "Torn tail",
        match facts.torn {
            0 => "none".to_owned(),
            torn => plural(torn, "byte"),
        },
    ));
    rows
}

fn list(facts: &Facts) -> String {
    let warnings = warnings::all(facts);
    if warnings.is_empty() {
        return "<h3>Warnings</h3>\n<p>None.</p>\n".to_owned();
    }
    let mut out = "<h3>Warnings</h3>\n".to_owned();
    if warnings.len() > WARNINGS_MAX {
        let _ = writeln!(
            out,
            "<p class=\"cap\">The first {WARNINGS_MAX} of {}.</p>",
            thousands(warnings.len() as u64)
        );
    }
    out.push_str("<ul class=\"warnings\">\n");
    for warning in warnings.iter().take(WARNINGS_MAX) {
        let _ = writeln!(out, "{}", item(facts, warning));
    }
    out.push_str("</ul>\n");
    out
}

fn item(facts: &Facts, warning: &Warning) -> String {
    let (class, word) = if warning.grave {
        ("grave", "Fault")
    } else {
        ("mild", "Note")
    };
    let about = warning
        .machine
        .and_then(|id| Some((id, facts.machines.get(&id)?)));
    let whom = about.map(|(id, machine)| {
        format!(
            "<a href=\"#peer-{}\">{}</a>: ",
            id.0,
            Html(&machine.about.name)
        )
    });
    format!(
        "<li class=\"{class}\"><b>{word}</b> {}{}</li>",
        whom.unwrap_or_default(),
        Html(&warning.text)
    )
}

fn marks(facts: &Facts) -> String {
    if facts.marks.all == 0 {
        return String::new();
    }
    let mut out = "<h3>Marks</h3>\n".to_owned();
    let kept = facts.marks.kept.len() as u64;
    if facts.marks.all > kept {
        let _ = writeln!(
            out,
            "<p class=\"cap\">The first {kept} of {}.</p>",
            thousands(facts.marks.all)
        );
    }
    out.push_str("<ul class=\"plain\">\n");
    for (time, text) in &facts.marks.kept {
        // One that the recorder itself has added at the end knows no time.
        let when = match time {
            0 => String::new(),
            &time => format!("<time>{}</time> ", Utc(time)),
        };
        let _ = writeln!(out, "<li>{when}{}</li>", Html(text));
    }
    out.push_str("</ul>\n");
    out
}
