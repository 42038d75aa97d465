//! One lane as the contract sees it: what waits, what has begun, and what is known of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use peer_sender_core::wire::Resume;
use peer_sender_core::{
    Capacity, Epoch, FailReason, Level, Outcome, Priority, Redelivery, RefuseCode, RejectReason,
    Time, UnknownReason, WhenFull,
};

use super::{Message, Settled};
use crate::shape::Shape;

/// One lane of a sender.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    pub(super) queue: VecDeque<Message>,
    /// Begun and not settled, by number.
    pub(super) begun: BTreeMap<u64, Begun>,
    /// The next number that is given out.
    pub(super) next: u64,
    /// Whether an OPEN of it was ever written in this session.
    pub(super) opened: bool,
    /// Of whom the last RESUME came.
    record: Option<(Epoch, u64)>,
    /// Messages left the queue in this step.
    pub(super) room_made: bool,
    /// When the receiver last ceased to answer.
    pub(super) silent_since: Time,
    /// Writes in a row that went out in the lane's own class while a lower one had work.
    unyielding: u32,
    /// Lanes that have written nothing since this one last wrote.
    pub(super) stand_still: BTreeSet<u8>,
    /// And the user is told so.
    pub(super) told_room: bool,
}

/// A message of which bytes were written.
#[derive(Clone, Debug)]
pub struct Begun {
    pub(super) message: Message,
    pub(super) proof: Proof,
    /// Nobody wants it to be sent any more: what becomes of it then, and since when.
    pub(super) given_up: Option<(Outcome, Time)>,
}

/// What RESUMEs have shown of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing yet.
    Open,
    /// Proven not received.
    Proven,
    /// No RESUME can prove anything of it any more: a record that is not asked may have taken it.
    Unproven,
}

impl Lane {
    pub(super) fn is_settled(&self) -> bool {
        self.queue.is_empty() && self.begun.is_empty()
    }

    /// The lowest unsettled number, or the next one.
    pub(super) fn base(&self) -> u64 {
        self.begun.keys().next().copied().unwrap_or(self.next)
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queue.iter().map(|it| it.bytes).sum()
    }

    pub(super) fn flight_bytes(&self) -> usize {
        self.begun.values().map(|it| it.message.bytes).sum()
    }

    pub fn capacity(&self, shape: &Shape) -> Capacity {
        if shape.when_full == WhenFull::DropOldest {
            return Capacity {
                messages: shape.queue_messages_max,
                bytes: shape.queue_bytes_max,
            };
        }
        Capacity {
            messages: shape.queue_messages_max - self.queue.len(),
            bytes: shape.queue_bytes_max - self.queued_bytes(),
        }
    }

    /// Every reason not to take a message of this size now.
    pub(super) fn refuses(&self, bytes: usize, shape: &Shape) -> Vec<RejectReason> {
        let room = self.capacity(shape);
        let max = shape.message_bytes_max;
        let mut reasons = Vec::new();
        if bytes > max {
            reasons.push(RejectReason::TooLarge { bytes, max });
        }
        let full = room.messages == 0 || room.bytes < bytes;
        if full && shape.when_full == WhenFull::Reject {
            reasons.push(RejectReason::QueueFull);
        }
        reasons
    }

    /// Accepts a message. What it leaves no room for is put out.
    pub(super) fn accept(&mut self, message: Message, shape: &Shape, settled: &mut Settled) {
        let full = |lane: &Self| {
            lane.queue.len() >= shape.queue_messages_max
                || lane.queued_bytes() + message.bytes > shape.queue_bytes_max
        };
        while full(self)
            && let Some(oldest) = self.queue.pop_front()
        {
            self.room_made = true;
            settled.push((oldest.id, Outcome::Failed(FailReason::Displaced)));
        }
        self.queue.push_back(message);
    }

    /// Messages without an outcome.
    pub(super) fn live(&self) -> impl Iterator<Item = &Message> {
        let begun = self.begun.values().map(|it| &it.message);
        begun.chain(&self.queue)
    }

