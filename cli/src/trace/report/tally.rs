//! Things counted by what they are called, as many kinds as are worth listing.

use std::collections::BTreeMap;

/// The most kinds that are told apart; the rest is counted as one.
const KINDS_MAX: usize = 64;

/// How often something happened, and when first and last, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) count: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Things counted by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    kinds: BTreeMap<String, Seen>,
}

impl Tally {
    pub(super) fn add(&mut self, time: u64, kind: &str) {
        let known = self.kinds.contains_key(kind);
        let kind = match known || self.kinds.len() < KINDS_MAX {
            true => kind,
            false => "others",
        };
        if let Some(seen) = self.kinds.get_mut(kind) {
            seen.count += 1;
            seen.last = time;
            return;
        }
        let seen = Seen {
            count: 1,
            first: time,
            last: time,
        };
        self.kinds.insert(kind.to_owned(), seen);
    }

    pub(super) fn count(&self) -> u64 {
        self.kinds.values().map(|seen| seen.count).sum()
    }

    /// The most frequent first.
    pub(super) fn kinds(&self) -> Vec<(&str, Seen)> {
        let mut kinds: Vec<_> = self
            .kinds
            .iter()
            .map(|(kind, &seen)| (&kind[..], seen))
            .collect();
        kinds.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.count));
        kinds
    }
}

/// The first of many.
#[derive(Clone, Debug)]
pub(super) struct First<T> {
    pub(super) kept: Vec<T>,
    pub(super) all: u64,
    max: usize,
}

impl<T> First<T> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            kept: Vec::new(),
            all: 0,
            max,
        }
    }

    pub(super) fn add(&mut self, thing: impl FnOnce() -> T) {
        self.all += 1;
        if self.kept.len() < self.max {
            self.kept.push(thing());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_kinds_than_are_listed_are_counted_as_one() {
        let mut tally = Tally::default();
        (0..100).for_each(|time| tally.add(time, &format!("kind {time}")));
        tally.add(200, "kind 3");
        assert_eq!(tally.count(), 101);
        let kinds = tally.kinds();
        let count = |count, first, last| Seen { count, first, last };
        assert_eq!(kinds[0], ("others", count(36, 64, 99)));
        assert_eq!(kinds[1], ("kind 3", count(2, 3, 200)));
        assert_eq!(kinds.len(), KINDS_MAX + 1);
    }
}
