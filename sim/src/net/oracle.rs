//! What must hold of messages, judged by what users handed over, what nodes told them, and what
//! applications were given: an oracle that owns the receivers' logs.

use std::collections::BTreeMap;
use std::fmt::Display;

use bytes::Bytes;
use peer_sender_core::{IncomingMessage, Lane, MessageId, Outcome, RefuseCode, Time};
use peer_sender_quic::{Source, Target};

use super::op::Place;
use super::report::Report;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id}: {what}")]
pub struct Broken {
    /// Its id in `docs/invariants.md`.
    pub id: &'static str,
    /// What happened instead.
    pub what: String,
}

impl Broken {
    /// The same, with where it happened.
    pub(super) fn at(mut self, place: impl Display) -> Self {
        self.what = format!("{place}: {}", self.what);
        self
    }
}

pub(super) fn broken<T>(id: &'static str, what: impl Into<String>) -> Result<T, Broken> {
    let what = what.into();
    Err(Broken { id, what })
}

/// Bytes at the front of a payload that say which message it is; shorter ones are told apart by
/// where they come.
const NAME_BYTES: usize = 8;

/// From here on no two messages of a run have the same payload.
const NAMED_BYTES: usize = 3;

/// One machine that sends, over its life.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) from: Place,
    pub(super) life: u32,
    pub(super) target: Target,
    pub(super) to: Place,
    /// By the ids that they have in its machine.
    pub(super) messages: Vec<usize>,
    lanes: BTreeMap<Lane, LaneLog>,
    /// Messages that have no outcome, and their bytes.
    pub(super) open: u64,
    pub(super) open_bytes: u64,
    pub(super) accepted: u64,
    /// Connections of it that were lost.
    pub(super) losses: u32,
    /// The channel that it answers, if its messages are replies.
    pub(super) answers: Option<usize>,
    /// Nothing more may come of it.
    pub(super) ended: bool,
}

#[derive(Debug, Default)]
struct LaneLog {
    messages: Vec<usize>,
    /// The place after the last that was received for the first time.
    first_after: usize,
}

#[derive(Debug)]
pub(super) struct Told {
    pub(super) channel: usize,
    lane: Lane,
    place: usize,
    payload: Bytes,
    pub(super) at: Time,
    pub(super) outcome: Option<Outcome>,
    rejected: bool,
    pub(super) withdrawn: bool,
    received: u32,
    accepted: bool,
    refused: bool,
    losses: u32,
}

impl Told {
    /// Whether its bytes tell it from all others. What they do not is not judged by itself.
    fn is_named(&self) -> bool {
        self.payload.len() >= NAMED_BYTES
    }

    fn may_come(&self) -> bool {
        let over = matches!(
            self.outcome,
            Some(Outcome::Expired | Outcome::Cancelled | Outcome::Failed(_))
        );
        !self.rejected && !over
    }

    pub(super) fn is_open(&self) -> bool {
        self.outcome.is_none() && !self.rejected
    }
}

/// What a source has brought on a lane.
#[derive(Clone, Copy, Debug)]
struct Seen {
    channel: usize,
    after: usize,
    number: u64,
}

/// Everything that users handed over and were told.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) channels: Vec<Channel>,
    names: BTreeMap<(Place, u32, Target), usize>,
    pub(super) messages: Vec<Told>,
    seen: BTreeMap<(Place, u32, Source, Lane), Seen>,
    sources: BTreeMap<(Place, u32, Source), usize>,
    /// Channels that ended in this turn.
    ends: Vec<usize>,
    pub(super) at_most_once: bool,
    /// Under the plain protocol a message counts as delivered once the receiver's transport has it,
    /// and comes in any order.
    pub(super) plain: bool,
    pub(super) taken_bytes_max: usize,
}

