//! What happens to a peer, for whoever listens.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use peer_sender_core::{PeerEvent, StopReason};

use crate::bell::lock;
use crate::peer::PeerShared;
use crate::wait::{Replaced, put};

/// The most events that wait for one listener.
const WAITING_MAX: usize = 1_024;

/// What happens to a peer, as a stream that ends after [`PeerEvent::SenderStopped`].
///
/// Each `Events` has a buffer of its own for 1,024 events. If its reader lags behind, the oldest
/// go, and [`missed`](Self::missed) counts them; `SenderStopped` is never lost.
pub struct Events {
    peer: Arc<PeerShared>,
    key: u64,
}

/// The listeners of a peer.
#[derive(Debug, Default)]
pub(crate) struct EventHub {
    next: u64,
    listeners: BTreeMap<u64, Listener>,
    /// The last event was emitted.
    stopped: Option<StopReason>,
}

#[derive(Debug, Default)]
struct Listener {
    waiting: VecDeque<PeerEvent>,
    missed: u64,
    waker: Option<Waker>,
}

impl Events {
    pub(crate) fn new(peer: Arc<PeerShared>) -> Self {
        let key = lock(&peer.events).join();
        Self { peer, key }
    }

    /// The next event; none after the last one.
    ///
    /// # Cancel safety
    ///
    /// No event is lost by dropping it.
    pub async fn next(&mut self) -> Option<PeerEvent> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// How many events went unread because more than 1,024 were waiting.
    pub fn missed(&self) -> u64 {
        let hub = lock(&self.peer.events);
        hub.listeners
            .get(&self.key)
            .map_or(0, |listener| listener.missed)
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<PeerEvent>> {
        let polled = lock(&self.peer.events).poll(self.key, cx.waker());
        polled.map_or_else(|_replaced| Poll::Pending, Poll::Ready)
    }
}

impl Stream for Events {
    type Item = PeerEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PeerEvent>> {
        self.poll_event(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _listener = lock(&self.peer.events).listeners.remove(&self.key);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl EventHub {
    /// Hands an event to every listener. Nothing follows `SenderStopped`.
    pub(crate) fn emit(&mut self, event: PeerEvent) -> Vec<Waker> {
        if self.stopped.is_some() {
            return Vec::new();
        }
        if let PeerEvent::SenderStopped { reason } = event {
            self.stopped = Some(reason);
        }
        let mut wakers = Vec::new();
        for listener in self.listeners.values_mut() {
            if listener.waiting.len() == WAITING_MAX {
                listener.waiting.pop_front();
                listener.missed += 1;
            }
            listener.waiting.push_back(event.clone());
            wakers.extend(listener.waker.take());
        }
        wakers
    }

    fn join(&mut self) -> u64 {
        self.next += 1;
        let mut listener = Listener::default();
        if let Some(reason) = self.stopped {
            listener
                .waiting
                .push_back(PeerEvent::SenderStopped { reason });
        }
        self.listeners.insert(self.next, listener);
        self.next
    }

    /// The next event, none after the last one; or leaves a waker.
    fn poll(&mut self, key: u64, waker: &Waker) -> Result<Option<PeerEvent>, Replaced> {
        let Some(listener) = self.listeners.get_mut(&key) else {
            return Ok(None);
        };
        match listener.waiting.pop_front() {
            Some(event) => Ok(Some(event)),
            None if self.stopped.is_some() => Ok(None),
            None => Err(put(&mut listener.waker, waker)),
        }
    }
}

#[cfg(test)]
mod tests {
    use peer_sender_core::Attempt;

    use super::*;
    use crate::testing::CountingWaker;

    const STOPPED: PeerEvent = PeerEvent::SenderStopped {
        reason: StopReason::Drained,
    };

    fn connected(attempt: u64) -> PeerEvent {
        PeerEvent::Connected {
            attempt: Attempt(attempt),
        }
    }

    #[test]
    fn each_listener_has_its_own_buffer() {
        let mut hub = EventHub::default();
        let (count, waker) = CountingWaker::new();
        let first = hub.join();
        assert!(hub.poll(first, &waker).is_err());
        hub.emit(connected(1)).into_iter().for_each(Waker::wake);
        assert_eq!(count.get(), 1);

        let second = hub.join();
        hub.emit(connected(2));
        hub.emit(STOPPED);
        hub.emit(connected(3));
        for (key, seen) in [(first, vec![1, 2]), (second, vec![2])] {
            for attempt in seen {
                assert_eq!(hub.poll(key, &waker).ok(), Some(Some(connected(attempt))));
            }
            assert_eq!(hub.poll(key, &waker).ok(), Some(Some(STOPPED)));
            assert_eq!(hub.poll(key, &waker).ok(), Some(None));
        }
    }

    #[test]
    fn a_reader_that_lags_loses_the_oldest_and_never_the_last() {
        let mut hub = EventHub::default();
        let key = hub.join();
        for attempt in 0..WAITING_MAX as u64 + 9 {
            hub.emit(connected(attempt));
        }
        hub.emit(STOPPED);
        let listener = &hub.listeners[&key];
        assert_eq!((listener.waiting.len(), listener.missed), (WAITING_MAX, 10));
        assert_eq!(listener.waiting.front(), Some(&connected(10)));
        assert_eq!(listener.waiting.back(), Some(&STOPPED));
    }

    #[test]
    fn who_comes_after_the_end_hears_of_it() {
        let mut hub = EventHub::default();
        hub.emit(STOPPED);
        let key = hub.join();
        assert_eq!(hub.poll(key, Waker::noop()).ok(), Some(Some(STOPPED)));
        assert_eq!(hub.poll(key, Waker::noop()).ok(), Some(None));
    }
}
