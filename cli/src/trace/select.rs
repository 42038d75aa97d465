//! Which part of a trace is asked for.

use std::collections::BTreeSet;

use super::args::SelectArgs;
use super::words::clean;
use crate::failure::Failure;

/// A choice of machines and times.
#[derive(Debug, Default)]
pub(super) struct Select {
    args: SelectArgs,
    /// The names that are asked for and were not met yet.
    missing: BTreeSet<String>,
    /// Some of the names that were met.
    met: BTreeSet<String>,
}

impl Select {
    pub(super) fn new(args: &SelectArgs) -> Self {
        Self {
            args: args.clone(),
            missing: args.peer.iter().cloned().collect(),
            met: BTreeSet::new(),
        }
    }

    /// A machine of this name is in the trace.
    pub(super) fn meet(&mut self, name: &str) {
        self.missing.remove(name);
        if self.met.len() < NAMES_SHOWN {
            self.met.insert(clean(name));
        }
    }

    /// Whether a machine of this name is asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.args.peer.is_empty() || self.args.peer.iter().any(|it| it == name)
    }

    /// Whether what happened then is asked for, in a trace that starts at that moment.
    pub(super) fn includes(&self, at: u64, start: u64) -> bool {
        let from = self.args.from.map(|when| when.nanos(start));
        let to = self.args.to.map(|when| when.nanos(start));
        from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to)
    }

    /// Whether any of this time is asked for.
    pub(super) fn overlaps(&self, from: u64, until: u64, start: u64) -> bool {
        let after = self.args.from.map(|when| when.nanos(start));
        let before = self.args.to.map(|when| when.nanos(start));
        after.is_none_or(|after| after <= until) && before.is_none_or(|before| from <= before)
    }

    /// At the end of the trace.
    ///
    /// # Errors
    ///
    /// A machine that is asked for is not in it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.missing.first() {
            Some(peer) => Err(Failure::NoSuchPeer {
                peer: clean(peer),
                known: self.met.iter().cloned().collect(),
            }),
            None => Ok(()),
        }
    }
}

/// As many are named where one that is asked for is not there.
const NAMES_SHOWN: usize = 20;
