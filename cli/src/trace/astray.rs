//! Machines whose steps are passed over since they went another way.

use std::collections::BTreeSet;

use peer_sender_core::trace::{MachineId, ReplayError};

/// As many are known; of what follows for others nobody says why it is passed over.
const MACHINES_MAX: usize = 1 << 16;

/// Machines of which the trace has said what they did not do, or what cannot be.
#[derive(Clone, Debug, Default)]
pub(super) struct Astray(BTreeSet<MachineId>);

impl Astray {
    pub(super) fn note(&mut self, error: &ReplayError) {
        let machine = match error {
            ReplayError::Diverged(divergence) => divergence.machine,
            ReplayError::Config { machine, .. }
            | ReplayError::Image { machine, .. }
            | ReplayError::Impossible { machine, .. } => *machine,
        };
        if self.0.len() < MACHINES_MAX {
            self.0.insert(machine);
        }
    }

    /// Whether a step of it that is passed over is so for that reason.
    pub(super) fn contains(&self, machine: MachineId) -> bool {
        self.0.contains(&machine)
    }
}
