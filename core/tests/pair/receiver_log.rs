//! The judge of the receiving application's log: whose message it is handed, once and in order.

use std::collections::BTreeSet;

use bytes::Bytes;
use peer_sender_core::{MessageId, Outcome, RefuseCode, SessionHandle, SessionId};

use crate::oracle::Oracle;

/// What one life of the receiving application saw of one session.
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
        (incarnation, handle): (u32, SessionHandle),
        session: SessionId,
        number: u64,
        payload: &Bytes,
    ) -> MessageId {
        let id = *self
            .numbers
            .get(&(session, number))
            .unwrap_or_else(|| panic!("I5 number {number} was never sent"));
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
        let forgetful = self.forgotten.iter().any(|(life, _)| *life == incarnation);
        assert!(
            matches!(message.outcome, None | Some(Outcome::Unknown(_)))
                || forgetful && !matches!(message.outcome, Some(Outcome::Failed(_))),
            "I6 {id} was settled as {:?}, and is handed over again",
            message.outcome
        );
        message.handed += 1;
        if message.handed == 1 {
            self.seen.push(id);
        }
        assert!(
            message.handed <= message.written,
            "I6 more copies of {id} than were written"
        );
        if let Some(before) = self.current_log.insert(incarnation, handle)
            && before != handle
        {
            let gone = self.forgotten.contains(&(incarnation, before));
            let renamed = self.logs[&(incarnation, before)].session != session;
            assert!(
                gone || renamed,
                "I6 the session has another name, and was not forgotten"
            );
        }
        let log = self
            .logs
            .entry((incarnation, handle))
            .or_insert_with(|| Log {
                session,
                last: None,
                handed: BTreeSet::new(),
                decided: BTreeSet::new(),
            });
        assert_eq!(log.session, session, "I6 one name for two sessions");
        assert!(log.handed.insert(id), "I6 {id} is handed over twice");
        assert!(log.last < Some(id), "I7 {id} comes after {:?}", log.last);
        let from = log.last.map_or(MessageId(0), |last| MessageId(last.0 + 1));
        for earlier in self.live.range(from..id) {
            let too_large = self.messages[earlier].payload.len() > self.receiver_message_bytes_max;
            assert!(
                too_large,
                "I7 {id} is handed over, and {earlier} before it is missing"
            );
        }
        log.last = Some(id);
        id
    }

    /// The application has answered.
    pub(crate) fn decided(&mut self, log: (u32, SessionHandle), id: MessageId, answer: Answer) {
        let message = self.messages.get_mut(&id).expect("it was handed over");
        match answer {
            Answer::Accept => message.accepted += 1,
            Answer::Refuse(code) => message.refusals.push(code),
        }
        if let Some(log) = self.logs.get_mut(&log) {
            log.decided.insert(id);
        }
    }

    /// How many messages of a session the application, or a limit, has refused.
    pub(crate) fn refusals_of(&self, log: (u32, SessionHandle)) -> usize {
        let Some(log) = self.logs.get(&log) else {
            return 0;
        };
        let refused = |id: &&MessageId| !self.messages[id].refusals.is_empty();
        log.decided.iter().filter(refused).count()
    }

    /// A RESUME names a record.
    pub(crate) fn note_record(&mut self, (life, handle): (u32, SessionHandle), record: u64) {
        let owner = *self.records.entry((life, record)).or_insert(handle);
        assert_eq!(owner, handle, "W record {record} is used again");
    }

    pub(crate) fn forgot(&mut self, incarnation: u32, handle: SessionHandle) {
        self.forgotten.insert((incarnation, handle));
    }

    /// The order in which the application first saw each message.
    pub(crate) fn lane_order(&self) -> Vec<MessageId> {
        self.seen.clone()
    }
}
