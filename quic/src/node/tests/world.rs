//! Nodes that exchange datagrams in virtual time, over links with seeded loss and delay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use peer_sender_core::{Config, Lane, MessageId, PeerKey, Time};

use super::end::End;
use super::nodes::*;
use crate::node::{
    DatagramMeta, OutgoingMessage, Output, PeerConfig, PeerHandle, Target, Transmit,
};
use crate::{NodeConfig, Records};

/// 2026-01-01.
const NOT_LONG_AGO: Duration = Duration::from_secs(1_767_225_600);

/// What a slow line holds of a node's datagrams.
const BACKLOG_MAX: Duration = Duration::from_millis(50);

struct Datagram {
    from: Place,
    to: Place,
    bytes: BytesMut,
}

/// Nodes, and the network between them.
pub(super) struct World {
    pub(super) now: Time,
    pub(super) ends: BTreeMap<Place, End>,
    pub(super) one_way: Duration,
    /// Bytes that each node can send in a second; none for as many as it likes. What waits for its
    /// turn for longer than [`BACKLOG_MAX`] is lost.
    pub(super) bandwidth: Option<u64>,
    /// Until when each node's line is busy.
    busy: BTreeMap<Place, Time>,
    /// Datagrams of a hundred that are lost.
    pub(super) loss: u64,
    /// Up to this much longer than `one_way` may a datagram take; so they overtake one another.
    pub(super) jitter: Duration,
    /// Places to and from which nothing comes through.
    pub(super) silent: BTreeSet<Place>,
    /// Where a node's datagrams seem to come from, as behind a NAT, and what is sent there does
    /// reach it.
    pub(super) seems: BTreeMap<Place, Place>,
    /// Whether senders hear that nobody is at an address.
    pub(super) reports: bool,
    /// When each datagram was sent, by whom, to whom, and its size.
    pub(super) sent: Vec<(Time, Place, Place, usize)>,
    /// What some nodes share.
    records: Vec<Records>,
    /// One of these has made work for another.
    called: Arc<AtomicBool>,
    base: Instant,
    /// What every node takes for the date at which the world began.
    pub(super) date: SystemTime,
    chance: u64,
    wire: BTreeMap<(Time, u64), Datagram>,
    reported: BTreeMap<(Time, u64), (Place, Place)>,
    seq: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an origin to count from, never seen"
        )]
        let base = Instant::now();
        Self {
            now: Time::ZERO,
            ends: BTreeMap::new(),
            one_way: Duration::from_millis(5),
            bandwidth: None,
            busy: BTreeMap::new(),
            loss: 0,
            jitter: Duration::ZERO,
            silent: BTreeSet::new(),
            seems: BTreeMap::new(),
            reports: false,
            sent: Vec::new(),
            records: Vec::new(),
            called: Arc::default(),
            base,
            date: SystemTime::UNIX_EPOCH + NOT_LONG_AGO,
            chance: seed.wrapping_mul(2).wrapping_add(1),
            wire: BTreeMap::new(),
            reported: BTreeMap::new(),
            seq: 0,
        }
    }

    /// Puts a node there, or a new one in place of the old.
    pub(super) fn place(&mut self, place: Place, config: NodeConfig, seed: u8) -> &mut End {
        let mut end = End::new(config, seed, self.base, self.date);
        let called = Arc::clone(&self.called);
        end.node
            .set_wake(move || called.store(true, Ordering::Relaxed));
        self.ends.insert(place, end);
        self.end(place)
    }

    /// Records for nodes of this configuration; what they say of themselves is looked at in every
    /// step.
    pub(super) fn records(&mut self, config: &NodeConfig, seed: u8) -> Records {
        let records = Records::new(config, [seed; 32], self.base);
        self.records.push(records.clone());
        records
    }

    pub(super) fn end(&mut self, place: Place) -> &mut End {
        self.ends.get_mut(&place).unwrap()
    }

    pub(super) fn dial(&mut self, from: Place, to: Place, key: PeerKey) -> PeerHandle {
        self.dial_with(from, key, Config::new(address(to)).unwrap())
    }

    pub(super) fn dial_with(&mut self, from: Place, key: PeerKey, config: Config) -> PeerHandle {
        self.dial_as(from, PeerConfig::with(key, config))
    }

    pub(super) fn dial_as(&mut self, from: Place, config: PeerConfig) -> PeerHandle {
        let now = self.now;
        let id = config.machine().addresses()[0].to_string();
        self.end(from).node.add_peer(now, id, config).unwrap()
    }

    /// Queues these messages on lane 0 in one step.
    pub(super) fn queue(
        &mut self,
        from: Place,
        peer: PeerHandle,
        messages: impl IntoIterator<Item = (u64, Bytes)>,
    ) {
        self.send_on(from, Target::Peer(peer), Lane(0), messages);
    }

    /// Queues these messages in one step.
    pub(super) fn send_on(
        &mut self,
        from: Place,
        to: Target,
        lane: Lane,
        messages: impl IntoIterator<Item = (u64, Bytes)>,
    ) {
        let now = self.now;
        let messages = messages.into_iter();
        let messages =
            messages.map(|(id, payload)| OutgoingMessage::new(MessageId(id), lane, payload));
        self.end(from).node.queue(now, to, messages);
    }

    /// Lets this much time go by.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Lets time go by until that is so, at most this much. Says whether it came to be so.
    pub(super) fn wait(&mut self, at_most: Duration, so: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + at_most;
        self.run_until(end, so)
    }

    fn run_until(&mut self, end: Time, mut so: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            self.settle();
            if so(self) {
                return true;
            }
            if !self.step(end) {
                return false;
            }
        }
    }

    /// Lets the next thing happen that does by then, and no node be polled yet. False if nothing does.
    pub(super) fn step(&mut self, end: Time) -> bool {
        let timers = self.ends.values().filter_map(|end| end.until).min();
        let datagram = self.wire.keys().next().map(|&(at, _)| at);
        let report = self.reported.keys().next().map(|&(at, _)| at);
        match [timers, datagram, report].into_iter().flatten().min() {
            Some(next) if next <= end => self.now = self.now.max(next),
            _ => return false,
        }
        self.arrive();
        for end in self.ends.values_mut() {
            if end.until.is_some_and(|at| at <= self.now) {
                end.node.handle_timeout(self.now);
            }
        }
        true
    }

    /// Polls every node until none has anything left to do.
    pub(super) fn settle(&mut self) {
        loop {
            self.poll();
            if !self.called.swap(false, Ordering::Relaxed) {
                break;
            }
        }
        for records in &self.records {
            records.check();
        }
    }

    /// Polls every node until it has nothing left to do for itself.
    fn poll(&mut self) {
        let now = self.now;
        let mut buffer = Vec::new();
        let places: Vec<Place> = self.ends.keys().copied().collect();
        for place in places {
            let until = loop {
                let Some(end) = self.ends.get_mut(&place) else {
                    break None;
                };
                match end.node.poll_output(now, &mut buffer) {
                    Output::Transmit(transmit) => self.send(place, &transmit, &buffer),
                    Output::Event(event) => end.hear(now, event),
                    Output::Timeout(until) => break until,
                }
            };
            assert!(
                until.is_none_or(|at| at > now),
                "the timeout lies in the past"
            );
            let end = self.end(place);
            end.until = until;
            let again = end.node.poll_output(now, &mut buffer);
            assert!(
                matches!(again, Output::Timeout(at) if at == until),
                "something was queued"
            );
        }
    }

    fn send(&mut self, from: Place, transmit: &Transmit, buffer: &[u8]) {
        assert!(transmit.size <= 65_507 && transmit.size == buffer.len());
        let SocketAddr::V4(destination) = transmit.destination else {
            unreachable!()
        };
        let [_, _, high, low] = destination.ip().octets();
        let to = usize::from(high) << 8 | usize::from(low);
        for bytes in buffer.chunks(transmit.segment_size.unwrap_or(transmit.size)) {
            self.sent.push((self.now, from, to, bytes.len()));
            let wait = self.wait_in_line(from, bytes.len());
            let lost = self.draw() % 100 < self.loss || wait > BACKLOG_MAX;
            let late = match self.jitter.as_nanos() as u64 {
                0 => 0,
                jitter => self.draw() % jitter,
            };
            self.seq += 1;
            let key = (
                self.now + wait + self.one_way + Duration::from_nanos(late),
                self.seq,
            );
            if !lost {
                self.wire.insert(
                    key,
                    Datagram {
                        from,
                        to,
                        bytes: BytesMut::from(bytes),
                    },
                );
            }
        }
    }

    /// How long a datagram of a node is under way before the last of its bytes has left.
    fn wait_in_line(&mut self, from: Place, bytes: usize) -> Duration {
        let Some(bandwidth) = self.bandwidth else {
            return Duration::ZERO;
        };
        let busy = self.busy.entry(from).or_default();
        let nanos = bytes as u64 * 1_000_000_000 / bandwidth;
        let until = self.now.max(*busy) + Duration::from_nanos(nanos);
        let wait = until.saturating_since(self.now);
        if wait <= BACKLOG_MAX {
            *busy = until;
        }
        wait
    }

    fn arrive(&mut self) {
        while let Some(entry) = self.wire.first_entry().filter(|e| e.key().0 <= self.now) {
            let Datagram { from, to, bytes } = entry.remove();
            if self.silent.contains(&from) || self.silent.contains(&to) {
                continue;
            }
            let meta = DatagramMeta {
                remote: address(self.seems.get(&from).copied().unwrap_or(from)),
                local_ip: None,
                ecn: None,
            };
            let behind = self.seems.iter().find(|(_, seems)| **seems == to);
            let to = behind.map_or(to, |(&place, _)| place);
            match self.ends.get_mut(&to) {
                Some(end) => end.node.handle_datagram(self.now, meta, bytes),
                None if self.reports => {
                    self.seq += 1;
                    self.reported
                        .insert((self.now + self.one_way, self.seq), (from, to));
                }
                None => {}
            }
        }
        while let Some(entry) = self
            .reported
            .first_entry()
            .filter(|e| e.key().0 <= self.now)
        {
            let (from, to) = entry.remove();
            if let Some(end) = self.ends.get_mut(&from) {
                end.node.handle_unreachable(self.now, address(to).ip());
            }
        }
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
