//! One program under each runtime: its machines are told the same, step by step, and answer the same.
//!
//! What a run has by itself is its times, and nothing else: seeds and the listener's address come in.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case fails where it cannot go on"
)]

#[path = "suite/backend.rs"]
mod backend;
#[path = "suite/nodes.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod nodes;

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use backend::*;
use nodes::*;
use peer_sender_conformance::untimed::{Machines, bytes, difference, untimed};
use peer_sender_core::Side;
use peer_sender_driver::trace::{Payloads, Record, RecorderConfig, TraceEvent, TraceReader};
use peer_sender_driver::{
    BindError, Config, Lane, NodeConfig, Outcome, PeerConfig, RefuseCode, RejectReason, Runtime,
    StopMode, StopReason, Trace, Trust,
};

const LISTENER: u8 = 1;
const DIALLER: u8 = 2;
const LONG: StopMode = StopMode::Drain(Duration::from_secs(20));
/// The listener's limit.
const LARGEST: usize = 1_000;

/// The runtime, whose nodes have this seed.
struct Seeded<R, const SEED: u8>(PhantomData<fn() -> R>);

impl<R: Runtime, const SEED: u8> Runtime for Seeded<R, SEED> {
    type Socket = R::Socket;
    type Timer = R::Timer;

    fn bind(address: SocketAddr) -> Result<R::Socket, BindError> {
        R::bind(address)
    }

    fn timer() -> R::Timer {
        R::timer()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        R::spawn(task)
    }

    fn now() -> Instant {
        R::now()
    }

    fn seed() -> io::Result<[u8; 32]> {
        Ok([SEED; 32])
    }
}

/// The trace of a node, read while it goes on.
struct Recorded {
    trace: Trace,
    reader: TraceReader,
    bytes: Vec<u8>,
}

impl Recorded {
    /// All that is told, in full.
    fn new() -> Self {
        let trace = Trace::new(RecorderConfig {
            payloads: Payloads::Whole,
            actions: true,
            image_every: usize::MAX,
            ..RecorderConfig::default()
        });
        Self {
            trace,
            reader: TraceReader::new(),
            bytes: Vec::new(),
        }
    }

    fn take(&mut self) {
        let mut bytes = Vec::new();
        self.trace.take(&mut bytes);
        self.reader.feed(&bytes);
        self.bytes.extend(bytes);
    }

    /// Waits until a machine of this node was told something like that, of what was not looked at yet.
    async fn until<R: Runtime>(&mut self, node: &Node<R>, fits: impl Fn(&TraceEvent) -> bool) {
        loop {
            self.take();
            while let Some(record) = self.reader.next_record().unwrap() {
                if let Record::Step { events, .. } = record
                    && events.iter().any(&fits)
                {
                    return;
                }
            }
            // A turn of the node.
            node.stats().await;
        }
    }
}

/// The traces of the two nodes of a run.
struct Run {
    listener: Vec<u8>,
    dialler: Vec<u8>,
}

/// The program: one thing after the other, each when the one before is over.
async fn program<R: Runtime>(address: SocketAddr) -> Run {
    let (mut listened, mut dialled) = (Recorded::new(), Recorded::new());
    let trust = Trust::Keys([alice().key()].into());
    let config = NodeConfig::builder(bob()).accept(trust);
    let config = config
        .message_bytes_max(LARGEST)
        .trace(listened.trace.clone());
    let listener: Node<Seeded<R, LISTENER>> =
        Node::bind(address, config.build().unwrap()).await.unwrap();
    let config = NodeConfig::builder(alice()).trace(dialled.trace.clone());
    let node: Node<Seeded<R, DIALLER>> = Node::bind(ANY, config.build().unwrap()).await.unwrap();
    let peer = node.peer("bob".to_string(), to_bob(address)).unwrap();
    dialled.until(&node, is_connected).await;

    let (mut incoming, mut replies) = (listener.incoming(), node.incoming());
    for number in 0..20_u64 {
        let lane = peer.lane(Lane((number % 2) as u8));
        let receipt = lane.send(numbered(number)).await.unwrap();
        let message = incoming.next().await.unwrap();
        if number < 2 {
            // A lane begins with what the receiver knows of it, which the receipt would go with.
            dialled.until(&node, |event| begins(event, number)).await;
        }
        assert_eq!(message.accept(), numbered(number));
        assert!(receipt.await.is_delivered());
    }

    let receipt = peer.send("question").await.unwrap();
    let question = incoming.next().await.unwrap();
    let back = question.peer();
    question.accept();
    assert!(receipt.await.is_delivered());
    let receipt = back.send("answer").await.unwrap();
    let answer = replies.next().await.unwrap();
    listened.until(&listener, |event| begins(event, 0)).await;
    assert_eq!(answer.accept(), "answer");
    assert!(receipt.await.is_delivered());

    let receipt = peer.send("unwanted").await.unwrap();
    incoming.next().await.unwrap().refuse();
    let refused = Outcome::Refused(RefuseCode::Application);
    assert_eq!(receipt.await, refused);

    let receipt = peer.send(vec![7; LARGEST + 1]).await.unwrap();
    assert_eq!(receipt.await, Outcome::Refused(RefuseCode::TooLarge));
    let rejected = peer.send(vec![7; 4 * LARGEST + 1]).await.unwrap_err();
    let (bytes, max) = (4 * LARGEST + 1, 4 * LARGEST);
    assert_eq!(rejected.reason, RejectReason::TooLarge { bytes, max });

    listener.cut_accepted();
    listened.until(&listener, is_lost).await;
    let receipt = peer.send("after the cut").await.unwrap();
    assert_eq!(incoming.next().await.unwrap().accept(), "after the cut");
    assert!(receipt.await.is_delivered());

    assert_eq!(peer.stop(LONG).await.reason, StopReason::Drained);
    listened.until(&listener, is_lost).await;
    node.stop(LONG).await;
    listener.stop(LONG).await;
    listened.take();
    dialled.take();
    Run {
        listener: listened.bytes,
        dialler: dialled.bytes,
    }
}

