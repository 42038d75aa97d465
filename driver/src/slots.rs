//! Where outcomes wait for their receipts.

use std::collections::VecDeque;
use std::task::Waker;

use peer_sender_core::{MessageId, Outcome};

use crate::wait::{Replaced, put};

/// Room kept while nothing needs it, so that bursts are given back and steady traffic is not.
const KEPT_AT_MOST: usize = 1_024;
/// A list as short is left as it is, however many of its messages are over.
const SHORT: usize = 64;

/// The live messages of a peer in the order of their ids, and a slot for each receipt that
/// somebody still holds.
///
/// The two have lives of their own: a message leaves the list when it is settled, a slot is free
/// again when its receipt was read or dropped. So a receipt that is held for ever costs its own
/// slot, and a message whose receipt was dropped costs none.
///
/// Messages are mostly settled in order and leave the list at its front. One that is not settled
/// for long, on a lane that nobody reads, must not keep all that come behind it in the list: the
/// list has never more than twice as many entries as there are live messages, but for a short one.
#[derive(Debug)]
pub(crate) struct Slots {
    /// The next id that is given out.
    next: u64,
    /// In the order of the ids. Neither the first nor the last is over.
    live: VecDeque<(u64, Entry)>,
    /// How many entries of the list are over.
    over: usize,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// A message between its acceptance and its outcome, or one that is still in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// Not settled; a receipt waits in this slot.
    Awaited(u32),
    /// Not settled, and nobody holds its receipt.
    Unheld,
    /// Not settled, and its outcome goes to the readers.
    Posted,
    /// Settled.
    Over,
}

#[derive(Debug)]
enum Slot {
    Free,
    Waiting(Option<Waker>),
    Settled(Outcome),
}

impl Slots {
    /// Slots for ids from this one on.
    pub(crate) fn new(first: MessageId) -> Self {
        Self {
            next: first.0,
            live: VecDeque::new(),
            over: 0,
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// A message was accepted: gives out its id, and the slot of its receipt.
    pub(crate) fn open(&mut self) -> (MessageId, u32) {
        let waiting = Slot::Waiting(None);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.put(slot, waiting);
                slot
            }
            None => {
                self.slots.push(waiting);
                (self.slots.len() - 1) as u32
            }
        };
        (self.push(Entry::Awaited(slot)), slot)
    }

    /// A message without a receipt was accepted: gives out its id. The outcome of one that is read
    /// is handed back when it is settled.
    pub(crate) fn open_unheld(&mut self, read: bool) -> MessageId {
        self.push(match read {
            true => Entry::Posted,
            false => Entry::Unheld,
        })
    }

    /// Writes down an outcome; the first one stands. Whoever waits for it is to be woken. The
    /// outcome is handed back if it is for the readers.
    pub(crate) fn settle(
        &mut self,
        id: MessageId,
        outcome: Outcome,
        wakers: &mut Vec<Waker>,
    ) -> Option<Outcome> {
        let entry = self.entry(id)?;
        let settled = std::mem::replace(entry, Entry::Over);
        if settled != Entry::Over {
            self.over += 1;
            self.tidy();
        }
        match settled {
            Entry::Awaited(slot) => {
                let awaited = self.put(slot, Slot::Settled(outcome));
                if let Some(Slot::Waiting(Some(waker))) = awaited {
                    wakers.push(waker);
                }
                None
            }
            Entry::Posted => Some(outcome),
            Entry::Unheld | Entry::Over => None,
        }
    }

    /// The lowest id that is not settled, and the next one that is given out if there is none.
    pub(crate) fn first(&self) -> MessageId {
        let first = self.live.front().map(|(id, _)| *id);
        MessageId(first.unwrap_or(self.next))
    }

    /// The next id that is given out.
    pub(crate) fn next(&self) -> MessageId {
        MessageId(self.next)
    }

    /// Whether every message is settled.
    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Whether this message was accepted and is not settled.
    pub(crate) fn is_live(&mut self, id: MessageId) -> bool {
        self.entry(id).is_some_and(|entry| *entry != Entry::Over)
    }

    /// Every message that is not settled.
    pub(crate) fn live_ids(&self) -> Vec<MessageId> {
        let live = self.live.iter().filter(|(_, entry)| *entry != Entry::Over);
        live.map(|(id, _)| MessageId(*id)).collect()
    }

    /// Takes the outcome, which frees the slot, or leaves a waker.
    pub(crate) fn poll(&mut self, slot: u32, waker: &Waker) -> Result<Outcome, Replaced> {
        match self.slots.get_mut(slot as usize) {
            Some(Slot::Waiting(waiting)) => Err(put(waiting, waker)),
            Some(settled @ Slot::Settled(_)) => {
                let settled = std::mem::replace(settled, Slot::Free);
                self.release(slot);
                match settled {
                    Slot::Settled(outcome) => Ok(outcome),
                    Slot::Free | Slot::Waiting(_) => Err(Replaced::default()),
                }
            }
            Some(Slot::Free) | None => Err(Replaced::default()),
        }
    }

