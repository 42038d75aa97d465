//! The judge of connections that are ended because nothing is said on them.

use peer_sender_core::{LinkError, Time};

use crate::recovery::{Link, Recovery};
use crate::waits::Row;

impl Recovery {
    /// A stream was opened, or ended although nobody stops: the connection is idle.
    pub(crate) fn wrote(&mut self, now: Time, stream: u64, parts: bool) {
        let due = now + self.limits.connect_timeout;
        if let Some(connection) = self.connection() {
            connection.resumes.entry(stream).or_insert(Some(due));
        }
        if parts && matches!(self.link, Link::Up(_)) {
            self.judge_rest(now);
            let Link::Up(connection) = std::mem::replace(&mut self.link, Link::Idle) else {
                return;
            };
            self.link = Link::Parting {
                connection,
                until: due,
            };
        }
    }

    /// A connection was ended because nothing was said on it.
    pub(crate) fn rests(&mut self, now: Time, error: Option<&LinkError>) {
        match &self.link {
            // However it ends: what failed before it says nothing of the next one.
            Link::Parting { .. } => self.row = Row::default(),
            // With no stream open there is nothing to wait for.
            Link::Up(_) if error.is_none() => {
                self.judge_rest(now);
                self.row = Row::default();
            }
            other => panic!("I9 idle in {other:?}"),
        }
        self.rests += 1;
        self.link = Link::Idle;
    }

    fn judge_rest(&self, now: Time) {
        let after = self.limits.disconnect_after.expect("it never rests");
        let since = self.last_said;
        assert!(since + after <= now, "I11 not idle since {since}");
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// Whether an idle connection is being ended, or was.
    pub(crate) fn is_resting(&self) -> bool {
        matches!(self.link, Link::Parting { .. } | Link::Idle)
    }
}
