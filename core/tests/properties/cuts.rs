//! I18: cut into other steps, the same events lead to the same outcomes, and to the same order.
//!
//! What becomes of a message is fixed by the message: the receiver is honest, lives on, and refuses
//! some. What is not fixed is which events of a moment come in one step.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use peer_sender_core::{Event, Level, Outcome, RefuseCode, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use crate::case::SEED;
use crate::draw::shapes;
use crate::model::receiver::{Forth, Receiver, Wire};
use crate::model::{Fact, Message, Model, Piece, Said};
use crate::op::Trouble;
use crate::shape::Shape;
use crate::subject::{Subject, require};

/// What comes from outside at a moment.
#[derive(Clone, Debug)]
enum Input {
    Message {
        lane: u8,
        bytes: usize,
        refused: bool,
    },
    Loss(Trouble),
}

/// A moment: how long after the one before, and what comes.
type Moment = (Duration, Vec<Input>);

fn moments() -> BoxedStrategy<Vec<Moment>> {
    let sizes = prop_oneof![8 => 8..40_usize, 1 => select(&[300, 65_537, 90_000][..])];
    let input = prop_oneof![
        6 => (0..3_u8, sizes, prop::bool::weighted(0.2))
            .prop_map(|(lane, bytes, refused)| Input::Message { lane, bytes, refused }),
        1 => select(&[Trouble::Silence, Trouble::Reset, Trouble::Busy][..]).prop_map(Input::Loss),
    ];
    let gap = (0..2_000_u64).prop_map(Duration::from_millis);
    vec((gap, vec(input, 0..6)), 1..12).boxed()
}

/// The limits of a sender that never gives up, never lets go of a message, and never rests.
fn lasting(shape: Shape) -> Shape {
    Shape {
        lanes: 3,
        queue_messages_max: 1_000,
        queue_bytes_max: 100_000_000,
        receiver_bytes_max: 100_000,
        attempts_max: None,
        give_up_after: None,
        ttl: None,
        addresses: vec![0],
        when_full: peer_sender_core::WhenFull::Reject,
        redelivery: peer_sender_core::Redelivery::AtLeastOnce,
        priorities: Vec::new(),
        ..shape
    }
}

#[test]
fn steps_that_are_cut_elsewhere_give_the_same_outcomes_and_order() {
    let strategy = (shapes().prop_map(lasting), moments(), vec(1..5_usize, 1..6));
    let result = crate::runner(crate::cases(500)).run(&strategy, |(shape, moments, cuts)| {
        let run = |cuts: &[usize]| run(&shape, &moments, cuts).map_err(TestCaseError::fail);
        let whole = run(&[usize::MAX])?;
        prop_assert_eq!(&whole, &run(&[1])?, "I18 each event in a step of its own");
        prop_assert_eq!(&whole, &run(&cuts)?, "I18 cut after {:?}", cuts);
        Ok(())
    });
    crate::ended(result);
}

/// What became of each message, and in which order each lane's messages were handed over first.
#[derive(Debug, Default, PartialEq)]
struct End {
    outcomes: BTreeMap<u64, Outcome>,
    order: BTreeMap<u8, Vec<u64>>,
}

/// A sender and its receiver, and what is under way between them.
struct World {
    subject: Subject,
    receiver: Receiver,
    wires: BTreeMap<u8, Wire>,
    clock: Time,
    messages: Vec<Message>,
    /// What the sender is to be told.
    facts: VecDeque<Fact>,
    /// Of the facts that come at once, so many become one step, in turn.
    cuts: Vec<usize>,
    attempts: u64,
    end: End,
}

fn run(shape: &Shape, moments: &[Moment], cuts: &[usize]) -> Result<End, String> {
    let mut world = World {
        subject: Subject::new(&Model::new(shape.clone()), SEED),
        receiver: Receiver::new(shape.receiver_bytes_max),
        wires: BTreeMap::new(),
        clock: Time::from_secs(1),
        messages: Vec::new(),
        facts: VecDeque::new(),
        cuts: cuts.to_vec(),
        attempts: 0,
        end: End::default(),
    };
    for (gap, inputs) in moments {
        world.pass(world.clock + *gap)?;
        inputs.iter().for_each(|input| world.input(input));
        world.settle()?;
    }
    // Nothing goes wrong from here on.
    for _ in 0..1_000 {
        let due = world.subject.machine.next_deadline().map(|it| it.at);
        match due.filter(|_| world.end.outcomes.len() < world.messages.len()) {
            Some(due) => world.pass(due)?,
            None => break,
        }
    }
    world.ended()
}

