//! Operations as lines of text.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use peer_sender_core::{StopMode, WakeReason};

use super::{Amount, Conn, End, Op, Stale, Why};
use crate::text::{self, BadLine, Words, bad};

/// Addresses of a peer have letters.
const LETTERS: u8 = 26;

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { lane, bytes, ttl } => {
                write!(f, "send {lane} {bytes}B")?;
                match ttl {
                    Some(ttl) => write!(f, " ttl {}", text::duration(*ttl)),
                    None => Ok(()),
                }
            }
            Self::Cancel { id } => write!(f, "cancel #{id}"),
            Self::Stop { mode } => write!(f, "stop {}", Mode(*mode)),
            Self::Wake { reason } => write!(f, "wake {}", name_of(*reason, &REASONS)),
            Self::Addresses { places } if places.is_empty() => write!(f, "addresses none"),
            Self::Addresses { places } => {
                write!(f, "addresses")?;
                places
                    .iter()
                    .try_for_each(|it| write!(f, " {}", letter(*it)))
            }
            Self::With { op } => write!(f, "with {op}"),
            Self::Accept { conn } => write!(f, "accept {conn}"),
            Self::Confirm { conn } => write!(f, "confirm {conn}"),
            Self::Fail { conn, why } => write!(f, "fail {conn} {why}"),
            Self::Lose { conn, end, why } => write!(f, "lose {conn} {end} {why}"),
            Self::Deliver {
                conn,
                from,
                stream,
                amount,
            } => {
                write!(f, "deliver {conn} {}", way(*from))?;
                if let Some(stream) = stream {
                    write!(f, " s{stream}")?;
                }
                match amount {
                    Amount::All => Ok(()),
                    Amount::Frame => write!(f, " frame"),
                    Amount::Half => write!(f, " half"),
                }
            }
            Self::Written { conn, from, stream } => {
                write!(f, "written {conn} {} s{stream}", way(*from))
            }
            Self::Reset {
                conn,
                from,
                stream,
                code,
            } => write!(f, "reset {conn} {} s{stream} {code}", way(*from)),
            Self::Halt {
                conn,
                from,
                stream,
                code,
            } => write!(f, "halt {conn} {} s{stream} {code}", way(*from)),
            Self::Take { lane } => write!(f, "take {lane}"),
            Self::Refuse { lane, code } => write!(f, "refuse {lane} {code}"),
            Self::Advance { by } => write!(f, "advance {}", text::duration(*by)),
            Self::Fire { end: None } => write!(f, "fire"),
            Self::Fire { end: Some(end) } => write!(f, "fire {}", machine(*end)),
            Self::Tick { end } => write!(f, "tick {}", machine(*end)),
            Self::Back { end, by } => write!(f, "back {} {}", machine(*end), text::duration(*by)),
            Self::Restart => write!(f, "restart"),
            Self::Forget => write!(f, "forget"),
            Self::Heal => write!(f, "heal"),
            Self::Leave { mode } => write!(f, "leave {}", Mode(*mode)),
            Self::Stale { end, kind, number } => {
                write!(
                    f,
                    "stale {} {} {number}",
                    machine(*end),
                    name_of(*kind, &KINDS)
                )
            }
        }
    }
}

impl FromStr for Op {
    type Err = BadLine;

    fn from_str(line: &str) -> Result<Self, BadLine> {
        let mut words = Words::of(line);
        let verb = words.word("what happens")?;
        let op = Self::read(verb, &mut words)?;
        words.end()?;
        Ok(op)
    }
}

