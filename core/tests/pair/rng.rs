//! The harness's only source of chance: splitmix64, seeded.

use std::time::Duration;

use peer_sender_core::Time;

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own, so that what one part of the harness draws never moves another.
    pub(crate) fn fork(&mut self, purpose: u64) -> Self {
        Self(mix(self.next() ^ mix(purpose)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in `0..bound`; 0 for an empty range.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform, both ends included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn chance(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// Small values as likely as large ones of another order of magnitude, up to `max`.
    pub(crate) fn scale(&mut self, max: u64) -> u64 {
        let bits = self.below(u64::from(64 - max.leading_zeros()) + 1);
        let ceiling = if bits == 0 {
            0
        } else {
            u64::MAX >> (64 - bits)
        };
        self.between(0, ceiling.min(max))
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Log-uniform, up to `max`.
    pub(crate) fn wait(&mut self, max: Duration) -> Duration {
        Duration::from_micros(self.scale(max.as_micros() as u64))
    }

    pub(crate) fn wait_between(&mut self, low: Duration, high: Duration) -> Duration {
        let (low, high) = (low.as_micros() as u64, high.as_micros() as u64);
        Duration::from_micros(self.between(low, high.max(low)))
    }

    pub(crate) fn moment_before(&mut self, end: Duration) -> Time {
        Time::ZERO + self.wait_between(Duration::ZERO, end)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
