//! One node with its socket, its clock, its users and its application.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use peer_sender_core::{Config, ConfigError, Lane, SendLimits, SendPolicy, SessionHandle, Time};
use peer_sender_core::{Redelivery, WhenFull};
use peer_sender_quic::simulation::Security;
use peer_sender_quic::simulation::rustls::KeyLog;
use peer_sender_quic::{
    Identity, NodeConfig, NodeMachine, PeerConfig, PeerHandle, Records, Source, Trust,
};

use super::clock::Clock;
use super::link::Datagram;
use super::op::{Place, Reader};
use super::provider::Seeded;
use super::report::mix;
use super::restarts::Meeting;
use super::settings::{Crypto, Settings};
use super::share::Share;
use super::waits::Dialling;

/// What the calendar says when a world begins, since 1970: 2026-01-01.
pub(super) const NOT_LONG_AGO: Duration = Duration::from_secs(1_767_225_600);

/// What nodes call the plain protocol among themselves.
const PLAIN: &str = "simulated/1";

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

/// Who everybody is, and what time zero means.
pub(super) struct Setup {
    pub(super) settings: Settings,
    /// Each node's own key, and the other one that it may come back with.
    identities: Vec<[Identity; 2]>,
    base: Instant,
    key_log: Option<Arc<dyn KeyLog>>,
}

impl Setup {
    pub(super) fn new(settings: Settings, key_log: Option<Arc<dyn KeyLog>>) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an origin to count from, never seen"
        )]
        let base = Instant::now();
        let identities = (0..settings.nodes)
            .map(|place| {
                [0, 1].map(|other| {
                    let mut secret = [other + 1; 32];
                    secret[0] = place;
                    Identity::from_secret(secret)
                })
            })
            .collect();
        Self {
            settings,
            identities,
            base,
            key_log,
        }
    }

    pub(super) fn identity(&self, place: Place, other: bool) -> &Identity {
        let process = self.settings.process_of(place);
        let [own, another] = &self.identities[usize::from(process)];
        match other {
            false => own,
            true => another,
        }
    }

    /// Whose key this is.
    pub(super) fn place_of(&self, key: peer_sender_core::PeerKey) -> Option<Place> {
        let places = self.identities.iter();
        let place = places
            .into_iter()
            .position(|pair| pair.iter().any(|it| it.key() == key))?;
        u8::try_from(place).ok()
    }

    /// Everybody's own key; nobody's, but one that has to be there.
    pub(super) fn trust(&self, everybody: bool) -> Trust {
        let own = self.identities.iter().map(|[own, _]| own.key());
        match everybody {
            true => Trust::Keys(own.collect()),
            false => Trust::Keys(BTreeSet::from([peer_sender_core::PeerKey([0; 32])])),
        }
    }

    /// How a peer is dialled.
    pub(super) fn peer(
        &self,
        to: Place,
        addresses: Vec<SocketAddr>,
    ) -> Result<PeerConfig, ConfigError> {
        let it = &self.settings;
        let mut config = Config::builder(([127, 0, 0, 1], 1).into())
            .addresses(addresses)
            .lanes(it.lanes)
            .queue_messages_max(it.queue_messages_max as usize)
            .flight_messages_max(it.flight_messages_max as usize)
            .message_bytes_max(it.message_bytes_max as usize)
            .inbound_bytes_max(it.inbound_bytes_max as usize)
            .backoff_max(it.backoff_max)
            .refusal_backoff_max(it.refusal_backoff_max)
            .disconnect_after(it.disconnect_after)
            .jitter(it.jitter);
        if it.at_most_once {
            config = config.redelivery(Redelivery::AtMostOnce);
        }
        if it.drop_oldest {
            config = config.when_full(WhenFull::DropOldest);
        }
        let key = self.identity(to, false).key();
        Ok(PeerConfig::with(key, config.build()?))
    }

    fn node(
        &self,
        place: Place,
        other_key: bool,
        listens: bool,
        trusts: bool,
        security: Security,
        records: Option<Records>,
    ) -> Result<NodeConfig, ConfigError> {
        let it = &self.settings;
        let security = match &self.key_log {
            Some(log) => security.with_key_log(log.clone()),
            None => security,
        };
        let replies = SendLimits {
            lanes: it.lanes,
            message_bytes_max: it.message_bytes_max as usize,
            queue_messages_max: it.queue_messages_max as usize,
            flight_messages_max: it.flight_messages_max as usize,
            policy: SendPolicy {
                redelivery: match it.at_most_once {
                    true => Redelivery::AtMostOnce,
                    false => Redelivery::AtLeastOnce,
                },
                when_full: match it.drop_oldest {
                    true => WhenFull::DropOldest,
                    false => WhenFull::Reject,
                },
                ..SendPolicy::default()
            },
            ..SendLimits::default()
        };
        let mut config = NodeConfig::builder(self.identity(place, other_key).clone())
            .security(security)
            .message_bytes_max(it.taken_bytes_max as usize)
            .inbound_bytes_max(it.inbound_bytes_max as usize)
            .inbound_bytes_total_max(it.inbound_bytes_total_max as usize)
            .connections_max(it.connections_max as usize)
            .handshakes_max(it.handshakes_max as usize)
            .sessions_max(it.sessions_max as usize)
            .sessions_per_key_max(it.sessions_per_key_max as usize)
            .idle_timeout(it.idle_timeout)
            .keep_alive(it.idle_timeout * 2 / 5)
            .replies(replies);
        if it.plain {
            config = config.plain(PLAIN);
        }
        if listens {
            config = config.accept(self.trust(trusts));
        }
        if let Some(records) = records {
            config = config.records(records);
        }
        config.build()
    }
}

/// A node that is nobody's, with the randomness of its TLS.
pub(super) fn stranger(
    setup: &Setup,
    chance: u64,
) -> Result<(NodeMachine<u64>, Option<Seeded>), ConfigError> {
    let (security, seeded) = security(setup, chance);
    let mut config = NodeConfig::builder(Identity::from_secret([0xee; 32])).security(security);
    if setup.settings.plain {
        config = config.plain(PLAIN);
    }
    Ok((machine(setup, config.build()?, chance), seeded))
}

fn security(setup: &Setup, chance: u64) -> (Security, Option<Seeded>) {
    match setup.settings.crypto {
        Crypto::Tls => {
            let seeded = Seeded::new(chance);
            (seeded.security(), Some(seeded))
        }
        Crypto::Stock => (Security::default(), None),
        Crypto::Null => (Security::null(), None),
    }
}

fn machine(setup: &Setup, config: NodeConfig, chance: u64) -> NodeMachine<u64> {
    let mut seed = [0; 32];
    crate::tape::Rng::new(chance).fill(&mut seed);
    let date = SystemTime::UNIX_EPOCH + NOT_LONG_AGO;
    NodeMachine::new(config, seed, setup.base, date)
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
