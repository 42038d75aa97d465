//! What each event says. Nothing is decided here, and nothing emitted.

use bytes::Bytes;

use super::state::{Ending, Failure, Phase};
use super::{Link, PeerSenderMachine};
use crate::inbound::Place;
use crate::outbound::{Cut, Heard};
use crate::{
    Attempt, Event, Lane, LinkError, MessageId, MessageOptions, RejectReason, Side, StopMode,
    StreamId, TransferId,
};

impl PeerSenderMachine {
    pub(super) fn apply(&mut self, event: Event) {
        let news = &mut self.state.news;
        match event {
            Event::MessageQueued {
                id,
                lane,
                payload,
                options,
            } => self.message_queued(id, lane, payload, options),
            Event::Cancel { id } => {
                if !self.state.outbound.cancel(id, self.state.now) {
                    self.stats.stale_events += 1;
                }
            }
            Event::AddressesChanged { addresses } => news.moved = Some(addresses),
            Event::Wake { reason } => news.wake(reason),
            Event::Connected { attempt } => self.connected(attempt),
            Event::ConnectFailed { attempt, error } | Event::ConnectionLost { attempt, error } => {
                self.connection_lost(attempt, error);
            }
            Event::StreamOpened { attempt, stream } => {
                let current = self.is_current(attempt);
                let known =
                    self.hears(attempt) && self.state.inbound.stream_opened(attempt, stream);
                self.state.recall |=
                    known && current && matches!(self.state.link, Link::Parting { .. });
                self.count_unless(known);
            }
            Event::BytesReceived {
                attempt,
                stream,
                bytes,
                fin,
            } => {
                let known = self.bytes_received(attempt, stream, bytes, fin);
                self.said(known);
            }
            Event::StreamReset {
                attempt,
                stream,
                code,
            }
            | Event::StreamStopped {
                attempt,
                stream,
                code,
            } => {
                let known = self.stream_cut(attempt, stream, code);
                self.count_unless(known);
            }
            Event::TransferFinished { transfer } => self.transfer_finished(transfer),
            Event::TransferAcknowledged { transfer } => {
                let now = self.state.now;
                let known = self.state.outbound.transfer_acknowledged(transfer, now);
                self.count_unless(known);
            }
            Event::ProbeAnswered { attempt } => {
                let known = self.is_current(attempt) && self.state.outbound.probe_answered(attempt);
                self.count_unless(known);
            }
            Event::StreamAcknowledged { attempt, stream } => {
                let known = match stream.opener {
                    Side::Remote => {
                        self.state.inbound.acknowledged(Place { attempt, stream });
                        true
                    }
                    Side::Local => self.state.outbound.acknowledged(attempt, stream),
                };
                self.count_unless(known);
            }
            Event::Consumed { lane, below } => {
                let known = self.state.inbound.consume(lane, below);
                self.answered(known);
            }
            Event::Refused { lane, number, code } => {
                let known = self.state.inbound.refuse(lane, number, code);
                self.answered(known);
            }
            Event::Stop { mode } => self.stop(mode),
            // Only `now` matters of a timer.
            Event::TimerFired => {}
        }
    }

    fn message_queued(
        &mut self,
        id: MessageId,
        lane: Lane,
        payload: Bytes,
        options: MessageOptions,
    ) {
        let now = self.state.now;
        let outbound = &mut self.state.outbound;
        let queued = match self.state.phase {
            Phase::Running => outbound.queue(now, id, lane, payload, options),
            Phase::Stopping { .. } | Phase::Closed => {
                outbound.offered(id);
                Err((RejectReason::Stopped, payload))
            }
        };
        match queued {
            Ok(()) => {
                self.stats.accepted += 1;
                self.state.touch();
            }
            Err((reason, payload)) => {
                self.stats.rejected += 1;
                let rejected = (id, lane, reason, payload);
                self.state.news.rejected.push(rejected);
            }
        }
    }

    fn connected(&mut self, attempt: Attempt) {
        let dialled =
            matches!(self.state.link, Link::Connecting { attempt: ours, .. } if ours == attempt);
        if dialled && !self.state.news.confirmed {
            self.state.news.confirmed = true;
            self.state.outbound.attach(attempt, self.state.now);
            self.state.inbound.connected(attempt);
        } else {
            self.stats.stale_events += 1;
        }
    }

