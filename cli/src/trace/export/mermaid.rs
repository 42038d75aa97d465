//! A sequence diagram: the user, the machines and the network.

use std::fmt::Write;

use peer_sender_core::trace::{MachineId, TraceAction, TraceEvent};

use super::{Failure, Out, Place, Step, Writer};
use crate::trace::condition::{actions, written};
use crate::trace::moment::Since;
use crate::trace::words::{action_words, clean, event_words};

/// As many arrows can be read, and drawn.
const ARROWS_MAX: u64 = 300;

#[derive(Debug, Default)]
pub(super) struct Mermaid {
    /// Machines that have a step in the window, with their names.
    machines: Vec<(MachineId, String)>,
    body: String,
    arrows: u64,
}

impl Writer for Mermaid {
    fn step(&mut self, place: Place<'_>, step: &Step<'_>, _: &mut Out) -> Result<(), Failure> {
        let machine = place.machine;
        if self.arrows <= ARROWS_MAX && !self.machines.iter().any(|(it, _)| *it == machine) {
            self.machines.push((machine, clean(place.name)));
        }
        let since = Since(step.at.saturating_sub(place.start));
        let name = format!("m{}", machine.0);
        self.line(&format!("Note over {name}: {since} s"));
        for event in &step.played.events {
            let (from, arrow) = match event {
                TraceEvent::MessageQueued { .. }
                | TraceEvent::Cancel { .. }
                | TraceEvent::AddressesChanged { .. }
                | TraceEvent::Wake { .. }
                | TraceEvent::Consumed { .. }
                | TraceEvent::Refused { .. }
                | TraceEvent::Stop { .. } => ("user", "->>"),
                TraceEvent::ConnectFailed { .. } | TraceEvent::ConnectionLost { .. } => {
                    ("net", "-x")
                }
                TraceEvent::TimerFired => (name.as_str(), "->>"),
                _ => ("net", "-->>"),
            };
            self.arrow(from, arrow, &name, &event_words(event));
        }
        let mut writes = written(step).into_iter().peekable();
        for (place, action) in actions(step).enumerate() {
            let ids = writes.next_if(|(of, _)| *of == place).map(|(_, ids)| ids);
            let (to, arrow) = match action {
                TraceAction::Connect { .. }
                | TraceAction::Write { .. }
                | TraceAction::PauseReading { .. }
                | TraceAction::ResumeReading { .. }
                | TraceAction::Probe { .. }
                | TraceAction::ResetStream { .. }
                | TraceAction::StopSending { .. } => ("net", "->>"),
                TraceAction::Close { .. } => ("net", "-x"),
                TraceAction::ScheduleBackoff { .. } => (name.as_str(), "-->>"),
                _ => ("user", "-->>"),
            };
            let words = action_words(&action, ids.as_deref().unwrap_or_default());
            self.arrow(&name, arrow, to, &words);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Out) -> Result<(), Failure> {
        if self.arrows > ARROWS_MAX {
            return Err(Failure::WindowTooLarge {
                arrows: self.arrows,
                max: ARROWS_MAX,
            });
        }
        out.line("sequenceDiagram\n    participant user as application")?;
        for (machine, name) in &self.machines {
            let name = escaped(name);
            out.line(&format!("    participant m{} as {name}", machine.0))?;
        }
        out.line("    participant net as network")?;
        out.write(&self.body)
    }
}

impl Mermaid {
    fn arrow(&mut self, from: &str, arrow: &str, to: &str, words: &str) {
        self.arrows += 1;
        self.line(&format!("{from}{arrow}{to}: {}", escaped(words)));
    }

    /// Nothing is kept of what is too much.
    fn line(&mut self, line: &str) {
        if self.arrows <= ARROWS_MAX {
            let _ = writeln!(self.body, "    {line}");
        }
    }
}

/// Text that Mermaid takes for nothing but text: what may mean something is written by its number.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let plain = character.is_alphanumeric() || " .,:'()/_=+-".contains(character);
        match plain {
            true => escaped.push(character),
            false => {
                let _ = write!(escaped, "#{};", u32::from(character));
            }
        }
    }
    escaped
}
