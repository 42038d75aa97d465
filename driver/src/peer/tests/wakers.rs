use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// A task that takes its peer's locks when it is dropped, as one does that holds a receipt.
struct Task {
    shared: Arc<PeerShared>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    woken_while_running: AtomicUsize,
    dropped: AtomicUsize,
    dropped_under_a_lock: AtomicUsize,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let running = self.shared.mailbox.try_lock().unwrap().stopped().is_none();
        let count = &self.tally.woken_while_running;
        count.fetch_add(usize::from(running), Ordering::SeqCst);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.tally.dropped.fetch_add(1, Ordering::SeqCst);
        let free = self.shared.mailbox.try_lock().is_ok() && self.shared.events.try_lock().is_ok();
        let count = &self.tally.dropped_under_a_lock;
        count.fetch_add(usize::from(!free), Ordering::SeqCst);
    }
}

struct Locks {
    peer: PeerSender,
    tally: Arc<Tally>,
}

impl Locks {
    fn new() -> Self {
        Self {
            peer: Bench::new(1).peer,
            tally: Arc::default(),
        }
    }

    fn poll<T>(&self, future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        let waker = Waker::from(Arc::new(Task {
            shared: Arc::clone(&self.peer.shared),
            tally: Arc::clone(&self.tally),
        }));
        future.poll(&mut Context::from_waker(&waker))
    }

    /// As many tasks were dropped, all of them while no lock was held.
    fn assert_dropped(&self, count: usize) {
        assert_eq!(self.tally.dropped.load(Ordering::SeqCst), count);
        assert_eq!(self.tally.dropped_under_a_lock.load(Ordering::SeqCst), 0);
    }
}

/// Whatever waits, a waker that takes the place of another, and one that goes with the future, are
/// dropped while no lock is held.
#[test]
fn no_waker_is_dropped_under_a_lock() {
    let locks = Locks::new();
    let mut receipt = locks.peer.try_send("fills the queue").unwrap();
    let mut events = locks.peer.events();
    assert!(locks.poll(Pin::new(&mut receipt)).is_pending());
    assert!(locks.poll(Pin::new(&mut receipt)).is_pending());
    locks.assert_dropped(1);
    drop(receipt);
    locks.assert_dropped(2);
    {
        let mut next = Box::pin(events.next());
        assert!(locks.poll(next.as_mut()).is_pending());
        assert!(locks.poll(next.as_mut()).is_pending());
    }
    locks.assert_dropped(3);
    drop(events);
    locks.assert_dropped(4);
    let mut send = Box::pin(locks.peer.send("waits for room"));
    assert!(locks.poll(send.as_mut()).is_pending());
    assert!(locks.poll(send.as_mut()).is_pending());
    drop(send);
    locks.assert_dropped(6);
    let mut stop = Box::pin(locks.peer.stop(StopMode::Abort));
    assert!(locks.poll(stop.as_mut()).is_pending());
    assert!(locks.poll(stop.as_mut()).is_pending());
    drop(stop);
    locks.assert_dropped(8);
}

#[test]
fn the_end_wakes_nobody_under_a_lock_and_is_told_before_it_can_be_read() {
    let locks = Locks::new();
    let mut events = locks.peer.events();
    let mut next = Box::pin(events.next());
    let mut stats = Box::pin(locks.peer.stats());
    assert!(locks.poll(next.as_mut()).is_pending());
    assert!(locks.poll(stats.as_mut()).is_pending());
    locks
        .peer
        .shared
        .finish(StopReason::Aborted, PeerStats::default());
    locks.assert_dropped(2);
    let running = locks.tally.woken_while_running.load(Ordering::SeqCst);
    assert_eq!(running, 1, "the listener, not who asked for the counters");
}
