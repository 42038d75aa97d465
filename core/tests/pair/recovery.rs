//! The judge of connecting: at most one live attempt, waits to the nanosecond, timers that are
//! exactly those which the contract asks for.

use std::time::Duration;

use peer_sender_core::{
    Action, Attempt, Deadline, ErrorClass, LinkError, Outcome, PeerEvent, Time,
};

use crate::faults::Limits;

#[derive(Debug)]
enum Link {
    Idle,
    Dialling {
        attempt: Attempt,
        until: Time,
    },
    Up {
        attempt: Attempt,
        since: Time,
        answered: bool,
        open: Open,
    },
    Waiting {
        until: Time,
    },
    Ended,
}

/// How the connection's OPEN fares.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Open {
    NotWritten,
    /// Its RESUME must come by then.
    Due(Time),
    Resumed,
}

#[derive(Debug)]
pub(crate) struct Recovery {
    limits: Limits,
    link: Link,
    failures: [u32; 2],
    last_attempt: Option<Attempt>,
    /// The first of this step's events that ends the connection.
    pub(crate) error: Option<LinkError>,
    pub(crate) connects: u64,
}

impl Recovery {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            link: Link::Idle,
            failures: [0; 2],
            last_attempt: None,
            error: None,
            connects: 0,
        }
    }

    /// The attempt that the sender lives on.
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        match self.link {
            Link::Dialling { attempt, .. } | Link::Up { attempt, .. } => Some(attempt),
            Link::Idle | Link::Waiting { .. } | Link::Ended => None,
        }
    }

    /// The sender has read the RESUME of its connection.
    pub(crate) fn resumed(&mut self) {
        if let Link::Up { open, .. } = &mut self.link {
            *open = Open::Resumed;
        }
    }

    pub(crate) fn answered(&mut self, now: Time, actions: &[Action]) {
        let error = self.error.take();
        let mut told = false;
        for action in actions {
            match action {
                Action::Connect { attempt, .. } => self.dialled(now, *attempt),
                Action::Settle {
                    outcome: Outcome::Delivered(_) | Outcome::Refused(_),
                    ..
                } => {
                    if let Link::Up { answered, .. } = &mut self.link {
                        *answered = true;
                    }
                }
                Action::Write { .. } => {
                    if let Link::Up { open, .. } = &mut self.link
                        && *open == Open::NotWritten
                    {
                        *open = Open::Due(now + self.limits.connect_timeout);
                    }
                }
                Action::ScheduleBackoff { delay, until, .. } => {
                    assert!(told, "I11 a wait without a failure");
                    assert_eq!(*until, now + *delay, "I11 until");
                    assert!(
                        matches!(self.link, Link::Waiting { until: known } if known == *until),
                        "I11 {action:?} in {:?}",
                        self.link
                    );
                }
                Action::Emit(PeerEvent::Connected { attempt }) => {
                    assert_eq!(self.attempt(), Some(*attempt), "I10 connected");
                    self.link = Link::Up {
                        attempt: *attempt,
                        since: now,
                        answered: false,
                        open: Open::NotWritten,
                    };
                }
                Action::Emit(PeerEvent::Disconnected {
                    error: reported,
                    retry_at,
                }) => {
                    assert!(!told, "I9 two failures in one step");
                    told = true;
                    if let Some(error) = &error {
                        assert_eq!(reported, error, "I13 another error");
                    }
                    self.failed(now, reported, *retry_at);
                }
                Action::Emit(PeerEvent::BackoffStarted {
                    failures,
                    delay,
                    until,
                }) => {
                    assert_eq!(*failures, self.failures.iter().sum::<u32>(), "I11 failures");
                    assert_eq!(*until, now + *delay, "I11 until");
                }
                Action::Emit(PeerEvent::SenderStopped { .. }) => self.link = Link::Ended,
                _ => {}
            }
        }
        let ended = matches!(self.link, Link::Ended);
        assert!(
            error.is_none() || told || ended,
            "I13 {error:?} was passed over"
        );
    }

    fn dialled(&mut self, now: Time, attempt: Attempt) {
        match self.link {
            Link::Idle => {}
            Link::Waiting { until } => assert!(until <= now, "I12 dialled before {until}"),
            ref other => panic!("I9 dialled in {other:?}"),
        }
        assert!(
            self.last_attempt < Some(attempt),
            "I10 {attempt} is no new attempt"
        );
        self.last_attempt = Some(attempt);
        self.connects += 1;
        self.link = Link::Dialling {
            attempt,
            until: now + self.limits.connect_timeout,
        };
    }

    fn failed(&mut self, now: Time, error: &LinkError, retry_at: Option<Time>) {
        match self.link {
            Link::Dialling { until, .. } => {
                let timeout = *error == LinkError::ConnectTimeout;
                assert!(!timeout || until <= now, "I15 given up before {until}");
            }
            Link::Up {
                since,
                answered,
                open,
                ..
            } => {
                let overdue = matches!(open, Open::Due(due) if due <= now);
                assert!(
                    *error != LinkError::NoAnswer || overdue,
                    "I15 {open:?} at {now}"
                );
                if answered || now.saturating_since(since) >= self.limits.health_after {
                    self.failures = [0; 2];
                }
            }
            ref other => panic!("I9 failed in {other:?}"),
        }
        let (counter, (min, max)) = match error.class() {
            ErrorClass::Transient => (&mut self.failures[0], self.limits.backoff),
            ErrorClass::Permanent => (&mut self.failures[1], self.limits.refusal_backoff),
        };
        *counter += 1;
        let until = now + wait_after(*counter, min, max);
        assert_eq!(
            retry_at,
            Some(until),
            "I11 the wait after failure {counter}"
        );
        self.link = Link::Waiting { until };
    }

    /// I15: exactly the timers that are due to be armed, none of them overdue.
    pub(crate) fn check_deadline(
        &mut self,
        now: Time,
        stop_at: Option<Time>,
        deadline: Option<Deadline>,
    ) {
        let of_link = match self.link {
            Link::Dialling { until, .. } | Link::Waiting { until } => Some(until),
            Link::Up {
                open: Open::Due(due),
                ..
            } => Some(due),
            Link::Idle | Link::Up { .. } | Link::Ended => None,
        };
        let of_stop = stop_at.filter(|_| !matches!(self.link, Link::Ended));
        let expected = of_link.into_iter().chain(of_stop).min();
        assert_eq!(
            deadline.map(|deadline| deadline.at),
            expected,
            "I15 the next deadline"
        );
        assert!(
            expected.is_none_or(|at| at > now),
            "I15 {expected:?} is not after {now}"
        );
    }
}

/// min x (1, 1, 2, 3, 5, ...), at most max.
fn wait_after(failures: u32, min: Duration, max: Duration) -> Duration {
    let (mut this, mut next) = (Duration::ZERO, min);
    for _ in 0..failures {
        if this >= max {
            return max;
        }
        (this, next) = (next, this.saturating_add(next));
    }
    this.min(max)
}
