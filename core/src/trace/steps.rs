//! Recording the steps of one machine.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_64;

use super::action::TraceAction;
use super::content::Payloads;
use super::event::{EVENTS_MAX, TraceEvent};
use super::form::{Form, encode};
use super::record::{Call, MachineConfig, MachineId, frame_what};
use super::recorder::RecorderConfig;
use super::runs::Runs;
use super::watch::{Noticed, Watch};
use crate::{Action, Attempt, Event, Protocol, SessionNews, StreamId, Time};

/// Bytes of events after which a step goes on in another record.
const PART_BYTES: usize = 1 << 20;

/// As `Record::Events` and `Record::Step` are encoded, without building one.
const EVENTS: u32 = 3;
const STEP: u32 = 4;

/// Records the steps of one machine. Each goes: [`begin`](Self::begin), [`event`](Self::event) for
/// each event, [`action`](Self::action) and [`news`](Self::news) for what came of it,
/// [`end`](Self::end), and [`Recorder::add`](super::Recorder::add).
#[derive(Clone, Debug)]
pub struct StepRecorder {
    machine: MachineId,
    payloads: Payloads,
    keeps_actions: bool,
    watch: Watch,
    protocol: Protocol,
    /// Where each stream stands that has frames.
    streams: BTreeMap<(Attempt, StreamId), Runs>,
    /// The step so far; all buffers are kept for their capacity.
    events: Form,
    events_count: u64,
    actions: Form,
    actions_count: u64,
    noticed: Option<Noticed>,
    /// Whole records.
    framed: Vec<u8>,
}

impl StepRecorder {
    pub(super) fn new(
        machine: MachineId,
        recorder: &RecorderConfig,
        config: &MachineConfig,
    ) -> Self {
        Self {
            machine,
            payloads: recorder.payloads,
            keeps_actions: recorder.actions,
            watch: recorder.watch,
            protocol: match config {
                MachineConfig::Sender(config) => config.protocol(),
                MachineConfig::Sessions(config) => config.receiver.protocol,
            },
            streams: BTreeMap::new(),
            events: Form::default(),
            events_count: 0,
            actions: Form::default(),
            actions_count: 0,
            noticed: None,
            framed: Vec::new(),
        }
    }

    /// The machine's name in the trace.
    pub fn machine(&self) -> MachineId {
        self.machine
    }

    /// A step begins; one that was not ended is forgotten.
    pub fn begin(&mut self) {
        self.events.clear();
        self.events_count = 0;
        self.actions.clear();
        self.actions_count = 0;
        self.noticed = None;
        self.framed.clear();
    }

    /// The step's next event.
    pub fn event(&mut self, event: &Event) {
        let (payloads, out) = (self.payloads, &mut self.events);
        if let Event::BytesReceived {
            attempt,
            stream,
            fin,
            ..
        } = *event
            && let Some(framing) = self.protocol.framing()
        {
            let place = (attempt, stream);
            let runs = self.streams.entry(place);
            let runs = runs.or_insert_with(|| Runs::new(framing));
            TraceEvent::encode(event, payloads, runs, out);
            if fin {
                self.streams.remove(&place);
            }
        } else {
            TraceEvent::encode(event, payloads, &mut Runs::unread(), out);
            self.forget(event);
        }
        self.events_count += 1;
        if self.events.len() > PART_BYTES || self.events_count >= EVENTS_MAX as u64 {
            frame_what(&mut self.framed, |out| {
                encode(&(EVENTS, self.machine, self.events_count), out);
                out.extend_from_slice(self.events.filled());
            });
            self.events.clear();
            self.events_count = 0;
        }
    }

    /// An action that the step led to.
    pub fn action(&mut self, action: &Action) {
        TraceAction::encode(action, &mut self.actions);
        self.actions_count += 1;
        if let Action::Close { attempt, .. } = *action {
            self.forget_streams(attempt);
        }
        if self.noticed.is_none() {
            self.noticed = self.watch.action(action);
        }
    }

