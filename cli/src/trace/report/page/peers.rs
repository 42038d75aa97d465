//! The life of each peer, as many as the page has room for.

use std::fmt::Write;

use peer_sender_core::trace::MachineId;

use super::super::facts::{Facts, Machine};
use super::super::html::Html;
use super::super::peer::Peer;
use super::super::tally::Tally;
use super::plot::Window;
use super::{diagram, latency, life, states};
use crate::figures::{plural, thousands};
use crate::trace::moment::spell;

/// Lives are drawn until they have come to so many bytes.
const BYTES_MAX: usize = 500_000;
const ERRORS_MAX: usize = 12;

pub(super) fn render(facts: &Facts) -> String {
    let Some((start, end)) = facts.span else {
        return String::new();
    };
    let window = Window { start, end };
    let peers = facts.peers();
    if peers.is_empty() {
        return String::new();
    }
    let (mut lives, mut rest, mut drawn) = (String::new(), String::new(), 0);
    for &(id, machine, peer) in &peers {
        if lives.len() >= BYTES_MAX {
            // What links to it finds at least its name and figures.
            let (name, summary) = (Html(&machine.about.name), Html(summary(machine, peer)));
            let _ = writeln!(
                rest,
                "<p id=\"peer-{}\" class=\"cap\">{name}, not drawn: {summary}</p>",
                id.0
            );
            continue;
        }
        drawn += 1;
        lives.push_str(&one(id, machine, peer, window));
    }
    let mut out = String::new();
    if drawn < peers.len() {
        let _ = writeln!(
            out,
            "<p class=\"cap\">The first {drawn} of {} are drawn, those with the most trouble.</p>",
            thousands(peers.len() as u64)
        );
    }
    out.push_str("<p class=\"cap\">Times are counted from the start of the trace; all drawings cover the whole of it.</p>\n");
    out.push_str(&states::legend());
    out.push_str(&lives);
    out.push_str(&rest);
    out
}

fn one(id: MachineId, machine: &Machine, peer: &Peer, window: Window) -> String {
    let mut out = String::new();
    let name = &machine.about.name;
    let _ = writeln!(
        out,
        "<article id=\"peer-{}\" class=\"peer\">\n<h3>{}</h3>",
        id.0,
        Html(name)
    );
    let _ = writeln!(out, "<p>{}</p>", Html(summary(machine, peer)));
    if let Some(key) = machine.about.key {
        let _ = writeln!(out, "<p class=\"cap\">Key <code>{key}</code></p>");
    }
    out.push_str(&life::render(peer, window));
    out.push_str("<h4>Latency</h4>\n");
    out.push_str(&latency::render(&peer.messages.latency));
    out.push_str("<h4>Transitions</h4>\n");
    out.push_str(&diagram::render(&peer.visits));
    out.push_str(&errors("Errors", &peer.errors, window));
    out.push_str("<p><a href=\"#overview\">Back to all peers</a></p>\n</article>\n");
    out
}

fn summary(machine: &Machine, peer: &Peer) -> String {
    let stats = &peer.stats;
    let mut text = format!(
        "{:?} at the end, after {} and {}. Of {} accepted, {} were delivered.",
        peer.standing,
        plural(stats.connected, "connection"),
        plural(peer.errors.count(), "failure"),
        plural(stats.accepted, "message"),
        thousands(stats.delivered),
    );
    let open = stats.queued + stats.in_flight;
    if open > 0 {
        let _ = write!(text, " {} had no outcome yet.", thousands(open));
    }
    let _ = write!(
        text,
        " {} written again after a lost connection. {}, {} events.",
        thousands(stats.redelivered),
        plural(machine.steps, "step"),
        thousands(machine.events)
    );
    text
}

/// What went wrong, the most frequent first.
pub(super) fn errors(title: &str, errors: &Tally, window: Window) -> String {
    let kinds = errors.kinds();
    if kinds.is_empty() {
        return String::new();
    }
    let mut out = format!("<h4>{title}</h4>\n");
    if kinds.len() > ERRORS_MAX {
        let _ = writeln!(
            out,
            "<p class=\"cap\">The {ERRORS_MAX} most frequent of {} kinds.</p>",
            kinds.len()
        );
    }
    out.push_str("<ul class=\"plain\">\n");
    let since = |time: u64| spell(time.saturating_sub(window.start));
    for (kind, seen) in kinds.iter().take(ERRORS_MAX) {
        let when = match seen.count {
            1 => format!("at {}", since(seen.first)),
            _ => format!("from {} to {}", since(seen.first), since(seen.last)),
        };
        let _ = writeln!(
            out,
            "<li>{}× {} <span class=\"cap\">({when})</span></li>",
            thousands(seen.count),
            Html(kind)
        );
    }
    out.push_str("</ul>\n");
    out
}
