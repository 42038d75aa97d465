//! What runs have come to.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::class::Class;
use crate::world::Fingerprint;

/// What one run, or many, have come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Runs.
    pub runs: u64,
    /// Things that happened ([`Op`](crate::Op)s).
    pub inputs: u64,
    /// Steps of both machines that they led to.
    pub steps: u64,
    /// Messages that were accepted.
    pub accepted: u64,
    /// Messages that were handed back at once.
    pub rejected: u64,
    /// Of those accepted: delivered.
    pub delivered: u64,
    /// Refused.
    pub refused: u64,
    /// Taken back in time.
    pub cancelled: u64,
    /// Ended by their time to live.
    pub expired: u64,
    /// Failed.
    pub failed: u64,
    /// Of unknown fate.
    pub unknown: u64,
    /// Connections that the senders dialled.
    pub dialled: u64,
    /// How often something of each class happened, by its place in [`Class::ALL`].
    pub drawn: [u64; Class::COUNT],
    /// Virtual time that passed for the senders, without the leaps of their clocks.
    pub simulated: Duration,
    /// The leaps of their clocks.
    pub leapt: Duration,
    /// Runs that broke an invariant.
    pub violations: u64,
    /// Of a single run: the digest of all that both machines did
    /// ([`World::digest`](crate::World::digest)). Of many: one of theirs, whatever their order.
    pub digest: u64,
}

impl Report {
    /// How often something of a class happened.
    pub fn drawn(&self, class: Class) -> u64 {
        self.drawn[class as usize]
    }

    /// Faults of all classes.
    pub fn faults(&self) -> u64 {
        let faults = Class::ALL.into_iter().filter(|it| it.is_fault());
        faults.map(|it| self.drawn(it)).sum()
    }

    /// Adds what another run has come to.
    pub fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.numbers().into_iter().zip(other.clone().numbers()) {
            *ours += *theirs;
        }
        for (ours, theirs) in self.drawn.iter_mut().zip(other.drawn) {
            *ours += theirs;
        }
        self.simulated += other.simulated;
        self.leapt += other.leapt;
        let mut mixed = Fingerprint::default();
        other.digest.hash(&mut mixed);
        self.digest = self.digest.wrapping_add(mixed.finish());
    }

    fn numbers(&mut self) -> [&mut u64; 13] {
        [
            &mut self.runs,
            &mut self.inputs,
            &mut self.steps,
            &mut self.accepted,
            &mut self.rejected,
            &mut self.delivered,
            &mut self.refused,
            &mut self.cancelled,
            &mut self.expired,
            &mut self.failed,
            &mut self.unknown,
            &mut self.dialled,
            &mut self.violations,
        ]
    }
}
