//! What the receiving application sees, and what it does with it.

use bytes::Bytes;

use super::{Fate, Kind, Lane, Message, Oracle, SessionPlace, Violation, violated};
use crate::settings::Settings;

/// The bytes of a message, which tell it from others: its id, over and over.
pub(crate) fn payload(id: u64, bytes: u32) -> Bytes {
    let id = id.to_le_bytes();
    let mut payload = Vec::with_capacity(bytes as usize + id.len());
    while payload.len() < bytes as usize {
        payload.extend_from_slice(&id);
    }
    payload.truncate(bytes as usize);
    payload.into()
}

/// Whether these are the bytes of a message.
fn is_payload(id: u64, message: &Message, bytes: &[u8]) -> bool {
    let id = id.to_le_bytes();
    bytes.len() == message.bytes as usize
        && bytes
            .chunks(id.len())
            .all(|part| Some(part) == id.get(..part.len()))
}

impl Oracle {
    /// The place of a session of the sender, which may be a new one.
    pub(crate) fn session(&mut self, name: peer_sender_core::SessionId) -> SessionPlace {
        self.numbers.session(name)
    }

    /// A byte of the message is in a write, under a number of its lane, on a connection that the
    /// receiver's memory has `outlived` or not.
    ///
    /// A number is one message's for the whole of a session. One that was not given before is the
    /// next message's of the lane: only what is too large for the receiver is passed by.
    pub(crate) fn begins(
        &mut self,
        (session, lane, number): (SessionPlace, u8, u64),
        bytes: &[u8],
        outlived: bool,
        settings: &Settings,
    ) -> Result<u64, Violation> {
        let id = match self.numbers.get(session, lane, number) {
            Some(id) => id,
            None => {
                let Some(id) = self.next_of(session, lane, bytes, settings) else {
                    let known =
                        |(id, it): (u64, &Message)| it.lane == lane && is_payload(id, it, bytes);
                    return match self.live().any(known) {
                        true => violated("I7", "a message is sent out of its turn"),
                        false => violated("I5", "the sender writes what nobody sent"),
                    };
                };
                if number > self.messages.len() as u64 {
                    return violated("I5", "the sender gives a number above all messages");
                }
                self.numbers.give(session, lane, number, id);
                id
            }
        };
        let Some(message) = self.messages.get_mut(id as usize) else {
            return Ok(id);
        };
        if !is_payload(id, message, bytes) {
            return violated("I5", format!("#{id} is sent with other bytes"));
        }
        if message.fate != Fate::Live {
            return violated("I4", format!("#{id} has its outcome, and is sent"));
        }
        if !message.begun {
            self.ledger.begins(id, message);
            message.begun = true;
        }
        message.excused |= outlived;
        Ok(id)
    }

    /// The message with these bytes that is next to be given a number.
    fn next_of(
        &self,
        session: SessionPlace,
        lane: u8,
        bytes: &[u8],
        settings: &Settings,
    ) -> Option<u64> {
        let after = self.numbers.last(session, lane).map_or(0, |last| last + 1);
        for (id, message) in self.live_from(after) {
            if message.lane != lane {
                continue;
            }
            if is_payload(id, message, bytes) {
                return Some(id);
            }
            if u64::from(message.bytes) <= settings.receiver_message_bytes_max {
                return None;
            }
        }
        None
    }

    /// The application is handed a message.
    pub(crate) fn handed(
        &mut self,
        (session, lane, number): (SessionPlace, u8, u64),
        bytes: &[u8],
    ) -> Result<u64, Violation> {
        let Some(id) = self.numbers.get(session, lane, number) else {
            return violated("I5", "the application is handed what nobody sent");
        };
        let memory = *self.memory;
        let Lane {
            last_in_memory,
            latest,
            ..
        } = *self.lane_mut(lane);
        let Some(message) = self.message_mut(id) else {
            return Ok(id);
        };
        if !is_payload(id, message, bytes) {
            return violated("I5", format!("#{id} is handed out with other bytes"));
        }
        if let Fate::Settled(kind @ (Kind::Cancelled | Kind::Expired | Kind::Failed)) = message.fate
        {
            return violated("I4", format!("#{id} was told {kind:?}, and is seen"));
        }
        if message.seen_in == memory {
            return violated("I6", format!("#{id} is seen twice"));
        }
        if message.spare == 0 {
            return violated("I6", format!("#{id} is seen more often than it was sent"));
        }
        let early = last_in_memory >= Some(id) || !message.seen && latest > Some(id);
        message.spare -= 1;
        message.seen = true;
        message.seen_in = memory;
        if early {
            return violated("I7", format!("#{id} is seen after a later one of its lane"));
        }
        let seen = self.lane_mut(lane);
        seen.last_in_memory = Some(id);
        seen.latest = latest.max(Some(id));
        Ok(id)
    }

    /// The application has answered a message that it was handed: accepted it, or refused it with
    /// a code. The receiver still knows of it, or has forgotten it meanwhile.
    pub(crate) fn answered(&mut self, id: u64, refused: Option<u64>, known: bool) {
        let memory = self.memory;
        if let Some(message) = self.message_mut(id) {
            match refused {
                Some(code) => message.refused = Some(code),
                None => {
                    message.accepted = true;
                    if known {
                        message.accepted_in = memory;
                    }
                }
            }
        }
    }
}
