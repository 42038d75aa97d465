//! What is known of each message from outside, and what may be said of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use peer_sender_core::{
    Attempt, Level, MessageId, Outcome, Protocol, Redelivery, RefuseCode, SessionHandle,
};

use crate::ends::End;
use crate::runs::Count;

/// The messages of both ends. No two have the same name.
pub(crate) struct Oracle {
    protocol: Protocol,
    /// Of the dialler's messages; replies are sent once.
    redelivery: Redelivery,
    /// The largest message that a listener takes. A dialler takes all.
    largest: usize,
    fates: BTreeMap<u64, Fate>,
    /// Connections whose other end was still there when they had stood for long enough, each by the end
    /// that was told so and the listener's name for it.
    trusted: BTreeSet<(End, Attempt)>,
    /// The last message that each session, or the sender, gave out.
    last: BTreeMap<Option<SessionHandle>, u64>,
    pub(crate) count: Count,
}

struct Fate {
    from: End,
    payload: Bytes,
    outcome: Option<Outcome>,
    /// How often all of it arrived at the receiver's transport, its end included.
    arrived: u64,
    /// The connections on which the sender was told so, by the listener's name.
    acknowledged: Vec<Attempt>,
    /// How often the receiver's machine was told all of it.
    read: u64,
    /// How often the application got it.
    got: u64,
    /// What the receiver stopped it with.
    stopped: Option<u64>,
}

impl Oracle {
    pub(crate) fn new(protocol: Protocol, redelivery: Redelivery, largest: usize) -> Self {
        Self {
            protocol,
            redelivery,
            largest,
            fates: BTreeMap::new(),
            trusted: BTreeSet::new(),
            last: BTreeMap::new(),
            count: Count::default(),
        }
    }

    pub(crate) fn accepted(&mut self, from: End, id: u64, payload: Bytes) {
        let fate = Fate {
            from,
            payload,
            outcome: None,
            arrived: 0,
            acknowledged: Vec::new(),
            read: 0,
            got: 0,
            stopped: None,
        };
        assert!(self.fates.insert(id, fate).is_none());
    }

    pub(crate) fn rejected(&mut self, from: End, id: MessageId) {
        assert_eq!(self.sent(from, id.0).outcome, None, "I1: {id}");
        self.fates.remove(&id.0);
        self.count.one("rejected");
    }

    /// Its sender writes this.
    pub(crate) fn written(&mut self, from: End, id: u64, payload: &Bytes) {
        assert!(self.sent(from, id).payload == payload, "I5: {id} differs");
        if from == End::Listener {
            self.count.one("replied");
        }
    }

    /// All of it is in the receiver's transport.
    pub(crate) fn arrived(&mut self, id: u64) {
        let redelivery = self.redelivery;
        let fate = self.fate(id);
        fate.arrived += 1;
        if fate.arrived > 1 {
            let again = fate.from == End::Dialler && redelivery == Redelivery::AtLeastOnce;
            assert!(again, "I6: {id} arrived twice");
            self.count.one("twice");
        }
        let outcome = self.fate(id).outcome.as_ref();
        let surely_not = outcome.is_some_and(surely_not);
        assert!(!surely_not, "I4: {id} arrived after {outcome:?}");
    }

    /// The sender was told that the receiver's transport has it.
    pub(crate) fn acknowledged(&mut self, id: u64, connection: Attempt) {
        self.fate(id).acknowledged.push(connection);
    }

    /// This end was told that the other one's transport was still there.
    pub(crate) fn trusted(&mut self, end: End, connection: Attempt) {
        self.trusted.insert((end, connection));
    }

    /// The receiver's machine was told all of it.
    pub(crate) fn read(&mut self, id: u64) {
        self.fate(id).read += 1;
    }

    /// The listener's machine wants no more of it.
    pub(crate) fn stopped(&mut self, id: u64, code: u64) {
        let largest = self.largest;
        let fate = self.sent(End::Dialler, id);
        assert!(
            fate.payload.len() > largest && code == 5,
            "{id} stopped with {code}"
        );
        fate.stopped = Some(code);
        self.count.one("stopped");
    }

    /// The application of a session, or that of the sender, got this.
    pub(crate) fn got(&mut self, session: Option<SessionHandle>, payload: &Bytes) {
        let id = u64::from_be_bytes(payload[..8].try_into().unwrap());
        let (from, largest) = match session {
            Some(_) => (End::Dialler, self.largest),
            None => (End::Listener, usize::MAX),
        };
        let fate = self.sent(from, id);
        fate.got += 1;
        assert!(fate.payload == payload, "I5: {id} differs");
        assert!(payload.len() <= largest, "{id} is too large");
        assert!(fate.got <= fate.read, "I5: {id} was given out too often");
        let before = self.last.insert(session, id);
        let in_order = self.protocol == Protocol::Plain || before.is_none_or(|it| it < id);
        assert!(in_order, "I7: {id} after {before:?}");
        self.count.one("given to the application");
    }

    pub(crate) fn settled(&mut self, from: End, id: MessageId, outcome: &Outcome) {
        let fate = self.sent(from, id.0);
        let before = fate.outcome.replace(outcome.clone());
        assert_eq!(before, None, "I1: {id} has a second outcome: {outcome:?}");
        let surely_not = surely_not(outcome) && fate.arrived > 0;
        assert!(!surely_not, "I4: {id}: {outcome:?}, and it arrived");
        self.count.one(match outcome {
            Outcome::Delivered(level) => {
                let says = (self.protocol, *level);
                assert_eq!(says, (Protocol::Plain, Level::Transport), "I3: {id}");
                assert!(!self.fates[&id.0].acknowledged.is_empty(), "I3: {id}");
                "delivered"
            }
            Outcome::Written => {
                let stood = |&connection: &Attempt| self.trusted.contains(&(from, connection));
                let trusted = self.fates[&id.0].acknowledged.iter().any(stood);
                assert!(trusted && self.protocol == Protocol::Framed, "I3: {id}");
                "written"
            }
            Outcome::Refused(code) => {
                let told = self.fates[&id.0].stopped.map(RefuseCode::Other);
                assert_eq!(Some(*code), told, "{id}");
                "refused"
            }
            Outcome::Cancelled => "cancelled",
            Outcome::Expired => "expired",
            Outcome::Failed(_) => "failed",
            Outcome::Unknown(_) => "unknown",
        });
    }

    /// Everything has ended, and the applications have taken what there was. A dialler that was `aborted`
    /// took no more replies.
    pub(crate) fn ends(&self, aborted: bool) {
        for (id, fate) in &self.fates {
            assert!(fate.outcome.is_some(), "I1: {id} has no outcome");
            let excused = match fate.from {
                End::Dialler => fate.payload.len() > self.largest,
                End::Listener => aborted,
            };
            if !excused {
                assert_eq!(fate.got, fate.arrived, "{id} arrived and was not given out");
            }
        }
    }

    fn sent(&mut self, from: End, id: u64) -> &mut Fate {
        let fate = self.fate(id);
        assert_eq!(fate.from, from, "{id}");
        fate
    }

    fn fate(&mut self, id: u64) -> &mut Fate {
        let fate = self.fates.get_mut(&id);
        fate.unwrap_or_else(|| panic!("I5: nobody sent {id}"))
    }
}

/// Whether it says that the receiver never has the message.
fn surely_not(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Cancelled | Outcome::Expired | Outcome::Failed(_) => true,
        Outcome::Delivered(_) | Outcome::Written | Outcome::Refused(_) | Outcome::Unknown(_) => {
            false
        }
    }
}
