//! What is known of each message from outside, and what may be said of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use peer_sender_core::{Level, MessageId, Outcome, Redelivery, RefuseCode};

use crate::runs::Count;

#[derive(Default)]
struct Fate {
    payload: Bytes,
    outcome: Option<Outcome>,
    /// Streams on which all of it arrived at the listener's transport.
    arrived: u64,
    /// How often the listener's machine was told all of it.
    read: u64,
    /// How often the application got it.
    got: u64,
    refused_with: Option<u64>,
}

pub(crate) struct Oracle {
    redelivery: Redelivery,
    largest: usize,
    fates: BTreeMap<u64, Fate>,
    pub(crate) count: Count,
}

impl Oracle {
    pub(crate) fn new(redelivery: Redelivery, largest: usize) -> Self {
        Self {
            redelivery,
            largest,
            fates: BTreeMap::new(),
            count: Count::default(),
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

    /// All of it, FIN included, is in the listener's transport.
    pub(crate) fn arrived(&mut self, id: u64) {
        let fate = self.fates.get_mut(&id).unwrap();
        fate.arrived += 1;
        if fate.arrived > 1 {
            assert_eq!(
                self.redelivery,
                Redelivery::AtLeastOnce,
                "I6: {id} arrived twice"
            );
            self.count.one("twice");
        }
        let surely_not = matches!(
            fate.outcome,
            Some(Outcome::Cancelled | Outcome::Expired | Outcome::Failed(_))
        );
        assert!(!surely_not, "I4: {id} arrived after {:?}", fate.outcome);
    }

    pub(crate) fn read(&mut self, id: u64) {
        self.fates.get_mut(&id).unwrap().read += 1;
    }

    pub(crate) fn stopped(&mut self, id: u64, code: u64) {
        let fate = self.fates.get_mut(&id).unwrap();
        assert!(
            fate.payload.len() > self.largest && code == 5,
            "{id} stopped with {code}"
        );
        fate.refused_with = Some(code);
        self.count.one("stopped");
    }

    pub(crate) fn got(&mut self, payload: &Bytes) {
        let id = u64::from_be_bytes(payload[..8].try_into().unwrap());
        let fate = self.fates.get_mut(&id).unwrap();
        fate.got += 1;
        assert!(fate.payload == payload, "I5: {id} differs");
        assert!(fate.got <= fate.read, "I5: {id} was given out too often");
        self.count.one("given to the application");
    }

    pub(crate) fn settled(&mut self, id: MessageId, outcome: &Outcome) {
        let fate = self.fates.get_mut(&id.0).unwrap();
        assert_eq!(
            fate.outcome, None,
            "I1: {id} has a second outcome: {outcome:?}"
        );
        fate.outcome = Some(outcome.clone());
        self.count.one(match outcome {
            Outcome::Delivered(level) => {
                assert_eq!(
                    (*level, fate.arrived > 0),
                    (Level::Transport, true),
                    "I3: {id}"
                );
                "delivered"
            }
            Outcome::Refused(code) => {
                let told = fate.refused_with.map(RefuseCode::Other);
                assert_eq!(Some(*code), told, "{id}");
                "refused"
            }
            Outcome::Cancelled => "cancelled",
            Outcome::Expired => "expired",
            Outcome::Failed(_) => "failed",
            Outcome::Unknown(_) => "unknown",
            Outcome::Written => panic!("I3: {id} is only written"),
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
            if fate.payload.len() <= self.largest {
                assert_eq!(fate.got, fate.read, "{id} came whole and was not given out");
            }
        }
    }
}
