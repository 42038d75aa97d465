//! The inbound half of one lane: what a receiving end keeps of it, takes from its stream and
//! answers on the way back (`docs/wire.md`, the receiver).
//!
//! - [`Record`] is the lane's memory, which outlives connections: `next`, `taken`, what is held,
//!   what was refused.
//! - [`InboundLane`] joins the record to the one stream that holds the lane now: where it stands,
//!   which message is coming, what was told to the other end.
//! - [`Reading`] is one stream's bytes that nobody has taken yet.
//! - [`Budget`] bounds what is held by all lanes together.

mod budget;
mod lane;
mod reading;
mod record;

pub(crate) use budget::Budget;
pub(crate) use lane::{Answer, Begun, InboundLane, Names, Opened, Place};
pub(crate) use reading::{Reading, item_name, read_open};

use record::Record;
