//! A sender against the reference model of the contract, under what a tape lets happen to it and
//! to its receiver: each answer, timer and count must be the model's.
//!
//! The first record holds the limits, each other is one thing that happens. What failed is printed as
//! a case that `core/tests/properties/cases` can keep.

use std::time::Duration;

use peer_sender_core::CloseCode;
use peer_sender_model::case::SEED;
use peer_sender_model::model::Model;
use peer_sender_model::op::{IdStep, Op, Trouble, Wait, Which};
use peer_sender_model::options::{
    CODES, FLIGHTS, LIES, PERMANENT, RECEIVES, SIZES, STALES, TRANSIENT, WAKES, onward,
};
use peer_sender_model::shape::{PRIORITIES, REDELIVERIES, Shape, WHEN_FULL};
use peer_sender_model::subject::Subject;
use peer_sender_model::text;
use peer_sender_sim::tape::{Choices, Tape};

use crate::draw::one_of;

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(mut tape) = Tape::read(bytes) else {
        return false;
    };
    let Some(mut choices) = tape.next() else {
        return false;
    };
    let mut model = Model::new(shape(&mut choices));
    let mut subject = Subject::new(&model, SEED);
    let mut ops = Vec::new();
    for mut choices in tape {
        let op = op(&model, &mut choices);
        ops.push(op.clone());
        model.apply(&op);
        let done = match model.step.clone() {
            Some(step) => subject.step(&model, &step),
            None => subject.nothing(&model),
        };
        if let Err(what) = done {
            panic!("{what}\n{}", text::write(&model.shape, &ops));
        }
    }
    true
}

fn ms(choices: &mut Choices<'_>, min: u64, max: u64) -> Duration {
    Duration::from_millis(min + choices.below(max - min + 1))
}

/// Limits that are met soon, and times that differ. Zeros are a plain sender of one lane.
fn shape(choices: &mut Choices<'_>) -> Shape {
    let lanes = 1 + choices.below(3) as u8;
    let [backoff, refusal] = [(300, 20), (3_000, 12)].map(|(min, times)| {
        let min = ms(choices, 1, min);
        (min, min * (1 + choices.below(times) as u32))
    });
    let mut addresses: Vec<u8> = (0..choices.below(4))
        .map(|_| choices.below(4) as u8)
        .collect();
    if addresses.is_empty() {
        addresses.push(0);
    }
    Shape {
        lanes,
        queue_messages_max: 1 + choices.below(8) as usize,
        flight_messages_max: 1 + choices.below(6) as usize,
        flight_bytes_max: one_of(choices, FLIGHTS),
        receiver_bytes_max: one_of(choices, RECEIVES),
        connect_timeout: ms(choices, 1, 6_000),
        backoff_min: backoff.0,
        backoff_max: backoff.1,
        refusal_backoff_min: refusal.0,
        refusal_backoff_max: refusal.1,
        health_after: ms(choices, 1, 12_000),
        disconnect_after: choices.chance(180).then(|| ms(choices, 1_000, 30_000)),
        attempts_max: choices.chance(38).then(|| 1 + choices.below(4) as u32),
        give_up_after: choices.chance(38).then(|| ms(choices, 1, 5_000)),
        slow_after: choices.chance(100).then(|| ms(choices, 1, 8_000)),
        ttl: choices.chance(76).then(|| ms(choices, 1, 6_000)),
        patience: ms(choices, 0, 6_000),
        redelivery: one_of(choices, &REDELIVERIES),
        when_full: one_of(choices, &WHEN_FULL),
        priorities: (0..lanes).map(|_| one_of(choices, &PRIORITIES)).collect(),
        addresses,
        ..Shape::default()
    }
}