impl Op {
    fn read(verb: &str, words: &mut Words<'_>) -> Result<Self, BadLine> {
        Ok(match verb {
            "send" => {
                let lane = words.small("", "a lane")?;
                let size = words.word("a size")?;
                let bytes = size.strip_suffix('B').and_then(|it| it.parse().ok());
                let bytes = bytes.ok_or_else(|| bad(size, "a size such as 5B"))?;
                let ttl = match words.next() {
                    Some("ttl") => Some(words.duration()?),
                    Some(word) => return Err(bad(word, "ttl")),
                    None => None,
                };
                Self::Send { lane, bytes, ttl }
            }
            "cancel" => Self::Cancel {
                id: words.number("#", "a message such as #0")?,
            },
            "stop" => Self::Stop { mode: mode(words)? },
            "wake" => Self::Wake {
                reason: value_of(words, "a reason to wake", &REASONS)?,
            },
            "addresses" => Self::Addresses {
                places: read_places(words)?,
            },
            "with" => {
                let verb = words.word("what the user asks for")?;
                if !matches!(verb, "cancel" | "stop" | "wake" | "addresses") {
                    return Err(bad(verb, "cancel, stop, wake or addresses"));
                }
                let op = Box::new(Self::read(verb, words)?);
                Self::With { op }
            }
            "accept" => Self::Accept { conn: conn(words)? },
            "confirm" => Self::Confirm { conn: conn(words)? },
            "fail" => Self::Fail {
                conn: conn(words)?,
                why: why(words)?,
            },
            "lose" => Self::Lose {
                conn: conn(words)?,
                end: value_of(words, "dialler or acceptor", &ENDS)?,
                why: why(words)?,
            },
            "deliver" => Self::read_deliver(words)?,
            "written" => Self::Written {
                conn: conn(words)?,
                from: value_of(words, "up or down", &WAYS)?,
                stream: words.small("s", "a stream such as s0")?,
            },
            "reset" => Self::Reset {
                conn: conn(words)?,
                from: value_of(words, "up or down", &WAYS)?,
                stream: words.small("s", "a stream such as s0")?,
                code: words.number("", "a code")?,
            },
            "halt" => Self::Halt {
                conn: conn(words)?,
                from: value_of(words, "up or down", &WAYS)?,
                stream: words.small("s", "a stream such as s0")?,
                code: words.number("", "a code")?,
            },
            "take" => Self::Take {
                lane: words.small("", "a lane")?,
            },
            "refuse" => Self::Refuse {
                lane: words.small("", "a lane")?,
                code: words.number("", "a code")?,
            },
            "advance" => Self::Advance {
                by: words.duration()?,
            },
            "fire" => Self::Fire {
                end: match words.next() {
                    Some(word) => Some(value(word, "sender or receiver", &MACHINES)?),
                    None => None,
                },
            },
            "tick" => Self::Tick {
                end: value_of(words, "sender or receiver", &MACHINES)?,
            },
            "back" => Self::Back {
                end: value_of(words, "sender or receiver", &MACHINES)?,
                by: words.duration()?,
            },
            "restart" => Self::Restart,
            "forget" => Self::Forget,
            "heal" => Self::Heal,
            "leave" => Self::Leave { mode: mode(words)? },
            "stale" => Self::Stale {
                end: value_of(words, "sender or receiver", &MACHINES)?,
                kind: value_of(words, "a kind of event", &KINDS)?,
                number: words.number("", "a number")?,
            },
            other => return Err(bad(other, "anything that can happen")),
        })
    }

    fn read_deliver(words: &mut Words<'_>) -> Result<Self, BadLine> {
        let conn = conn(words)?;
        let from = value_of(words, "up or down", &WAYS)?;
        let mut stream = None;
        let mut amount = Amount::All;
        while let Some(word) = words.next() {
            match word {
                "frame" => amount = Amount::Frame,
                "half" => amount = Amount::Half,
                _ => stream = Some(Words::of(word).small("s", "a stream, frame or half")?),
            }
        }
        Ok(Self::Deliver {
            conn,
            from,
            stream,
            amount,
        })
    }
}

impl Display for Conn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "a{}", self.0)
    }
}

impl Display for End {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(*self, &ENDS))
    }
}

impl Display for Why {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code) => write!(f, "closed={code}"),
            Self::Timeout
            | Self::Reset
            | Self::Unreachable
            | Self::Busy
            | Self::Refused
            | Self::Version
            | Self::PeerClosed => f.write_str(name_of(*self, &WHYS)),
        }
    }
}

/// A way to stop, as text.
struct Mode(StopMode);

impl Display for Mode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            StopMode::Drain(within) => write!(f, "drain {}", text::duration(within)),
            StopMode::Abort => write!(f, "abort"),
            StopMode::Remove => write!(f, "remove"),
        }
    }
}

/// What a machine is called.
pub(crate) fn machine(end: End) -> &'static str {
    name_of(end, &MACHINES)
}

/// The letter of an address.
pub(crate) fn letter(place: u8) -> char {
    char::from(b'A' + place % LETTERS)
}

/// The addresses that the letters stand for.
pub(crate) fn read_places(words: &mut Words<'_>) -> Result<Vec<u8>, BadLine> {
    let mut places = Vec::new();
    let mut none = false;
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"none" => none = true,
            [place @ b'A'..=b'Z'] => places.push(place - b'A'),
            _ => return Err(bad(word, "an address such as A")),
        }
    }
    match none == places.is_empty() {
        true => Ok(places),
        false => Err(BadLine("say none, or which addresses".into())),
    }
}

fn way(from: End) -> &'static str {
    name_of(from, &WAYS)
}

fn conn(words: &mut Words<'_>) -> Result<Conn, BadLine> {
    let number = words.number("a", "a connection such as a0")?;
    let number = u32::try_from(number).map_err(|_| bad("the number", "a connection's"))?;
    Ok(Conn(number))
}

