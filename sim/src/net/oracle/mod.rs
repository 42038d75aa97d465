//! What must hold of messages, judged by what users handed over, what nodes told them, and what
//! applications were given: an oracle that owns the receivers' logs.

mod outcomes;
mod sightings;

use std::collections::BTreeMap;
use std::fmt::Display;

use bytes::Bytes;
use peer_sender_core::{Lane, MessageId, Outcome, Time};
use peer_sender_quic::{Source, Target};

use super::op::Place;

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
    pub(in crate::net) fn at(mut self, place: impl Display) -> Self {
        self.what = format!("{place}: {}", self.what);
        self
    }
}

pub(in crate::net) fn broken<T>(id: &'static str, what: impl Into<String>) -> Result<T, Broken> {
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
pub(in crate::net) struct Channel {
    pub(in crate::net) from: Place,
    pub(in crate::net) life: u32,
    pub(in crate::net) target: Target,
    pub(in crate::net) to: Place,
    /// By the ids that they have in its machine.
    pub(in crate::net) messages: Vec<usize>,
    lanes: BTreeMap<Lane, LaneLog>,
    /// Messages that have no outcome, and their bytes.
    pub(in crate::net) open: u64,
    pub(in crate::net) open_bytes: u64,
    pub(in crate::net) accepted: u64,
    /// Connections of it that were lost.
    pub(in crate::net) losses: u32,
    /// The channel that it answers, if its messages are replies.
    pub(in crate::net) answers: Option<usize>,
    /// Nothing more may come of it.
    pub(in crate::net) ended: bool,
}

#[derive(Debug, Default)]
struct LaneLog {
    messages: Vec<usize>,
    /// The place after the last that was received for the first time.
    first_after: usize,
}

#[derive(Debug)]
pub(in crate::net) struct Told {
    pub(in crate::net) channel: usize,
    lane: Lane,
    place: usize,
    payload: Bytes,
    pub(in crate::net) at: Time,
    pub(in crate::net) outcome: Option<Outcome>,
    rejected: bool,
    pub(in crate::net) withdrawn: bool,
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

    pub(in crate::net) fn is_open(&self) -> bool {
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

/// Whose messages a source brings.
#[derive(Clone, Copy, Debug)]
struct Bound {
    channel: usize,
    /// One of its messages had a name. What has none may be any sender's, such as that of an earlier life.
    certain: bool,
}

/// Everything that users handed over and were told.
#[derive(Debug, Default)]
pub(in crate::net) struct Oracle {
    pub(in crate::net) channels: Vec<Channel>,
    names: BTreeMap<(Place, u32, Target), usize>,
    pub(in crate::net) messages: Vec<Told>,
    seen: BTreeMap<(Place, u32, Source, Lane), Seen>,
    sources: BTreeMap<(Place, u32, Source), Bound>,
    /// Channels that ended in this turn.
    ends: Vec<usize>,
    pub(in crate::net) at_most_once: bool,
    /// Under the plain protocol a message counts as delivered once the receiver's transport has it,
    /// and comes in any order.
    pub(in crate::net) plain: bool,
    /// Under the framed protocol it is written then, and what one connection brings is in order.
    pub(in crate::net) framed: bool,
    pub(in crate::net) taken_bytes_max: usize,
}

impl Oracle {
    /// The channel of a machine, begun if it is new.
    pub(in crate::net) fn channel(
        &mut self,
        from: Place,
        life: u32,
        target: Target,
        to: Place,
    ) -> usize {
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
                        self.sources.get(&source).map(|it| it.channel)
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
    pub(in crate::net) fn is_live(&self, channel: &Channel) -> bool {
        let answered = channel.answers.and_then(|it| self.channels.get(it));
        !channel.ended && answered.is_none_or(|it| !it.ended)
    }

    pub(in crate::net) fn find(&self, from: Place, life: u32, target: Target) -> Option<usize> {
        self.names.get(&(from, life, target)).copied()
    }

    /// A message that is handed over now, of so many bytes: its name in its machine, and its payload.
    pub(in crate::net) fn hand_over(
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

    /// Messages that a user cancels now: of those that are open, `skip` are left alone.
    pub(in crate::net) fn withdraw(
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
    pub(in crate::net) fn withdraw_all(&mut self, from: Place, life: u32, target: Target) {
        self.withdraw(from, life, target, 0, usize::MAX);
    }

    /// A message that its receiver's transport had, and its application never got. One that is too large
    /// may have come whole before its sender heard of that; under the framed protocol it costs what
    /// stands behind it too. `forgot`: when a node last lost what its application had not got, as a
    /// listener or of its peers.
    pub(in crate::net) fn vanished(
        &self,
        forgot: impl Fn(Place, Target) -> Option<Time>,
    ) -> Option<usize> {
        let is_large = |told: &Told| told.payload.len() > self.taken_bytes_max;
        self.messages.iter().position(|told| {
            let arrived = matches!(told.outcome, Some(Outcome::Delivered(_) | Outcome::Written));
            let Some(own) = self.channels.get(told.channel) else {
                return false;
            };
            let kept = forgot(own.to, own.target).is_none_or(|at| at < told.at);
            let mut others = own.messages.iter().filter_map(|&it| self.messages.get(it));
            let large = is_large(told) || self.framed && others.any(is_large);
            arrived && kept && told.received == 0 && told.is_named() && !large
        })
    }

    /// Whether every machine of which outcomes are to be expected has told all of them.
    pub(in crate::net) fn is_settled(&self) -> bool {
        self.channels
            .iter()
            .all(|it| it.open == 0 || !self.is_live(it))
    }

    /// Whether every machine that has not ended has told all its outcomes.
    pub(in crate::net) fn is_over(&self) -> bool {
        self.channels.iter().all(|it| it.ended || it.open == 0)
    }

    /// A node's process has ended: nobody will be told of what is open. How many these are.
    pub(in crate::net) fn orphan(&mut self, from: Place, life: u32) -> u64 {
        let own = self.channels.iter_mut();
        let own = own.filter(|it| it.from == from && it.life == life && !it.ended);
        own.map(|channel| {
            channel.ended = true;
            channel.open
        })
        .sum()
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
