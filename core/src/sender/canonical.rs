//! States compared across histories.

use super::{Link, Phase, State};
use crate::{Attempt, Config, MessageId, Time};

/// A sender's state without its history: times are relative to now, names and numbers are
/// counted from the first in use. Machines of one configuration with equal canonical states
/// answer the same further events alike, up to those names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Canonical(State);

impl Canonical {
    pub(super) fn of(state: &State, config: &Config) -> Self {
        let mut state = state.clone();
        let now = state.now;
        let left = |until: Time| Time::ZERO + until.saturating_since(now);
        // Older than it takes to count as healthy makes no difference.
        let age = |since: Time| Time::ZERO + now.saturating_since(since).min(config.health_after);
        state.link = match state.link {
            Link::Connecting { until, .. } => Link::Connecting {
                attempt: Attempt(0),
                until: left(until),
            },
            Link::Backoff { until } => Link::Backoff { until: left(until) },
            Link::Up(mut established) => {
                established.attempt = Attempt(0);
                established.since = age(established.since);
                Link::Up(established)
            }
            Link::Draining(mut established) => {
                established.attempt = Attempt(0);
                established.since = age(established.since);
                Link::Draining(established)
            }
            Link::Down => Link::Down,
        };
        if let Phase::Stopping { until, aborted } = state.phase {
            state.phase = Phase::Stopping {
                until: left(until),
                aborted,
            };
        }
        state.now = Time::ZERO;
        state.session = 0;
        state.next_attempt = u64::from(state.link.attempt().is_some());
        state.next_transfer = u64::from(state.stream.as_ref().is_some_and(|s| s.is_writing()));
        state.last_id = state.last_id.map(|_| MessageId(state.lane.rename_ids()));
        state.renumber(now);
        Self(state)
    }
}

impl State {
    fn renumber(&mut self, now: Time) {
        let lowest = self
            .stream
            .as_ref()
            .map_or(u64::MAX, |stream| stream.lowest_number());
        let origin = self.lane.first().min(lowest);
        self.lane.renumber(origin);
        if let Some(stream) = &mut self.stream {
            stream.renumber(origin, Attempt(0), now);
        }
    }
}
