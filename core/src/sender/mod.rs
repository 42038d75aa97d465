//! placeholder
use crate::*;
use alloc::vec::Vec;
/// placeholder
#[derive(Debug)]
pub struct PeerSenderMachine;
#[allow(missing_docs, clippy::todo, unused)]
impl PeerSenderMachine {
    pub fn new(config: Config, seed: [u8; 32]) -> Self { todo!() }
    /// One step
    pub fn handle(&mut self, now: Time, events: impl IntoIterator<Item = Event>, actions: &mut Vec<Action>) { todo!() }
    pub fn next_deadline(&self) -> Option<Deadline> { todo!() }
    pub fn capacity(&self) -> Capacity { todo!() }
    pub fn stats(&self) -> Stats { todo!() }
    /// SenderStopped was emitted.
    pub fn is_closed(&self) -> bool { todo!() }
    pub fn check(&self) -> Result<(), Violation> { todo!() }
}
