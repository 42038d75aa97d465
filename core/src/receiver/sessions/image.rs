//! The image of a table of sessions. Its indexes are told from the sessions.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{Owner, Room, Session, SessionHandle, Sessions, SessionsConfig};
use crate::receiver::machine::PeerReceiverMachine;
use crate::receiver::unbound::Unbound;
use crate::trace::image::{self, Image, ImageError, Kind, Reader, Writer, count_all, is_count};
use crate::{Attempt, ConfigError, ReceiverConfig};

impl Image for Sessions {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            config,
            seed,
            epoch,
            room,
            now,
            stopping,
            next_handle,
            next_record,
            newest,
            connections,
            sessions,
            past,
            // Told from the sessions.
            by_name: _,
            idle: _,
            deadlines: _,
            // To be taken before.
            news: _,
            scratch: _,
        } = self;
        image::write(Kind::Sessions, out, |out| {
            out.value(&(config, seed, epoch, now, stopping));
            out.value(&(next_handle, next_record, newest, past));
            out.each(sessions.iter(), |out, (handle, session)| {
                out.value(handle);
                session.save(out);
            });
            out.each(connections.iter(), |out, (attempt, owner)| {
                out.value(attempt);
                owner.save(out);
            });
            room.save(out);
        });
    }

    fn restore(bytes: &[u8]) -> Result<Self, ImageError> {
        let table = image::read(Kind::Sessions, bytes, Self::read)?;
        table.check()?;
        Ok(table)
    }
}

impl Sessions {
    fn read(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let (config, seed, epoch, now, stopping): (SessionsConfig, _, _, _, _) = image.value()?;
        let config = config.checked()?;
        let (next_handle, next_record, newest, past) = image.value()?;
        let receiver = &config.receiver;
        let sessions = image.each(|image| {
            let handle: SessionHandle = image.value()?;
            Ok((handle, Session::restore(image, receiver)?))
        })?;
        let connections = image.each(|image| {
            let attempt: Attempt = image.value()?;
            Ok((attempt, Owner::restore(image, receiver)?))
        })?;
        let table = Self {
            room: Room::restore(image, &config, &sessions)?,
            config,
            seed,
            epoch,
            now,
            stopping,
            next_handle,
            next_record,
            newest,
            connections,
            by_name: sessions.iter().map(|(&it, of)| (of.name, it)).collect(),
            idle: sessions
                .iter()
                .filter_map(|(&it, of)| Some((of.idle_since?, it)))
                .collect(),
            deadlines: sessions
                .iter()
                .filter_map(|(&it, of)| Some((of.deadline?, it)))
                .collect(),
            sessions,
            news: VecDeque::new(),
            scratch: Vec::new(),
            past,
        };
        let stats = table.sessions.values().map(|it| it.machine.stats());
        let counted = count_all(stats.chain([table.past])).is_some();
        if !counted || !is_count(next_handle) || !is_count(next_record) {
            return Err(image.wrong("counters that cannot be"));
        }
        Ok(table)
    }
}

impl Owner {
    fn save(&self, out: &mut Writer<'_>) {
        match self {
            Self::Session(session) => out.value(&Some(session)),
            Self::Nobody(unbound) => {
                out.value(&None::<SessionHandle>);
                unbound.save(out);
            }
        }
    }

    fn restore(image: &mut Reader<'_>, receiver: &ReceiverConfig) -> Result<Self, ImageError> {
        Ok(match image.value()? {
            Some(session) => Self::Session(session),
            None if receiver.protocol.has_lanes() => Self::Nobody(Unbound::restore(image)?),
            None => return Err(image.wrong("a connection without a session")),
        })
    }
}

impl Session {
    fn save(&self, out: &mut Writer<'_>) {
        let Self {
            name,
            machine,
            idle_since,
            // The machine's own.
            deadline: _,
        } = self;
        out.value(&(name, idle_since));
        machine.save(out);
    }

    fn restore(image: &mut Reader<'_>, receiver: &ReceiverConfig) -> Result<Self, ImageError> {
        let (name, idle_since) = image.value()?;
        let machine = PeerReceiverMachine::restore(image, receiver)?;
        Ok(Self {
            name,
            deadline: machine.next_deadline(),
            machine,
            idle_since,
        })
    }
}

impl SessionsConfig {
    /// The same limits, if a table may have them.
    pub(crate) fn checked(self) -> Result<Self, ConfigError> {
        let ReceiverConfig {
            protocol,
            receive,
            send,
        } = self.receiver;
        let receiver = ReceiverConfig::new(receive.message_bytes_max, receive.inbound_bytes_max)?;
        Ok(Self {
            receiver: receiver.with_protocol(protocol)?.with_replies(send)?,
            ..self
        })
    }
}
