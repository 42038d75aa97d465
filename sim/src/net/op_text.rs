//! The text of what can happen.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::op::{Burst, Junk, Op, Place, Reader};
use super::path::PathChange;
use super::share::Share;
use crate::text::{BadLine, Words, bad, duration};

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(burst) => write!(f, "send {burst}"),
            Self::Reply(burst) => write!(f, "reply {burst}"),
            Self::Cancel {
                from,
                to,
                skip,
                count,
            } => write!(f, "cancel {from}>{to} skip {skip} count {count}"),
            Self::Path { from, to, change } => {
                write!(f, "path {}>{} {change}", any(*from), any(*to))
            }
            Self::Crash(node) => write!(f, "crash {node}"),
            Self::Restart { node, other_key } => {
                write!(f, "restart {node}{}", said(*other_key, " other-key"))
            }
            Self::Freeze(node) => write!(f, "freeze {node}"),
            Self::Thaw(node) => write!(f, "thaw {node}"),
            Self::Reader(node, reader) => match reader {
                Reader::Instant => write!(f, "reader {node} instant"),
                Reader::Every(time) => write!(f, "reader {node} every {}", duration(*time)),
                Reader::Stopped => write!(f, "reader {node} stopped"),
            },
            Self::Refuse(node, each) => write!(f, "refuse {node} each {each}"),
            Self::Move(node) => write!(f, "move {node}"),
            Self::Addresses { from, to, known } => {
                write!(f, "addresses {from}>{to} {}", yes_or_no(*known))
            }
            Self::Rebind { node, address } => {
                write!(f, "rebind {node}{}", said(*address, " address"))
            }
            Self::Trust(node, everybody) => write!(f, "trust {node} {}", yes_or_no(*everybody)),
            Self::Stop { from, to, drain } => match drain {
                Some(time) => write!(f, "stop {from}>{to} drain {}", duration(*time)),
                None => write!(f, "stop {from}>{to} abort"),
            },
            Self::Dial { from, to } => write!(f, "dial {from}>{to}"),
            Self::Tick(node, time) => write!(f, "tick {node} {}", duration(*time)),
            Self::Late(node, time) => write!(f, "late {node} {}", duration(*time)),
            Self::Jump(node, time) => write!(f, "jump {node} {}", duration(*time)),
            Self::Batch(node, share) => write!(f, "batch {node} {share}"),
            Self::CutAccepted(node) => write!(f, "cut-accepted {node}"),
            Self::Changed(node) => write!(f, "changed {node}"),
            Self::Stranger {
                to,
                what,
                count,
                every,
            } => {
                let (what, every) = (what.name(), duration(*every));
                write!(f, "stranger {to} {what} count {count} every {every}")
            }
        }
    }
}

impl Display for Burst {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            to,
            lane,
            count,
            bytes,
            ttl,
        } = self;
        write!(f, "{from}>{to} lane {lane} count {count} bytes {bytes}")?;
        match ttl {
            Some(time) => write!(f, " ttl {}", duration(*time)),
            None => Ok(()),
        }
    }
}

fn any(place: Option<Place>) -> String {
    place.map_or_else(|| "*".into(), |place| place.to_string())
}

fn said(so: bool, word: &'static str) -> &'static str {
    match so {
        true => word,
        false => "",
    }
}

pub(super) fn yes_or_no(yes: bool) -> &'static str {
    match yes {
        true => "yes",
        false => "no",
    }
}

impl FromStr for Op {
    type Err = BadLine;

    fn from_str(line: &str) -> Result<Self, BadLine> {
        let mut words = Words::of(line);
        let op = Self::read(&mut words)?;
        words.end()?;
        Ok(op)
    }
}

