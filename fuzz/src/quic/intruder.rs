//! Whoever has finished a handshake with the node, and then says what it likes: its packets are made
//! by hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use peer_sender_quic::simulation::null::{self, Level, SumKey};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, ConnectionId, ConnectionIdGenerator, DatagramEvent,
    Endpoint, EndpointConfig, ServerConfig, Side,
};
use ring::{hkdf, hmac};

use super::scene::{STRANGER, SUBJECT, Scene, address, identity};

const ALPN: &[u8] = b"peer-sender/1";

/// A packet's number in four bytes, which none of a real handshake comes near.
const FIRST_NUMBER: u32 = 1_000;

/// The bytes of the ids that a node gives its connections.
const ID_BYTES: usize = 12;

/// One end of a connection with the node, past its handshake.
pub(crate) struct Intruder {
    side: Side,
    secret: u64,
    /// By which the node knows the connection.
    id: Vec<u8>,
    number: u32,
    pub(crate) phase: bool,
}

impl Intruder {
    /// Dials the node, or is dialled by it.
    pub(crate) fn new(scene: &mut Scene, side: Side) -> Option<Self> {
        let mut handshake = Handshake::new(scene, side);
        for _ in 0..20 {
            handshake.turn(scene);
            scene.pass(Duration::from_millis(5));
        }
        let (_, connection) = handshake.connection.as_ref()?;
        Some(Self {
            side,
            secret: null::secret(connection)?,
            id: handshake.id,
            number: FIRST_NUMBER,
            phase: false,
        })
    }

    /// A packet of one of the levels behind the first.
    pub(crate) fn packet(&mut self, level: Level, frames: &[u8]) -> Vec<u8> {
        let number = self.number;
        self.number += 1;
        let mut packet = Vec::new();
        let mut frames = frames.to_vec();
        // What a packet must have at least, so that its header can be protected.
        if frames.is_empty() {
            frames.push(0);
        }
        match level {
            Level::Data(_) => {
                packet.push(0x43 | if self.phase { 0x04 } else { 0 });
                packet.extend(&self.id);
            }
            Level::Initial | Level::Handshake => {
                packet.extend([0xe3, 0, 0, 0, 1, self.id.len() as u8]);
                packet.extend(&self.id);
                packet.push(0);
                let length = 4 + frames.len() + null::TAG_BYTES;
                packet.extend((length as u16 | 1 << 14).to_be_bytes());
            }
        }
        packet.extend(number.to_be_bytes());
        let key = SumKey::new(self.secret, level, self.side);
        let tag = key.tag(u64::from(number), &packet, &frames);
        packet.extend(frames);
        packet.extend(tag);
        packet
    }

    /// Leaves out numbers of packets.
    pub(crate) fn skip(&mut self, numbers: u32) {
        self.number = self.number.saturating_add(numbers);
    }

    /// What came from the node: the packet's number, and the code with which it closes.
    pub(crate) fn read(&self, packet: &[u8]) -> Option<(u64, Option<Close>)> {
        let (&first, _) = packet.split_first()?;
        if first & 0x80 != 0 {
            return None;
        }
        // The intruder's own ids have eight bytes.
        let header = 9 + usize::from(first & 3) + 1;
        let number = packet.get(9..header)?;
        let number = number
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let (rest, shown) = packet.split_last_chunk::<{ null::TAG_BYTES }>()?;
        let (header, frames) = rest.split_at_checked(header)?;
        // A stateless reset looks like a packet, and is noise.
        let sealed = |updates| {
            let key = SumKey::new(self.secret, Level::Data(updates), !self.side);
            key.tag(number, header, frames) == *shown
        };
        (sealed(0) || sealed(1)).then_some(())?;
        Some((number, closes(frames)))
    }
}

/// The code of a CONNECTION_CLOSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// QUIC's own.
    Transport(u64),
    /// The application's.
    Application(u64),
}

