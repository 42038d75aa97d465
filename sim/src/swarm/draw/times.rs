//! What time does, and what comes at the wrong time.

use std::time::Duration;

use peer_sender_core::Timer;

use super::{ENDS, SECOND, pick};
use crate::op::{End, Op, Stale};
use crate::oracle::Violation;
use crate::swarm::class::Class;
use crate::swarm::play::Player;
use crate::tape::Choices;

impl Player {
    /// Whether an end's next timer, or that of either, may fire: where what follows is a fault, only
    /// if that fault is on.
    pub(super) fn may_fire(&self, end: Option<End>) -> bool {
        let sender = || match self.world.sender().next_deadline().map(|it| it.timer) {
            Some(Timer::Connect | Timer::Resume) => {
                self.classes.has(Class::Attempt) || self.frozen > 0
            }
            _ => true,
        };
        let receiver = || match self.world.sessions().next_deadline().map(|it| it.timer) {
            Some(Timer::SessionTtl) if !self.classes.has(Class::Forget) => false,
            _ => self.frozen == 0,
        };
        match end {
            None => sender() && receiver(),
            Some(End::Dialler) => sender(),
            Some(End::Acceptor) => receiver(),
        }
    }

    pub(super) fn fire(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let ends = [None, Some(End::Dialler), Some(End::Acceptor)];
        let end = pick(it, &ends);
        if self.may_fire(end) {
            return self.happens(Op::Fire { end });
        }
        let end = Some(End::Dialler);
        Ok(self.may_fire(end) && self.happens(Op::Fire { end })?)
    }

    pub(super) fn late(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let end = pick(it, &ENDS);
        let Some(left) = self
            .world
            .time_left(end)
            .filter(|_| self.may_fire(Some(end)))
        else {
            return Ok(false);
        };
        let by = left + it.time(Duration::ZERO, 10 * SECOND);
        self.happens(Op::Advance { by })?;
        self.happens(Op::Tick { end })
    }

    pub(super) fn overdue(&mut self) -> Result<bool, Violation> {
        let end = Some(End::Dialler);
        match self.world.sender().next_deadline().map(|it| it.timer) {
            Some(Timer::Connect | Timer::Resume) => self.happens(Op::Fire { end }),
            _ => Ok(false),
        }
    }

    pub(super) fn stale(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let end = pick(it, &ENDS);
        let kind = pick(it, &Stale::ALL);
        let number = match it.below(3) {
            0 => self.world.dialled().saturating_sub(it.below(3)),
            1 => it.log_uniform(0, 1_000),
            _ => u64::MAX - it.below(2),
        };
        let fits = self.world.is_stale(end, kind, number);
        Ok(fits && self.happens(Op::Stale { end, kind, number })?)
    }
}
