//! What a trace keeps of payloads.

use alloc::vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::form::Short;

/// What a trace keeps of payloads. Whatever it keeps, it replays exactly: no machine looks inside
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Payloads {
    /// Every byte, up to 1 MiB of a payload; of a larger one its length and digest.
    Whole,
    /// Length and digest (XXH3, 64 bits). Who can guess a payload can tell that the guess is right.
    Digest,
    /// The length alone.
    #[default]
    Length,
}

/// The largest payload that is kept whole.
const WHOLE_MAX: usize = 1 << 20;

/// The largest payload that there may be: that of a message, see
/// [`message_bytes_max`](crate::ConfigBuilder::message_bytes_max).
const PAYLOAD_MAX: u64 = 1 << 30;

/// What is kept of one payload, or of a run of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// Its length in bytes, and its XXH3 of 64 bits.
    Digest {
        /// Its length.
        bytes: u64,
        /// Its digest.
        digest: u64,
    },
    /// Its length in bytes.
    Length(u64),
}

impl Content {
    /// Appends what is to be kept of this payload, as a `Content` is encoded.
    #[inline]
    pub(super) fn encode<'a>(payload: &'a [u8], payloads: Payloads, out: &mut Short<'_, 'a>) {
        const WHOLE: u8 = 0;
        const DIGEST: u8 = 1;
        const LENGTH: u8 = 2;
        match payloads {
            Payloads::Length => {
                out.byte(LENGTH);
                out.count(payload.len());
            }
            Payloads::Whole if payload.len() <= WHOLE_MAX => {
                out.byte(WHOLE);
                out.count(payload.len());
                out.behind(payload);
            }
            Payloads::Whole | Payloads::Digest => {
                out.byte(DIGEST);
                out.count(payload.len());
                out.integer(xxh3_64(payload));
            }
        }
    }

    /// The payload's length in bytes.
    pub fn bytes(&self) -> u64 {
        match *self {
            Self::Whole(ref payload) => payload.len() as u64,
            Self::Digest { bytes, .. } | Self::Length(bytes) => bytes,
        }
    }

    /// The payload, or as many zeros. None if it is longer than any payload may be.
    pub(super) fn payload(&self, zeros: &mut Zeros) -> Option<Bytes> {
        match self {
            Self::Whole(payload) => Some(payload.clone()),
            Self::Digest { bytes, .. } | Self::Length(bytes) => zeros.take(*bytes),
        }
    }
}

/// Zeros to stand for payloads. All share one buffer, so that a trace that names long ones costs no
/// more than the longest; and untouched pages of zeros cost nothing at all.
#[derive(Clone, Debug, Default)]
pub(super) struct Zeros(Bytes);

impl Zeros {
    pub(super) fn take(&mut self, bytes: u64) -> Option<Bytes> {
        if bytes > PAYLOAD_MAX {
            return None;
        }
        let bytes = bytes as usize;
        if self.0.len() < bytes {
            self.0 = Bytes::from(vec![0; bytes.next_power_of_two()]);
        }
        Some(self.0.slice(..bytes))
    }
}
