//! The receiving half of a session, shared by both ends: what it keeps of each lane, takes from its
//! streams and answers on their ways back (`docs/wire.md`, the receiver).
//!
//! - [`Inbound`] is the whole: all lanes, over all connections.
//! - [`Record`] is the lane's memory, which outlives connections: `next`, `taken`, what is held,
//!   what was refused.
//! - [`InboundLane`] joins the record to the one stream that holds the lane now: where it stands,
//!   which message is coming, what was told to the other end.
//! - [`Reading`] is one stream's bytes that nobody has taken yet.
//! - [`PlainInbound`] is what there is instead of lanes where each message has a stream of its own
//!   (`docs/wire.md`, plain).
//! - [`FramedInbound`] is that where all messages of a connection come on one stream with nothing
//!   around them but lengths (`docs/wire.md`, framed).
//! - [`Budget`] bounds what is held by all lanes together.

mod budget;
mod closing;
mod framed;
mod half;
mod lane;
mod late;
mod plain;
mod reading;
mod record;

pub(crate) use budget::{Allowance, Budget};
pub(crate) use closing::Closing;
pub(crate) use framed::FramedInbound;
pub(crate) use half::{Inbound, OtherHalf};
pub(crate) use lane::Place;
use lane::{Answer, Begun, InboundLane, Names, Opened};
pub(crate) use late::LATE_BYTES_MAX;
pub(crate) use plain::PlainInbound;
use plain::Taken;
pub(crate) use reading::read_open;
use reading::{Reading, item_name};

use record::Record;

use crate::Lane;

/// The lane of all messages where there are none.
const LANE: Lane = Lane(0);

#[cfg(test)]
mod tests;
