//! A machine of a trace, whichever it is.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Divergence;
use crate::trace::image::{Image, ImageError};
use crate::trace::record::{Call, MachineConfig};
use crate::{Action, ConfigError, Event, PeerSenderMachine, Sessions, Time};

/// The machine itself.
#[derive(Clone, Debug)]
pub enum MachineState {
    /// A peer's sender.
    Sender(Box<PeerSenderMachine>),
    /// An accepting node's sessions.
    Sessions(Box<Sessions>),
}

/// Why a step could not be done again.
pub(super) enum Failed {
    Diverged(Box<Divergence>),
    Impossible(&'static str),
}

impl MachineState {
    /// The bytes that it holds of received messages.
    pub(in crate::trace) fn held_bytes(&self) -> u64 {
        match self {
            Self::Sender(machine) => machine.reply_stats().held_bytes,
            Self::Sessions(table) => table.stats().held_bytes,
        }
    }

    pub(super) fn new(config: MachineConfig, seed: [u8; 32]) -> Result<Self, ConfigError> {
        Ok(match config {
            MachineConfig::Sender(config) => {
                Self::Sender(Box::new(PeerSenderMachine::new(config.checked()?, seed)))
            }
            MachineConfig::Sessions(config) => {
                Self::Sessions(Box::new(Sessions::new(config.checked()?, seed)))
            }
        })
    }

    /// The machine of this image, whichever it is of.
    pub(super) fn restore(image: &[u8]) -> Result<Self, ImageError> {
        match PeerSenderMachine::restore(image) {
            Ok(machine) => Ok(Self::Sender(Box::new(machine))),
            Err(ImageError::Kind { .. }) => Ok(Self::Sessions(Box::new(Sessions::restore(image)?))),
            Err(error) => Err(error),
        }
    }

    pub(super) fn step(
        &mut self,
        now: Time,
        call: Call,
        events: impl Iterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Failed> {
        match (self, call) {
            (Self::Sender(machine), Call::Handle) => machine.handle(now, events, actions),
            (Self::Sessions(table), Call::Accepted { attempt, key }) => {
                table.accepted(now, attempt, key, actions);
            }
            (Self::Sessions(table), Call::AcceptedSharing { attempt, dialler }) => {
                table.accepted(now, attempt, dialler, actions);
            }
            (Self::Sessions(table), Call::Connection { attempt }) => {
                table.handle_connection(now, attempt, events, actions);
            }
            (Self::Sessions(table), Call::Session { session }) => {
                table.handle_session(now, session, events, actions);
            }
            (Self::Sessions(table), Call::Stop { mode }) => table.stop(now, mode, actions),
            (Self::Sessions(table), Call::Timeout) => table.handle_timeout(now, actions),
            (Self::Sender(_), _) | (Self::Sessions(_), Call::Handle) => {
                let problem = "it has no such function as was called";
                return Err(Failed::Impossible(problem));
            }
        }
        Ok(())
    }
}