    /// When the next message expires.
    pub(super) fn expiry(&self) -> Option<Time> {
        let begun = self.begun.values().filter(|it| it.given_up.is_none());
        let kept = begun.map(|it| &it.message).chain(&self.queue);
        kept.filter_map(|it| it.expires_at).min()
    }

    /// When the receiver has been away for too long to be asked about what is given up.
    pub(super) fn patience_ends(&self, shape: &Shape) -> Option<Time> {
        let given_up = self.begun.values().filter_map(|it| it.given_up.as_ref());
        let since = given_up.map(|it| it.1).min()?;
        Some(since.max(self.silent_since) + shape.patience)
    }

    /// What time does: messages expire, and patience ends.
    pub(super) fn time_passes(
        &mut self,
        now: Time,
        heard: bool,
        shape: &Shape,
        settled: &mut Settled,
    ) {
        let expired = |it: &Message| it.expires_at.is_some_and(|at| at <= now);
        let waiting = self.queue.len();
        settled.extend(
            self.queue
                .iter()
                .filter(|it| expired(it))
                .map(|it| (it.id, Outcome::Expired)),
        );
        self.queue.retain(|it| !expired(it));
        self.room_made |= self.queue.len() < waiting;
        let numbers: Vec<u64> = self.begun.keys().copied().collect();
        for number in numbers {
            // From its own moment on, however late the step.
            let expiry = self.begun.get(&number).and_then(|it| it.message.expires_at);
            if let Some(at) = expiry.filter(|&at| at <= now) {
                self.give_up(number, Outcome::Expired, at, settled);
            }
            let given_up = self.begun.get(&number).and_then(|it| it.given_up.as_ref());
            let since = given_up.map(|it| it.1.max(self.silent_since));
            if !heard && since.is_some_and(|since| since + shape.patience <= now) {
                self.settle(number, Outcome::Unknown(UnknownReason::Patience), settled);
            }
        }
    }

    /// Nobody wants it to be sent any more. It ends as soon as it is proven not received.
    fn give_up(&mut self, number: u64, outcome: Outcome, now: Time, settled: &mut Settled) {
        if let Some(begun) = self.begun.get_mut(&number) {
            begun.given_up.get_or_insert((outcome, now));
        }
        self.settle_withdrawn(number, settled);
    }

    /// The class of the lane's next write: its own, but of each sixteen in a row the last goes in
    /// the lowest class that has something to send, and all do while a higher lane keeps QUIC busy.
    pub(super) fn class(&mut self, own: Priority, lowest: Priority, highest: Priority) -> Priority {
        if lowest < own && own < highest {
            return lowest;
        }
        self.unyielding = if lowest < own { self.unyielding + 1 } else { 0 };
        match self.unyielding {
            16 => {
                self.unyielding = 0;
                lowest
            }
            _ => own,
        }
    }

    /// Whether a message of this size may be written beside what is in flight: of any size if
    /// nothing is. A number counts until all below it are settled.
    pub(super) fn flight_takes(&self, bytes: usize, shape: &Shape) -> bool {
        let numbers = (self.next - self.base()) as usize;
        self.begun.is_empty()
            || numbers < shape.flight_messages_max
                && self.flight_bytes() + bytes <= shape.flight_bytes_max
    }

    /// Takes a message back, if it can be. False if it is not here.
    pub(super) fn cancel(&mut self, id: u64, now: Time, settled: &mut Settled) -> bool {
        if let Some(at) = self.queue.iter().position(|it| it.id == id) {
            self.queue.remove(at);
            self.room_made = true;
            settled.push((id, Outcome::Cancelled));
            return true;
        }
        let Some((&number, _)) = self.begun.iter().find(|(_, it)| it.message.id == id) else {
            return false;
        };
        self.give_up(number, Outcome::Cancelled, now, settled);
        true
    }

    fn settle_withdrawn(&mut self, number: u64, settled: &mut Settled) {
        let proven = self
            .begun
            .get(&number)
            .filter(|it| it.proof == Proof::Proven);
        if let Some((outcome, _)) = proven.and_then(|it| it.given_up.clone()) {
            self.settle(number, outcome, settled);
        }
    }

