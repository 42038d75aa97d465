//! Any datagrams whatever into a node that listens and dials, with an honest peer beside it: noise,
//! first packets that are made by hand, answers to a dial that nobody else would answer, and what was
//! overheard, repeated, damaged and prolonged.
//!
//! The first record says whether the node dials a stranger as well; each other is a datagram, or time
//! passing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Config, Lane, MessageId, Outcome};
use peer_sender_quic::simulation::null;
use peer_sender_quic::{OutgoingMessage, PeerConfig, Target};
use peer_sender_sim::tape::{Choices, Tape};
use quinn_proto::ConnectionId;
use quinn_proto::crypto::PacketKey;

use crate::draw;
use crate::quic::frames::{Talk, integer};
use crate::quic::scene::{CONNECTIONS_MAX, HONEST, STRANGER, Scene, Traffic, address, identity};

/// What the connections of all strangers together may cost, whatever they send.
const MEMORY_MAX: usize = (CONNECTIONS_MAX + 4) * (96 << 10);

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(mut tape) = Tape::read(bytes) else {
        return false;
    };
    let Some(mut choices) = tape.next() else {
        return false;
    };
    let mut shower = Shower::new(choices.chance(96));
    for choices in tape {
        shower.go_on(choices);
    }
    shower.end();
    true
}

struct Shower {
    scene: Scene,
    dials: bool,
    talk: Talk,
    /// The node's own first packets to a stranger.
    asked: Vec<Vec<u8>>,
    /// What came from each address, and what went to it.
    traffic: BTreeMap<SocketAddr, Traffic>,
    waited: Duration,
}

impl Shower {
    fn new(dials: bool) -> Self {
        let mut scene = Scene::new();
        if dials {
            let now = scene.now;
            let key = identity(STRANGER).key();
            let node = &mut scene.subject.node;
            let config = Config::new(address(STRANGER)).map(|it| PeerConfig::with(key, it));
            let Ok(Ok(peer)) = config.map(|config| node.add_peer(now, STRANGER, config)) else {
                panic!("the node cannot dial")
            };
            let message = OutgoingMessage::new(MessageId(0), Lane(0), Bytes::from_static(b"?"));
            node.queue(now, Target::Peer(peer), [message]);
        }
        scene.settle();
        Self {
            scene,
            dials,
            talk: Talk::new(true),
            asked: Vec::new(),
            traffic: BTreeMap::new(),
            waited: Duration::ZERO,
        }
    }

    fn go_on(&mut self, mut choices: Choices<'_>) {
        self.look();
        let from = match choices.below(8) {
            // The address that the node dials, where it does.
            0..3 => address(STRANGER),
            3 => address(HONEST),
            host => SocketAddr::from(([10, 1, host as u8, choices.below(8) as u8 + 1], 4_433)),
        };
        let datagram = match choices.below(16) {
            0..6 => self.first_packet(&mut choices),
            6..9 => self.answer_to_a_dial(&mut choices),
            9..12 => self.overheard(&mut choices),
            12 | 13 => noise(&mut choices),
            _ => {
                let time = Duration::from_millis(choices.below(12_000));
                if self.waited < Duration::from_secs(100) {
                    self.waited += time;
                    self.scene.ask();
                    self.scene.pass(time);
                }
                self.look();
                return;
            }
        };
        let times = match choices.below(12) {
            11 => 1 + choices.below(40),
            _ => 1,
        };
        for _ in 0..times {
            self.traffic.entry(from).or_default().came(datagram.len());
            let outputs = self.scene.inject(from, &datagram);
            assert!(outputs <= 64, "I22 {outputs} outputs for a datagram");
            self.look();
        }
    }

    /// What the node has sent to strangers.
    fn look(&mut self) {
        for (to, bytes) in std::mem::take(&mut self.scene.outside) {
            if self.dials && to == address(STRANGER) {
                self.asked.push(bytes);
                if self.asked.len() > 8 {
                    self.asked.remove(0);
                }
                continue;
            }
            let traffic = self.traffic.entry(to).or_default();
            traffic.went(to, bytes.len(), self.scene.seen_bytes);
        }
        self.scene.judge_memory(MEMORY_MAX);
    }

