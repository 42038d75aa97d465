//! The bytes of messages that may be held at once.

#[cfg(feature = "trace")]
use crate::config::ReceiveLimits;
use crate::{LANES_MAX, Lane};

/// What a held message costs beside its payload: the books kept of it here and in the layers
/// above. It bounds the number of empty messages.
pub(crate) const MESSAGE_OVERHEAD: usize = 128;

/// A half with nothing in use may take a message of this cost even where its node has no room, so
/// that nobody is shut out by others who do not take theirs.
const FLOOR: usize = 64 << 10;

/// The same for a lane with nothing in use, where other lanes of its half have some.
const LANE_FLOOR: usize = FLOOR / LANES;

const LANES: usize = LANES_MAX as usize;

/// Bytes held by the application and bytes announced to come, of all lanes, against a limit.
///
/// Half of the limit is set aside for the lanes, in equal shares, and the other half is for whoever
/// comes first: so lanes whose messages nobody takes can use up the common half, and never what another
/// lane needs to go on. One message of a lane may be above all this, if it is the lane's only one.
/// The allowance of the node bounds all that, but for one small message of each lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    max: usize,
    /// The lanes that share it.
    lanes: usize,
    used: [usize; LANES],
    total: usize,
    /// How much more the node allows in this step.
    allowance: Allowance,
    /// The least that was refused because the allowance was too small.
    starved: Option<usize>,
}

/// How much more a half may hold, beside its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Allowance {
    pub(crate) bytes: usize,
    /// The same for the first message: of any length where nobody holds anything.
    pub(crate) first: usize,
}

impl Allowance {
    pub(crate) fn admits(self, cost: usize) -> bool {
        cost <= self.bytes.max(self.first)
    }
}

impl Budget {
    /// For as many lanes, which are at least one.
    pub(crate) fn new(max: usize, lanes: u8) -> Self {
        Self {
            max,
            lanes: usize::from(lanes),
            used: [0; LANES],
            total: 0,
            allowance: Allowance {
                bytes: usize::MAX,
                first: 0,
            },
            starved: None,
        }
    }

    /// The limit.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Bytes in use, the overhead of each message included.
    pub(crate) fn used(&self) -> usize {
        self.total
    }

    /// Sets how much more may be reserved until this is called again.
    pub(crate) fn allow(&mut self, allowance: Allowance) {
        self.allowance = allowance;
        self.starved = None;
    }

    /// The least that was not reserved since for want of allowance alone.
    pub(crate) fn starved(&self) -> Option<usize> {
        self.starved
    }

    /// Sets aside the room of a message of this length: its cost, to be given back by
    /// [`release`](Self::release). None if there is no room now. As far as the node allows, a lane
    /// with nothing in use may take a message of any length: so no lane waits for another.
    pub(super) fn reserve(&mut self, lane: Lane, length: usize) -> Option<usize> {
        let cost = length.saturating_add(MESSAGE_OVERHEAD);
        if self.of(lane) > 0 && !self.fits(lane, cost) {
            return None;
        }
        if !self.allowance.admits(cost) && cost > self.floor(lane) {
            self.starved = Some(self.starved.map_or(cost, |least| least.min(cost)));
            return None;
        }
        self.allowance = Allowance {
            bytes: self.allowance.bytes.saturating_sub(cost),
            first: 0,
        };
        *self.of_mut(lane)? += cost;
        self.total = self.total.saturating_add(cost);
        Some(cost)
    }

    pub(super) fn release(&mut self, lane: Lane, cost: usize) {
        if let Some(used) = self.of_mut(lane) {
            *used = used.saturating_sub(cost);
        }
        self.total = self.total.saturating_sub(cost);
    }

    /// Notes this much more of a lane as in use, whatever the limits; none if that cannot be counted.
    #[cfg(feature = "trace")]
    pub(super) fn occupy(&mut self, lane: Lane, cost: usize) -> Option<()> {
        self.total = self.total.checked_add(cost)?;
        *self.of_mut(lane)? += cost;
        Some(())
    }

    /// How much more the node allows now.
    #[cfg(feature = "trace")]
    pub(super) fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// What the node allows, and the least that was refused for want of it, as they were.
    #[cfg(feature = "trace")]
    pub(super) fn restore_allowance(&mut self, allowance: Allowance, starved: Option<usize>) {
        self.allowance = allowance;
        self.starved = starved;
    }

    /// What a lane may take where the node has no room.
    fn floor(&self, lane: Lane) -> usize {
        match (self.total, self.of(lane)) {
            (0, _) => FLOOR,
            (_, 0) => LANE_FLOOR,
            _ => 0,
        }
    }

    /// Whether this much more of a lane leaves the others what is set aside for them.
    fn fits(&self, lane: Lane, cost: usize) -> bool {
        let aside = self.max / (2 * self.lanes);
        let beyond = |used: usize| used.saturating_sub(aside);
        let before = self.of(lane);
        let after = before.saturating_add(cost);
        let common: usize = self.used.iter().map(|&used| beyond(used)).sum();
        let common = common - beyond(before) + beyond(after);
        common <= self.max.saturating_sub(aside * self.lanes)
    }

