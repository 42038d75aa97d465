//! Callers who wait for room in a lane.

use std::collections::BTreeMap;
use std::task::Waker;

use peer_sender_core::Capacity;

use crate::wait::{Replaced, exchange};

/// A lane's room, and who waits for it.
///
/// First come, first served: while somebody waits, nobody passes, so that a large message is not
/// starved by small ones. Room is handed to the first in line, not fought for: only who got it is
/// woken.
#[derive(Debug)]
pub(super) struct Desk {
    /// What may be accepted now: the machine's capacity less what waits in the mailbox, what was
    /// promised to callers in line, and what permits hold.
    credit: Capacity,
    /// What waits in the mailbox.
    here: Capacity,
    /// What was promised to callers that have not come back for it.
    promised: Capacity,
    /// What permits hold.
    held: Capacity,
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// The bytes of each promise.
    promises: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct Waiting {
    bytes: usize,
    waker: Waker,
}

impl Desk {
    /// The desk of a lane whose machine accepts as much.
    pub(super) fn new(credit: Capacity) -> Self {
        Self {
            credit,
            here: Capacity::default(),
            promised: Capacity::default(),
            held: Capacity::default(),
            next: 0,
            waiting: BTreeMap::new(),
            promises: BTreeMap::new(),
        }
    }

    /// Takes room for one message, if there is some and nobody stands in line for it.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let free = self.waiting.is_empty() && self.promises.is_empty();
        let taken = free && fits(self.credit, bytes);
        if taken {
            spend(&mut self.credit, bytes);
        }
        taken
    }

    /// Takes room for one message, or stands in line for it. A caller that finds room behind
    /// others who have not come back for theirs is woken at once to come after them: one that
    /// never comes back must not hold everybody up.
    pub(super) fn poll_take(
        &mut self,
        bytes: usize,
        place: &mut Option<u64>,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Replaced> {
        if let Some(key) = *place {
            if self.redeem(key).is_some() {
                *place = None;
                return Ok(());
            }
            if let Some(waiting) = self.waiting.get_mut(&key) {
                return Err(exchange(&mut waiting.waker, waker));
            }
        }
        if self.take(bytes) {
            *place = None;
            return Ok(());
        }
        self.next += 1;
        *place = Some(self.next);
        let waker = waker.clone();
        self.waiting.insert(self.next, Waiting { bytes, waker });
        self.promise(wakers);
        Err(Replaced::default())
    }

    /// A caller leaves the line: its room, promised or not, goes to the next ones.
    pub(super) fn leave(&mut self, place: u64, wakers: &mut Vec<Waker>) -> Replaced {
        let left = self.waiting.remove(&place);
        if let Some(bytes) = self.redeem(place) {
            add(&mut self.credit, bytes);
        }
        self.promise(wakers);
        Replaced(left.map(|waiting| waiting.waker))
    }

    /// A message went into the mailbox, in room that was taken for it.
    pub(super) fn put(&mut self, bytes: usize) {
        add(&mut self.here, bytes);
    }

    /// A message was taken out of the mailbox again before the driver saw it.
    pub(super) fn take_out(&mut self, bytes: usize, wakers: &mut Vec<Waker>) {
        self.leave_here(bytes);
        self.give_back(bytes, wakers);
    }

    /// As [`take_out`](Self::take_out), where no room was taken for it.
    pub(super) fn leave_here(&mut self, bytes: usize) {
        remove(&mut self.here, bytes);
    }

    /// What waits in the mailbox.
    pub(super) fn here(&self) -> Capacity {
        self.here
    }

    /// The driver took what was in the mailbox.
    pub(super) fn handed_over(&mut self) {
        self.here = Capacity::default();
    }

    /// A permit holds room that was taken.
    pub(super) fn hold(&mut self, bytes: usize) {
        add(&mut self.held, bytes);
    }

    /// A permit is used for a message of these bytes, at most those that it holds.
    pub(super) fn use_held(&mut self, held: usize, bytes: usize, wakers: &mut Vec<Waker>) {
        remove(&mut self.held, held);
        self.credit.bytes += held.saturating_sub(bytes);
        self.promise(wakers);
    }

    /// A permit is not used.
    pub(super) fn release(&mut self, held: usize, wakers: &mut Vec<Waker>) {
        remove(&mut self.held, held);
        self.give_back(held, wakers);
    }

    /// The machine accepts this much beside what was handed over to it.
    pub(super) fn set_room(&mut self, capacity: Capacity, wakers: &mut Vec<Waker>) {
        let taken = [self.here, self.promised, self.held];
        self.credit = taken.into_iter().fold(capacity, |left, taken| Capacity {
            messages: left.messages.saturating_sub(taken.messages),
            bytes: left.bytes.saturating_sub(taken.bytes),
        });
        self.promise(wakers);
    }

    /// Sends home everybody who waits.
    pub(super) fn disperse(&mut self, wakers: &mut Vec<Waker>) {
        let waiting = std::mem::take(&mut self.waiting).into_values();
        wakers.extend(waiting.map(|waiting| waiting.waker));
    }

    /// What may be accepted now.
    #[cfg(test)]
    pub(super) fn credit(&self) -> Capacity {
        self.credit
    }

    /// How many wait, have a promise, or hold a permit.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        let promises = self.promises.len();
        assert_eq!(self.promised.messages, promises);
        assert_eq!(self.promised.bytes, self.promises.values().sum::<usize>());
        assert!(self.held.messages > 0 || self.held.bytes == 0);
        self.waiting.len() + promises + self.held.messages
    }

    /// Room that was taken is not used.
    pub(super) fn give_back(&mut self, bytes: usize, wakers: &mut Vec<Waker>) {
        add(&mut self.credit, bytes);
        self.promise(wakers);
    }

    /// Gives room to the first in line while it lasts.
    fn promise(&mut self, wakers: &mut Vec<Waker>) {
        while let Some(first) = self.waiting.first_entry()
            && fits(self.credit, first.get().bytes)
        {
            let (key, Waiting { bytes, waker }) = first.remove_entry();
            spend(&mut self.credit, bytes);
            add(&mut self.promised, bytes);
            self.promises.insert(key, bytes);
            wakers.push(waker);
        }
    }

    /// A caller no longer needs its promise: the bytes of it, if it had one.
    fn redeem(&mut self, key: u64) -> Option<usize> {
        let bytes = self.promises.remove(&key)?;
        remove(&mut self.promised, bytes);
        Some(bytes)
    }
}

fn fits(credit: Capacity, bytes: usize) -> bool {
    credit.messages > 0 && bytes <= credit.bytes
}

/// Takes one message off what fits it.
fn spend(credit: &mut Capacity, bytes: usize) {
    credit.messages -= 1;
    credit.bytes -= bytes;
}

fn add(capacity: &mut Capacity, bytes: usize) {
    capacity.messages += 1;
    capacity.bytes += bytes;
}

fn remove(capacity: &mut Capacity, bytes: usize) {
    capacity.messages -= 1;
    capacity.bytes -= bytes;
}