    /// A receipt was dropped before its outcome was read.
    pub(crate) fn close(&mut self, id: MessageId, slot: u32) -> Replaced {
        if let Some(entry) = self.entry(id)
            && *entry == Entry::Awaited(slot)
        {
            *entry = Entry::Unheld;
        }
        let closed = self.put(slot, Slot::Free);
        self.release(slot);
        match closed {
            Some(Slot::Waiting(waker)) => Replaced(waker),
            Some(Slot::Settled(_) | Slot::Free) | None => Replaced::default(),
        }
    }

    /// Messages that are not settled.
    #[cfg(test)]
    pub(crate) fn live(&self) -> usize {
        self.live.len() - self.over
    }

    fn push(&mut self, entry: Entry) -> MessageId {
        let id = self.next;
        self.next += 1;
        self.live.push_back((id, entry));
        MessageId(id)
    }

    fn entry(&mut self, id: MessageId) -> Option<&mut Entry> {
        let MessageId(id) = id;
        let (first, _) = self.live.front()?;
        // Where it is if none before it has left the list; further back it cannot be.
        let place = usize::try_from(id.checked_sub(*first)?).ok()?;
        let place = match self.live.get(place) {
            Some((there, _)) if *there == id => place,
            Some(_) | None => self.live.binary_search_by_key(&id, |(id, _)| *id).ok()?,
        };
        self.live.get_mut(place).map(|(_, entry)| entry)
    }

    /// Takes out of the list what is over, at its ends at once and elsewhere when it is the
    /// greater part, so that each message is moved a few times at most.
    fn tidy(&mut self) {
        while let Some((_, Entry::Over)) = self.live.front() {
            self.live.pop_front();
            self.over -= 1;
        }
        while let Some((_, Entry::Over)) = self.live.back() {
            self.live.pop_back();
            self.over -= 1;
        }
        if self.live.len() > SHORT && self.over > self.live.len() / 2 {
            self.live.retain(|(_, entry)| *entry != Entry::Over);
            self.over = 0;
            self.live.shrink_to(KEPT_AT_MOST.max(2 * self.live.len()));
        }
        if self.live.is_empty() && self.live.capacity() > KEPT_AT_MOST {
            self.live = VecDeque::new();
        }
    }

    fn put(&mut self, slot: u32, state: Slot) -> Option<Slot> {
        let place = self.slots.get_mut(slot as usize)?;
        Some(std::mem::replace(place, state))
    }