impl World {
    fn input(&mut self, input: &Input) {
        self.facts.push_back(match *input {
            Input::Message {
                lane,
                bytes,
                refused,
            } => {
                let message = Message {
                    id: self.messages.len() as u64,
                    lane,
                    bytes,
                    refused,
                    accepted_at: self.clock,
                    expires_at: None,
                };
                self.messages.push(message.clone());
                Fact::Queue(message)
            }
            Input::Loss(trouble) => Fact::Lost(trouble),
        });
    }

    /// Time passes, timer by timer.
    fn pass(&mut self, until: Time) -> Result<(), String> {
        while let Some(due) = self.subject.machine.next_deadline()
            && due.at <= until
        {
            self.clock = self.clock.max(due.at);
            self.facts.push_back(Fact::Timer);
            self.settle()?;
        }
        self.clock = until;
        Ok(())
    }

    /// Tells the sender all there is, step by step, until nothing more comes of it.
    fn settle(&mut self) -> Result<(), String> {
        while !self.facts.is_empty() {
            self.cuts.rotate_left(1);
            let many = self.cuts[0].min(self.facts.len());
            let facts: Vec<Fact> = self.facts.drain(..many).collect();
            let events: Vec<Event> = facts.iter().map(|it| self.subject.event(it)).collect();
            let lost = facts.iter().any(|it| matches!(it, Fact::Lost(_)));
            if lost {
                // What was written has arrived, and what was said is not heard.
                self.wires.clear();
                self.facts
                    .retain(|it| !matches!(it, Fact::Back { .. } | Fact::Taken { .. }));
            }
            for said in self.subject.tell_all(self.clock, events)? {
                self.said(said)?;
            }
        }
        Ok(())
    }

    fn said(&mut self, said: Said) -> Result<(), String> {
        match said {
            Said::Dial { attempt, .. } => {
                self.wires.clear();
                self.attempts = attempt;
                self.facts.push_back(Fact::Connected);
            }
            Said::Settle { id, outcome } => {
                let first = self.end.outcomes.insert(id, outcome).is_none();
                require("I1", first, || format!("{id} is settled twice"))?;
            }
            Said::Write { lane, pieces, .. } => self.written(lane, pieces),
            _ => {}
        }
        Ok(())
    }

    /// What is written arrives at once, is taken at once, and is answered at once.
    fn written(&mut self, lane: u8, pieces: Vec<Piece>) {
        self.facts.push_back(Fact::Taken { lane });
        let attempt = self.attempts;
        let wire = self.wires.entry(lane);
        let wire = wire.or_insert_with(|| Wire::new(attempt, lane));
        for piece in pieces {
            wire.forth.push_back(match piece {
                Piece::Open {
                    fresh,
                    session,
                    base,
                } => Forth::Open {
                    fresh,
                    session,
                    base,
                },
                Piece::Skip(count) => Forth::Skip(count),
                Piece::Message { tag, .. } => Forth::Message(self.messages[tag as usize].clone()),
                Piece::Fin => Forth::Fin,
            });
            self.receiver.arrive(wire);
        }
        self.receiver.accept(wire, usize::MAX);
        let mut bytes = Vec::new();
        for (_, more) in wire.back.drain(..) {
            bytes.extend(more);
        }
        let fin = false;
        self.facts.push_back(Fact::Back { lane, bytes, fin });
    }

    /// What became of everything, which the messages themselves say.
    fn ended(mut self) -> Result<End, String> {
        for (_, message) in &self.receiver.handed {
            let order = self.end.order.entry(message.lane).or_default();
            order.push(message.id);
        }
        for (lane, order) in &self.end.order {
            require("I7", order.is_sorted_by(|one, next| one < next), || {
                format!("lane {lane} hands over {order:?}")
            })?;
        }
        for message in &self.messages {
            let expected = match message.refused {
                true => Outcome::Refused(RefuseCode::Application),
                false => Outcome::Delivered(Level::Application),
            };
            let outcome = self.end.outcomes.get(&message.id);
            require("I18", outcome == Some(&expected), || {
                format!("{} is {outcome:?}, not {expected:?}", message.id)
            })?;
        }
        Ok(self.end)
    }
}
