//! One message that came in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Lane, RefuseCode, StopReason, Time};
use peer_sender_quic::{PeerId, Sender, Source};

use super::queue::{Inbox, Taken};
use crate::peer::{PeerSender, PeerShared};

/// Messages that are accepted under one lock, so that the driver does not wait long for it.
const ACCEPTED_AT_ONCE: usize = 256;

/// A message that the application took and has to answer.
///
/// [`accept`](Self::accept) says that the application has it (written, applied, whatever its word
/// is worth): only then does the sender learn of a delivery. [`refuse`](Self::refuse) refuses it
/// for good. Dropped without either it is refused with code 3, so that no message is left without
/// an answer and holds back those behind it on its lane.
///
/// One that is kept and never answered, or leaked ([`std::mem::forget`]), has no answer until the
/// node forgets its session: its sender gets no receipt for it nor for any message behind it on
/// its lane, which comes to a halt when as many are in flight as the sender allows itself. A drain
/// of either end waits for it until its deadline. Its bytes stay in the budgets in which they count
/// ([`Incoming`](crate::Incoming)), so that as many of them as fill one stop every lane of whoever
/// shares it.
///
/// Answers that come after the node has stopped, or after it forgot the session, are not heard:
/// the sender sends such a message again, or tells that its fate is unknown.
pub struct IncomingMessage<P: PeerId> {
    inbox: Arc<Inbox<P>>,
    taken: Taken<P>,
    answered: bool,
}

impl<P: PeerId> IncomingMessage<P> {
    pub(super) fn new(inbox: Arc<Inbox<P>>, taken: Taken<P>) -> Self {
        Self {
            inbox,
            taken,
            answered: false,
        }
    }

    /// Who sent it.
    pub fn from(&self) -> &Sender<P> {
        &self.taken.from
    }

    /// A sender to whoever sent it, on lane 0. Of a message of somebody who dialled this node it
    /// is one of replies, which go to the session that the message came from, on whatever
    /// connection that has; there is one for each session, and it stops with
    /// [`SessionForgotten`](crate::StopReason::SessionForgotten) when the session is forgotten. Of
    /// a peer's reply it is the sender to that peer.
    ///
    /// A reply and the answer to the message are independent of each other.
    pub fn peer(&self) -> PeerSender {
        sender_to(&self.inbox, self.taken.source, self.taken.back.as_ref())
    }

    /// The lane that it came on.
    pub fn lane(&self) -> Lane {
        self.taken.message.lane
    }

    /// Its number in the lane of its session: increasing, with gaps where the sender gave up.
    pub fn number(&self) -> u64 {
        self.taken.message.number
    }

    /// What was sent.
    pub fn payload(&self) -> &Bytes {
        &self.taken.message.payload
    }

    /// When its last byte came, on the clock of [`Node::now`](crate::Node::now).
    pub fn received_at(&self) -> Time {
        self.taken.message.received_at
    }

    /// For how long it has been here until now, since its last byte came. Asked when the message is
    /// taken, it is the time that it waited for the application.
    pub fn buffered(&self) -> Duration {
        let now = self.inbox.now();
        now.saturating_since(self.received_at())
    }

    /// Accepts the message: a receipt goes to the sender once all messages before it on its
    /// lane are answered.
    pub fn accept(mut self) -> Bytes {
        self.answer(None)
    }

    /// Accepts all of them, in their order: much cheaper than one at a time where an application
    /// takes messages in batches. Accepting is cheapest in the order in which they came.
    pub fn accept_all(messages: impl IntoIterator<Item = Self>) {
        // Taken first, since the iterator may itself take messages.
        let mut messages: Vec<Self> = messages.into_iter().collect();
        for of_one_node in messages.chunk_by_mut(|one, next| Arc::ptr_eq(&one.inbox, &next.inbox)) {
            for some in of_one_node.chunks_mut(ACCEPTED_AT_ONCE) {
                if let Some(first) = some.first() {
                    let inbox = Arc::clone(&first.inbox);
                    inbox.accept_all(some.iter_mut().map(|message| {
                        message.answered = true;
                        message.taken.delivery()
                    }));
                }
            }
        }
    }

    /// Refuses the message with code 2 (by the application): the sender gets
    /// [`Outcome::Refused`](crate::Outcome::Refused) and does not send it again.
    pub fn refuse(mut self) -> Bytes {
        self.answer(Some(RefuseCode::Application))
    }

    /// Refuses the message with code 4: it is not what the application's own format says. Under
    /// [`Protocol::Framed`](crate::Protocol::Framed), whose messages cannot be refused alone, the
    /// connection that brought it is closed, which the sender and this node count as an error.
    pub fn malformed(mut self) -> Bytes {
        self.answer(Some(RefuseCode::Malformed))
    }

    fn answer(&mut self, refused: Option<RefuseCode>) -> Bytes {
        self.answered = true;
        self.inbox.answer(self.taken.delivery(), refused);
        std::mem::take(&mut self.taken.message.payload)
    }
}

impl<P: PeerId> Drop for IncomingMessage<P> {
    fn drop(&mut self) {
        if !self.answered {
            self.answer(Some(RefuseCode::Dropped));
        }
    }
}

impl<P: PeerId> fmt::Debug for IncomingMessage<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingMessage")
            .field("from", &self.taken.from)
            .field("message", &self.taken.message)
            .finish_non_exhaustive()
    }
}

/// A message that [`AutoIncoming`](crate::AutoIncoming) yields: there is nothing left to answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received<P: PeerId> {
    /// Who sent it.
    pub from: Arc<Sender<P>>,
    /// The lane that it came on.
    pub lane: Lane,
    /// Its number in the lane of its session: increasing, with gaps where the sender gave up.
    pub number: u64,
    /// What was sent.
    pub payload: Bytes,
    /// When its last byte came, on the clock of [`Node::now`](crate::Node::now).
    pub received_at: Time,
    back: Back<P>,
}

/// The way back to whoever sent a message.
#[derive(Clone)]
struct Back<P> {
    inbox: Arc<Inbox<P>>,
    source: Source,
    known: Option<Arc<PeerShared>>,
}

impl<P: PeerId> Received<P> {
    pub(super) fn new(inbox: &Arc<Inbox<P>>, taken: Taken<P>) -> Self {
        let Taken {
            source,
            from,
            back: known,
            message,
        } = taken;
        Self {
            from,
            lane: message.lane,
            number: message.number,
            payload: message.payload,
            received_at: message.received_at,
            back: Back {
                inbox: Arc::clone(inbox),
                source,
                known,
            },
        }
    }

    /// A sender to whoever sent it; see [`IncomingMessage::peer`].
    pub fn peer(&self) -> PeerSender {
        let Back {
            inbox,
            source,
            known,
        } = &self.back;
        sender_to(inbox, *source, known.as_ref())
    }
}

impl<P> fmt::Debug for Back<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

fn sender_to<P: PeerId>(
    inbox: &Inbox<P>,
    source: Source,
    known: Option<&Arc<PeerShared>>,
) -> PeerSender {
    PeerSender::new(match (known, source) {
        (Some(known), _) => Arc::clone(known),
        (None, Source::Session(session)) => inbox.back_to(session),
        (None, Source::Peer { .. }) => inbox.back_to_none(StopReason::Aborted),
    })
}
