//! `PeerSenderMachine` against a reference model that is written from the contract
//! (`docs/invariants.md`, `docs/wire.md`), under drawn histories of one sender and its receiver.
//!
//! `PEER_SENDER_CASES` sets how many cases are drawn.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a violation ends the test that finds it"
)]

#[cfg(feature = "broken")]
mod broken;
mod cuts;
mod draw;
#[cfg(feature = "trace")]
mod images;
mod kept;
mod lanes;
mod relations;
mod soup;

use std::cell::RefCell;

use peer_sender_core::table::{Cause, Standing, TRANSITIONS, is_without_lanes};
use peer_sender_model::{case, model, op, shape, subject};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine;

use crate::draw::Contract;

/// How many cases are drawn of a property that draws so many by default.
fn cases(default: u32) -> u32 {
    match std::env::var("PEER_SENDER_CASES") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    }
}

fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[1; 32]))
}

/// Says what a property found.
fn ended<T: std::fmt::Debug>(result: Result<(), TestError<T>>) {
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\n{case:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// I1 to I30, as far as one sender shows them: each step, answer, timer and count is the model's.
#[test]
fn the_machine_does_what_the_contract_says() {
    let visits = RefCell::new([0; TRANSITIONS.len()]);
    const CASES: u32 = 4_000;
    let cases = cases(CASES);
    let strategy = Contract::sequential_strategy(1..120);
    let result = runner(cases).run(&strategy, |(model, ops, seen)| {
        let taken = case::run(&model.shape, &ops, seen.as_deref())
            .map_err(|fault| TestCaseError::fail(fault.what))?;
        for (sum, taken) in visits.borrow_mut().iter_mut().zip(taken) {
            *sum += taken;
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(_, (model, ops, _))) => panic!("{}", kept::report(&model.shape, ops)),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    // Some rows are rare.
    if cases < CASES {
        return;
    }
    println!("rows taken: {:?}", visits.borrow());
    for (row, taken) in TRANSITIONS.iter().zip(visits.borrow().iter()) {
        // Few of what is drawn rest sooner than they may dial again: the random harness does.
        let rare = (row.from, row.cause) == (Standing::Idle, Cause::TooSoon);
        assert!(
            *taken > 0 || rare || is_without_lanes(row),
            "I30: {row:?} is never taken"
        );
    }
}
