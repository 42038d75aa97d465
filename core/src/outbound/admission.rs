//! Which messages a sending half takes, and from when on it has them.

use alloc::vec::Vec;

use bytes::Bytes;

use super::classes::lanes_above;
use super::message::Message;
use super::{Outbound, OutboundLane};
use crate::{Capacity, Lane, MessageId, MessageOptions, Protocol, RejectReason, SendPolicy, Time};

impl Outbound {
    /// What a lane's queue would take now.
    pub(crate) fn capacity(&self, lane: Lane) -> Capacity {
        match self.lanes.get(usize::from(lane.0)) {
            Some(known) => known.capacity(&self.limits),
            None if lane.0 < self.limits.lanes => {
                OutboundLane::new(Time::ZERO).capacity(&self.limits)
            }
            None => Capacity::default(),
        }
    }

    /// Queues a message, or says why not. Its id counts as offered in any case.
    pub(crate) fn queue(
        &mut self,
        now: Time,
        id: MessageId,
        lane: Lane,
        payload: Bytes,
        options: MessageOptions,
    ) -> Result<(), (RejectReason, Bytes)> {
        let admitted = self.admit(id, lane, payload.len());
        self.last_id = self.last_id.max(Some(id));
        if let Err(reason) = admitted {
            return Err((reason, payload));
        }
        let of_peer = self.limits.policy.ttl.map(|ttl| now + ttl);
        let message = Message {
            id,
            payload,
            accepted_at: now,
            expires_at: of_peer.into_iter().chain(options.expires_at).min(),
        };
        let lane = lane_mut(&mut self.lanes, &self.limits.policy, lane, now);
        lane.times.0.kept = self.timed.0;
        lane.push(message, &self.limits);
        Ok(())
    }

    /// Notes an id that was offered and handed back for another reason.
    pub(crate) fn offered(&mut self, id: MessageId) {
        self.last_id = self.last_id.max(Some(id));
    }

    fn admit(&self, id: MessageId, lane: Lane, bytes: usize) -> Result<(), RejectReason> {
        let room = self.capacity(lane);
        let max = self.limits.message_bytes_max;
        if self.last_id.is_some_and(|last| id <= last) {
            Err(RejectReason::IdNotIncreasing)
        } else if lane.0 >= self.limits.lanes {
            Err(RejectReason::UnknownLane { lane: lane.0 })
        } else if bytes > max {
            Err(RejectReason::TooLarge { bytes, max })
        } else if bytes == 0 && self.protocol == Protocol::Framed {
            Err(RejectReason::Empty)
        } else if room.messages == 0 || room.bytes < bytes {
            Err(RejectReason::QueueFull)
        } else {
            Ok(())
        }
    }

    /// Takes a message back if it can be: what follows from that shows once
    /// [`time_passes`](Self::time_passes). False if it is not here.
    pub(crate) fn cancel(&mut self, id: MessageId, now: Time) -> bool {
        self.lanes.iter_mut().any(|lane| lane.cancel(id, now))
    }
}

/// The lane, which is made if there is none: those below it as well, since an unused one costs
/// little.
fn lane_mut<'a>(
    lanes: &'a mut Vec<OutboundLane>,
    policy: &SendPolicy,
    lane: Lane,
    now: Time,
) -> &'a mut OutboundLane {
    let place = usize::from(lane.0);
    if lanes.len() <= place {
        lanes.reserve_exact(place + 1 - lanes.len());
        for number in (0..=lane.0).map(Lane).skip(lanes.len()) {
            let mut made = OutboundLane::new(now);
            made.outpaced_by = lanes_above(policy, number);
            lanes.push(made);
        }
    }
    &mut lanes[place]
}
