//! What it takes of a run to break the same invariant.

use super::play::Run;
use crate::op::Op;
use crate::oracle::Violation;
use crate::scenario::Scenario;
use crate::settings::Settings;
use crate::shrink::shrink;
use crate::text::{BadLine, Words};
use crate::world::{Trouble, World};

/// The shortest scenario found, in at most so many tries, that breaks the invariant that the run
/// broke; with settings left at their defaults where it breaks without them. A run that broke none
/// is left as it is.
pub fn smallest(run: &Run, tries: u64) -> Scenario {
    let Some(violation) = &run.violation else {
        return run.scenario.clone();
    };
    let id = violation.id;
    let breaks = |settings: &Settings, ops: &[Op]| applied(settings, ops, id).is_some();
    let mut settings = run.scenario.settings.clone();
    // What cannot happen any more once something before it is gone is left out as well.
    let mut ops = shrink(&run.scenario.ops, tries, |ops| breaks(&settings, ops));
    for line in settings.lines() {
        if let Ok(without) = all_but(&settings, &line)
            && breaks(&without, &ops)
        {
            settings = without;
        }
    }
    ops = applied(&settings, &ops, id).unwrap_or(ops);
    Scenario { settings, ops }
}

/// What of these could happen, up to the breach of the invariant; none if it is not broken.
fn applied(settings: &Settings, ops: &[Op], id: &str) -> Option<Vec<Op>> {
    let mut world = World::new(settings).ok()?;
    let mut done = Vec::new();
    for op in ops {
        let came = world.apply(op);
        let broken = match came {
            Err(Trouble::Impossible(_)) => continue,
            Err(Trouble::Violated(violation)) => Some(violation),
            Ok(()) => world.check().err(),
        };
        done.push(op.clone());
        if let Some(Violation { id: broken, .. }) = broken {
            return (broken == id).then_some(done);
        }
    }
    None
}

/// The settings with the default in place of what this line says.
fn all_but(settings: &Settings, line: &str) -> Result<Settings, BadLine> {
    let mut without = Settings::default();
    for other in settings.lines().iter().filter(|it| *it != line) {
        let mut words = Words::of(other);
        words.next();
        without.read(&mut words)?;
    }
    Ok(without)
}
