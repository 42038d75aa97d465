//! A peer that has begun anew is found out: at once by its stateless reset, or else by its silence.

use std::time::Duration;

use peer_sender_core::Time;
use peer_sender_quic::Target;

use super::link::Datagram;
use super::op::Place;
use super::oracle::{Broken, broken};
use super::stranger::Stranger;
use super::world::World;

/// Whom a node is connected to, or was last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meeting {
    /// Counts the lives of the peer's process.
    life: u32,
    /// When something came from it last, by the node's clock.
    heard: Time,
    /// When a connection before this one ended, or this one took another id of the peer's, by the node's
    /// clock.
    ended: Option<Time>,
    /// A reset came, which ends the connection.
    reset: bool,
}

impl Meeting {
    pub(super) fn begins(&mut self, now: Time, life: u32) {
        (self.life, self.heard, self.reset) = (life, now, false);
    }

    /// The connection uses another id of the peer's from now on. A reset of the one before is none of it
    /// (RFC 9000 section 10.3.1).
    pub(super) fn goes_by_another_id(&mut self, now: Time) {
        self.ended = Some(now);
    }

    pub(super) fn ends(&mut self, now: Time) {
        (self.ended, self.reset) = (Some(now), false);
    }
}

/// How long an acknowledgement may be put off (RFC 9000 section 18.2, `max_ack_delay`).
const ACK_DELAY: Duration = Duration::from_millis(25);

impl World<'_> {
    /// A node is given a datagram: notes what it says of whoever it is connected to.
    pub(super) fn meet(&mut self, place: Place, datagram: &Datagram) {
        // Packets of an older connection, or id, may ask for resets of their own for so long.
        const LINGERS: Duration = Duration::from_secs(120);
        let Some((sender, life)) = datagram.sender else {
            return;
        };
        let process = self.setup.settings.process_of(sender);
        let host = &mut self.hosts[usize::from(place)];
        let now = host.clock.read(self.now);
        let Some(own) = host.dialled.get_mut(&process) else {
            return;
        };
        let meeting = &mut own.meeting;
        if life == meeting.life {
            meeting.heard = now;
        }
        let alone = meeting
            .ended
            .is_none_or(|at| now.saturating_since(at) > LINGERS);
        let same_place = own.reaching == Some(sender) && own.address == Some(datagram.from);
        // A stranger may have been answered, who has sent in its name something of an older connection.
        let spoofed = |it: &Stranger| it.has_spoofed(datagram.to);
        let alone = alone && !self.stranger.as_ref().is_some_and(spoofed);
        meeting.reset |= datagram.reset && life > meeting.life && alone && same_place;
    }

    /// At the end of a node's turn: it no longer takes a process for there that is known to be gone.
    pub(super) fn look_at_restarts(&self, place: Place, now: Time) -> Result<(), Broken> {
        let host = &self.hosts[usize::from(place)];
        let idle = self.setup.settings.idle_timeout;
        for (&to, own) in &host.dialled {
            let meeting = own.meeting;
            let there = own.dialling.is_connected() && !own.stopped;
            if !there || meeting.life == self.hosts[usize::from(to)].life {
                continue;
            }
            let what =
                |why: &str| format!("node {place} holds node {to} for there, {why}: {own:?}");
            if meeting.reset {
                return broken("L7", what("after its reset"));
            }
            // What is sent first after something came begins the time anew: a ping, for the least. The time
            // until that begins anew with a late acknowledgement.
            let silent = now.saturating_since(meeting.heard);
            let node = host.node.as_ref();
            let snapshot = node.and_then(|it| it.snapshot(Target::Peer(own.handle)));
            let slowest = snapshot.and_then(|it| it.rtt).unwrap_or_default() * 30;
            let ping = ACK_DELAY + idle * 2 / 5;
            let most = idle.max(slowest) + ping + host.slack(now);
            if silent > most {
                return broken("L7", what("after its silence"));
            }
        }
        Ok(())
    }
}
