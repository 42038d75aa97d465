//! Each broken variant of the sender is found by what is drawn, and the first words of what was
//! found tell how. A variant is in force for a whole process, so that this runs alone:
//!
//! ```sh
//! cargo test -p peer-sender-core --features broken --test properties -- --ignored every_broken
//! ```

use std::panic;

use peer_sender_core::broken::{Variant, put_in_force};
use proptest::test_runner::{TestCaseError, TestError};
use proptest_state_machine::ReferenceStateMachine;

use crate::draw::Contract;
use crate::op::Op;
use crate::shape::Shape;
use crate::{case, lanes};

/// Variants of the receiver, whose place is taken by a reference here.
const OF_THE_RECEIVER: [Variant; 4] = [
    Variant::TakenWhenHeld,
    Variant::RecordForgotten,
    Variant::RefusalsForgotten,
    Variant::LateOpenTakesOver,
];

#[test]
#[ignore = "puts broken variants in force for the whole process"]
fn every_broken_sender_is_found() {
    panic::set_hook(Box::new(|_| ()));
    let sender = |it: &&Variant| !OF_THE_RECEIVER.contains(it);
    let mut missed = Vec::new();
    for &variant in Variant::ALL.iter().filter(sender) {
        put_in_force(Some(variant));
        match found() {
            Some(what) => println!("{:28} {what}", variant.name()),
            None => missed.push(variant.name()),
        }
    }
    put_in_force(None);
    let _ = panic::take_hook();
    assert!(missed.is_empty(), "nothing found of {missed:?}");
}

/// What shows first that the machine is broken.
fn found() -> Option<String> {
    let strategy = Contract::sequential_strategy(1..120);
    let result = crate::runner(crate::cases(4_000)).run(&strategy, |(model, ops, seen)| {
        let run = case::run(&model.shape, &ops, seen.as_deref());
        run.map(|_| ())
            .map_err(|fault| TestCaseError::fail(fault.what))
    });
    if let Err(TestError::Fail(_, (model, ops, _))) = result {
        return Some(told(&model.shape, ops));
    }
    let result = crate::runner(crate::cases(200)).run(&lanes::cases(), |(shape, ops)| {
        let run = case::run(&shape, &ops, None);
        run.map(|_| ())
            .map_err(|fault| TestCaseError::fail(fault.what))
    });
    match result {
        Err(TestError::Fail(_, (shape, ops))) => Some(told(&shape, ops)),
        Ok(()) | Err(TestError::Abort(_)) => None,
    }
}

/// The fault in few words.
fn told(shape: &Shape, ops: Vec<Op>) -> String {
    let (ops, fault) = case::shrink(shape, ops);
    let words: Vec<&str> = fault.what.split_whitespace().collect();
    let words: String = words.join(" ").chars().take(150).collect();
    format!("after {} operations: {words}", ops.len())
}
