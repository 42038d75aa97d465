//! All timers of a node in one ordered set.

use std::collections::BTreeSet;

use peer_sender_core::Time;

use super::{LinkId, PeerHandle};

/// Whose timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerOf {
    /// A connection's.
    Link(LinkId),
    /// The machine's of a peer that we dial.
    Peer(PeerHandle),
    /// The table of sessions'.
    Sessions,
}

/// Who is to be woken when. Each owner has at most one entry, and remembers it as its `armed`.
///
/// A deadline that moves to later leaves its entry where it is: the owner is woken early, finds
/// nothing due and arms anew. QUIC's timers move to later with every packet, so this saves two
/// changes of the set for each, at the price of one idle wake-up per former deadline.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Time, TimerOf)>,
}

impl Timers {
    /// Sees to it that the owner is woken no later than at `wanted`.
    pub(super) fn arm(&mut self, of: TimerOf, armed: &mut Option<Time>, wanted: Option<Time>) {
        let Some(wanted) = wanted else { return };
        match *armed {
            Some(at) if at <= wanted => return,
            Some(at) => self.due.remove(&(at, of)),
            None => false,
        };
        self.due.insert((wanted, of));
        *armed = Some(wanted);
    }

    /// Forgets the owner's entry.
    pub(super) fn disarm(&mut self, of: TimerOf, armed: &mut Option<Time>) {
        if let Some(at) = armed.take() {
            self.due.remove(&(at, of));
        }
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.due.first().map(|&(at, _)| at)
    }

    /// Takes the earliest entry that is due. Its owner is no longer armed.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<TimerOf> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first().map(|(_, of)| of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: TimerOf = TimerOf::Sessions;

    #[test]
    fn moves_to_earlier_and_never_to_later() {
        let (mut timers, mut armed) = (Timers::default(), None);
        timers.arm(OF, &mut armed, Some(Time::from_secs(5)));
        timers.arm(OF, &mut armed, Some(Time::from_secs(9)));
        assert_eq!(timers.next(), Some(Time::from_secs(5)));
        timers.arm(OF, &mut armed, Some(Time::from_secs(2)));
        assert_eq!(timers.next(), Some(Time::from_secs(2)));
        assert_eq!(timers.pop_due(Time::from_secs(1)), None);
        assert_eq!(timers.pop_due(Time::from_secs(2)), Some(OF));
        assert_eq!(timers.next(), None, "one entry for each owner");
    }

    #[test]
    fn a_disarmed_owner_is_not_woken() {
        let (mut timers, mut armed) = (Timers::default(), None);
        timers.arm(OF, &mut armed, Some(Time::from_secs(5)));
        timers.disarm(OF, &mut armed);
        assert_eq!((timers.next(), armed), (None, None));
    }
}
