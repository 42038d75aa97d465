//! States compared across histories.

use super::{Link, Phase, State};
use crate::{Attempt, Config, Time};

/// A sender's state without its history: times are relative to now, names and numbers are
/// counted from the first in use. Machines of one configuration with equal canonical states
/// answer the same further events alike, up to those names.
///
/// A joint one keeps what the other end knows as well: the session, and from where a lane's
/// numbers are counted. Without them, two senders that differ in how much the receiver has taken
/// may be equal, each taken alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Canonical(State);

impl Canonical {
    pub(super) fn alone(state: &State, config: &Config) -> Self {
        let Self(mut state) = Self::joint(state, config);
        state.outbound.renumber();
        Self(state)
    }

    pub(super) fn joint(state: &State, config: &Config) -> Self {
        let mut state = state.clone();
        let now = state.now;
        let left = |until: Time| Time::ZERO + until.saturating_since(now);
        // Older than it takes to make a difference makes none.
        let age = |since: Time, most| Time::ZERO + now.saturating_since(since).min(most);
        match &mut state.link {
            Link::Connecting { attempt, until, .. } => {
                *attempt = Attempt(0);
                *until = left(*until);
            }
            Link::Backoff { until } | Link::Parting { until, .. } => *until = left(*until),
            Link::Down | Link::Up(_) | Link::Draining(_) | Link::Idle => {}
        }
        if let Some(connection) = state.link.connection_mut() {
            connection.attempt = Attempt(0);
            connection.since = age(connection.since, config.health_after);
            let rest = config.disconnect_after.unwrap_or_default();
            connection.active = age(connection.active, rest);
        }
        if let Phase::Stopping { until, .. } = &mut state.phase {
            *until = left(*until);
        }
        state.dial_after = left(state.dial_after);
        state.backoff.make_relative(now, config);
        let carrier = state.inbound.rename(state.outbound.carrier());
        let age_max = config.slow_after.unwrap_or_default();
        state.outbound.rename(now, age_max, carrier);
        state.now = Time::ZERO;
        state.next_attempt = u64::from(state.link.attempt().is_some());
        state.transfers = 0;
        Self(state)
    }
}
