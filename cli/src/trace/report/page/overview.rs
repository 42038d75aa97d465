//! All peers in a table.

use std::fmt::Write;

use peer_sender_core::trace::MachineId;

use super::super::facts::{Facts, Machine};
use super::super::html::Html;
use super::super::peer::Peer;
use crate::figures::thousands;
use crate::trace::moment::spell;

/// The columns that hold figures.
const FIGURES: [(&str, &str); 12] = [
    ("connections", "Connections that stood"),
    ("failures", "Connections lost, and attempts that failed"),
    ("accepted", "Messages accepted"),
    ("delivered", "Messages delivered"),
    ("refused", "Messages refused by the receiver"),
    ("expired", "Messages whose time to live ended"),
    ("cancelled", "Messages taken back"),
    ("failed", "Messages that never reached the receiver"),
    ("unknown", "Messages whose fate is not known"),
    ("open", "Messages without an outcome at the end"),
    (
        "p50",
        "Half of all answered messages took no longer, from being accepted on",
    ),
    ("p99", "99 of 100 took no longer"),
];

pub(super) fn render(facts: &Facts) -> String {
    let peers = facts.peers();
    if peers.is_empty() {
        return "<p class=\"cap\">No sender is in this trace.</p>\n".to_owned();
    }
    let mut out = "<p class=\"cap\">Those with the most trouble first. Each name leads to the life of its peer.</p>\n\
                   <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"All peers\"><table><thead><tr>\
                   <th scope=\"col\">peer</th><th scope=\"col\">address</th><th scope=\"col\">at the end</th>"
        .to_owned();
    for (name, title) in FIGURES {
        let _ = write!(
            out,
            "<th scope=\"col\" class=\"n\"><abbr title=\"{title}\">{name}</abbr></th>"
        );
    }
    out.push_str("</tr></thead><tbody>\n");
    for (id, machine, peer) in peers {
        row(&mut out, id, machine, peer);
    }
    out.push_str("</tbody></table></div>\n");
    out
}

fn row(out: &mut String, id: MachineId, machine: &Machine, peer: &Peer) {
    let address = peer.address.map(|it| it.to_string()).unwrap_or_default();
    let key = machine
        .about
        .key
        .map(|key| format!("key {key}"))
        .unwrap_or_default();
    let _ = write!(
        out,
        "<tr><th scope=\"row\"><a href=\"#peer-{}\" title=\"{key}\">{}</a></th><td>{address}</td>\
         <td><svg class=\"chip\" width=\"12\" height=\"12\" aria-hidden=\"true\"><rect width=\"12\" height=\"12\" \
         fill=\"url(#s-{:?})\"/></svg> {:?}</td>",
        id.0,
        Html(&machine.about.name),
        peer.standing,
        peer.standing,
    );
    let stats = &peer.stats;
    let good = [
        stats.connected,
        peer.errors.count(),
        stats.accepted,
        // Of a peer one or the other.
        stats.delivered + stats.handed_over,
    ];
    let bad = [
        stats.refused,
        stats.expired,
        stats.cancelled,
        stats.failed,
        stats.unknown,
    ];
    for count in good {
        let _ = write!(out, "<td class=\"n\">{}</td>", thousands(count));
    }
    for count in bad {
        let class = if count > 0 { "n some" } else { "n none" };
        let _ = write!(out, "<td class=\"{class}\">{}</td>", thousands(count));
    }
    let _ = write!(
        out,
        "<td class=\"n\">{}</td>",
        thousands(stats.queued + stats.in_flight)
    );
    for share in [0.5, 0.99] {
        let took = peer.messages.latency.whole.percentile(share);
        let _ = write!(
            out,
            "<td class=\"n\">{}</td>",
            took.map_or("-".to_owned(), spell)
        );
    }
    out.push_str("</tr>\n");
}