    /// News of a session that the step led to: behind its actions.
    pub fn news(&mut self, news: &SessionNews) {
        TraceAction::encode_news(news, &mut self.actions);
        self.actions_count += 1;
        if self.noticed.is_none() {
            self.noticed = self.watch.news(news);
        }
    }

    /// The step is over.
    pub fn end(&mut self, now: Time, call: Call) {
        let fits = frame_what(&mut self.framed, |out| {
            encode(&(STEP, self.machine, now, call, self.events_count), out);
            out.extend_from_slice(self.events.filled());
            if self.keeps_actions {
                encode(&(1_u32, self.actions_count), out);
                out.extend_from_slice(self.actions.filled());
            } else {
                out.push(0);
                out.extend_from_slice(&xxh3_64(self.actions.filled()).to_le_bytes());
            }
        });
        if !fits {
            self.framed.clear();
        }
    }

    /// The records of the step; none if one of them is longer than a record may be.
    pub(super) fn framed(&self) -> &[u8] {
        &self.framed
    }

    pub(super) fn noticed(&self) -> Option<Noticed> {
        self.noticed
    }

    /// Forgets the streams that end with an event.
    fn forget(&mut self, event: &Event) {
        if let Event::ConnectionLost { attempt, .. } = *event {
            self.forget_streams(attempt);
        } else if let Event::StreamReset {
            attempt, stream, ..
        } = *event
        {
            self.streams.remove(&(attempt, stream));
        }
    }

    fn forget_streams(&mut self, attempt: Attempt) {
        let of_connection = (attempt, StreamId::FIRST)..;
        while let Some((&place, _)) = self.streams.range(of_connection.clone()).next()
            && place.0 == attempt
        {
            self.streams.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::string::String;

    use bytes::Bytes;

    use super::*;
    use crate::{CloseCode, Lane, LinkError, MessageId, MessageOptions, Side};

    fn steps(payloads: Payloads) -> StepRecorder {
        let config = RecorderConfig {
            payloads,
            ..RecorderConfig::default()
        };
        StepRecorder::new(
            MachineId(0),
            &config,
            &MachineConfig::Sessions(Box::default()),
        )
    }

    fn stream(index: u64) -> StreamId {
        let opener = Side::Remote;
        StreamId { opener, index }
    }

    #[test]
    fn streams_that_are_over_are_forgotten() {
        let mut steps = steps(Payloads::Length);
        let received = |attempt, index, fin| Event::BytesReceived {
            attempt: Attempt(attempt),
            stream: stream(index),
            bytes: Bytes::from_static(&[1]),
            fin,
        };
        for (attempt, index) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0)] {
            steps.event(&received(attempt, index, false));
        }
        assert_eq!(steps.streams.len(), 7);
        steps.event(&received(0, 1, true));
        steps.event(&Event::StreamReset {
            attempt: Attempt(0),
            stream: stream(0),
            code: 7,
        });
        assert_eq!(steps.streams.len(), 5);
        steps.event(&Event::ConnectionLost {
            attempt: Attempt(1),
            error: LinkError::Reset,
        });
        assert_eq!(steps.streams.len(), 3);
        steps.action(&Action::Close {
            attempt: Attempt(2),
            code: CloseCode::Done,
            reason: String::new(),
        });
        let left: Vec<_> = steps.streams.keys().copied().collect();
        assert_eq!(left, [(Attempt(3), stream(0))]);
    }

    #[test]
    fn what_is_longer_than_a_part_goes_in_parts() {
        let mut steps = steps(Payloads::Whole);
        let queued = |id| Event::MessageQueued {
            id: MessageId(id),
            lane: Lane(0),
            payload: Bytes::from_static(&[7; 4_000]),
            options: MessageOptions::default(),
        };
        let mut count = 0;
        while steps.framed.is_empty() {
            assert!(steps.events.len() <= PART_BYTES, "{count}");
            steps.event(&queued(count));
            count += 1;
        }
        assert!(
            count > 100 && steps.framed.len() < PART_BYTES + 5_000,
            "{count}"
        );
    }
}
