//! The judge of what the user hands over and takes back: every wish of a step in its order, against
//! the room that the one before has left.

use std::collections::BTreeMap;

use bytes::Bytes;
use peer_sender_core::{
    Capacity, Event, FailReason, Lane, MessageId, Outcome, RejectReason, Time, WhenFull,
};

use crate::oracle::{LaneBooks, Message, Oracle};

/// What the user asks for in a step.
#[derive(Debug)]
pub(crate) enum Wish {
    Send {
        id: MessageId,
        lane: u8,
        payload: Bytes,
        /// Its own end, by the machine's clock.
        expires_at: Option<Time>,
        /// A stop came before it.
        stopped: bool,
    },
    TakeBack(MessageId),
}

impl Oracle {
    /// The user is about to hand a message over, or to take one back.
    pub(crate) fn wishes(&mut self, event: &Event) {
        match event {
            Event::MessageQueued {
                id,
                lane,
                payload,
                options,
            } => self.wishes.push(Wish::Send {
                id: *id,
                lane: lane.0,
                payload: payload.clone(),
                expires_at: options.expires_at,
                stopped: self.stop_at.is_some(),
            }),
            Event::Cancel { id } => self.wishes.push(Wish::TakeBack(*id)),
            _ => {}
        }
    }

    /// I8: what is accepted and what is handed back follows from the limits alone.
    pub(crate) fn judge_admission(
        &mut self,
        now: Time,
        mut rejected: BTreeMap<MessageId, (RejectReason, Bytes)>,
    ) {
        for wish in std::mem::take(&mut self.wishes) {
            match wish {
                Wish::TakeBack(id) => self.take_back(now, id),
                Wish::Send {
                    id,
                    lane,
                    payload,
                    expires_at,
                    stopped,
                } => {
                    let expected = self.refuses(lane, &payload, stopped);
                    let answer = rejected.remove(&id);
                    let reason = answer.as_ref().map(|(reason, _)| *reason);
                    assert_eq!(reason, expected, "I8 what becomes of {id}");
                    if let Some((_, back)) = answer {
                        assert_eq!(back, payload, "I8 another message came back");
                        self.rejected += 1;
                        continue;
                    }
                    self.accept(now, id, lane, payload, expires_at);
                }
            }
        }
        assert!(rejected.is_empty(), "I8 nobody offered {rejected:?}");
    }

    fn refuses(&self, lane: u8, payload: &Bytes, stopped: bool) -> Option<RejectReason> {
        let max = self.limits.message_bytes_max;
        let bytes = payload.len();
        let room = self.room(lane);
        if stopped || self.closed {
            Some(RejectReason::Stopped)
        } else if bytes > max {
            Some(RejectReason::TooLarge { bytes, max })
        } else if room.messages == 0 || room.bytes < bytes {
            Some(RejectReason::QueueFull)
        } else {
            None
        }
    }

    /// What a lane takes, as documented: what there is left, or all of it where the oldest make room.
    fn room(&self, lane: u8) -> Capacity {
        let limits = &self.limits;
        let books = &self.lanes[&lane];
        let (messages, bytes) = match limits.policy.when_full {
            WhenFull::Reject => (books.queue.len(), books.queue_bytes),
            WhenFull::DropOldest => (0, 0),
        };
        Capacity {
            messages: limits.queue_messages_max - messages,
            bytes: limits.queue_bytes_max - bytes,
        }
    }

    fn accept(
        &mut self,
        now: Time,
        id: MessageId,
        lane: u8,
        payload: Bytes,
        expires_at: Option<Time>,
    ) {
        let of_peer = self.limits.policy.ttl.map(|ttl| now + ttl);
        let expires_at = of_peer.into_iter().chain(expires_at).min();
        self.make_room(lane, payload.len());
        let books = self.lane(lane);
        books.live_bytes += payload.len() as u64;
        books.live.insert(id);
        books.queue.insert(id);
        books.queue_bytes += payload.len();
        books.waiting.push_back(id);
        books.queued_before += 1;
        self.expiries.extend(expires_at.map(|at| (at, id)));
        let message = Message::new(lane, payload, now, expires_at);
        let known = self.messages.insert(id, message);
        assert!(known.is_none(), "I1 {id} accepted twice");
    }

    /// The oldest that wait are put out, as many as are needed.
    fn make_room(&mut self, lane: u8, bytes: usize) {
        let (messages_max, bytes_max) =
            (self.limits.queue_messages_max, self.limits.queue_bytes_max);
        loop {
            let books = &self.lanes[&lane];
            let fits = books.queue.len() < messages_max && books.queue_bytes + bytes <= bytes_max;
            let Some(oldest) = books.queue.first().copied().filter(|_| !fits) else {
                return;
            };
            self.unqueue(oldest);
            self.due
                .insert(oldest, Outcome::Failed(FailReason::Displaced));
        }
    }

    /// A message that waits ends at once, and so does one that has surely not arrived; any other
    /// once that is known.
    fn take_back(&mut self, now: Time, id: MessageId) {
        if !self.is_live(id) || self.due.contains_key(&id) || self.allowed.contains_key(&id) {
            return;
        }
        let message = &self.messages[&id];
        if message.begun && !message.proven {
            self.give_up(id, Outcome::Cancelled, now);
        } else {
            self.unqueue(id);
            self.due.insert(id, Outcome::Cancelled);
        }
    }

    /// The message waits no longer, if it did.
    pub(crate) fn unqueue(&mut self, id: MessageId) {
        let message = &self.messages[&id];
        let bytes = message.payload.len();
        let books = self.lanes.get_mut(&message.lane).expect("its lane");
        if books.queue.remove(&id) {
            books.queue_bytes -= bytes;
        }
    }

    /// Whoever waits for room is told where messages have left a lane's queue, and of the room
    /// that there is.
    pub(crate) fn check_room(&mut self, capacity: impl Fn(Lane) -> Capacity) {
        let over = self.closed || self.stop_at.is_some();
        let told = std::mem::take(&mut self.rooms);
        for (lane, room) in &told {
            assert_eq!(*room, capacity(*lane), "I8 the room of {lane:?}");
        }
        for lane in 0..self.limits.lanes {
            let room = match over {
                true => Capacity::default(),
                false => self.room(lane),
            };
            assert_eq!(capacity(Lane(lane)), room, "I8 the capacity of lane {lane}");
            let books = self.lane(lane);
            let queued = books.queue.len() as u64;
            let left = std::mem::replace(&mut books.queued_before, queued) > queued;
            let named = told.iter().any(|(name, _)| name.0 == lane);
            assert!(!left || named || over, "I8 lane {lane} has room");
        }
    }
}

impl LaneBooks {
    /// The oldest message without an outcome.
    pub(crate) fn oldest(&self) -> Option<MessageId> {
        self.live.first().copied()
    }
}
