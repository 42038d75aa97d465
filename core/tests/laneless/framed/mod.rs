//! The framed protocol: one stream of each end, and a listener that replies.

mod pipe;
mod stopped;

use peer_sender_core::{Action, CloseCode, Event, FRAMED_TRUSTED_AFTER, Protocol, Side, Time};

use crate::ends::{Both, End};
use crate::oracle::Oracle;
use crate::pipes::{ALL, Pipes, Tidings};
use crate::rng::Rng;
use crate::runs::run_all;
use crate::world::LARGEST;
use pipe::Pipe;

#[test]
fn every_seed_keeps_the_contract() {
    run_all::<Streams>();
}

struct Streams {
    since: Time,
    /// Each of the end that writes on it.
    pipes: Both<Pipe>,
    /// Which end waits for the answer to a probe.
    probes: Both<bool>,
}

impl Pipes for Streams {
    const PROTOCOL: Protocol = Protocol::Framed;
    const MESSAGE_MAX: usize = LARGEST;
    // No node of the Acki Nacki network knows another.
    const CLOSES: &'static [CloseCode] = &[CloseCode::Done];
    const KINDS: &'static [&'static str] = &["written", "probed", "closed as malformed"];

    fn new(_: &mut Rng, now: Time) -> Self {
        Self {
            since: now,
            pipes: Both::default(),
            probes: Both::default(),
        }
    }

    fn act(&mut self, end: End, action: Action, now: Time, oracle: &mut Oracle) {
        match action {
            Action::Write {
                transfer,
                stream,
                chunks,
                fin,
                ..
            } => {
                assert_eq!((stream.opener, stream.index), (Side::Local, 0));
                assert!(!fin, "the stream is never finished");
                for (id, payload) in self.pipes[end].write(transfer, &chunks) {
                    oracle.written(end, id, &payload);
                }
            }
            Action::PauseReading { .. } => {
                self.pipes[end.other()].paused = true;
                oracle.count.one("paused");
            }
            Action::ResumeReading { .. } => self.pipes[end.other()].paused = false,
            Action::Probe { .. } => {
                let stood = now.saturating_since(self.since);
                assert!(stood >= FRAMED_TRUSTED_AFTER, "asked too soon");
                self.probes[end] = true;
                oracle.count.one("probed");
            }
            other => panic!("{end:?} never does {other:?}"),
        }
    }

    fn advance(&mut self, rng: &mut Rng, tidings: &mut Tidings<'_>) {
        if rng.chance(5) {
            self.answer_probes(tidings);
        }
        for from in [End::Dialler, End::Listener] {
            let bytes = rng.below(40_000) as usize;
            match rng.below(5) {
                0 => self.take(from, bytes, tidings),
                1 => self.bring(from, bytes, tidings),
                2 => self.acknowledge(from, bytes, tidings),
                3 if !self.pipes[from].paused => self.read(from, bytes, tidings),
                _ => {}
            }
        }
    }

    fn arrive(&mut self, tidings: &mut Tidings<'_>) {
        for from in [End::Dialler, End::Listener] {
            self.take(from, ALL, tidings);
            self.bring(from, ALL, tidings);
        }
    }

    fn begin(&mut self, tidings: &mut Tidings<'_>) {
        self.read(End::Dialler, 1, tidings);
    }

    fn finish(&mut self, end: End, heeded: bool, tidings: &mut Tidings<'_>) -> bool {
        let waits = heeded && self.pipes[end.other()].waits();
        if !waits {
            self.read(end.other(), ALL, tidings);
        }
        waits
    }
}

impl Streams {
    fn take(&mut self, from: End, bytes: usize, tidings: &mut Tidings<'_>) {
        if let Some(transfer) = self.pipes[from].take(bytes) {
            tidings.taken(from, transfer);
        }
    }

    fn bring(&mut self, from: End, bytes: usize, tidings: &mut Tidings<'_>) {
        for id in self.pipes[from].arrive(bytes) {
            tidings.arrived(id);
        }
    }

    fn acknowledge(&mut self, from: End, bytes: usize, tidings: &mut Tidings<'_>) {
        let (writes, messages) = self.pipes[from].acknowledge(bytes);
        for transfer in writes {
            tidings.tell(from, Event::TransferAcknowledged { transfer });
        }
        for id in messages {
            tidings.acknowledged(id);
        }
    }

    /// The other end's machine is told what comes next.
    fn read(&mut self, from: End, bytes: usize, tidings: &mut Tidings<'_>) {
        let pipe = &mut self.pipes[from];
        let Some((bytes, messages)) = pipe.read(bytes) else {
            return;
        };
        if !pipe.opened {
            pipe.opened = true;
            tidings.opened(from.other(), 0);
        }
        tidings.read(from.other(), 0, bytes, false);
        for id in messages {
            tidings.oracle.read(id);
        }
    }

    /// The other end is still there, and says so to whoever asked.
    fn answer_probes(&mut self, tidings: &mut Tidings<'_>) {
        for end in [End::Dialler, End::Listener] {
            if std::mem::take(&mut self.probes[end]) {
                let attempt = tidings.names[end];
                tidings.oracle.trusted(end, tidings.names.listener);
                tidings.tell(end, Event::ProbeAnswered { attempt });
            }
        }
    }
}
