//! What the unit tests of this crate share.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::clock::Clock;

thread_local! {
    /// What the clock of this thread's test shows.
    static SHOWN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A clock that stands still until it is told to go on, for each test its own.
pub(crate) fn clock() -> Clock {
    Clock::new(base(), || base() + SHOWN.get())
}

/// Time goes by.
pub(crate) fn wait(time: Duration) {
    SHOWN.set(SHOWN.get() + time);
}

#[expect(
    clippy::disallowed_methods,
    reason = "an origin to count from, never seen"
)]
fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

/// A waker that counts how often it is woken.
#[derive(Debug, Default)]
pub(crate) struct CountingWaker(AtomicUsize);

impl CountingWaker {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (Arc::clone(&count), Waker::from(count))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
