//! How a node dials: one connection at a time, each attempt within its time, and between them the
//! waits that the documentation tells.

use std::time::Duration;

use peer_sender_core::{ErrorClass, LinkError, Outcome, PeerEvent, Time, UnknownReason};

use super::oracle::{Broken, broken};
use super::settings::Settings;

// The defaults of a peer's configuration, which no scenario changes.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const REFUSAL_BACKOFF_MIN: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a node has told of its connection to a peer, by its own clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialling {
    /// The latest attempt, and when it began.
    attempt: Option<(u64, Time)>,
    connecting: bool,
    /// Since when there is a connection.
    connected: Option<Time>,
    /// Failures in a row, of both classes.
    transient: u32,
    permanent: u32,
    /// Permanent errors without a transient one between them.
    refused: usize,
    /// How many addresses of the peer it knows.
    pub(super) places: usize,
    /// Something came that may have proven the peer healthy.
    healthy: bool,
    failed: Option<LinkError>,
}

impl Dialling {
    /// Of a peer with so many addresses.
    pub(super) fn of(places: usize) -> Self {
        Self {
            places,
            ..Self::default()
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected.is_some()
    }

    /// Judges what is told now. `slack`: how late the node's timers may be, at this moment.
    pub(super) fn hear(
        &mut self,
        now: Time,
        event: &PeerEvent,
        slack: Duration,
        settings: &Settings,
    ) -> Result<(), Broken> {
        match event {
            PeerEvent::Connecting { attempt, .. } => {
                let older = self.attempt.is_some_and(|(last, _)| last >= attempt.0);
                if older || self.connecting || self.connected.is_some() {
                    return broken(
                        "I9",
                        format!("{attempt:?} is begun beside another: {self:?}"),
                    );
                }
                self.attempt = Some((attempt.0, now));
                self.connecting = true;
            }
            PeerEvent::Connected { attempt } => {
                let known = self.attempt.is_some_and(|(last, _)| last == attempt.0);
                if !known || !self.connecting {
                    return broken("I9", format!("{attempt:?} stands beside another: {self:?}"));
                }
                self.connecting = false;
                self.connected = Some(now);
            }
            PeerEvent::Disconnected { error, .. } => {
                if let (true, Some((_, begun))) = (self.connecting, self.attempt)
                    && now.saturating_since(begun) > CONNECT_TIMEOUT + slack
                {
                    return broken("L3", format!("an attempt has taken too long: {self:?}"));
                }
                self.healthy |= self.connected.is_some_and(|since| {
                    // Confirmed, and up for `health_after`.
                    now.saturating_since(since) >= Duration::from_secs(10)
                });
                self.failed = Some(error.clone());
                (self.connecting, self.connected) = (false, None);
            }
            PeerEvent::BackoffStarted {
                failures, delay, ..
            } => self.judge_wait(*failures, *delay, settings)?,
            PeerEvent::AddressChanged { .. } => self.healthy = true,
            PeerEvent::Idle => {
                self.healthy = true;
                self.connected = None;
            }
            PeerEvent::SenderStopped { .. }
            | PeerEvent::SlowPeer { .. }
            | PeerEvent::SlowPeerCleared => {}
        }
        Ok(())
    }

    /// Judges an outcome by whether there is a connection.
    pub(super) fn hear_outcome(
        &mut self,
        now: Time,
        outcome: &Outcome,
        slack: Duration,
    ) -> Result<(), Broken> {
        match outcome {
            Outcome::Delivered(_) | Outcome::Refused(_) => self.healthy |= self.connected.is_some(),
            Outcome::Unknown(UnknownReason::Patience) => {
                // Until the receiver has said what it has, it is as good as away.
                let there = |since: Time| now.saturating_since(since) > CONNECT_TIMEOUT + slack;
                if self.connected.is_some_and(there) {
                    return broken("L1", format!("{outcome:?}, and the receiver is there"));
                }
            }
            Outcome::Expired
            | Outcome::Cancelled
            | Outcome::Failed(_)
            | Outcome::Unknown(_)
            | Outcome::Written => {}
        }
        Ok(())
    }

    /// The wait follows from the failures in a row, which begin anew only with a proof of health.
    fn judge_wait(
        &mut self,
        failures: u32,
        delay: Duration,
        settings: &Settings,
    ) -> Result<(), Broken> {
        let class = self.failed.as_ref().map(LinkError::class);
        if failures != self.transient + self.permanent + 1 {
            if failures != 1 || !self.healthy {
                let what =
                    format!("failure {failures} in a row, with no proof of health: {self:?}");
                return broken("I11", what);
            }
            (self.transient, self.permanent, self.refused) = (0, 0, 0);
        }
        self.healthy = false;
        self.refused = match class == Some(ErrorClass::Permanent) {
            true => self.refused + 1,
            false => 0,
        };
        // A permanent error at one of several addresses counts as such once each has refused.
        let refused = self.refused > 0 && self.refused.is_multiple_of(self.places.max(1));
        let (count, min, max) = match refused {
            true => (
                &mut self.permanent,
                REFUSAL_BACKOFF_MIN,
                settings.refusal_backoff_max,
            ),
            false => (&mut self.transient, BACKOFF_MIN, settings.backoff_max),
        };
        *count += 1;
        let exact = min.saturating_mul(fibonacci(*count)).min(max);
        let so = match settings.jitter {
            true => (min..=max).contains(&delay),
            false => delay == exact,
        };
        match so {
            true => Ok(()),
            false => broken(
                "I11",
                format!("a wait of {delay:?}, not {exact:?}: {self:?}"),
            ),
        }
    }
}

fn fibonacci(n: u32) -> u32 {
    let step = |(this, next): (u32, u32), _| (next, this.saturating_add(next));
    (0..n).fold((0, 1), step).0
}
