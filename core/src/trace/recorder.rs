//! Writing a trace.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::content::Payloads;
use super::form::encode;
use super::record::{About, FORMAT, Header, MAGIC, MachineConfig, MachineId, Record, frame_what};
use super::ring::Ring;
use super::steps::StepRecorder;
use super::watch::{Notice, Watch};

/// What a recorder keeps, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderConfig {
    /// What is kept of payloads.
    pub payloads: Payloads,
    /// Whether actions are kept, and not their digest alone: for traces that are to be compared with
    /// each other. False by default.
    pub actions: bool,
    /// After how many bytes each machine's state is written down again, so that a replay may begin
    /// there: at least 64 KiB, 16 MiB by default.
    pub image_every: usize,
    /// Keeps the latest records alone, within this many bytes, instead of handing them out: a flight
    /// recorder. None by default.
    pub ring_bytes: Option<usize>,
    /// The most bytes that may be [ready](Recorder::ready): beyond them the recording ends, so that a
    /// slow writer costs nobody else anything. 64 MiB by default.
    pub ready_bytes_max: usize,
    /// What is to be noticed.
    pub watch: Watch,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            payloads: Payloads::Digest,
            actions: false,
            image_every: 16 << 20,
            ring_bytes: None,
            ready_bytes_max: 64 << 20,
            watch: Watch::default(),
        }
    }
}

impl RecorderConfig {
    /// A flight recorder: the latest records within this many bytes, with the lengths of payloads.
    pub fn flight(ring_bytes: usize) -> Self {
        Self {
            payloads: Payloads::Length,
            image_every: (ring_bytes / 4).max(IMAGE_EVERY_MIN),
            ring_bytes: Some(ring_bytes),
            ..Self::default()
        }
    }
}

const IMAGE_EVERY_MIN: usize = 64 << 10;

/// Bytes of an image after which it goes on in another record.
const PART_BYTES: usize = 1 << 20;

/// A trace that is being written. It may have many machines; each has a [`StepRecorder`] of its own,
/// so that they do not wait for one another but to [add](Self::add) a step that is over.
///
/// Before a step, [`wants_image`](Self::wants_image) asks for the state of its machine every so
/// often.
#[derive(Clone, Debug)]
pub struct Recorder {
    config: RecorderConfig,
    machines: BTreeMap<MachineId, About>,
    next_machine: u64,
    sink: Sink,
    /// Bytes of steps since the machines were last asked for their state, and of their states.
    since_image: usize,
    image_bytes: usize,
    /// Machines whose state was written since then.
    imaged: BTreeSet<MachineId>,
    /// Nothing is written down any more.
    stopped: bool,
    /// What was noticed first since that was last asked for.
    noticed: Option<Notice>,
}

#[derive(Clone, Debug)]
enum Sink {
    /// Bytes to be taken.
    Ready(Vec<u8>),
    Ring(Ring),
}

impl Recorder {
    /// A trace without any machine yet.
    pub fn new(config: RecorderConfig) -> Self {
        let head = head(config.payloads);
        let sink = match config.ring_bytes {
            Some(bytes) => Sink::Ring(Ring::new(head, bytes)),
            None => Sink::Ready(head),
        };
        Self {
            machines: BTreeMap::new(),
            next_machine: 0,
            sink,
            since_image: 0,
            image_bytes: 0,
            imaged: BTreeSet::new(),
            stopped: false,
            noticed: None,
            config,
        }
    }

    /// A machine is made, with this configuration and seed. Returns what records its steps.
    pub fn made(&mut self, about: About, config: MachineConfig, seed: [u8; 32]) -> StepRecorder {
        let machine = MachineId(self.next_machine);
        self.next_machine += 1;
        let steps = StepRecorder::new(machine, &self.config, &config);
        self.machines.insert(machine, about.clone());
        self.imaged.insert(machine);
        self.record(&Record::Made {
            machine,
            about,
            config,
            seed,
        });
        steps
    }

    /// The machine is gone.
    pub fn gone(&mut self, machine: MachineId) {
        self.machines.remove(&machine);
        self.imaged.remove(&machine);
        self.record(&Record::Gone { machine });
    }

    /// Writes something down that is worth knowing when the trace is read.
    pub fn mark(&mut self, unix_nanos: u64, text: String) {
        self.record(&Record::Mark { unix_nanos, text });
    }