fn op(model: &Model, choices: &mut Choices<'_>) -> Op {
    let lane = choices.below(u64::from(model.shape.lanes)) as u8;
    match choices.below(64) {
        // Zeros are a world in which all goes well.
        0..14 => onward(model),
        14..25 => queue(lane, choices),
        25 | 26 => Op::Cancel(which(choices)),
        27 => Op::Confirm,
        28 | 29 => Op::Lose(trouble(choices)),
        30 => Op::Lose(Trouble::Closed(CloseCode::Protocol)),
        31 | 32 => Op::Taken { lane },
        33 | 34 => Op::Arrive {
            lane,
            frames: count(choices),
        },
        35 => Op::ArriveLate {
            lane,
            frames: count(choices),
        },
        36..38 => Op::Accept {
            lane,
            count: count(choices),
        },
        38 => Op::Refuse {
            lane,
            place: choices.below(4) as usize,
        },
        39..42 => Op::Answer {
            lane,
            frames: count(choices),
            cut: choices.chance(50),
        },
        42 => Op::GoAway { lane },
        43 => Op::Cut {
            lane,
            stopped: choices.chance(128),
            code: choices.below(9),
        },
        44 => Op::Lie {
            lane,
            lie: one_of(choices, LIES),
        },
        45 => Op::Restart {
            bytes_max: one_of(choices, RECEIVES),
        },
        46 => Op::Forget,
        47 | 48 => Op::Wake(one_of(choices, WAKES)),
        49 => Op::Addresses(
            (0..choices.below(4))
                .map(|_| choices.below(4) as u8)
                .collect(),
        ),
        50 | 51 => Op::Pause(ms(choices, 0, 3_000)),
        52..59 => Op::Wait(wait(choices)),
        59 => Op::Back(ms(choices, 0, 5_000)),
        60 | 61 => Op::Stale(one_of(choices, STALES)),
        62 => Op::Drain(ms(choices, 0, 20_000)),
        _ => match choices.chance(80) {
            true => Op::Abort,
            false => Op::Remove,
        },
    }
}

fn queue(lane: u8, choices: &mut Choices<'_>) -> Op {
    let bytes = match choices.below(3) {
        0 | 1 => choices.below(30) as usize,
        _ => one_of(choices, SIZES),
    };
    let id = match choices.below(32) {
        0..28 => IdStep::Above(0),
        28..31 => IdStep::Above(1 + choices.below(4)),
        _ => IdStep::Below(choices.below(3)),
    };
    let ttl = match choices.below(32) {
        0..24 => None,
        24 => Some(Duration::ZERO),
        _ => Some(ms(choices, 0, 6_000)),
    };
    // One in a few is for a lane that there is not.
    let lane = match choices.chance(8) {
        true => lane + one_of(choices, &[3, 200]),
        false => lane,
    };
    Op::Queue {
        lane,
        bytes,
        refused: choices.chance(50),
        id,
        ttl,
    }
}

fn which(choices: &mut Choices<'_>) -> Which {
    let place = choices.below(8) as usize;
    match choices.below(10) {
        0..4 => Which::Queued(place),
        4..8 => Which::Begun(place),
        8 => Which::Settled(place),
        _ => Which::Unknown,
    }
}

fn wait(choices: &mut Choices<'_>) -> Wait {
    match choices.below(17) {
        0..8 => Wait::Due,
        8 => Wait::Twice,
        9 | 10 => Wait::Early,
        11 | 12 => Wait::Late(ms(choices, 1, 4_000)),
        13..16 => Wait::For(ms(choices, 0, 10_000)),
        _ => Wait::For(ms(choices, 3_600_000, 2_592_000_000)),
    }
}

fn trouble(choices: &mut Choices<'_>) -> Trouble {
    match choices.below(12) {
        0..6 => one_of(choices, TRANSIENT),
        6..9 => one_of(choices, PERMANENT),
        _ => Trouble::Closed(one_of(choices, CODES)),
    }
}

fn count(choices: &mut Choices<'_>) -> usize {
    match choices.below(6) {
        0..3 => 1,
        3 => 2 + choices.below(2) as usize,
        _ => 100,
    }
}
