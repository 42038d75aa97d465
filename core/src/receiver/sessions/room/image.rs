//! Who waits for room, in the image of a table. How much is held is told from the sessions.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Room, Waiting};
use crate::receiver::sessions::{Session, SessionHandle, SessionsConfig};
use crate::trace::image::{ImageError, Reader, Writer, is_count};

#[cfg(test)]
impl Room {
    /// Gives the one who waits another ticket, and the next one this.
    pub(in crate::receiver::sessions) fn wait_at(&mut self, ticket: u64, next_ticket: u64) {
        let (_, waiting) = self.waiting.pop_first().unwrap();
        self.waiting.insert(ticket, waiting);
        self.next_ticket = next_ticket;
    }
}

impl Room {
    pub(in crate::receiver::sessions) fn save(&self, out: &mut Writer<'_>) {
        let Self {
            waiting,
            next_ticket,
            // The limits of the table.
            node_max: _,
            share_max: _,
            // Told from the sessions.
            held: _,
            of_share: _,
            tickets: _,
            // All were looked at in the same step.
            looking: _,
        } = self;
        out.number(*next_ticket);
        out.each(waiting.iter(), |out, (ticket, waiting)| {
            out.value(&(ticket, waiting.session, waiting.need));
        });
    }

    pub(in crate::receiver::sessions) fn restore(
        image: &mut Reader<'_>,
        config: &SessionsConfig,
        sessions: &BTreeMap<SessionHandle, Session>,
    ) -> Result<Self, ImageError> {
        let mut room = Self::new(config.node_bytes_max, config.key_bytes_max);
        for session in sessions.values() {
            let (held, _) = session.machine.held();
            if room.held.checked_add(held).is_none() {
                return Err(image.wrong("more is held than can be counted"));
            }
            room.change(session.name.0.share, 0, held);
        }
        room.next_ticket = image.number()?;
        let waiting: Vec<(u64, SessionHandle, usize)> = image.each(Reader::value)?;
        for &(ticket, session, need) in &waiting {
            let Some(known) = sessions.get(&session).filter(|_| ticket < room.next_ticket) else {
                return Err(image.wrong("somebody waits who is not there"));
            };
            let share = known.name.0.share;
            room.tickets.insert(session, ticket);
            room.waiting.insert(
                ticket,
                Waiting {
                    session,
                    share,
                    need,
                },
            );
        }
        let apart = [room.tickets.len(), room.waiting.len()] == [waiting.len(); 2];
        match apart && is_count(room.next_ticket) {
            true => Ok(room),
            false => Err(image.wrong("turns that cannot be told apart")),
        }
    }
}
