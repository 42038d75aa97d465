//! A whole sending half: its lanes, and the connection that carries them now.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::carrier::{Carrier, Way, is_heard, messages_mut, ours, stream_mut};
use super::classes::lanes_above;
use super::message::Message;
use super::plain::PlainStreams;
use super::{LaneStream, OutboundLane, StreamEnd};
use crate::stats::Aside;
use crate::{
    Action, Attempt, Capacity, Deadline, FailReason, Holdup, Lane, Level, MessageId,
    MessageOptions, Outcome, Protocol, ProtocolError, RejectReason, SendLimits, SendPolicy,
    SessionId, StreamId, Time, Timer, TransferId, UnknownReason, Unsent,
};

/// The lanes that this end sends, under one session at a time; or one lane without order, whose
/// messages have a stream each ([`Protocol::Plain`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Outbound {
    pub(super) limits: SendLimits,
    pub(super) protocol: Protocol,
    pub(super) session: SessionId,
    /// Lane by lane, as far as any was used.
    pub(super) lanes: Vec<OutboundLane>,
    pub(super) carrier: Option<Carrier>,
    /// The highest id that was offered.
    pub(super) last_id: Option<MessageId>,
    /// Whether the times of messages are kept ([`Transfer`](crate::Transfer)).
    pub(super) timed: Aside<bool>,
}

/// What may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Whatever there is.
    Running,
    /// Whatever there is, then FIN.
    Last,
    /// Nothing that is not numbered yet, then FIN.
    Parting,
}

/// What came of bytes of a way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// They belong to no stream of ours.
    Stale,
    /// They were taken.
    All,
    /// They were taken, and the other end stops.
    GoingAway,
}

/// What the other end did by reading no more of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It is no stream of ours.
    Stale,
    /// It refused the message that the stream carried.
    Message,
    /// It gave up the lane that the stream carried.
    Lane,
}

/// What was written in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) messages: u64,
    /// Of them, those that were written before.
    pub(crate) repeated: u64,
    /// Whether streams were reset.
    pub(crate) resets: bool,
}

impl Outbound {
    pub(crate) fn new(limits: SendLimits, session: SessionId) -> Self {
        Self {
            limits,
            protocol: Protocol::Lanes,
            session,
            lanes: Vec::new(),
            carrier: None,
            last_id: None,
            timed: Aside(false),
        }
    }

    /// Messages of a protocol without sessions and lanes.
    pub(crate) fn without_lanes(limits: SendLimits, protocol: Protocol) -> Self {
        Self {
            protocol,
            ..Self::new(limits, SessionId([0; 16]))
        }
    }

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

    /// Does what is due to messages that expire, or are given up while the receiver stays away.
    pub(crate) fn time_passes(&mut self, now: Time) {
        for (number, lane) in (0..).map(Lane).zip(&mut self.lanes) {
            let heard = is_heard(&self.carrier, number) && !broken!(PatienceWhileConnected);
            lane.time_passes(now, &self.limits.policy, heard);
        }
        if let Some(stream) = self.carrier.as_mut().and_then(Carrier::framed_mut) {
            stream.time_passes(now);
        }
        self.settle_given_up();
    }

    /// What is given up and on no stream will not be sent again, and nobody can be asked about it.
    fn settle_given_up(&mut self) {
        if !self.protocol.has_lanes()
            && let Some(lane) = self.lanes.first_mut()
        {
            lane.close_gaps();
            let carrier = self.carrier.as_ref();
            lane.settle_given_up(|id| carrier.is_some_and(|it| it.carries(id)));
        }
    }

