//! The receiving application of one life of the accepting process: it holds what it was handed,
//! answers in its own time, and is forgotten with its process.

use std::collections::{BTreeMap, VecDeque};

use peer_sender_core::{Event, Lane, MessageId, RefuseCode, SessionHandle};

use crate::faults::Plan;
use crate::receiver_log::Answer;
use crate::rng::Rng;

#[derive(Debug, Default)]
pub(crate) struct Application {
    shelves: BTreeMap<SessionHandle, Shelf>,
}

/// What it holds of one session.
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
        handle: SessionHandle,
        number: u64,
        id: Option<MessageId>,
        bytes: usize,
    ) {
        let shelf = self.shelves.entry(handle).or_default();
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

    /// Messages and bytes of a session that it has not answered.
    pub(crate) fn held_bytes(&self, handle: SessionHandle) -> (usize, usize) {
        let held = self
            .shelves
            .get(&handle)
            .into_iter()
            .flat_map(|shelf| &shelf.held);
        let open = held.filter(|held| !held.answered);
        open.fold((0, 0), |(count, bytes), held| {
            (count + 1, bytes + held.bytes)
        })
    }

    pub(crate) fn handles(&self) -> Vec<SessionHandle> {
        self.shelves.keys().copied().collect()
    }

    /// Everything that waits for its answer.
    pub(crate) fn unanswered(&self) -> Vec<(SessionHandle, u64)> {
        let of = |(handle, shelf): (&SessionHandle, &Shelf)| {
            let open = shelf.held.iter().filter(|held| !held.answered);
            open.map(|held| (*handle, held.number)).collect::<Vec<_>>()
        };
        self.shelves.iter().flat_map(of).collect()
    }

    /// Answers one message; says which it was, none if it was answered before.
    pub(crate) fn answer(
        &mut self,
        handle: SessionHandle,
        number: u64,
        plan: &Plan,
        incarnation: u32,
    ) -> Option<(Option<MessageId>, Answer)> {
        let shelf = self.shelves.get_mut(&handle)?;
        let held = shelf
            .held
            .iter_mut()
            .find(|held| held.number == number && !held.answered)?;
        held.answered = true;
        let id = held.id;
        let answer = match id {
            Some(id) => decide(id, plan, incarnation),
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

    /// What the machine is told of a session, once.
    pub(crate) fn news(&mut self, handle: SessionHandle) -> Vec<Event> {
        let Some(shelf) = self.shelves.get_mut(&handle) else {
            return Vec::new();
        };
        let lane = Lane(0);
        let mut events: Vec<_> = shelf
            .refusals
            .drain(..)
            .map(|(number, code)| Event::Refused { lane, number, code })
            .collect();
        if shelf.answered_below > shelf.told_below {
            shelf.told_below = shelf.answered_below;
            events.push(Event::Consumed {
                lane,
                below: shelf.answered_below,
            });
        }
        events
    }
}

/// The same message gets the same answer in each life, in half of the seeds; so that both what
/// depends on it and what must not are seen.
fn decide(id: MessageId, plan: &Plan, incarnation: u32) -> Answer {
    let life = if plan.seed.is_multiple_of(2) {
        0
    } else {
        incarnation
    };
    let mut rng = Rng::new(plan.seed ^ id.0 << 20 ^ u64::from(life) << 50);
    if !rng.chance(plan.refuses) {
        return Answer::Accept;
    }
    Answer::Refuse(match rng.below(3) {
        0 => RefuseCode::Application,
        1 => RefuseCode::Dropped,
        _ => RefuseCode::Other(rng.between(4, 70_000)),
    })
}
