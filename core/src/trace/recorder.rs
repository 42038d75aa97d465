//! Writing a trace.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::action::TraceAction;
use super::content::Payloads;
use super::event::TraceEvent;
use super::record::{
    About, Call, FORMAT, Header, MAGIC, MachineConfig, MachineId, Record, encode, frame,
};
use super::ring::Ring;
use super::runs::{Piece, Runs};
use crate::{Action, Attempt, Event, Protocol, SessionNews, StreamId, Time};

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
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            payloads: Payloads::Digest,
            actions: false,
            image_every: 16 << 20,
            ring_bytes: None,
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

/// Bytes of events after which a step goes on in another record.
const PART_BYTES: usize = 1 << 20;

/// Records what machines are told, and what comes of it. One recorder may have many machines.
///
/// Before a step, [`wants_image`](Self::wants_image) asks for the state of its machine every so
/// often. The step itself goes: [`begin`](Self::begin), [`event`](Self::event) for each event,
/// [`action`](Self::action) and [`news`](Self::news) for what came of it, [`end`](Self::end).
#[derive(Debug)]
pub struct Recorder {
    config: RecorderConfig,
    machines: BTreeMap<MachineId, Machine>,
    next_machine: u64,
    streams: BTreeMap<(MachineId, Attempt, StreamId), Runs>,
    step: Step,
    sink: Sink,
    /// Bytes since the machines were last asked for their state.
    since_image: usize,
    /// Machines whose state was written since then.
    imaged: BTreeSet<MachineId>,
}

#[derive(Debug)]
struct Machine {
    about: About,
    protocol: Protocol,
}

/// The step that is being recorded. Its buffers are kept for their capacity.
#[derive(Debug, Default)]
struct Step {
    machine: MachineId,
    events: Vec<u8>,
    count: u64,
    actions: Vec<u8>,
    actions_count: u64,
    body: Vec<u8>,
}

