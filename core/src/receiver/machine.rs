//! One session of one peer.

mod check;
#[cfg(feature = "trace")]
mod image;
mod look;
mod settle;

use alloc::vec::Vec;

use bytes::Bytes;

use super::phase::Phase;
use crate::inbound::{Allowance, Inbound, OtherHalf, Place};
use crate::outbound::{Cut, Heard, Outbound};
use crate::sender::refuses_session;
use crate::stats::Aside;
use crate::{
    Action, Attempt, Epoch, Event, FailReason, Lane, MessageId, MessageOptions, Protocol,
    ProtocolError, ReceiverConfig, RejectReason, SessionId, Side, Stats, StopMode, StreamId, Time,
    UnknownReason,
};

/// One session of one peer at an accepting node: takes its messages, hands each to the application
/// once and in order, answers what the application said, and sends replies on lanes of its own. It
/// outlives its connections, several of which may stand at once; each lane belongs to the newest
/// that opened it, and replies go out on the newest of all.
///
/// It is pure: the same configuration and steps give the same actions. Each step
/// [`handle`](Self::handle)s the events of one moment; the actions say what the world must do.
///
/// ```
/// use bytes::Bytes;
/// use peer_sender_core::wire::{Frame, Open, encode_message_head};
/// use peer_sender_core::{
///     Action, Attempt, Epoch, Event, Lane, PeerReceiverMachine, ReceiverConfig, SessionId, Side,
///     StreamId, Time,
/// };
///
/// let (session, attempt) = (SessionId([1; 16]), Attempt(1));
/// let stream = StreamId { opener: Side::Remote, index: 0 };
/// let (epoch, replies) = (Epoch([2; 16]), SessionId([3; 16]));
/// let config = ReceiverConfig::default();
/// let mut machine = PeerReceiverMachine::new(config, session, epoch, 0, replies);
///
/// let mut bytes = Vec::new();
/// Frame::Open(Open { fresh: true, session, lane: 0, base: 0 }).encode(&mut bytes);
/// encode_message_head(2, &mut bytes);
/// bytes.extend(b"hi");
///
/// let mut actions = Vec::new();
/// let events = [
///     Event::Connected { attempt },
///     Event::StreamOpened { attempt, stream },
///     Event::BytesReceived { attempt, stream, bytes: Bytes::from(bytes), fin: false },
/// ];
/// machine.handle(Time::ZERO, events, &mut actions);
/// let [Action::Deliver(message), Action::Write { .. }] = &actions[..] else { panic!() };
/// assert_eq!((message.number, &message.payload[..]), (0, &b"hi"[..]));
///
/// // The application has it: a RECEIPT follows once the RESUME is written.
/// machine.handle(Time::ZERO, [Event::Consumed { lane: Lane(0), below: 1 }], &mut actions);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerReceiverMachine {
    pub(super) protocol: Protocol,
    pub(super) now: Time,
    pub(super) phase: Phase,
    /// The earliest end that was asked for in this step.
    stop_by: Option<Time>,
    pub(super) inbound: Inbound,
    /// The replies.
    pub(super) outbound: Outbound,
    /// Messages of this step that are not accepted.
    rejected: Vec<(MessageId, Lane, RejectReason, Bytes)>,
    /// Connections whose other end broke the protocol on a way back, in this step.
    broken: Vec<(Attempt, ProtocolError)>,
    /// Connections whose other end reads no more of the one stream that there is, in this step.
    cut: Vec<Attempt>,
    pub(super) transfers: u64,
    tally: Aside<Tally>,
}

/// Counters, and when the standing changed last.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
struct Tally {
    stats: Stats,
    since: Time,
}

impl PeerReceiverMachine {
    /// A receiver of this session in this process (`epoch`). `first_record` numbers the record of
    /// lane 0, and those of the seven others follow it: no other session of the epoch may ever
    /// have had any of them. `replies` is the session under which it sends: one that was never
    /// used before.
    pub fn new(
        config: ReceiverConfig,
        session: SessionId,
        epoch: Epoch,
        first_record: u64,
        replies: SessionId,
    ) -> Self {
        let other = OtherHalf::Fixed(session);
        Self {
            protocol: Protocol::Lanes,
            now: Time::ZERO,
            phase: Phase::Running,
            stop_by: None,
            inbound: Inbound::new(config.receive, epoch, first_record, other),
            outbound: Outbound::new(config.send, replies),
            rejected: Vec::new(),
            broken: Vec::new(),
            cut: Vec::new(),
            transfers: 0,
            tally: Aside::default(),
        }
    }

    /// A receiver of one connection that speaks [`Protocol::Plain`], which is a session by itself.
    /// It ends with the connection, except that what the application has not answered stays held.
    pub fn plain(config: ReceiverConfig) -> Self {
        Self::without_lanes(config, Protocol::Plain)
    }

    /// The same of a connection that speaks [`Protocol::Framed`].
    pub fn framed(config: ReceiverConfig) -> Self {
        Self::without_lanes(config, Protocol::Framed)
    }

    fn without_lanes(config: ReceiverConfig, protocol: Protocol) -> Self {
        let (none, epoch) = (SessionId([0; 16]), Epoch([0; 16]));
        Self {
            inbound: Inbound::without_lanes(config.receive.clone(), protocol),
            outbound: Outbound::without_lanes(config.send.clone(), protocol),
            protocol,
            ..Self::new(config, none, epoch, 0, none)
        }
    }

