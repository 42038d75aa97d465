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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::form::Form;

    #[test]
    fn of_a_large_payload_the_digest_is_kept() {
        let payload = vec![7; WHOLE_MAX + 1];
        for (bytes, whole) in [(WHOLE_MAX, true), (WHOLE_MAX + 1, false)] {
            let payload = payload.get(..bytes).unwrap();
            let mut out = Form::default();
            out.short(|short| Content::encode(payload, Payloads::Whole, short));
            let kept: Content = postcard::from_bytes(out.filled()).unwrap();
            assert_eq!(matches!(kept, Content::Whole(_)), whole);
            assert_eq!(kept.bytes(), bytes as u64);
        }
    }

    /// The largest is a gigabyte of zeros, which cost nothing until they are looked at.
    #[test]
    fn as_many_zeros_as_any_payload_may_have() {
        let mut zeros = Zeros::default();
        assert_eq!(zeros.take(PAYLOAD_MAX + 1), None);
        assert_eq!(zeros.take(5), Some(Bytes::from_static(&[0; 5])));
        let eight = zeros.take(8).unwrap();
        let same = zeros.take(8).unwrap();
        assert_eq!(same.as_ptr(), eight.as_ptr(), "they share a buffer");
        let longest = zeros.take(PAYLOAD_MAX).unwrap();
        assert_eq!(longest.len() as u64, PAYLOAD_MAX);
        let shorter = zeros.take(PAYLOAD_MAX - 1).unwrap();
        assert_eq!(shorter.as_ptr(), longest.as_ptr(), "they share a buffer");
    }
}