#[derive(Debug)]
enum Sink {
    /// Nothing is written down any more.
    Stopped,
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
            streams: BTreeMap::new(),
            step: Step::default(),
            sink,
            since_image: 0,
            imaged: BTreeSet::new(),
            config,
        }
    }

    /// A machine is made, with this configuration and seed. Returns its name in the trace.
    pub fn made(&mut self, about: About, config: MachineConfig, seed: [u8; 32]) -> MachineId {
        let machine = MachineId(self.next_machine);
        self.next_machine += 1;
        let protocol = match &config {
            MachineConfig::Sender(config) => config.protocol(),
            MachineConfig::Sessions(config) => config.receiver.protocol,
        };
        let known = Machine {
            about: about.clone(),
            protocol,
        };
        self.machines.insert(machine, known);
        self.imaged.insert(machine);
        self.record(&Record::Made {
            machine,
            about,
            config,
            seed,
        });
        machine
    }

    /// The machine is gone.
    pub fn gone(&mut self, machine: MachineId) {
        self.machines.remove(&machine);
        self.imaged.remove(&machine);
        let streams = (machine, Attempt(0), StreamId::FIRST)..;
        let gone: Vec<_> = self
            .streams
            .range(streams)
            .map(|(&place, _)| place)
            .take_while(|place| place.0 == machine)
            .collect();
        for place in gone {
            self.streams.remove(&place);
        }
        self.record(&Record::Gone { machine });
    }

    /// Writes something down that is worth knowing when the trace is read.
    pub fn mark(&mut self, unix_nanos: u64, text: String) {
        self.record(&Record::Mark { unix_nanos, text });
    }

    /// Whether the machine's state is to be written down before its next step.
    pub fn wants_image(&mut self, machine: MachineId) -> bool {
        if self.since_image >= self.config.image_every.max(IMAGE_EVERY_MIN) {
            self.since_image = 0;
            self.imaged.clear();
            if let Sink::Ring(ring) = &mut self.sink {
                ring.turn();
            }
        }
        !matches!(self.sink, Sink::Stopped) && !self.imaged.contains(&machine)
    }

    /// Writes a machine's state down, between two steps: what
    /// [`Image::save`](super::Image::save) gave.
    pub fn image(&mut self, machine: MachineId, image: &[u8]) {
        let Some(known) = self.machines.get(&machine) else {
            return;
        };
        let about = known.about.clone();
        let parts = image.len().div_ceil(PART_BYTES).max(1);
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

    /// A step of this machine begins.
    pub fn begin(&mut self, machine: MachineId) {
        let step = &mut self.step;
        step.machine = machine;
        step.events.clear();
        step.count = 0;
        step.actions.clear();
        step.actions_count = 0;
    }

    /// The step's next event.
    pub fn event(&mut self, event: &Event) {
        if matches!(self.sink, Sink::Stopped) {
            return;
        }
        let machine = self.step.machine;
        let payloads = self.config.payloads;
        let kept = if let Event::BytesReceived {
            attempt,
            stream,
            ref bytes,
            fin,
        } = *event
        {
            TraceEvent::BytesReceived {
                attempt,
                stream,
                pieces: self.cut((machine, attempt, stream), bytes, fin),
                fin,
            }
        } else {
            TraceEvent::of(event, payloads)
        };
        if let Event::ConnectionLost { attempt, .. } = *event {
            self.forget_streams(machine, attempt);
        }
        encode(&kept, &mut self.step.events);
        self.step.count += 1;
        if self.step.events.len() > PART_BYTES {
            self.write_part();
        }
    }

    /// An action that the step led to.
    pub fn action(&mut self, action: &Action) {
        if matches!(self.sink, Sink::Stopped) {
            return;
        }
        if let Action::Close { attempt, .. } = *action {
            self.forget_streams(self.step.machine, attempt);
        }
        encode(&TraceAction::from(action), &mut self.step.actions);
        self.step.actions_count += 1;
    }

    /// News of a session that the step led to: behind its actions.
    pub fn news(&mut self, news: &SessionNews) {
        encode(&TraceAction::from(news), &mut self.step.actions);
        self.step.actions_count += 1;
    }

    /// The step is over.
    pub fn end(&mut self, now: Time, call: Call) {
        const STEP: u32 = 4;
        let step = &mut self.step;
        let mut body = core::mem::take(&mut step.body);
        body.clear();
        // As `Record::Step` is encoded, without building one.
        encode(&(STEP, step.machine, now, call, step.count), &mut body);
        body.extend_from_slice(&step.events);
        if self.config.actions {
            encode(&(1_u32, step.actions_count), &mut body);
            body.extend_from_slice(&step.actions);
        } else {
            body.push(0);
            body.extend_from_slice(&xxh3_64(&step.actions).to_le_bytes());
        }
        self.write(&body);
        self.step.body = body;
    }

    /// Ends the recording: nothing is written down from here on, and what is ready may still be
    /// [taken](Self::take) before.
    pub fn stop(&mut self) {
        self.sink = Sink::Stopped;
        self.streams.clear();
    }

    /// Takes the bytes that are ready; none of a flight recorder.
    pub fn take(&mut self) -> Vec<u8> {
        match &mut self.sink {
            Sink::Ready(bytes) => core::mem::take(bytes),
            Sink::Ring(_) | Sink::Stopped => Vec::new(),
        }
    }

    /// How many bytes are ready to be taken.
    pub fn ready(&self) -> usize {
        match &self.sink {
            Sink::Ready(bytes) => bytes.len(),
            Sink::Ring(_) | Sink::Stopped => 0,
        }
    }

    /// What a flight recorder has, as a whole trace; none of another.
    pub fn dump(&self) -> Option<Vec<u8>> {
        match &self.sink {
            Sink::Ready(_) | Sink::Stopped => None,
            Sink::Ring(ring) => Some(ring.dump()),
        }
    }

    /// Writes the events down that have come, of a step that is not over.
    fn write_part(&mut self) {
        const EVENTS: u32 = 3;
        let step = &mut self.step;
        let mut body = core::mem::take(&mut step.body);
        body.clear();
        encode(&(EVENTS, step.machine, step.count), &mut body);
        body.extend_from_slice(&step.events);
        step.events.clear();
        step.count = 0;
        self.write(&body);
        self.step.body = body;
    }

    fn record(&mut self, record: &Record) {
        let mut body = Vec::new();
        encode(record, &mut body);
        self.write(&body);
    }

    fn write(&mut self, body: &[u8]) {
        let written = match &mut self.sink {
            Sink::Ready(bytes) => {
                let before = bytes.len();
                frame(body, bytes);
                bytes.len() - before
            }
            Sink::Ring(ring) => ring.push(body),
            Sink::Stopped => return,
        };
        self.since_image += written;
    }

    fn cut(
        &mut self,
        place: (MachineId, Attempt, StreamId),
        bytes: &Bytes,
        fin: bool,
    ) -> Vec<Piece> {
        let protocol = self.machines.get(&place.0).map(|it| it.protocol);
        if protocol == Some(Protocol::Plain) {
            return Runs::Unread.cut(bytes, self.config.payloads);
        }
        let runs = self.streams.entry(place).or_default();
        let pieces = runs.cut(bytes, self.config.payloads);
        if fin {
            self.streams.remove(&place);
        }
        pieces
    }

    fn forget_streams(&mut self, machine: MachineId, attempt: Attempt) {
        let of_connection = (machine, attempt, StreamId::FIRST)..;
        while let Some((&place, _)) = self.streams.range(of_connection.clone()).next()
            && (place.0, place.1) == (machine, attempt)
        {
            self.streams.remove(&place);
        }
    }
}

/// The bytes that every trace begins with.
fn head(payloads: Payloads) -> Vec<u8> {
    let mut out = Vec::from(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    let program = format!("peer-sender-core {}", env!("CARGO_PKG_VERSION"));
    let mut body = Vec::new();
    encode(&Record::Header(Header { program, payloads }), &mut body);
    frame(&body, &mut out);
    out
}
