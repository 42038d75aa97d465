//! What comes in, read as messages of the protocol.

use std::fmt;
use std::time::Duration;

use peer_sender_driver::{Incoming, IncomingMessage, PeerId, PeerSender, Sender, Time};

use super::error::MalformedFrom;
use super::metrics::{DirectMetrics, Incident, Phase};
use crate::{ClockAhead, Limits, NetMessage, delivery_duration};

/// The messages of all who dial a node, and the replies of those that it dials, read as
/// [`NetMessage`]s. It ends when the node has stopped.
///
/// What is no message is never handed on: the connection that brought it is closed, it is counted by
/// what is wrong with it, and told once as an error. Who sent it may dial again.
#[derive(Debug)]
pub struct DirectIncoming<P: PeerId> {
    incoming: Incoming<P>,
    limits: Limits,
    metrics: DirectMetrics,
}

impl<P: PeerId> DirectIncoming<P> {
    /// Reads what comes in within these limits. The node's own
    /// [`message_bytes_max`](peer_sender_driver::NodeConfigBuilder::message_bytes_max) should be no
    /// lower than theirs: longer messages are refused before they come here.
    pub fn new(incoming: Incoming<P>, limits: Limits, metrics: &DirectMetrics) -> Self {
        Self {
            incoming,
            limits,
            metrics: metrics.clone(),
        }
    }

    /// The next message, or what came instead of one; none once the node has stopped.
    ///
    /// # Cancel safety
    ///
    /// No message is lost by dropping it.
    pub async fn next(&mut self) -> Option<Result<DirectMessage<P>, MalformedFrom<P>>> {
        let incoming = self.incoming.next().await?;
        Some(self.read(incoming))
    }

    /// The next message, or what came instead of one, if it is there already.
    pub fn try_next(&mut self) -> Option<Result<DirectMessage<P>, MalformedFrom<P>>> {
        let incoming = self.incoming.try_next()?;
        Some(self.read(incoming))
    }

    fn read(&self, incoming: IncomingMessage<P>) -> Result<DirectMessage<P>, MalformedFrom<P>> {
        let buffered = incoming.buffered();
        self.metrics.took(Phase::IncomingBuffer, buffered);
        let bytes = incoming.payload().len();
        match NetMessage::decode(incoming.payload(), &self.limits) {
            Ok(message) => {
                self.metrics.received(bytes);
                Ok(DirectMessage {
                    message,
                    incoming,
                    buffered,
                    metrics: self.metrics.clone(),
                })
            }
            Err(error) => {
                self.metrics.happened(Incident::from(&error));
                let (from, received_at) = (incoming.from().clone(), incoming.received_at());
                incoming.malformed();
                Err(MalformedFrom {
                    from,
                    received_at,
                    bytes,
                    error,
                })
            }
        }
    }
}

/// A message that came in and has to be answered, as
/// [`IncomingMessage`](peer_sender_driver::IncomingMessage) tells. Dropped without an answer it is
/// refused.
pub struct DirectMessage<P: PeerId> {
    message: NetMessage,
    incoming: IncomingMessage<P>,
    buffered: Duration,
    metrics: DirectMetrics,
}

impl<P: PeerId> DirectMessage<P> {
    /// What was sent.
    pub fn message(&self) -> &NetMessage {
        &self.message
    }

    /// Who sent it.
    pub fn from(&self) -> &Sender<P> {
        self.incoming.from()
    }

    /// A sender to whoever sent it, for replies.
    pub fn peer(&self) -> PeerSender {
        self.incoming.peer()
    }

    /// When its last byte came, on the clock of [`Node::now`](peer_sender_driver::Node::now).
    pub fn received_at(&self) -> Time {
        self.incoming.received_at()
    }

    /// For how long it waited, from its last byte until it was taken.
    pub fn buffered(&self) -> Duration {
        self.buffered
    }

    /// For how long it was under way by the clocks of both ends, from when its delivery began until now;
    /// `unix_ms` reads ours, in milliseconds of Unix time.
    ///
    /// # Errors
    ///
    /// The sender's clock is further ahead of ours than can be; it is counted as a warning.
    pub fn delivery_duration(&self, unix_ms: impl FnOnce() -> u64) -> Result<Duration, ClockAhead> {
        let duration = delivery_duration(self.message.delivery_start_timestamp_ms, unix_ms());
        if duration.is_err() {
            self.metrics.happened(Incident::ClockAhead);
        }
        duration
    }

    /// The application has it.
    pub fn accept(self) -> NetMessage {
        self.incoming.accept();
        self.message
    }

    /// The application does not want it. This protocol has no way to say so of one message, so that
    /// whoever sent it learns nothing.
    pub fn refuse(self) -> NetMessage {
        self.incoming.refuse();
        self.message
    }
}

impl<P: PeerId> fmt::Debug for DirectMessage<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectMessage")
            .field("message", &self.message)
            .field("from", self.from())
            .finish_non_exhaustive()
    }
}
