//! What a receiving process remembers of a lane.

use alloc::collections::{BTreeMap, VecDeque};

use super::Budget;
use crate::wire::VARINT_MAX;
use crate::{Lane, RefuseCode, Violation};

/// Refusals that are remembered before the connection is closed with 6.
pub(super) const REFUSALS_MAX: usize = 1_024;

/// One lane's memory, from its first OPEN until the session is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Record {
    lane: Lane,
    number: u64,
    next: u64,
    /// Ascending; each below `next`.
    held: VecDeque<Held>,
    /// By number, each below `next`: what the other end must hear before it takes the message for
    /// delivered. An OPEN with a higher base shows that it heard.
    refused: BTreeMap<u64, RefuseCode>,
}

/// A message that is whole in memory and that the application has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
struct Held {
    number: u64,
    cost: usize,
}

impl Record {
    /// The record with this number of this lane, whose first OPEN has this base.
    pub(super) fn new(lane: Lane, number: u64, base: u64) -> Self {
        Self {
            lane,
            number,
            next: base,
            held: VecDeque::new(),
            refused: BTreeMap::new(),
        }
    }

    /// The lane that it is of.
    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    /// Its own number, which no other record of the epoch has.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Every number below it is held, decided or passed over.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The lowest number that is held, else `next`: every number below it that was sent is
    /// decided.
    pub(super) fn taken(&self) -> u64 {
        let held = self.held.front().filter(|_| !broken!(TakenWhenHeld));
        held.map_or(self.next, |held| held.number)
    }

    /// What a RESUME may call taken: no refusal below it that the other end may not know of.
    pub(super) fn taken_to_resume(&self) -> u64 {
        let refused = self
            .refused
            .first_key_value()
            .map_or(u64::MAX, |(&number, _)| number);
        self.taken().min(refused)
    }

    /// A further OPEN of the lane. All below its base is settled at the other end.
    pub(super) fn reopen(&mut self, base: u64) {
        if broken!(RecordForgotten) {
            self.next = base;
            self.held.retain(|held| held.number < base);
        }
        if broken!(RefusalsForgotten) {
            self.refused.clear();
        }
        self.pass(base);
        self.refused = self.refused.split_off(&base);
    }

    /// Nothing below this number will come any more.
    pub(super) fn pass(&mut self, number: u64) {
        self.next = self.next.max(number);
    }

    /// The message `next` is whole.
    pub(super) fn hold(&mut self, cost: usize) -> u64 {
        let number = self.next;
        self.held.push_back(Held { number, cost });
        self.next += 1;
        number
    }

    /// The message `next` is refused without having been held.
    pub(super) fn refuse_next(&mut self, code: RefuseCode) {
        self.refused.insert(self.next, code);
        self.next += 1;
    }

    /// The application answered all that is held below this number.
    pub(super) fn consume(&mut self, below: u64, budget: &mut Budget) {
        while let Some(held) = self
            .held
            .front()
            .copied()
            .filter(|held| held.number < below)
        {
            budget.release(self.lane, held.cost);
            self.held.pop_front();
        }
    }

    /// The application refused a message; whether that message was held.
    pub(super) fn refuse(&mut self, number: u64, code: RefuseCode, budget: &mut Budget) -> bool {
        let held = self.let_go(number, budget);
        if held {
            self.refused.insert(number, code);
        }
        held
    }

    /// The application refused a message of which nobody is told; whether it was held.
    pub(super) fn let_go(&mut self, number: u64, budget: &mut Budget) -> bool {
        let at = self.held.binary_search_by_key(&number, |held| held.number);
        let Some(held) = at.ok().and_then(|at| self.held.remove(at)) else {
            return false;
        };
        budget.release(self.lane, held.cost);
        true
    }

    /// Whether anything is held.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether more refusals are remembered than may be.
    pub(super) fn refusals_exceed(&self) -> bool {
        self.refused.len() > REFUSALS_MAX
    }

