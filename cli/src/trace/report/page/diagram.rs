//! A sender's states and how often it went from one to another.

use std::collections::BTreeMap;
use std::fmt::Write;

use peer_sender_core::table::{Standing, TRANSITIONS};

use super::states;
use crate::figures::thousands;

/// Half of a state's box.
const HALF: (f64, f64) = (48.0, 16.0);

/// All ways from one state to another, whatever the cause.
struct Way {
    from: Standing,
    to: Standing,
    taken: u64,
    causes: String,
}

pub(super) fn render(visits: &[u64; TRANSITIONS.len()]) -> String {
    let ways = ways(visits);
    let mut out = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"State diagram\">\
                   <svg class=\"diagram\" viewBox=\"0 0 760 400\" role=\"img\" aria-label=\"States, and how often each transition was taken\">\n"
        .to_owned();
    for way in ways.iter().filter(|way| way.taken == 0) {
        draw(&mut out, way);
    }
    for way in ways.iter().filter(|way| way.taken > 0) {
        draw(&mut out, way);
    }
    for standing in states::ALL {
        let (x, y) = center(standing);
        let seen = standing == Standing::Down
            || ways.iter().any(|way| way.to == standing && way.taken > 0);
        let class = if seen { "state" } else { "state never" };
        let (width, height) = (2.0 * HALF.0, 2.0 * HALF.1);
        let _ = writeln!(
            out,
            "<g class=\"{class}\"><rect x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"url(#s-{standing:?})\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{standing:?}</text></g>",
            x - HALF.0,
            y - HALF.1,
            y + 5.0
        );
    }
    out.push_str("</svg></div>\n");
    out.push_str(&list(visits));
    out
}

fn ways(visits: &[u64; TRANSITIONS.len()]) -> Vec<Way> {
    let mut ways: BTreeMap<(Standing, Standing), Way> = BTreeMap::new();
    for (transition, &taken) in TRANSITIONS.iter().zip(visits) {
        let (from, to) = (transition.from, transition.to);
        let way = ways.entry((from, to)).or_insert_with(|| Way {
            from,
            to,
            taken: 0,
            causes: String::new(),
        });
        way.taken += taken;
        let separator = if way.causes.is_empty() { "" } else { ", " };
        let _ = write!(
            way.causes,
            "{separator}{:?}: {}",
            transition.cause,
            thousands(taken)
        );
    }
    ways.into_values().collect()
}

fn draw(out: &mut String, way: &Way) {
    let (from, to) = (center(way.from), center(way.to));
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let bend = bend(way.from, way.to);
    let control = (
        f64::midpoint(from.0, to.0) - dy / length * bend,
        f64::midpoint(from.1, to.1) + dx / length * bend,
    );
    let (start, end) = (edge(from, control), edge(to, control));
    let (class, arrow) = match way.taken {
        0 => ("way never", "arrow-never"),
        _ => ("way", "arrow"),
    };
    let _ = writeln!(
        out,
        "<path class=\"{class}\" marker-end=\"url(#{arrow})\" d=\"M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}\">\
         <title>{:?} to {:?} ({})</title></path>",
        start.0, start.1, control.0, control.1, end.0, end.1, way.from, way.to, way.causes
    );
    if way.taken > 0 {
        let middle = |start: f64, control: f64, end: f64| start / 4.0 + control / 2.0 + end / 4.0;
        let _ = writeln!(
            out,
            "<text class=\"count\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            middle(start.0, control.0, end.0),
            middle(start.1, control.1, end.1) + 4.0,
            thousands(way.taken)
        );
    }
}

fn center(standing: Standing) -> (f64, f64) {
    match standing {
        Standing::Down => (70.0, 170.0),
        Standing::Connecting => (260.0, 60.0),
        Standing::Up => (490.0, 60.0),
        Standing::Draining => (540.0, 205.0),
        Standing::Parting => (690.0, 130.0),
        Standing::Idle => (690.0, 270.0),
        Standing::Backoff => (260.0, 205.0),
        Standing::Closed => (420.0, 350.0),
    }
}

/// How far a way leaves the straight line, to its right: so that the two directions differ, and
/// none goes through another state.
fn bend(from: Standing, to: Standing) -> f64 {
    use Standing::{Backoff, Closed, Connecting, Down, Draining, Idle, Up};
    match (from, to) {
        (Draining, Down) => 150.0,
        (Idle, Backoff) => 60.0,
        (Idle, Connecting) => 70.0,
        (Down, Closed) => -60.0,
        (Backoff, Closed) => -20.0,
        (Connecting, Up) => -18.0,
        _ => 18.0,
    }
}

/// Where the line from a state's center to this point leaves its box.
fn edge(center: (f64, f64), towards: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (towards.0 - center.0, towards.1 - center.1);
    let out = (dx.abs() / HALF.0).max(dy.abs() / HALF.1).max(1.0);
    (center.0 + dx / out, center.1 + dy / out)
}

fn list(visits: &[u64; TRANSITIONS.len()]) -> String {
    let mut out =
        "<details><summary>Transitions as a list</summary><ul class=\"plain\">".to_owned();
    for (transition, &taken) in TRANSITIONS
        .iter()
        .zip(visits)
        .filter(|(_, taken)| **taken > 0)
    {
        let _ = write!(
            out,
            "<li>{:?} to {:?} ({:?}): {}</li>",
            transition.from,
            transition.to,
            transition.cause,
            thousands(taken)
        );
    }
    out.push_str("</ul></details>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transition_is_drawn_and_those_that_were_taken_are_counted() {
        let mut visits = [0; TRANSITIONS.len()];
        visits[0] = 1_234;
        let svg = render(&visits);
        for transition in TRANSITIONS {
            let title = format!("<title>{:?} to {:?} (", transition.from, transition.to);
            assert!(svg.contains(&title), "{transition:?}");
        }
        assert_eq!(svg.matches("class=\"count\"").count(), 1);
        assert!(svg.contains(">1,234</text>") && svg.contains("(Dial): 1,234</li>"));
    }

    #[test]
    fn no_state_stands_on_another() {
        for (place, &one) in states::ALL.iter().enumerate() {
            for &other in &states::ALL[place + 1..] {
                let ((x, y), (u, v)) = (center(one), center(other));
                let apart = (x - u).abs() > 2.0 * HALF.0 || (y - v).abs() > 3.0 * HALF.1;
                assert!(apart, "{one:?} and {other:?}");
            }
        }
    }
}
