//! A peer that a node dials.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::net::SocketAddr;

use peer_sender_core::trace::About;
use peer_sender_core::{Attempt, Config, ConfigError, Event, PeerKey, Protocol, Time};
use rustls::pki_types::ServerName;

use super::recorded::RecordedSender;
use super::{LinkId, Source};
use crate::{Authority, Expected, Owner, PeerName, Trace};

/// The caller's own name of a peer.
pub trait PeerId: Clone + Debug + Display + Hash + Ord + Send + Sync + 'static {}

impl<T: Clone + Debug + Display + Hash + Ord + Send + Sync + 'static> PeerId for T {}

/// A peer to dial: who it must be, and where and how to send to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    expected: Expected,
    server_name: Option<String>,
    machine: Config,
}

impl PeerConfig {
    /// The peer with this key at this address, with every default.
    ///
    /// # Errors
    ///
    /// The address has no port, or names no host (`0.0.0.0`, `[::]`).
    pub fn new(key: PeerKey, address: SocketAddr) -> Result<Self, ConfigError> {
        Ok(Self::with(key, Config::builder(address).build()?))
    }

    /// The peer with this key, and a configuration that holds its address.
    pub fn with(key: PeerKey, machine: Config) -> Self {
        Self {
            expected: Expected::Key(key),
            server_name: None,
            machine,
        }
    }

    /// The peer whose certificate this authority has issued for this name, and a configuration
    /// that holds its address. It may come back with another key, as long as the name is the same.
    pub fn with_name(authority: Authority, name: PeerName, machine: Config) -> Self {
        Self {
            expected: Expected::Name(authority, name),
            server_name: None,
            machine,
        }
    }

    /// The peer whose certificate this owner has signed, and a configuration that holds its address.
    /// It may come back with another key, as long as the owner is the same.
    pub fn with_owner(owner: Owner, machine: Config) -> Self {
        Self {
            expected: Expected::Owner(owner),
            server_name: None,
            machine,
        }
    }

    /// The same, and the peer is told by this DNS name who is dialled (SNI, RFC 6066 section 3), for
    /// a server that has several names. It proves nothing: who the peer must be is not changed.
    /// Without it nothing is told, as peers of our own need none.
    ///
    /// # Errors
    ///
    /// It is no DNS name.
    pub fn with_server_name(self, server_name: &str) -> Result<Self, ConfigError> {
        match ServerName::try_from(server_name) {
            Ok(ServerName::DnsName(_)) => Ok(Self {
                server_name: Some(server_name.to_owned()),
                ..self
            }),
            _ => Err(ConfigError::new("server_name", "must be a DNS name")),
        }
    }

    /// The same at a node that speaks this. Lanes are the default, so that only a configuration that
    /// asks for another protocol than the node's is refused.
    ///
    /// # Errors
    ///
    /// It asks for another protocol, or for more lanes than the protocol has.
    pub fn speaking(self, protocol: Protocol) -> Result<Self, ConfigError> {
        match (self.machine.protocol(), protocol) {
            (asked, spoken) if asked != spoken && asked != Protocol::Lanes => {
                let problem = "the node speaks another protocol";
                Err(ConfigError::new("protocol", problem))
            }
            (_, protocol) => Ok(Self {
                machine: self.machine.with_protocol(protocol)?,
                ..self
            }),
        }
    }

    /// Who the peer must be.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// The name by which the peer is told who is dialled; none if it is not told.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Where and how to send to it.
    pub fn machine(&self) -> &Config {
        &self.machine
    }
}

/// A peer of a node. Never given out twice by one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerHandle(pub(crate) u64);

/// What a node holds of a peer.
pub(super) struct Peer<P> {
    pub(super) id: P,
    pub(super) expected: Expected,
    pub(super) server_name: Option<String>,
    /// The key that it must have; of one that is expected by name or owner, the key that it had last, and
    /// none before it was first connected.
    pub(super) key: Option<PeerKey>,
    pub(super) machine: RecordedSender,
    /// The connection that its machine asked for last, while it has not ended.
    pub(super) link: Option<(Attempt, LinkId)>,
    /// A connection as the node's new identity, for the machine's next dial.
    pub(super) spare: Option<LinkId>,
    pub(super) armed: Option<Time>,
    /// Facts that came to light while its actions were executed.
    pub(super) facts: Vec<Event>,
    /// It has emitted `SenderStopped`.
    pub(super) stopped: bool,
    /// How often its sending half has begun anew; see [`Source::Peer`](super::Source::Peer).
    pub(super) generation: u64,
    /// Whether messages of this generation were handed out.
    pub(super) heard: bool,
}

impl<P> Peer<P> {
    pub(super) fn new(
        id: P,
        config: PeerConfig,
        seed: [u8; 32],
        trace: Option<(Trace, About)>,
    ) -> Self {
        let machine = RecordedSender::new(config.machine, seed, trace);
        let key = config.expected.key();
        Self {
            id,
            expected: config.expected,
            server_name: config.server_name,
            key,
            machine,
            link: None,
            spare: None,
            armed: None,
            facts: Vec::new(),
            stopped: false,
            generation: 0,
            heard: false,
        }
    }

    /// The connection of that name, unless it has ended.
    pub(super) fn link(&self, attempt: Attempt) -> Option<LinkId> {
        self.link
            .filter(|&(current, _)| current == attempt)
            .map(|(_, link)| link)
    }

    /// Where its messages come from now.
    pub(super) fn source(&self, handle: PeerHandle) -> Source {
        Source::Peer {
            peer: handle,
            generation: self.generation,
        }
    }

    /// That connection is over: actions on it are for nobody.
    pub(super) fn forget_link(&mut self, attempt: Attempt) {
        if self.link(attempt).is_some() {
            self.link = None;
        }
    }
}
