//! What applications are given: who sent it, in which order, and whether it may come at all.

use peer_sender_core::{IncomingMessage, Time};
use peer_sender_quic::{Source, Target};

use super::{Bound, Broken, NAME_BYTES, Oracle, Seen, broken};
use crate::net::op::Place;
use crate::net::report::Report;

impl Oracle {
    /// Which message an application is given, and by that whether it may be. `forgot`: when the
    /// receiver last lost what it remembers.
    pub(in crate::net) fn received(
        &mut self,
        (place, life, from): (Place, u32, Place),
        source: Source,
        message: &IncomingMessage,
        forgot: Option<Time>,
        report: &mut Report,
    ) -> Result<usize, Broken> {
        report.received += 1;
        let seen = self.seen.get(&(place, life, source, message.lane)).copied();
        let found = self.identify((place, life, from), source, seen, message);
        let Some(index) = found else {
            return broken(
                "I5",
                format!("node {place} received what node {from} never sent it: {message:?}"),
            );
        };
        let Some(told) = self.messages.get_mut(index) else {
            return broken("I5", "no such message");
        };
        let (channel, at) = (told.channel, told.place);
        let bound = self.sources.get(&(place, life, source)).copied();
        let bound = bound.filter(|it| it.certain).unwrap_or(Bound {
            channel,
            certain: told.is_named(),
        });
        self.sources.insert((place, life, source), bound);
        // Under the plain protocol a peer's replies are of one source, whatever session they are of.
        if bound.channel != channel && !self.plain {
            return broken(
                "I5",
                format!("{source:?} of node {place} brings two senders' messages"),
            );
        }
        let of_channel = |it: &Seen| it.channel == channel;
        let ordered = !self.plain || self.framed && seen.as_ref().is_some_and(of_channel);
        if let Some(seen) = seen
            && ordered
            && (told.is_named() && at < seen.after || message.number < seen.number)
        {
            return broken(
                "I7",
                format!("{source:?} of node {place} goes back to {message:?}"),
            );
        }
        let after = Seen {
            channel,
            // What has no name may be another one of the same bytes.
            after: match told.is_named() {
                true => at + 1,
                false => seen.filter(of_channel).map_or(0, |it| it.after),
            },
            number: message.number + 1,
        };
        self.seen.insert((place, life, source, message.lane), after);
        if told.rejected {
            return broken(
                "I8",
                format!("message {index} was handed back, and is received"),
            );
        }
        if !told.may_come() && told.is_named() {
            return broken(
                "I4",
                format!("message {index} is {:?}, and is received", told.outcome),
            );
        }
        told.received += 1;
        let Some(own) = self.channels.get_mut(channel) else {
            return broken("I5", "no such sender");
        };
        let copies = told.received - 1;
        if copies > 0 && !told.is_named() {
            return Ok(index);
        }
        if copies > 0 {
            report.copies += 1;
            let replied = matches!(own.target, Target::Session(_));
            // Under the plain protocol nothing is remembered beyond a connection.
            let kept = !self.plain && forgot.is_none_or(|at| at < told.at);
            if self.at_most_once || replied || kept || copies > own.losses - told.losses {
                return broken(
                    "I6",
                    format!("message {index} is received {} times", copies + 1),
                );
            }
            return Ok(index);
        }
        let log = own.lanes.entry(message.lane).or_default();
        if at < log.first_after && told.is_named() && !self.plain {
            return broken("I7", format!("message {index} comes after those behind it"));
        }
        // What has no name may be another one of the same bytes, further back.
        if told.is_named() {
            log.first_after = log.first_after.max(at + 1);
        }
        Ok(index)
    }

    fn identify(
        &self,
        (place, life, from): (Place, u32, Place),
        source: Source,
        seen: Option<Seen>,
        message: &IncomingMessage,
    ) -> Option<usize> {
        let payload = &message.payload;
        let suits = |index: usize| {
            let told = self.messages.get(index)?;
            let own = self.channels.get(told.channel)?;
            let so = own.from == from
                && own.to == place
                && told.lane == message.lane
                && told.payload == *payload;
            so.then_some(index)
        };
        if let Some(name) = payload.first_chunk::<NAME_BYTES>() {
            return suits(usize::try_from(u64::from_le_bytes(*name)).ok()?);
        }
        // The next of the same bytes that its source may bring; rather one that nobody has received,
        // and rather one that may still come.
        let bound = self.sources.get(&(place, life, source)).copied();
        let bound = bound.filter(|_| !self.plain);
        let of_channel = |channel: usize, strict: bool| {
            let log = self.channels.get(channel)?.lanes.get(&message.lane)?;
            let after = seen.filter(|it| it.channel == channel && !self.plain);
            let rest = log.messages.get(after.map_or(0, |it| it.after)..)?;
            let may_be = |index: &&usize| {
                let told = self.messages.get(**index);
                told.is_some_and(|it| match strict {
                    true => it.received == 0 && it.may_come(),
                    false => !it.rejected,
                })
            };
            rest.iter().filter(may_be).find_map(|&index| suits(index))
        };
        let certain = bound.is_some_and(|it| it.certain);
        let others = (0..self.channels.len()).rev().filter(|_| !certain);
        let channels = bound.map(|it| it.channel).into_iter().chain(others);
        [true, false].into_iter().find_map(|strict| {
            let mut channels = channels.clone();
            channels.find_map(|channel| of_channel(channel, strict))
        })
    }

    /// The application accepts a message, or refuses it. Only from here on may its sender be told.
    pub(in crate::net) fn answered(&mut self, index: usize, refused: bool) {
        if let Some(told) = self.messages.get_mut(index) {
            told.refused |= refused;
            told.accepted |= !refused;
        }
    }
}
