//! The invariants of a lane that is received, by their ids in `docs/invariants.md`.

use super::stream::{Arrival, End};
use super::{InboundLane, Known};
use crate::inbound::budget::MESSAGE_OVERHEAD;
use crate::{Lane, Violation};

impl InboundLane {
    /// Whether this is the message that its stream's bytes say is coming, of so many bytes of which
    /// so many are here.
    pub(crate) fn awaits(&self, payload: Option<(u64, usize)>) -> bool {
        let arrival = self.stream().map_or(Arrival::Idle, |it| it.arrival);
        match (arrival, payload) {
            (Arrival::Idle, None) => true,
            (Arrival::Waiting { length }, Some((coming, here))) => {
                here == 0 && length as u64 == coming
            }
            (Arrival::Coming { cost }, Some((coming, _))) => {
                cost as u64 == coming.saturating_add(MESSAGE_OVERHEAD as u64)
            }
            (Arrival::Idle, Some(_)) => false,
            (Arrival::Waiting { .. } | Arrival::Coming { .. }, None) => false,
        }
    }

    /// The record's own invariants, and the stream's place beside it. `lane`: which one it is.
    pub(crate) fn check(&self, lane: Lane) -> Result<(), Violation> {
        let Some(Known {
            record,
            newest,
            stream,
        }) = &self.known
        else {
            return Ok(());
        };
        record.check()?;
        let wrong = |id, what| Err(Violation { id, what });
        if record.lane() != lane {
            return wrong("I10", "a lane has the record of another");
        }
        let Some(stream) = stream else { return Ok(()) };
        if stream.place.attempt != *newest {
            return wrong(
                "I10",
                "the lane is held by another connection than its newest",
            );
        }
        if stream.position > record.next() {
            return wrong("I7", "a stream stands above next");
        }
        if stream.told > record.taken() {
            return wrong("I3", "more was told to be taken than is");
        }
        if matches!(stream.end, End::Finished | End::Acknowledged) && stream.told != record.next() {
            return wrong("I3", "our FIN went before the last RECEIPT");
        }
        Ok(())
    }
}