impl Oracle {
    /// The channel of a machine, begun if it is new.
    pub(super) fn channel(&mut self, from: Place, life: u32, target: Target, to: Place) -> usize {
        let next = self.channels.len();
        let place = *self.names.entry((from, life, target)).or_insert(next);
        if place == next {
            self.channels.push(Channel {
                from,
                life,
                target,
                to,
                messages: Vec::new(),
                lanes: BTreeMap::new(),
                open: 0,
                open_bytes: 0,
                accepted: 0,
                losses: 0,
                answers: match target {
                    Target::Session(session) => {
                        let source = (from, life, Source::Session(session));
                        self.sources.get(&source).copied()
                    }
                    Target::Peer(_) => None,
                },
                ended: false,
            });
        }
        place
    }

    /// Whether outcomes are to be expected of a channel: replies to whoever is gone wait until its
    /// session is forgotten.
    pub(super) fn is_live(&self, channel: &Channel) -> bool {
        let answered = channel.answers.and_then(|it| self.channels.get(it));
        !channel.ended && answered.is_none_or(|it| !it.ended)
    }

    pub(super) fn find(&self, from: Place, life: u32, target: Target) -> Option<usize> {
        self.names.get(&(from, life, target)).copied()
    }

    /// A message that is handed over now, of so many bytes: its name in its machine, and its payload.
    pub(super) fn hand_over(
        &mut self,
        channel: usize,
        lane: Lane,
        bytes: usize,
        withdrawn: bool,
        now: Time,
    ) -> Option<(MessageId, Bytes)> {
        let index = self.messages.len();
        let payload = payload(index, bytes);
        let own = self.channels.get_mut(channel)?;
        let id = MessageId(own.messages.len() as u64);
        own.messages.push(index);
        own.open += 1;
        own.open_bytes += bytes as u64;
        own.accepted += 1;
        let log = own.lanes.entry(lane).or_default();
        self.messages.push(Told {
            channel,
            lane,
            place: log.messages.len(),
            payload: payload.clone(),
            at: now,
            outcome: None,
            rejected: false,
            withdrawn,
            received: 0,
            accepted: false,
            refused: false,
            losses: own.losses,
        });
        log.messages.push(index);
        Some((id, payload))
    }

    /// The message of this name of a machine, still open.
    fn open(&mut self, channel: usize, id: MessageId) -> Result<&mut Told, Broken> {
        let index = self.channels.get(channel).and_then(|it| {
            let place = usize::try_from(id.0).ok()?;
            it.messages.get(place).copied()
        });
        let Some(told) = index.and_then(|index| self.messages.get_mut(index)) else {
            return broken(
                "I5",
                format!("something of {id:?}, which nobody handed over"),
            );
        };
        if told.rejected || told.outcome.is_some() {
            return broken(
                "I1",
                format!("{id:?} of channel {channel} is settled again"),
            );
        }
        if let Some(own) = self.channels.get_mut(channel) {
            own.open -= 1;
            own.open_bytes -= told.payload.len() as u64;
        }
        Ok(told)
    }

    pub(super) fn rejected(
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

    pub(super) fn settled(
        &mut self,
        channel: usize,
        id: MessageId,
        outcome: Outcome,
        report: &mut Report,
    ) -> Result<(), Broken> {
        let (taken_bytes_max, plain) = (self.taken_bytes_max, self.plain);
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
                    RefuseCode::Dropped | RefuseCode::Other(_) => false,
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
        }
        Ok(())
    }