    fn release(&mut self, slot: u32) {
        self.free.push(slot);
        if self.free.len() == self.slots.len() && self.slots.len() > KEPT_AT_MOST {
            self.slots = Vec::new();
            self.free = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use peer_sender_core::{FailReason, Level, UnknownReason};

    use super::*;
    use crate::testing::CountingWaker;

    const DELIVERED: Outcome = Outcome::Delivered(Level::Application);
    const FAILED: Outcome = Outcome::Failed(FailReason::Stopped);
    const UNKNOWN: Outcome = Outcome::Unknown(UnknownReason::Stopped);

    #[test]
    fn the_first_outcome_stands_and_wakes_whoever_waits() {
        let mut slots = Slots::new(MessageId(1));
        let (count, waker) = CountingWaker::new();
        let (id, slot) = slots.open();
        assert_eq!(slots.poll(slot, &waker).ok(), None);

        let mut wakers = Vec::new();
        slots.settle(id, DELIVERED, &mut wakers);
        slots.settle(id, FAILED, &mut wakers);
        assert_eq!(wakers.len(), 1);
        wakers.drain(..).for_each(Waker::wake);
        assert_eq!(count.get(), 1);
        assert_eq!(slots.poll(slot, &waker).ok(), Some(DELIVERED));
        assert_eq!(slots.live(), 0);
    }

    #[test]
    fn ids_go_on_and_are_settled_in_any_order() {
        let mut slots = Slots::new(MessageId(1));
        let waker = Waker::noop();
        let opened: Vec<_> = (0..4).map(|_| slots.open()).collect();
        assert_eq!(opened[3].0, MessageId(4));
        for place in [2, 0, 3, 1] {
            slots.settle(opened[place].0, DELIVERED, &mut Vec::new());
        }
        assert!(slots.live.is_empty());
        assert_eq!(slots.open().0, MessageId(5));
        for (_, slot) in opened {
            assert_eq!(slots.poll(slot, waker).ok(), Some(DELIVERED));
        }
    }

    #[test]
    fn a_receipt_held_for_ever_pins_no_other() {
        let mut slots = Slots::new(MessageId(1));
        let waker = Waker::noop();
        let (held, _) = slots.open();
        slots.settle(held, DELIVERED, &mut Vec::new());
        for _ in 0..10_000 {
            let (id, slot) = slots.open();
            slots.settle(id, DELIVERED, &mut Vec::new());
            assert_eq!(slots.poll(slot, waker).ok(), Some(DELIVERED));
        }
        assert_eq!(slots.slots.len(), 2);
        assert!(slots.live.is_empty());
    }

    #[test]
    fn a_message_that_is_not_settled_for_ever_pins_no_other() {
        let mut slots = Slots::new(MessageId(1));
        let (pinned, slot) = slots.open();
        let mut window = VecDeque::new();
        for _ in 0..100_000 {
            window.push_back(slots.open_unheld(false));
            if window.len() > 10 {
                let id = window.pop_front().unwrap();
                slots.settle(id, DELIVERED, &mut Vec::new());
                assert!(!slots.is_live(id));
            }
            assert!(slots.live.len() <= SHORT.max(2 * slots.live()) + 1);
        }
        assert!(slots.live.capacity() <= KEPT_AT_MOST);
        assert_eq!((slots.first(), slots.live()), (pinned, 11));
        assert_eq!(slots.next(), MessageId(100_002));
        assert!(window.iter().all(|id| slots.is_live(*id)));

        slots.settle(pinned, DELIVERED, &mut Vec::new());
        assert_eq!(slots.poll(slot, Waker::noop()).ok(), Some(DELIVERED));
        assert_eq!(slots.first(), window[0], "the oldest that is not settled");
        assert_eq!(slots.live_ids(), Vec::from(window));
    }

    #[test]
    fn what_is_cancelled_at_once_behind_a_message_that_waits_leaves_nothing() {
        let mut slots = Slots::new(MessageId(1));
        let waits = slots.open_unheld(false);
        for _ in 0..100_000 {
            let (id, slot) = slots.open();
            slots.settle(id, Outcome::Cancelled, &mut Vec::new());
            let _ = slots.close(id, slot);
        }
        assert_eq!((slots.live.len(), slots.over), (1, 0));
        assert!(slots.live.capacity() <= SHORT);
        assert_eq!(slots.first(), waits);
    }

    #[test]
    fn room_of_a_burst_is_given_back_although_one_of_it_is_not_settled() {
        let mut slots = Slots::new(MessageId(1));
        let opened: Vec<_> = (0..50_000).map(|_| slots.open_unheld(false)).collect();
        for id in &opened[1..] {
            slots.settle(*id, DELIVERED, &mut Vec::new());
        }
        assert_eq!(slots.live(), 1);
        assert!(slots.live.capacity() <= 2 * KEPT_AT_MOST);
    }

    #[test]
    fn a_dropped_receipt_frees_its_slot_at_once_and_its_outcome_goes_nowhere() {
        let mut slots = Slots::new(MessageId(1));
        let (id, slot) = slots.open();
        let _ = slots.close(id, slot);
        let (next, reused) = slots.open();
        assert_eq!(reused, slot);
        slots.settle(id, FAILED, &mut Vec::new());
        assert_eq!(
            slots.poll(reused, Waker::noop()).ok(),
            None,
            "another message's outcome"
        );
        slots.settle(next, DELIVERED, &mut Vec::new());
        assert_eq!(slots.poll(reused, Waker::noop()).ok(), Some(DELIVERED));
    }

    #[test]
    fn the_rest_is_settled_at_the_end() {
        let mut slots = Slots::new(MessageId(1));
        let (first, _) = slots.open();
        let (_, second) = slots.open();
        slots.settle(first, DELIVERED, &mut Vec::new());
        for id in slots.live_ids() {
            slots.settle(id, UNKNOWN, &mut Vec::new());
        }
        assert_eq!(slots.poll(second, Waker::noop()).ok(), Some(UNKNOWN));
        assert_eq!(slots.live(), 0);
    }

    #[test]
    fn the_outcome_of_a_posted_message_is_handed_back_once() {
        let mut slots = Slots::new(MessageId(1));
        let (unread, read) = (slots.open_unheld(false), slots.open_unheld(true));
        assert_eq!(
            slots.settle(read, DELIVERED, &mut Vec::new()),
            Some(DELIVERED)
        );
        assert_eq!(slots.settle(read, FAILED, &mut Vec::new()), None);
        assert_eq!(slots.first(), unread, "it is not settled");
        assert_eq!(slots.settle(unread, FAILED, &mut Vec::new()), None);
        assert_eq!((slots.first(), slots.next()), (MessageId(3), MessageId(3)));
        assert!(slots.slots.is_empty());
    }

    #[test]
    fn memory_of_a_burst_is_given_back() {
        let mut slots = Slots::new(MessageId(1));
        let opened: Vec<_> = (0..5_000).map(|_| slots.open()).collect();
        for (id, slot) in opened {
            slots.settle(id, DELIVERED, &mut Vec::new());
            let _ = slots.close(id, slot);
        }
        assert_eq!(slots.slots.capacity(), 0);
        assert_eq!(slots.live.capacity(), 0);
    }
}
