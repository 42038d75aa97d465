//! The judge of a receiving application's log: whose message it is handed, once and in order.

use std::collections::BTreeSet;

use bytes::Bytes;
use peer_sender_core::{MessageId, Outcome, Redelivery, RefuseCode, SessionId};

use crate::oracle::Oracle;
use crate::transport::End;

/// A receiving half: the end that it is at, the life of that end's process, and its place among
/// the sessions of that life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Receiver {
    pub(crate) end: End,
    pub(crate) life: u32,
    pub(crate) session: u64,
}

/// What one receiving half's application saw of one lane.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) session: SessionId,
    pub(crate) last: Option<MessageId>,
    pub(crate) handed: BTreeSet<MessageId>,
    pub(crate) decided: BTreeSet<MessageId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept,
    Refuse(RefuseCode),
}

impl Oracle {
    /// The receiving application is handed a message: whose it is, and whether it may be now.
    pub(crate) fn handed(
        &mut self,
        receiver: Receiver,
        session: SessionId,
        (lane, number): (u8, u64),
        payload: &Bytes,
    ) -> MessageId {
        let id = self.numbers.get(&(session, lane, number));
        let id = *id.unwrap_or_else(|| panic!("I5 number {number} of {lane} was never sent"));
        let message = self.messages.get_mut(&id).expect("it is numbered");
        assert!(
            message.payload == *payload,
            "I5 the payload of {id} is another"
        );
        assert!(
            payload.len() <= self.receiver_message_bytes_max,
            "I21 {id} is above the limit"
        );
        // A lost connection may still deliver a copy of what was settled since; but only to a
        // process that has forgotten the session.
        let forgetful = self.forgotten.iter().any(|one| one.life == receiver.life);
        let never = matches!(
            message.outcome,
            Some(Outcome::Failed(_) | Outcome::Cancelled | Outcome::Expired)
        );
        assert!(
            matches!(message.outcome, None | Some(Outcome::Unknown(_))) || forgetful && !never,
            "I6 {id} was settled as {:?}, and is handed over again",
            message.outcome
        );
        message.handed += 1;
        let once = self.limits.policy.redelivery == Redelivery::AtMostOnce;
        assert!(!once || message.handed == 1, "I6 {id} is handed over again");
        if message.handed == 1 {
            self.lanes.get_mut(&lane).expect("its lane").seen.push(id);
        }
        assert!(
            message.handed <= message.written,
            "I6 more copies of {id} than were written"
        );
        if let Some(before) = self.current_log.insert(receiver.life, receiver)
            && before != receiver
        {
            let gone = self.forgotten.contains(&before);
            let mut of_before = self.logs.iter().filter(|((name, _), _)| *name == before);
            let renamed = of_before.all(|(_, log)| log.session != session);
            assert!(
                gone || renamed,
                "I6 the session has another name, and was not forgotten"
            );
        }
        self.note_order(receiver, session, lane, id);
        id
    }

    /// I7: on each lane in the order of acceptance, with nothing left out.
    fn note_order(&mut self, receiver: Receiver, session: SessionId, lane: u8, id: MessageId) {
        let log = self.logs.entry((receiver, lane)).or_insert_with(|| Log {
            session,
            last: None,
            handed: BTreeSet::new(),
            decided: BTreeSet::new(),
        });
        assert_eq!(log.session, session, "I6 one name for two sessions");
        assert!(log.handed.insert(id), "I6 {id} is handed over twice");
        assert!(log.last < Some(id), "I7 {id} comes after {:?}", log.last);
        let from = log.last.map_or(MessageId(0), |last| MessageId(last.0 + 1));
        for earlier in self.lanes[&lane].live.range(from..id) {
            let too_large = self.messages[earlier].payload.len() > self.receiver_message_bytes_max;
            assert!(
                too_large,
                "I7 {id} is handed over, and {earlier} before it is missing"
            );
        }
        log.last = Some(id);
    }

    /// The application has answered.
    pub(crate) fn decided(&mut self, receiver: Receiver, id: MessageId, answer: Answer) {
        let message = self.messages.get_mut(&id).expect("it was handed over");
        match answer {
            Answer::Accept => message.accepted += 1,
            Answer::Refuse(code) => message.refusals.push(code),
        }
        if let Some(log) = self.logs.get_mut(&(receiver, message.lane)) {
            log.decided.insert(id);
        }
    }

    /// Whether this half was handed any message.
    pub(crate) fn has_handed(&self, receiver: Receiver) -> bool {
        let mut lanes = self.logs.range((receiver, 0)..=(receiver, u8::MAX));
        lanes.next().is_some()
    }

    /// How many messages of a lane the application, or a limit, has refused.
    pub(crate) fn refusals_of(&self, receiver: Receiver, lane: u8) -> usize {
        let Some(log) = self.logs.get(&(receiver, lane)) else {
            return 0;
        };
        let refused = |id: &&MessageId| !self.messages[id].refusals.is_empty();
        log.decided.iter().filter(refused).count()
    }

    pub(crate) fn forgot(&mut self, receiver: Receiver) {
        self.forgotten.insert(receiver);
    }
}
