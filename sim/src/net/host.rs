//! One node with its socket, its clock, its users and its application.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peer_sender_core::{ConfigError, Lane, SessionHandle, Time};
use peer_sender_quic::{NodeMachine, PeerHandle, Records, Source};

use super::clock::Clock;
use super::link::Datagram;
use super::op::{Place, Reader};
use super::provider::Seeded;
use super::report::mix;
use super::restarts::Meeting;
use super::setup::{Setup, machine, security};
use super::share::Share;
use super::waits::Dialling;

/// A message that waits for the application.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    /// Its place among all messages.
    pub(super) message: usize,
    pub(super) bytes: usize,
}

/// A peer that a node dials.
#[derive(Clone, Debug)]
pub(super) struct Dialled {
    pub(super) handle: PeerHandle,
    /// When it must have stopped, by the node's clock.
    pub(super) stops_by: Option<Time>,
    pub(super) stopped: bool,
    /// What it has told of its connection.
    pub(super) dialling: Dialling,
    /// The node that it was connected to last, of those of the peer's process.
    pub(super) reached: Option<Place>,
    /// The one that it dials, or has dialled last.
    pub(super) reaching: Option<Place>,
    /// And at which address.
    pub(super) address: Option<SocketAddr>,
    pub(super) meeting: Meeting,
}

/// One node with everything of its own.
pub(super) struct Host {
    pub(super) place: Place,
    /// Counts its processes.
    pub(super) life: u32,
    /// None while it is down.
    pub(super) node: Option<NodeMachine<u64>>,
    pub(super) other_key: bool,
    pub(super) clock: Clock,
    /// Where others see it.
    pub(super) address: SocketAddr,
    /// And where over IPv6, if it has that.
    pub(super) address_v6: Option<SocketAddr>,
    pub(super) frozen: bool,
    /// Until when it was frozen last.
    pub(super) thawed: Time,
    /// When it forgot for the last time what it had not handed to its application: its process
    /// ended, or its clock leapt beyond what sessions live.
    pub(super) forgot: Option<Time>,
    /// When it parted from a peer for the last time without regard to what that had sent.
    pub(super) dropped: Option<Time>,
    pub(super) socket: VecDeque<Datagram>,
    /// When it is woken, by the world's clock.
    pub(super) wake: Option<Time>,
    /// What its timeout is, by its own.
    pub(super) until: Option<Time>,
    pub(super) reader: Reader,
    /// When its application takes its next message, if it takes them one by one.
    pub(super) read_at: Option<Time>,
    pub(super) refuse_each: u32,
    pub(super) answers: u32,
    pub(super) batch: Share,
    pub(super) trusts: bool,
    pub(super) waiting: BTreeMap<(Source, Lane), VecDeque<Waiting>>,
    pub(super) dialled: BTreeMap<Place, Dialled>,
    /// Where it heard last from whoever dialled it.
    pub(super) sessions: BTreeMap<Place, SessionHandle>,
    pub(super) turns: u64,
    /// What its process remembers of sessions, where several nodes do so together.
    pub(super) records: Option<Records>,
    /// Nodes that it has said more to in this life than a reset.
    pub(super) greeted: BTreeSet<Place>,
    /// Another node of the process has made work for it.
    pub(super) called: Arc<AtomicBool>,
    /// Listens, or not.
    pub(super) listens: bool,
    // Behind the node, which must not outlive it.
    seeded: Option<Seeded>,
}

impl Host {
    /// A node that is down.
    pub(super) fn new(
        place: Place,
        address: SocketAddr,
        address_v6: Option<SocketAddr>,
        listens: bool,
    ) -> Self {
        Self {
            place,
            life: 0,
            node: None,
            other_key: false,
            clock: Clock::default(),
            address,
            address_v6,
            frozen: false,
            thawed: Time::ZERO,
            forgot: None,
            dropped: None,
            socket: VecDeque::new(),
            wake: None,
            until: None,
            reader: Reader::Instant,
            read_at: None,
            refuse_each: 0,
            answers: 0,
            batch: Share::NONE,
            trusts: true,
            waiting: BTreeMap::new(),
            dialled: BTreeMap::new(),
            sessions: BTreeMap::new(),
            turns: 0,
            records: None,
            greeted: BTreeSet::new(),
            called: Arc::default(),
            listens,
            seeded: None,
        }
    }

    /// Begins anew, by the records of its process if that is there already. It dials nobody yet.
    pub(super) fn start(
        &mut self,
        setup: &Setup,
        other_key: bool,
        records: Option<Records>,
    ) -> Result<(), ConfigError> {
        self.end();
        self.life += 1;
        self.other_key = other_key;
        let own = u64::from(self.place) << 32 | u64::from(self.life);
        let chance = mix(mix(setup.settings.seed, 0x6e6f_6465), own);
        let (security, seeded) = security(setup, chance);
        self.seeded = seeded;
        let node = |records| {
            let (listens, trusts) = (self.listens, self.trusts);
            setup.node(
                self.place,
                other_key,
                listens,
                trusts,
                security.clone(),
                records,
            )
        };
        let mut config = node(records.clone())?;
        self.records = records;
        if self.records.is_none() && setup.settings.nodes_of(self.place).len() > 1 {
            let mut seed = [0; 32];
            crate::tape::Rng::new(mix(chance, 0x7265_636f)).fill(&mut seed);
            self.records = Some(Records::new(&config, seed, setup.base));
            config = node(self.records.clone())?;
        }
        let mut node = machine(setup, config, chance);
        if self.records.is_some() {
            let called = Arc::clone(&self.called);
            node.set_wake(move || called.store(true, Ordering::Relaxed));
        }
        node.set_segments_max(usize::from(setup.settings.segments));
        self.node = Some(node);
        Ok(())
    }

    /// Ends its process without a word.
    pub(super) fn end(&mut self) {
        self.node = None;
        self.records = None;
        self.greeted.clear();
        self.seeded = None;
        self.frozen = false;
        self.socket.clear();
        (self.wake, self.until, self.read_at) = (None, None, None);
        self.waiting.clear();
        self.dialled.clear();
        self.sessions.clear();
    }

    /// How late its timers may be at this moment of its own clock.
    pub(super) fn slack(&self, now: Time) -> Duration {
        // What came due while it was frozen, or in a leap, is late by anything.
        let late = self.clock.late + self.clock.tick + Duration::from_millis(1);
        match self.was_away(now) {
            true => Duration::MAX / 4,
            false => late,
        }
    }

    /// Whether it did not see all of the last moments.
    fn was_away(&self, now: Time) -> bool {
        const MOMENTS: Duration = Duration::from_secs(30);
        let thawed = self.clock.shows(self.thawed);
        self.thawed > Time::ZERO && now.saturating_since(thawed) < MOMENTS
    }

    /// Where it sends from to this address; none if it does not have its family.
    pub(super) fn address_towards(&self, to: SocketAddr) -> Option<SocketAddr> {
        match to.is_ipv6() {
            true => self.address_v6,
            false => Some(self.address),
        }
    }

    /// Where this one reaches the other, the newer family first, as resolvers have it (RFC 6724).
    pub(super) fn addresses_of(&self, other: &Self) -> Vec<SocketAddr> {
        let v6 = other.address_v6.filter(|_| self.address_v6.is_some());
        v6.into_iter().chain([other.address]).collect()
    }

    /// Whether it does anything.
    pub(super) fn is_up(&self) -> bool {
        self.node.is_some() && !self.frozen
    }
}
