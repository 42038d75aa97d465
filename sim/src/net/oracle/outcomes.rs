//! What nodes tell of messages: each is settled once, as what became of it allows.

use bytes::Bytes;
use peer_sender_core::{MessageId, Outcome, RefuseCode};
use peer_sender_quic::Target;

use super::{Broken, Oracle, broken};
use crate::net::report::Report;

impl Oracle {
    pub(in crate::net) fn rejected(
        &mut self,
        channel: usize,
        id: MessageId,
        payload: &Bytes,
        report: &mut Report,
    ) -> Result<(), Broken> {
        let told = self.open(channel, id)?;
        told.rejected = true;
        if told.payload != *payload || told.received > 0 {
            return broken(
                "I8",
                format!("{id:?} is handed back as another, or after it was sent"),
            );
        }
        report.rejected += 1;
        report.messages -= 1;
        if let Some(own) = self.channels.get_mut(channel) {
            own.accepted -= 1;
        }
        Ok(())
    }

    pub(in crate::net) fn settled(
        &mut self,
        channel: usize,
        id: MessageId,
        outcome: Outcome,
        report: &mut Report,
    ) -> Result<(), Broken> {
        let (taken_bytes_max, plain) = (self.taken_bytes_max, self.plain);
        let framed = self.framed;
        let own = self.channels.get(channel);
        if own.is_some_and(|it| it.ended) {
            return broken(
                "I27",
                format!("{id:?} of channel {channel} is settled after its end"),
            );
        }
        let to_session = own.is_some_and(|it| matches!(it.target, Target::Session(_)));
        let told = self.open(channel, id)?;
        told.outcome = Some(outcome.clone());
        let count = &mut report.outcomes;
        match &outcome {
            Outcome::Delivered(_) => {
                count.delivered += 1;
                if framed {
                    return broken("I3", format!("{id:?} is {outcome:?}, which nobody tells"));
                }
                if !plain && !told.accepted && told.is_named() {
                    return broken("I3", format!("{id:?} was not accepted, and is {outcome:?}"));
                }
            }
            Outcome::Refused(code) => {
                count.refused += 1;
                let large = !to_session && told.payload.len() > taken_bytes_max;
                let so = match code {
                    RefuseCode::Application => told.refused,
                    RefuseCode::TooLarge => large,
                    // The code as it came: that of a message that is too large.
                    RefuseCode::Other(5) => large && plain,
                    RefuseCode::Dropped | RefuseCode::Malformed | RefuseCode::Other(_) => false,
                };
                if !so && told.is_named() {
                    return broken("I3", format!("nobody has refused {id:?}: {outcome:?}"));
                }
            }
            Outcome::Expired | Outcome::Cancelled | Outcome::Failed(_) => {
                match outcome {
                    Outcome::Expired => count.expired += 1,
                    Outcome::Cancelled => count.cancelled += 1,
                    _ => count.failed += 1,
                }
                if told.received > 0 && told.is_named() {
                    return broken("I4", format!("{id:?} was received, and is {outcome:?}"));
                }
            }
            Outcome::Unknown(_) => count.unknown += 1,
            Outcome::Written => {
                count.written += 1;
                if !framed {
                    return broken("I3", format!("{id:?} is only written"));
                }
            }
        }
        Ok(())
    }

    /// A message that failed is handed back with the end of its machine.
    pub(in crate::net) fn handed_back(
        &mut self,
        channel: usize,
        id: MessageId,
        payload: &Bytes,
    ) -> Result<(), Broken> {
        let own = self.channels.get(channel);
        let index = own.and_then(|it| it.messages.get(usize::try_from(id.0).ok()?));
        let told = index.and_then(|&index| self.messages.get(index));
        match told {
            Some(told) if matches!(told.outcome, Some(Outcome::Failed(_))) => {
                match told.payload == *payload {
                    true => Ok(()),
                    false => broken("I28", format!("{id:?} is handed back as another")),
                }
            }
            _ => broken(
                "I28",
                format!("{id:?} is handed back and has not failed: {told:?}"),
            ),
        }
    }

    /// A machine has ended: nothing more may come of it, but that it hands back what came too late.
    pub(in crate::net) fn end(&mut self, channel: usize) {
        if let Some(own) = self.channels.get_mut(channel) {
            own.ended = true;
            self.ends.push(channel);
        }
    }

    /// At the end of a node's turn: whatever ended in it has told everything.
    pub(in crate::net) fn check_ends(&mut self) -> Result<(), Broken> {
        while let Some(channel) = self.ends.pop() {
            let open = self.channels.get(channel).map_or(0, |it| it.open);
            if open > 0 {
                return broken(
                    "I1",
                    format!("channel {channel} ended with {open} open messages"),
                );
            }
        }
        Ok(())
    }
}