    /// The earliest moment at which time does something to a message, or the first answer to an
    /// OPEN is overdue.
    pub(crate) fn next_deadline(&self) -> Option<Deadline> {
        let lanes = (0..).map(Lane).zip(&self.lanes);
        let of_lanes = lanes.filter_map(|(number, lane)| {
            lane.next_deadline(&self.limits.policy, is_heard(&self.carrier, number))
        });
        let timer = Timer::Resume;
        let of_streams = self.resume_due().map(|at| Deadline { at, timer });
        let trust = self.carrier.as_ref().and_then(Carrier::framed);
        let trusted = trust.and_then(|it| it.trust_due()).map(|at| Deadline {
            at,
            timer: Timer::Trust,
        });
        let earliest = of_lanes.chain(of_streams).chain(trusted).min();
        earliest.filter(|deadline| deadline.at < Time::MAX)
    }

    /// When the oldest message without an outcome was accepted.
    pub(crate) fn oldest(&self) -> Option<Time> {
        self.lanes.iter().filter_map(OutboundLane::oldest).min()
    }

    /// This connection carries the lanes from here on, and no older one does.
    pub(crate) fn attach(&mut self, attempt: Attempt, now: Time) {
        self.detach(now);
        self.carrier = Some(Carrier::new(attempt, self.protocol, now));
    }

    /// The connection is lost, and all that happened on it was told before.
    pub(crate) fn all_was_told(&mut self) {
        if let (Some(carrier), Some(lane)) = (&self.carrier, self.lanes.first_mut()) {
            carrier.all_was_told(lane);
        }
    }

    /// The connection is gone, and what was heard on its streams with it.
    pub(crate) fn detach(&mut self, now: Time) {
        let Some(carrier) = self.carrier.take() else {
            return;
        };
        if broken!(FlightLostOnReconnect) {
            self.lanes.iter_mut().for_each(OutboundLane::lose_flight);
        }
        carrier.end(now, &mut self.lanes, self.limits.policy.redelivery);
    }

    /// The connection that carries the lanes.
    pub(crate) fn carrier(&self) -> Option<Attempt> {
        self.carrier.as_ref().map(|carrier| carrier.attempt)
    }

    /// Takes the next bytes of a way back.
    ///
    /// # Errors
    ///
    /// What the other end did wrong; the connection is to be closed then.
    pub(crate) fn received(
        &mut self,
        attempt: Attempt,
        stream: StreamId,
        bytes: Bytes,
        fin: bool,
        now: Time,
    ) -> Result<Heard, ProtocolError> {
        let Some(carried) = stream_mut(&mut self.carrier, attempt, stream) else {
            return Ok(Heard::Stale);
        };
        let Some(lane) = self.lanes.get_mut(usize::from(carried.lane.0)) else {
            return Ok(Heard::Stale);
        };
        Ok(match carried.receive(lane, bytes, fin)? {
            Some(StreamEnd::GoingAway) => {
                if carried.resume.is_some() {
                    lane.due.silent_since = now;
                }
                Heard::GoingAway
            }
            Some(StreamEnd::Complete) | None => Heard::All,
        })
    }

    /// The other end reads no more of a stream.
    pub(crate) fn cut(&mut self, attempt: Attempt, stream: StreamId, code: u64, now: Time) -> Cut {
        if self.protocol == Protocol::Framed {
            // What it carries has no other way.
            let known = ours(&mut self.carrier, attempt, stream).is_some() && stream.index == 0;
            return if known { Cut::Lane } else { Cut::Stale };
        }
        if self.protocol == Protocol::Plain {
            let messages = messages_mut(&mut self.carrier, &mut self.lanes, attempt, stream);
            let refused =
                messages.is_some_and(|(streams, lane)| streams.stopped(stream.index, code, lane));
            return if refused { Cut::Message } else { Cut::Stale };
        }
        let Some(carried) = stream_mut(&mut self.carrier, attempt, stream) else {
            return Cut::Stale;
        };
        if let (true, Some(lane)) = (
            carried.is_heard(),
            self.lanes.get_mut(usize::from(carried.lane.0)),
        ) {
            lane.due.silent_since = now;
        }
        carried.cut();
        Cut::Lane
    }

