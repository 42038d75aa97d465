//! What each event says. Nothing is decided here, and nothing emitted.

use bytes::Bytes;

use super::state::{Failure, Phase};
use super::{Link, PeerSenderMachine};
use crate::{
    Attempt, Event, Lane, LinkError, MessageId, RejectReason, StopMode, StreamId, TransferId,
};

impl PeerSenderMachine {
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::MessageQueued { id, lane, payload } => self.message_queued(id, lane, payload),
            Event::Connected { attempt } => self.connected(attempt),
            Event::ConnectFailed { attempt, error } | Event::ConnectionLost { attempt, error } => {
                self.connection_lost(attempt, error);
            }
            Event::StreamOpened { attempt, stream } => self.stream_opened(attempt, stream),
            Event::BytesReceived {
                attempt,
                stream,
                bytes,
                fin,
            } => {
                self.bytes_received(attempt, stream, bytes, fin);
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
                self.stream_cut(attempt, stream, code);
            }
            Event::TransferFinished { transfer } => self.transfer_finished(transfer),
            Event::Stop { mode } => self.stop(mode),
            Event::Cancel { .. } | Event::AddressesChanged { .. } | Event::Wake { .. } => {}
            // What the peer's transport has acknowledged says nothing of its application, and
            // only `now` matters of a timer.
            Event::StreamAcknowledged { .. } | Event::TimerFired => {}
            // The dialling end delivers no messages, so none can be answered.
            Event::Consumed { .. } | Event::Refused { .. } => self.stats.stale_events += 1,
        }
    }

    fn message_queued(&mut self, id: MessageId, lane: Lane, payload: Bytes) {
        match self.admit(id, lane, payload.len()) {
            Ok(()) => {
                self.stats.accepted += 1;
                self.state.lane.push(id, payload);
            }
            Err(reason) => {
                self.stats.rejected += 1;
                self.state.news.rejected.push((id, reason, payload));
            }
        }
        self.state.last_id = self.state.last_id.max(Some(id));
    }

    fn admit(&self, id: MessageId, lane: Lane, bytes: usize) -> Result<(), RejectReason> {
        let room = self.state.lane.capacity(&self.config);
        let max = self.config.send.message_bytes_max;
        if self.state.phase != Phase::Running {
            Err(RejectReason::Stopped)
        } else if self.state.last_id.is_some_and(|last| id <= last) {
            Err(RejectReason::IdNotIncreasing)
        } else if lane != Lane(0) {
            Err(RejectReason::UnknownLane { lane: lane.0 })
        } else if bytes > max {
            Err(RejectReason::TooLarge { bytes, max })
        } else if room.messages == 0 || room.bytes < bytes {
            Err(RejectReason::QueueFull)
        } else {
            Ok(())
        }
    }

    fn connected(&mut self, attempt: Attempt) {
        let dialled =
            matches!(self.state.link, Link::Connecting { attempt: ours, .. } if ours == attempt);
        if dialled {
            self.state.news.confirmed = true;
        } else {
            self.stats.stale_events += 1;
        }
    }

    fn connection_lost(&mut self, attempt: Attempt, error: LinkError) {
        let current = self.state.link.attempt() == Some(attempt);
        match &mut self.state.news.failed {
            Some(failure) if current => failure.open = false,
            None if current => self.fail(error, false),
            _ => self.stats.stale_events += 1,
        }
    }

    fn stream_opened(&mut self, attempt: Attempt, stream: StreamId) {
        if self.is_current(attempt) {
            self.stats.protocol_errors += 1;
            let error = crate::ProtocolError::LaneRange { lane: stream.index };
            self.fail(LinkError::Protocol(error), true);
        }
    }

    fn bytes_received(&mut self, attempt: Attempt, stream: StreamId, bytes: Bytes, fin: bool) {
        if !self.is_current(attempt) {
            return;
        }
        let state = &mut self.state;
        let Some(lane_stream) = state.stream.as_mut().filter(|ours| ours.id == stream) else {
            self.stats.stale_events += 1;
            return;
        };
        match lane_stream.receive(&mut state.lane, bytes, fin) {
            Ok(None) => {}
            Ok(Some(end)) => state.news.ended = Some(end),
            Err(error) => {
                self.stats.protocol_errors += 1;
                self.fail(LinkError::Protocol(error), true);
            }
        }
    }

    fn stream_cut(&mut self, attempt: Attempt, stream: StreamId, code: u64) {
        if !self.is_current(attempt) {
            return;
        }
        match self
            .state
            .stream
            .as_ref()
            .is_some_and(|ours| ours.id == stream)
        {
            true => self.fail(LinkError::StreamCut { code }, true),
            false => self.stats.stale_events += 1,
        }
    }

    fn transfer_finished(&mut self, transfer: TransferId) {
        let stream = self.state.stream.as_mut();
        if !stream.is_some_and(|stream| stream.write_finished(transfer)) {
            self.stats.stale_events += 1;
        }
    }

    /// A second stop may only shorten the first.
    fn stop(&mut self, mode: StopMode) {
        let now = self.state.now;
        let (asked, abort) = match mode {
            StopMode::Drain(within) => (now + within, false),
            StopMode::Abort => (now, true),
        };
        self.state.phase = match self.state.phase {
            Phase::Running => Phase::Stopping {
                until: asked,
                aborted: abort,
            },
            Phase::Stopping { until, aborted } => Phase::Stopping {
                until: until.min(asked),
                aborted: aborted || abort,
            },
            Phase::Closed => Phase::Closed,
        };
    }

    /// Counts an event of any other connection as stale: it changes nothing else.
    fn is_current(&mut self, attempt: Attempt) -> bool {
        let current =
            self.state.link.attempt() == Some(attempt) && self.state.news.failed.is_none();
        if !current {
            self.stats.stale_events += 1;
        }
        current
    }

    fn fail(&mut self, error: LinkError, open: bool) {
        self.state
            .news
            .failed
            .get_or_insert(Failure { error, open });
    }
}
