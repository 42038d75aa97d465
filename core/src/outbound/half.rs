//! A whole sending half: its lanes, and the connection that carries them now.

use alloc::vec::Vec;

use bytes::Bytes;

use super::carrier::{Carrier, Way, is_heard, messages_mut, ours, stream_mut};
use super::{LaneStream, OutboundLane, StreamEnd};
use crate::stats::Aside;
use crate::{
    Action, Attempt, FailReason, Lane, Level, MessageId, Outcome, Protocol, ProtocolError,
    SendLimits, SessionId, StreamId, Time, TransferId, UnknownReason, Unsent,
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
}
