//! A seed for each machine of a node, from the node's one.

use ring::hmac;

/// Gives out HMAC-SHA-256(seed, counter): each seed is as good as a random one, no two are equal,
/// and the same node seed gives the same sequence.
pub(super) struct Seeds {
    key: hmac::Key,
    given: u64,
}

impl Seeds {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            given: 0,
        }
    }

    pub(super) fn next(&mut self) -> [u8; 32] {
        let tag = hmac::sign(&self.key, &self.given.to_be_bytes());
        self.given += 1;
        let mut seed = [0; 32];
        for (byte, &hashed) in seed.iter_mut().zip(tag.as_ref()) {
            *byte = hashed;
        }
        seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_seed_comes_twice_and_each_node_seed_gives_its_own() {
        let (mut one, mut same, mut other) = (
            Seeds::new(&[1; 32]),
            Seeds::new(&[1; 32]),
            Seeds::new(&[2; 32]),
        );
        let first = one.next();
        assert_eq!(first, same.next());
        assert_ne!(first, other.next());
        assert_ne!(first, one.next());
        assert_ne!(first, [0; 32]);
    }
}
