//! A sender of another configuration, beside one that was recorded: what if.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::content::Zeros;
use super::event::TraceEvent;
use crate::{Action, Config, Deadline, Event, PeerSenderMachine, Time};

/// A sender that goes through what another was told, under a configuration of its own.
///
/// What it was told are answers of the outside world to what the other asked for. They fit for as
/// long as this one asks [for the same](is_outward) at the same moments, and no longer: whoever
/// steps it must compare, and stop at the first difference.
#[derive(Clone, Debug)]
pub struct Alternative {
    machine: Box<PeerSenderMachine>,
    zeros: Zeros,
    actions: Vec<Action>,
}

impl Alternative {
    /// As it is made.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            machine: Box::new(PeerSenderMachine::new(config, seed)),
            zeros: Zeros::default(),
            actions: Vec::new(),
        }
    }

    /// The sender as it stands now.
    pub fn machine(&self) -> &PeerSenderMachine {
        &self.machine
    }

    /// Its next deadline, if that comes before `now`, and before the deadline that the recorded
    /// sender had: so that it has to be [stepped alone](Self::step_alone) first. Where both have the
    /// same deadline, the recorded step is that of both, late as it may be.
    pub fn due_before(&self, now: Time, recorded: Option<Deadline>) -> Option<Deadline> {
        let due = self.machine.next_deadline()?;
        let first = recorded.is_none_or(|recorded| due.at < recorded.at);
        (due.at < now && first).then_some(due)
    }

    /// A step that the recorded sender did not have: a deadline has come. Returns what came of it.
    pub fn step_alone(&mut self, due: Deadline) -> &[Action] {
        self.actions.clear();
        self.machine
            .handle(due.at, [Event::TimerFired], &mut self.actions);
        &self.actions
    }

    /// A step that was recorded. Returns what came of it; none if the events name more payload than
    /// there may be.
    pub fn step(&mut self, now: Time, events: &[TraceEvent]) -> Option<&[Action]> {
        self.actions.clear();
        let zeros = &mut self.zeros;
        let told: Option<Vec<Event>> = events.iter().map(|event| event.event(zeros)).collect();
        self.machine.handle(now, told?, &mut self.actions);
        Some(&self.actions)
    }
}

/// Whether the outside world answers an action, or sees it: the network, the peer, and the
/// application that takes the peer's messages. All others only tell the user something.
pub fn is_outward(action: &Action) -> bool {
    match action {
        Action::Connect { .. }
        | Action::Write { .. }
        | Action::Deliver(_)
        | Action::ForgetDelivered
        | Action::PauseReading { .. }
        | Action::ResumeReading { .. }
        | Action::Probe { .. }
        | Action::ResetStream { .. }
        | Action::StopSending { .. }
        | Action::Close { .. } => true,
        Action::ScheduleBackoff { .. }
        | Action::Emit(_)
        | Action::Settle { .. }
        | Action::HandBack(_)
        | Action::Reject { .. }
        | Action::Room { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::{Attempt, LinkError};

    fn with_backoff(min: u64) -> Config {
        Config::builder("192.0.2.1:4433".parse().unwrap())
            .backoff_min(Duration::from_millis(min))
            .build()
            .unwrap()
    }

    fn failed() -> [TraceEvent; 1] {
        [TraceEvent::ConnectFailed {
            attempt: Attempt(0),
            error: LinkError::Unreachable,
        }]
    }

    #[test]
    fn the_same_configuration_asks_for_the_same() {
        let mut recorded = PeerSenderMachine::new(with_backoff(100), [7; 32]);
        let mut other = Alternative::new(with_backoff(100), [7; 32]);
        let mut actions = Vec::new();
        recorded.handle(Time::ZERO, [], &mut actions);
        assert_eq!(other.step(Time::ZERO, &[]), Some(actions.as_slice()));
        let due = recorded.next_deadline();
        assert_eq!(
            other.due_before(Time::from_secs(60), due),
            None,
            "it is due with the other"
        );
        assert_eq!(other.machine().next_deadline(), due);
    }

    #[test]
    fn a_shorter_wait_is_due_before() {
        let mut recorded = PeerSenderMachine::new(with_backoff(100), [7; 32]);
        let mut other = Alternative::new(with_backoff(20), [7; 32]);
        let mut actions = Vec::new();
        let unreachable = Event::ConnectFailed {
            attempt: Attempt(0),
            error: LinkError::Unreachable,
        };
        recorded.handle(Time::ZERO, [], &mut actions);
        recorded.handle(Time::from_millis(1), [unreachable], &mut actions);
        other.step(Time::ZERO, &[]);
        let told = other.step(Time::from_millis(1), &failed()).unwrap();
        assert!(!told.iter().any(is_outward), "{told:?}");
        let due = other.due_before(Time::from_millis(101), recorded.next_deadline());
        let due = due.unwrap();
        assert_eq!(due.at, Time::from_millis(21));
        assert_eq!(other.due_before(due.at, recorded.next_deadline()), None);
        let asked = other.step_alone(due);
        assert!(asked.iter().any(is_outward), "it dials: {asked:?}");
    }
}