    /// A packet that begins a connection, or belongs to its beginning.
    fn first_packet(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        let id_bytes = match choices.below(4) {
            0..3 => 8,
            _ => choices.below(24) as usize,
        };
        let id = vec![choices.below(6) as u8; id_bytes];
        let version = match choices.below(6) {
            5 => choices.below(1 << 32) as u32,
            _ => 1,
        };
        let first = match choices.below(8) {
            7 => choices.byte(),
            6 => 0xe3,
            _ => 0xc3,
        };
        let mut frames = Vec::new();
        if choices.chance(160) {
            hello(choices, &mut frames);
        }
        if choices.chance(96) {
            self.talk.frames(choices, &mut frames);
        }
        let own_bytes = match choices.below(5) {
            4 => choices.below(24) as usize,
            _ => 8,
        };
        let token = choices.below(20) as usize * usize::from(choices.chance(64));
        let padded = choices.chance(220);
        let mut packet = vec![first];
        packet.extend(version.to_be_bytes());
        packet.push(id.len() as u8);
        packet.extend(&id);
        packet.push(own_bytes as u8);
        packet.extend(std::iter::repeat_n(7, own_bytes));
        if first & 0x30 == 0 {
            integer(token as u64, &mut packet);
            packet.extend(std::iter::repeat_n(choices.byte(), token));
        }
        if padded {
            // Two more for the length, four for the number, sixteen for the tag.
            let rest = 1_200_usize.saturating_sub(packet.len() + 22);
            frames.resize(rest.max(frames.len()), 0);
        }
        self.sealed(choices, packet, &frames, &id, false)
    }

    /// Adds length, number, payload and tag of a long header's packet; lies now and then.
    fn sealed(
        &self,
        choices: &mut Choices<'_>,
        mut packet: Vec<u8>,
        frames: &[u8],
        id: &[u8],
        by_listener: bool,
    ) -> Vec<u8> {
        let whole = 4 + frames.len() + null::TAG_BYTES;
        let length = match choices.below(16) {
            15 => choices.below(3_000) as usize,
            _ => whole,
        };
        packet.extend((length as u16 & 0x3fff | 1 << 14).to_be_bytes());
        let number = choices.below(4) as u32;
        packet.extend(number.to_be_bytes());
        let header = packet.len();
        packet.extend_from_slice(frames);
        packet.extend([0; null::TAG_BYTES]);
        if id.len() <= 20
            && let Ok(keys) =
                null::accepting(identity(STRANGER), b"").initial_keys(1, &ConnectionId::new(id))
        {
            let key: &dyn PacketKey = match by_listener {
                true => &*keys.packet.local,
                false => &*keys.packet.remote,
            };
            key.encrypt(u64::from(number), &mut packet, header);
        }
        match choices.below(16) {
            // Something behind it in the same datagram.
            14 => packet.extend((0..choices.below(40)).map(|_| choices.byte())),
            15 => packet.extend_from_within(..),
            _ => {}
        }
        packet
    }

    /// What a listener could have said to the node's own first packet: Version Negotiation, Retry, an
    /// Initial, a stateless reset.
    fn answer_to_a_dial(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        let asked = self.asked.last().cloned().unwrap_or_default();
        let (theirs, ours) = ids(&asked).unwrap_or((vec![1; 8], vec![2; 8]));
        let mut packet = Vec::new();
        let kind = choices.below(5);
        let version: u32 = match kind {
            0 => 0,
            _ => 1,
        };
        packet.push(match kind {
            0 => 0x80 | choices.byte(),
            1 => 0xf0,
            2 => 0x40,
            _ => 0xc3,
        });
        packet.extend(version.to_be_bytes());
        packet.push(ours.len() as u8);
        packet.extend(&ours);
        packet.push(8);
        packet.extend([choices.below(4) as u8; 8]);
        match kind {
            0 => {
                let versions = choices.below(5);
                packet.extend((0..4 * versions).map(|_| choices.byte()));
                packet
            }
            1 => {
                let token = choices.below(60);
                packet.extend((0..token).map(|_| choices.byte()));
                let mut tag = [0; 16];
                if choices.chance(200) && theirs.len() <= 20 {
                    let listener = null::accepting(identity(STRANGER), b"");
                    tag = listener.retry_tag(1, &ConnectionId::new(&theirs), &packet);
                }
                packet.extend(tag);
                packet
            }
            2 => {
                // A reset that guesses its token.
                packet.extend([choices.byte(); 40]);
                packet
            }
            _ => {
                packet.push(0);
                let mut frames = Vec::new();
                if choices.chance(96) {
                    // READY, with whatever secret.
                    let secret = [choices.byte(); 8];
                    let mut ready = vec![2, 0, 0, 0, 12, 0, 0, 0, 8];
                    ready.extend(secret);
                    integer(6, &mut frames);
                    integer(0, &mut frames);
                    integer(ready.len() as u64, &mut frames);
                    frames.extend(ready);
                }
                self.talk.frames(choices, &mut frames);
                self.sealed(choices, packet, &frames, &theirs, true)
            }
        }
    }

