//! Images: the whole state of a machine as bytes, so that any point of a trace is a starting point.
//!
//! An image holds everything that later steps depend on, configuration, seed and counters included,
//! and no byte of any payload: payloads, and what has come of some, are kept as lengths and restored
//! as zeros. Machines never look inside one, so the restored machine goes on exactly alike, but for
//! what is in its messages.
//!
//! Bytes of an image may come from anywhere. [`Image::restore`] takes nothing that its machine could
//! not be in as far as the machine relies on it, and checks it by the machine's own invariants.

mod codec;
mod counts;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use thiserror::Error;

pub(crate) use self::codec::{Reader, Writer};
pub(crate) use self::counts::{COUNT_MAX, count_all, is_count};
use crate::{ConfigError, Violation};

/// The layout of images: another one for each change of what machines keep.
const VERSION: u8 = 2;

/// The longest payload that is restored, and the most bytes of half-received ones together: 1 GiB.
pub const RESTORED_BYTES_MAX: usize = 1 << 30;

/// A machine whose whole state can be kept as bytes, between two steps.
///
/// ```
/// use peer_sender_core::trace::Image;
/// use peer_sender_core::{Action, Config, Event, PeerSenderMachine, Time};
///
/// let config = Config::new("192.0.2.1:4433".parse().unwrap()).unwrap();
/// let mut machine = PeerSenderMachine::new(config, [7; 32]);
/// machine.handle(Time::ZERO, [], &mut Vec::new());
///
/// let mut image = Vec::new();
/// machine.save(&mut image);
/// let mut restored = PeerSenderMachine::restore(&image).unwrap();
///
/// let step = |machine: &mut PeerSenderMachine| {
///     let mut actions = Vec::new();
///     machine.handle(Time::from_secs(5), [Event::TimerFired], &mut actions);
///     actions
/// };
/// assert_eq!(step(&mut restored), step(&mut machine));
/// ```
pub trait Image: Sized {
    /// Appends the image to `out`. What is undelivered of the last step (a table's
    /// [news](crate::Sessions::poll_news)) is no part of it: take that before.
    fn save(&self, out: &mut Vec<u8>);

    /// The machine of this image. It takes no more memory than some 100 times the length of the image,
    /// beside the zeros that stand for payloads, which all share one buffer of the longest, and for
    /// half-received ones ([`RESTORED_BYTES_MAX`] for each of the two).
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes, or with the machine that they tell of.
    fn restore(bytes: &[u8]) -> Result<Self, ImageError>;
}

/// Why bytes are no image of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// They do not begin as an image of such a machine in this version's layout.
    #[error("no image of {machine} in the layout of this version")]
    Kind {
        /// What was asked for.
        machine: &'static str,
    },
    /// They are not what such an image holds there.
    #[error("the image is damaged before byte {offset}: {what}")]
    Damaged {
        /// How many bytes were read.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// More bytes follow than belong to it.
    #[error("{bytes} bytes follow the image")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Payloads are longer than [`RESTORED_BYTES_MAX`].
    #[error("the image claims {bytes} bytes of payload, more than are restored")]
    TooLarge {
        /// How long.
        bytes: u64,
    },
    /// No machine has such a configuration.
    #[error("the image has a configuration that cannot be used: {0}")]
    Config(#[from] ConfigError),
    /// No machine can be in such a state.
    #[error("the image has a state that cannot be: {0}")]
    Unsound(#[from] Violation),
}

/// Which machine an image is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Sender = 1,
    Sessions = 2,
}

impl Kind {
    fn machine(self) -> &'static str {
        match self {
            Self::Sender => "a sender",
            Self::Sessions => "a table of sessions",
        }
    }
}

/// What is made of what `save` writes, and the bytes of that.
#[cfg(test)]
pub(crate) fn copied<T>(
    save: impl FnOnce(&mut Writer<'_>),
    restore: impl FnOnce(&mut Reader<'_>) -> Result<T, ImageError>,
) -> (Result<T, ImageError>, Vec<u8>) {
    let mut image = Vec::new();
    write(Kind::Sender, &mut image, save);
    (read(Kind::Sender, &image, restore), image)
}

/// Appends an image that `save` writes.
pub(crate) fn write(kind: Kind, out: &mut Vec<u8>, save: impl FnOnce(&mut Writer<'_>)) {
    out.extend_from_slice(&[kind as u8, VERSION]);
    let longest_at = out.len();
    out.extend_from_slice(&[0; 8]);
    let mut writer = Writer::new(out);
    save(&mut writer);
    let longest = writer.longest().to_le_bytes();
    if let Some(place) = out.get_mut(longest_at..longest_at + longest.len()) {
        place.copy_from_slice(&longest);
    }
}

/// Reads an image that is nothing but what `restore` reads.
pub(crate) fn read<T>(
    kind: Kind,
    bytes: &[u8],
    restore: impl FnOnce(&mut Reader<'_>) -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    let machine = kind.machine();
    let rest = bytes.strip_prefix(&[kind as u8, VERSION]);
    let (longest, rest) = rest
        .and_then(|rest| rest.split_first_chunk())
        .ok_or(ImageError::Kind { machine })?;
    let mut reader = Reader::new(rest, bytes.len(), u64::from_le_bytes(*longest))?;
    let machine = restore(&mut reader)?;
    match reader.left() {
        0 => Ok(machine),
        bytes => Err(ImageError::Trailing { bytes }),
    }
}