    /// Whether the machine's state is to be written down before its next step.
    pub fn wants_image(&mut self, machine: MachineId) -> bool {
        // States that are long are written the more rarely, so that they are half of a trace at most.
        let every = self.config.image_every.max(IMAGE_EVERY_MIN);
        if self.since_image >= every.max(self.image_bytes) {
            self.since_image = 0;
            self.image_bytes = 0;
            self.imaged.clear();
            if let Sink::Ring(ring) = &mut self.sink {
                ring.turn();
            }
        }
        !self.stopped && !self.imaged.contains(&machine)
    }

    /// Writes a machine's state down, between two steps: what
    /// [`Image::save`](super::Image::save) gave.
    pub fn image(&mut self, machine: MachineId, image: &[u8]) {
        let Some(about) = self.machines.get(&machine).cloned() else {
            return;
        };
        self.image_bytes += image.len();
        let parts = image.len().div_ceil(PART_BYTES);
        for (index, part) in image.chunks(PART_BYTES).enumerate() {
            self.record(&Record::Image {
                machine,
                about: about.clone(),
                last: index + 1 == parts,
                bytes: Bytes::copy_from_slice(part),
            });
        }
        self.imaged.insert(machine);
    }

    /// Adds a step that is over. False if the recording has ended, so that none needs to be recorded
    /// from here on.
    pub fn add(&mut self, step: &StepRecorder) -> bool {
        if self.stopped {
            return false;
        }
        let framed = step.framed();
        self.since_image += framed.len();
        let (ready, fits) = match (&mut self.sink, framed) {
            // It was longer than a record may be.
            (Sink::Ready(bytes), []) => (Some(bytes), false),
            (Sink::Ready(bytes), framed) => {
                bytes.extend_from_slice(framed);
                (Some(bytes), true)
            }
            (Sink::Ring(ring), framed) => {
                ring.push(framed);
                (None, !framed.is_empty())
            }
        };
        let overflows = |bytes: &Vec<u8>| bytes.len() > self.config.ready_bytes_max;
        if !fits || ready.as_deref().is_some_and(overflows) {
            if let Some(bytes) = ready {
                end_early(bytes, fits);
            }
            self.stopped = true;
        }
        if let (None, Some(what)) = (&self.noticed, step.noticed()) {
            let machine = self.machines.get(&step.machine());
            let machine = machine.map_or_else(String::new, |about| about.name.clone());
            self.noticed = Some(Notice { machine, what });
        }
        !self.stopped
    }

    /// Ends the recording: nothing is written down from here on. What is ready may still be taken.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether the recording has ended, because it was [stopped](Self::stop) or because too much was
    /// ready. The last record says so in the latter case.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What of [`RecorderConfig::watch`] was noticed first since this was last called.
    pub fn noticed(&mut self) -> Option<Notice> {
        self.noticed.take()
    }

    /// Takes the bytes that are ready, in exchange for an empty buffer; none of a flight recorder.
    pub fn take(&mut self, buffer: &mut Vec<u8>) {
        buffer.clear();
        match &mut self.sink {
            Sink::Ready(bytes) => core::mem::swap(bytes, buffer),
            Sink::Ring(_) => {}
        }
    }

    /// How many bytes are ready to be taken.
    pub fn ready(&self) -> usize {
        match &self.sink {
            Sink::Ready(bytes) => bytes.len(),
            Sink::Ring(_) => 0,
        }
    }

    /// What a flight recorder has, as a whole trace; none of another.
    pub fn dump(&self) -> Option<Vec<u8>> {
        match &self.sink {
            Sink::Ready(_) => None,
            Sink::Ring(ring) => Some(ring.dump()),
        }
    }

    fn record(&mut self, record: &Record) {
        if self.stopped {
            return;
        }
        let mut framed = Vec::new();
        frame_what(&mut framed, |out| encode(record, out));
        match &mut self.sink {
            Sink::Ready(bytes) => bytes.extend_from_slice(&framed),
            Sink::Ring(ring) => ring.push(&framed),
        }
    }
}

/// Says at the end of what was recorded why nothing follows.
fn end_early(bytes: &mut Vec<u8>, fits: bool) {
    let text = match fits {
        true => "the recording ends here: what was recorded was not written fast enough",
        false => "the recording ends here: a record was longer than any may be",
    };
    let (unix_nanos, text) = (0, String::from(text));
    frame_what(bytes, |out| encode(&Record::Mark { unix_nanos, text }, out));
}

/// The bytes that every trace begins with.
fn head(payloads: Payloads) -> Vec<u8> {
    let mut out = Vec::from(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    let program = format!("peer-sender-core {}", env!("CARGO_PKG_VERSION"));
    let header = Record::Header(Header { program, payloads });
    frame_what(&mut out, |out| encode(&header, out));
    out
}