fn mode(words: &mut Words<'_>) -> Result<StopMode, BadLine> {
    match words.word("drain, abort or remove")? {
        "drain" => Ok(StopMode::Drain(words.duration()?)),
        "abort" => Ok(StopMode::Abort),
        "remove" => Ok(StopMode::Remove),
        other => Err(bad(other, "drain, abort or remove")),
    }
}

fn why(words: &mut Words<'_>) -> Result<Why, BadLine> {
    let word = words.word("a reason")?;
    match word.strip_prefix("closed=") {
        Some(code) => match code.parse() {
            Ok(code) => Ok(Why::Closed(code)),
            Err(_) => Err(bad(code, "a code")),
        },
        None => value(word, "a reason such as timeout", &WHYS),
    }
}

const ENDS: [(&str, End); 2] = [("dialler", End::Dialler), ("acceptor", End::Acceptor)];
const MACHINES: [(&str, End); 2] = [("sender", End::Dialler), ("receiver", End::Acceptor)];
const WAYS: [(&str, End); 2] = [("up", End::Dialler), ("down", End::Acceptor)];
const WHYS: [(&str, Why); 7] = [
    ("timeout", Why::Timeout),
    ("reset", Why::Reset),
    ("unreachable", Why::Unreachable),
    ("busy", Why::Busy),
    ("refused", Why::Refused),
    ("version", Why::Version),
    ("closed", Why::PeerClosed),
];
const REASONS: [(&str, WakeReason); 4] = [
    ("address", WakeReason::NewAddress),
    ("contact", WakeReason::InboundContact),
    ("operator", WakeReason::Operator),
    ("network", WakeReason::NetworkChange),
];
const KINDS: [(&str, Stale); 10] = [
    ("connected", Stale::Connected),
    ("failed", Stale::Failed),
    ("lost", Stale::Lost),
    ("opened", Stale::Opened),
    ("bytes", Stale::Bytes),
    ("answer", Stale::Answer),
    ("reset", Stale::Reset),
    ("stopped", Stale::Stopped),
    ("transfer", Stale::Transfer),
    ("cancel", Stale::Cancel),
];

/// The name of a value.
pub(crate) fn name_of<T: Copy + PartialEq>(it: T, names: &[(&'static str, T)]) -> &'static str {
    let entry = names.iter().find(|(_, value)| *value == it);
    entry.map_or("?", |(name, _)| name)
}

/// The value that the next word names.
pub(crate) fn value_of<T: Copy>(
    words: &mut Words<'_>,
    what: &str,
    names: &[(&'static str, T)],
) -> Result<T, BadLine> {
    value(words.word(what)?, what, names)
}

fn value<T: Copy>(word: &str, what: &str, names: &[(&'static str, T)]) -> Result<T, BadLine> {
    let entry = names.iter().find(|(name, _)| *name == word);
    entry.map(|(_, it)| *it).ok_or_else(|| bad(word, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let lines = [
            "send 0 5B",
            "send 7 70000B ttl 1s",
            "cancel #3",
            "stop drain 10s",
            "stop abort",
            "stop remove",
            "wake operator",
            "wake contact",
            "wake address",
            "wake network",
            "addresses A B",
            "addresses none",
            "accept a0",
            "confirm a12",
            "fail a0 unreachable",
            "fail a0 refused",
            "lose a0 dialler timeout",
            "lose a0 acceptor closed",
            "lose a0 dialler closed=3",
            "deliver a0 up",
            "deliver a0 down s1",
            "deliver a0 up frame",
            "deliver a0 up s0 half",
            "written a0 up s0",
            "reset a0 down s0 7",
            "halt a0 up s0 7",
            "take 0",
            "refuse 0 2",
            "advance 100ms",
            "fire",
            "fire sender",
            "fire receiver",
            "tick receiver",
            "back sender 1s",
            "restart",
            "forget",
            "leave drain 1s",
            "leave abort",
            "heal",
            "stale sender lost 7",
            "stale receiver bytes 9",
        ];
        for line in lines {
            let op: Op = line.parse().unwrap();
            assert_eq!(op.to_string(), line);
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let wrong = |line: &str| line.parse::<Op>().unwrap_err().to_string();
        assert_eq!(wrong("fly"), "\"fly\" is not anything that can happen");
        assert_eq!(wrong("send 0"), "a size is missing");
        assert_eq!(wrong("send 0 5"), "\"5\" is not a size such as 5B");
        assert_eq!(wrong("take 0 1"), "nothing may follow here, not \"1\"");
        assert_eq!(wrong("confirm c0"), "\"c0\" is not a connection such as a0");
        assert_eq!(wrong("addresses none A"), "say none, or which addresses");
    }
}
