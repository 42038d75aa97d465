//! What the receiving application sees, and what it does with it.

use bytes::Bytes;

use super::{Fate, Kind, Lane, Message, Oracle, Violation, violated};

/// The bytes of a message, which tell it from others: its id, over and over.
pub(crate) fn payload(id: u64, bytes: u32) -> Bytes {
    let id = id.to_le_bytes();
    (0..bytes as usize).map(|at| id[at % id.len()]).collect()
}

impl Oracle {
    /// The message of the lane with these bytes. Of those that are too short to be told apart, the
    /// first one that is not `past`.
    pub(crate) fn find(
        &self,
        lane: u8,
        bytes: &Bytes,
        past: impl Fn(&Message) -> bool,
    ) -> Option<u64> {
        let alike = (0..).zip(&self.messages).filter(|(id, message)| {
            message.lane == lane
                && message.bytes as usize == bytes.len()
                && message.fate != Fate::Rejected
                && payload(*id, message.bytes) == *bytes
        });
        let mut found = None;
        for (id, message) in alike {
            if !past(message) {
                return Some(id);
            }
            found = found.or(Some(id));
        }
        found
    }

    /// A byte of the message is in a write, on a connection that the receiver's memory has
    /// `outlived` or not.
    pub(crate) fn begins(
        &mut self,
        lane: u8,
        bytes: &Bytes,
        forgotten: bool,
    ) -> Result<u64, Violation> {
        let past = |it: &Message| it.begun || it.fate != Fate::Live;
        let Some(id) = self.find(lane, bytes, past) else {
            return violated("I5", "the sender writes what nobody sent");
        };
        if let Some(message) = self.message_mut(id) {
            if message.fate != Fate::Live {
                return violated("I4", format!("#{id} has its outcome, and is sent"));
            }
            message.begun = true;
            message.excused |= forgotten;
        }
        Ok(id)
    }

    /// The application is handed a message.
    pub(crate) fn handed(&mut self, lane: u8, bytes: &Bytes) -> Result<u64, Violation> {
        let Some(id) = self.find(lane, bytes, |it| it.seen_in_memory) else {
            return violated("I5", "the application is handed what nobody sent");
        };
        let Lane {
            last_in_memory,
            latest,
            ..
        } = *self.lane_mut(lane);
        let Some(message) = self.message_mut(id) else {
            return Ok(id);
        };
        if let Fate::Settled(kind @ (Kind::Cancelled | Kind::Expired | Kind::Failed)) = message.fate
        {
            return violated("I4", format!("#{id} was told {kind:?}, and is seen"));
        }
        if message.seen_in_memory {
            return violated("I6", format!("#{id} is seen twice"));
        }
        if message.spare == 0 {
            return violated("I6", format!("#{id} is seen more often than it was sent"));
        }
        let early = last_in_memory >= Some(id) || !message.seen && latest > Some(id);
        message.spare -= 1;
        message.seen = true;
        message.seen_in_memory = true;
        if early {
            return violated("I7", format!("#{id} is seen after a later one of its lane"));
        }
        let seen = self.lane_mut(lane);
        seen.last_in_memory = Some(id);
        seen.latest = latest.max(Some(id));
        Ok(id)
    }

    /// The application has answered a message that it was handed: accepted it, or refused it with
    /// a code.
    pub(crate) fn answered(&mut self, id: u64, refused: Option<u64>) {
        if let Some(message) = self.message_mut(id) {
            match refused {
                Some(code) => message.refused = Some(code),
                None => message.accepted = true,
            }
        }
    }
}