    /// One step: records each event, then decides once. Never fails; a time that goes back is
    /// taken as the latest one seen. Appends what the world must do, in this order.
    pub fn handle(
        &mut self,
        now: Time,
        events: impl IntoIterator<Item = Event>,
        actions: &mut Vec<Action>,
    ) {
        self.now = self.now.max(now);
        for event in events {
            self.apply(event);
        }
        self.settle(actions);
    }

    /// Sets how much more may be held until this is called again.
    pub(super) fn allow(&mut self, allowance: Allowance) {
        self.inbound.allow(allowance);
    }

    /// Settles the replies of a session that is forgotten.
    pub(super) fn forget(&mut self, actions: &mut Vec<Action>) {
        let unknown = UnknownReason::SessionForgotten;
        self.outbound.abandon(FailReason::SessionForgotten, unknown);
        self.settle_outcomes(actions);
        self.hand_back(actions);
        self.inbound.forget();
    }

    /// Records a fact. Decides nothing.
    fn apply(&mut self, event: Event) {
        let known = match event {
            Event::MessageQueued {
                id,
                lane,
                payload,
                options,
            } => {
                self.message_queued(id, lane, payload, options);
                true
            }
            Event::Cancel { id } => self.outbound.cancel(id, self.now),
            Event::Connected { attempt } => {
                self.inbound.connected(attempt);
                if self.outbound.carrier().is_none_or(|older| older < attempt) {
                    self.tally.0.since = self.now;
                    self.outbound.attach(attempt, self.now);
                }
                true
            }
            Event::ConnectionLost { attempt, error } => {
                if self.outbound.carrier() == Some(attempt) {
                    if refuses_session(&error) && self.outbound.awaits_first_resume() {
                        self.outbound.start_over();
                    }
                    self.tally.0.since = self.now;
                    self.outbound.all_was_told();
                    self.outbound.detach(self.now);
                }
                self.inbound.lost(attempt)
            }
            Event::StreamOpened { attempt, stream } => self.inbound.stream_opened(attempt, stream),
            Event::BytesReceived {
                attempt,
                stream,
                bytes,
                fin,
            } => match stream.opener {
                Side::Remote => self.inbound.received(attempt, stream, bytes, fin),
                Side::Local => self.answered(attempt, stream, bytes, fin),
            },
            Event::StreamReset {
                attempt,
                stream,
                code,
            }
            | Event::StreamStopped {
                attempt,
                stream,
                code,
            } => match stream.opener {
                Side::Remote => self.inbound.cut(attempt, stream),
                Side::Local => match self.outbound.cut(attempt, stream, code, self.now) {
                    Cut::Stale => false,
                    Cut::Message => true,
                    Cut::Lane => {
                        // There is no other stream on which replies could go.
                        if self.protocol == Protocol::Framed {
                            self.cut.push(attempt);
                        }
                        true
                    }
                },
            },
            Event::TransferFinished { transfer } => {
                self.inbound.written(transfer) || self.outbound.written(transfer)
            }
            Event::TransferAcknowledged { transfer } => {
                self.outbound.transfer_acknowledged(transfer, self.now)
            }
            Event::ProbeAnswered { attempt } => self.outbound.probe_answered(attempt),
            Event::StreamAcknowledged { attempt, stream } => match stream.opener {
                Side::Remote => self.inbound.acknowledged(Place { attempt, stream }),
                Side::Local => self.outbound.acknowledged(attempt, stream),
            },
            Event::Consumed { lane, below } => self.inbound.consume(lane, below),
            Event::Refused { lane, number, code } => self.inbound.refuse(lane, number, code),
            Event::Stop { mode } => {
                let by = match mode {
                    StopMode::Drain(wait) => self.now + wait,
                    StopMode::Abort | StopMode::Remove => self.now,
                };
                self.stop_by = Some(self.stop_by.map_or(by, |earlier| earlier.min(by)));
                true
            }
            Event::TimerFired => true,
            // An accepting end does not dial.
            Event::ConnectFailed { .. } | Event::AddressesChanged { .. } | Event::Wake { .. } => {
                false
            }
        };
        if !known {
            self.inbound.count_stale();
        }
    }

    fn message_queued(
        &mut self,
        id: MessageId,
        lane: Lane,
        payload: Bytes,
        options: MessageOptions,
    ) {
        let queued = match self.phase {
            Phase::Running if self.stop_by.is_none() => {
                self.outbound.queue(self.now, id, lane, payload, options)
            }
            Phase::Running | Phase::Draining { .. } | Phase::Closed => {
                self.outbound.offered(id);
                Err((RejectReason::Stopped, payload))
            }
        };
        match queued {
            Ok(()) => self.tally.0.stats.accepted += 1,
            Err((reason, payload)) => {
                self.tally.0.stats.rejected += 1;
                self.rejected.push((id, lane, reason, payload));
            }
        }
    }

    /// Bytes of a way back. False if the stream is not known.
    fn answered(&mut self, attempt: Attempt, stream: StreamId, bytes: Bytes, fin: bool) -> bool {
        let heard = self
            .outbound
            .received(attempt, stream, bytes, fin, self.now);
        match heard {
            Ok(Heard::Stale) => return false,
            Ok(Heard::All | Heard::GoingAway) => {}
            Err(error) => self.broken.push((attempt, error)),
        }
        true
    }
}

#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one action among all"
)]
mod tests;