    /// A datagram of the honest peer's, as it was or not.
    fn overheard(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        let place = choices.below(self.scene.seen.len() as u64) as usize;
        let mut datagram = self.scene.seen.get(place).cloned().unwrap_or_default();
        for _ in 0..choices.below(4) {
            let place = choices.below(datagram.len() as u64) as usize;
            match (choices.below(3), datagram.get_mut(place)) {
                (0, Some(byte)) => *byte ^= 1 << choices.below(8),
                (1, _) => datagram.truncate(place),
                _ => datagram.extend((0..choices.below(30)).map(|_| choices.byte())),
            }
        }
        datagram
    }

    fn end(mut self) {
        self.scene.ask();
        self.scene.pass(Duration::from_secs(5));
        self.look();
        self.scene.judge_honest();
        self.scene.pass(Duration::from_secs(40));
        self.look();
        // Nobody finished a handshake, and so nobody has a message.
        let ours = 1 + self.scene.subject.outcomes.len();
        let delivered = self.scene.subject.outcomes.values();
        let delivered = delivered.filter(|it| Outcome::is_delivered(it)).count();
        assert!(delivered == 0 && ours <= 2, "I3 a stranger took a message");
        let accepted = self.scene.subject.node.stats().accepted;
        assert_eq!(accepted, 1, "I13 a stranger was let in");
        self.scene.end();
    }
}

/// A dialler's first message, whose parts may be anything.
fn hello(choices: &mut Choices<'_>, frames: &mut Vec<u8>) {
    let mut parameters = Vec::new();
    for _ in 0..choices.below(6) {
        // Kinds up to 0x11, and one that nobody knows.
        integer(choices.below(0x12), &mut parameters);
        let mut value = Vec::new();
        match choices.below(4) {
            0..3 => integer(draw::number(choices) % (1 << 62), &mut value),
            _ => value.extend((0..choices.below(20)).map(|_| choices.byte())),
        }
        integer(value.len() as u64, &mut parameters);
        parameters.extend(value);
    }
    let mut body = Vec::new();
    for part in [&parameters[..], b"peer-sender/1", b"peer-sender"] {
        body.extend((part.len() as u32).to_be_bytes());
        body.extend(part);
    }
    let mut message = vec![1];
    message.extend((body.len() as u32).to_be_bytes());
    message.extend(body);
    integer(6, frames);
    integer(choices.below(8) / 7, frames);
    integer(message.len() as u64, frames);
    frames.extend(message);
}

/// The ids in a long header: of whom it is for, and of whom it is from.
fn ids(packet: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let rest = packet.get(5..)?;
    let (length, rest) = rest.split_first()?;
    let (to, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first()?;
    let from = rest.get(..usize::from(*length))?;
    Some((to.to_vec(), from.to_vec()))
}

fn noise(choices: &mut Choices<'_>) -> Vec<u8> {
    let length = match choices.below(8) {
        0..6 => choices.below(60),
        6 => choices.below(1_500),
        _ => one_large(choices),
    };
    let mut bytes: Vec<_> = (0..length.min(60)).map(|_| choices.byte()).collect();
    bytes.resize(length as usize, choices.byte());
    bytes
}

fn one_large(choices: &mut Choices<'_>) -> u64 {
    draw::one_of(choices, &[0, 1, 1_200, 65_507])
}
