//! A peer past the handshake that speaks arbitrary QUIC, against a node that it has dialled or was
//! dialled by, with an honest peer beside it: frames of every kind in every order, with lanes and
//! messages inside them, and floods of each.
//!
//! The first record says who dials; each other is a datagram, or time passing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Config, Lane, LinkError, MessageId, Time};
use peer_sender_quic::simulation::null::Level;
use peer_sender_quic::{OutgoingMessage, PeerConfig, Target};
use peer_sender_sim::tape::{Choices, Tape};
use quinn_proto::Side;

use crate::quic::frames::Talk;
use crate::quic::intruder::{Close, Intruder};
use crate::quic::scene::{STRANGER, Scene, Traffic, address, identity};

/// What one connection and one session of so little may cost the node, whatever is said on it.
const MEMORY_MAX: usize = 512 << 10;
/// What each byte that was received may cost at most: a chunk of a stream has its books.
const MEMORY_PER_BYTE: usize = 64;

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(mut tape) = Tape::read(bytes) else {
        return false;
    };
    let Some(mut choices) = tape.next() else {
        return false;
    };
    let side = match choices.chance(96) {
        true => Side::Server,
        false => Side::Client,
    };
    let mut attack = Attack::new(side);
    for choices in tape {
        attack.go_on(choices);
    }
    attack.end();
    true
}

/// An intruder at work.
pub(crate) struct Attack {
    scene: Scene,
    intruder: Intruder,
    talk: Talk,
    sent_bytes: usize,
    /// What came from each other address, and what went to it.
    elsewhere: BTreeMap<SocketAddr, Traffic>,
    queued: usize,
    until: Time,
    /// With what the node has closed the connection.
    pub(crate) closed: Option<Close>,
}

impl Attack {
    pub(crate) fn new(side: Side) -> Self {
        const MESSAGES: u64 = 12;
        let mut scene = Scene::new();
        let mut queued = 0;
        if side == Side::Server {
            let key = identity(STRANGER).key();
            let now = scene.now;
            let node = &mut scene.subject.node;
            let config = Config::new(address(STRANGER)).map(|it| PeerConfig::with(key, it));
            let Ok(Ok(peer)) = config.map(|config| node.add_peer(now, STRANGER, config)) else {
                panic!("the node cannot dial")
            };
            let messages = (0..MESSAGES).map(|id| {
                let lane = Lane((id % 3) as u8);
                OutgoingMessage::new(MessageId(id), lane, Bytes::from_static(&[5; 40]))
            });
            node.queue(now, Target::Peer(peer), messages);
            queued = MESSAGES as usize;
        }
        let Some(intruder) = Intruder::new(&mut scene, side) else {
            panic!("the intruder's handshake failed")
        };
        scene.outside.clear();
        let talk = Talk::new(side == Side::Server);
        let until = scene.now + Duration::from_secs(120);
        Self {
            scene,
            intruder,
            talk,
            sent_bytes: 0,
            elsewhere: BTreeMap::new(),
            queued,
            until,
            closed: None,
        }
    }

    fn go_on(&mut self, mut choices: Choices<'_>) {
        match choices.below(16) {
            0..11 => self.say(choices, 1),
            11 => {
                let times = 1 + choices.below(64);
                self.say(choices, times);
            }
            12 => {
                self.intruder.skip(1 + choices.below(1 << 20) as u32);
                self.intruder.phase ^= choices.chance(32);
            }
            13 => {
                // From another place: the other end has moved, or is said to have.
                let mut frames = Vec::new();
                self.talk.frames(&mut choices, &mut frames);
                let packet = self.intruder.packet(Level::Data(0), &frames);
                let from = address(STRANGER + 1 + choices.below(3) as u8);
                self.send(from, &packet);
            }
            _ => {
                let time = Duration::from_millis(choices.below(16_000));
                if self.scene.now + time < self.until {
                    self.scene.ask();
                    self.scene.pass(time);
                }
            }
        }
        self.look();
    }

    /// Sends a packet of frames, or as many of its kind.
    fn say(&mut self, mut choices: Choices<'_>, times: u64) {
        let level = match choices.below(24) {
            22 => Level::Handshake,
            23 => Level::Data(1),
            _ => Level::Data(0),
        };
        for _ in 0..times {
            let mut frames = Vec::new();
            self.talk.frames(&mut choices.clone(), &mut frames);
            let packet = self.intruder.packet(level, &frames);
            self.send(address(STRANGER), &packet);
        }
    }

    /// Sends these frames and nothing else.
    #[cfg(test)]
    fn say_exactly(&mut self, frames: &[u8]) {
        let packet = self.intruder.packet(Level::Data(0), frames);
        self.send(address(STRANGER), &packet);
        self.scene.pass(Duration::from_millis(100));
        self.look();
    }

    fn send(&mut self, from: SocketAddr, packet: &[u8]) {
        self.sent_bytes += packet.len();
        self.elsewhere.entry(from).or_default().came(packet.len());
        self.scene.inject(from, packet);
        self.look();
    }

    /// What the node has answered.
    fn look(&mut self) {
        for (to, bytes) in std::mem::take(&mut self.scene.outside) {
            if to != address(STRANGER) {
                // Nothing that is sent there is answered, so that none of them is ever proven.
                self.elsewhere
                    .entry(to)
                    .or_default()
                    .went(to, bytes.len(), self.sent_bytes);
                self.judge_moves();
                continue;
            }
            if let Some((number, close)) = self.intruder.read(&bytes) {
                self.talk.seen = self.talk.seen.max(number);
                self.closed = self.closed.or(close);
            }
        }
        self.scene
            .judge_memory(MEMORY_MAX + MEMORY_PER_BYTE * self.sent_bytes);
    }

    /// Whatever addresses it claims, they are sent little in all.
    fn judge_moves(&self) {
        const MOVES_MAX: u64 = 8;
        let stretches = 1 + self.scene.now.as_nanos() / 10_000_000_000;
        let moves = (MOVES_MAX + 1) * stretches;
        let sum = |of: fn(&Traffic) -> usize| self.elsewhere.values().map(of).sum::<usize>();
        let allowed = 3 * sum(Traffic::bytes_in) + Traffic::BEYOND * moves as usize;
        let went = sum(Traffic::bytes_out);
        assert!(went <= allowed, "I24 {went} bytes to other addresses");
    }

    fn end(mut self) {
        const INTERNAL_ERROR: u64 = 1;
        self.scene.ask();
        self.scene.pass(Duration::from_secs(5));
        self.look();
        self.scene.judge_honest();
        // Whatever the other end does, it is not a fault of the node's own.
        let ours = match self.closed {
            Some(Close::Transport(code)) => code == INTERNAL_ERROR,
            Some(Close::Application(code)) => !(0..=7).contains(&code) || code == 2,
            None => false,
        };
        assert!(!ours, "I25 the node closed with {:?}", self.closed);
        let subject = &self.scene.subject;
        let said = subject.turned_away.iter().chain(&subject.lost);
        let local = said.filter(|it| matches!(it, LinkError::Local { .. }));
        assert_eq!(local.count(), 0, "I25 the node blames itself");
        // Once the intruder is silent, what it held is given back.
        self.scene.pass(Duration::from_secs(40));
        self.look();
        self.scene.judge_memory(MEMORY_MAX);
        let queued = self.queued;
        let outcomes = &self.scene.subject.outcomes;
        assert!(outcomes.len() <= queued, "I1 more outcomes than messages");
        self.scene.end();
    }
}

#[cfg(test)]
mod tests;
