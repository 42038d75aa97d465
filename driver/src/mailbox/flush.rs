//! Those who wait until messages are settled.

use std::collections::BTreeMap;
use std::task::Waker;

use peer_sender_core::MessageId;

use crate::wait::{Replaced, exchange};

/// Who waits, by the first message that it does not wait for.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    next: u64,
    waiting: BTreeMap<(MessageId, u64), Waker>,
}

/// A place among those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlushPlace {
    until: MessageId,
    key: Option<u64>,
}

impl FlushPlace {
    /// Waits for every message below this one.
    pub(super) fn new(until: MessageId) -> Self {
        Self { until, key: None }
    }

    pub(super) fn until(&self) -> MessageId {
        self.until
    }
}

impl Flushes {
    /// Waits.
    pub(super) fn join(&mut self, place: &mut FlushPlace, waker: &Waker) -> Replaced {
        let key = *place.key.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        match self.waiting.get_mut(&(place.until, key)) {
            Some(old) => exchange(old, waker),
            None => Replaced(self.waiting.insert((place.until, key), waker.clone())),
        }
    }

    /// Waits no longer.
    pub(super) fn leave(&mut self, place: FlushPlace) -> Replaced {
        let key = place.key.map(|key| (place.until, key));
        Replaced(key.and_then(|key| self.waiting.remove(&key)))
    }

    /// Every message below this one is settled.
    pub(super) fn settled_below(&mut self, id: MessageId, wakers: &mut Vec<Waker>) {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= id
        {
            wakers.push(first.remove());
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
