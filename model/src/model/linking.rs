//! The connection: when it is made, given up, ended, and made again.

use peer_sender_core::{CloseCode, LinkError, StopReason, WakeReason};

use super::step::News;
use super::{Link, Model, Phase, Row, Said, Settled, Standing, Stream, Why};
use crate::op::Trouble;

impl Model {
    pub(super) fn moved(&mut self, addresses: &[u8], news: &mut News) {
        if self.is_closed() || addresses == self.addresses {
            return;
        }
        let new = addresses.iter().any(|it| !self.addresses.contains(it));
        self.addresses = addresses.to_vec();
        self.turn = 0;
        self.said.push(Said::AddressChanged(addresses.to_vec()));
        if new {
            self.row = Row::default();
            news.woken = Some(WakeReason::NewAddress);
        }
        if self.attempt().is_some() && !addresses.contains(&self.address) {
            news.fail(LinkError::Moved, true);
        }
        if let (Link::Backoff { .. }, true) = (self.link, addresses.is_empty()) {
            self.link = Link::Down;
        }
    }

    /// A timer that ends an attempt, or the waiting for RESUME.
    pub(super) fn overdue(&mut self, news: &mut News) {
        let unanswered = self.streams.iter().filter_map(Stream::due).min();
        match self.link {
            Link::Connecting { until } if until <= self.now => {
                news.fail(LinkError::ConnectTimeout, true);
            }
            Link::Up(_) | Link::Draining(_) | Link::Parting { .. }
                if unanswered.is_some_and(|due| due <= self.now) =>
            {
                news.fail(LinkError::NoAnswer, true);
            }
            _ => {}
        }
    }

    pub(super) fn failed(&mut self, why: Why, open: bool) {
        let Some(attempt) = self.attempt() else {
            return;
        };
        if open {
            let code = match why {
                Why::Protocol => CloseCode::Protocol,
                Why::Exactly(_) => CloseCode::Done,
            };
            self.said.push(Said::Close { attempt, code });
        }
        let reused = matches!(
            why,
            Why::Exactly(LinkError::Closed {
                code: CloseCode::Protocol,
                ..
            })
        );
        if reused && self.streams.iter().any(|it| it.awaits_first_resume()) {
            self.session += 1;
            // This receiver has no record of it, whatever it says.
            self.honest = false;
            let mut settled = Settled::new();
            for lane in self.lanes.values_mut() {
                lane.start_over(&self.shape, &mut settled);
            }
            self.settle(settled);
        }
        self.disconnect();
        self.time_passes();
        let healthy = self.standing().is_some_and(|it| self.is_healthy(it));
        if healthy {
            self.row = Row::default();
        }
        if let Link::Parting { .. } = self.link {
            self.idle();
        } else if why == Why::Exactly(LinkError::Moved) || self.addresses.is_empty() {
            let until = self.now.max(self.dial_after);
            let (link, retry_at) = match self.addresses.is_empty() {
                true => (Link::Down, None),
                false => (Link::Backoff { until }, Some(until)),
            };
            self.link = link;
            self.said.push(Said::Disconnected { why, retry_at });
        } else {
            self.back_off(attempt, why, healthy);
        }
    }

    /// The receiver has answered a message, or the connection has stood for long enough.
    fn is_healthy(&self, standing: &Standing) -> bool {
        let stood = self.now.saturating_since(standing.since);
        standing.answered || stood >= self.shape.health_after
    }

    /// The streams are gone; what was written on them may still arrive.
    pub(super) fn disconnect(&mut self) {
        for stream in std::mem::take(&mut self.streams) {
            if stream.is_resumed() && !stream.over {
                self.fall_silent(stream.lane);
            }
        }
        self.ghosts.append(&mut self.wires);
    }

    fn back_off(&mut self, attempt: u64, why: Why, healthy: bool) {
        if !healthy && self.addresses.get(self.turn) == Some(&self.address) {
            self.turn = (self.turn + 1) % self.addresses.len();
        }
        let permanent = match &why {
            Why::Exactly(error) => Trouble::is_permanent(error),
            Why::Protocol => false,
        };
        let (now, places) = (self.now, self.addresses.len());
        let delay = self.row.fails(now, permanent, places, &self.shape);
        let failures = self.row.failures();
        let ends_at = self.row.ends_at(&self.shape);
        let until = ends_at.map_or(now + delay, |end| end.min(now + delay));
        self.link = Link::Backoff { until };
        if matches!(self.phase, Phase::Stopping { .. }) && self.is_settled() {
            return;
        }
        let often = self.shape.attempts_max.is_some_and(|max| failures >= max);
        if often || ends_at.is_some_and(|end| end <= now) {
            let retry_at = None;
            self.said.push(Said::Disconnected { why, retry_at });
            self.finish(StopReason::GaveUp, CloseCode::Done);
            return;
        }
        let delay = until.saturating_since(now);
        let retry_at = Some(until);
        self.said.extend([
            Said::Disconnected { why, retry_at },
            Said::BackoffStarted {
                failures,
                delay,
                until,
            },
            Said::ScheduleBackoff {
                attempt,
                delay,
                until,
            },
        ]);
    }

    /// A connection on which nothing was said for long begins to end.
    pub(super) fn rest(&mut self) {
        let due = self.rest_at();
        if let (Link::Up(standing), Some(due)) = (self.link, due)
            && due <= self.now
        {
            let until = self.now + self.shape.connect_timeout;
            self.link = Link::Parting { standing, until };
        }
    }

    /// It has ended once both ends have said all, or it takes too long.
    pub(super) fn part(&mut self) {
        let Link::Parting { until, .. } = self.link else {
            return;
        };
        if self.streams.iter().all(|it| it.over) || until <= self.now {
            let (attempt, code) = (self.attempts - 1, CloseCode::Done);
            self.said.push(Said::Close { attempt, code });
            self.disconnect();
            self.idle();
        }
    }

    fn idle(&mut self) {
        // What failed before the rest says nothing of the next attempt.
        self.row = Row::default();
        self.link = Link::Idle;
        self.said.push(Said::Idle);
    }

    pub(super) fn dial(&mut self, woken: Option<WakeReason>) {
        let operator = woken == Some(WakeReason::Operator);
        let (from, waited) = match self.link {
            _ if self.is_closed() => return,
            Link::Down => (self.dial_after, false),
            Link::Idle if self.is_settled() && !operator => return,
            Link::Idle => (self.dial_after, false),
            Link::Backoff { until } => {
                let cut = match woken {
                    Some(WakeReason::InboundContact) => self.row.heeds_contact(),
                    Some(_) => true,
                    None => false,
                };
                let earliest = self.dial_after.max(self.now);
                let until = if cut { earliest.min(until) } else { until };
                self.link = Link::Backoff { until };
                (until, true)
            }
            _ => return,
        };
        let Some(&address) = self.addresses.get(self.turn) else {
            return;
        };
        if from > self.now {
            self.link = Link::Backoff { until: from };
            return;
        }
        let ends_at = self.row.ends_at(&self.shape);
        if waited && ends_at.is_some_and(|end| end <= self.now) {
            self.finish(StopReason::GaveUp, CloseCode::Done);
            return;
        }
        let attempt = self.attempts;
        self.attempts += 1;
        self.address = address;
        self.dial_after = self.now + self.shape.backoff_min;
        let until = self.now + self.shape.connect_timeout;
        self.link = Link::Connecting { until };
        self.said.extend([
            Said::Connecting { attempt, address },
            Said::Dial { attempt, address },
        ]);
    }
}
