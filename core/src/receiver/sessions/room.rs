//! What all sessions together, and those of one key, may hold.

use alloc::collections::{BTreeMap, VecDeque};

use super::SessionHandle;
use crate::PeerKey;
use crate::inbound::Allowance;

/// Bytes held by all sessions, against the limits of the node and of each key; and who waits for
/// some to be given back.
#[derive(Debug)]
pub(super) struct Room {
    node_max: usize,
    key_max: usize,
    held: usize,
    /// Keys that hold something.
    of_key: BTreeMap<PeerKey, usize>,
    /// Sessions that were refused more, longest first, and how much they need at least. One that
    /// is forgotten meanwhile may stand here until its turn.
    waiting: VecDeque<(SessionHandle, usize)>,
    /// Something was given back since somebody was last let on.
    freed: bool,
}

impl Room {
    pub(super) fn new(node_max: usize, key_max: usize) -> Self {
        Self {
            node_max,
            key_max,
            held: 0,
            of_key: BTreeMap::new(),
            waiting: VecDeque::new(),
            freed: false,
        }
    }

    /// How much more a session of this key may hold. Where nothing is held, a message of any
    /// length fits.
    pub(super) fn allowance(&self, key: PeerKey) -> Allowance {
        let of_key = self.of_key.get(&key).copied().unwrap_or(0);
        let left = |held: usize, max: usize| max.saturating_sub(held);
        let first = |held: usize, max: usize| match held {
            0 => usize::MAX,
            _ => left(held, max),
        };
        Allowance {
            bytes: left(self.held, self.node_max).min(left(of_key, self.key_max)),
            first: first(self.held, self.node_max).min(first(of_key, self.key_max)),
        }
    }

    /// What a session of this key holds has changed.
    pub(super) fn change(&mut self, key: PeerKey, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.freed |= after < before;
        self.held = self.held.saturating_sub(before).saturating_add(after);
        let of_key = self.of_key.entry(key).or_default();
        *of_key = of_key.saturating_sub(before).saturating_add(after);
        if *of_key == 0 {
            self.of_key.remove(&key);
        }
    }

    /// A session needs at least this much more.
    pub(super) fn wait(&mut self, session: SessionHandle, need: usize) {
        match self.waiting.iter_mut().find(|(it, _)| *it == session) {
            Some((_, least)) => *least = need,
            None => self.waiting.push_back((session, need)),
        }
    }

    /// Everybody who waits, in turn, if something was given back since the last call. Whoever does
    /// not get what it needs is to wait anew.
    pub(super) fn take_waiting(&mut self) -> VecDeque<(SessionHandle, usize)> {
        match core::mem::take(&mut self.freed) {
            true => core::mem::take(&mut self.waiting),
            false => VecDeque::new(),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }
}
