//! States of a world compared across histories.

use std::hash::{Hash, Hasher};

use super::World;

/// A hash of 64 bits by folded multiplication: states of a world that differ have the same one with
/// a probability of about 2^-64.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fingerprint(u64);

impl Fingerprint {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    fn mix(&mut self, word: u64) {
        let product =
            u128::from(self.0 ^ word ^ 0xd6e8_feb8_6659_fd93) * u128::from(Self::FACTOR | 1);
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(23);
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        let mut last = *self;
        last.mix(0x2545_f491_4f6c_dd1d);
        last.mix(1);
        last.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(word) ^ (rest.len() as u64) << 56);
        }
    }

    fn write_u8(&mut self, it: u8) {
        self.mix(u64::from(it));
    }

    fn write_u32(&mut self, it: u32) {
        self.mix(u64::from(it));
    }

    fn write_u64(&mut self, it: u64) {
        self.mix(it);
    }

    fn write_usize(&mut self, it: usize) {
        self.mix(it as u64);
    }

    fn write_isize(&mut self, it: isize) {
        self.mix(it as u64);
    }
}

impl World {
    /// A fingerprint of everything that matters to what can happen next, and to what the oracle
    /// will make of it: both machines' canonical states (with all that one knows of the other kept),
    /// what is under way between them, what the application holds, and the oracle's facts. Times
    /// count from now, and connections that are over not at all.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = Fingerprint::default();
        self.sender.canonical_joint().hash(&mut hasher);
        self.sessions.canonical().hash(&mut hasher);
        for clock in [self.sender_clock, self.receiver_clock] {
            clock.now.saturating_since(clock.stepped).hash(&mut hasher);
        }
        for connection in self.connections.iter().filter(|it| it.matters()) {
            // Both machines know them in this order.
            connection.dialler.hash(&mut hasher);
            connection.acceptor.hash(&mut hasher);
            let earlier = self.connections.iter();
            let earlier = earlier.filter(|it| it.accepted_as < connection.accepted_as);
            earlier.filter(|it| it.matters()).count().hash(&mut hasher);
            connection.closed.hash(&mut hasher);
            connection.outlived.hash(&mut hasher);
            connection.streams.hash(&mut hasher);
        }
        self.leaving.hash(&mut hasher);
        self.along.iter().for_each(|op| op.hash(&mut hasher));
        for held in &self.held {
            self.sessions.key(held.session).is_some().hash(&mut hasher);
            (held.lane, held.number, held.id).hash(&mut hasher);
        }
        let facts = self.oracle.canonical(self.sender_clock.now, &self.settings);
        facts.hash(&mut hasher);
        hasher.finish()
    }
}
