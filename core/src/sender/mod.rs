//! The dialling end: one peer's sender, whole.
//!
//! A step has two halves. [`apply`](apply) records what each event says and decides nothing;
//! [`settle`](settle) looks at the whole state once and is the only place that emits actions, with
//! what concerns the connection in [`linking`](linking).

mod apply;
mod backoff;
mod canonical;
mod check;
#[cfg(feature = "trace")]
mod image;
mod linking;
mod look;
mod settle;
mod snapshot;
mod state;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

pub use self::backoff::Backoff;
pub use self::canonical::Canonical;
pub(crate) use self::linking::refuses_session;
pub use self::look::LaneSnapshot;
pub use self::state::{Ending, Established, Link, Phase, State};
use crate::table::TRANSITIONS;
use crate::{
    Action, Capacity, Config, Deadline, Event, Lane, LinkError, ReceiverStats, Stats, Time,
    Transfer,
};

/// Gets messages to one peer, and tells what became of each.
///
/// Pure: the same configuration, seed and steps give the same actions, on every platform. The
/// caller executes the [`Action`]s and reports what comes of them as [`Event`]s.
///
/// ```
/// use peer_sender_core::{Action, Attempt, Config, Event, Lane, MessageId, MessageOptions};
/// use peer_sender_core::{PeerSenderMachine, StopMode, Time};
///
/// let config = Config::new("192.0.2.1:4433".parse().unwrap()).unwrap();
/// let mut machine = PeerSenderMachine::new(config, [7; 32]);
/// let mut actions = Vec::new();
///
/// let (id, lane, options) = (MessageId(0), Lane(0), MessageOptions::default());
/// let message = Event::MessageQueued { id, lane, payload: "hello".into(), options };
/// machine.handle(Time::ZERO, [message], &mut actions);
/// assert!(matches!(actions[1], Action::Connect { attempt: Attempt(0), .. }));
///
/// // Nobody answers: the attempt is given up after 5 s, and another follows after 100 ms.
/// let deadline = machine.next_deadline().unwrap();
/// assert_eq!(deadline.at, Time::from_secs(5));
/// machine.handle(deadline.at, [Event::TimerFired], &mut actions);
/// assert_eq!(machine.next_deadline().unwrap().at, Time::from_millis(5_100));
///
/// // Told to stop, it settles what it has accepted. `SenderStopped` is the last event.
/// actions.clear();
/// machine.handle(deadline.at, [Event::Stop { mode: StopMode::Abort }], &mut actions);
/// assert!(matches!(actions[0], Action::Settle { id: MessageId(0), .. }));
/// assert!(machine.is_closed());
/// ```
#[derive(Clone, Debug)]
pub struct PeerSenderMachine {
    config: Config,
    seed: [u8; 32],
    state: State,
    /// When it came to stand where it does.
    since: Time,
    last_error: Option<(LinkError, Time)>,
    stats: Stats,
    visits: [u64; TRANSITIONS.len()],
}

impl PeerSenderMachine {
    /// A sender that has not dialled yet; it does so in its first step, even one without events.
    ///
    /// `seed` names its sessions: it must be random, and used for no other machine ever.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let visits = [0; TRANSITIONS.len()];
        Self {
            state: State::new(&config, &seed),
            config,
            seed,
            since: Time::ZERO,
            last_error: None,
            stats: Stats::default(),
            visits,
        }
    }

    /// The earliest armed timer: the caller steps the machine with
    /// [`Event::TimerFired`] then. After a step it never lies before the step's `now`.
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.state.next_deadline(&self.config)
    }

    /// What would be accepted on this lane now: nothing once it is stopping.
    pub fn capacity(&self, lane: Lane) -> Capacity {
        match self.state.phase {
            Phase::Running => self.state.outbound.capacity(lane),
            Phase::Stopping { .. } | Phase::Closed => Capacity::default(),
        }
    }

    /// Everything that its decisions depend on.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Its state with times relative to now and names renumbered, so that two histories that
    /// will go on alike compare as equal.
    pub fn canonical(&self) -> Canonical {
        Canonical::alone(&self.state, &self.config)
    }

    /// The same with what the other end knows as well left as it is, for states that are compared
    /// together with those of the other end.
    pub fn canonical_joint(&self) -> Canonical {
        Canonical::joint(&self.state, &self.config)
    }

    /// Its counters. They take no part in its decisions.
    pub fn stats(&self) -> Stats {
        let (queued, queued_bytes) = self.state.outbound.queued();
        let (in_flight, in_flight_bytes) = self.state.outbound.in_flight();
        Stats {
            queued: queued as u64,
            queued_bytes: queued_bytes as u64,
            in_flight: in_flight as u64,
            in_flight_bytes: in_flight_bytes as u64,
            ..self.stats
        }
    }

    /// Counters of the peer's replies. They take no part in its decisions.
    pub fn reply_stats(&self) -> ReceiverStats {
        self.state.inbound.stats()
    }

    /// Whether `SenderStopped` was emitted: from then on it only rejects.
    pub fn is_closed(&self) -> bool {
        self.state.phase == Phase::Closed
    }

    /// Keeps the times of messages from here on, for [`take_transfers`](Self::take_transfers), or no
    /// longer. Off at first. No decision depends on it, and neither states nor traces show it.
    pub fn time_transfers(&mut self, on: bool) {
        self.state.outbound.time_transfers(on);
    }

    /// The times of the messages that the last step settled, if they are kept: to be taken after each
    /// step, since the next one lets go of them. There are as many as the step had `Settle`, lane by
    /// lane.
    pub fn take_transfers(&mut self) -> Vec<Transfer> {
        self.state.outbound.take_transfers(self.state.now)
    }

    /// How often each of [`TRANSITIONS`] was taken.
    pub fn visits(&self) -> &[u64; TRANSITIONS.len()] {
        &self.visits
    }

    /// One step: applies each event, then settles once.
    ///
    /// Total: no event in any state makes it panic or fail. Appends at most
    /// [`Config::actions_per_step_max`] actions, and for each message that the step brought a
    /// `Reject` if it is not accepted, or a `Settle` if it has its outcome in the same step. A `now` that goes back counts as the latest one seen.
    pub fn handle(
        &mut self,
        now: Time,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        self.state.now = match broken!(TimeGoesBack) {
            false => self.state.now.max(now),
            true => now,
        };
        self.state.outbound.begin_step();
        for event in events {
            self.apply(event);
        }
        self.settle(actions);
        debug_assert_eq!(self.check_step(), Ok(()));
    }
}
