//! What is known of each message from outside, and what may be said of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use peer_sender_core::{MessageId, Outcome, Redelivery};

use crate::runs::Count;

#[derive(Default)]
struct Fate {
    payload: Bytes,
    outcome: Option<Outcome>,
    /// Connections on which all of it arrived at the receiver's transport.
    arrived: u64,
    /// The connections on which it was acknowledged.
    acknowledged: Vec<u64>,
    /// How often the application got it.
    got: u64,
    /// The application may never get what arrived.
    excused: bool,
}

/// The messages of one direction.
pub(crate) struct Oracle {
    redelivery: Redelivery,
    fates: BTreeMap<u64, Fate>,
    /// Connections whose other end was still there when they had stood for long enough.
    trusted: BTreeSet<u64>,
}

impl Oracle {
    pub(crate) fn new(redelivery: Redelivery) -> Self {
        Self {
            redelivery,
            fates: BTreeMap::new(),
            trusted: BTreeSet::new(),
        }
    }

    pub(crate) fn accepted(&mut self, id: u64, payload: Bytes) {
        let fate = Fate {
            payload,
            ..Fate::default()
        };
        assert!(self.fates.insert(id, fate).is_none());
    }

    pub(crate) fn rejected(&mut self, id: u64) {
        let fate = self.fates.remove(&id);
        assert!(fate.is_some_and(|it| it.outcome.is_none()));
    }

    pub(crate) fn payload(&self, id: u64) -> &Bytes {
        &self.fates[&id].payload
    }

    /// All of it is in the receiver's transport.
    pub(crate) fn arrived(&mut self, id: u64, count: &mut Count) {
        let fate = self.fates.get_mut(&id).unwrap();
        fate.arrived += 1;
        if fate.arrived > 1 {
            assert_eq!(
                self.redelivery,
                Redelivery::AtLeastOnce,
                "I6: {id} arrived twice"
            );
            count.one("twice");
        }
        let surely_not = matches!(
            fate.outcome,
            Some(Outcome::Cancelled | Outcome::Expired | Outcome::Failed(_))
        );
        assert!(!surely_not, "I4: {id} arrived after {:?}", fate.outcome);
    }

    /// The sender was told that the receiver's transport has it.
    pub(crate) fn acknowledged(&mut self, id: u64, connection: u64) {
        let fate = self.fates.get_mut(&id).unwrap();
        fate.acknowledged.push(connection);
    }

    /// The sender was told that the receiver's transport was still there.
    pub(crate) fn trusted(&mut self, connection: u64) {
        self.trusted.insert(connection);
    }

    /// The connection on which these came is closed by the receiver's own fault or end.
    pub(crate) fn excuse_all(&mut self) {
        for fate in self.fates.values_mut() {
            fate.excused |= fate.got < fate.arrived;
        }
    }

    pub(crate) fn got(&mut self, payload: &Bytes, count: &mut Count) -> u64 {
        let id = u64::from_be_bytes(payload[..8].try_into().unwrap());
        let fate = self.fates.get_mut(&id).unwrap();
        fate.got += 1;
        assert!(fate.payload == payload, "I5: {id} differs");
        assert!(fate.got <= fate.arrived, "I5: {id} was given out too often");
        count.one("given to the application");
        id
    }

    pub(crate) fn settled(&mut self, id: MessageId, outcome: &Outcome, count: &mut Count) {
        let fate = self.fates.get_mut(&id.0).unwrap();
        assert_eq!(
            fate.outcome, None,
            "I1: {id} has a second outcome: {outcome:?}"
        );
        fate.outcome = Some(outcome.clone());
        count.one(match outcome {
            Outcome::Written => {
                let trusted = |connection: &u64| self.trusted.contains(connection);
                assert!(fate.arrived > 0, "I3: {id} has not arrived");
                assert!(fate.acknowledged.iter().any(trusted), "I3: {id}");
                "written"
            }
            Outcome::Delivered(_) | Outcome::Refused(_) => panic!("I3: {id} is {outcome:?}"),
            Outcome::Cancelled => "cancelled",
            Outcome::Expired => "expired",
            Outcome::Failed(_) => "failed",
            Outcome::Unknown(_) => "unknown",
        });
        let surely_not = matches!(
            outcome,
            Outcome::Cancelled | Outcome::Expired | Outcome::Failed(_)
        );
        assert!(
            !surely_not || fate.arrived == 0,
            "I4: {id}: {outcome:?}, and it arrived"
        );
    }

    /// Everything has ended, and the application has taken what there was.
    pub(crate) fn ends(&self) {
        for (id, fate) in &self.fates {
            assert!(fate.outcome.is_some(), "I1: {id} has no outcome");
            if !fate.excused {
                assert_eq!(fate.got, fate.arrived, "L6: {id} arrived");
            }
        }
    }
}
