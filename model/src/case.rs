//! One case: limits, and what happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use peer_sender_core::table::TRANSITIONS;

use crate::model::Model;
use crate::op::Op;
use crate::shape::Shape;
use crate::subject::Subject;

/// A seed for the machine's sessions.
pub const SEED: [u8; 32] = [7; 32];

/// How a case went wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which operation it was, counted from 0.
    pub at: usize,
    pub what: String,
}

/// How often each row of the table was taken.
pub type Visits = [u64; TRANSITIONS.len()];

/// Runs a case: the model first, then the machine, step by step. `seen` counts the operations.
///
/// # Errors
///
/// Where the machine first did otherwise than the contract says, a panic included.
pub fn run(shape: &Shape, ops: &[Op], seen: Option<&AtomicUsize>) -> Result<Visits, Fault> {
    let mut model = Model::new(shape.clone());
    let mut subject = Subject::new(&model, SEED);
    for (at, op) in ops.iter().enumerate() {
        if let Some(seen) = seen {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        model.apply(op);
        let step = AssertUnwindSafe(|| match model.step.clone() {
            Some(step) => subject.step(&model, &step),
            None => subject.nothing(&model),
        });
        let done = catch_unwind(step).unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!(
                "I25: a panic: {}",
                words.unwrap_or("without words")
            ))
        });
        done.map_err(|what| Fault { at, what })?;
    }
    Ok(*subject.machine.visits())
}

/// Takes away what the fault does not need.
pub fn shrink(shape: &Shape, mut ops: Vec<Op>) -> (Vec<Op>, Fault) {
    let mut fault = run(shape, &ops, None).expect_err("a case that failed fails again");
    ops.truncate(fault.at + 1);
    let mut width = ops.len().div_ceil(2);
    while width > 0 {
        let mut at = 0;
        while at < ops.len() {
            let mut fewer = ops.clone();
            fewer.drain(at..(at + width).min(ops.len()));
            match run(shape, &fewer, None) {
                Err(other) => {
                    fewer.truncate(other.at + 1);
                    (ops, fault) = (fewer, other);
                }
                Ok(_) => at += width,
            }
        }
        width /= 2;
    }
    (ops, fault)
}
