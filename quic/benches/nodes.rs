//! Two whole nodes in memory, in virtual time: real QUIC and TLS, no socket and no runtime. What is
//! left is what a driver cannot make faster.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput};
use peer_sender_core::{Lane, MessageId, PeerEvent, Time};
use peer_sender_quic::{
    DatagramMeta, Identity, NodeConfig, NodeEvent, NodeMachine, OutgoingMessage, Output,
    PeerConfig, PeerHandle, Target, Trust,
};

/// Messages of one measurement.
const MESSAGES: u64 = 4_096;
/// Messages handed over in one step.
const BATCH: usize = 256;
/// Datagrams in one transmit, as a driver that has segmentation offload asks for.
const SEGMENTS: usize = 10;
/// From when a datagram was sent until it arrives.
const ONE_WAY: Duration = Duration::from_micros(20);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("handshake", |bencher| {
        bencher.iter_batched(
            Pair::new,
            |mut pair| {
                pair.connect();
                pair
            },
            BatchSize::LargeInput,
        );
    });
    for (name, size) in [("100 B", 100), ("1 KiB", 1_024), ("64 KiB", 65_536)] {
        let messages = MESSAGES.min((16 << 20) / size as u64);
        let payload = Bytes::from(vec![0x5a; size]);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(messages));
        let mut pair = Pair::new();
        pair.connect();
        group.bench_function("messages", |bencher| {
            bencher.iter(|| pair.deliver(messages, &payload));
        });
        group.finish();
    }
    criterion.final_summary();
}

struct Pair {
    now: Time,
    dialler: NodeMachine<u8>,
    listener: NodeMachine<u8>,
    peer: PeerHandle,
    /// When, whether to the listener, and what.
    wire: VecDeque<(Time, bool, BytesMut)>,
    connected: bool,
    settled: u64,
    next_id: u64,
    buffer: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let identity = Identity::from_secret([2; 32]);
        let config = NodeConfig::builder(identity.clone()).accept(Trust::Any);
        let config = config.build().expect("the defaults are usable");
        let (base, date) = origin();
        let mut listener = NodeMachine::new(config, [2; 32], base, date);
        let config = NodeConfig::new(Identity::from_secret([1; 32]));
        let mut dialler = NodeMachine::new(config, [1; 32], base, date);
        listener.set_segments_max(SEGMENTS);
        dialler.set_segments_max(SEGMENTS);
        let config = PeerConfig::new(identity.key(), address(true)).expect("it has a port");
        let peer = dialler
            .add_peer(Time::ZERO, 0, config)
            .expect("it is the first");
        Self {
            now: Time::ZERO,
            dialler,
            listener,
            peer,
            wire: VecDeque::new(),
            connected: false,
            settled: 0,
            next_id: 0,
            buffer: Vec::new(),
        }
    }

    fn connect(&mut self) {
        while !self.connected {
            self.turn();
        }
    }

    /// Until each of these messages has its outcome.
    fn deliver(&mut self, count: u64, payload: &Bytes) {
        let end = self.next_id + count;
        let (to, lane) = (Target::Peer(self.peer), Lane(0));
        while self.settled < end {
            let last = end.min(self.next_id + BATCH as u64);
            let ids = self.next_id..last;
            let batch = ids.map(|id| OutgoingMessage::new(MessageId(id), lane, payload.clone()));
            self.dialler.queue(self.now, to, batch);
            self.next_id = last;
            self.turn();
        }
    }

    /// Both nodes do what there is to do; then time goes on to what happens next.
    fn turn(&mut self) {
        let until = [self.poll(false), self.poll(true)]
            .into_iter()
            .flatten()
            .min();
        let arrival = self.wire.front().map(|&(at, ..)| at);
        self.now = until
            .into_iter()
            .chain(arrival)
            .min()
            .expect("something will happen");
        let now = self.now;
        while let Some(&(at, ..)) = self.wire.front() {
            if at > now {
                break;
            }
            let Some((_, to_listener, bytes)) = self.wire.pop_front() else {
                break;
            };
            let meta = DatagramMeta {
                remote: address(!to_listener),
                local_ip: None,
                ecn: None,
            };
            self.node(to_listener).handle_datagram(now, meta, bytes);
        }
        for listener in [false, true] {
            self.node(listener).handle_timeout(now);
        }
    }

    /// Answers when the node has something to do by itself.
    fn poll(&mut self, listener: bool) -> Option<Time> {
        let now = self.now;
        let mut buffer = std::mem::take(&mut self.buffer);
        let until = loop {
            match self.node(listener).poll_output(now, &mut buffer) {
                Output::Transmit(transmit) => {
                    let size = transmit.segment_size.unwrap_or(transmit.size);
                    let datagrams = buffer
                        .chunks(size)
                        .map(|datagram| (now + ONE_WAY, !listener, BytesMut::from(datagram)));
                    self.wire.extend(datagrams);
                }
                Output::Event(event) => self.hear(event),
                Output::Timeout(until) => break until,
            }
        };
        self.buffer = buffer;
        until
    }

    fn hear(&mut self, event: NodeEvent<u8>) {
        if let NodeEvent::Settled { settled, .. } = event {
            assert!(settled.iter().all(|(_, outcome)| outcome.is_delivered()));
            self.settled += settled.len() as u64;
        } else if let NodeEvent::Incoming {
            source, messages, ..
        } = event
        {
            if let Some(last) = messages.last() {
                let now = self.now;
                self.listener
                    .consumed(now, source, last.lane, last.number + 1);
            }
        } else if let NodeEvent::Peer {
            event: PeerEvent::Connected { .. },
            ..
        } = event
        {
            self.connected = true;
        }
    }

    fn node(&mut self, listener: bool) -> &mut NodeMachine<u8> {
        match listener {
            true => &mut self.listener,
            false => &mut self.dialler,
        }
    }
}

fn address(listener: bool) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::from(listener) + 1], 4433))
}

/// The date is for certificates of authorities, of which there are none.
fn origin() -> (Instant, SystemTime) {
    #[expect(
        clippy::disallowed_methods,
        reason = "an origin to count from; time itself is virtual"
    )]
    let base = Instant::now();
    (base, SystemTime::UNIX_EPOCH)
}
