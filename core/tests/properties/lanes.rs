//! Lanes of several classes under load: long runs of writes on a connection that stands, as they
//! are rare where everything may happen.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseError, TestError};

use crate::op::{IdStep, Op};
use crate::shape::{PRIORITIES, Shape};
use crate::{case, kept};

/// Limits that are wide, and many small messages.
pub(crate) fn cases() -> BoxedStrategy<(Shape, Vec<Op>)> {
    let lane = || 0..3_u8;
    let (frames, count, cut) = (100, 100, false);
    let op = prop_oneof![
        8 => lane().prop_map(send),
        12 => lane().prop_map(|lane| Op::Taken { lane }),
        1 => lane().prop_map(move |lane| Op::Arrive { lane, frames }),
        1 => lane().prop_map(move |lane| Op::Accept { lane, count }),
        1 => lane().prop_map(move |lane| Op::Answer { lane, frames, cut }),
    ];
    let classes = vec(select(&PRIORITIES[..]), 3);
    (classes, vec(op, 40..240))
        .prop_map(|(priorities, load)| {
            let shape = Shape {
                queue_messages_max: 300,
                flight_messages_max: 300,
                disconnect_after: None,
                connect_timeout: Duration::from_secs(1_000),
                priorities,
                ..Shape::default()
            };
            let ops = [send(0), Op::Confirm].into_iter().chain(load);
            (shape, ops.collect())
        })
        .boxed()
}

fn send(lane: u8) -> Op {
    Op::Queue {
        lane,
        bytes: 10,
        refused: false,
        id: IdStep::Above(0),
        ttl: None,
    }
}

/// Of sixteen writes in a row of a lane, while one of a lower class has work, the last goes in that
/// class.
#[test]
fn lanes_of_every_class_are_served() {
    let result = crate::runner(crate::cases(150)).run(&cases(), |(shape, ops)| {
        let run = case::run(&shape, &ops, None);
        run.map(|_| ())
            .map_err(|fault| TestCaseError::fail(fault.what))
    });
    if let Err(TestError::Fail(_, (shape, ops))) = result {
        panic!("{}", kept::report(&shape, ops));
    }
    result.unwrap();
}
