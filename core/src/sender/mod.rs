//! placeholder: names and signatures stand, bodies and docs are to be written.
#![allow(missing_docs, clippy::todo, unused)]
use crate::*;
use alloc::vec::Vec;
/// placeholder
#[derive(Debug)]
pub struct PeerSenderMachine;
impl PeerSenderMachine {
    pub fn new(config: Config, seed: [u8; 32]) -> Self { todo!() }
    /// One step. A machine that was just made dials in its first step, even one without events.
    pub fn handle(&mut self, now: Time, events: impl IntoIterator<Item = Event>, actions: &mut Vec<Action>) { todo!() }
    pub fn next_deadline(&self) -> Option<Deadline> { todo!() }
    pub fn capacity(&self) -> Capacity { todo!() }
    pub fn stats(&self) -> Stats { todo!() }
    /// SenderStopped was emitted.
    pub fn is_closed(&self) -> bool { todo!() }
    pub fn check(&self) -> Result<(), Violation> { todo!() }
}
