//! How a connection ends, and what its owner hears of it.

use bytes::Bytes;
use peer_sender_core::{CloseCode, Event, LinkError};
use quinn_proto::ConnectionError;

use super::super::clock::Clock;
use super::super::streams::quic_code;
use super::{Link, Owner};
use crate::congestion::exempt_close;
use crate::error::link_error;

impl Link {
    /// Closes it towards the other end; the owner hears nothing more of it.
    pub(in crate::node) fn close(&mut self, clock: &Clock, code: CloseCode, reason: String) {
        self.close_quic(clock, code, reason);
        self.abandon();
    }

    fn close_quic(&mut self, clock: &Clock, code: CloseCode, reason: String) {
        let now = clock.instant(clock.latest());
        exempt_close(&self.connection);
        self.connection
            .close(now, quic_code(code), Bytes::from(reason));
    }

    /// The owner hears nothing more of it.
    pub(in crate::node) fn abandon(&mut self) {
        self.owner = Owner::Nobody;
        self.drain = None;
        self.events = Vec::new();
        self.streams.clear();
        self.probation = None;
    }

    /// Closes it towards the other end, and has the owner hear of its loss by this error.
    pub(in crate::node) fn break_off(
        &mut self,
        clock: &Clock,
        code: CloseCode,
        reason: &str,
        error: LinkError,
    ) {
        self.close_quic(clock, code, reason.to_owned());
        self.lost = Some(error);
        // What was read counts; nothing more is.
        self.streams.clear();
        self.probation = None;
    }

    /// Closes it towards the other end. The owner is told all that had come, since the other end takes
    /// it for received, and then that the connection is lost, by this error.
    pub(in crate::node) fn leave(
        &mut self,
        clock: &Clock,
        code: CloseCode,
        reason: String,
        error: LinkError,
    ) {
        self.close_quic(clock, code, reason);
        self.release();
        // It may have ended before, and only part of it have been read.
        self.lost.get_or_insert(error);
        self.hear();
        self.lose_streams();
        if let Some(attempt) = self.attempt() {
            let (streams, events) = (&mut self.streams, &mut self.events);
            // All at once, so that nothing of a later connection comes before it.
            streams.read(&mut self.connection, attempt, usize::MAX, events);
        }
        self.probation = None;
    }

    /// Whether something may have come on it that nobody sends again.
    pub(super) fn leaves_something(&self) -> bool {
        let is_up = match self.owner {
            Owner::Dialled { confirmed, .. } => confirmed,
            Owner::Accepted { .. } => true,
            Owner::Spare { .. } | Owner::Handshaking { .. } | Owner::Nobody => false,
        };
        is_up && !self.protocol.has_lanes()
    }

    /// Without lanes nobody sends again what the other end's transport was told to have arrived: so
    /// whatever came whole is read before the loss is told.
    pub(in crate::node) fn lose_streams(&mut self) {
        if let (false, Some(attempt)) = (self.protocol.has_lanes(), self.attempt()) {
            self.streams.lose(attempt, &mut self.events);
        }
    }

    /// Tells the owner of its end, if the connection has ended and everything was read. The owner
    /// hears nothing more of it. Returns who that was.
    pub(in crate::node) fn end(&mut self) -> Option<Owner> {
        if self.handle.is_none() && self.lost.is_none() {
            // The endpoint forgets a connection only after its end, which was reported then;
            // nobody shall wait for the report in any case.
            let reason = String::from("the connection ended");
            self.lost = Some(LinkError::Local { reason });
        }
        if self.lost.is_none() || self.streams.is_readable() {
            return None;
        }
        let error = self.lost.take()?;
        self.release();
        let owner = std::mem::replace(&mut self.owner, Owner::Nobody);
        self.streams.clear();
        match &owner {
            &Owner::Dialled {
                attempt,
                confirmed: false,
                ..
            } => {
                self.events.push(Event::ConnectFailed { attempt, error });
            }
            &Owner::Dialled { attempt, .. } | &Owner::Accepted { attempt, .. } => {
                self.events.push(Event::ConnectionLost { attempt, error });
            }
            Owner::Spare { .. } | Owner::Handshaking { .. } | Owner::Nobody => {
                self.lost = Some(error);
            }
        }
        Some(owner)
    }

    /// Why it has ended, in the machines' terms.
    pub(super) fn why(&self, reason: &ConnectionError) -> LinkError {
        let context = match &self.owner {
            Owner::Dialled { context, .. } | Owner::Spare { context, .. } => Some(context),
            Owner::Handshaking { offered, .. } => {
                if let (ConnectionError::TransportError(_), Some(refused)) =
                    (reason, offered.refused())
                {
                    return refused.clone();
                }
                None
            }
            Owner::Accepted { .. } | Owner::Nobody => None,
        };
        link_error(reason, &self.alpn, context)
    }
}
