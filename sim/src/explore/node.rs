//! A state of an exploration: a world, and what may still happen to it.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::Extent;
use super::bounds::{Bounds, Budget};
use super::moves::moves;
use super::seen::Seen;
use crate::op::{End, Op, Stale};
use crate::oracle::Violation;
use crate::world::{Fingerprint, Trouble, World};

/// A world and what was spent on the way to it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) world: World,
    pub(super) spent: Budget,
}

impl Node {
    pub(super) fn first(bounds: &Bounds) -> Self {
        // The ladder's settings are within their ranges, which a test sees to.
        let world = World::new(&bounds.settings);
        Self {
            world: world.unwrap_or_else(|error| unreachable!("{error}")),
            spent: Budget::default(),
        }
    }

    /// What can happen next, in a fixed order.
    pub(super) fn moves(&self, bounds: &Bounds) -> Vec<Move> {
        moves(self, bounds)
    }

    /// The state after one of its moves, with its fingerprint; none if it was seen before.
    pub(super) fn judge(
        &self,
        next: &Move,
        extent: Extent,
        seen: &Seen,
    ) -> Result<Option<(u64, Self)>, Broken> {
        let broken = |ops: &[&Op], violation| Broken {
            ops: ops.iter().map(|op| (*op).clone()).collect(),
            violation,
        };
        let mut after = self.clone();
        after
            .take(next)
            .map_err(|violation| broken(&[&next.op], violation))?;
        let fingerprint = after.fingerprint();
        if seen.contains(fingerprint) {
            return Ok(None);
        }
        after
            .world
            .check()
            .map_err(|violation| broken(&[&next.op], violation))?;
        if extent.chooses(fingerprint) {
            let mut again = self.clone();
            if again.take(next).is_err() || again.fingerprint() != fingerprint {
                let violation = Violation {
                    id: "I17",
                    what: "the same step leads to another state when it is done again".into(),
                };
                return Err(broken(&[&next.op], violation));
            }
            after
                .see_through()
                .map_err(|(op, violation)| broken(&[&next.op, &op], violation))?;
        }
        Ok(Some((fingerprint, after)))
    }

    pub(super) fn take(&mut self, next: &Move) -> Result<(), Violation> {
        self.spent = next.spent;
        match self.world.apply(&next.op) {
            Ok(()) => Ok(()),
            Err(Trouble::Violated(violation)) => Err(violation),
            // Only what can happen is a move: this would be a fault of the explorer.
            Err(Trouble::Impossible(why)) => Err(Violation {
                id: "A",
                what: format!("the explorer tries what cannot happen: {why}").into(),
            }),
        }
    }

    /// Tells it from every other state. What was spent is a part of it: more can still happen where
    /// less was spent.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = Fingerprint::default();
        self.world.fingerprint().hash(&mut hasher);
        self.spent.hash(&mut hasher);
        hasher.finish()
    }

    /// Tells it what must change nothing, and sees it to a good end. With a violation comes the last
    /// thing that happened: what came before it has changed nothing.
    fn see_through(&self) -> Result<(), (Op, Violation)> {
        let mut copy = self.clone();
        for op in self.void().into_iter().chain([Op::Heal]) {
            let spent = self.spent;
            let next = Move { op, spent };
            if let Err(violation) = copy.take(&next) {
                return Err((next.op, violation));
            }
        }
        Ok(())
    }

    /// Things that must change nothing: events of past and future generations, and clocks that go
    /// back.
    fn void(&self) -> Vec<Op> {
        const FUTURE: u64 = 1 << 40;
        let by = Duration::from_secs(1);
        let mut all = vec![];
        for end in [End::Dialler, End::Acceptor] {
            all.push(Op::Back { end, by });
            for kind in Stale::ALL {
                for number in [0, 1, FUTURE] {
                    if self.world.is_stale(end, kind, number) {
                        all.push(Op::Stale { end, kind, number });
                    }
                }
            }
        }
        all
    }
}

/// A violation, and the last things that happened.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) ops: Vec<Op>,
    pub(super) violation: Violation,
}

/// One thing that can happen, and what is spent after it.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) op: Op,
    pub(super) spent: Budget,
}
