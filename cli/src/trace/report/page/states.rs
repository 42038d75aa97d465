//! How states look: each has a colour and a pattern, so that neither is needed to tell them apart.

use std::fmt::Write;

use peer_sender_core::table::Standing;

/// Every state, in the order of the legend.
pub(super) const ALL: [Standing; 8] = [
    Standing::Down,
    Standing::Connecting,
    Standing::Up,
    Standing::Draining,
    Standing::Parting,
    Standing::Idle,
    Standing::Backoff,
    Standing::Closed,
];

/// The definitions of the patterns, for the whole page.
pub(super) fn patterns() -> String {
    let mut out = "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\"><defs>\n".to_owned();
    for standing in ALL {
        let _ = writeln!(
            out,
            "<pattern id=\"s-{standing:?}\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">\
             <rect width=\"8\" height=\"8\" class=\"s-{standing:?}\"/>{}</pattern>",
            hatch(standing)
        );
    }
    out.push_str(
        "<marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"arrow\" d=\"M0 0L8 4L0 8z\"/></marker>\n\
         <marker id=\"arrow-never\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"arrow never\" d=\"M0 0L8 4L0 8z\"/></marker>\n</defs></svg>",
    );
    out
}

fn hatch(standing: Standing) -> &'static str {
    match standing {
        Standing::Up => "",
        Standing::Down => "<path class=\"hatch\" d=\"M0 4H8\"/>",
        Standing::Connecting => "<path class=\"hatch\" d=\"M-2 2L2 -2M0 8L8 0M6 10L10 6\"/>",
        Standing::Draining => "<circle class=\"dot\" cx=\"4\" cy=\"4\" r=\"1.6\"/>",
        Standing::Parting => "<path class=\"hatch\" d=\"M4 0V8\"/>",
        Standing::Idle => {
            "<circle class=\"dot\" cx=\"2\" cy=\"2\" r=\"1\"/><circle class=\"dot\" cx=\"6\" cy=\"6\" r=\"1\"/>"
        }
        Standing::Backoff => "<path class=\"hatch\" d=\"M0 0L8 8M8 0L0 8\"/>",
        Standing::Closed => "<path class=\"hatch\" d=\"M0 4H8M4 0V8\"/>",
    }
}

/// What each state of a drawing means.
pub(super) fn legend() -> String {
    let mut out = "<ul class=\"legend\">".to_owned();
    for standing in ALL {
        let _ = write!(
            out,
            "<li><svg width=\"22\" height=\"14\" aria-hidden=\"true\"><rect width=\"22\" height=\"14\" \
             fill=\"url(#s-{standing:?})\"/></svg> {standing:?}</li>"
        );
    }
    out.push_str("<li><span class=\"fault-key\" aria-hidden=\"true\">▼</span> error</li></ul>\n");
    out
}
