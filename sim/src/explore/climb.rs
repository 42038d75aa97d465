//! Bounds that open step by step, until there are as many states as were asked for.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{Bounds, Counterexample, Extent, Found, breadth_first, depth_first, ladder};

/// In which order states are explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// [`breadth_first`].
    Breadth,
    /// [`depth_first`].
    Depth,
}

/// What was found within all bounds together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Climb {
    /// The bounds, in the order in which they were explored, and what was found within each.
    pub rungs: Vec<(Bounds, Found)>,
    /// States that differ. Those of narrower bounds of a configuration are among those of its wider
    /// bounds, and count once.
    pub states: u64,
    /// Things that happened, those of narrower bounds included.
    pub transitions: u64,
    /// The most things in a row.
    pub depth: u64,
    /// States that were seen to a good end, those of narrower bounds included.
    pub healed: u64,
}

impl Climb {
    /// What broke, if anything did: the climb ends there.
    pub fn violation(&self) -> Option<&Counterexample> {
        self.rungs.last()?.1.violation.as_ref()
    }

    /// How many bounds were explored until no state was left.
    pub fn exhausted(&self) -> usize {
        let whole = self.rungs.iter().filter(|(_, found)| found.exhausted);
        whole.count()
    }
}

/// Climbs the [`ladder`] until there are `extent.states_max` states, a violation, or `progress`
/// ends it, which is shown the bounds that are explored, all states so far, and how far the bounds
/// are explored.
pub fn climb(
    order: Order,
    extent: Extent,
    mut progress: impl FnMut(&Bounds, u64, &Found) -> ControlFlow<()>,
) -> Climb {
    let mut climb = Climb::default();
    let mut known: BTreeMap<&str, u64> = BTreeMap::new();
    for bounds in ladder() {
        let before = known.get(bounds.name).copied().unwrap_or(0);
        let missing = extent.states_max - climb.states;
        let within = Extent {
            states_max: before.saturating_add(missing),
            ..extent
        };
        let mut ended = false;
        let mut show = |found: &Found| {
            let all = climb.states + found.states.saturating_sub(before);
            let flow = progress(&bounds, all, found);
            ended |= flow.is_break();
            flow
        };
        let found = match order {
            Order::Breadth => breadth_first(&bounds, within, &mut show),
            Order::Depth => depth_first(&bounds, within, &mut show),
        };
        climb.states += found.states.saturating_sub(before);
        climb.transitions += found.transitions;
        climb.depth = climb.depth.max(found.depth);
        climb.healed += found.healed;
        known.insert(bounds.name, before.max(found.states));
        ended |= found.violation.is_some() || climb.states >= extent.states_max;
        climb.rungs.push((bounds, found));
        if ended {
            break;
        }
    }
    climb
}