/// No timer of a machine rings for as long as a run takes, but that of its backoff.
fn to_bob(address: SocketAddr) -> PeerConfig {
    let quick = Duration::from_millis(20);
    let config = Config::builder(address)
        .backoff_min(quick)
        .backoff_max(2 * quick)
        .health_after(Duration::from_secs(3_600))
        .disconnect_after(None)
        .slow_after(None)
        .message_bytes_max(4 * LARGEST)
        .lanes(2);
    PeerConfig::with(bob().key(), config.build().unwrap())
}

fn is_connected(event: &TraceEvent) -> bool {
    matches!(event, TraceEvent::Connected { .. })
}

fn is_lost(event: &TraceEvent) -> bool {
    matches!(event, TraceEvent::ConnectionLost { .. })
}

/// The other end answers on this stream of ours.
fn begins(event: &TraceEvent, index: u64) -> bool {
    let TraceEvent::BytesReceived { stream, .. } = *event else {
        return false;
    };
    stream.opener == Side::Local && stream.index == index
}

fn run_under<B: Backend>(address: SocketAddr) -> Run {
    let (to, from) = mpsc::channel();
    run::<B, _>(move || async move {
        to.send(program::<B::Runtime>(address).await).unwrap();
    });
    from.recv().unwrap()
}

/// Each machine's bytes without its times.
fn of_each(machines: &Machines) -> Vec<Vec<u8>> {
    machines.values().map(|it| bytes(it).unwrap()).collect()
}

fn assert_same(name: &str, one: &Run, other: &Run) {
    for (node, one, other) in [
        ("listener", &one.listener, &other.listener),
        ("dialler", &one.dialler, &other.dialler),
    ] {
        let (one, other) = (untimed(one).unwrap(), untimed(other).unwrap());
        if let Some(difference) = difference(&one, &other) {
            panic!("under {name} the {node} differs: {difference}");
        }
        assert!(of_each(&one) == of_each(&other), "{name}, {node}");
    }
}

/// The run under the runtime of this name.
type Named = (&'static str, fn(SocketAddr) -> Run);

#[test]
fn every_runtime_tells_the_machines_the_same() {
    let address = unused_address();
    let first = run_under::<InSimulation>(address);
    let others: [Named; 5] = [
        ("tokio_current_thread", run_under::<TokioCurrentThread>),
        ("tokio_multi_thread", run_under::<TokioMultiThread>),
        ("smol", run_under::<OnSmol>),
        ("async_std", run_under::<OnAsyncStd>),
        ("blocking", run_under::<OnThreads>),
    ];
    for (name, run) in others {
        assert_same(name, &first, &run(address));
    }
}

#[test]
fn runs_in_simulation_agree_in_their_times_as_well() {
    let address = unused_address();
    let [one, other] = [(); 2].map(|()| run_under::<InSimulation>(address));
    assert!(undated(&one.listener) == undated(&other.listener));
    assert!(undated(&one.dialler) == undated(&other.dialler));
}

/// The records of a trace, but for the date at which it began.
fn undated(trace: &[u8]) -> Vec<Record> {
    let mut reader = TraceReader::new();
    reader.feed(trace);
    let mut records = Vec::new();
    while let Some(mut record) = reader.next_record().unwrap() {
        if let Record::Made { about, .. } = &mut record {
            about.zero_unix_nanos = 0;
        }
        records.push(record);
    }
    records
}

/// Of the comparison itself: it tells of a step that is another, and where.
#[test]
fn a_difference_is_told_by_the_event_at_which_it_begins() {
    let run = run_under::<InSimulation>(unused_address());
    let one = untimed(&run.dialler).unwrap();
    assert_eq!(difference(&one, &one), None);
    let mut other = one.clone();
    let records = other.values_mut().next().unwrap();
    let queued = records.iter_mut().position(|record| match record {
        Record::Step { events, .. } => match events.first_mut() {
            Some(TraceEvent::MessageQueued { lane, .. }) => {
                lane.0 += 1;
                true
            }
            _ => false,
        },
        _ => false,
    });
    let told = difference(&one, &other).unwrap();
    let place = format!("record {}: event 0 is MessageQueued", queued.unwrap());
    assert!(told.contains(&place), "{told}");
    records_end_early(&one);
}

fn records_end_early(one: &Machines) {
    let mut other = one.clone();
    other.values_mut().next().unwrap().pop();
    let told = difference(one, &other).unwrap();
    assert!(told.contains("only one has"), "{told}");
}
