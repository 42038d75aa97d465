//! Messages between the driver and the application, one queue for each session.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex};

use peer_sender_core::{IncomingMessage, Lane, RefuseCode};
use peer_sender_quic::{Sender, Source};

use super::ledger::Ledger;
use crate::bell::{Bell, lock};
use crate::wait::WaitSet;

/// What the takers of messages and the driver share.
#[derive(Debug)]
pub(crate) struct Inbox<P> {
    pub(super) state: Mutex<InboxState<P>>,
    pub(super) bell: Arc<Bell>,
}

/// The queues. Each is bounded by the inbound budget that the machine gives each session, in
/// which every message counts until it is answered.
#[derive(Debug)]
pub(super) struct InboxState<P> {
    sessions: BTreeMap<Source, Session<P>>,
    /// Sessions that have messages, the next to be served in front.
    ready: VecDeque<Source>,
    /// Sessions whose answers the driver has not seen.
    answered: Vec<Source>,
    pub(super) waiting: WaitSet,
    closed: bool,
}

#[derive(Debug)]
struct Session<P> {
    from: Arc<Sender<P>>,
    messages: VecDeque<IncomingMessage>,
    ledgers: BTreeMap<Lane, Ledger>,
    answers: BTreeMap<Lane, LaneAnswers>,
}

/// The answers of one session since the driver last looked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) source: Source,
    pub(crate) lanes: BTreeMap<Lane, LaneAnswers>,
}

/// The answers of one lane: the refusals come before the number that covers them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneAnswers {
    pub(crate) refused: Vec<(u64, RefuseCode)>,
    pub(crate) below: u64,
}

/// A message that the application takes.
#[derive(Debug)]
pub(super) struct Taken<P> {
    pub(super) source: Source,
    pub(super) from: Arc<Sender<P>>,
    pub(super) message: IncomingMessage,
}

/// A message's name among all that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    source: Source,
    lane: Lane,
    number: u64,
}

impl<P> Taken<P> {
    pub(super) fn delivery(&self) -> Delivery {
        let IncomingMessage { lane, number, .. } = self.message;
        Delivery {
            source: self.source,
            lane,
            number,
        }
    }
}

impl<P> Inbox<P> {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        let state = InboxState {
            sessions: BTreeMap::new(),
            ready: VecDeque::new(),
            answered: Vec::new(),
            waiting: WaitSet::default(),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            bell,
        }
    }

    /// Messages came; whoever waits for them is to be woken later.
    pub(crate) fn deliver(&self, source: Source, from: Sender<P>, messages: Vec<IncomingMessage>)
    where
        P: PartialEq,
    {
        lock(&self.state).deliver(source, from, messages);
    }

    /// The machine forgot the session: what was not taken from it is gone, and answers to what
    /// was taken are of no use any more. Its sender will send again what got no receipt.
    pub(crate) fn forget(&self, source: Source) {
        let mut state = lock(&self.state);
        state.sessions.remove(&source);
        state.ready.retain(|ready| *ready != source);
    }

    /// A message is answered: accepted, or refused with a code.
    pub(super) fn answer(&self, delivery: Delivery, refused: Option<RefuseCode>) {
        let ring = lock(&self.state).answer(delivery, refused);
        if ring {
            self.bell.ring();
        }
    }

    /// All these messages are accepted.
    pub(super) fn accept_all(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        let mut ring = false;
        {
            let mut state = lock(&self.state);
            for delivery in deliveries {
                ring |= state.answer(delivery, None);
            }
        }
        if ring {
            self.bell.ring();
        }
    }

    /// The answers since the last call.
    pub(crate) fn take_answers(&self) -> Vec<Answers> {
        lock(&self.state).take_answers()
    }

    /// The node has stopped: no answer would be heard any more, so nothing more is taken.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.sessions.clear();
        state.ready.clear();
        state.answered.clear();
    }
}

impl<P> InboxState<P> {
    fn deliver(&mut self, source: Source, from: Sender<P>, messages: Vec<IncomingMessage>)
    where
        P: PartialEq,
    {
        if self.closed || messages.is_empty() {
            return;
        }
        let entry = match self.sessions.entry(source) {
            Entry::Vacant(vacant) => vacant.insert(Session::new(from)),
            Entry::Occupied(known) => {
                let known = known.into_mut();
                if *known.from != from {
                    known.from = Arc::new(from);
                }
                known
            }
        };
        if entry.messages.is_empty() {
            self.ready.push_back(source);
        }
        for message in &messages {
            entry
                .ledgers
                .entry(message.lane)
                .or_default()
                .open(message.number);
        }
        entry.messages.extend(messages);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The next message; the session that had its turn goes to the end of the line.
    pub(super) fn take(&mut self) -> Option<Taken<P>> {
        loop {
            let source = self.ready.pop_front()?;
            let Some(entry) = self.sessions.get_mut(&source) else {
                continue;
            };
            let Some(message) = entry.messages.pop_front() else {
                continue;
            };
            match entry.messages.is_empty() {
                true => give_back(&mut entry.messages),
                false => self.ready.push_back(source),
            }
            return Some(Taken {
                source,
                from: Arc::clone(&entry.from),
                message,
            });
        }
    }

    /// See [`Inbox::answer`]; whether the driver must be told that there are answers.
    pub(super) fn answer(&mut self, delivery: Delivery, refused: Option<RefuseCode>) -> bool {
        let Delivery {
            source,
            lane,
            number,
        } = delivery;
        let Some(entry) = self.sessions.get_mut(&source) else {
            return false;
        };
        let Some(ledger) = entry.ledgers.get_mut(&lane) else {
            return false;
        };
        if !ledger.answer(number) {
            return false;
        }
        let below = ledger.below();
        let first_of_session = entry.answers.is_empty();
        let answers = entry.answers.entry(lane).or_default();
        answers.below = below;
        answers.refused.extend(refused.map(|code| (number, code)));
        if !first_of_session {
            return false;
        }
        self.answered.push(source);
        self.answered.len() == 1
    }

    fn take_answers(&mut self) -> Vec<Answers> {
        let mut taken = Vec::with_capacity(self.answered.len());
        for source in self.answered.drain(..) {
            if let Some(entry) = self.sessions.get_mut(&source) {
                taken.push(Answers {
                    source,
                    lanes: std::mem::take(&mut entry.answers),
                });
            }
        }
        taken
    }
}

impl<P> Session<P> {
    fn new(from: Sender<P>) -> Self {
        Self {
            from: Arc::new(from),
            messages: VecDeque::new(),
            ledgers: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }
}

/// Frees the room of a burst once its queue is empty, so that it does not stay for as long as the
/// session is remembered.
pub(super) fn give_back<T>(queue: &mut VecDeque<T>) {
    const KEPT_AT_MOST: usize = 1_024;
    if queue.is_empty() && queue.capacity() > KEPT_AT_MOST {
        *queue = VecDeque::new();
    }
}

#[cfg(test)]
mod tests;
