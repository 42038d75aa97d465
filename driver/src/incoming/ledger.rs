//! Which messages of a lane are answered.

use std::collections::VecDeque;

use super::queue::give_back;

/// The messages of one lane that the application was handed and that are not yet covered, in the
/// order of their numbers. Answers come in any order; the machine is told one number, below which
/// all is answered.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    open: VecDeque<Line>,
    below: u64,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    number: u64,
    answered: bool,
}

impl Ledger {
    /// A message was handed to the application's side. Numbers increase, not always by one.
    pub(super) fn open(&mut self, number: u64) {
        self.open.push_back(Line {
            number,
            answered: false,
        });
    }

    /// A message is answered; false if it was before, or is not known here.
    pub(super) fn answer(&mut self, number: u64) -> bool {
        if let Some(front) = self.open.front()
            && front.number == number
            && self.open.get(1).is_none_or(|next| !next.answered)
        {
            // Answers mostly come in order.
            self.open.pop_front();
            self.below = number + 1;
            give_back(&mut self.open);
            return true;
        }
        let Ok(place) = self.open.binary_search_by_key(&number, |line| line.number) else {
            return false;
        };
        let Some(line) = self.open.get_mut(place) else {
            return false;
        };
        if std::mem::replace(&mut line.answered, true) {
            return false;
        }
        while let Some(line) = self.open.front().filter(|line| line.answered) {
            self.below = line.number + 1;
            self.open.pop_front();
        }
        give_back(&mut self.open);
        true
    }

    /// The first number that is not covered: every message that came below it is answered.
    pub(super) fn below(&self) -> u64 {
        self.below
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.open.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_up_to_the_first_unanswered() {
        let mut ledger = Ledger::default();
        for number in [3, 4, 7, 8] {
            ledger.open(number);
        }
        assert!(ledger.answer(4) && ledger.answer(8));
        assert_eq!(ledger.below(), 0);
        assert!(ledger.answer(3));
        assert_eq!(ledger.below(), 5);
        assert!(ledger.answer(7));
        assert_eq!(ledger.below(), 9);
    }

    #[test]
    fn an_answer_counts_once() {
        let mut ledger = Ledger::default();
        ledger.open(1);
        ledger.open(2);
        assert!(ledger.answer(2));
        assert!(!ledger.answer(2), "answered before");
        assert!(!ledger.answer(5), "never came");
        assert!(ledger.answer(1));
        assert!(!ledger.answer(1), "covered before");
        assert_eq!(ledger.below(), 3);
    }
}
