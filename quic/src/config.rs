//! A node's limits and times, checked once when they are built.
#![allow(clippy::todo, unused, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use peer_sender_core::{ConfigError, PeerKey, ReceiverConfig};

use crate::Identity;

/// Whom the accepting side lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever holds one of these keys.
    Keys(BTreeSet<PeerKey>),
    /// Whoever holds any key.
    Any,
}

/// new(identity): dials only, defaults. builder(identity) has setters; build() checks.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub(crate) identity: Identity,
    /// None: the node only dials.
    pub(crate) accept: Option<Trust>,
    pub(crate) message_bytes_max: usize,
    pub(crate) inbound_bytes_max: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) connections_max: usize,
    pub(crate) handshakes_max: usize,
    pub(crate) sessions_max: usize,
    pub(crate) sessions_per_key_max: usize,
    pub(crate) session_ttl: Duration,
}

#[derive(Clone, Debug)]
pub struct NodeConfigBuilder;

impl NodeConfig {
    pub fn new(identity: Identity) -> Self {
        todo!()
    }
    pub fn builder(identity: Identity) -> NodeConfigBuilder {
        todo!()
    }
    pub fn identity(&self) -> &Identity {
        todo!()
    }
}

impl NodeConfigBuilder {
    /// Accept connections from whom this trusts; without it the node only dials.
    pub fn accept(self, trust: Trust) -> Self {
        todo!()
    }
    pub fn message_bytes_max(self, v: usize) -> Self {
        todo!()
    }
    pub fn inbound_bytes_max(self, v: usize) -> Self {
        todo!()
    }
    pub fn idle_timeout(self, v: Duration) -> Self {
        todo!()
    }
    pub fn keep_alive(self, v: Duration) -> Self {
        todo!()
    }
    pub fn connections_max(self, v: usize) -> Self {
        todo!()
    }
    pub fn handshakes_max(self, v: usize) -> Self {
        todo!()
    }
    pub fn sessions_max(self, v: usize) -> Self {
        todo!()
    }
    pub fn sessions_per_key_max(self, v: usize) -> Self {
        todo!()
    }
    pub fn session_ttl(self, v: Duration) -> Self {
        todo!()
    }
    pub fn build(self) -> Result<NodeConfig, ConfigError> {
        todo!()
    }
}
