//! `PeerSenderMachine` against `Sessions` over a model of QUIC, in virtual time: messages and
//! replies on up to eight lanes each, judged by oracles that own the applications' logs.
//!
//! Each seed draws its own limits, shapes and faults. `PEER_SENDER_SEEDS` sets how many seeds the
//! mass test runs (2,000 by default), or which: `17..18` runs seed 17 alone. A failure prints the
//! command that repeats it, and the last lines of the run.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a violation ends the test that finds it"
)]

mod admission;
mod application;
mod binding;
mod breaking;
mod classes;
mod clock;
mod deliveries;
mod dialling;
mod doing;
mod faults;
mod frames;
mod giving_up;
mod happening;
mod limits;
mod links;
mod lives;
mod log;
mod memory;
mod oracle;
mod pipe;
mod plan;
mod policies;
mod receiver_checks;
mod receiver_log;
mod receiving;
mod recovery;
mod resting;
mod rng;
mod run;
#[path = "../seeds/mod.rs"]
mod seeds;
mod sending;
mod slow;
mod stale;
mod strangers;
mod transport;
#[path = "../twin/mod.rs"]
mod twin;
mod verdicts;
mod waits;
mod witness;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use peer_sender_core::StopMode;
use peer_sender_core::table::{TRANSITIONS, is_without_lanes};

use crate::plan::Plan;
use crate::run::{Report, run};
use crate::seeds::seeds;
use crate::verdicts::Bites;

#[test]
fn every_seed_keeps_the_contract() {
    let reports = run_all(seeds(2_000), &Plan::draw);
    let sum = |of: &dyn Fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let of = |bite: &dyn Fn(&Bites) -> u64| sum(&|report| bite(&report.bites[0]));
    let of_replies = |bite: &dyn Fn(&Bites) -> u64| sum(&|report| bite(&report.bites[1]));
    // The faults must bite, or nothing was shown.
    let bites = [
        ("steps of the sender", sum(&|report| report.sender_steps)),
        (
            "steps of the receiver",
            sum(&|report| report.receiver_steps),
        ),
        ("connections", sum(&|report| report.connections as u64)),
        ("messages written again", sum(&|report| report.redelivered)),
        (
            "handed over to a process that forgot",
            sum(&|report| report.handed_twice),
        ),
        (
            "proven lost at a stop",
            sum(&|report| report.failed_as_proven),
        ),
        ("take-overs", sum(&|report| report.taken_over)),
        (
            "lives of the receiver beyond the first",
            sum(&|report| u64::from(report.lives - 1)),
        ),
        ("connections of strangers", sum(&|report| report.strangers)),
        (
            "sessions refused",
            sum(&|report| u64::from(report.sessions_seen > 1)),
        ),
        (
            "connections closed for too many refusals",
            sum(&|report| report.overloads),
        ),
        ("replies delivered", sum(&|report| report.replies[0])),
        ("replies refused", sum(&|report| report.replies[1])),
        ("replies cancelled", sum(&|report| report.replies[2])),
        ("replies failed", sum(&|report| report.replies[3])),
        ("replies unknown", sum(&|report| report.replies[4])),
        (
            "replies written again",
            sum(&|report| report.replies_written_again),
        ),
        (
            "sessions of replies that were given up",
            sum(&|report| report.generations),
        ),
        ("messages cancelled", sum(&|report| report.cancelled)),
        ("idle connections ended", sum(&|report| report.rests)),
        ("changes of addresses", sum(&|report| report.moves)),
        ("waits cut short", sum(&|report| report.woken)),
        ("peers given up", sum(&|report| report.gave_up)),
        ("expired in the queue", of(&|it| it.expired_queued)),
        ("expired as proven", of(&|it| it.expired_proven)),
        ("out of patience", of(&|it| it.out_of_patience)),
        ("displaced", of(&|it| it.displaced)),
        (
            "sent once and forgotten",
            of(&|it| it.forgotten_at_most_once),
        ),
        ("removed", of(&|it| it.removed)),
        ("handed back", of(&|it| it.handed_back)),
        (
            "replies expired in the queue",
            of_replies(&|it| it.expired_queued),
        ),
        (
            "replies expired as proven",
            of_replies(&|it| it.expired_proven),
        ),
        (
            "replies out of patience",
            of_replies(&|it| it.out_of_patience),
        ),
        ("replies displaced", of_replies(&|it| it.displaced)),
        ("replies handed back", of_replies(&|it| it.handed_back)),
        ("slow peers", sum(&|report| report.slow[0])),
        ("slow peers no longer", sum(&|report| report.slow[1])),
        ("writes in a lower class", sum(&|report| report.yielded)),
        (
            "messages of a lane that is not read",
            sum(&|report| report.unheard),
        ),
    ];
    println!("{} seeds: {bites:?}", reports.len());
    if reports.len() < 1_000 {
        return;
    }
    assert!(
        bites.iter().all(|(_, count)| *count > 0),
        "a fault without a bite: {bites:?}"
    );
    // I30: the machine asserts that each transition stands in the table; here each row is taken.
    let rows = TRANSITIONS.iter().enumerate();
    let rows = rows.filter(|(_, transition)| !is_without_lanes(transition));
    let missing = rows.filter(|(row, _)| sum(&|report| report.visits[*row]) == 0);
    let missing: Vec<_> = missing.map(|(_, transition)| transition).collect();
    assert!(missing.is_empty(), "I30 never taken: {missing:?}");
}