impl Op {
    fn read(words: &mut Words<'_>) -> Result<Self, BadLine> {
        let name = words.word("what happens")?;
        Ok(match name {
            "send" => Self::Send(read_burst(words)?),
            "reply" => Self::Reply(read_burst(words)?),
            "cancel" => {
                let (from, to) = read_pair(words)?;
                let skip = read_named(words, "skip")?;
                let count = read_named(words, "count")?;
                Self::Cancel {
                    from,
                    to,
                    skip,
                    count,
                }
            }
            "path" => {
                let word = words.word("a path such as 0>1")?;
                let (from, to) = read_any_pair(word)?;
                let change = PathChange::read(words)?;
                Self::Path { from, to, change }
            }
            "crash" => Self::Crash(read_place(words)?),
            "restart" => Self::Restart {
                node: read_place(words)?,
                other_key: read_flag(words, "other-key")?,
            },
            "freeze" => Self::Freeze(read_place(words)?),
            "thaw" => Self::Thaw(read_place(words)?),
            "reader" => Self::Reader(read_place(words)?, read_reader(words)?),
            "refuse" => Self::Refuse(read_place(words)?, read_named(words, "each")?),
            "move" => Self::Move(read_place(words)?),
            "addresses" => {
                let (from, to) = read_pair(words)?;
                let known = read_yes_or_no(words)?;
                Self::Addresses { from, to, known }
            }
            "rebind" => Self::Rebind {
                node: read_place(words)?,
                address: read_flag(words, "address")?,
            },
            "trust" => Self::Trust(read_place(words)?, read_yes_or_no(words)?),
            "stop" => {
                let (from, to) = read_pair(words)?;
                let drain = match words.word("drain or abort")? {
                    "drain" => Some(words.duration()?),
                    "abort" => None,
                    other => return Err(bad(other, "drain or abort")),
                };
                Self::Stop { from, to, drain }
            }
            "dial" => {
                let (from, to) = read_pair(words)?;
                Self::Dial { from, to }
            }
            "tick" => Self::Tick(read_place(words)?, words.duration()?),
            "late" => Self::Late(read_place(words)?, words.duration()?),
            "jump" => Self::Jump(read_place(words)?, words.duration()?),
            "batch" => {
                let node = read_place(words)?;
                Self::Batch(node, Share::read(words.word("a share")?)?)
            }
            "cut-accepted" => Self::CutAccepted(read_place(words)?),
            "changed" => Self::Changed(read_place(words)?),
            "stranger" => Self::Stranger {
                to: read_place(words)?,
                what: Junk::read(words)?,
                count: read_named(words, "count")?,
                every: match words.word("every")? {
                    "every" => words.duration()?,
                    other => return Err(bad(other, "every")),
                },
            },
            other => return Err(bad(other, "anything that happens")),
        })
    }
}

impl Junk {
    const ALL: [Self; 5] = [
        Self::FirstPackets,
        Self::Random,
        Self::Replays,
        Self::Versions,
        Self::Resets,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::FirstPackets => "first-packets",
            Self::Random => "random",
            Self::Replays => "replays",
            Self::Versions => "versions",
            Self::Resets => "resets",
        }
    }

    fn read(words: &mut Words<'_>) -> Result<Self, BadLine> {
        let word = words.word("what a stranger sends")?;
        let found = Self::ALL.into_iter().find(|it| it.name() == word);
        found.ok_or_else(|| bad(word, "anything that a stranger sends"))
    }
}

fn read_burst(words: &mut Words<'_>) -> Result<Burst, BadLine> {
    let (from, to) = read_pair(words)?;
    let lane = read_named(words, "lane")?;
    let lane = u8::try_from(lane).map_err(|_| bad(&lane.to_string(), "a lane"))?;
    let count = read_named(words, "count")?;
    let bytes = read_named(words, "bytes")?;
    let ttl = match words.next() {
        Some("ttl") => Some(words.duration()?),
        Some(other) => return Err(bad(other, "ttl")),
        None => None,
    };
    Ok(Burst {
        from,
        to,
        lane,
        count,
        bytes,
        ttl,
    })
}

fn read_reader(words: &mut Words<'_>) -> Result<Reader, BadLine> {
    match words.word("how it reads")? {
        "instant" => Ok(Reader::Instant),
        "every" => Ok(Reader::Every(words.duration()?)),
        "stopped" => Ok(Reader::Stopped),
        other => Err(bad(other, "instant, every or stopped")),
    }
}

fn read_place(words: &mut Words<'_>) -> Result<Place, BadLine> {
    words.small("", "a node")
}

fn read_named(words: &mut Words<'_>, name: &str) -> Result<u32, BadLine> {
    let word = words.word(name)?;
    if word != name {
        return Err(bad(word, name));
    }
    let number = words.number("", "a number")?;
    u32::try_from(number).map_err(|_| bad(&number.to_string(), "a number below 2^32"))
}

fn read_flag(words: &mut Words<'_>, name: &str) -> Result<bool, BadLine> {
    match words.next() {
        Some(word) if word == name => Ok(true),
        Some(other) => Err(bad(other, name)),
        None => Ok(false),
    }
}

pub(super) fn read_yes_or_no(words: &mut Words<'_>) -> Result<bool, BadLine> {
    match words.word("yes or no")? {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(bad(other, "yes or no")),
    }
}

/// Two nodes, as `0>1`.
pub(super) fn read_pair(words: &mut Words<'_>) -> Result<(Place, Place), BadLine> {
    let word = words.word("two nodes such as 0>1")?;
    match read_any_pair(word)? {
        (Some(from), Some(to)) => Ok((from, to)),
        _ => Err(bad(word, "two nodes such as 0>1")),
    }
}

/// The same where either may be `*`, which is none.
fn read_any_pair(word: &str) -> Result<(Option<Place>, Option<Place>), BadLine> {
    let wrong = || bad(word, "a path such as 0>1 or *>1");
    let (from, to) = word.split_once('>').ok_or_else(wrong)?;
    let place = |word: &str| match word {
        "*" => Ok(None),
        number => number.parse().map(Some).map_err(|_| wrong()),
    };
    Ok((place(from)?, place(to)?))
}
