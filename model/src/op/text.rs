//! Operations as words, one line each.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use peer_sender_core::{CloseCode, WakeReason};

use super::{IdStep, Lie, Op, Stale, Trouble, Wait, Which};

const WAKES: &[(&str, WakeReason)] = &[
    ("address", WakeReason::NewAddress),
    ("contact", WakeReason::InboundContact),
    ("operator", WakeReason::Operator),
    ("network", WakeReason::NetworkChange),
];

const TROUBLES: &[(&str, Trouble)] = &[
    ("silence", Trouble::Silence),
    ("reset", Trouble::Reset),
    ("unreachable", Trouble::Unreachable),
    ("busy", Trouble::Busy),
    ("wrong-identity", Trouble::WrongIdentity),
    ("certificate-refused", Trouble::CertificateRefused),
    ("identity-refused", Trouble::IdentityRefused),
    ("alpn-mismatch", Trouble::AlpnMismatch),
    ("version-mismatch", Trouble::VersionMismatch),
];

const LIES: &[(&str, Lie)] = &[
    ("receipt-ahead", Lie::ReceiptAhead),
    ("receipt-false", Lie::ReceiptFalse),
    ("receipt-back", Lie::ReceiptBack),
    ("refuse-ahead", Lie::RefuseAhead),
    ("refuse-covered", Lie::RefuseCovered),
    ("refuse-false", Lie::RefuseFalse),
    ("resume-low", Lie::ResumeLow),
    ("resume-below", Lie::ResumeBelow),
    ("resume-ahead", Lie::ResumeAhead),
    ("resume-crossed", Lie::ResumeCrossed),
    ("resume-other", Lie::ResumeOther),
    ("wrong-way", Lie::WrongWay),
    ("unknown-frame", Lie::UnknownFrame),
    ("left-over", Lie::LeftOver),
    ("truncated", Lie::Truncated),
    ("extension", Lie::Extension),
];

const STALES: &[(&str, Stale)] = &[
    ("connected-old", Stale::ConnectedOld),
    ("connected-future", Stale::ConnectedFuture),
    ("connected-twice", Stale::ConnectedTwice),
    ("lost-old", Stale::LostOld),
    ("failed-future", Stale::FailedFuture),
    ("bytes-old", Stale::BytesOld),
    ("bytes-unopened", Stale::BytesUnopened),
    ("cut-old", Stale::CutOld),
    ("taken-future", Stale::TakenFuture),
    ("taken-twice", Stale::TakenTwice),
    ("stream-opened-old", Stale::StreamOpenedOld),
    ("consumed-unknown", Stale::ConsumedUnknown),
    ("refused-unknown", Stale::RefusedUnknown),
];

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue {
                lane,
                bytes,
                refused,
                id,
                ttl,
            } => {
                write!(f, "send {lane} {bytes}")?;
                match id {
                    IdStep::Above(0) => {}
                    IdStep::Above(more) => write!(f, " above {more}")?,
                    IdStep::Below(less) => write!(f, " below {less}")?,
                }
                if let Some(ttl) = ttl {
                    write!(f, " ttl {ttl:?}")?;
                }
                f.write_str(if *refused { " refused" } else { "" })
            }
            Self::Cancel(Which::Queued(at)) => write!(f, "cancel queued {at}"),
            Self::Cancel(Which::Begun(at)) => write!(f, "cancel begun {at}"),
            Self::Cancel(Which::Settled(at)) => write!(f, "cancel settled {at}"),
            Self::Cancel(Which::Unknown) => write!(f, "cancel unknown"),
            Self::Confirm => write!(f, "confirm"),
            Self::Lose(Trouble::Closed(code)) => write!(f, "lose closed {}", code.to_wire()),
            Self::Lose(trouble) => write!(f, "lose {}", name(TROUBLES, trouble)),
            Self::Taken { lane } => write!(f, "taken {lane}"),
            Self::Arrive { lane, frames } => write!(f, "arrive {lane} {frames}"),
            Self::ArriveLate { lane, frames } => write!(f, "arrive-late {lane} {frames}"),
            Self::Accept { lane, count } => write!(f, "accept {lane} {count}"),
            Self::Refuse { lane, place } => write!(f, "refuse {lane} {place}"),
            Self::Answer { lane, frames, cut } => {
                write!(f, "answer {lane} {frames}")?;
                f.write_str(if *cut { " cut" } else { "" })
            }
            Self::GoAway { lane } => write!(f, "go-away {lane}"),
            Self::Cut {
                lane,
                stopped,
                code,
            } => {
                let how = if *stopped { "stop" } else { "reset" };
                write!(f, "{how} {lane} {code}")
            }
            Self::Restart { bytes_max } => write!(f, "restart {bytes_max}"),
            Self::Forget => write!(f, "forget"),
            Self::Lie { lane, lie } => write!(f, "lie {lane} {}", name(LIES, lie)),
            Self::Wake(reason) => write!(f, "wake {}", name(WAKES, reason)),
            Self::Addresses(addresses) => {
                write!(f, "addresses")?;
                addresses.iter().try_for_each(|it| write!(f, " {it}"))
            }
            Self::Pause(time) => write!(f, "pause {time:?}"),
            Self::Wait(Wait::Due) => write!(f, "wait due"),
            Self::Wait(Wait::Twice) => write!(f, "wait twice"),
            Self::Wait(Wait::Early) => write!(f, "wait early"),
            Self::Wait(Wait::Late(more)) => write!(f, "wait late {more:?}"),
            Self::Wait(Wait::For(time)) => write!(f, "wait for {time:?}"),
            Self::Back(time) => write!(f, "back {time:?}"),
            Self::Stale(stale) => write!(f, "stale {}", name(STALES, stale)),
            Self::Drain(within) => write!(f, "drain {within:?}"),
            Self::Abort => write!(f, "abort"),
            Self::Remove => write!(f, "remove"),
        }
    }
}

