//! Waking the driver: at most once for each burst of news, whatever the number of callers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Takes a lock whether or not a holder panicked: what these locks guard is whole after each
/// statement, and a panic elsewhere must not keep outcomes from their receipts.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether there is news for the driver, which mailboxes hold some, and the driver's waker, which
/// is here only while it sleeps.
#[derive(Debug)]
pub(crate) struct Bell {
    rung: AtomicBool,
    waker: Mutex<Option<Waker>>,
    mailboxes: Mutex<Vec<usize>>,
    places: AtomicUsize,
}

impl Bell {
    /// A bell that counts as rung, since the driver looks at everything when it starts.
    pub(crate) fn new() -> Self {
        Self {
            rung: AtomicBool::new(true),
            waker: Mutex::new(None),
            mailboxes: Mutex::new(Vec::new()),
            places: AtomicUsize::new(0),
        }
    }

    /// A name for a new mailbox.
    pub(crate) fn new_place(&self) -> usize {
        self.places.fetch_add(1, Ordering::Relaxed)
    }

    /// There is news: called after it was put where the driver looks.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let waker = lock(&self.waker).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// The mailbox of this name has gone from no news to some.
    pub(crate) fn ring_for(&self, mailbox: usize) {
        lock(&self.mailboxes).push(mailbox);
        self.ring();
    }

    /// The driver is awake: nobody needs to wake it.
    pub(crate) fn wake_up(&self) {
        let _waker = lock(&self.waker).take();
    }

    /// The driver looks for news from here on. Moves the names of mailboxes that hold some into an
    /// empty vector. False if there is no news of any kind.
    pub(crate) fn attend(&self, mailboxes: &mut Vec<usize>) -> bool {
        if !self.rung.swap(false, Ordering::AcqRel) {
            return false;
        }
        std::mem::swap(&mut *lock(&self.mailboxes), mailboxes);
        true
    }

    /// News wakes the driver from here on. False if it must not sleep: there was news since it
    /// last looked. Of two that meet here, one sees the other: either the ringer finds the waker,
    /// or the lock of the waker shows the driver that the bell was rung.
    pub(crate) fn fall_asleep(&self, waker: &Waker) -> bool {
        let _replaced = lock(&self.waker).replace(waker.clone());
        !self.rung.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::CountingWaker;

    #[test]
    fn one_wake_for_a_burst_and_none_while_the_driver_is_awake() {
        let bell = Bell::new();
        let (count, waker) = CountingWaker::new();
        let mut mailboxes = Vec::new();
        assert!(bell.attend(&mut mailboxes), "it begins as rung");
        assert!(!bell.attend(&mut mailboxes));
        bell.ring_for(1);
        assert!(!bell.fall_asleep(&waker), "news since it last looked");
        bell.wake_up();
        assert!(bell.attend(&mut mailboxes));
        assert_eq!(mailboxes, [1]);

        mailboxes.clear();
        assert!(bell.fall_asleep(&waker));
        bell.ring_for(2);
        bell.ring_for(3);
        assert_eq!(count.get(), 1);
        bell.wake_up();
        bell.ring_for(4);
        assert_eq!(count.get(), 1);
        assert!(bell.attend(&mut mailboxes));
        assert_eq!(mailboxes, [2, 3, 4]);
    }
}
