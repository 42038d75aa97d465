//! Each machine's own time, and the alarm that is set to its next deadline.

use std::time::Duration;

use peer_sender_core::Time;

use crate::rng::Rng;

/// A machine's clock: it may differ from the world's, and readings of it may go back.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: Duration,
    pub(crate) latest: Time,
}

impl Clock {
    pub(crate) fn jump(&mut self, by: Duration) {
        self.ahead += by;
    }

    /// A reading at this moment, which may go back; `latest` is what the machine goes by.
    pub(crate) fn read(&mut self, now: Time, back: Duration) -> Time {
        let reading = Time::ZERO + (now + self.ahead).saturating_since(Time::ZERO + back);
        self.latest = self.latest.max(reading);
        reading
    }

    /// When the world's clock stands at what this clock calls `at`.
    fn world_time(&self, at: Time) -> Time {
        Time::ZERO + at.saturating_since(Time::ZERO + self.ahead)
    }
}

/// When a machine's timer fires.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    deadline: Option<Time>,
    late: Duration,
    not_before: Time,
    fired: u32,
}

impl Alarm {
    /// When it fires next.
    pub(crate) fn due(
        &mut self,
        deadline: Option<Time>,
        clock: &Clock,
        late_max: Duration,
        rng: &mut Rng,
    ) -> Option<Time> {
        if self.deadline != deadline {
            let late = if rng.chance(500) {
                Duration::ZERO
            } else {
                rng.wait(late_max)
            };
            *self = Self {
                deadline,
                late,
                not_before: Time::ZERO,
                fired: 0,
            };
        }
        Some((clock.world_time(deadline?) + self.late).max(self.not_before))
    }

    /// A step whose time was read as an earlier one does not see the deadline: it is fired again.
    pub(crate) fn fire(&mut self, now: Time) {
        self.fired += 1;
        assert!(
            self.fired < 100,
            "I15 the timer at {:?} fires for nothing",
            self.deadline
        );
        self.not_before = now + Duration::from_micros(1);
    }
}
