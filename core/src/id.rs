//! Names for what the machines talk about. Each is its own type, so that none is taken for another.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// A message that was accepted, unique and strictly increasing within its peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct MessageId(pub u64);

/// One connection of a machine, from the decision to dial (or the accepting of it) to its end.
///
/// Every event about a connection carries it; one that names an older connection changes nothing.
/// Attempts of one accepting node increase in the order in which connections were accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Attempt(pub u64);

/// One [`Write`](crate::Action::Write), unique within its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct TransferId(pub u64);

/// An ordered channel of messages within a session, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Lane(pub u8);

/// Which end opened a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub enum Side {
    /// The machine that uses this name.
    Local,
    /// The other end of the connection.
    Remote,
}

/// A stream of a connection, of the kind that the protocol uses: who opened it, and as which of that
/// end's streams, counted from 0 (RFC 9000 section 2.1). The streams of lanes are bidirectional,
/// those of the plain protocol unidirectional.
///
/// A machine names its own streams before they exist; the node opens each on its first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct StreamId {
    /// The end that opened it.
    pub opener: Side,
    /// Its place among the streams of that end.
    pub index: u64,
}

#[cfg(feature = "trace")]
impl StreamId {
    /// None comes before it.
    pub(crate) const FIRST: Self = Self {
        opener: Side::Local,
        index: 0,
    };
}

/// A sending half's name, fresh for every start of a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// The session that follows this one where a receiver says that it was used before: far from
    /// any that is numbered by [`nth`](Self::nth).
    #[must_use]
    pub fn successor(self) -> Self {
        const STEP: u128 = 1 << 64;
        Self(u128::from_be_bytes(self.0).wrapping_add(STEP).to_be_bytes())
    }

    /// What stands for a session where each connection is one by itself; attempts of one node are
    /// never the same.
    pub(crate) fn of_connection(attempt: Attempt) -> Self {
        Self(u128::from(attempt.0).to_be_bytes())
    }

    /// The `nth` session of a machine with this seed. Seeds are 256 random bits that are never
    /// used twice, so no two sessions meet.
    pub fn nth(seed: &[u8; 32], nth: u64) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&seed[..16]);
        Self(
            u128::from_be_bytes(first)
                .wrapping_add(u128::from(nth))
                .to_be_bytes(),
        )
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId(")?;
        write_hex(f, &self.0)?;
        write!(f, ")")
    }
}

/// A receiving process's name, fresh for every start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Epoch(pub [u8; 16]);

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch(")?;
        write_hex(f, &self.0)?;
        write!(f, ")")
    }
}

/// A peer's identity: SHA-256 of its certificate's SubjectPublicKeyInfo (RFC 5280 section 4.1).
///
/// Printed and parsed as 64 hexadecimal digits.
///
/// ```
/// use peer_sender_core::PeerKey;
///
/// let key = PeerKey([0xab; 32]);
/// assert_eq!(key.to_string().parse(), Ok(key));
/// assert!("abc".parse::<PeerKey>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct PeerKey(pub [u8; 32]);

/// Who dialled a connection that an accepting node has let in.
///
/// A peer may be known by something of which it can make as many as it likes, such as certificates of
/// one public key. What it may have at most goes by something of which it cannot.
///
/// ```
/// use peer_sender_core::{Dialler, PeerKey};
///
/// let key = PeerKey([0xab; 32]);
/// assert_eq!(Dialler::from(key), Dialler { share: key, key });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Dialler {
    // The first field, so that those of one share stand side by side in their order.
    /// Whose share of sessions and of bytes it uses: that of `key` itself, where nobody has more keys
    /// than are trusted.
    pub share: PeerKey,
    /// What it is known by.
    pub key: PeerKey,
}

impl From<PeerKey> for Dialler {
    /// A peer whose shares are those of its key.
    fn from(key: PeerKey) -> Self {
        Self { share: key, key }
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

impl FromStr for PeerKey {
    type Err = InvalidPeerKey;

    fn from_str(text: &str) -> Result<Self, InvalidPeerKey> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(InvalidPeerKey::Length {
                digits: digits.len(),
            });
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in pair {
                let value = char::from(digit)
                    .to_digit(16)
                    .ok_or(InvalidPeerKey::Digit)?;
                *byte = *byte << 4 | value as u8;
            }
        }
        Ok(Self(key))
    }
}

/// A text that is no [`PeerKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPeerKey {
    /// It has another number of characters.
    #[error("a peer key has 64 hexadecimal digits, this text has {digits} characters")]
    Length {
        /// The characters it has.
        digits: usize,
    },
    /// A character is not one of 0-9, a-f, A-F.
    #[error("a peer key has only hexadecimal digits (0-9, a-f)")]
    Digit,
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! display_as_number {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display_as_number!(MessageId Attempt TransferId Lane);