fn closes(mut frames: &[u8]) -> Option<Close> {
    loop {
        match take(&mut frames)? {
            0 | 1 => {}
            kind @ 2..=3 => {
                take(&mut frames)?;
                take(&mut frames)?;
                let ranges = take(&mut frames)?;
                take(&mut frames)?;
                for _ in 0..2 * ranges + 3 * (kind - 2) {
                    take(&mut frames)?;
                }
            }
            0x1c => return Some(Close::Transport(take(&mut frames)?)),
            0x1d => return Some(Close::Application(take(&mut frames)?)),
            _ => return None,
        }
    }
}

/// Takes an integer off the front.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let length = 1 << (bytes.first()? >> 6);
    let (integer, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let whole = integer
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Some(whole & (u64::MAX >> (66 - 8 * length)))
}

/// Ids of eight bytes, the same in each run.
#[derive(Default)]
struct Ids(u64);

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        self.0 += 1;
        ConnectionId::new(&(self.0 << 32).to_be_bytes())
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// An ordinary end of QUIC, which makes the handshake.
struct Handshake {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    /// The last id by which it named the connection.
    id: Vec<u8>,
}

impl Handshake {
    fn new(scene: &Scene, side: Side) -> Self {
        let now = scene.base + scene.now.saturating_since(peer_sender_core::Time::ZERO);
        let us = identity(STRANGER);
        let reset_key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let mut config = EndpointConfig::new(Arc::new(reset_key));
        config.rng_seed(Some([1; 32]));
        config.cid_generator(|| Box::new(Ids::default()));
        let server = (side == Side::Server).then(|| {
            let token_key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[2; 32]).extract(&[2; 32]);
            let crypto = null::accepting(us, ALPN);
            Arc::new(ServerConfig::new(crypto, Arc::new(token_key)))
        });
        let mut endpoint = Endpoint::new(Arc::new(config), server, true, None);
        let connection = (side == Side::Client).then(|| {
            let mut config = ClientConfig::new(null::dialling(us, ALPN));
            let first = ConnectionId::new(&[3; 16]);
            config.initial_dst_cid_provider(Arc::new(move || first));
            match endpoint.connect(now, config, address(SUBJECT), "peer-sender") {
                Ok(dialled) => dialled,
                Err(error) => panic!("the intruder cannot dial: {error}"),
            }
        });
        Self {
            endpoint,
            connection,
            id: Vec::new(),
        }
    }

    /// Hears what the node has sent, and answers.
    fn turn(&mut self, scene: &mut Scene) {
        let now = scene.base + scene.now.saturating_since(peer_sender_core::Time::ZERO);
        for (to, bytes) in std::mem::take(&mut scene.outside) {
            if to != address(STRANGER) {
                continue;
            }
            let (from, bytes) = (address(SUBJECT), BytesMut::from(&bytes[..]));
            let mut answer = Vec::new();
            let event = self
                .endpoint
                .handle(now, from, None, None, bytes, &mut answer);
            match (event, &mut self.connection) {
                (Some(DatagramEvent::ConnectionEvent(_, event)), Some((_, connection))) => {
                    connection.handle_event(event);
                }
                (Some(DatagramEvent::NewConnection(incoming)), connection) => {
                    *connection = self.endpoint.accept(incoming, now, &mut answer, None).ok();
                }
                _ => {}
            }
        }
        let Some((handle, connection)) = &mut self.connection else {
            return;
        };
        connection.handle_timeout(now);
        while connection.poll().is_some() {}
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        let mut buffer = Vec::new();
        while connection.poll_transmit(now, 1, &mut buffer).is_some() {
            let packet = std::mem::take(&mut buffer);
            if packet.first().is_some_and(|first| first & 0x80 == 0) {
                let id = packet.get(1..=ID_BYTES).unwrap_or_default();
                self.id = id.to_vec();
            }
            scene.inject(address(STRANGER), &packet);
        }
    }
}
