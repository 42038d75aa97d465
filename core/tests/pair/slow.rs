//! The judge of what is told of a slow peer: exactly by the age of the oldest message without an
//! outcome, and not again before that is younger than half of it.

use std::time::Duration;

use peer_sender_core::{Action, Deadline, PeerEvent, Time, Timer};

#[derive(Debug, Default)]
pub(crate) struct Slow {
    after: Option<Duration>,
    /// The user was told, and it was not unsaid.
    told: bool,
    /// How often it was told, and unsaid.
    pub(crate) counts: [u64; 2],
}

impl Slow {
    pub(crate) fn new(after: Option<Duration>) -> Self {
        Self {
            after,
            ..Self::default()
        }
    }

    /// Judges a step. `oldest`: when the oldest message without an outcome was accepted.
    pub(crate) fn judge(&mut self, now: Time, oldest: Option<Time>, actions: &[Action]) {
        let said: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Emit(event @ (PeerEvent::SlowPeer { .. } | PeerEvent::SlowPeerCleared)) => {
                    Some(event)
                }
                _ => None,
            })
            .collect();
        let expected = self.due(now, oldest);
        assert_eq!(
            said,
            Vec::from_iter(&expected),
            "S the oldest is of {oldest:?}"
        );
        match expected {
            Some(PeerEvent::SlowPeer { .. }) => {
                self.told = true;
                self.counts[0] += 1;
            }
            Some(_) => {
                self.told = false;
                self.counts[1] += 1;
            }
            None => {}
        }
    }

    fn due(&self, now: Time, oldest: Option<Time>) -> Option<PeerEvent> {
        let after = self.after?;
        let age = oldest.map(|since| now.saturating_since(since));
        match (self.told, oldest) {
            (false, Some(since)) if age >= Some(after) => Some(PeerEvent::SlowPeer { since }),
            (true, _) if age.is_none_or(|age| age < after / 2) => Some(PeerEvent::SlowPeerCleared),
            _ => None,
        }
    }

    /// When the peer becomes slow, if nothing is settled before.
    pub(crate) fn next_moment(&self, oldest: Option<Time>) -> Option<Deadline> {
        let at = oldest.filter(|_| !self.told)? + self.after?;
        let timer = Timer::Slow;
        Some(Deadline { at, timer })
    }
}