    /// The other end's transport has all of a stream. Of a lane it says nothing: there its
    /// application answers. False if the stream's message has its outcome.
    pub(crate) fn acknowledged(&mut self, attempt: Attempt, stream: StreamId) -> bool {
        if self.protocol != Protocol::Plain {
            return true;
        }
        let messages = messages_mut(&mut self.carrier, &mut self.lanes, attempt, stream);
        messages.is_some_and(|(streams, lane)| streams.acknowledged(stream.index, lane))
    }

    /// The other end's transport has all of a write, of whose protocol no application answers. False
    /// if nobody waits for that.
    pub(crate) fn transfer_acknowledged(&mut self, transfer: TransferId, now: Time) -> bool {
        let stream = self.carrier.as_mut().and_then(Carrier::framed_mut);
        let Some((stream, lane)) = stream.zip(self.lanes.first_mut()) else {
            return false;
        };
        lane.close_gaps();
        stream.acknowledged(transfer, now, lane)
    }

    /// The other end's transport has answered on this connection. False if nobody had asked it.
    pub(crate) fn probe_answered(&mut self, attempt: Attempt) -> bool {
        let carrier = self.carrier.as_mut().filter(|it| it.attempt == attempt);
        let stream = carrier.and_then(Carrier::framed_mut);
        let Some((stream, lane)) = stream.zip(self.lanes.first_mut()) else {
            return false;
        };
        lane.close_gaps();
        stream.answered(lane)
    }

    /// QUIC holds all of a write; whether it was one of ours.
    pub(crate) fn written(&mut self, transfer: TransferId) -> bool {
        let written = self.carrier.as_mut().and_then(|it| it.written(transfer));
        if broken!(DeliveredOnWrite)
            && let Some(Some((lane, position))) = written
            && let Some(lane) = self.lanes.get_mut(usize::from(lane.0))
        {
            lane.decide_below(position, &Outcome::Delivered(Level::Application));
        }
        written.is_some()
    }

    /// Opens the lanes that have something to say and no stream in this connection. With `bind`,
    /// one that was used before is opened in any case, so that the other end knows whose the
    /// connection is, and may reply.
    pub(crate) fn open_lanes(&mut self, bind: bool, resume_due: Time) {
        let Some(Carrier {
            way: Way::Lanes(streams),
            ..
        }) = &mut self.carrier
        else {
            return;
        };
        for (number, lane) in (0..).map(Lane).zip(&mut self.lanes) {
            let binds = bind && lane.opened && streams.is_empty();
            let carried = streams.iter().any(|stream| stream.lane == number);
            if !carried && (binds || !lane.is_settled()) {
                let redelivery = self.limits.policy.redelivery;
                lane.begin_session();
                let stream = LaneStream::new(number, lane, self.session, redelivery, resume_due);
                streams.push(stream);
            }
        }
    }

    /// When the first answer to an OPEN is overdue.
    pub(crate) fn resume_due(&self) -> Option<Time> {
        self.streams().filter_map(LaneStream::resume_due).min()
    }

    /// Whether each stream of the connection has ended: our FIN was written, and the way back is
    /// over. So it is where there is none.
    pub(crate) fn is_complete(&self) -> bool {
        self.carrier.as_ref().is_none_or(Carrier::is_complete)
    }

    /// Whether there are streams, and our FIN was written on all of them.
    pub(crate) fn is_finished(&self) -> bool {
        match self.protocol {
            Protocol::Lanes => {
                self.streams().next().is_some() && self.streams().all(LaneStream::is_finished)
            }
            // Each message is written with its FIN.
            Protocol::Plain => {
                let carried = self.messages().map_or(0, PlainStreams::len);
                carried > 0 && self.queued().0 == 0 && self.in_flight().0 == carried
            }
            // There is no FIN: all is written that there is.
            Protocol::Framed => {
                let stream = self.carrier.as_ref().and_then(Carrier::framed);
                let last = self.lanes.iter().filter_map(OutboundLane::newest).max();
                last.is_some()
                    && self.queued().0 == 0
                    && stream.is_some_and(|stream| last <= stream.last)
            }
        }
    }

