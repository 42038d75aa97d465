//! In which class each write goes out ([`Priority`]).

use super::OutboundLane;
use crate::{LANES_MAX, Lane, Priority, SendPolicy};

/// Of so many writes in a row, one goes out in the lowest class ([`Priority`]).
pub(super) const YIELDS_EVERY: u8 = 16;

/// The lanes that may have more to send than QUIC takes, each a bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct BusyLanes {
    /// QUIC has not taken their last write.
    writing: u8,
    /// They have messages that wait.
    queueing: u8,
}

impl BusyLanes {
    pub(super) fn of(
        writing: impl Iterator<Item = Lane>,
        queueing: impl Iterator<Item = Lane>,
    ) -> Self {
        Self {
            writing: writing.fold(0, |lanes, lane| lanes | bit(lane)),
            queueing: queueing.fold(0, |lanes, lane| lanes | bit(lane)),
        }
    }

    /// The highest class of a lane that keeps QUIC busy, seen from a lane that these have outpaced.
    /// One whose messages wait and which writes nothing meanwhile is held up by its own receiver, and
    /// takes nothing from others.
    pub(super) fn highest(self, policy: &SendPolicy, outpaced_by: u8) -> Priority {
        let busy = self.writing | self.queueing & outpaced_by;
        let lanes = (0..LANES_MAX)
            .map(Lane)
            .filter(|lane| busy & bit(*lane) != 0);
        let classes = lanes.map(|lane| policy.priority(lane));
        classes.max().unwrap_or(Priority::Low)
    }
}

/// A lane writes: it has outpaced those below it, and none has outpaced it since.
pub(super) fn note_write(lanes: &mut [OutboundLane], policy: &SendPolicy, writer: Lane) {
    for (number, lane) in (0..).map(Lane).zip(lanes) {
        if number == writer {
            lane.outpaced_by = 0;
        } else {
            lane.outpaced_by |= bit(writer) & lanes_above(policy, number);
        }
    }
}

/// The lanes of a higher class, each a bit.
pub(super) fn lanes_above(policy: &SendPolicy, lane: Lane) -> u8 {
    let own = policy.priority(lane);
    let lanes = (0..LANES_MAX).map(Lane);
    let above = lanes.filter(|other| policy.priority(*other) > own);
    above.fold(0, |lanes, other| lanes | bit(other))
}

fn bit(lane: Lane) -> u8 {
    1_u8.checked_shl(u32::from(lane.0)).unwrap_or(0)
}

impl OutboundLane {
    /// The class in which the lane's next write goes out: its own, or, every so often, the lowest of
    /// those that have something to send, so that none of them starves. While a higher lane keeps
    /// QUIC busy a lane always goes in the lowest: the higher one, in its turn there, must wait for
    /// no other class.
    pub(super) fn turn(&mut self, own: Priority, lowest: Priority, highest: Priority) -> Priority {
        if own < highest && lowest < own {
            return lowest;
        }
        if lowest >= own || broken!(LaneNeverYields) {
            self.unyielding = 0;
            return own;
        }
        self.unyielding += 1;
        if self.unyielding < YIELDS_EVERY {
            return own;
        }
        self.unyielding = 0;
        lowest
    }
}
