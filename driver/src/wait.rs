//! Waiting for something that happens once, and answers that come once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::bell::lock;

/// A waker that is waited with no longer. It is dropped only when no lock is held: the last waker
/// of a task may own the task, and with it handles that take the same lock when they are dropped.
#[must_use = "it is held until the lock is released"]
#[derive(Debug, Default)]
pub(crate) struct Replaced(
    #[expect(dead_code, reason = "it is only held")] pub(crate) Option<Waker>,
);

/// Waits with the second waker from here on.
pub(crate) fn exchange(old: &mut Waker, new: &Waker) -> Replaced {
    match old.will_wake(new) {
        true => Replaced(None),
        false => Replaced(Some(std::mem::replace(old, new.clone()))),
    }
}

/// As [`exchange`], where perhaps nobody waits yet.
pub(crate) fn put(place: &mut Option<Waker>, new: &Waker) -> Replaced {
    match place {
        Some(old) => exchange(old, new),
        None => Replaced(place.replace(new.clone())),
    }
}

/// The wakers of those who wait; each keeps its place by a key, so that it is woken once however
/// often it was polled, and can leave.
#[derive(Debug, Default)]
pub(crate) struct WaitSet {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl WaitSet {
    /// Waits under this key; a first call gives one out.
    pub(crate) fn join(&mut self, key: &mut Option<u64>, waker: &Waker) -> Replaced {
        let key = *key.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        match self.wakers.get_mut(&key) {
            Some(old) => exchange(old, waker),
            None => Replaced(self.wakers.insert(key, waker.clone())),
        }
    }

    /// Waits no longer.
    pub(crate) fn leave(&mut self, key: u64) -> Replaced {
        Replaced(self.wakers.remove(&key))
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Everybody who waits, to be woken once the lock is released.
    pub(crate) fn take(&mut self) -> BTreeMap<u64, Waker> {
        std::mem::take(&mut self.wakers)
    }
}

/// Wakes each of them.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

/// Where an answer is put. Dropped without one, the asker gets none.
#[derive(Debug)]
pub(crate) struct Reply<T>(Arc<Mutex<ReplyState<T>>>);

/// The asker's end of a [`Reply`].
#[derive(Debug)]
pub(crate) struct Answer<T>(Arc<Mutex<ReplyState<T>>>);

#[derive(Debug)]
struct ReplyState<T> {
    answer: Option<T>,
    over: bool,
    waker: Option<Waker>,
}

/// A pair of ends for one answer.
pub(crate) fn reply<T>() -> (Reply<T>, Answer<T>) {
    let state = Arc::new(Mutex::new(ReplyState {
        answer: None,
        over: false,
        waker: None,
    }));
    (Reply(Arc::clone(&state)), Answer(state))
}

impl<T> Reply<T> {
    /// Answers.
    pub(crate) fn send(self, answer: T) {
        lock(&self.0).answer = Some(answer);
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0);
            state.over = true;
            state.waker.take()
        };
        wake_all(waker);
    }
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let _replaced = {
            let mut state = lock(&self.0);
            if state.over {
                return Poll::Ready(state.answer.take());
            }
            put(&mut state.waker, cx.waker())
        };
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::CountingWaker;

    #[test]
    fn a_reply_arrives_once_and_its_loss_is_noticed() {
        let (count, waker) = CountingWaker::new();
        let cx = &mut Context::from_waker(&waker);

        let (to, mut from) = reply();
        assert_eq!(Pin::new(&mut from).poll(cx), Poll::Pending);
        to.send(7);
        assert_eq!(count.get(), 1);
        assert_eq!(Pin::new(&mut from).poll(cx), Poll::Ready(Some(7)));

        let (to, mut from) = reply::<u32>();
        assert_eq!(Pin::new(&mut from).poll(cx), Poll::Pending);
        drop(to);
        assert_eq!(count.get(), 2);
        assert_eq!(Pin::new(&mut from).poll(cx), Poll::Ready(None));
    }

    #[test]
    fn a_waiter_is_woken_once_however_often_it_joined() {
        let (count, waker) = CountingWaker::new();
        let mut set = WaitSet::default();
        let (mut first, mut second) = (None, None);
        let _ = set.join(&mut first, &waker);
        let _ = set.join(&mut first, &waker);
        let _ = set.join(&mut second, &waker);
        let _ = set.leave(second.unwrap());
        wake_all(set.take().into_values());
        assert_eq!(count.get(), 1);
    }
}