impl FromStr for Op {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        read(&words).ok_or_else(|| format!("this is no operation: {line}"))
    }
}

fn read(words: &[&str]) -> Option<Op> {
    Some(match *words {
        ["send", lane, bytes, ref rest @ ..] => Op::Queue {
            lane: lane.parse().ok()?,
            bytes: bytes.parse().ok()?,
            refused: rest.contains(&"refused"),
            id: match (after(rest, "above"), after(rest, "below")) {
                (Some(more), _) => IdStep::Above(more.parse().ok()?),
                (None, Some(less)) => IdStep::Below(less.parse().ok()?),
                (None, None) => IdStep::Above(0),
            },
            ttl: match after(rest, "ttl") {
                Some(ttl) => Some(duration(ttl)?),
                None => None,
            },
        },
        ["cancel", "queued", at] => Op::Cancel(Which::Queued(at.parse().ok()?)),
        ["cancel", "begun", at] => Op::Cancel(Which::Begun(at.parse().ok()?)),
        ["cancel", "settled", at] => Op::Cancel(Which::Settled(at.parse().ok()?)),
        ["cancel", "unknown"] => Op::Cancel(Which::Unknown),
        ["confirm"] => Op::Confirm,
        ["lose", "closed", code] => {
            Op::Lose(Trouble::Closed(CloseCode::from_wire(code.parse().ok()?)))
        }
        ["lose", trouble] => Op::Lose(named(TROUBLES, trouble)?),
        ["taken", lane] => Op::Taken {
            lane: lane.parse().ok()?,
        },
        ["arrive", lane, frames] => Op::Arrive {
            lane: lane.parse().ok()?,
            frames: frames.parse().ok()?,
        },
        ["arrive-late", lane, frames] => Op::ArriveLate {
            lane: lane.parse().ok()?,
            frames: frames.parse().ok()?,
        },
        ["accept", lane, count] => Op::Accept {
            lane: lane.parse().ok()?,
            count: count.parse().ok()?,
        },
        ["refuse", lane, place] => Op::Refuse {
            lane: lane.parse().ok()?,
            place: place.parse().ok()?,
        },
        ["answer", lane, frames, ref rest @ ..] => Op::Answer {
            lane: lane.parse().ok()?,
            frames: frames.parse().ok()?,
            cut: *rest == ["cut"],
        },
        ["go-away", lane] => Op::GoAway {
            lane: lane.parse().ok()?,
        },
        [how @ ("reset" | "stop"), lane, code] => Op::Cut {
            lane: lane.parse().ok()?,
            stopped: how == "stop",
            code: code.parse().ok()?,
        },
        ["restart", bytes_max] => Op::Restart {
            bytes_max: bytes_max.parse().ok()?,
        },
        ["forget"] => Op::Forget,
        ["lie", lane, lie] => Op::Lie {
            lane: lane.parse().ok()?,
            lie: named(LIES, lie)?,
        },
        ["wake", reason] => Op::Wake(named(WAKES, reason)?),
        ["addresses", ref addresses @ ..] => {
            let addresses = addresses.iter().map(|it| it.parse().ok());
            Op::Addresses(addresses.collect::<Option<_>>()?)
        }
        ["pause", time] => Op::Pause(duration(time)?),
        ["wait", "due"] => Op::Wait(Wait::Due),
        ["wait", "twice"] => Op::Wait(Wait::Twice),
        ["wait", "early"] => Op::Wait(Wait::Early),
        ["wait", "late", more] => Op::Wait(Wait::Late(duration(more)?)),
        ["wait", "for", time] => Op::Wait(Wait::For(duration(time)?)),
        ["back", time] => Op::Back(duration(time)?),
        ["stale", stale] => Op::Stale(named(STALES, stale)?),
        ["drain", within] => Op::Drain(duration(within)?),
        ["abort"] => Op::Abort,
        ["remove"] => Op::Remove,
        _ => return None,
    })
}

/// The word after this one.
fn after<'a>(words: &[&'a str], word: &str) -> Option<&'a str> {
    let place = words.iter().position(|it| *it == word)?;
    words.get(place + 1).copied()
}

fn name<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    let known = names.iter().find(|it| it.1 == *value);
    known.map_or("?", |it| it.0)
}

fn named<T: Copy>(names: &[(&str, T)], word: &str) -> Option<T> {
    names.iter().find(|it| it.0 == word).map(|it| it.1)
}

/// A duration as `{:?}` writes it.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|it: char| it.is_ascii_digit() || it == '.');
    let count = text.strip_suffix(unit)?;
    let (whole, part) = count.split_once('.').unwrap_or((count, ""));
    let nanos: u64 = match unit {
        "ns" => 1,
        "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return None,
    };
    let whole = whole.parse::<u64>().ok()?.checked_mul(nanos)?;
    let part = format!("{part:0<9}").parse::<u64>().ok()? * (nanos / 1_000) / 1_000_000;
    Some(Duration::from_nanos(whole + part))
}
