//! What of a trace could not be replayed, told once at the end.

use peer_sender_core::trace::MachineId;

use super::player::Told;
use crate::Verdict;
use crate::console;
use crate::figures::plural;

/// Notes what a replay could not do.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    passed: u64,
    /// Of machines that went another way before.
    astray: u64,
    others: Vec<String>,
    more: u64,
}

impl Troubles {
    pub(super) fn note(&mut self, told: &Told<'_>) {
        match told {
            Told::Passed { astray: false } => self.passed += 1,
            Told::Passed { astray: true } => self.astray += 1,
            Told::Diverged(divergence) => self.add(format!(
                "{divergence}; the trace was written by another version of the program, or one \
                 that was broken, and this machine is left out from here on\nto see where it \
                 went: peer-sender trace replay FILE"
            )),
            Told::Impossible { machine, problem } => {
                let MachineId(machine) = machine;
                self.add(format!(
                    "machine {machine}: {problem}; it is left out from here on"
                ));
            }
            _ => {}
        }
    }

    /// Says it all on stderr. What went another way than recorded is no good end.
    pub(super) fn tell(&self) -> Verdict {
        if self.passed > 0 {
            console::say(&format!(
                "warning: {} left out: nothing before them tells how their machine stood",
                steps(self.passed)
            ));
        }
        for other in &self.others {
            console::say(&format!("warning: {other}"));
        }
        if self.more > 0 {
            console::say(&format!(
                "warning: and {} more machines like that",
                self.more
            ));
        }
        if self.astray > 0 {
            console::say(&format!(
                "warning: {} left out that {} it",
                steps(self.astray),
                if self.astray == 1 {
                    "follows"
                } else {
                    "follow"
                }
            ));
        }
        match self.others.is_empty() {
            true => Verdict::AllIsWell,
            false => Verdict::Diverged,
        }
    }

    fn add(&mut self, text: String) {
        const TOLD_MAX: usize = 20;
        match self.others.len() < TOLD_MAX {
            true => self.others.push(text),
            false => self.more += 1,
        }
    }
}

fn steps(count: u64) -> String {
    match count {
        1 => "1 step was".to_owned(),
        _ => format!("{} were", plural(count, "step")),
    }
}
