//! A node that listens and dials, an honest peer beside it, and everybody else.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use peer_sender_core::{Config, Lane, LinkError, MessageId, Outcome, PeerEvent, StopMode, Time};
use peer_sender_quic::simulation::Security;
use peer_sender_quic::{
    DatagramMeta, Identity, NodeConfig, NodeEvent, NodeMachine, OutgoingMessage, Output,
    PeerConfig, PeerHandle, Target, Trust,
};

use crate::memory;

const ONE_WAY: Duration = Duration::from_millis(2);

/// Connections that the node takes at most, and handshakes.
pub(crate) const CONNECTIONS_MAX: usize = 16;
pub(crate) const HANDSHAKES_MAX: usize = 8;

/// Who takes part, by the last byte of the address.
pub(crate) const SUBJECT: u8 = 1;
pub(crate) const HONEST: u8 = 2;
/// Whoever is not known.
pub(crate) const STRANGER: u8 = 3;

pub(crate) fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 4_433))
}

/// What came from an address, and what went to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    came: usize,
    went: usize,
    datagrams: usize,
}

impl Traffic {
    /// What may go to an address for each datagram that came from it, beyond three times its size.
    pub(crate) const BEYOND: usize = 3 * 1_472;

    pub(crate) fn bytes_in(&self) -> usize {
        self.came
    }

    pub(crate) fn bytes_out(&self) -> usize {
        self.went
    }

    pub(crate) fn came(&mut self, bytes: usize) {
        self.came += bytes;
        self.datagrams += 1;
    }

    /// No more than three times what came from an address that is not proven goes to it (RFC 9000
    /// section 8.1). But quinn-proto lets a whole datagram begin as long as anything is left of that,
    /// asks nobody before it finds out how large a datagram a new path carries, and asks an address that
    /// was left once more; and it counts what a peer's `other` addresses send, in bytes, for the one that
    /// it has moved to.
    pub(crate) fn went(&mut self, to: SocketAddr, bytes: usize, other: usize) {
        self.went += bytes;
        let allowed = 3 * (self.came + other) + Self::BEYOND * self.datagrams;
        assert!(self.went <= allowed, "I24 to {to}: {self:?}");
    }
}

/// Identities are made once: each takes longer than a run.
pub(crate) fn identity(number: u8) -> &'static Identity {
    static IDENTITIES: OnceLock<Vec<Identity>> = OnceLock::new();
    let all = IDENTITIES.get_or_init(|| {
        let numbers = 0..=STRANGER;
        numbers.map(|it| Identity::from_secret([it; 32])).collect()
    });
    let Some(identity) = all.get(usize::from(number)) else {
        panic!("there is no identity {number}")
    };
    identity
}

/// One node, and what it has said.
pub(crate) struct End {
    pub(crate) node: NodeMachine<u8>,
    until: Option<Time>,
    pub(crate) lost: Vec<LinkError>,
    pub(crate) turned_away: Vec<LinkError>,
    pub(crate) outcomes: BTreeMap<(Target, MessageId), Outcome>,
    pub(crate) received: usize,
}

impl End {
    fn new(number: u8, base: Instant) -> Self {
        let config = NodeConfig::builder(identity(number).clone())
            .security(Security::null())
            .accept(Trust::Any)
            .connections_max(CONNECTIONS_MAX)
            .handshakes_max(HANDSHAKES_MAX)
            .message_bytes_max(4_096)
            .inbound_bytes_max(16_384)
            .build();
        let Ok(config) = config else {
            panic!("{config:?}")
        };
        let node = NodeMachine::new(config, [number; 32], base, SystemTime::UNIX_EPOCH);
        Self {
            node,
            until: None,
            lost: Vec::new(),
            turned_away: Vec::new(),
            outcomes: BTreeMap::new(),
            received: 0,
        }
    }

    fn hear(&mut self, now: Time, event: NodeEvent<u8>) {
        match event {
            NodeEvent::Settled { to, settled } => {
                for (id, outcome) in settled {
                    let twice = self.outcomes.insert((to, id), outcome).is_some();
                    assert!(!twice, "I1 a second outcome of {id:?} to {to:?}");
                }
            }
            NodeEvent::Incoming {
                source, messages, ..
            } => {
                self.received += messages.len();
                for message in messages {
                    let below = message.number + 1;
                    self.node.consumed(now, source, message.lane, below);
                }
            }
            NodeEvent::Peer {
                event: PeerEvent::Disconnected { error, .. },
                ..
            } => self.lost.push(error),
            NodeEvent::InboundRejected { error, .. } => self.turned_away.push(error),
            NodeEvent::Peer { .. }
            | NodeEvent::HandedBack { .. }
            | NodeEvent::Transferred { .. }
            | NodeEvent::Rejected { .. }
            | NodeEvent::Room { .. }
            | NodeEvent::Forgotten { .. } => {}
        }
    }
}

/// The node, its honest peer, and what the node sends to everybody else.
pub(crate) struct Scene {
    pub(crate) now: Time,
    pub(crate) base: Instant,
    pub(crate) subject: End,
    pub(crate) honest: End,
    peer: PeerHandle,
    asked: u64,
    /// What is under way: when it arrives, whether at the subject, and what it is.
    wire: VecDeque<(Time, bool, Vec<u8>)>,
    /// What the subject sent to others since somebody looked.
    pub(crate) outside: Vec<(SocketAddr, Vec<u8>)>,
    /// What the honest peer has sent.
    pub(crate) seen: Vec<Vec<u8>>,
    /// How many bytes that was.
    pub(crate) seen_bytes: usize,
    pub(crate) before: Option<usize>,
}

