//! The steps around a difference.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Key, Names};
use crate::failure::Failure;
use crate::trace::condition::{actions, written};
use crate::trace::moment::Since;
use crate::trace::player::{Player, Step, Told};
use crate::trace::words::{action_words, event_words};

/// As many lines of a step are shown.
const LINES_MAX: usize = 20;

/// What one trace has around the differences.
#[derive(Default)]
pub(super) struct Context {
    lines: BTreeMap<Key, Vec<String>>,
}

impl Context {
    /// Reads the trace again, for the steps around the numbers that are wanted.
    pub(super) fn read(
        path: &Path,
        wanted: &BTreeMap<Key, u64>,
        around: u64,
    ) -> Result<Self, Failure> {
        let mut player = Player::open_again(path)?;
        let mut names = Names::default();
        let mut steps: BTreeMap<Key, u64> = BTreeMap::new();
        let mut context = Self::default();
        loop {
            let start = player.start();
            let Some(told) = player.next()? else {
                return Ok(context);
            };
            match told {
                Told::Made { machine, about, .. } => {
                    names.meet(machine, &about.name);
                }
                Told::Step(step) => {
                    let key = names.of(step.played.machine);
                    let Some((key, differs)) = key.and_then(|key| wanted.get_key_value(key)) else {
                        continue;
                    };
                    let number = steps.entry(key.clone()).or_default();
                    let distance = number.abs_diff(*differs);
                    if distance <= around {
                        let lines = context.lines.entry(key.clone()).or_default();
                        let start = if start == 0 { step.at } else { start };
                        push(&step, distance == 0, start, lines);
                    }
                    *number += 1;
                }
                _ => {}
            }
        }
    }

    pub(super) fn of(&self, key: &Key) -> &[String] {
        self.lines.get(key).map_or(&[], Vec::as_slice)
    }
}

fn push(step: &Step<'_>, differs: bool, start: u64, lines: &mut Vec<String>) {
    let mark = if differs { '*' } else { ' ' };
    let since = Since(step.at.saturating_sub(start));
    lines.push(format!("{mark} step #{} at {since} s", step.number));
    let events = step.played.events.iter();
    let events = events.map(|event| format!("<- {}", event_words(event)));
    let writes = written(step);
    let actions = actions(step).enumerate().map(|(place, action)| {
        let ids = writes.iter().find(|(of, _)| *of == place);
        format!(
            "-> {}",
            action_words(&action, ids.map_or(&[], |(_, ids)| ids))
        )
    });
    let mut all = events.chain(actions);
    for line in all.by_ref().take(LINES_MAX) {
        lines.push(format!("{mark}   {line}"));
    }
    let more = all.count();
    if more > 0 {
        lines.push(format!("{mark}   and {more} more"));
    }
}
