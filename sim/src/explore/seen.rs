//! A set of fingerprints, eight bytes each: open addressing with linear probing.

/// Fingerprints of states. Two states with one fingerprint count as one, which among `n` states
/// happens with a probability of about n² / 2^65: 3 in 10^8 among a million.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Zero where nothing is.
    slots: Vec<u64>,
    count: u64,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![0; 1 << 12],
            count: 0,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    pub(crate) fn contains(&self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        self.slots[self.place(fingerprint)] == fingerprint
    }

    /// Adds a fingerprint; false if it was there.
    pub(crate) fn insert(&mut self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        let place = self.place(fingerprint);
        if self.slots[place] == fingerprint {
            return false;
        }
        self.slots[place] = fingerprint;
        self.count += 1;
        if self.count as usize > self.slots.len() / 4 * 3 {
            self.grow();
        }
        true
    }

    /// Where it is, or would be.
    fn place(&self, fingerprint: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = (fingerprint >> 7) as usize & mask;
        while self.slots[place] != 0 && self.slots[place] != fingerprint {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let twice = vec![0; self.slots.len() * 2];
        let before = std::mem::replace(&mut self.slots, twice);
        for fingerprint in before.into_iter().filter(|it| *it != 0) {
            let place = self.place(fingerprint);
            self.slots[place] = fingerprint;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_and_nothing_else() {
        let mut seen = Seen::new();
        let number = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 7;
        for n in 0..100_000 {
            assert!(!seen.contains(number(n)));
            assert!(seen.insert(number(n)));
            assert!(!seen.insert(number(n)));
        }
        assert_eq!(seen.len(), 100_000);
        assert!((0..100_000).all(|n| seen.contains(number(n))));
        assert!(!seen.contains(number(100_000)));
    }
}
