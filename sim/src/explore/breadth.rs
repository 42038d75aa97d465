//! Breadth first: the shortest way to each state.

use std::ops::{ControlFlow, Range};
use std::thread;

use super::bounds::Bounds;
use super::node::{Broken, Node};
use super::seen::Seen;
use super::{Counterexample, Extent, Found};
use crate::op::Op;

/// States that are worked at before their results are put together.
const BATCH: usize = 4_096;

/// How a state was first come to: its forerunner, and which of its moves.
#[derive(Clone, Copy, Debug)]
struct Step {
    from: u32,
    choice: u16,
}

/// A state that was not known when it was found.
struct Fresh {
    fingerprint: u64,
    step: Step,
}

/// What one worker found, in order.
#[derive(Default)]
struct Batch {
    transitions: u64,
    fresh: Vec<Fresh>,
    /// The first violation, and the state from which it was come to.
    broken: Option<(u32, Broken)>,
}

/// Explores level by level. `progress` is shown how far it is from time to time, and may end it.
///
/// The violation that it finds is one of the fewest things in a row, and the first of these in the
/// order of moves.
pub fn breadth_first(
    bounds: &Bounds,
    extent: Extent,
    mut progress: impl FnMut(&Found) -> ControlFlow<()>,
) -> Found {
    let mut found = Found::default();
    let mut seen = Seen::new();
    let mut steps = vec![Step { from: 0, choice: 0 }];
    seen.insert(Node::first(bounds).fingerprint());
    found.states = 1;
    let mut level = 0..1;
    while !level.is_empty() {
        let next = steps.len();
        let mut at = level.start;
        while at < level.end {
            let batch = at..level.end.min(at + BATCH);
            at = batch.end;
            for part in work(bounds, extent, &steps, &seen, batch) {
                found.transitions += part.transitions;
                for fresh in part.fresh {
                    if seen.insert(fresh.fingerprint) {
                        steps.push(fresh.step);
                        found.healed += u64::from(extent.chooses(fresh.fingerprint));
                    }
                }
                if let Some((state, broken)) = part.broken {
                    let mut ops = way(bounds, &steps, state);
                    ops.extend(broken.ops);
                    found.depth = found.depth.max(ops.len() as u64);
                    found.states = seen.len();
                    found.violation =
                        Some(Counterexample::new(&bounds.settings, ops, broken.violation));
                    return found;
                }
            }
            found.states = seen.len();
            if progress(&found).is_break() || found.states >= extent.states_max {
                return found;
            }
        }
        level = next..steps.len();
        found.depth += u64::from(!level.is_empty());
    }
    found.exhausted = true;
    found
}

/// Has all threads take a share of the states, and gives what they found in the states' order.
fn work(
    bounds: &Bounds,
    extent: Extent,
    steps: &[Step],
    seen: &Seen,
    states: Range<usize>,
) -> Vec<Batch> {
    let share = states.len().div_ceil(extent.threads.max(1));
    let shares = states.clone().step_by(share);
    thread::scope(|scope| {
        let workers: Vec<_> = shares
            .map(|start| {
                let part = start..states.end.min(start + share);
                scope.spawn(move || expand(bounds, extent, steps, seen, part))
            })
            .collect();
        let parts = workers.into_iter();
        parts
            .map(|worker| {
                // A worker that panics has shown a fault of a machine: it ends the exploration.
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// What can happen in each of these states.
fn expand(
    bounds: &Bounds,
    extent: Extent,
    steps: &[Step],
    seen: &Seen,
    states: Range<usize>,
) -> Batch {
    let mut walk = Walk::new(bounds, steps);
    let mut batch = Batch::default();
    for state in states {
        let from = u32::try_from(state).unwrap_or(u32::MAX);
        let node = walk.to(from);
        for (choice, next) in (0..).zip(&node.moves(bounds)) {
            batch.transitions += 1;
            match node.judge(next, extent, seen) {
                Ok(Some((fingerprint, _))) => batch.fresh.push(Fresh {
                    fingerprint,
                    step: Step { from, choice },
                }),
                Ok(None) => {}
                Err(broken) => {
                    batch.broken = Some((from, broken));
                    return batch;
                }
            }
        }
    }
    batch
}

/// Makes worlds anew by going the way to them again. Of states that are close to one another most
/// of the way is the same, and gone once.
struct Walk<'a> {
    bounds: &'a Bounds,
    steps: &'a [Step],
    /// From the first state on, each the forerunner of the next.
    way: Vec<(u32, Node)>,
}

impl<'a> Walk<'a> {
    fn new(bounds: &'a Bounds, steps: &'a [Step]) -> Self {
        Self {
            bounds,
            steps,
            way: vec![(0, Node::first(bounds))],
        }
    }

    fn to(&mut self, state: u32) -> &Node {
        let mut missing = Vec::new();
        let mut at = state;
        // A forerunner has a lower number than those that follow from it.
        loop {
            while self.way.len() > 1 && self.way[self.way.len() - 1].0 > at {
                self.way.pop();
            }
            if self.way[self.way.len() - 1].0 == at {
                break;
            }
            missing.push(at);
            at = self.steps[at as usize].from;
        }
        for state in missing.into_iter().rev() {
            let mut node = self.way[self.way.len() - 1].1.clone();
            let choice = usize::from(self.steps[state as usize].choice);
            // It went well before.
            let _again = node.take(&node.moves(self.bounds)[choice]);
            self.way.push((state, node));
        }
        &self.way[self.way.len() - 1].1
    }
}

/// What has happened on the way to a state.
fn way(bounds: &Bounds, steps: &[Step], state: u32) -> Vec<Op> {
    let mut choices = Vec::new();
    let mut at = state;
    while at != 0 {
        let step = steps[at as usize];
        choices.push(usize::from(step.choice));
        at = step.from;
    }
    let mut node = Node::first(bounds);
    let mut ops = Vec::new();
    for choice in choices.into_iter().rev() {
        let next = node.moves(bounds).swap_remove(choice);
        let _again = node.take(&next);
        ops.push(next.op);
    }
    ops
}