    /// The refusals of numbers in `from..below`, ascending.
    pub(super) fn refusals(
        &self,
        from: u64,
        below: u64,
    ) -> impl Iterator<Item = (u64, RefuseCode)> + '_ {
        // An empty range rather than a panic if they are the wrong way round.
        let range = from..below.max(from);
        self.refused
            .range(range)
            .map(|(&number, &code)| (number, code))
    }

    /// What its held messages cost the budget.
    pub(super) fn held_cost(&self) -> usize {
        self.costs().sum()
    }

    /// What each held message costs the budget.
    pub(super) fn costs(&self) -> impl Iterator<Item = usize> + '_ {
        self.held.iter().map(|held| held.cost)
    }

    pub(super) fn check(&self) -> Result<(), Violation> {
        let wrong = |id, what| Err(Violation { id, what });
        if self.next > VARINT_MAX {
            return wrong("I7", "a lane has numbers that cannot be written");
        }
        let mut below = self.next;
        for held in self.held.iter().rev() {
            if held.number >= below {
                return wrong("I7", "held messages are not in ascending order below next");
            }
            if self.refused.contains_key(&held.number) {
                return wrong("I1", "a message is both held and refused");
            }
            below = held.number;
        }
        if self
            .refused
            .keys()
            .next_back()
            .is_some_and(|&number| number >= self.next)
        {
            return wrong("I3", "a number from next on is refused");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    const LANE: Lane = Lane(3);

    fn holding(base: u64, count: usize) -> (Record, Budget) {
        let mut record = Record::new(LANE, 0, base);
        let mut budget = Budget::new(usize::MAX, 8);
        for _ in 0..count {
            let cost = budget.reserve(LANE, 0).unwrap();
            record.hold(cost);
        }
        (record, budget)
    }

    #[test]
    fn a_new_record_has_taken_and_next_at_its_base() {
        let record = Record::new(LANE, 3, 17);
        assert_eq!(
            (record.taken(), record.next(), record.number()),
            (17, 17, 3)
        );
    }

    #[test]
    fn taken_is_the_lowest_held_and_passes_what_was_skipped() {
        let (mut record, mut budget) = holding(5, 3);
        assert_eq!((record.taken(), record.next()), (5, 8));
        record.consume(7, &mut budget);
        assert_eq!(record.taken(), 7);
        record.pass(20);
        assert_eq!((record.taken(), record.next()), (7, 20));
        record.consume(8, &mut budget);
        assert_eq!((record.taken(), budget.used()), (20, 0));
    }

    #[test]
    fn a_higher_base_raises_next_but_not_what_is_held() {
        let (mut record, _) = holding(0, 2);
        record.reopen(10);
        assert_eq!((record.taken(), record.next()), (0, 10));
        record.reopen(4);
        assert_eq!(record.next(), 10);
    }

    #[test]
    fn a_refusal_caps_the_resume_until_a_higher_base_forgets_it() {
        let (mut record, mut budget) = holding(0, 4);
        assert!(record.refuse(1, RefuseCode::Application, &mut budget));
        assert!(record.refuse(2, RefuseCode::Dropped, &mut budget));
        record.consume(4, &mut budget);
        assert_eq!(
            (record.taken(), record.taken_to_resume(), budget.used()),
            (4, 1, 0)
        );
        let all: Vec<_> = record.refusals(0, 4).collect();
        assert_eq!(
            all,
            vec![(1, RefuseCode::Application), (2, RefuseCode::Dropped)]
        );
        record.reopen(2);
        assert_eq!(record.taken_to_resume(), 2);
        record.reopen(3);
        assert_eq!(record.taken_to_resume(), 4);
    }

    #[test]
    fn only_what_is_held_can_be_refused() {
        let (mut record, mut budget) = holding(0, 2);
        record.consume(1, &mut budget);
        for number in [0, 2, 9] {
            assert!(!record.refuse(number, RefuseCode::Application, &mut budget));
        }
        assert!(record.refuse(1, RefuseCode::Application, &mut budget));
        assert!(!record.refuse(1, RefuseCode::Application, &mut budget));
    }

    #[test]
    fn a_refused_message_that_was_never_held_counts_as_decided() {
        let mut record = Record::new(LANE, 0, 4);
        record.refuse_next(RefuseCode::TooLarge);
        assert_eq!(
            (record.taken(), record.taken_to_resume(), record.next()),
            (5, 4, 5)
        );
    }

    #[test]
    fn check_sees_what_is_wrong() {
        let (record, _) = holding(0, 3);
        assert_eq!(record.check(), Ok(()));
        let mut swapped = record.clone();
        swapped.held.swap(0, 1);
        let mut ahead = record.clone();
        ahead.next = 2;
        let mut both = record.clone();
        both.refused.insert(1, RefuseCode::Dropped);
        let mut beyond = record.clone();
        beyond.refused.insert(3, RefuseCode::Dropped);
        let mut last = record.clone();
        last.next = VARINT_MAX;
        assert_eq!(last.check(), Ok(()));
        last.next += 1;
        for wrong in [swapped, ahead, both, beyond, last] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
