//! What the driver takes out of a mailbox.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::task::Waker;

use peer_sender_core::{MessageId, Outcome, StopMode};
use peer_sender_quic::{PeerSnapshot, PeerStats};

use super::{Accepted, Mailbox, Phase, Queued, Unseen};
use crate::wait::Reply;

/// What the driver takes out of a mailbox beside messages.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) cancels: BTreeSet<MessageId>,
    pub(crate) addresses: Option<Vec<SocketAddr>>,
    pub(crate) wake: bool,
    pub(crate) stop: Option<StopMode>,
    pub(crate) stats: Vec<Reply<PeerStats>>,
    pub(crate) snapshots: Vec<Reply<PeerSnapshot>>,
    pub(crate) unseen: Unseen,
}

impl Mailbox {
    /// Takes a message back. One that the driver has not seen is cancelled here, and handed back
    /// to be dropped; else, if it is not settled, the machine is asked.
    pub(crate) fn cancel(&mut self, id: MessageId, wakers: &mut Vec<Waker>) -> Option<Queued> {
        let Some(message) = self.messages.remove(id) else {
            if self.slots.is_live(id) {
                self.news.cancels.insert(id);
            }
            return None;
        };
        self.leave_desk(&message, wakers);
        self.unseen.cancelled += 1;
        self.settle(id, Outcome::Cancelled, wakers);
        Some(message)
    }

    /// Tells the machine the peer's addresses anew; false if it has stopped.
    pub(crate) fn set_addresses(&mut self, addresses: Vec<SocketAddr>) -> bool {
        let running = self.phase == Phase::Running;
        if running {
            self.news.addresses = Some(addresses);
        }
        running
    }

    /// Has the machine dial now, if it waits to.
    pub(crate) fn wake(&mut self) {
        self.news.wake = true;
    }

    /// Asks for the counters; hands the question back if it comes too late.
    pub(crate) fn ask_stats(&mut self, to: Reply<PeerStats>) -> Result<(), Reply<PeerStats>> {
        match self.phase {
            Phase::Running | Phase::Stopping => {
                self.news.stats.push(to);
                Ok(())
            }
            Phase::Stopped(_) => Err(to),
        }
    }

    /// Asks how the machine stands; hands the question back if it comes too late.
    pub(crate) fn ask_snapshot(
        &mut self,
        to: Reply<PeerSnapshot>,
    ) -> Result<(), Reply<PeerSnapshot>> {
        match self.phase {
            Phase::Running | Phase::Stopping => {
                self.news.snapshots.push(to);
                Ok(())
            }
            Phase::Stopped(_) => Err(to),
        }
    }

    /// Whether the driver must be told that there is news; true once until it takes them.
    pub(crate) fn announce(&mut self) -> bool {
        !std::mem::replace(&mut self.announced, true)
    }

    /// Swaps the messages against none, and hands over the rest of the news.
    pub(crate) fn take(&mut self, messages: &mut Accepted) -> News {
        self.announced = false;
        for desk in &mut self.desks {
            desk.handed_over();
        }
        std::mem::swap(&mut self.messages, messages);
        News {
            unseen: self.unseen,
            ..std::mem::take(&mut self.news)
        }
    }
}
