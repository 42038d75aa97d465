//! What may be wrong with the way from one node to another.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::time::Duration;

use super::share::Share;
use crate::text::{BadLine, Words, bad, duration};

/// How a path is, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Datagrams that are lost, each for itself.
    pub loss: Share,
    /// Datagrams with which a bad spell begins, in which four of five are lost (Gilbert and
    /// Elliott's model).
    pub burst_begins: Share,
    /// Datagrams with which a bad spell ends.
    pub burst_ends: Share,
    /// Datagrams that come twice.
    pub duplicate: Share,
    /// Datagrams that wait for up to twice the delay and 20 ms, so that others overtake them.
    pub reorder: Share,
    /// Datagrams that are damaged: bits flipped, cut short, or longer than they were.
    pub corrupt: Share,
    /// Datagrams after which an old one comes again.
    pub replay: Share,
    /// Datagrams whose mark is changed: from ECN-capable to congested, or to none.
    pub ecn: Share,
    /// How long any datagram takes.
    pub delay: Duration,
    /// How much longer it takes in the mean, exponentially distributed.
    pub jitter: Duration,
    /// Datagrams that take longer still, by anything up to `tail_max`.
    pub tail: Share,
    /// See `tail`.
    pub tail_max: Duration,
    /// Bits in a second; 0 for as many as come.
    pub bandwidth: u64,
    /// Full datagrams that wait for their turn where there is a bandwidth; what comes on top is
    /// lost.
    pub queue: u32,
    /// The largest datagram that comes through, in bytes of UDP payload; larger ones vanish.
    pub mtu: u16,
    /// Nothing comes through.
    pub cut: bool,
    /// Nothing comes through of IPv4, or of IPv6.
    pub family_cut: Option<Family>,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// That of an address.
    pub fn of(address: SocketAddr) -> Self {
        match address.is_ipv6() {
            true => Self::V6,
            false => Self::V4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }
}

impl Default for Path {
    fn default() -> Self {
        Self {
            loss: Share::NONE,
            burst_begins: Share::NONE,
            burst_ends: Share::ALL,
            duplicate: Share::NONE,
            reorder: Share::NONE,
            corrupt: Share::NONE,
            replay: Share::NONE,
            ecn: Share::NONE,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            tail: Share::NONE,
            tail_max: Duration::ZERO,
            bandwidth: 0,
            queue: 100,
            mtu: u16::MAX,
            cut: false,
            family_cut: None,
        }
    }
}

/// One thing about a path that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// [`Path::loss`].
    Loss(Share),
    /// [`Path::burst_begins`] and [`Path::burst_ends`].
    Burst(Share, Share),
    /// [`Path::duplicate`].
    Duplicate(Share),
    /// [`Path::reorder`].
    Reorder(Share),
    /// [`Path::corrupt`].
    Corrupt(Share),
    /// [`Path::replay`].
    Replay(Share),
    /// [`Path::ecn`].
    Ecn(Share),
    /// [`Path::delay`].
    Delay(Duration),
    /// [`Path::jitter`].
    Jitter(Duration),
    /// [`Path::tail`] and [`Path::tail_max`].
    Tail(Share, Duration),
    /// [`Path::bandwidth`] and [`Path::queue`].
    Bandwidth(u64, u32),
    /// [`Path::mtu`].
    Mtu(u16),
    /// [`Path::cut`].
    Cut,
    /// No longer [`Path::cut`].
    Join,
    /// [`Path::family_cut`]; none for neither.
    CutFamily(Option<Family>),
}

impl PathChange {
    pub(super) fn apply(self, path: &mut Path) {
        match self {
            Self::Loss(share) => path.loss = share,
            Self::Burst(begins, ends) => (path.burst_begins, path.burst_ends) = (begins, ends),
            Self::Duplicate(share) => path.duplicate = share,
            Self::Reorder(share) => path.reorder = share,
            Self::Corrupt(share) => path.corrupt = share,
            Self::Replay(share) => path.replay = share,
            Self::Ecn(share) => path.ecn = share,
            Self::Delay(delay) => path.delay = delay,
            Self::Jitter(jitter) => path.jitter = jitter,
            Self::Tail(share, max) => (path.tail, path.tail_max) = (share, max),
            Self::Bandwidth(bits, queue) => (path.bandwidth, path.queue) = (bits, queue),
            Self::Mtu(bytes) => path.mtu = bytes,
            Self::Cut => path.cut = true,
            Self::Join => path.cut = false,
            Self::CutFamily(family) => path.family_cut = family,
        }
    }

    pub(super) fn read(words: &mut Words<'_>) -> Result<Self, BadLine> {
        let name = words.word("what changes")?;
        let share = |words: &mut Words<'_>| Share::read(words.word("a share")?);
        Ok(match name {
            "loss" => Self::Loss(share(words)?),
            "burst" => Self::Burst(share(words)?, share(words)?),
            "duplicate" => Self::Duplicate(share(words)?),
            "reorder" => Self::Reorder(share(words)?),
            "corrupt" => Self::Corrupt(share(words)?),
            "replay" => Self::Replay(share(words)?),
            "ecn" => Self::Ecn(share(words)?),
            "delay" => Self::Delay(words.duration()?),
            "jitter" => Self::Jitter(words.duration()?),
            "tail" => Self::Tail(share(words)?, words.duration()?),
            "bandwidth" => {
                let bits = words.number("", "bits in a second")?;
                let queue = words.number("", "a number of datagrams")?;
                let queue = u32::try_from(queue)
                    .map_err(|_| bad(&queue.to_string(), "a number of datagrams"))?;
                Self::Bandwidth(bits, queue)
            }
            "mtu" => {
                let bytes = words.number("", "a size")?;
                Self::Mtu(u16::try_from(bytes).map_err(|_| bad(&bytes.to_string(), "a size"))?)
            }
            "cut" => Self::Cut,
            "joined" => Self::Join,
            "family-cut" => Self::CutFamily(match words.word("v4, v6 or none")? {
                "v4" => Some(Family::V4),
                "v6" => Some(Family::V6),
                "none" => None,
                other => return Err(bad(other, "v4, v6 or none")),
            }),
            other => return Err(bad(other, "anything of a path")),
        })
    }
}

impl Display for PathChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(share) => write!(f, "loss {share}"),
            Self::Burst(begins, ends) => write!(f, "burst {begins} {ends}"),
            Self::Duplicate(share) => write!(f, "duplicate {share}"),
            Self::Reorder(share) => write!(f, "reorder {share}"),
            Self::Corrupt(share) => write!(f, "corrupt {share}"),
            Self::Replay(share) => write!(f, "replay {share}"),
            Self::Ecn(share) => write!(f, "ecn {share}"),
            Self::Delay(delay) => write!(f, "delay {}", duration(*delay)),
            Self::Jitter(jitter) => write!(f, "jitter {}", duration(*jitter)),
            Self::Tail(share, max) => write!(f, "tail {share} {}", duration(*max)),
            Self::Bandwidth(bits, queue) => write!(f, "bandwidth {bits} {queue}"),
            Self::Mtu(bytes) => write!(f, "mtu {bytes}"),
            Self::Cut => f.write_str("cut"),
            Self::Join => f.write_str("joined"),
            Self::CutFamily(family) => {
                let name = family.map_or("none", Family::name);
                write!(f, "family-cut {name}")
            }
        }
    }
}
