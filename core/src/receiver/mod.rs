//! placeholder: names and signatures stand, bodies and docs are to be written.
#![allow(missing_docs, clippy::todo, unused)]
use crate::*;
use alloc::vec::Vec;
/// One (peer key, session) of an accepting node; outlives its connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerReceiverMachine {}
impl PeerReceiverMachine {
    /// `first_record`: number of the record of lane 0; the records of the session's lanes follow it. Unique in the epoch.
    pub fn new(config: ReceiverConfig, session: SessionId, epoch: Epoch, first_record: u64) -> Self { todo!() }
    /// One step, as the sender's: applies each event, then settles once.
    pub fn handle(&mut self, now: Time, events: impl IntoIterator<Item = Event>, actions: &mut Vec<Action>) { todo!() }
    pub fn next_deadline(&self) -> Option<Deadline> { todo!() }
    pub fn stats(&self) -> ReceiverStats { todo!() }
    /// Connections that are bound to this session now.
    pub fn connections(&self) -> usize { todo!() }
    pub fn check(&self) -> Result<(), Violation> { todo!() }
}

/// A session of an accepting node, for as long as the node remembers it. Never given out twice by one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(pub u64);

/// Limits of a table of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionsConfig {
    pub receiver: ReceiverConfig,
    /// 4,096
    pub sessions_max: usize,
    /// 16
    pub sessions_per_key_max: usize,
    /// 1 h after the last connection
    pub session_ttl: core::time::Duration,
}

/// All sessions of an accepting node: binds each connection to its session by its first OPEN, keeps the records, forgets the least recently used.
#[derive(Debug)]
pub struct Sessions {}

impl Sessions {
    /// The epoch comes from the seed.
    pub fn new(config: SessionsConfig, seed: [u8; 32]) -> Self { todo!() }
    /// A connection was accepted, its handshake is complete and its key is trusted. Attempts must increase.
    pub fn accepted(&mut self, now: Time, attempt: Attempt, key: PeerKey, actions: &mut Vec<Action>) { todo!() }
    /// One step of what happened on one accepted connection (StreamOpened, BytesReceived, StreamReset, StreamStopped, TransferFinished, StreamAcknowledged, ConnectionLost).
    /// Returns the session that the connection is bound to after (or, if it was lost in this step, before) it: every `Deliver` among the actions belongs to that session.
    pub fn handle_connection(&mut self, now: Time, attempt: Attempt, events: impl IntoIterator<Item = Event>, actions: &mut Vec<Action>) -> Option<SessionHandle> { todo!() }
    /// One step of what the application answered (Consumed, Refused). Unknown handle: ignored. May emit Write/ResumeReading for any connection of the session, and Deliver (for this session).
    pub fn handle_session(&mut self, now: Time, session: SessionHandle, events: impl IntoIterator<Item = Event>, actions: &mut Vec<Action>) { todo!() }
    pub fn key(&self, session: SessionHandle) -> Option<PeerKey> { todo!() }
    /// Ends all connections in good order (or at once).
    pub fn stop(&mut self, now: Time, mode: StopMode, actions: &mut Vec<Action>) { todo!() }
    pub fn handle_timeout(&mut self, now: Time, actions: &mut Vec<Action>) { todo!() }
    pub fn next_deadline(&self) -> Option<Deadline> { todo!() }
    /// Sessions forgotten since the last call (evicted, or past their time to live).
    pub fn poll_forgotten(&mut self) -> Option<SessionHandle> { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { todo!() }
    pub fn stats(&self) -> ReceiverStats { todo!() }
    pub fn check(&self) -> Result<(), Violation> { todo!() }
}
