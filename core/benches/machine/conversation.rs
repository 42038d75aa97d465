//! A conversation of both ends, in which nothing takes time.

use std::collections::BTreeSet;

use bytes::Bytes;
use peer_sender_core::{
    Action, Attempt, Event, Lane, MessageId, MessageOptions, Outcome, PeerKey, PeerSenderMachine,
    SessionHandle, SessionNews, Sessions, Side, StreamId,
};

use crate::{BATCH, MESSAGES, NOW, receiver, sender};

/// All that each end was told.
pub(crate) struct Conversation {
    pub(crate) sender: Vec<Vec<Event>>,
    pub(crate) receiver: Vec<Call>,
}

#[derive(Clone)]
pub(crate) enum Call {
    Accepted(Attempt),
    Connection(Attempt, Vec<Event>),
    Session(SessionHandle, Vec<Event>),
}

impl Call {
    pub(crate) fn make(self, sessions: &mut Sessions, actions: &mut Vec<Action>) {
        match self {
            Self::Accepted(attempt) => sessions.accepted(NOW, attempt, PeerKey([9; 32]), actions),
            Self::Connection(attempt, events) => {
                sessions.handle_connection(NOW, attempt, events, actions);
            }
            Self::Session(session, events) => {
                sessions.handle_session(NOW, session, events, actions);
            }
        }
    }
}

impl Conversation {
    /// Of messages of one size, dealt out to lanes in turn.
    pub(crate) fn record(size: usize, lanes: u8) -> Self {
        let payload = Bytes::from(vec![0x5a; size]);
        let mut queue = (0..MESSAGES).peekable();
        let message = |id| Event::MessageQueued {
            id: MessageId(id),
            lane: Lane((id % u64::from(lanes)) as u8),
            payload: payload.clone(),
            options: MessageOptions::default(),
        };
        let mut ends = Ends {
            sender: sender(),
            receiver: receiver(),
            recorded: Self {
                sender: Vec::new(),
                receiver: Vec::new(),
            },
            opened: BTreeSet::new(),
            delivered: 0,
        };
        let mut facts = ends.tell_sender(vec![Event::TimerFired]);
        while !facts.is_empty() || queue.peek().is_some() {
            facts.extend(queue.by_ref().take(BATCH).map(message));
            facts = ends.tell_sender(facts);
        }
        assert_eq!(ends.delivered, MESSAGES, "each message, once");
        ends.recorded
    }
}

/// Both ends, and a connection on which nothing takes time.
struct Ends {
    sender: PeerSenderMachine,
    receiver: Sessions,
    recorded: Conversation,
    opened: BTreeSet<StreamId>,
    delivered: u64,
}

impl Ends {
    /// A step of the sender and what follows from it at the receiver; the facts that come of it
    /// for the sender.
    fn tell_sender(&mut self, events: Vec<Event>) -> Vec<Event> {
        self.recorded.sender.push(events.clone());
        let mut actions = Vec::new();
        self.sender.handle(NOW, events, &mut actions);
        let (mut facts, mut arriving, mut connection) = (Vec::new(), Vec::new(), None);
        for action in actions {
            if let Action::Connect { attempt, .. } = action {
                facts.push(Event::Connected { attempt });
                facts.extend(self.call(Call::Accepted(attempt)));
                arriving.push(Event::Connected { attempt });
                connection = Some(attempt);
            } else if let Action::Settle { outcome, .. } = action {
                assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
                self.delivered += 1;
            } else if let Action::Write {
                attempt,
                stream,
                transfer,
                chunks,
                fin,
                ..
            } = action
            {
                let mirrored = StreamId {
                    opener: Side::Remote,
                    ..stream
                };
                if self.opened.insert(mirrored) {
                    arriving.push(Event::StreamOpened {
                        attempt,
                        stream: mirrored,
                    });
                }
                arriving.extend(chunks.into_iter().map(|bytes| Event::BytesReceived {
                    attempt,
                    stream: mirrored,
                    bytes,
                    fin,
                }));
                facts.push(Event::TransferFinished { transfer });
                connection = Some(attempt);
            }
        }
        if let Some(attempt) = connection {
            facts.extend(self.call(Call::Connection(attempt, arriving)));
        }
        facts
    }

    /// A step of the receiver, whose application accepts all that it gets, and every step that
    /// follows; the facts that come of them for the sender.
    fn call(&mut self, call: Call) -> Vec<Event> {
        let (mut facts, mut calls) = (Vec::new(), vec![call]);
        while let Some(call) = calls.pop() {
            self.recorded.receiver.push(call.clone());
            let mut actions = Vec::new();
            call.make(&mut self.receiver, &mut actions);
            for action in actions {
                if let Action::Write {
                    attempt,
                    stream,
                    transfer,
                    chunks,
                    fin,
                    ..
                } = action
                {
                    let mirrored = StreamId {
                        opener: Side::Local,
                        ..stream
                    };
                    facts.extend(chunks.into_iter().map(|bytes| Event::BytesReceived {
                        attempt,
                        stream: mirrored,
                        bytes,
                        fin,
                    }));
                    let done = vec![Event::TransferFinished { transfer }];
                    calls.push(Call::Connection(attempt, done));
                }
            }
            while let Some(news) = self.receiver.poll_news() {
                if let SessionNews::Delivered { session, messages } = news {
                    let answers = messages.iter().map(|message| Event::Consumed {
                        lane: message.lane,
                        below: message.number + 1,
                    });
                    calls.push(Call::Session(session, latest(answers)));
                }
            }
        }
        facts
    }
}

/// The last answer of each lane, as a driver gives it.
fn latest(answers: impl Iterator<Item = Event>) -> Vec<Event> {
    let mut latest: Vec<(Lane, Event)> = Vec::new();
    for answer in answers {
        if let Event::Consumed { lane, .. } = answer {
            match latest.iter_mut().find(|(of, _)| *of == lane) {
                Some((_, last)) => *last = answer,
                None => latest.push((lane, answer)),
            }
        }
    }
    latest.into_iter().map(|(_, answer)| answer).collect()
}
