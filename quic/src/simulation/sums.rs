//! Packets that are protected by a check sum, so that damage and strays are noticed, and by nothing
//! else. Sizes are those of AES-128-GCM.

use bytes::BytesMut;
use quinn_proto::crypto::{CryptoError, HeaderKey, KeyPair, Keys, PacketKey};
use quinn_proto::{ConnectionId, Side};

/// The bytes of a tag at the end of each packet.
pub const TAG_BYTES: usize = 16;

/// What packets are protected with. Who knows a connection's [secret](super::null::secret) can make
/// all of them but the first packets', which follow from the connection's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The first packets (RFC 9001 section 5.2).
    Initial,
    /// The rest of the handshake.
    Handshake,
    /// Everything else, by the number of key updates before it.
    Data(u64),
}

/// One direction's key at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumKey(u64);

impl SumKey {
    /// The key of packets that this side sends.
    pub fn new(secret: u64, level: Level, sender: Side) -> Self {
        let (level, update) = match level {
            Level::Initial => (1, 0),
            Level::Handshake => (2, 0),
            Level::Data(update) => (3, update),
        };
        let sender = match sender {
            Side::Client => 1,
            Side::Server => 2,
        };
        Self(mix(mix(mix(secret, level), update), sender))
    }

    /// The tag of a packet with this number, which stands behind its payload.
    pub fn tag(&self, number: u64, header: &[u8], payload: &[u8]) -> [u8; TAG_BYTES] {
        tag(sum(mix(self.0, number), header), payload)
    }
}

/// The secret of a connection's first packets.
pub(super) fn initial_secret(id: &ConnectionId) -> u64 {
    sum(0x696e_6974, id)
}

/// The keys of both directions at a level, seen from one side.
pub fn keys(secret: u64, level: Level, side: Side) -> Keys {
    let packet = packet_keys(secret, level, side);
    Keys {
        header: KeyPair {
            local: Box::new(Bare),
            remote: Box::new(Bare),
        },
        packet,
    }
}

pub(super) fn packet_keys(secret: u64, level: Level, side: Side) -> KeyPair<Box<dyn PacketKey>> {
    KeyPair {
        local: Box::new(SumKey::new(secret, level, side)),
        remote: Box::new(SumKey::new(secret, level, !side)),
    }
}

impl PacketKey for SumKey {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        let (header, payload) = buf.split_at_mut(header_len);
        if let Some((payload, place)) = payload.split_last_chunk_mut() {
            *place = self.tag(packet, header, payload);
        }
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let Some((bytes, shown)) = payload.split_last_chunk() else {
            return Err(CryptoError);
        };
        if self.tag(packet, header, bytes) != *shown {
            return Err(CryptoError);
        }
        let length = bytes.len();
        payload.truncate(length);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        TAG_BYTES
    }

    // Those of AES-128-GCM (RFC 9001 section 6.6), so that keys are updated as often.
    fn confidentiality_limit(&self) -> u64 {
        1 << 23
    }

    fn integrity_limit(&self) -> u64 {
        1 << 52
    }
}

/// Headers are sent as they are.
struct Bare;

impl HeaderKey for Bare {
    fn decrypt(&self, _pn_offset: usize, _packet: &mut [u8]) {}

    fn encrypt(&self, _pn_offset: usize, _packet: &mut [u8]) {}

    fn sample_size(&self) -> usize {
        16
    }
}

pub(super) fn tag(key: u64, bytes: &[u8]) -> [u8; TAG_BYTES] {
    let first = sum(key, bytes);
    let second = mix(first, key);
    let mut tag = [0; TAG_BYTES];
    let (head, tail) = tag.split_at_mut(TAG_BYTES / 2);
    head.copy_from_slice(&first.to_le_bytes());
    tail.copy_from_slice(&second.to_le_bytes());
    tag
}

/// A sum that any single change of the bytes changes. Whoever wants to can find two of the same.
pub(super) fn sum(key: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole = words
        .iter()
        .fold(key, |sum, &word| mix(sum, u64::from_le_bytes(word)));
    let last = rest
        .iter()
        .fold(0, |last, &byte| last << 8 | u64::from(byte));
    mix(mix(whole, last), bytes.len() as u64)
}

/// One round of SplitMix64 over both; a bijection of each as the other stays.
fn mix(sum: u64, word: u64) -> u64 {
    let mut mixed = (sum ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
