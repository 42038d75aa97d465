//! The sending half of a session, shared by both ends: what was accepted and is not settled, and
//! what each connection has shown of its fate.
//!
//! - [`Outbound`] is the whole: the session, its lanes, and the connection that carries them now.
//! - [`OutboundLane`] is one lane. A message waits in its queue without a number; its first byte in
//!   a write gives it the lane's next number and a place in the flight, which it leaves when it is
//!   settled. The flight outlives connections.
//! - [`LaneStream`] is the lane's stream in one connection, and ends with it.
//! - [`PlainStreams`](plain::PlainStreams) are the streams of one connection where each carries one
//!   message. There is one lane then, whose messages have a place in its flight and no number.
//! - [`FramedStream`](framed::FramedStream) is the one stream of a connection that carries all of them,
//!   with nothing around them but lengths. There is one lane here as well.

mod admission;
mod carrier;
mod check;
mod classes;
mod compose;
mod due;
mod framed;
mod half;
#[cfg(feature = "trace")]
mod image;
mod judge;
mod lane;
mod look;
mod message;
mod plain;
mod rename;
mod standing;
mod stream;
mod transfers;
mod write;

use self::half::Written;
pub(crate) use self::half::{Cut, Flow, Heard, Outbound};
use self::lane::OutboundLane;
use self::stream::{LaneStream, StreamEnd};
pub use self::transfers::Transfer;

/// One write holds at most this many bytes, or one message.
pub(crate) const WRITE_BYTES_MAX: usize = 256 << 10;
/// Before the RESUME of a fresh OPEN, messages above this size wait: the receiver's limit is not
/// known yet (`docs/wire.md`, the opener).
const PIPELINED_BYTES_MAX: usize = 64 << 10;
/// Payloads up to this size are copied together; quinn-proto's cost grows with the chunks that
/// are unacknowledged.
const COPIED_BYTES_MAX: usize = 4 << 10;

#[cfg(test)]
mod tests;
