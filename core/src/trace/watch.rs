//! What a recorder notices by itself.

use alloc::string::String;
use core::fmt;

use crate::{Action, MessageId, Outcome, PeerEvent, SessionNews};

/// What a recorder is to notice, so that what led to it can be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    /// A message whose fate is not known.
    pub unknown: bool,
    /// A connection, or an attempt at one, that has failed.
    pub disconnected: bool,
    /// A peer that does not take messages as fast as they are handed over.
    pub slow: bool,
}

impl Watch {
    /// All that can be noticed.
    pub const ALL: Self = Self {
        unknown: true,
        disconnected: true,
        slow: true,
    };

    pub(super) fn action(self, action: &Action) -> Option<Noticed> {
        if let Action::Settle { id, outcome } = action {
            return self.outcome(*id, outcome);
        }
        let Action::Emit(event) = action else {
            return None;
        };
        match event {
            PeerEvent::Disconnected { .. } if self.disconnected => Some(Noticed::Disconnected),
            PeerEvent::SlowPeer { .. } if self.slow => Some(Noticed::Slow),
            PeerEvent::Connecting { .. }
            | PeerEvent::Connected { .. }
            | PeerEvent::Disconnected { .. }
            | PeerEvent::BackoffStarted { .. }
            | PeerEvent::AddressChanged { .. }
            | PeerEvent::SlowPeer { .. }
            | PeerEvent::SlowPeerCleared
            | PeerEvent::Idle
            | PeerEvent::SenderStopped { .. } => None,
        }
    }

    pub(super) fn news(self, news: &SessionNews) -> Option<Noticed> {
        match news {
            SessionNews::Settled { settled, .. } => settled
                .iter()
                .find_map(|(id, outcome)| self.outcome(*id, outcome)),
            SessionNews::Delivered { .. }
            | SessionNews::HandedBack { .. }
            | SessionNews::Rejected { .. }
            | SessionNews::Room { .. }
            | SessionNews::Forgotten { .. } => None,
        }
    }

    fn outcome(self, id: MessageId, outcome: &Outcome) -> Option<Noticed> {
        (self.unknown && matches!(outcome, Outcome::Unknown(_))).then_some(Noticed::Unknown { id })
    }
}

/// Something that a recorder has noticed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// The name of the machine.
    pub machine: String,
    /// What.
    pub what: Noticed,
}

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noticed {
    /// The fate of this message is not known.
    Unknown {
        /// The message.
        id: MessageId,
    },
    /// A connection, or an attempt at one, has failed.
    Disconnected,
    /// The peer does not take messages as fast as they are handed over.
    Slow,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.machine.escape_debug();
        match self.what {
            Noticed::Unknown { id } => write!(f, "{machine}: the fate of message {id} is unknown"),
            Noticed::Disconnected => write!(f, "{machine}: a connection has failed"),
            Noticed::Slow => write!(f, "{machine}: messages are not taken as fast as they come"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;
    use crate::{SessionHandle, UnknownReason};

    #[test]
    fn each_is_noticed_where_it_was_asked_for_alone() {
        let slow = Action::Emit(PeerEvent::SlowPeer {
            since: crate::Time::ZERO,
        });
        let noticed = |slow_too| Watch {
            slow: slow_too,
            ..Watch::default()
        };
        assert_eq!(noticed(true).action(&slow), Some(Noticed::Slow));
        assert_eq!(noticed(false).action(&slow), None);
    }

    #[test]
    fn a_reply_of_unknown_fate_is_noticed_and_told_with_its_machine() {
        let news = SessionNews::Settled {
            session: SessionHandle(0),
            settled: vec![
                (MessageId(1), Outcome::Expired),
                (
                    MessageId(2),
                    Outcome::Unknown(UnknownReason::ConnectionLost),
                ),
            ],
        };
        let what = Noticed::Unknown { id: MessageId(2) };
        assert_eq!(Watch::ALL.news(&news), Some(what));
        assert_eq!(Watch::default().news(&news), None);
        let machine = String::from("bob");
        let told = Notice { machine, what }.to_string();
        assert!(told.starts_with("bob: ") && told.contains('2'), "{told}");
    }
}
