//! What all sessions together, and those of one share, may hold.

#[cfg(feature = "trace")]
mod image;

use alloc::collections::BTreeMap;
use core::ops::Bound;

use super::SessionHandle;
use crate::PeerKey;
use crate::inbound::Allowance;

/// Bytes held by all sessions, against the limits of the node and of each share
/// ([`Dialler`](crate::Dialler)); and who waits for some to be given back.
#[derive(Clone, Debug)]
pub(super) struct Room {
    node_max: usize,
    share_max: usize,
    held: usize,
    /// Shares of which something is held.
    of_share: BTreeMap<PeerKey, usize>,
    /// Sessions that were refused more, by ticket: whoever waits longest first.
    waiting: BTreeMap<u64, Waiting>,
    tickets: BTreeMap<SessionHandle, u64>,
    next_ticket: u64,
    /// Behind whom to go on looking; none if nothing was given back since all were looked at.
    looking: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    session: SessionHandle,
    share: PeerKey,
    /// How much it needs at least.
    need: usize,
}

impl Room {
    pub(super) fn new(node_max: usize, share_max: usize) -> Self {
        Self {
            node_max,
            share_max,
            held: 0,
            of_share: BTreeMap::new(),
            waiting: BTreeMap::new(),
            tickets: BTreeMap::new(),
            next_ticket: 1,
            looking: None,
        }
    }

    /// How much more a session of this share may hold. Where nothing is held, a message of any
    /// length fits. What whoever waits longest needs is kept for it, so that a large message is not
    /// overtaken for ever by small ones.
    pub(super) fn allowance(&self, session: SessionHandle, share: PeerKey) -> Allowance {
        let (mut held, mut of_share) = (self.held, self.held_of(share));
        if let Some(first) = self.waiting.values().next()
            && first.session != session
            && first.need <= self.share_max.saturating_sub(self.held_of(first.share))
        {
            held = held.saturating_add(first.need);
            if first.share == share {
                of_share = of_share.saturating_add(first.need);
            }
        }
        let left = |held: usize, max: usize| max.saturating_sub(held);
        let first = |held: usize, max: usize| match held {
            0 => usize::MAX,
            _ => left(held, max),
        };
        Allowance {
            bytes: left(held, self.node_max).min(left(of_share, self.share_max)),
            first: first(held, self.node_max).min(first(of_share, self.share_max)),
        }
    }

    /// What a session of this share holds has changed.
    pub(super) fn change(&mut self, share: PeerKey, before: usize, after: usize) {
        if before == after {
            return;
        }
        if after < before && !self.waiting.is_empty() {
            self.looking = Some(0);
        }
        self.held = self.held.saturating_sub(before).saturating_add(after);
        let of_share = self.of_share.entry(share).or_default();
        *of_share = of_share.saturating_sub(before).saturating_add(after);
        if *of_share == 0 {
            self.of_share.remove(&share);
        }
    }

    /// A session needs at least this much more, or nothing. It keeps its turn.
    pub(super) fn wait(&mut self, session: SessionHandle, share: PeerKey, need: Option<usize>) {
        let Some(need) = need else {
            self.wait_no_more(session);
            return;
        };
        let next = self.next_ticket;
        let ticket = *self.tickets.entry(session).or_insert(next);
        self.next_ticket += u64::from(ticket == next);
        let waiting = Waiting {
            session,
            share,
            need,
        };
        self.waiting.insert(ticket, waiting);
    }

    /// The session waits no longer, or is gone.
    pub(super) fn wait_no_more(&mut self, session: SessionHandle) {
        if let Some(ticket) = self.tickets.remove(&session) {
            self.waiting.remove(&ticket);
            // What was kept for it is free for the others.
            self.looking = Some(0);
        }
    }

    /// The next session that waits and may have what it needs, in turn; none until something more
    /// is given back.
    pub(super) fn next_served(&mut self) -> Option<SessionHandle> {
        loop {
            let behind = Bound::Excluded(self.looking?);
            let next = self.waiting.range((behind, Bound::Unbounded)).next();
            let Some((&ticket, &waiting)) = next.filter(|_| self.held < self.node_max) else {
                self.looking = None;
                return None;
            };
            self.looking = Some(ticket);
            let allowance = self.allowance(waiting.session, waiting.share);
            if allowance.admits(waiting.need) {
                return Some(waiting.session);
            }
        }
    }

    /// Who waits, longest first, and for how much.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (SessionHandle, usize)> + '_ {
        self.waiting.values().map(|it| (it.session, it.need))
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// What is held of each share of which something is.
    pub(super) fn of_share(&self) -> &BTreeMap<PeerKey, usize> {
        &self.of_share
    }

    fn held_of(&self, share: PeerKey) -> usize {
        self.of_share.get(&share).copied().unwrap_or(0)
    }
}
