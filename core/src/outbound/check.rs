//! The invariants of a sending half, by their ids in `docs/invariants.md`.

use alloc::vec::Vec;

use super::carrier::Carrier;
use super::{Outbound, OutboundLane};
use crate::{Lane, TransferId, Violation};

impl Outbound {
    /// The name of the newest write that QUIC has not taken whole, or whose stream or batch is open.
    pub(crate) fn newest_transfer(&self) -> Option<TransferId> {
        self.carrier.as_ref().and_then(Carrier::newest_transfer)
    }

    /// Whether the books agree with what they count.
    pub(crate) fn check(&self) -> Result<(), Violation> {
        self.lanes
            .iter()
            .try_for_each(|lane| lane.check(&self.limits))?;
        let wrong = |id, what| Err(Violation { id, what });
        if self.lanes.len() > usize::from(self.limits.lanes) {
            return wrong("I21", "more lanes than may be");
        }
        let newest = self.lanes.iter().filter_map(OutboundLane::newest).max();
        if newest > self.last_id {
            return wrong("I7", "a message has an id that was never offered");
        }
        let Some(carrier) = &self.carrier else {
            return Ok(());
        };
        if carrier.protocol() != self.protocol {
            return wrong("I9", "streams of another protocol");
        }
        let mut lanes: Vec<Lane> = Vec::new();
        for stream in carrier.lanes() {
            let Some(lane) = self.lanes.get(usize::from(stream.lane.0)) else {
                return wrong("I9", "a stream without its lane");
            };
            if lanes.contains(&stream.lane) {
                return wrong("I9", "two streams of one lane");
            }
            lanes.push(stream.lane);
            stream.check(lane)?;
        }
        carrier.check()?;
        let agree = carrier.plain().zip(self.lanes.first());
        if agree.is_some_and(|(streams, lane)| !streams.carry_what_begun(lane)) {
            return wrong(
                "I9",
                "what was written and is open is not what is on streams",
            );
        }
        Ok(())
    }
}
