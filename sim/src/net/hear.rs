//! What nodes tell their users and applications, and what applications answer.

use std::time::Duration;

use peer_sender_core::{
    CloseCode, Lane, LinkError, Outcome, PeerEvent, RefuseCode, StopReason, Time,
};
use peer_sender_quic::{NodeEvent, PeerHandle, Source, Target};

use super::host::Waiting;
use super::op::{Place, Reader};
use super::oracle::{Broken, broken};
use super::report::Fault;
use super::world::World;

impl World<'_> {
    /// A node tells something, at this moment of its own clock.
    pub(super) fn hear(
        &mut self,
        place: Place,
        now: Time,
        event: NodeEvent<u64>,
    ) -> Result<(), Broken> {
        let host = &mut self.hosts[usize::from(place)];
        let life = host.life;
        let process = self.setup.settings.process_of(place);
        match event {
            NodeEvent::Settled { to, settled } => {
                let channel = self.channel_of(place, life, to)?;
                for (id, outcome) in settled {
                    self.hear_outcome(place, now, to, &outcome)?;
                    self.oracle
                        .settled(channel, id, outcome, &mut self.report)?;
                }
                Ok(())
            }
            NodeEvent::Rejected {
                to, id, rejected, ..
            } => {
                let channel = self.channel_of(place, life, to)?;
                let payload = &rejected.payload;
                self.oracle.rejected(channel, id, payload, &mut self.report)
            }
            NodeEvent::HandedBack { to, unsent } => {
                let channel = self.channel_of(place, life, to)?;
                for message in unsent {
                    self.oracle
                        .handed_back(channel, message.id, &message.payload)?;
                }
                Ok(())
            }
            NodeEvent::InboundRejected { error, .. } => {
                let full = match error {
                    LinkError::Closed { code, .. } => code == CloseCode::ExcessiveLoad,
                    other => other == LinkError::Busy,
                };
                if full {
                    self.report.faults.count(Fault::NoRoom);
                }
                Ok(())
            }
            NodeEvent::Room { .. } | NodeEvent::Transferred { .. } => Ok(()),
            NodeEvent::Peer { peer, event } => self.hear_of_peer(place, now, peer, &event),
            NodeEvent::Incoming {
                source,
                from,
                messages,
            } => {
                let Some(sender) = self.setup.place_of(from.key) else {
                    return broken("I5", format!("node {place} heard from a stranger"));
                };
                if let Source::Session(session) = source {
                    host.sessions.insert(sender, session);
                }
                for message in messages {
                    let whose = match source {
                        Source::Session(_) => (process, life, sender),
                        Source::Peer { .. } => (place, life, sender),
                    };
                    let forgot = self.hosts[usize::from(process)].forgot;
                    let report = &mut self.report;
                    let index = self
                        .oracle
                        .received(whose, source, &message, forgot, report)?;
                    let host = &mut self.hosts[usize::from(place)];
                    let waiting = host.waiting.entry((source, message.lane)).or_default();
                    waiting.push_back(Waiting {
                        number: message.number,
                        message: index,
                        bytes: message.payload.len(),
                    });
                }
                self.next_read(place);
                Ok(())
            }
            NodeEvent::Forgotten { source } => {
                host.waiting.retain(|(from, _), _| *from != source);
                if let Source::Session(session) = source {
                    host.sessions.retain(|_, it| *it != session);
                    let target = Target::Session(session);
                    if let Some(channel) = self.oracle.find(process, life, target) {
                        self.oracle.end(channel);
                    }
                    self.forget(place);
                }
                Ok(())
            }
        }
    }

    fn hear_outcome(
        &mut self,
        place: Place,
        now: Time,
        to: Target,
        outcome: &Outcome,
    ) -> Result<(), Broken> {
        let host = &mut self.hosts[usize::from(place)];
        let slack = host.slack(now);
        let mut peers = host.dialled.values_mut();
        match peers.find(|it| Target::Peer(it.handle) == to) {
            // What waits under the plain protocol does so with a receiver who is there.
            Some(own) if !self.setup.settings.plain => {
                own.dialling.hear_outcome(now, outcome, slack)
            }
            Some(own) => own.dialling.hear_outcome(now, outcome, Duration::MAX / 4),
            None => Ok(()),
        }
    }

    fn channel_of(&self, place: Place, life: u32, to: Target) -> Result<usize, Broken> {
        let process = match to {
            Target::Session(_) => self.setup.settings.process_of(place),
            Target::Peer(_) => place,
        };
        let channel = self.oracle.find(process, life, to);
        channel.map_or_else(
            || {
                broken(
                    "I5",
                    format!("node {place} tells of {to:?}, to which nothing was sent"),
                )
            },
            Ok,
        )
    }

    fn hear_of_peer(
        &mut self,
        place: Place,
        now: Time,
        peer: PeerHandle,
        event: &PeerEvent,
    ) -> Result<(), Broken> {
        let lives: Vec<_> = self.hosts.iter().map(|it| it.life).collect();
        let host = &mut self.hosts[usize::from(place)];
        let slack = host.slack(now);
        let own = host.dialled.iter_mut().find(|(_, it)| it.handle == peer);
        let Some((&to, own)) = own else {
            return broken(
                "I27",
                format!("node {place} tells of a peer that was removed"),
            );
        };
        if own.stopped {
            return broken(
                "I27",
                format!("node {place}: {event:?} after its peer {to} stopped"),
            );
        }
        own.dialling
            .hear(now, event, slack, &self.setup.settings)
            .map_err(|it| it.at(format!("node {place}, dialling {to}")))?;
        let channel = self.oracle.find(place, host.life, Target::Peer(peer));
        match event {
            PeerEvent::Connected { .. } => {
                self.report.connected += 1;
                let other = own.reached.is_some() && own.reached != own.reaching;
                own.reached = own.reaching;
                let life = lives.get(usize::from(to)).copied();
                own.meeting.begins(now, life.unwrap_or_default());
                if other {
                    self.report.faults.count(Fault::OtherNode);
                }
            }
            PeerEvent::Connecting { address, .. } => {
                own.reaching = self.owners.get(address).copied();
                own.address = Some(*address);
            }
            PeerEvent::Disconnected { error, .. } => {
                self.report.disconnected += 1;
                own.meeting.ends(now);
                let channel = channel.and_then(|it| self.oracle.channels.get_mut(it));
                if let Some(channel) = channel {
                    channel.losses += 1;
                }
                if !self.disturbed {
                    let what = format!("node {place} lost node {to} for nothing: {error}");
                    return broken("L6", what);
                }
            }
            PeerEvent::SenderStopped { reason } => {
                own.stopped = true;
                if *reason != StopReason::Drained {
                    host.dropped = Some(self.now);
                }
                if let Some(by) = own.stops_by
                    && now.saturating_since(by) > slack
                {
                    let what = format!("node {place}: {reason:?} at {now:?}, not {by:?}");
                    return broken("I28", what);
                }
                if let Some(channel) = channel {
                    self.oracle.end(channel);
                }
            }
            PeerEvent::Idle => own.meeting.ends(now),
            PeerEvent::BackoffStarted { .. }
            | PeerEvent::AddressChanged { .. }
            | PeerEvent::SlowPeer { .. }
            | PeerEvent::SlowPeerCleared => {}
        }
        Ok(())
    }

    /// An application that takes messages at once answers all that came. Whether there were any.
    pub(super) fn answer_all(&mut self, place: Place, now: Time) -> bool {
        let host = &mut self.hosts[usize::from(place)];
        if host.reader != Reader::Instant || host.waiting.is_empty() {
            return false;
        }
        for ((source, lane), waiting) in std::mem::take(&mut host.waiting) {
            let mut below = 0;
            for message in waiting {
                below = message.number + 1;
                self.judge(place, now, source, lane, message);
            }
            if let Some(node) = &mut self.hosts[usize::from(place)].node {
                node.consumed(now, source, lane, below);
            }
        }
        true
    }

    /// An application that takes messages one by one answers the next.
    pub(super) fn read_one(&mut self, place: Place) {
        let host = &mut self.hosts[usize::from(place)];
        if host.read_at != Some(self.now) {
            return;
        }
        host.read_at = None;
        if host.frozen || !matches!(host.reader, Reader::Every(_)) {
            return;
        }
        let now = host.clock.read(self.now);
        let Some(mut entry) = host.waiting.first_entry() else {
            return;
        };
        let (source, lane) = *entry.key();
        let message = entry.get_mut().pop_front();
        if entry.get().is_empty() {
            entry.remove();
        }
        if let Some(message) = message {
            self.judge(place, now, source, lane, message);
            if let Some(node) = &mut self.hosts[usize::from(place)].node {
                node.consumed(now, source, lane, message.number + 1);
            }
            self.touch(place);
        }
        self.next_read(place);
    }

    /// An application accepts a message, or refuses it.
    fn judge(&mut self, place: Place, now: Time, source: Source, lane: Lane, it: Waiting) {
        let host = &mut self.hosts[usize::from(place)];
        host.answers += 1;
        let refuses = host.answers.checked_rem(host.refuse_each) == Some(0);
        self.oracle.answered(it.message, refuses);
        if let (true, Some(node)) = (refuses, &mut host.node) {
            node.refuse(now, source, lane, it.number, RefuseCode::Application);
            self.report.faults.count(Fault::Refusal);
        }
    }
}
