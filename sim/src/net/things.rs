//! What an operation does.

use std::time::Duration;

use peer_sender_core::{Lane, MessageOptions, StopMode};
use peer_sender_quic::{OutgoingMessage, Target};

use super::op::{Burst, Junk, Op, Place};
use super::oracle::Broken;
use super::report::Fault;
use super::world::World;

impl World<'_> {
    /// Does what happens now. What makes no sense does nothing.
    pub(super) fn apply(&mut self, op: &Op) -> Result<(), Broken> {
        self.disturbed |= disturbs(op);
        match *op {
            Op::Send(burst) => self.send_burst(burst),
            Op::Reply(burst) => self.reply_burst(burst),
            Op::Cancel {
                from,
                to,
                skip,
                count,
            } => self.cancel(from, to, skip as usize, count as usize),
            Op::Path { from, to, change } => {
                let suits = |own: Option<Place>, place| own.is_none_or(|it| it == place);
                for ((of, at), link) in &mut self.links {
                    if suits(from, *of) && suits(to, *at) {
                        change.apply(&mut link.path);
                    }
                }
            }
            Op::Crash(place) => {
                if let Some(true) = self
                    .hosts
                    .get(usize::from(place))
                    .map(|it| it.node.is_some())
                {
                    self.report.faults.count(Fault::Crash);
                    self.crash(place);
                }
            }
            Op::Restart { node, other_key } => {
                if let Some(true) = self
                    .hosts
                    .get(usize::from(node))
                    .map(|it| it.node.is_none())
                {
                    if other_key {
                        self.report.faults.count(Fault::OtherKey);
                    }
                    // These settings have made a node before.
                    let _ = self.start_process(node, other_key);
                }
            }
            Op::Freeze(place) => {
                if let Some(host) = self.hosts.get_mut(usize::from(place))
                    && host.is_up()
                {
                    host.frozen = true;
                    self.report.faults.count(Fault::Freeze);
                }
            }
            Op::Thaw(place) => self.thaw(place),
            Op::Trust(place, everybody) => {
                for node in self.setup.settings.nodes_of(place) {
                    self.set_trust(node, everybody);
                }
            }
            Op::Move(place) => self.move_node(place),
            Op::Rebind { node, address } => {
                let host = self.hosts.get(usize::from(node));
                if host.is_some_and(|it| !it.listens) {
                    self.report.faults.count(Fault::Rebound);
                    self.readdress(node, !address);
                }
            }
            Op::Addresses { from, to, known } => self.tell_addresses(from, to, known),
            Op::Stop { from, to, drain } => self.stop_peer(from, to, drain),
            Op::Dial { from, to } => {
                let dials = self.setup.settings.dials.contains(&(from, to));
                let up = self
                    .hosts
                    .get(usize::from(from))
                    .is_some_and(|it| it.is_up());
                if dials && up {
                    // These settings have made a peer before.
                    let _ = self.dial(from, to);
                }
            }
            Op::Stranger {
                to,
                what,
                count,
                every,
            } => self.strange_again(to, what, count, every),
            Op::Reader(..)
            | Op::Refuse(..)
            | Op::Tick(..)
            | Op::Late(..)
            | Op::Jump(..)
            | Op::Batch(..)
            | Op::CutAccepted(_)
            | Op::Changed(_) => self.apply_to_host(op),
        }
        Ok(())
    }

    fn apply_to_host(&mut self, op: &Op) {
        let Some(place) = host_of(op) else { return };
        match op {
            // The nodes of a process have one clock.
            Op::Tick(..) | Op::Jump(..) => {
                for node in self.setup.settings.nodes_of(place) {
                    self.apply_to_node(node, op);
                }
            }
            _ => self.apply_to_node(place, op),
        }
    }

    fn apply_to_node(&mut self, place: Place, op: &Op) {
        let Some(host) = self.hosts.get_mut(usize::from(place)) else {
            return;
        };
        let now = host.clock.read(self.now);
        match *op {
            Op::Reader(_, reader) => {
                host.reader = reader;
                self.report.faults.count(Fault::SlowReader);
                self.touch(place);
                self.next_read(place);
            }
            Op::Refuse(_, each) => host.refuse_each = each,
            Op::Tick(_, tick) => {
                host.clock.tick = tick;
                host.thawed = self.now;
                self.report.faults.count(Fault::ClockTick);
            }
            Op::Late(_, late) => {
                host.clock.late = late;
                host.thawed = self.now;
                self.report.faults.count(Fault::ClockLate);
            }
            Op::Jump(_, ahead) => {
                self.amplification.forgot_handshakes(place);
                host.clock.ahead += ahead;
                host.thawed = self.now;
                self.report.faults.count(Fault::ClockJump);
                // What was due meanwhile fires now.
                host.wake = None;
                self.forget(place);
                self.touch(place);
            }
            Op::Batch(_, share) => host.batch = share,
            Op::CutAccepted(_) => {
                if let (false, Some(node)) = (host.frozen, &mut host.node) {
                    node.cut_accepted(now);
                    self.amplification.forgot_handshakes(place);
                    self.report.faults.count(Fault::ConnectionsCut);
                    self.forget(place);
                    self.touch(place);
                }
            }
            Op::Changed(_) => {
                if let (false, Some(node)) = (host.frozen, &mut host.node) {
                    node.network_changed(now);
                    for dialled in host.dialled.values_mut() {
                        dialled.meeting.goes_by_another_id(now);
                    }
                    self.touch(place);
                }
            }
            _ => {}
        }
    }

    pub(super) fn send_burst(&mut self, burst: Burst) {
        let host = self.hosts.get(usize::from(burst.from));
        let Some(host) = host.filter(|it| it.is_up()) else {
            return;
        };
        let life = host.life;
        if let Some(dialled) = host.dialled.get(&burst.to) {
            let target = Target::Peer(dialled.handle);
            let channel = self.oracle.channel(burst.from, life, target, burst.to);
            self.hand_over(burst, channel, target);
        }
    }

    pub(super) fn reply_burst(&mut self, burst: Burst) {
        let nodes = self.setup.settings.nodes_of(burst.from).into_iter();
        let nodes = nodes.filter_map(|it| self.hosts.get(usize::from(it)));
        let heard = nodes.filter_map(|it| Some((*it.sessions.get(&burst.to)?, it)));
        // The session that is newest is the one whose dialler is there.
        let Some((session, host)) = heard.max_by_key(|it| it.0).filter(|it| it.1.is_up()) else {
            return;
        };
        let (from, life, target) = (host.place, host.life, Target::Session(session));
        let process = self.setup.settings.process_of(from);
        let channel = self.oracle.channel(process, life, target, burst.to);
        self.hand_over(Burst { from, ..burst }, channel, target);
    }

    fn hand_over(&mut self, burst: Burst, channel: usize, target: Target) {
        let lanes = self.setup.settings.lanes.max(1);
        let lane = Lane(burst.lane % lanes);
        let host = &mut self.hosts[usize::from(burst.from)];
        let now = host.clock.read(self.now);
        let Some(node) = &mut host.node else { return };
        let options = MessageOptions {
            expires_at: burst.ttl.map(|ttl| now + ttl),
        };
        let withdrawn = burst.ttl.is_some();
        let bytes = burst.bytes.min(self.setup.settings.message_bytes_max) as usize;
        let messages = (0..burst.count).filter_map(|_| {
            let told = self
                .oracle
                .hand_over(channel, lane, bytes, withdrawn, self.now);
            told.map(|(id, payload)| OutgoingMessage {
                id,
                lane,
                payload,
                options,
            })
        });
        let messages: Vec<_> = messages.collect();
        self.report.messages += messages.len() as u64;
        node.queue(now, target, messages);
        self.touch(burst.from);
    }

    fn cancel(&mut self, from: Place, to: Place, skip: usize, count: usize) {
        let Some(host) = self.hosts.get_mut(usize::from(from)) else {
            return;
        };
        let now = host.clock.read(self.now);
        let (false, Some(node), Some(dialled)) =
            (host.frozen, &mut host.node, host.dialled.get(&to))
        else {
            return;
        };
        let target = Target::Peer(dialled.handle);
        let open = self.oracle.withdraw(from, host.life, target, skip, count);
        for id in open {
            node.cancel(now, target, id);
            self.report.faults.count(Fault::Cancel);
        }
        self.touch(from);
    }

    /// A process ends without a word, with all its nodes.
    pub(super) fn crash(&mut self, place: Place) {
        for node in self.setup.settings.nodes_of(place) {
            let host = &mut self.hosts[usize::from(node)];
            let life = host.life;
            host.end();
            self.report.orphaned += self.oracle.orphan(node, life);
        }
        self.forget(place);
    }

    /// A process has lost what its applications had not got.
    pub(super) fn forget(&mut self, place: Place) {
        for node in self.setup.settings.nodes_of(place) {
            self.hosts[usize::from(node)].forgot = Some(self.now);
        }
    }

    pub(super) fn thaw(&mut self, place: Place) {
        let Some(host) = self.hosts.get_mut(usize::from(place)) else {
            return;
        };
        if !std::mem::take(&mut host.frozen) {
            return;
        }
        host.thawed = self.now;
        let now = host.clock.read(self.now);
        let socket = std::mem::take(&mut host.socket);
        if let Some(node) = &mut host.node {
            node.handle_timeout(now);
        }
        for datagram in socket {
            self.hand_in(place, datagram);
        }
        self.touch(place);
        self.next_read(place);
    }

    pub(super) fn set_trust(&mut self, place: Place, everybody: bool) {
        let trust = self.setup.trust(everybody);
        let Some(host) = self.hosts.get_mut(usize::from(place)) else {
            return;
        };
        if host.listens && host.trusts != everybody {
            host.trusts = everybody;
            if !everybody {
                self.report.faults.count(Fault::Distrust);
            }
            let now = host.clock.read(self.now);
            if let Some(node) = &mut host.node {
                node.set_trust(now, trust);
            }
            self.touch(place);
        }
    }

    pub(super) fn stop_peer(&mut self, from: Place, to: Place, drain: Option<Duration>) {
        let Some(host) = self.hosts.get_mut(usize::from(from)) else {
            return;
        };
        let now = host.clock.read(self.now);
        let (false, Some(node), Some(dialled)) =
            (host.frozen, &mut host.node, host.dialled.get_mut(&to))
        else {
            return;
        };
        let by = now + drain.unwrap_or_default();
        dialled.stops_by = Some(dialled.stops_by.map_or(by, |it| it.min(by)));
        let mode = drain.map_or(StopMode::Abort, StopMode::Drain);
        node.stop_peer(now, dialled.handle, mode);
        self.oracle
            .withdraw_all(from, host.life, Target::Peer(dialled.handle));
        self.report.faults.count(Fault::Stop);
        self.touch(from);
    }
}

