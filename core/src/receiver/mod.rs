//! placeholder
use crate::*;
use alloc::vec::Vec;
/// One (peer key, session) of an accepting node; outlives its connections.
#[derive(Debug)]
pub struct PeerReceiverMachine;
#[allow(missing_docs, clippy::todo, unused)]
impl PeerReceiverMachine {
    /// `first_record`: number of the record of lane 0; the records of the session's lanes follow it. Unique in the epoch.
    pub fn new(config: ReceiverConfig, session: SessionId, epoch: Epoch, first_record: u64) -> Self { todo!() }
    pub fn handle(&mut self, now: Time, events: impl IntoIterator<Item = Event>, actions: &mut Vec<Action>) { todo!() }
    pub fn next_deadline(&self) -> Option<Deadline> { todo!() }
    pub fn stats(&self) -> ReceiverStats { todo!() }
    /// Connections that are bound to this session now.
    pub fn connections(&self) -> usize { todo!() }
    pub fn is_closed(&self) -> bool { todo!() }
}
