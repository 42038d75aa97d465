//! Which machines are told of: all, those of a name, or the one of a number.

use std::collections::BTreeSet;

use peer_sender_core::trace::MachineId;

use crate::failure::Failure;
use crate::trace::args::SelectArgs;
use crate::trace::select::Select;

/// The machines that are asked for. What is no name of a machine may be its number.
#[derive(Debug)]
pub(super) struct Wanted {
    select: Select,
    name: Option<String>,
    number: Option<MachineId>,
    named: BTreeSet<MachineId>,
    numbered: bool,
}

impl Wanted {
    pub(super) fn new(peer: Option<&str>) -> Self {
        let number = peer.map(|peer| peer.strip_prefix('#').unwrap_or(peer));
        let number = number.and_then(|number| number.parse().ok());
        Self {
            select: Select::new(&SelectArgs {
                peer: peer.map(str::to_owned).into_iter().collect(),
                ..SelectArgs::default()
            }),
            name: peer.map(str::to_owned),
            number: number.map(MachineId),
            named: BTreeSet::new(),
            numbered: false,
        }
    }

    /// The trace has this machine.
    pub(super) fn meet(&mut self, machine: MachineId, name: &str) {
        self.select.meet(name);
        self.numbered |= self.number == Some(machine);
        if self.name.as_deref() == Some(name) {
            self.named.insert(machine);
        }
    }

    /// Whether it may be asked for: a name that is met later comes before a number.
    pub(super) fn may_want(&self, machine: MachineId, name: &str) -> bool {
        self.select.wants(name) || self.number == Some(machine)
    }

    /// Whether it is asked for, as is known at the end of the trace.
    pub(super) fn wants(&self, machine: MachineId) -> bool {
        self.name.is_none() || self.named.is_empty() || self.named.contains(&machine)
    }

    /// At the end of the trace.
    ///
    /// # Errors
    ///
    /// A machine that is asked for is not in it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.numbered {
            true => Ok(()),
            false => self.select.check(),
        }
    }
}