    fn connection_lost(&mut self, attempt: Attempt, error: LinkError) {
        let current = self.state.link.attempt() == Some(attempt) || broken!(NoGenerationCheck);
        if current {
            self.state.inbound.lost(attempt);
        } else if self.state.inbound.lost(attempt) {
            // Nothing more comes of one that was left.
            return;
        }
        match &mut self.state.news.failed {
            Some(failure) if current => failure.open = false,
            None if current => self.fail(error, false),
            _ => self.stats.stale_events += 1,
        }
    }

    /// False if the stream is not known.
    fn bytes_received(
        &mut self,
        attempt: Attempt,
        stream: StreamId,
        bytes: Bytes,
        fin: bool,
    ) -> bool {
        if stream.opener == Side::Remote {
            return self.hears(attempt) && self.state.inbound.received(attempt, stream, bytes, fin);
        }
        if !self.is_current(attempt) {
            return false;
        }
        let (outbound, now) = (&mut self.state.outbound, self.state.now);
        match outbound.received(attempt, stream, bytes, fin, now) {
            Ok(Heard::Stale) => return false,
            Ok(Heard::All) => {}
            Ok(Heard::GoingAway) => self.state.news.going_away = true,
            Err(error) => {
                self.stats.protocol_errors += 1;
                self.fail(LinkError::Protocol(error), true);
            }
        }
        true
    }

    /// False if the stream is not known.
    fn stream_cut(&mut self, attempt: Attempt, stream: StreamId, code: u64) -> bool {
        if stream.opener == Side::Remote {
            return self.hears(attempt) && self.state.inbound.cut(attempt, stream);
        }
        if !self.is_current(attempt) {
            return false;
        }
        let now = self.state.now;
        match self.state.outbound.cut(attempt, stream, code, now) {
            Cut::Stale => false,
            Cut::Message => true,
            Cut::Lane => {
                self.fail(LinkError::StreamCut { code }, true);
                true
            }
        }
    }

    fn transfer_finished(&mut self, transfer: TransferId) {
        let ours = self.state.outbound.written(transfer) || self.state.inbound.written(transfer);
        self.said(ours);
    }

    fn answered(&mut self, known: bool) {
        // Without lanes the peer is not told.
        self.state.news.consumed |= known && self.config.protocol.has_lanes();
        self.said(known);
    }

    /// Something was said on the connection, unless the event made no sense.
    fn said(&mut self, known: bool) {
        match known {
            true => self.state.touch(),
            false => self.stats.stale_events += 1,
        }
    }

    /// A second stop may only shorten the first.
    fn stop(&mut self, mode: StopMode) {
        let now = self.state.now;
        if broken!(StopIgnoredWhileConnecting) && matches!(self.state.link, Link::Connecting { .. })
        {
            return;
        }
        let (asked, asked_as) = match mode {
            StopMode::Drain(within) => (now + within, Ending::Drain),
            StopMode::Abort => (now, Ending::Abort),
            StopMode::Remove => (now, Ending::Remove),
        };
        self.state.phase = match self.state.phase {
            Phase::Running => Phase::Stopping {
                until: asked,
                ending: asked_as,
            },
            Phase::Stopping { until, ending } => Phase::Stopping {
                until: match broken!(SecondStopProlongs) {
                    false => until.min(asked),
                    true => until.max(asked),
                },
                ending: ending.max(asked_as),
            },
            Phase::Closed => Phase::Closed,
        };
    }

    /// Whether the event is of the connection that is in use. One of any other changes nothing.
    fn is_current(&self, attempt: Attempt) -> bool {
        self.state.link.attempt() == Some(attempt) && self.state.news.failed.is_none()
    }

    /// Whether it is heard what the peer says on a connection of its own accord. Without lanes also on one
    /// that we left, or that has failed in this step: nobody sends it again.
    fn hears(&self, attempt: Attempt) -> bool {
        match self.config.protocol.has_lanes() {
            true => self.is_current(attempt),
            false => self.state.inbound.has(attempt),
        }
    }

    fn count_unless(&mut self, known: bool) {
        self.stats.stale_events += u64::from(!known);
    }

    pub(super) fn fail(&mut self, error: LinkError, open: bool) {
        self.state
            .news
            .failed
            .get_or_insert(Failure { error, open });
    }
}