    fn of(&self, lane: Lane) -> usize {
        self.used.get(usize::from(lane.0)).copied().unwrap_or(0)
    }

    fn of_mut(&mut self, lane: Lane) -> Option<&mut usize> {
        self.used.get_mut(usize::from(lane.0))
    }
}

/// All of these costs, if each is that of a message that these limits allow.
#[cfg(feature = "trace")]
pub(super) fn sum_of(
    mut costs: impl Iterator<Item = usize>,
    limits: &ReceiveLimits,
) -> Option<usize> {
    let most = limits.message_bytes_max.saturating_add(MESSAGE_OVERHEAD);
    costs.try_fold(0, |sum: usize, cost| match cost <= most {
        true => sum.checked_add(cost),
        false => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Lane = Lane(1);
    const TWO: Lane = Lane(2);

    #[test]
    fn a_full_budget_takes_nothing_until_enough_is_given_back() {
        let mut budget = Budget::new(16_000, LANES_MAX);
        let first = budget.reserve(ONE, 3_000).unwrap();
        let second = budget
            .reserve(ONE, 9_000 - first - MESSAGE_OVERHEAD)
            .unwrap();
        assert_eq!((first + second, budget.used()), (9_000, 9_000));
        assert_eq!(budget.reserve(ONE, 0), None);
        budget.release(ONE, first);
        assert_eq!(budget.reserve(ONE, 3_001), None);
        assert_eq!(budget.reserve(ONE, 3_000), Some(first));
    }

    #[test]
    fn one_message_of_any_length_fits_alone() {
        let mut budget = Budget::new(10, LANES_MAX);
        let cost = budget.reserve(ONE, usize::MAX).unwrap();
        assert_eq!(budget.reserve(ONE, 0), None);
        budget.release(ONE, cost);
        assert_eq!(budget.reserve(ONE, 0), Some(MESSAGE_OVERHEAD));
    }

    #[test]
    fn lanes_that_nobody_takes_leave_each_other_a_share() {
        let mut budget = Budget::new(16_000, LANES_MAX);
        let fill = |budget: &mut Budget, lane| while budget.reserve(lane, 72).is_some() {};
        fill(&mut budget, ONE);
        assert_eq!(budget.used(), 9_000, "its own share and the common half");
        for lane in [0, 2, 3, 4, 5, 6, 7] {
            let before = budget.used();
            fill(&mut budget, Lane(lane));
            assert_eq!(budget.used() - before, 1_000);
        }
        assert_eq!(budget.used(), 16_000);
    }

    #[test]
    fn one_lane_alone_has_all_of_it() {
        let mut budget = Budget::new(10_000, 1);
        let lane = Lane(0);
        let half = budget.reserve(lane, 5_000 - MESSAGE_OVERHEAD);
        assert_eq!(half, Some(5_000));
        assert_eq!(budget.reserve(lane, 5_001 - MESSAGE_OVERHEAD), None);
        assert_eq!(budget.reserve(lane, 5_000 - MESSAGE_OVERHEAD), half);
    }

    #[test]
    fn only_the_first_message_may_exceed_an_allowance_where_nothing_is_held() {
        let mut budget = Budget::new(1 << 20, LANES_MAX);
        budget.allow(Allowance {
            bytes: 1_000,
            first: usize::MAX,
        });
        assert!(budget.reserve(ONE, 2_000).is_some());
        assert_eq!(budget.reserve(ONE, 0), None, "the allowance is used up");
        assert_eq!(budget.starved(), Some(MESSAGE_OVERHEAD));
    }

    #[test]
    fn without_allowance_only_the_floor_is_left() {
        let mut budget = Budget::new(1 << 20, LANES_MAX);
        budget.allow(Allowance {
            bytes: 1_000,
            first: 0,
        });
        assert_eq!(budget.reserve(ONE, FLOOR), None);
        assert_eq!(budget.starved(), Some(FLOOR + MESSAGE_OVERHEAD));
        assert!(budget.reserve(ONE, FLOOR - MESSAGE_OVERHEAD).is_some());
        assert_eq!(
            budget.reserve(ONE, 0),
            None,
            "no longer with nothing in use"
        );
        let second = LANE_FLOOR - MESSAGE_OVERHEAD;
        assert_eq!(budget.reserve(TWO, second + 1), None);
        assert!(budget.reserve(TWO, second).is_some());
        assert_eq!(budget.reserve(TWO, 0), None);
        budget.allow(Allowance {
            bytes: 1_000,
            first: 0,
        });
        assert_eq!(budget.starved(), None);
        assert!(budget.reserve(TWO, 1_000 - MESSAGE_OVERHEAD).is_some());
        assert_eq!(budget.reserve(TWO, 0), None);
    }
}