impl Scene {
    /// The honest peer is connected, and has delivered a message.
    pub(crate) fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an origin to count from, never seen"
        )]
        let base = Instant::now();
        let subject = End::new(SUBJECT, base);
        let mut honest = End::new(HONEST, base);
        let key = identity(SUBJECT).key();
        let peer = Config::new(address(SUBJECT)).map(|config| PeerConfig::with(key, config));
        let peer = peer.map(|peer| honest.node.add_peer(Time::ZERO, SUBJECT, peer));
        let Ok(Ok(peer)) = peer else {
            panic!("the honest peer cannot dial")
        };
        let mut scene = Self {
            now: Time::ZERO,
            base,
            subject,
            honest,
            peer,
            asked: 0,
            wire: VecDeque::new(),
            outside: Vec::new(),
            seen: Vec::new(),
            seen_bytes: 0,
            before: None,
        };
        scene.ask();
        scene.pass(Duration::from_millis(100));
        scene.judge_honest();
        scene.before = memory::allocated();
        scene
    }

    /// The honest peer sends a message.
    pub(crate) fn ask(&mut self) {
        let id = MessageId(self.asked);
        self.asked += 1;
        let message = OutgoingMessage::new(id, Lane(0), Bytes::from_static(b"still there?"));
        let to = Target::Peer(self.peer);
        self.honest.node.queue(self.now, to, [message]);
    }

    /// The honest peer was answered each time, and its connection stood all along.
    pub(crate) fn judge_honest(&self) {
        let delivered = |it: &&Outcome| it.is_delivered();
        let answered = self.honest.outcomes.values().filter(delivered).count();
        assert_eq!(answered as u64, self.asked, "I26 the honest peer waits");
        let lost = &self.honest.lost;
        assert!(lost.is_empty(), "I26 the honest peer was lost: {lost:?}");
    }

    /// What the node has more than at the start is not above this.
    pub(crate) fn judge_memory(&self, bytes_max: usize) {
        if let Some(grown) = memory::grown_since(self.before) {
            assert!(grown <= bytes_max, "I21 {grown} bytes are held");
        }
    }

    /// A datagram reaches the node, which does what it has to do. Says how much that was.
    pub(crate) fn inject(&mut self, from: SocketAddr, bytes: &[u8]) -> usize {
        let meta = DatagramMeta {
            remote: from,
            local_ip: None,
            ecn: None,
        };
        self.subject
            .node
            .handle_datagram(self.now, meta, BytesMut::from(bytes));
        self.settle()
    }

    /// Time passes, and whatever is due happens.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let arrives = self.wire.front().map(|it| it.0);
            let next = [arrives, self.subject.until, self.honest.until];
            match next.into_iter().flatten().min() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
            while self.wire.front().is_some_and(|it| it.0 <= self.now) {
                if let Some((_, to_subject, bytes)) = self.wire.pop_front() {
                    self.arrive(to_subject, &bytes);
                }
            }
            for end in [&mut self.subject, &mut self.honest] {
                if end.until.is_some_and(|at| at <= self.now) {
                    end.node.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, to_subject: bool, bytes: &[u8]) {
        let (end, from) = match to_subject {
            true => (&mut self.subject, HONEST),
            false => (&mut self.honest, SUBJECT),
        };
        let meta = DatagramMeta {
            remote: address(from),
            local_ip: None,
            ecn: None,
        };
        end.node
            .handle_datagram(self.now, meta, BytesMut::from(bytes));
    }

    /// Polls both nodes until they have nothing left to do. Says how often the subject had.
    pub(crate) fn settle(&mut self) -> usize {
        // One datagram may open the way for a flight, and never for more than a window.
        const OUTPUTS_MAX: usize = 2_000;
        let mut outputs = 0;
        let mut buffer = Vec::new();
        for of_subject in [true, false] {
            let end = match of_subject {
                true => &mut self.subject,
                false => &mut self.honest,
            };
            end.until = loop {
                match end.node.poll_output(self.now, &mut buffer) {
                    Output::Transmit(transmit) => {
                        let bytes = buffer.get(..transmit.size).unwrap_or_default().to_vec();
                        let known = match of_subject {
                            true => address(HONEST),
                            false => address(SUBJECT),
                        };
                        if !of_subject {
                            self.seen_bytes += bytes.len();
                            self.seen.push(bytes.clone());
                        }
                        match transmit.destination == known {
                            true => {
                                let at = self.now + ONE_WAY;
                                self.wire.push_back((at, !of_subject, bytes));
                            }
                            false => self.outside.push((transmit.destination, bytes)),
                        }
                    }
                    Output::Event(event) => end.hear(self.now, event),
                    Output::Timeout(until) => break until,
                }
                outputs += usize::from(of_subject);
                assert!(outputs < OUTPUTS_MAX, "I22 a node goes on and on");
            };
            let ahead = end.until.is_none_or(|at| at > self.now);
            assert!(ahead, "I15 {:?} is due at {}", end.until, self.now);
        }
        outputs
    }

    /// The node ends, at once, and everybody has an outcome.
    pub(crate) fn end(mut self) {
        self.subject.node.stop(self.now, StopMode::Abort);
        self.settle();
        self.pass(Duration::from_secs(60));
        assert!(self.subject.node.is_stopped(), "I28 the node goes on");
        assert_eq!(self.subject.node.stats().connections, 0, "I27");
    }
}
