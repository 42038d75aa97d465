//! `trace export`: traces in the formats of other tools.

mod csv;
mod mermaid;
mod perfetto;

use std::collections::BTreeMap;

use peer_sender_core::trace::{About, MachineId, MachineState};

use super::args::{ExportArgs, Format};
use super::out::Out;
use super::player::{Player, Step, Told};
use super::select::Select;
use super::story::{Fact, Story};
use super::trouble::Troubles;
use crate::Verdict;
use crate::failure::Failure;

/// A format that a trace is written in, part by part.
trait Writer {
    /// A machine is in the trace.
    fn machine(&mut self, _place: Place<'_>, _out: &mut Out) -> Result<(), Failure> {
        Ok(())
    }

    /// A step that is asked for.
    fn step(&mut self, _place: Place<'_>, _step: &Step<'_>, _out: &mut Out) -> Result<(), Failure> {
        Ok(())
    }

    /// Something has come about.
    fn fact(&mut self, _place: Place<'_>, _fact: &Fact, _out: &mut Out) -> Result<(), Failure> {
        Ok(())
    }

    /// The trace ends.
    fn end(&mut self, out: &mut Out) -> Result<(), Failure>;
}

/// Where something belongs.
#[derive(Clone, Copy)]
struct Place<'a> {
    machine: MachineId,
    /// What the machine is called.
    name: &'a str,
    /// When the trace starts.
    start: u64,
}

pub(super) fn run(args: &ExportArgs) -> Result<Verdict, Failure> {
    // What cannot be read leaves no file behind.
    let player = Player::open(&args.file)?;
    let mut out = match &args.output {
        Some(path) => Out::file(path)?,
        None => Out::stdout(),
    };
    let mut export = Export {
        select: Select::new(&args.select),
        writer: match args.format {
            Format::Perfetto => Box::new(perfetto::Perfetto::default()),
            Format::Mermaid => Box::new(mermaid::Mermaid::default()),
            Format::Csv => Box::new(csv::Csv::default()),
        },
        story: Story::default(),
        names: BTreeMap::new(),
        start: 0,
    };
    let mut troubles = Troubles::default();
    let done = export.run(player, &mut troubles, &mut out);
    if done.is_err()
        && let Some(path) = &args.output
    {
        // Half a file would be taken for a whole one.
        let _ = std::fs::remove_file(path);
    }
    done?;
    Ok(troubles.tell())
}

struct Export {
    select: Select,
    writer: Box<dyn Writer>,
    story: Story,
    /// The machines that are asked for.
    names: BTreeMap<MachineId, String>,
    start: u64,
}

impl Export {
    fn run(
        &mut self,
        mut player: Player,
        troubles: &mut Troubles,
        out: &mut Out,
    ) -> Result<(), Failure> {
        while let Some(told) = player.next()? {
            troubles.note(&told);
            self.tell(told, out)?;
        }
        let latest = player.latest();
        for machine in self.story.machines() {
            self.end_of(machine, latest, out)?;
        }
        self.select.check()?;
        self.writer.end(out)?;
        out.flush()
    }

    fn tell(&mut self, told: Told<'_>, out: &mut Out) -> Result<(), Failure> {
        match told {
            Told::Made { machine, about, .. } => self.meet(machine, &about, out),
            Told::Step(step) => {
                if self.start == 0 {
                    self.start = step.at;
                }
                let machine = step.played.machine;
                let Some(name) = self.names.get(&machine) else {
                    return Ok(());
                };
                let place = Place {
                    machine,
                    name,
                    start: self.start,
                };
                let mut facts = Vec::new();
                self.story.step(&step, &mut facts);
                for fact in facts
                    .iter()
                    .filter(|fact| includes(&self.select, fact, self.start))
                {
                    self.writer.fact(place, fact, out)?;
                }
                match self.select.includes(step.at, self.start) {
                    true => self.writer.step(place, &step, out),
                    false => Ok(()),
                }
            }
            Told::Gone { machine } => self.end_of(machine, self.latest(machine), out),
            Told::Diverged(found) => {
                let at = found
                    .about
                    .zero_unix_nanos
                    .saturating_add(found.now.as_nanos());
                self.end_of(found.machine, at, out)
            }
            Told::Impossible { machine, .. } => self.end_of(machine, self.latest(machine), out),
            Told::Mark { .. } | Told::Nothing | Told::Passed { .. } => Ok(()),
        }
    }

    fn meet(&mut self, machine: MachineId, about: &About, out: &mut Out) -> Result<(), Failure> {
        self.select.meet(&about.name);
        if !self.select.wants(&about.name) {
            return Ok(());
        }
        self.names.insert(machine, about.name.clone());
        let place = Place {
            machine,
            name: &about.name,
            start: self.start,
        };
        self.writer.machine(place, out)
    }

    fn latest(&self, machine: MachineId) -> u64 {
        self.story.latest(machine)
    }

    fn end_of(&mut self, machine: MachineId, at: u64, out: &mut Out) -> Result<(), Failure> {
        let Some(name) = self.names.get(&machine) else {
            return Ok(());
        };
        let place = Place {
            machine,
            name,
            start: self.start,
        };
        let mut facts = Vec::new();
        self.story.end(machine, at, &mut facts);
        for fact in facts
            .iter()
            .filter(|fact| includes(&self.select, fact, self.start))
        {
            self.writer.fact(place, fact, out)?;
        }
        Ok(())
    }
}

/// Whether any of it lies in what is asked for.
fn includes(select: &Select, fact: &Fact, start: u64) -> bool {
    match fact {
        Fact::Stood { from, until, .. } => select.overlaps(*from, *until, start),
        Fact::Message(life) => select.overlaps(life.accepted_at, life.ended_at, start),
        Fact::Link { at, .. } => select.includes(*at, start),
        Fact::Rejected | Fact::Before => false,
    }
}

/// What waits and what is in flight at a sender.
fn depths(step: &Step<'_>) -> Option<(u64, u64)> {
    match step.played.state {
        MachineState::Sender(machine) => {
            let stats = machine.stats();
            Some((stats.queued, stats.in_flight))
        }
        MachineState::Sessions(_) => None,
    }
}