    pub(super) fn settle(&mut self, number: u64, outcome: Outcome, settled: &mut Settled) {
        if let Some(begun) = self.begun.remove(&number) {
            settled.push((begun.message.id, outcome));
        }
    }

    /// Everything below the number was taken by the application.
    pub(super) fn taken(&mut self, below: u64, settled: &mut Settled) {
        while let Some((&number, _)) = self.begun.first_key_value()
            && number < below
        {
            self.settle(number, Outcome::Delivered(Level::Application), settled);
        }
    }

    /// What a RESUME says of the numbers below `end`, all of them of earlier connections.
    pub(super) fn judge(
        &mut self,
        resume: &Resume,
        (base, end): (u64, u64),
        shape: &Shape,
        settled: &mut Settled,
    ) {
        self.taken(resume.taken.min(end), settled);
        let record = (resume.epoch, resume.record);
        // Before the first RESUME one connection alone has carried messages.
        let same = match self.record.replace(record) {
            Some(before) => before == record,
            None => resume.next > base,
        };
        let numbers: Vec<u64> = self
            .begun
            .range(resume.next.min(end)..end)
            .map(|it| *it.0)
            .collect();
        for number in numbers {
            if let Some(begun) = self.begun.get_mut(&number) {
                begun.proof = match begun.proof {
                    Proof::Proven => Proof::Proven,
                    Proof::Open if same => Proof::Proven,
                    Proof::Open | Proof::Unproven => Proof::Unproven,
                };
            }
            self.settle_withdrawn(number, settled);
            self.settle_single(number, shape, settled);
        }
    }

    /// What may be sent only once, and may have arrived, is of unknown fate.
    fn settle_single(&mut self, number: u64, shape: &Shape, settled: &mut Settled) {
        let proven = self
            .begun
            .get(&number)
            .is_some_and(|it| it.proof == Proof::Proven);
        if shape.redelivery == Redelivery::AtMostOnce && !proven {
            self.settle(number, Outcome::Unknown(UnknownReason::Forgotten), settled);
        }
    }

    /// What becomes of a message that is larger than the receiver takes.
    pub(super) fn settle_too_large(&mut self, number: u64, settled: &mut Settled) {
        let unproven = |it: &Begun| it.proof == Proof::Unproven;
        let outcome = match self.begun.get(&number).is_some_and(unproven) {
            true => Outcome::Unknown(UnknownReason::Forgotten),
            false => Outcome::Refused(RefuseCode::TooLarge),
        };
        self.settle(number, outcome, settled);
    }

    /// What has not begun, or is proven, has failed; of the rest nothing is known.
    pub(super) fn abandon(
        &mut self,
        failed: FailReason,
        unknown: UnknownReason,
        settled: &mut Settled,
    ) {
        for begun in std::mem::take(&mut self.begun).into_values() {
            let outcome = match begun.proof {
                Proof::Proven => Outcome::Failed(failed),
                Proof::Open | Proof::Unproven => Outcome::Unknown(unknown),
            };
            settled.push((begun.message.id, outcome));
        }
        for message in std::mem::take(&mut self.queue) {
            settled.push((message.id, Outcome::Failed(failed)));
        }
    }

    /// Everything goes on under a session of which no receiver knows anything. What was proven
    /// stays so until it is written again; of the rest nothing can be asked any more.
    pub(super) fn start_over(&mut self, shape: &Shape, settled: &mut Settled) {
        let numbers: Vec<u64> = self.begun.keys().copied().collect();
        for number in numbers {
            self.settle_single(number, shape, settled);
        }
        for begun in self.begun.values_mut() {
            if begun.proof != Proof::Proven {
                begun.proof = Proof::Unproven;
            }
        }
        self.opened = false;
        self.record = None;
    }

    /// The numbers of a session begin at 0.
    pub(super) fn begin_session(&mut self) {
        if !self.opened {
            let begun = std::mem::take(&mut self.begun);
            self.next = begun.len() as u64;
            self.begun = (0..).zip(begun.into_values()).collect();
        }
    }
}
