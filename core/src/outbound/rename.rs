//! A sending half's state under other names, to be compared across histories.

use alloc::vec::Vec;
use core::time::Duration;

use super::Outbound;
use super::carrier::Carrier;
use crate::{Attempt, Lane, MessageId, SessionId, Time};

impl Outbound {
    /// Names messages by their order and the connection as told, and counts times from `now`, for
    /// states to be compared across histories.
    pub(crate) fn rename(&mut self, now: Time, age_max: Duration, attempt: Option<Attempt>) {
        let mut all: Vec<MessageId> = Vec::new();
        self.lanes
            .iter_mut()
            .for_each(|lane| all.extend(lane.ids().map(|id| *id)));
        all.sort_unstable();
        for lane in &mut self.lanes {
            for id in lane.ids() {
                let rank = all.partition_point(|other| other < id);
                *id = MessageId(rank as u64);
            }
            lane.make_relative(now, &self.limits.policy, age_max);
        }
        self.last_id = self.last_id.map(|_| MessageId(all.len() as u64));
        if let Some(carrier) = &mut self.carrier {
            carrier.attempt = attempt.unwrap_or(carrier.attempt);
            carrier.rename(now, &all);
        }
    }

    /// Forgets what the other end knows as well: the session's name, and from where its numbers
    /// are counted.
    pub(crate) fn renumber(&mut self) {
        self.session = SessionId([0; 16]);
        for (number, lane) in (0..).map(Lane).zip(&mut self.lanes) {
            let mut streams = self.carrier.iter_mut().flat_map(Carrier::lanes_mut);
            let mut stream = streams.find(|stream| stream.lane == number);
            let lowest = stream.as_ref().map_or(u64::MAX, |it| it.lowest_number());
            let origin = lane.first.min(lowest);
            lane.renumber(origin);
            if let Some(stream) = &mut stream {
                stream.open.session = SessionId([0; 16]);
                stream.renumber(origin);
            }
        }
    }
}