    /// Whether QUIC has not taken the last write of a stream.
    pub(crate) fn is_writing(&self) -> bool {
        self.carrier.as_ref().is_some_and(Carrier::is_writing)
    }

    /// Whether a fresh OPEN has no answer: a close with code 1 then says that the session is known
    /// to the receiver.
    pub(crate) fn awaits_first_resume(&self) -> bool {
        self.streams().any(LaneStream::awaits_first_resume)
    }

    /// Goes on in a new session, of which no receiver knows anything.
    pub(crate) fn start_over(&mut self) {
        self.session = self.session.successor();
        let redelivery = self.limits.policy.redelivery;
        self.lanes
            .iter_mut()
            .for_each(|lane| lane.start_over(redelivery));
    }

    /// Settles everything, and starts anew.
    pub(crate) fn abandon(&mut self, failed: FailReason, unknown: UnknownReason) {
        for lane in &mut self.lanes {
            lane.abandon(failed, unknown);
        }
        self.carrier = None;
    }

    /// Whether every accepted message has its outcome.
    pub(crate) fn is_settled(&self) -> bool {
        self.lanes.iter().all(OutboundLane::is_settled)
    }

    /// What messages wait for on a connection that stands.
    pub(crate) fn holdup(&self) -> Holdup {
        if self.is_settled() {
            Holdup::NothingToDo
        } else if self.is_writing() {
            Holdup::QuicBlocked
        } else if self.resume_due().is_some() {
            Holdup::AwaitsResume
        } else if self.queued().0 > 0 {
            Holdup::FlightFull
        } else {
            match self.protocol {
                Protocol::Lanes => Holdup::AwaitsReceipts,
                Protocol::Plain | Protocol::Framed => Holdup::AwaitsAcknowledgement,
            }
        }
    }

    /// Messages and bytes that wait to be written.
    pub(crate) fn queued(&self) -> (usize, usize) {
        self.lanes
            .iter()
            .map(OutboundLane::queued)
            .fold((0, 0), sum)
    }

    /// Messages and bytes that are written and not settled.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        let each = self.lanes.iter().map(OutboundLane::in_flight);
        each.fold((0, 0), sum)
    }

    /// Outcomes that fell since the last call, lane by lane.
    pub(crate) fn take_decided(&mut self) -> impl Iterator<Item = (MessageId, Outcome)> + '_ {
        self.lanes.iter_mut().flat_map(OutboundLane::take_decided)
    }

    /// Messages that failed because everything was abandoned, since the last call.
    pub(crate) fn take_unsent(&mut self) -> impl Iterator<Item = Unsent> + '_ {
        let lanes = (0..).map(Lane).zip(&mut self.lanes);
        lanes.flat_map(|(lane, known)| {
            let unsent = known.take_unsent().into_iter();
            unsent.map(move |(id, payload)| Unsent { id, lane, payload })
        })
    }

    /// Says which lanes have room that they had not.
    pub(crate) fn tell_room(&mut self, actions: &mut Vec<Action>) {
        for (lane, known) in (0..).map(Lane).zip(&mut self.lanes) {
            if known.take_room_made() {
                let capacity = known.capacity(&self.limits);
                actions.push(Action::Room { lane, capacity });
            }
        }
    }

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

    fn messages(&self) -> Option<&PlainStreams> {
        self.carrier.as_ref().and_then(Carrier::plain)
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &LaneStream> {
        self.carrier.iter().flat_map(Carrier::lanes)
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

fn sum(one: (usize, usize), other: (usize, usize)) -> (usize, usize) {
    (one.0 + other.0, one.1 + other.1)
}
