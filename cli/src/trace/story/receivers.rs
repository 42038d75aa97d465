//! Who answers a sender.

use peer_sender_core::{Epoch, LANES_MAX, Lane, PeerSenderMachine};

/// The processes of a peer that have answered, as far as their epochs tell them apart.
#[derive(Clone, Debug, Default)]
pub(in crate::trace) struct Receivers {
    /// Who has answered the last opening of each lane.
    lanes: [Option<Epoch>; LANES_MAX as usize],
    /// Who has answered last, on any lane.
    latest: Option<Epoch>,
}

impl Receivers {
    /// Looks at who answers now. Whether it is another process than the one before, which knows
    /// nothing of what that one had taken.
    pub(in crate::trace) fn look(&mut self, machine: &PeerSenderMachine) -> bool {
        let mut restarted = false;
        for (lane, known) in (0..).map(Lane).zip(&mut self.lanes) {
            let Some(snapshot) = machine.lane(lane) else {
                continue;
            };
            if *known == snapshot.receiver {
                continue;
            }
            *known = snapshot.receiver;
            if let Some(receiver) = snapshot.receiver {
                let before = self.latest.replace(receiver);
                restarted |= before.is_some_and(|before| before != receiver);
            }
        }
        restarted
    }
}
