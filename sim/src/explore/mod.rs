//! Everything that can happen within bounds, one state after the other.
//!
//! An exploration starts from a fresh [`World`](crate::World) and lets each thing happen that its
//! [`Bounds`] allow, in each state that it comes to, once: states are told apart by their
//! [fingerprints](crate::World::fingerprint). Every step is judged by the oracle, every new state by
//! both machines' own checks. A stated share of the states is come to twice, is told what must
//! change nothing, and is seen to a good end ([`Op::Heal`]). So the machines that ship are what is
//! explored, and no model of them.
//!
//! [`breadth_first`] finds the shortest way to a violation. It keeps of a state no more than its
//! fingerprint, its forerunner and what led to it, and makes worlds anew by going the way again.
//! [`depth_first`] keeps the fingerprint alone. [`climb`] explores one set of bounds of the
//! [`ladder`] after the other. Each finds the same states, transitions and violations in every run,
//! however many threads there are.

mod bounds;
mod breadth;
mod climb;
mod depth;
mod moves;
mod node;
mod seen;

pub use self::bounds::{Bounds, Budget, Pieces, ladder};
pub use self::breadth::breadth_first;
pub use self::climb::{Climb, Order, climb};
pub use self::depth::depth_first;
use crate::op::Op;
use crate::oracle::Violation;
use crate::scenario::Scenario;
use crate::settings::Settings;

/// How far, and how closely, to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The most states.
    pub states_max: u64,
    /// One state in so many is seen to a good end, and told what must change nothing; chosen by
    /// its fingerprint. At least 1, which is all of them.
    pub healed_of: u64,
    /// Threads that work at once. The result does not depend on it.
    pub threads: usize,
}

impl Extent {
    /// Whether the state with this fingerprint is seen to a good end.
    fn chooses(self, fingerprint: u64) -> bool {
        (fingerprint >> 32).is_multiple_of(self.healed_of.max(1))
    }
}

/// What an exploration has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// States that differ.
    pub states: u64,
    /// Things that happened in them.
    pub transitions: u64,
    /// The most things in a row.
    pub depth: u64,
    /// States that were seen to a good end.
    pub healed: u64,
    /// Whether there is no state left within the bounds.
    pub exhausted: bool,
    /// What broke, and how.
    pub violation: Option<Counterexample>,
}

/// A way to a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// What does not hold.
    pub violation: Violation,
    /// What leads to it: the last thing that happens breaks it.
    pub scenario: Scenario,
}

impl Counterexample {
    fn new(settings: &Settings, ops: Vec<Op>, violation: Violation) -> Self {
        let scenario = Scenario {
            settings: settings.clone(),
            ops,
        };
        Self {
            violation,
            scenario,
        }
    }
}
