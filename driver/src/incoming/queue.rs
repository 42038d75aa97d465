//! Messages between the driver and the application, one queue for each session.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex};

use peer_sender_core::{
    IncomingMessage, Lane, RefuseCode, SendLimits, SessionHandle, StopMode, StopReason, Time,
};
use peer_sender_quic::{PeerStats, Sender, Source};

use super::ledger::Ledger;
use crate::bell::{Bell, lock};
use crate::clock::Clock;
use crate::mailbox::shorter;
use crate::peer::{Kind, PeerShared};
use crate::wait::WaitSet;

/// What the takers of messages and the driver share.
pub(crate) struct Inbox<P> {
    pub(super) state: Mutex<InboxState<P>>,
    pub(super) bell: Arc<Bell>,
    /// The limits of the replies to each session.
    replies: SendLimits,
    clock: Clock,
}

/// The queues. Each is bounded by the inbound budget that the machine gives each session, in
/// which every message counts until it is answered.
pub(super) struct InboxState<P> {
    sessions: BTreeMap<Source, Session<P>>,
    /// Sessions that have messages, the next to be served in front.
    ready: VecDeque<Source>,
    /// Sessions whose answers the driver has not seen.
    answered: Vec<Source>,
    /// Senders of replies that the driver does not know yet.
    made: Vec<(SessionHandle, Arc<PeerShared>)>,
    pub(super) waiting: WaitSet,
    /// How the node stops, once it does: no more replies are accepted.
    stopping: Option<StopMode>,
    closed: bool,
}

struct Session<P> {
    from: Arc<Sender<P>>,
    /// Who answers it: of a session, once somebody has asked for it.
    back: Option<Arc<PeerShared>>,
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
pub(super) struct Taken<P> {
    pub(super) source: Source,
    pub(super) from: Arc<Sender<P>>,
    /// Who answers it, where that was known when it was taken.
    pub(super) back: Option<Arc<PeerShared>>,
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
    pub(crate) fn new(bell: Arc<Bell>, replies: SendLimits, clock: Clock) -> Self {
        let state = InboxState {
            sessions: BTreeMap::new(),
            ready: VecDeque::new(),
            answered: Vec::new(),
            made: Vec::new(),
            waiting: WaitSet::default(),
            stopping: None,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            bell,
            replies,
            clock,
        }
    }

    /// Messages came; whoever waits for them is to be woken later. `back` is who answers them, if
    /// that is not for the first of them to ask that wants to.
    pub(crate) fn deliver(
        &self,
        source: Source,
        from: Sender<P>,
        back: Option<&Arc<PeerShared>>,
        messages: Vec<IncomingMessage>,
    ) where
        P: PartialEq,
    {
        lock(&self.state).deliver(source, from, back, messages);
    }

    /// The machine forgot the session: what was not taken from it is gone, and answers to what
    /// was taken are of no use any more. Its sender will send again what got no receipt. A sender
    /// of replies that the driver does not know yet ends here: nobody else would end it.
    pub(crate) fn forget(&self, source: Source) {
        let (forgotten, made) = {
            let mut state = lock(&self.state);
            state.ready.retain(|ready| *ready != source);
            let made = state
                .made
                .iter()
                .position(|(session, _)| Source::Session(*session) == source)
                .map(|place| state.made.swap_remove(place));
            (state.sessions.remove(&source), made)
        };
        drop(forgotten);
        if let Some((_, back)) = made {
            let reason = lock(&back.mailbox).reason_or(StopReason::SessionForgotten);
            back.finish(reason, PeerStats::default());
        }
    }

    /// Who answers the messages of a session: made for the first of them that asks. One of a
    /// session that is forgotten has stopped.
    pub(super) fn back_to(&self, session: SessionHandle) -> Arc<PeerShared> {
        let mut state = lock(&self.state);
        let Some(known) = state.sessions.get_mut(&Source::Session(session)) else {
            let reason = match state.closed {
                true => StopReason::Aborted,
                false => StopReason::SessionForgotten,
            };
            drop(state);
            return self.back_to_none(reason);
        };
        if let Some(back) = &known.back {
            return Arc::clone(back);
        }
        let back = self.new_back();
        known.back = Some(Arc::clone(&back));
        state.made.push((session, Arc::clone(&back)));
        let stopping = state.stopping;
        drop(state);
        if let Some(mode) = stopping {
            back.close(mode);
        }
        self.bell.ring();
        back
    }

    /// A sender that has stopped: there is nobody to answer.
    pub(super) fn back_to_none(&self, reason: StopReason) -> Arc<PeerShared> {
        let back = self.new_back();
        back.finish(reason, PeerStats::default());
        back
    }

    fn new_back(&self) -> Arc<PeerShared> {
        let (bell, limits) = (Arc::clone(&self.bell), self.replies.clone());
        Arc::new(PeerShared::new(Kind::Replies, bell, limits, self.clock))
    }

    /// Senders of replies that were made since the last call.
    pub(crate) fn take_made(&self) -> Vec<(SessionHandle, Arc<PeerShared>)> {
        std::mem::take(&mut lock(&self.state).made)
    }

    /// The node stops: no more replies are accepted.
    pub(crate) fn stop_replies(&self, mode: StopMode) {
        let replies: Vec<_> = {
            let mut state = lock(&self.state);
            state.stopping = Some(
                state
                    .stopping
                    .map_or(mode, |earlier| shorter(earlier, mode)),
            );
            let sessions = state.sessions.iter();
            sessions
                .filter(|(source, _)| matches!(source, Source::Session(_)))
                .filter_map(|(_, session)| session.back.clone())
                .collect()
        };
        for back in replies {
            back.close(mode);
        }
    }

    /// Now, on the node's clock.
    pub(super) fn now(&self) -> Time {
        self.clock.now()
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

    /// The node has stopped: no answer would be heard any more, so nothing more is taken. Hands
    /// back the senders of replies that the driver never knew.
    pub(crate) fn close(&self) -> Vec<Arc<PeerShared>> {
        let (sessions, made) = {
            let mut state = lock(&self.state);
            state.closed = true;
            state.ready.clear();
            state.answered.clear();
            let made = std::mem::take(&mut state.made);
            (std::mem::take(&mut state.sessions), made)
        };
        drop(sessions);
        made.into_iter().map(|(_, back)| back).collect()
    }
}

impl<P> InboxState<P> {
    fn deliver(
        &mut self,
        source: Source,
        from: Sender<P>,
        back: Option<&Arc<PeerShared>>,
        messages: Vec<IncomingMessage>,
    ) where
        P: PartialEq,
    {
        if self.closed || messages.is_empty() {
            return;
        }
        let entry = match self.sessions.entry(source) {
            Entry::Vacant(vacant) => vacant.insert(Session::new(from, back.cloned())),
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
                back: entry.back.clone(),
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
    fn new(from: Sender<P>, back: Option<Arc<PeerShared>>) -> Self {
        Self {
            from: Arc::new(from),
            back,
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
