//! The driver's one timer.

use std::task::{Context, Poll};
use std::time::Instant;

use crate::runtime::AsyncTimer;

/// A timer that is moved only to earlier moments: deadlines move back with almost every datagram,
/// and a wake-up for nothing every now and then is cheaper than moving it each time.
pub(super) struct Alarm<T> {
    timer: T,
    armed: Option<Instant>,
}

impl<T: AsyncTimer> Alarm<T> {
    pub(super) fn new(timer: T) -> Self {
        Self { timer, armed: None }
    }

    /// Rings at this moment at the latest.
    pub(super) fn at_latest(&mut self, at: Instant) {
        if self.armed.is_none_or(|armed| at < armed) {
            self.timer.reset(at);
            self.armed = Some(at);
        }
    }

    /// Ready once when the moment has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.armed.is_none() || self.timer.poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.armed = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use super::*;

    /// Counts how often it is moved, and is due when told.
    #[derive(Default)]
    struct Fake {
        moves: usize,
        due: bool,
    }

    impl AsyncTimer for Fake {
        fn reset(&mut self, _: Instant) {
            self.moves += 1;
        }

        fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
            if self.due {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "some Instant is needed, whichever it is"
    )]
    fn moves_only_to_earlier_moments() {
        let cx = &mut Context::from_waker(Waker::noop());
        let start = Instant::now();
        let mut alarm = Alarm::new(Fake::default());
        alarm.timer.due = true;
        assert_eq!(alarm.poll(cx), Poll::Pending, "not armed");

        alarm.at_latest(start + Duration::from_secs(2));
        alarm.at_latest(start + Duration::from_secs(3));
        assert_eq!(alarm.timer.moves, 1);
        alarm.at_latest(start + Duration::from_secs(1));
        assert_eq!(alarm.timer.moves, 2);
        assert_eq!(alarm.poll(cx), Poll::Ready(()));
        assert_eq!(alarm.poll(cx), Poll::Pending, "rings once");
        alarm.at_latest(start + Duration::from_secs(9));
        assert_eq!(alarm.timer.moves, 3);
    }
}
