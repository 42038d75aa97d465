//! Whether a receiver runs, ends or has ended.

use crate::Time;

/// The life of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Phase {
    /// It takes what comes.
    Running,
    /// It takes nothing further, but without lanes what had come by then, and answers what is held,
    /// until this moment at the latest.
    Draining { deadline: Time },
    /// It has no connection and takes none.
    Closed,
}

/// A [`Phase`] without what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name {
    Running,
    Draining,
    Closed,
}

/// Every change that may happen; a drain's deadline may come nearer.
const CHANGES: [(Name, Name); 4] = [
    (Name::Running, Name::Draining),
    (Name::Running, Name::Closed),
    (Name::Draining, Name::Draining),
    (Name::Draining, Name::Closed),
];

impl Phase {
    /// The phase after somebody asked for the end by `deadline`, at `now`.
    pub(super) fn stop(self, now: Time, deadline: Time) -> Self {
        let earliest = match self {
            Self::Running => deadline,
            Self::Draining { deadline: earlier } => earlier.min(deadline),
            Self::Closed => return self,
        };
        let next = if earliest <= now {
            Self::Closed
        } else {
            Self::Draining { deadline: earliest }
        };
        self.changed_to(next)
    }

    /// The phase once nothing is left to be answered.
    pub(super) fn close(self) -> Self {
        match self {
            Self::Running | Self::Draining { .. } => self.changed_to(Self::Closed),
            Self::Closed => self,
        }
    }

    fn changed_to(self, next: Self) -> Self {
        debug_assert!(
            CHANGES.contains(&(self.name(), next.name())),
            "{self:?} to {next:?}"
        );
        next
    }

    fn name(self) -> Name {
        match self {
            Self::Running => Name::Running,
            Self::Draining { .. } => Name::Draining,
            Self::Closed => Name::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;

    /// All that can be asked of every phase: each row of the table is taken, and no other.
    #[test]
    fn the_table_has_every_change_and_no_other() {
        let now = Time::from_secs(5);
        let mut seen = BTreeSet::new();
        for phase in [
            Phase::Running,
            Phase::Draining {
                deadline: Time::from_secs(9),
            },
            Phase::Closed,
        ] {
            let nexts = [
                phase.close(),
                phase.stop(now, now),
                phase.stop(now, Time::from_secs(7)),
                phase.stop(now, Time::from_secs(11)),
            ];
            for next in nexts.into_iter().filter(|&next| next != phase) {
                seen.insert(format!("{:?}", (phase.name(), next.name())));
            }
        }
        let listed = CHANGES.iter().map(|row| format!("{row:?}")).collect();
        assert_eq!(seen, listed);
    }

    #[test]
    fn a_second_stop_only_shortens_the_first() {
        let now = Time::from_secs(5);
        let draining = Phase::Running.stop(now, Time::from_secs(9));
        assert_eq!(draining.stop(now, Time::from_secs(11)), draining);
        let shorter = Phase::Draining {
            deadline: Time::from_secs(7),
        };
        assert_eq!(draining.stop(now, Time::from_secs(7)), shorter);
        assert_eq!(draining.stop(now, now), Phase::Closed);
    }
}
