//! What is true of a message, by the receiver's own log, whatever the model says.

use std::collections::{BTreeMap, BTreeSet};

use peer_sender_core::{Outcome, Redelivery, RefuseCode};

use crate::model::{Fact, Message, Model, Said};
use crate::subject::require;

/// What was said of messages so far.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    accepted: BTreeSet<u64>,
    outcomes: BTreeMap<u64, Outcome>,
    /// Said never to arrive.
    never: BTreeSet<u64>,
    handed: usize,
    first_copies: BTreeMap<u8, u64>,
    /// Copies that each process of the receiver was handed.
    copies: BTreeSet<(u8, u64)>,
    stopped: bool,
}

impl Truth {
    /// Judges what a step said.
    pub fn step(&mut self, model: &Model, said: &[Said]) -> Result<(), String> {
        let rejects = |it: &Said| matches!(it, Said::Reject { .. });
        require("I27", !self.stopped || said.iter().all(rejects), || {
            "a closed sender does something".into()
        })?;
        if let Some(Fact::Queue(message)) = model.step.as_ref().map(|it| &it.fact)
            && !said.iter().any(rejects)
        {
            self.accepted.insert(message.id);
        }
        for one in said {
            match one {
                Said::Settle { id, outcome } => self.settled(model, *id, outcome)?,
                Said::Stopped(_) => {
                    self.stopped = true;
                    let all = self.outcomes.len() == self.accepted.len();
                    require("I28", all, || "stopped with messages unsettled".into())?;
                }
                _ => {}
            }
        }
        self.handed(model)
    }

    fn settled(&mut self, model: &Model, id: u64, outcome: &Outcome) -> Result<(), String> {
        require("I1", self.accepted.contains(&id), || {
            format!("an outcome of {id}, which was not accepted")
        })?;
        let first = self.outcomes.insert(id, outcome.clone()).is_none();
        require("I1", first, || format!("a second outcome of {id}"))?;
        if !model.honest {
            return Ok(());
        }
        let receiver = &model.receiver;
        match outcome {
            Outcome::Delivered(_) => require("I3", receiver.accepted.contains(&id), || {
                format!("{id} is said to be delivered, and was not accepted")
            }),
            Outcome::Refused(RefuseCode::TooLarge) => {
                let handed = receiver.handed.iter().any(|it| it.1.id == id);
                require("I3", !handed, || {
                    format!("{id} is said to be too large, and was handed over")
                })
            }
            Outcome::Refused(_) => require("I3", receiver.refused.contains(&id), || {
                format!("{id} is said to be refused, and was not")
            }),
            Outcome::Expired | Outcome::Cancelled | Outcome::Failed(_) => {
                self.never.insert(id);
                let seen = receiver.handed.iter().any(|it| it.1.id == id);
                require("I4", !seen, || {
                    format!("{id} is said never to arrive, and has arrived")
                })
            }
            Outcome::Unknown(_) => Ok(()),
            Outcome::Written => require("I3", false, || {
                format!("{id} is said to be written, and lanes tell more")
            }),
        }
    }

    /// What the receiver's application was handed since.
    pub fn handed(&mut self, model: &Model) -> Result<(), String> {
        if !model.honest {
            return Ok(());
        }
        for (process, Message { id, lane, .. }) in &model.receiver.handed[self.handed..] {
            require("I4", !self.never.contains(id), || {
                format!("{id} arrives, and was said never to")
            })?;
            let before = self.first_copies.get(lane).copied();
            let again = before.is_some_and(|before| *id <= before);
            let copied = self.copies.iter().any(|it| it.1 == *id);
            require("I7", !again || copied, || {
                format!("{id} arrives first after {before:?} in lane {lane}")
            })?;
            let once = model.shape.redelivery == Redelivery::AtMostOnce;
            require("I6", !once || !copied, || {
                format!("{id}, which may be sent only once, arrives twice")
            })?;
            let single = self.copies.insert((*process, *id)) || model.forgot;
            require("I6", single, || format!("a process is handed {id} twice"))?;
            let newest = before.map_or(*id, |before| before.max(*id));
            self.first_copies.insert(*lane, newest);
        }
        self.handed = model.receiver.handed.len();
        Ok(())
    }
}
