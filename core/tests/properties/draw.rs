//! Which cases are drawn: limits and times at first, then what happens, by how things stand.

use std::time::Duration;

use peer_sender_core::CloseCode;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;

use crate::model::{Link, Model, Phase};
use crate::op::{IdStep, Op, Trouble, Wait, Which};
use crate::shape::{PRIORITIES, REDELIVERIES, Shape, WHEN_FULL};
use peer_sender_model::options::{
    CODES, FLIGHTS, LIES, PERMANENT, RECEIVES, SIZES, STALES, TRANSIENT, WAKES, onward,
};

/// The contract as a state machine.
pub(crate) struct Contract;

impl ReferenceStateMachine for Contract {
    type State = Model;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<Model> {
        shapes().prop_map(Model::new).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Op> {
        ops(model)
    }

    fn apply(mut model: Model, op: &Op) -> Model {
        model.apply(op);
        model
    }
}

fn ms(range: std::ops::RangeInclusive<u64>) -> BoxedStrategy<Duration> {
    range.prop_map(Duration::from_millis).boxed()
}

/// Limits that are met soon, and times that differ.
pub(crate) fn shapes() -> BoxedStrategy<Shape> {
    let limits = (
        1..=3_u8,
        1..=8_usize,
        1..=6_usize,
        select(FLIGHTS),
        select(RECEIVES),
    );
    let times = (
        ms(1..=6_000),
        (
            prop_oneof![3 => 1..=300_u64, 1 => 1..=4_000_u64],
            0..=20_u64,
        ),
        (1..=3_000_u64, 0..=12_u64),
        ms(1..=12_000),
        proptest::option::weighted(0.7, ms(1_000..=30_000)),
    );
    let policies = (
        proptest::option::weighted(0.4, ms(1..=8_000)),
        proptest::option::weighted(0.3, ms(1..=6_000)),
        prop_oneof![1 => Just(Duration::ZERO), 6 => ms(0..=6_000)],
        prop_oneof![2 => Just(REDELIVERIES[0]), 1 => Just(REDELIVERIES[1])],
        prop_oneof![2 => Just(WHEN_FULL[0]), 1 => Just(WHEN_FULL[1])],
        vec(select(&PRIORITIES[..]), 0..=3),
    );
    let ends = (
        proptest::option::weighted(0.15, 1..=4_u32),
        proptest::option::weighted(0.15, ms(1..=5_000)),
        vec(0..4_u8, 0..=3),
    );
    (limits, times, policies, ends)
        .prop_map(|(limits, times, policies, ends)| {
            let (connect_timeout, backoff, refusal, health_after, disconnect_after) = times;
            let span = |(min, times): (u64, u64)| {
                let min = Duration::from_millis(min);
                (min, min * (1 + times as u32))
            };
            let ((backoff_min, backoff_max), (refusal_backoff_min, refusal_backoff_max)) =
                (span(backoff), span(refusal));
            Shape {
                lanes: limits.0,
                queue_messages_max: limits.1,
                flight_messages_max: limits.2,
                flight_bytes_max: limits.3,
                receiver_bytes_max: limits.4,
                connect_timeout,
                backoff_min,
                backoff_max,
                refusal_backoff_min,
                refusal_backoff_max,
                health_after,
                disconnect_after,
                attempts_max: ends.0,
                give_up_after: ends.1,
                slow_after: policies.0,
                ttl: policies.1,
                patience: policies.2,
                redelivery: policies.3,
                when_full: policies.4,
                priorities: policies.5.into_iter().take(usize::from(limits.0)).collect(),
                addresses: if ends.2.is_empty() { vec![0] } else { ends.2 },
                ..Shape::default()
            }
        })
        .boxed()
}

/// What may happen next.
fn ops(model: &Model) -> BoxedStrategy<Op> {
    let lanes = model.shape.lanes;
    let lane = move || 0..lanes;
    let connecting = matches!(model.link, Link::Connecting { .. });
    let standing = model.standing().is_some();
    let waiting = matches!(model.link, Link::Backoff { .. });
    let running = model.phase == Phase::Running;
    let writing = model.streams.iter().any(|it| it.writing);
    // A receiver that has a record of the session closes in answer to a fresh OPEN.
    let fresh = model.streams.iter().any(|it| it.awaits_first_resume());
    let open = !model.streams.is_empty();
    let arriving = model.wires.values().any(|it| !it.forth.is_empty());
    let late = model.ghosts.values().any(|it| !it.forth.is_empty());
    let answering = model.wires.values().any(|it| !it.back.is_empty());
    let holders = model.wires.values().chain(model.ghosts.values());
    let holding = holders.clone().any(|it| model.receiver.holds(it) > 0);
    let counts = || prop_oneof![3 => Just(1_usize), 1 => 2..=3_usize, 2 => Just(100)];
    let when = |of: bool, weight: u32| if of { weight } else { 0 };
    let arms = [
        (if running { 24 } else { 2 }, queue(lanes)),
        (4, which().prop_map(Op::Cancel).boxed()),
        (when(connecting, 16), Just(Op::Confirm).boxed()),
        (
            when(connecting || standing, 4),
            troubles().prop_map(Op::Lose).boxed(),
        ),
        (
            when(fresh, 1),
            Just(Op::Lose(Trouble::Closed(CloseCode::Protocol))).boxed(),
        ),
        (
            when(writing, 10),
            lane().prop_map(|lane| Op::Taken { lane }).boxed(),
        ),
        (
            when(arriving, 14),
            (lane(), counts())
                .prop_map(|(lane, frames)| Op::Arrive { lane, frames })
                .boxed(),
        ),
        (
            when(late, 3),
            (lane(), counts())
                .prop_map(|(lane, frames)| Op::ArriveLate { lane, frames })
                .boxed(),
        ),
        (
            when(holding, 8),
            (lane(), counts())
                .prop_map(|(lane, count)| Op::Accept { lane, count })
                .boxed(),
        ),
        (
            when(holding, 2),
            (lane(), 0..4_usize)
                .prop_map(|(lane, place)| Op::Refuse { lane, place })
                .boxed(),
        ),
        (
            when(answering, 14),
            (lane(), counts(), prop::bool::weighted(0.2))
                .prop_map(|(lane, frames, cut)| Op::Answer { lane, frames, cut })
                .boxed(),
        ),
        (
            when(open, 1),
            lane().prop_map(|lane| Op::GoAway { lane }).boxed(),
        ),
        (
            when(open, 1),
            (lane(), any::<bool>(), 0..9_u64)
                .prop_map(|(lane, stopped, code)| Op::Cut {
                    lane,
                    stopped,
                    code,
                })
                .boxed(),
        ),
        (
            when(open, 1),
            (lane(), select(LIES))
                .prop_map(|(lane, lie)| Op::Lie { lane, lie })
                .boxed(),
        ),
        (
            1,
            select(RECEIVES)
                .prop_map(|bytes_max| Op::Restart { bytes_max })
                .boxed(),
        ),
        (1, Just(Op::Forget).boxed()),
        (
            if waiting { 3 } else { 1 },
            select(WAKES).prop_map(Op::Wake).boxed(),
        ),
        (2, vec(0..4_u8, 0..=3).prop_map(Op::Addresses).boxed()),
        (3, ms(0..=3_000).prop_map(Op::Pause).boxed()),
        (
            if waiting { 16 } else { 6 },
            waits().prop_map(Op::Wait).boxed(),
        ),
        (1, ms(0..=5_000).prop_map(Op::Back).boxed()),
        (3, select(STALES).prop_map(Op::Stale).boxed()),
        (30, Just(onward(model)).boxed()),
    ];
    let often = arms.map(|(weight, op)| (6 * weight, op));
    let ends = [
        (4, ms(0..=20_000).prop_map(Op::Drain).boxed()),
        (2, Just(Op::Abort).boxed()),
        (1, Just(Op::Remove).boxed()),
    ];
    let arms = often
        .into_iter()
        .chain(ends)
        .filter(|arm| arm.0 > 0)
        .collect();
    Union::new_weighted(arms).boxed()
}

fn queue(lanes: u8) -> BoxedStrategy<Op> {
    let sizes = prop_oneof![2 => 0..30_usize, 1 => select(SIZES)];
    let ids = prop_oneof![
        30 => Just(IdStep::Above(0)),
        3 => (1..5_u64).prop_map(IdStep::Above),
        1 => (0..3_u64).prop_map(IdStep::Below),
    ];
    // One lane in a few is beyond those that there are.
    let lane = prop_oneof![30 => 0..lanes, 1 => lanes..=lanes, 1 => Just(255)];
    let ttl = prop_oneof![1 => Just(Duration::ZERO), 8 => ms(0..=6_000)];
    let ttl = proptest::option::weighted(0.25, ttl);
    (lane, sizes, prop::bool::weighted(0.2), ids, ttl)
        .prop_map(|(lane, bytes, refused, id, ttl)| Op::Queue {
            lane,
            bytes,
            refused,
            id,
            ttl,
        })
        .boxed()
}

fn which() -> BoxedStrategy<Which> {
    prop_oneof![
        4 => (0..8_usize).prop_map(Which::Queued),
        4 => (0..8_usize).prop_map(Which::Begun),
        1 => (0..8_usize).prop_map(Which::Settled),
        1 => Just(Which::Unknown),
    ]
    .boxed()
}

fn waits() -> BoxedStrategy<Wait> {
    prop_oneof![
        8 => Just(Wait::Due),
        1 => Just(Wait::Twice),
        2 => Just(Wait::Early),
        2 => ms(1..=4_000).prop_map(Wait::Late),
        3 => ms(0..=10_000).prop_map(Wait::For),
        // A laptop that slept.
        1 => ms(3_600_000..=2_592_000_000).prop_map(Wait::For),
    ]
    .boxed()
}

fn troubles() -> BoxedStrategy<Trouble> {
    prop_oneof![
        6 => select(TRANSIENT),
        3 => select(PERMANENT),
        3 => select(CODES).prop_map(Trouble::Closed),
    ]
    .boxed()
}