/// I17: the same seed gives the same actions at the same times, on whichever thread.
#[test]
fn a_seed_repeats_exactly() {
    let twice = |seed| {
        let other_thread = std::thread::spawn(move || run(Plan::draw(seed)));
        assert_eq!(
            run(Plan::draw(seed)),
            other_thread.join().unwrap(),
            "seed {seed}"
        );
    };
    (0..60).for_each(twice);
    assert_ne!(run(Plan::draw(1)).digest, run(Plan::draw(2)).digest);
}

/// I18: steps may be split or merged anywhere, and timers may fire for nothing: each message ends
/// alike, and the lane's order stays.
#[test]
fn step_boundaries_change_no_outcome() {
    let with = |split: u64, spurious: u64| {
        move |seed| Plan {
            split_steps: split,
            timer_spurious: spurious,
            ..Plan::draw(seed).outcomes_fixed()
        }
    };
    let merged = run_all(0..250, &with(0, 0));
    for (split, spurious) in [(500, 0), (1_000, 0), (0, 500)] {
        let others = run_all(0..250, &with(split, spurious));
        for (seed, (a, b)) in merged.iter().zip(others).enumerate() {
            assert_eq!(
                a.outcomes, b.outcomes,
                "I18 outcomes of seed {seed}, split {split}"
            );
            assert_eq!(
                a.lane_order, b.lane_order,
                "I18 order of seed {seed}, split {split}"
            );
        }
    }
    let order = |report: &Report| report.lane_order.iter().all(|lane| lane.is_sorted());
    assert!(
        merged.iter().all(order),
        "I7 the order is that of acceptance"
    );
}

/// I18: machines that are made again from their images at any step go on exactly alike.
#[cfg(feature = "trace")]
#[test]
fn restored_machines_go_on_exactly_alike() {
    let followed = |seed| Plan {
        followed: true,
        ..Plan::draw(seed)
    };
    let reports = run_all(0..200, &followed);
    assert!(reports.iter().any(|report| report.replies[0] > 0));
}

/// I28: a stop is legal after every single step of a run.
#[test]
fn a_stop_may_come_after_any_step() {
    let modes = [
        StopMode::Abort,
        StopMode::Remove,
        StopMode::Drain(Duration::ZERO),
        StopMode::Drain(Duration::from_millis(400)),
        StopMode::Drain(Duration::from_secs(120)),
    ];
    for seed in 0..15 {
        let plan = Plan {
            stops: Vec::new(),
            stop_first: None,
            messages: 25,
            ..Plan::draw(seed)
        };
        let steps = run(plan.clone()).sender_steps.min(400);
        let mode = modes[seed as usize % modes.len()];
        run_all(1..steps + 1, &|step| Plan {
            stop_after_step: Some((step, mode)),
            ..plan.clone()
        });
    }
}

/// Runs a plan for each number on all cores, and fails with the lowest that fails.
fn run_all(numbers: Range<u64>, plan: &(dyn Fn(u64) -> Plan + Sync)) -> Vec<Report> {
    let next = AtomicU64::new(numbers.start);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut reports = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end || failed.load(Ordering::Relaxed) {
                return (reports, None);
            }
            log::keep(false);
            match quietly(|| run(plan(number))) {
                Ok(report) => reports.push((number, report)),
                Err(why) => {
                    failed.store(true, Ordering::Relaxed);
                    return (reports, Some((number, why)));
                }
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker ends"))
            .collect()
    });
    if let Some((number, why)) = parts
        .iter()
        .filter_map(|(_, failure)| failure.clone())
        .min()
    {
        fail(plan(number), number, &why);
    }
    let mut reports: Vec<_> = parts.into_iter().flat_map(|(reports, _)| reports).collect();
    reports.sort_by_key(|(number, _)| *number);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// Repeats a failed run with its log on, and ends the test with both.
fn fail(plan: Plan, number: u64, why: &str) -> ! {
    let seed = plan.seed;
    log::keep(true);
    let again = quietly(|| run(plan.clone()));
    println!("plan: {plan:#?}");
    for line in log::take() {
        println!("{line}");
    }
    let again = again
        .err()
        .unwrap_or("the repeated run did not fail".into());
    let whole = plan
        .stop_after_step
        .map_or(String::new(), |_| format!(" (stop {number})"));
    panic!(
        "seed {seed}{whole}: {why}\nrepeated: {again}\nrerun: PEER_SENDER_SEEDS={seed}..{} cargo \
         test -p peer-sender-core --test pair every_seed -- --nocapture",
        seed + 1
    );
}

/// Runs without the panic's own words on stderr; they are in the answer.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    std::thread_local! {
        static LAST_WORDS: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
        static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match QUIET.get() {
            true => LAST_WORDS.set(Some(info.to_string())),
            false => loud(info),
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    result.map_err(|_| LAST_WORDS.take().unwrap_or_default())
}
