//! What it takes of a scenario to break the same promise.

use super::run::Failure;
use super::scenario::Scenario;
use crate::shrink::shrink;

/// The smallest scenario found, in at most so many tries, that breaks the promise of this id, which
/// this one breaks: the same settings, and what has to happen.
pub fn smallest(scenario: &Scenario, id: &str, tries: u64) -> Scenario {
    let with = |ops: &[_]| Scenario {
        settings: scenario.settings.clone(),
        ops: ops.to_vec(),
    };
    let breaks = |ops: &[_]| match with(ops).run() {
        Err(Failure::Broken { broken, .. }) => broken.id == id,
        Err(Failure::Settings(_)) | Ok(_) => false,
    };
    with(&shrink(&scenario.ops, tries, breaks))
}
