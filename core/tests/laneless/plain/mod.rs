//! The plain protocol: a stream for each message, which may be stopped and reset.

mod stream;

use std::collections::BTreeMap;

use bytes::Bytes;
use peer_sender_core::{Action, CloseCode, Event, Protocol, Side, StreamId, Time};

use crate::ends::{Both, End};
use crate::oracle::Oracle;
use crate::pipes::{ALL, Pipes, Tidings, remote};
use crate::rng::Rng;
use crate::runs::run_all;
use crate::world::LARGEST;
use stream::Stream;

#[test]
fn every_seed_keeps_the_contract() {
    run_all::<Streams>();
}

/// Of each end those that it opened.
type Streams = Both<Opened>;

struct Opened {
    /// By their numbers.
    streams: BTreeMap<u64, Stream>,
    /// How many the other end has let it open.
    credit: u64,
}

impl Pipes for Streams {
    const PROTOCOL: Protocol = Protocol::Plain;
    const MESSAGE_MAX: usize = LARGEST + 20_000;
    const CLOSES: &'static [CloseCode] = &[CloseCode::Done, CloseCode::GoingAway];
    const KINDS: &'static [&'static str] = &["delivered", "refused", "stopped", "reset"];

    fn new(rng: &mut Rng, _: Time) -> Self {
        let mut opened = || Opened {
            streams: BTreeMap::new(),
            credit: rng.below(8),
        };
        Self {
            dialler: opened(),
            listener: opened(),
        }
    }

    fn act(&mut self, end: End, action: Action, _: Time, oracle: &mut Oracle) {
        let (ours, theirs) = self.seen_from(end);
        match action {
            Action::Write {
                transfer,
                stream,
                chunks,
                fin,
                ..
            } => {
                let payload = Bytes::from(chunks.concat());
                let id = u64::from_be_bytes(payload[..8].try_into().unwrap());
                oracle.written(end, id, &payload);
                assert!(fin, "each message ends its stream");
                let index = ours.streams.len() as u64;
                assert_eq!((stream.opener, stream.index), (Side::Local, index));
                let stream = Stream::new((end, index), (id, payload), transfer);
                ours.streams.insert(index, stream);
            }
            Action::ResetStream { stream, .. } => {
                ours.stream(stream).reset = true;
                oracle.count.one("reset");
            }
            Action::PauseReading { stream, .. } => {
                theirs.stream(stream).paused = true;
                oracle.count.one("paused");
            }
            Action::ResumeReading { stream, .. } => theirs.stream(stream).paused = false,
            Action::StopSending { stream, code, .. } => {
                let stream = theirs.stream(stream);
                stream.stopped = Some(code.to_wire());
                oracle.stopped(stream.message, code.to_wire());
            }
            other => panic!("{end:?} never does {other:?}"),
        }
    }

    fn advance(&mut self, rng: &mut Rng, tidings: &mut Tidings<'_>) {
        for opened in [&mut self.dialler, &mut self.listener] {
            opened.credit += rng.below(3);
            for stream in opened.streams.range_mut(..opened.credit) {
                if rng.chance(60) {
                    advance(stream.1, rng, tidings);
                }
            }
        }
    }

    fn arrive(&mut self, tidings: &mut Tidings<'_>) {
        for stream in self.all() {
            take(stream, ALL, tidings);
            bring(stream, ALL, tidings);
        }
    }

    fn begin(&mut self, tidings: &mut Tidings<'_>) {
        for stream in self.dialler.streams.values_mut() {
            read(stream, 1, tidings);
        }
    }

    fn finish(&mut self, end: End, heeded: bool, tidings: &mut Tidings<'_>) -> bool {
        let mut waits = false;
        let (_, theirs) = self.seen_from(end);
        for stream in theirs.streams.values_mut() {
            if heeded && stream.paused {
                waits |= !stream.read_fin;
            } else {
                read(stream, ALL, tidings);
                cut(stream, tidings);
            }
        }
        waits
    }
}

impl Streams {
    /// Those that this end opened, and those of the other one.
    fn seen_from(&mut self, end: End) -> (&mut Opened, &mut Opened) {
        match end {
            End::Dialler => (&mut self.dialler, &mut self.listener),
            End::Listener => (&mut self.listener, &mut self.dialler),
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Stream> {
        let Self { dialler, listener } = self;
        let both = [dialler, listener].into_iter();
        both.flat_map(|opened| opened.streams.values_mut())
    }
}

impl Opened {
    fn stream(&mut self, id: StreamId) -> &mut Stream {
        self.streams.get_mut(&id.index).unwrap()
    }
}

/// Something happens to a stream.
fn advance(stream: &mut Stream, rng: &mut Rng, tidings: &mut Tidings<'_>) {
    let bytes = rng.below(40_000) as usize;
    match rng.below(4) {
        0 => take(stream, bytes, tidings),
        1 => bring(stream, bytes, tidings),
        2 if !stream.paused => {
            read(stream, bytes, tidings);
            if stream.reset {
                cut(stream, tidings);
            }
        }
        3 if !stream.over && !stream.reset => end(stream, tidings),
        _ => {}
    }
}

fn take(stream: &mut Stream, bytes: usize, tidings: &mut Tidings<'_>) {
    if stream.take(bytes) {
        tidings.taken(stream.from, stream.transfer);
    }
}

fn bring(stream: &mut Stream, bytes: usize, tidings: &mut Tidings<'_>) {
    let before = stream.arrived_fin;
    stream.arrive(bytes);
    if stream.arrived_fin && !before {
        tidings.arrived(stream.message);
    }
}

/// The reader's machine is told what comes next.
fn read(stream: &mut Stream, bytes: usize, tidings: &mut Tidings<'_>) {
    let reader = stream.from.other();
    if !stream.opened && stream.arrived > 0 {
        stream.opened = true;
        tidings.opened(reader, stream.index);
    }
    if let Some((bytes, fin)) = stream.read(bytes) {
        tidings.read(reader, stream.index, bytes, fin);
        if fin {
            tidings.oracle.read(stream.message);
        }
    }
}

/// The reader's machine is told that no more comes, unless it knows how the stream ends.
fn cut(stream: &mut Stream, tidings: &mut Tidings<'_>) {
    if stream.tell_reset() {
        let reader = stream.from.other();
        let reset = Event::StreamReset {
            attempt: tidings.names[reader],
            stream: remote(stream.index),
            code: 0,
        };
        tidings.tell(reader, reset);
    }
}

/// The writer's machine is told how the stream ended, if it has.
fn end(stream: &mut Stream, tidings: &mut Tidings<'_>) {
    let attempt = tidings.names[stream.from];
    let id = StreamId {
        opener: Side::Local,
        index: stream.index,
    };
    let ended = match stream.stopped {
        Some(code) => Event::StreamStopped {
            attempt,
            stream: id,
            code,
        },
        None if stream.arrived_fin => {
            tidings.acknowledged(stream.message);
            Event::StreamAcknowledged {
                attempt,
                stream: id,
            }
        }
        None => return,
    };
    stream.over = true;
    tidings.tell(stream.from, ended);
}
