//! Depth first: of a state nothing is kept but its fingerprint.

use std::ops::ControlFlow;

use super::bounds::Bounds;
use super::node::{Move, Node};
use super::seen::Seen;
use super::{Counterexample, Extent, Found};
use crate::op::Op;

/// After how many transitions `progress` is shown how far it is.
const SHOWN_EVERY: u64 = 1 << 14;

/// Explores one way to its end before the next, on one thread and with eight bytes a state in a
/// table that is at least three eighths full. `progress` is shown how far it is from time to time,
/// and may end it. The way to a violation that it finds is not the shortest.
pub fn depth_first(
    bounds: &Bounds,
    extent: Extent,
    mut progress: impl FnMut(&Found) -> ControlFlow<()>,
) -> Found {
    let mut found = Found::default();
    let mut seen = Seen::new();
    let first = Node::first(bounds);
    seen.insert(first.fingerprint());
    found.states = 1;
    let mut way = vec![Place::at(first, bounds)];
    while let Some(place) = way.last_mut() {
        let Some(next) = place.moves.pop() else {
            way.pop();
            continue;
        };
        found.transitions += 1;
        match place.node.judge(&next, extent, &seen) {
            Ok(Some((fingerprint, after))) => {
                seen.insert(fingerprint);
                found.states = seen.len();
                found.healed += u64::from(extent.chooses(fingerprint));
                place.taken = Some(next.op);
                way.push(Place::at(after, bounds));
                found.depth = found.depth.max(way.len() as u64 - 1);
            }
            Ok(None) => {}
            Err(broken) => {
                let taken = way.iter().rev().skip(1).rev();
                let mut ops: Vec<Op> = taken.filter_map(|place| place.taken.clone()).collect();
                ops.extend(broken.ops);
                found.violation =
                    Some(Counterexample::new(&bounds.settings, ops, broken.violation));
                return found;
            }
        }
        let show = found.transitions.is_multiple_of(SHOWN_EVERY);
        if show && progress(&found).is_break() || found.states >= extent.states_max {
            return found;
        }
    }
    found.exhausted = true;
    found
}

/// A state on the way.
struct Place {
    node: Node,
    /// What is left to be tried, the next one last.
    moves: Vec<Move>,
    /// What led on from here.
    taken: Option<Op>,
}

impl Place {
    fn at(node: Node, bounds: &Bounds) -> Self {
        let mut moves = node.moves(bounds);
        moves.reverse();
        Self {
            node,
            moves,
            taken: None,
        }
    }
}
