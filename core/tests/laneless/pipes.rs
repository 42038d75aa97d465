//! What QUIC does with the streams of one connection, whatever protocol is spoken on them.

use bytes::Bytes;
use peer_sender_core::{
    Action, Attempt, CloseCode, Event, Protocol, Side, StreamId, Time, TransferId,
};

use crate::ends::{Both, End};
use crate::oracle::Oracle;
use crate::rng::Rng;

/// More bytes than a stream ever has.
pub(crate) const ALL: usize = usize::MAX / 2;

/// The streams of a connection. What a machine writes is taken by QUIC, arrives at the other end's, is
/// acknowledged, and is read by the machine there, each when chance says so.
pub(crate) trait Pipes {
    const PROTOCOL: Protocol;
    /// The largest message that is handed over.
    const MESSAGE_MAX: usize;
    /// With what a dialler closes.
    const CLOSES: &'static [CloseCode];
    /// What runs see under this protocol beside what they see under each.
    const KINDS: &'static [&'static str];

    /// Those of a connection that stands from now on.
    fn new(rng: &mut Rng, now: Time) -> Self;

    /// The machine of this end asks for something.
    fn act(&mut self, end: End, action: Action, now: Time, oracle: &mut Oracle);

    /// Something gets on.
    fn advance(&mut self, rng: &mut Rng, tidings: &mut Tidings<'_>);

    /// All that is written arrives.
    fn arrive(&mut self, tidings: &mut Tidings<'_>);

    /// The listener reads the beginning of what has arrived.
    fn begin(&mut self, tidings: &mut Tidings<'_>);

    /// This end reads all that has arrived, since no more does. Returns whether some is left because its
    /// stream is paused, which is `heeded` or not.
    fn finish(&mut self, end: End, heeded: bool, tidings: &mut Tidings<'_>) -> bool;
}

/// What comes of something that happens on a connection: the oracle knows of it, and both machines will
/// be told.
pub(crate) struct Tidings<'a> {
    /// What each end calls the connection.
    pub(crate) names: Both<Attempt>,
    pub(crate) oracle: &'a mut Oracle,
    pub(crate) told: &'a mut Both<Vec<Event>>,
}

impl Tidings<'_> {
    pub(crate) fn tell(&mut self, end: End, event: Event) {
        self.told[end].push(event);
    }

    /// QUIC has all of a write.
    pub(crate) fn taken(&mut self, by: End, transfer: TransferId) {
        self.tell(by, Event::TransferFinished { transfer });
    }

    /// A message is all in the receiver's transport.
    pub(crate) fn arrived(&mut self, message: u64) {
        self.oracle.arrived(message);
    }

    /// The sender is told that a message is there.
    pub(crate) fn acknowledged(&mut self, message: u64) {
        self.oracle.acknowledged(message, self.names.listener);
    }

    /// A stream of the other end's is there.
    pub(crate) fn opened(&mut self, end: End, index: u64) {
        let (attempt, stream) = (self.names[end], remote(index));
        self.tell(end, Event::StreamOpened { attempt, stream });
    }

    /// The next bytes of a stream of the other end's.
    pub(crate) fn read(&mut self, end: End, index: u64, bytes: Bytes, fin: bool) {
        let received = Event::BytesReceived {
            attempt: self.names[end],
            stream: remote(index),
            bytes,
            fin,
        };
        self.tell(end, received);
    }
}

/// A stream that the other end opened.
pub(crate) fn remote(index: u64) -> StreamId {
    let opener = Side::Remote;
    StreamId { opener, index }
}

/// The connection of which a machine asks for something, but for its beginning and end.
pub(crate) fn connection_of(action: &Action) -> Option<Attempt> {
    match action {
        Action::Write { attempt, .. }
        | Action::PauseReading { attempt, .. }
        | Action::ResumeReading { attempt, .. }
        | Action::Probe { attempt }
        | Action::ResetStream { attempt, .. }
        | Action::StopSending { attempt, .. } => Some(*attempt),
        Action::Connect { .. }
        | Action::ScheduleBackoff { .. }
        | Action::Emit(_)
        | Action::Deliver(_)
        | Action::Settle { .. }
        | Action::HandBack(_)
        | Action::Reject { .. }
        | Action::Room { .. }
        | Action::ForgetDelivered
        | Action::Close { .. } => None,
    }
}
