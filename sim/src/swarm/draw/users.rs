//! What users ask for, and what the receiving application does.

use std::time::Duration;

use super::ADDRESSES_MAX;
use crate::op::{Amount, End, Op};
use crate::oracle::Violation;
use crate::swarm::play::Player;
use crate::tape::Choices;
use crate::transport::Connection;

const BURST_MAX: u64 = 40;

impl Player {
    pub(super) fn send(
        &mut self,
        it: &mut Choices<'_>,
        ttl: Option<Duration>,
    ) -> Result<bool, Violation> {
        let lanes = self.world.settings().lanes;
        let lane = it.below(lanes) as u8;
        let bytes = it.log_uniform(0, self.bytes_max) as u32;
        self.happens(Op::Send { lane, bytes, ttl })
    }

    pub(super) fn burst(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let most = self.world.settings().message_bytes_max;
        let lane = it.below(self.world.settings().lanes + 1) as u8;
        let count = 1 + it.below(BURST_MAX);
        let bytes = match it.below(4) {
            0 => 0,
            1 => most,
            2 => most + 1,
            _ => it.log_uniform(0, self.bytes_max),
        } as u32;
        for _ in 0..count {
            let ttl = None;
            self.happens(Op::Send { lane, bytes, ttl })?;
        }
        Ok(true)
    }

    /// The lane of a message that the application holds, and reads.
    pub(super) fn held_lane(&self, it: &mut Choices<'_>) -> Option<u8> {
        let held = self.world.held_count();
        let lane = self.world.held_lane(it.below(held as u64) as usize)?;
        (self.deaf & 1 << lane == 0 && self.frozen == 0).then_some(lane)
    }

    pub(super) fn take(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        match self.held_lane(it) {
            Some(lane) => self.happens(Op::Take { lane }),
            None => Ok(false),
        }
    }

    pub(super) fn refuse(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let Some(lane) = self.held_lane(it) else {
            return Ok(false);
        };
        // 1 is what a receiver itself says of what is too large.
        let code = 2 + it.log_uniform(0, 1_000);
        self.happens(Op::Refuse { lane, code })
    }

    /// In the very step in which something arrives at the sender.
    pub(super) fn with(&mut self, op: Op, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let op = Box::new(op);
        let asked = self.happens(Op::With { op })?;
        let down = |it: &Connection, end| end == End::Dialler && it.carries(End::Acceptor);
        let arrives = match self.standing(it, down) {
            Some((conn, _)) => self.happens(Op::Deliver {
                conn,
                from: End::Acceptor,
                stream: None,
                amount: Amount::All,
            })?,
            None => false,
        };
        if !arrives {
            let end = End::Dialler;
            self.happens(Op::Tick { end })?;
        }
        Ok(asked)
    }

    pub(super) fn addresses(&mut self, it: &mut Choices<'_>) -> Result<bool, Violation> {
        let times = match it.chance(32) {
            true => 2 + it.below(8),
            false => 1,
        };
        for _ in 0..times {
            let places = self.places(it);
            self.happens(Op::Addresses { places })?;
        }
        Ok(true)
    }

    pub(super) fn places(&self, it: &mut Choices<'_>) -> Vec<u8> {
        let count = match it.below(4) {
            0 => 0,
            1 => it.below(ADDRESSES_MAX),
            _ => 1,
        };
        let first = it.below(ADDRESSES_MAX);
        let places = (0..count).map(|step| ((first + step) % ADDRESSES_MAX) as u8);
        places.collect()
    }
}
