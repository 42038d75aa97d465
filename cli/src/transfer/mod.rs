//! Many messages to one peer: where they come from, handing them over, and what became of them.

mod net_messages;
pub(crate) mod pump;
pub(crate) mod source;
pub(crate) mod tally;

pub(crate) use net_messages::NetMessages;
pub(crate) use pump::Pump;
pub(crate) use source::{NotAMessage, Source};
pub(crate) use tally::{Fate, Tally};
