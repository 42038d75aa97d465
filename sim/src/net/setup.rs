//! Who everybody is, and how nodes are configured.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use peer_sender_core::{Config, ConfigError, Redelivery, SendLimits, SendPolicy, WhenFull};
use peer_sender_quic::simulation::Security;
use peer_sender_quic::simulation::rustls::KeyLog;
use peer_sender_quic::{
    Identity, NodeConfig, NodeConfigBuilder, NodeMachine, PeerConfig, Records, Trace, Trust,
};

use super::op::Place;
use super::provider::Seeded;
use super::settings::{Crypto, Settings};

/// What the calendar says when a world begins, since 1970: 2026-01-01.
pub(super) const NOT_LONG_AGO: Duration = Duration::from_secs(1_767_225_600);

/// What nodes call the plain protocol among themselves.
const PLAIN: &str = "simulated/1";

/// Who everybody is, and what time zero means.
pub(super) struct Setup {
    pub(super) settings: Settings,
    /// Each node's own key, and the other one that it may come back with.
    identities: Vec<[Identity; 2]>,
    pub(super) base: Instant,
    key_log: Option<Arc<dyn KeyLog>>,
    /// What nodes are recorded into.
    trace: Option<Trace>,
}

impl Setup {
    pub(super) fn new(
        settings: Settings,
        key_log: Option<Arc<dyn KeyLog>>,
        trace: Option<Trace>,
    ) -> Self {
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
            trace,
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

    pub(super) fn node(
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
        config = speak(config, it);
        if listens {
            config = config.accept(self.trust(trusts));
        }
        if let Some(records) = records {
            config = config.records(records);
        }
        if let Some(trace) = &self.trace {
            config = config.trace(trace.clone());
        }
        config.build()
    }
}

/// What the nodes speak.
fn speak(config: NodeConfigBuilder, settings: &Settings) -> NodeConfigBuilder {
    match (settings.plain, settings.framed) {
        (true, true) => config.framed(PLAIN),
        (true, false) => config.plain(PLAIN),
        (false, _) => config,
    }
}

/// A node that is nobody's, with the randomness of its TLS.
pub(super) fn stranger(
    setup: &Setup,
    chance: u64,
) -> Result<(NodeMachine<u64>, Option<Seeded>), ConfigError> {
    let (security, seeded) = security(setup, chance);
    let mut config = NodeConfig::builder(Identity::from_secret([0xee; 32])).security(security);
    config = speak(config, &setup.settings);
    Ok((machine(setup, config.build()?, chance), seeded))
}

/// What protects a node's connections, by this chance.
pub(super) fn security(setup: &Setup, chance: u64) -> (Security, Option<Seeded>) {
    match setup.settings.crypto {
        Crypto::Tls => {
            let seeded = Seeded::new(chance);
            (seeded.security(), Some(seeded))
        }
        Crypto::Stock => (Security::default(), None),
        Crypto::Null => (Security::null(), None),
    }
}

/// The node of a configuration.
pub(super) fn machine(setup: &Setup, config: NodeConfig, chance: u64) -> NodeMachine<u64> {
    let mut seed = [0; 32];
    crate::tape::Rng::new(chance).fill(&mut seed);
    let date = SystemTime::UNIX_EPOCH + NOT_LONG_AGO;
    NodeMachine::new(config, seed, setup.base, date)
}
