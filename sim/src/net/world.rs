//! The world: who is in it, what is under way, and time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use peer_sender_core::Time;
use peer_sender_quic::{DatagramMeta, Output};

use super::addresses::{PORT, address_v6};
use super::amplification::Amplification;
use super::due::{Due, Entry};
use super::host::Host;
use super::link::{Datagram, Link, below};
use super::op::{Op, Place, Reader};
use super::oracle::{Broken, Oracle, broken};
use super::report::{Fault, Report, mix};
use super::run::Capture;
use super::scenario::Scenario;
use super::settings::BadSettings;
use super::setup::Setup;
use super::stranger::Stranger;
use crate::tape::Rng;

/// Nodes, the network between them, and what is known of all.
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) setup: Setup,
    pub(super) now: Time,
    queue: BinaryHeap<Reverse<Entry>>,
    seq: u64,
    pub(super) hosts: Vec<Host>,
    pub(super) links: BTreeMap<(Place, Place), Link>,
    pub(super) names: BTreeMap<SocketAddr, Place>,
    /// Whoever has ever stood there.
    pub(super) owners: BTreeMap<SocketAddr, Place>,
    pub(super) addresses_given: u16,
    dirty: BTreeSet<Place>,
    pub(super) oracle: Oracle,
    pub(super) amplification: Amplification,
    pub(super) report: Report,
    pub(super) capture: Option<Capture>,
    pub(super) rng: Rng,
    pub(super) healed: bool,
    /// Something was done to the network, a node or a clock: connections may be lost.
    pub(super) disturbed: bool,
    /// The longest that a datagram was under way.
    pub(super) slowest: Duration,
    /// Somebody who is no node, where the scenario has one.
    pub(super) stranger: Option<Stranger>,
    buffer: Vec<u8>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        setup: Setup,
        capture: Option<Capture>,
    ) -> Result<Self, BadSettings> {
        let settings = &setup.settings;
        settings.check()?;
        let seed = settings.seed;
        let mut oracle = Oracle::default();
        oracle.at_most_once = settings.at_most_once;
        oracle.plain = settings.plain;
        oracle.framed = settings.plain && settings.framed;
        oracle.taken_bytes_max = settings.taken_bytes_max as usize;
        let mut links = BTreeMap::new();
        let (mut hosts, mut names) = (Vec::new(), BTreeMap::new());
        for place in 0..settings.nodes {
            let address = SocketAddr::from(([10, 0, 0, place + 1], PORT));
            names.insert(address, place);
            let v6 = settings.v6.contains(&place).then(|| address_v6(place, 0));
            names.extend(v6.map(|it| (it, place)));
            let listens = settings.listeners.contains(&place);
            hosts.push(Host::new(place, address, v6, listens));
            for to in (0..settings.nodes).filter(|&to| to != place) {
                let own = u64::from(place) << 8 | u64::from(to);
                links.insert((place, to), Link::new(mix(mix(seed, 0x6c69_6e6b), own)));
            }
        }
        let strange = |(_, op): &(Duration, Op)| matches!(op, Op::Stranger { .. });
        let strange = scenario.ops.iter().any(strange);
        let tight = setup.settings.is_tight();
        let amplification = Amplification::new(settings.handshakes_max as usize);
        let mut world = Self {
            scenario,
            setup,
            now: Time::ZERO,
            queue: BinaryHeap::new(),
            seq: 0,
            hosts,
            links,
            owners: names.clone(),
            names,
            addresses_given: 0,
            dirty: BTreeSet::new(),
            oracle,
            amplification,
            report: Report::default(),
            capture,
            rng: Rng::new(mix(seed, 0x776f_726c)),
            healed: false,
            // Whoever is sent what it does not take ends the connection over it, and so does whoever
            // has no room.
            disturbed: tight
                || scenario.settings.taken_bytes_max < scenario.settings.message_bytes_max,
            slowest: Duration::ZERO,
            stranger: strange.then(|| Stranger::new(seed)),
            buffer: Vec::new(),
        };
        for place in 0..world.setup.settings.nodes {
            world.start(place, false)?;
        }
        for (place, &(at, _)) in scenario.ops.iter().enumerate() {
            if at <= scenario.settings.end {
                world.push(Time::ZERO + at, Due::Op(place));
            }
        }
        Ok(world)
    }

    /// A process begins, with all its nodes.
    pub(super) fn start_process(
        &mut self,
        place: Place,
        other_key: bool,
    ) -> Result<(), BadSettings> {
        let nodes = self.setup.settings.nodes_of(place);
        nodes
            .into_iter()
            .try_for_each(|it| self.start(it, other_key))
    }

    /// A node begins, and dials whom it has to.
    pub(super) fn start(&mut self, place: Place, other_key: bool) -> Result<(), BadSettings> {
        let process = self.setup.settings.process_of(place);
        let records = match process == place {
            true => None,
            false => self.hosts[usize::from(process)].records.clone(),
        };
        let host = &mut self.hosts[usize::from(place)];
        let begun = host.start(&self.setup, other_key, records);
        begun.map_err(|error| BadSettings {
            field: error.field,
            problem: error.problem.to_owned(),
        })?;
        self.amplification.restarted(place);
        let dials = self.setup.settings.dials.clone();
        for (_, to) in dials.into_iter().filter(|&(from, _)| from == place) {
            self.dial(place, to)?;
        }
        self.dirty.insert(place);
        Ok(())
    }

    pub(super) fn push(&mut self, at: Time, due: Due) {
        self.seq += 1;
        let seq = self.seq;
        let at = at.max(self.now);
        self.queue.push(Reverse(Entry { at, seq, due }));
    }

    pub(super) fn touch(&mut self, place: Place) {
        self.dirty.insert(place);
    }

    /// Lets everything happen up to this moment, or until that is so.
    pub(super) fn run_until(
        &mut self,
        end: Time,
        mut so: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Broken> {
        loop {
            self.serve()?;
            if so(self) {
                return Ok(true);
            }
            let Some(Reverse(next)) = self.queue.peek() else {
                break;
            };
            if next.at > end {
                break;
            }
            self.now = next.at;
            // All that is due now, before anybody acts on it: as a driver receives a batch.
            while let Some(Reverse(entry)) = self.queue.peek()
                && entry.at <= self.now
            {
                if let Some(Reverse(entry)) = self.queue.pop() {
                    self.happen(entry.due)?;
                }
            }
        }
        self.now = self.now.max(end);
        Ok(false)
    }

    fn happen(&mut self, due: Due) -> Result<(), Broken> {
        match due {
            Due::Op(op) => {
                if let (false, Some((_, op))) = (self.healed, self.scenario.ops.get(op)) {
                    self.apply(op)?;
                }
            }
            Due::Arrival(datagram) => self.arrive(datagram),
            Due::Wake(place) => self.wake(place),
            Due::Read(place) => self.read_one(place),
            Due::Stranger(place, what) => {
                if !self.healed {
                    self.strange(place, what);
                }
            }
            Due::Closed(place, host) => {
                let own = &mut self.hosts[usize::from(place)];
                if let (false, Some(node)) = (own.frozen, &mut own.node) {
                    let now = own.clock.read(self.now);
                    node.handle_unreachable(now, host);
                    self.report.faults.count(Fault::Unreachable);
                    self.dirty.insert(place);
                }
            }
        }
        Ok(())
    }

    fn arrive(&mut self, datagram: Datagram) {
        let Some(&place) = self.names.get(&datagram.to) else {
            return;
        };
        let host = &mut self.hosts[usize::from(place)];
        if host.node.is_none() {
            let from = self.names.get(&datagram.from).copied();
            if let (true, Some(from)) = (self.setup.settings.reports, from) {
                let back = self.links.get(&(place, from)).map(|link| link.path.delay);
                let at = self.now + back.unwrap_or_default();
                self.push(at, Due::Closed(from, datagram.to.ip()));
            }
            return;
        }
        if host.frozen {
            if host.socket.len() < self.setup.settings.socket as usize {
                host.socket.push_back(datagram);
            } else {
                self.report.faults.count(Fault::Overrun);
            }
            return;
        }
        self.hand_in(place, datagram);
    }

    /// Gives a node a datagram out of its socket.
    pub(super) fn hand_in(&mut self, place: Place, datagram: Datagram) {
        self.meet(place, &datagram);
        let host = &mut self.hosts[usize::from(place)];
        let Some(node) = &mut host.node else { return };
        self.amplification.received(place, &datagram);
        let now = host.clock.read(self.now);
        let meta = DatagramMeta {
            remote: datagram.from,
            local_ip: None,
            ecn: datagram.ecn,
        };
        node.handle_datagram(now, meta, BytesMut::from(datagram.bytes));
        self.dirty.insert(place);
    }

    fn wake(&mut self, place: Place) {
        let host = &mut self.hosts[usize::from(place)];
        if host.wake != Some(self.now) {
            return;
        }
        host.wake = None;
        if !host.is_up() {
            return;
        }
        let now = host.clock.read(self.now);
        match (host.until, &mut host.node) {
            (Some(until), Some(node)) if until <= now => {
                node.handle_timeout(now);
                self.dirty.insert(place);
            }
            // It was moved to later, and is found early.
            _ => self.set_alarm(place),
        }
    }

    /// Has a node woken when its timeout has come.
    fn set_alarm(&mut self, place: Place) {
        let host = &mut self.hosts[usize::from(place)];
        let Some(until) = host.until else { return };
        let mut at = host.clock.when(until).max(self.now);
        if !host.clock.late.is_zero() {
            at = at + below(&mut self.rng, host.clock.late);
        }
        if host.wake.is_none_or(|wake| at < wake) {
            host.wake = Some(at);
            self.push(at, Due::Wake(place));
        }
    }

    /// Lets every node act that has something to do.
    fn serve(&mut self) -> Result<(), Broken> {
        // Far more than any batch of a moment needs.
        const TURNS_MAX: u32 = 100_000;
        let mut turns = 0;
        while let Some(place) = self.dirty.pop_first() {
            turns += 1;
            if turns > TURNS_MAX {
                return broken(
                    "I22",
                    format!("node {place} is never done at {:?}", self.now),
                );
            }
            self.turn(place)?;
        }
        Ok(())
    }

    /// One node's turn: polls it until it has nothing left to do.
    fn turn(&mut self, place: Place) -> Result<(), Broken> {
        let host = &mut self.hosts[usize::from(place)];
        if !host.is_up() {
            return Ok(());
        }
        host.turns += 1;
        let now = host.clock.read(self.now);
        self.report.steps += 1;
        let mut buffer = std::mem::take(&mut self.buffer);
        let until = loop {
            let Some(node) = &mut self.hosts[usize::from(place)].node else {
                return Ok(());
            };
            match node.poll_output(now, &mut buffer) {
                Output::Transmit(transmit) => self.send(place, &transmit, &buffer)?,
                Output::Event(event) => self.hear(place, now, event)?,
                Output::Timeout(until) => {
                    if !self.answer_all(place, now) {
                        break until;
                    }
                }
            }
        };
        if until.is_some_and(|at| at <= now) {
            return broken(
                "I15",
                format!("node {place}: {until:?} is not after {now:?}"),
            );
        }
        let host = &mut self.hosts[usize::from(place)];
        host.until = until;
        if let Some(node) = &mut host.node {
            let again = node.poll_output(now, &mut buffer);
            if !matches!(again, Output::Timeout(at) if at == until) {
                return broken("I15", format!("node {place} has more to do: {again:?}"));
            }
        }
        self.buffer = buffer;
        self.oracle.check_ends()?;
        self.look_at_books(place)?;
        self.look_at_restarts(place, now)?;
        self.set_alarm(place);
        for other in self.setup.settings.nodes_of(place) {
            let called = &self.hosts[usize::from(other)].called;
            if other != place && called.swap(false, Ordering::Relaxed) {
                self.touch(other);
            }
        }
        Ok(())
    }

    /// Has an application take its next message in time, if one waits for that.
    pub(super) fn next_read(&mut self, place: Place) {
        let host = &mut self.hosts[usize::from(place)];
        if let Reader::Every(time) = host.reader
            && !host.waiting.is_empty()
            && host.read_at.is_none()
        {
            let at = self.now + time;
            host.read_at = Some(at);
            self.push(at, Due::Read(place));
        }
    }
}
