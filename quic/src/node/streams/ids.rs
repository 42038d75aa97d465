//! Streams and codes as the machines name them, and as QUIC does.

use peer_sender_core::{CloseCode, Side, StreamId};
use quinn_proto::{Connection, Dir, VarInt};

pub(super) fn quic_id(connection: &Connection, dir: Dir, id: StreamId) -> quinn_proto::StreamId {
    let opener = match id.opener {
        Side::Local => connection.side(),
        Side::Remote => !connection.side(),
    };
    quinn_proto::StreamId::new(opener, dir, id.index)
}

pub(super) fn machine_id(connection: &Connection, id: quinn_proto::StreamId) -> StreamId {
    let opener = if id.initiator() == connection.side() {
        Side::Local
    } else {
        Side::Remote
    };
    StreamId {
        opener,
        index: id.index(),
    }
}

/// An application code as QUIC carries it.
pub(in crate::node) fn quic_code(code: CloseCode) -> VarInt {
    VarInt::from_u64(code.to_wire()).unwrap_or(VarInt::MAX)
}
