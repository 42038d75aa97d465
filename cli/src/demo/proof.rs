//! What a receiver can prove of the messages that it accepted.

use ring::digest::{self, Digest};

/// Each message carries its number; with these, and a rolling SHA-256 over all payloads, nothing
/// can be missing, twice, misplaced or altered unseen.
#[derive(Clone)]
pub(super) struct Proof {
    /// One bit for each number that is expected.
    seen: Vec<u64>,
    first: u64,
    expected: u64,
    received: u64,
    next: u64,
    duplicated: u64,
    out_of_order: u64,
    unexpected: u64,
    digest: digest::Context,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Proof {
    /// Of as many messages as `expected`, numbered from `first`.
    pub(super) fn new(first: u64, expected: u64) -> Self {
        Self {
            first,
            seen: vec![0; expected.div_ceil(64) as usize],
            expected,
            received: 0,
            next: 0,
            duplicated: 0,
            out_of_order: 0,
            unexpected: 0,
            digest: digest::Context::new(&digest::SHA256),
        }
    }

    /// Writes a message down.
    pub(super) fn note(&mut self, payload: &[u8]) {
        self.received += 1;
        self.digest.update(payload);
        let number = payload
            .first_chunk()
            .and_then(|bytes| u64::from_le_bytes(*bytes).checked_sub(self.first))
            .unwrap_or(u64::MAX);
        let word = usize::try_from(number / 64)
            .ok()
            .and_then(|word| self.seen.get_mut(word));
        let Some(word) = word.filter(|_| number < self.expected) else {
            self.unexpected += 1;
            return;
        };
        let bit = 1 << (number % 64);
        if *word & bit != 0 {
            self.duplicated += 1;
        } else if number < self.next {
            self.out_of_order += 1;
        }
        *word |= bit;
        self.next = self.next.max(number + 1);
    }

    /// Messages written down.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Of the first `sent` messages, those that never came.
    pub(super) fn lost(&self, sent: u64) -> u64 {
        let came = |number: &u64| {
            let word = usize::try_from(number / 64)
                .ok()
                .and_then(|word| self.seen.get(word));
            word.is_some_and(|word| word >> (number % 64) & 1 == 1)
        };
        (0..sent).filter(|number| !came(number)).count() as u64
    }

    pub(super) fn duplicated(&self) -> u64 {
        self.duplicated
    }

    /// Messages that came after one of a higher number.
    pub(super) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// Messages that nobody sent.
    pub(super) fn unexpected(&self) -> u64 {
        self.unexpected
    }

    /// Of all payloads, in the order in which they were accepted.
    pub(super) fn digest(&self) -> Digest {
        self.digest.clone().finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(numbers: &[u64]) -> Proof {
        let mut proof = Proof::new(1_000, 100);
        numbers
            .iter()
            .for_each(|number| proof.note(&(1_000 + number).to_le_bytes()));
        proof
    }

    /// Lost of five sent, duplicated, out of order, unexpected.
    fn findings(numbers: &[u64]) -> [u64; 4] {
        let proof = proof(numbers);
        [
            proof.lost(5),
            proof.duplicated(),
            proof.out_of_order(),
            proof.unexpected(),
        ]
    }

    #[test]
    fn each_fault_is_found_and_only_that() {
        assert_eq!(findings(&[0, 1, 2, 3, 4]), [0, 0, 0, 0]);
        assert_eq!(findings(&[0, 1, 3, 4]), [1, 0, 0, 0]);
        assert_eq!(findings(&[0, 1, 2, 3]), [1, 0, 0, 0]);
        assert_eq!(findings(&[0, 1, 1, 2, 3, 4]), [0, 1, 0, 0]);
        assert_eq!(findings(&[0, 2, 1, 3, 4]), [0, 0, 1, 0]);
        assert_eq!(findings(&[0, 1, 2, 3, 4, 100]), [0, 0, 0, 1]);
        // Numbers of another receiver, below and above.
        let mut proof = proof(&[0]);
        proof.note(&999u64.to_le_bytes());
        proof.note(&u64::MAX.to_le_bytes());
        assert_eq!([proof.unexpected(), proof.received()], [2, 3]);
    }

    #[test]
    fn a_message_too_short_for_a_number_is_unexpected() {
        let mut proof = Proof::new(0, 1);
        proof.note(b"short");
        assert_eq!(
            [proof.unexpected(), proof.received(), proof.lost(1)],
            [1, 1, 1]
        );
    }

    #[test]
    fn the_digest_tells_order_and_content() {
        let digest = |numbers: &[u64]| proof(numbers).digest().as_ref().to_vec();
        assert_eq!(digest(&[1, 2]), digest(&[1, 2]));
        assert_ne!(digest(&[1, 2]), digest(&[2, 1]));
        assert_ne!(digest(&[1, 2]), digest(&[1, 3]));
    }
}