    /// A message that failed is handed back with the end of its machine.
    pub(super) fn handed_back(
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
    pub(super) fn end(&mut self, channel: usize) {
        if let Some(own) = self.channels.get_mut(channel) {
            own.ended = true;
            self.ends.push(channel);
        }
    }

    /// At the end of a node's turn: whatever ended in it has told everything.
    pub(super) fn check_ends(&mut self) -> Result<(), Broken> {
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

    /// Messages that a user cancels now: of those that are open, `skip` are left alone.
    pub(super) fn withdraw(
        &mut self,
        from: Place,
        life: u32,
        target: Target,
        skip: usize,
        count: usize,
    ) -> Vec<MessageId> {
        let channel = self.find(from, life, target);
        let Some(own) = channel.and_then(|it| self.channels.get(it)) else {
            return Vec::new();
        };
        let mut chosen = Vec::new();
        let mut left = skip;
        for (id, &index) in own.messages.iter().enumerate() {
            let Some(told) = self.messages.get_mut(index).filter(|it| it.is_open()) else {
                continue;
            };
            if left > 0 {
                left -= 1;
            } else if chosen.len() < count {
                told.withdrawn = true;
                chosen.push(MessageId(id as u64));
            }
        }
        chosen
    }

    /// A user stops a peer: nothing is promised of what is open.
    pub(super) fn withdraw_all(&mut self, from: Place, life: u32, target: Target) {
        self.withdraw(from, life, target, 0, usize::MAX);
    }

    /// A message for a listener that its transport had, and its application never got. One that is
    /// too large may have come whole before its sender heard of that. `forgot`: when a node last lost
    /// what its application had not got.
    pub(super) fn vanished(&self, forgot: impl Fn(Place) -> Option<Time>) -> Option<usize> {
        self.messages.iter().position(|told| {
            let delivered = matches!(told.outcome, Some(Outcome::Delivered(_)));
            let own = self.channels.get(told.channel);
            let own = own.filter(|it| matches!(it.target, Target::Peer(_)));
            let kept = own.is_some_and(|own| forgot(own.to).is_none_or(|at| at < told.at));
            let large = told.payload.len() > self.taken_bytes_max;
            delivered && kept && told.received == 0 && told.is_named() && !large
        })
    }

    /// Whether every machine of which outcomes are to be expected has told all of them.
    pub(super) fn is_settled(&self) -> bool {
        self.channels
            .iter()
            .all(|it| it.open == 0 || !self.is_live(it))
    }

    /// Whether every machine that has not ended has told all its outcomes.
    pub(super) fn is_over(&self) -> bool {
        self.channels.iter().all(|it| it.ended || it.open == 0)
    }

    /// A node's process has ended: nobody will be told of what is open. How many these are.
    pub(super) fn orphan(&mut self, from: Place, life: u32) -> u64 {
        let own = self.channels.iter_mut();
        let own = own.filter(|it| it.from == from && it.life == life && !it.ended);
        own.map(|channel| {
            channel.ended = true;
            channel.open
        })
        .sum()
    }

    /// Which message an application is given, and by that whether it may be.
    pub(super) fn received(
        &mut self,
        (place, life, from): (Place, u32, Place),
        source: Source,
        message: &IncomingMessage,
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
        let bound = *self.sources.entry((place, life, source)).or_insert(channel);
        // Under the plain protocol a peer's replies are of one source, whatever session they are of.
        if bound != channel && !self.plain {
            return broken(
                "I5",
                format!("{source:?} of node {place} brings two senders' messages"),
            );
        }
        if let Some(seen) = seen
            && !self.plain
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
                false => seen.map_or(0, |it| it.after),
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
            if self.at_most_once || replied || copies > own.losses - told.losses {
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
        log.first_after = log.first_after.max(at + 1);
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
        [true, false].into_iter().find_map(|strict| match bound {
            Some(channel) => of_channel(channel, strict),
            None => {
                let mut channels = (0..self.channels.len()).rev();
                channels.find_map(|channel| of_channel(channel, strict))
            }
        })
    }

    /// The application accepts a message, or refuses it. Only from here on may its sender be told.
    pub(super) fn answered(&mut self, index: usize, refused: bool) {
        if let Some(told) = self.messages.get_mut(index) {
            told.refused |= refused;
            told.accepted |= !refused;
        }
    }
}

/// A payload that no other message has, if it is long enough for that.
fn payload(index: usize, bytes: usize) -> Bytes {
    let mut payload = vec![0; bytes];
    let name = (index as u64).to_le_bytes();
    for (place, byte) in payload.iter_mut().enumerate() {
        let within = name.get(place % NAME_BYTES).copied().unwrap_or(0);
        *byte = within.wrapping_add((place / NAME_BYTES) as u8);
    }
    payload.into()
}
