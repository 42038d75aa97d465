//! Errors of the socket, told without flooding the log.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use peer_sender_core::Time;

/// At most one line in this time.
const INTERVAL: Duration = Duration::from_secs(10);

/// Says what the socket refuses: QUIC takes it for a lost datagram and deals with it.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    last: Option<Time>,
    suppressed: u64,
}

impl Complaints {
    /// A datagram could not be sent.
    pub(super) fn sending(&mut self, now: Time, to: SocketAddr, error: &io::Error) {
        if self.is_due(now) {
            let suppressed = std::mem::take(&mut self.suppressed);
            tracing::warn!(%to, %error, suppressed, "a datagram could not be sent");
        }
    }

    /// Nothing could be received.
    pub(super) fn receiving(&mut self, now: Time, error: &io::Error) {
        if self.is_due(now) {
            let suppressed = std::mem::take(&mut self.suppressed);
            tracing::warn!(%error, suppressed, "receiving failed");
        }
    }

    fn is_due(&mut self, now: Time) -> bool {
        if self
            .last
            .is_some_and(|last| now.saturating_since(last) < INTERVAL)
        {
            self.suppressed += 1;
            return false;
        }
        self.last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds() {
        let mut complaints = Complaints::default();
        assert!(complaints.is_due(Time::from_secs(1)));
        assert!(!complaints.is_due(Time::from_secs(5)));
        assert!(!complaints.is_due(Time::from_secs(10)));
        assert_eq!(complaints.suppressed, 2);
        assert!(complaints.is_due(Time::from_secs(11)));
    }
}
