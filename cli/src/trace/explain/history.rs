//! What happened to a sender's connection, as far as it is kept.

use std::collections::VecDeque;

use peer_sender_core::LinkError;

use super::errors::ERRORS_MAX;
use crate::trace::story::LinkFact;

/// As much is kept of each sender: the latest.
const KEPT_MAX: usize = 4_096;

/// The latest that happened to a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    facts: VecDeque<(u64, LinkFact)>,
}

/// Failures that say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alike {
    pub(super) error: LinkError,
    pub(super) count: u64,
    /// Of them, connections that had stood.
    pub(super) stood: u64,
}

impl History {
    pub(super) fn push(&mut self, at: u64, what: LinkFact) {
        if self.facts.len() == KEPT_MAX {
            self.facts.pop_front();
        }
        self.facts.push_back((at, what));
    }

    /// What happened within this time, and the failure before, if it was still waited on then.
    pub(super) fn of(&self, from: u64, until: u64) -> Self {
        let begin = self.facts.partition_point(|(at, _)| *at < from);
        let before = self.facts.iter().take(begin).rev();
        let before = before
            .take_while(|(_, what)| {
                matches!(
                    what,
                    LinkFact::Failed { .. } | LinkFact::Waits { .. } | LinkFact::Slow { .. }
                )
            })
            .filter(|(_, what)| !matches!(what, LinkFact::Slow { .. }));
        let mut facts: VecDeque<_> = before.cloned().collect();
        facts.make_contiguous().reverse();
        let within = self.facts.iter().skip(begin);
        facts.extend(within.take_while(|(at, _)| *at <= until).cloned());
        Self { facts }
    }

    pub(super) fn facts(&self) -> impl DoubleEndedIterator<Item = &(u64, LinkFact)> {
        self.facts.iter()
    }

    /// Failures, those that say the same together, the most frequent first.
    pub(super) fn failures(&self) -> Vec<Alike> {
        let mut failures: Vec<Alike> = Vec::new();
        for (_, what) in &self.facts {
            let LinkFact::Failed { error, stood, .. } = what else {
                continue;
            };
            if let Some(alike) = failures.iter_mut().find(|it| it.error == *error) {
                alike.count += 1;
                alike.stood += u64::from(*stood);
                continue;
            }
            // Errors with reasons of their own may all differ.
            if failures.len() < ERRORS_MAX {
                failures.push(Alike {
                    error: error.clone(),
                    count: 1,
                    stood: u64::from(*stood),
                });
            }
        }
        failures.sort_by_key(|alike| std::cmp::Reverse(alike.count));
        failures
    }

    /// Whether a connection stood after the last failure that says this.
    pub(super) fn has_passed(&self, said: &LinkError) -> bool {
        for (_, what) in self.facts.iter().rev() {
            match what {
                LinkFact::Connected { .. } => return true,
                LinkFact::Failed { error, .. } if error == said => return false,
                _ => {}
            }
        }
        false
    }

    /// How long, from this moment on, the peer was silent on connections that were lost then.
    pub(super) fn silent(&self, from: u64) -> u64 {
        let silences = self.facts.iter().map(|(at, what)| match what {
            LinkFact::Failed { silent, .. } => (*silent).min(at.saturating_sub(from)),
            _ => 0,
        });
        silences.fold(0, u64::saturating_add)
    }

    pub(super) fn was_restarted(&self) -> bool {
        let mut facts = self.facts.iter();
        facts.any(|(_, what)| *what == LinkFact::Restarted)
    }
}