/// To which node something happens that concerns one alone.
fn host_of(op: &Op) -> Option<Place> {
    let (Op::Reader(place, _)
    | Op::Refuse(place, _)
    | Op::Tick(place, _)
    | Op::Late(place, _)
    | Op::Jump(place, _)
    | Op::Batch(place, _)
    | Op::CutAccepted(place)
    | Op::Changed(place)) = *op
    else {
        return None;
    };
    Some(place)
}

/// Whether a connection may be lost by it.
fn disturbs(op: &Op) -> bool {
    match op {
        Op::Send(_)
        | Op::Reply(_)
        | Op::Cancel { .. }
        | Op::Reader(..)
        | Op::Refuse(..)
        | Op::Stop { .. }
        | Op::Dial { .. }
        | Op::Changed(_) => false,
        // A handshake may find no room, what is genuine may move a connection, and whoever has just
        // dialled believes that its peer speaks another version.
        Op::Stranger { what, .. } => match what {
            Junk::FirstPackets | Junk::Replays | Junk::Versions => true,
            Junk::Random | Junk::Resets => false,
        },
        Op::Path { .. }
        | Op::Crash(_)
        | Op::Restart { .. }
        | Op::Freeze(_)
        | Op::Thaw(_)
        | Op::Move(_)
        | Op::Addresses { .. }
        | Op::Rebind { .. }
        | Op::Trust(..)
        | Op::Tick(..)
        | Op::Late(..)
        | Op::Jump(..)
        | Op::Batch(..)
        | Op::CutAccepted(_) => true,
    }
}
