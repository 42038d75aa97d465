//! The bytes of messages that may be held at once.

/// What a held message costs beside its payload: the books kept of it here and in the layers
/// above. It bounds the number of empty messages.
pub(crate) const MESSAGE_OVERHEAD: usize = 128;

/// Bytes held by the application and bytes announced to come, against a limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    used: usize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: 0, max }
    }

    /// Bytes in use, the overhead of each message included.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Sets aside the room of a message of this length: its cost, to be given back by
    /// [`release`](Self::release). None if there is no room now. With nothing in use a message of
    /// any length fits, so that no limit can block a lane for ever.
    pub(super) fn reserve(&mut self, length: usize) -> Option<usize> {
        let cost = length.saturating_add(MESSAGE_OVERHEAD);
        let used = self.used.saturating_add(cost);
        if self.used > 0 && used > self.max {
            return None;
        }
        self.used = used;
        Some(cost)
    }

    pub(super) fn release(&mut self, cost: usize) {
        self.used = self.used.saturating_sub(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_budget_takes_nothing_until_enough_is_given_back() {
        let mut budget = Budget::new(1_000);
        let first = budget.reserve(300).unwrap();
        let second = budget.reserve(1_000 - first - MESSAGE_OVERHEAD).unwrap();
        assert_eq!((first + second, budget.used()), (1_000, 1_000));
        assert_eq!(budget.reserve(0), None);
        budget.release(first);
        assert_eq!(budget.reserve(301), None);
        assert_eq!(budget.reserve(300), Some(first));
    }

    #[test]
    fn one_message_of_any_length_fits_alone() {
        let mut budget = Budget::new(10);
        let cost = budget.reserve(usize::MAX).unwrap();
        assert_eq!(budget.reserve(0), None);
        budget.release(cost);
        assert_eq!(budget.reserve(0), Some(MESSAGE_OVERHEAD));
    }
}
