//! The receiving applications of both ends: each holds what it was handed, answers in its own
//! time, and is forgotten with its process, or with the session that it answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use peer_sender_core::{Event, Lane, MessageId, RefuseCode};

use crate::plan::Plan;
use crate::receiver_log::{Answer, Receiver};
use crate::rng::Rng;
use crate::transport::End;

/// A message that was handed over: to whom, on which lane, and its number there.
pub(crate) type Delivery = (Receiver, u8, u64);

#[derive(Debug, Default)]
pub(crate) struct Application {
    shelves: BTreeMap<(Receiver, u8), Shelf>,
}

/// What it holds of one lane.
#[derive(Debug, Default)]
struct Shelf {
    held: VecDeque<Held>,
    /// Answers that the machine was not told of yet.
    refusals: Vec<(u64, RefuseCode)>,
    answered_below: u64,
    told_below: u64,
}

#[derive(Clone, Debug)]
struct Held {
    number: u64,
    id: Option<MessageId>,
    bytes: usize,
    answered: bool,
}

impl Application {
    pub(crate) fn hand(
        &mut self,
        (receiver, lane, number): Delivery,
        id: Option<MessageId>,
        bytes: usize,
    ) {
        let shelf = self.shelves.entry((receiver, lane)).or_default();
        assert!(
            number >= shelf.answered_below,
            "I7 number {number} was answered already"
        );
        shelf.held.push_back(Held {
            number,
            id,
            bytes,
            answered: false,
        });
    }

    /// Messages and bytes that a receiving half has not answered.
    pub(crate) fn held_bytes(&self, receiver: Receiver) -> (usize, usize) {
        let shelves = self.shelves.range((receiver, 0)..=(receiver, u8::MAX));
        let held = shelves.flat_map(|(_, shelf)| &shelf.held);
        let open = held.filter(|held| !held.answered);
        open.fold((0, 0), |(count, bytes), held| {
            (count + 1, bytes + held.bytes)
        })
    }

    pub(crate) fn receivers(&self) -> BTreeSet<Receiver> {
        self.shelves.keys().map(|(receiver, _)| *receiver).collect()
    }

    /// Forgets what it holds of these, and owes no answer any more.
    pub(crate) fn forget(&mut self, which: impl Fn(Receiver) -> bool) {
        self.shelves.retain(|(receiver, _), _| !which(*receiver));
    }

    /// Everything that waits for its answer, on each lane the oldest first.
    pub(crate) fn unanswered(&self) -> Vec<Delivery> {
        let of = |(&(receiver, lane), shelf): (&(Receiver, u8), &Shelf)| {
            let open = shelf.held.iter().filter(|held| !held.answered);
            let each = open.map(|held| (receiver, lane, held.number));
            each.collect::<Vec<_>>()
        };
        self.shelves.iter().flat_map(of).collect()
    }

    /// The oldest message of a lane that waits for its answer.
    pub(crate) fn oldest(&self, receiver: Receiver, lane: u8) -> Option<u64> {
        let mut held = self.shelves.get(&(receiver, lane))?.held.iter();
        held.find(|held| !held.answered).map(|held| held.number)
    }

    /// Answers one message; says which it was, none if it was answered before.
    pub(crate) fn answer(
        &mut self,
        (receiver, lane, number): Delivery,
        plan: &Plan,
    ) -> Option<(Option<MessageId>, Answer)> {
        let shelf = self.shelves.get_mut(&(receiver, lane))?;
        let held = shelf
            .held
            .iter_mut()
            .find(|held| held.number == number && !held.answered)?;
        held.answered = true;
        let id = held.id;
        let answer = match id {
            Some(id) => decide(id, plan, receiver),
            None => Answer::Accept,
        };
        if let Answer::Refuse(code) = answer {
            shelf.refusals.push((number, code));
        }
        while let Some(front) = shelf.held.front().filter(|held| held.answered) {
            shelf.answered_below = front.number + 1;
            shelf.held.pop_front();
        }
        if let Some(front) = shelf.held.front() {
            shelf.answered_below = front.number;
        }
        Some((id, answer))
    }

    /// What the machine is told of all lanes, once.
    pub(crate) fn news(&mut self, receiver: Receiver) -> Vec<Event> {
        let shelves = self.shelves.range_mut((receiver, 0)..=(receiver, u8::MAX));
        let mut events = Vec::new();
        for ((_, lane), shelf) in shelves {
            let lane = Lane(*lane);
            let refusals = shelf.refusals.drain(..);
            events.extend(refusals.map(|(number, code)| Event::Refused { lane, number, code }));
            if shelf.answered_below > shelf.told_below {
                shelf.told_below = shelf.answered_below;
                events.push(Event::Consumed {
                    lane,
                    below: shelf.answered_below,
                });
            }
        }
        events
    }
}

/// The same message gets the same answer in each life, in half of the seeds; so that both what
/// depends on it and what must not are seen.
fn decide(id: MessageId, plan: &Plan, receiver: Receiver) -> Answer {
    let life = if plan.seed.is_multiple_of(2) {
        0
    } else {
        receiver.life
    };
    let end = u64::from(receiver.end == End::Dialler);
    let mut rng = Rng::new(plan.seed ^ id.0 << 20 ^ u64::from(life) << 50 ^ end << 60);
    if !rng.chance(plan.refuses) {
        return Answer::Accept;
    }
    Answer::Refuse(match rng.below(3) {
        0 => RefuseCode::Application,
        1 => RefuseCode::Dropped,
        _ => RefuseCode::Other(rng.between(4, 70_000)),
    })
}
