//! Whether the other end of a connection is still there.

use std::time::Duration;

use peer_sender_core::Time;
use quinn_proto::Connection;

/// A PING (RFC 9000 section 19.2) that was sent, of whose acknowledgement quinn-proto tells nothing but
/// that one more came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// Frames of acknowledgement that had come before.
    before: u64,
    /// What comes earlier was on its way already: it answers something else.
    not_before: Time,
}

impl Probe {
    pub(super) fn sent(connection: &Connection, now: Time) -> Self {
        Self {
            before: acknowledgements(connection),
            not_before: now + connection.min_rtt() / 2 + Duration::from_nanos(1),
        }
    }

    /// Whether the other end has answered it. To be asked in each turn of the connection, in which one
    /// datagram or more may have come.
    pub(super) fn is_answered(&mut self, connection: &Connection, now: Time) -> bool {
        let came = acknowledgements(connection);
        let more = came > self.before;
        if more && now < self.not_before {
            self.before = came;
        }
        more && now >= self.not_before
    }
}

fn acknowledgements(connection: &Connection) -> u64 {
    connection.stats().frame_rx.acks
}
