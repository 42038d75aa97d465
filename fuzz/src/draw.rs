//! Events, numbers and frames out of a record's choices: those that make sense more often than
//! those that do not, so that a run comes somewhere.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::wire::{Frame, Open, Resume, VARINT_MAX, encode_message_head};
use peer_sender_core::{
    Action, Attempt, CertificateProblem, CloseCode, Epoch, Event, Lane, LinkError, MessageId,
    MessageOptions, PeerKey, Protocol, RefuseCode, SessionId, Side, StopMode, StreamId, Time,
    TransferId, WakeReason,
};
use peer_sender_sim::tape::Choices;

/// The names that a machine has given or may know, so that events can use or miss them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Connections, the newest last.
    pub(crate) attempts: Vec<Attempt>,
    /// Writes that are under way.
    transfers: VecDeque<TransferId>,
    /// Streams that were written on, the newest last.
    streams: Vec<StreamId>,
    next_id: u64,
    consumed: [u64; 8],
}

impl Names {
    /// Learns the names in what a machine asks for.
    pub(crate) fn learn(&mut self, action: &Action) {
        match action {
            Action::Connect { attempt, .. } => self.attempts.push(*attempt),
            Action::Write {
                transfer, stream, ..
            } => {
                self.transfers.push_back(*transfer);
                self.streams.push(*stream);
            }
            Action::Deliver(message) => {
                if let Some(below) = self.consumed.get_mut(usize::from(message.lane.0)) {
                    *below = message.number.saturating_add(1);
                }
            }
            _ => {}
        }
    }

    fn attempt(&self, choices: &mut Choices<'_>) -> Attempt {
        let newest = self.attempts.last().map_or(0, |it| it.0);
        match choices.below(16) {
            0..12 => Attempt(newest),
            12 => Attempt(newest.saturating_sub(1)),
            13 => Attempt(newest.saturating_add(1)),
            14 => self.attempts.first().copied().unwrap_or_default(),
            _ => Attempt(number(choices)),
        }
    }

    fn stream(&self, choices: &mut Choices<'_>) -> StreamId {
        let known = choices.below(8);
        if known < 5
            && let Some(stream) = self.streams.iter().rev().nth(known as usize)
        {
            return *stream;
        }
        let (opener, index) = match choices.below(20) {
            place @ 0..16 => (place % 2, place / 2),
            place => (place % 2, number(choices)),
        };
        let opener = match opener {
            0 => Side::Remote,
            _ => Side::Local,
        };
        StreamId { opener, index }
    }

    fn transfer(&mut self, choices: &mut Choices<'_>) -> TransferId {
        let known = match choices.below(8) {
            0..5 => self.transfers.pop_front(),
            5 => self.transfers.pop_back(),
            6 => self.transfers.front().copied(),
            _ => None,
        };
        known.unwrap_or_else(|| TransferId(number(choices)))
    }

    fn new_id(&mut self, choices: &mut Choices<'_>) -> MessageId {
        let step = choices.below(32);
        let id = match step {
            // A fault of the driver: an id that was given before.
            31 => return MessageId(self.next_id.saturating_sub(1 + choices.below(3))),
            30 => self.next_id.saturating_add(number(choices)),
            _ => self.next_id,
        };
        self.next_id = id.saturating_add(1);
        MessageId(id)
    }

    fn old_id(&self, choices: &mut Choices<'_>) -> MessageId {
        match choices.below(16) {
            15 => MessageId(number(choices)),
            back => MessageId(self.next_id.saturating_sub(1 + back)),
        }
    }

    /// Any event whatever.
    pub(crate) fn event(&mut self, now: Time, choices: &mut Choices<'_>) -> Event {
        match choices.below(64) {
            0..12 => self.message(now, choices),
            12..14 => Event::Cancel {
                id: self.old_id(choices),
            },
            14 => Event::AddressesChanged {
                addresses: (0..choices.below(4)).map(|_| address(choices)).collect(),
            },
            15 | 16 => Event::Wake {
                reason: one_of(choices, &WAKES),
            },
            17..21 => Event::Connected {
                attempt: self.attempt(choices),
            },
            21 => Event::ConnectFailed {
                attempt: self.attempt(choices),
                error: error(choices),
            },
            22..24 => Event::ConnectionLost {
                attempt: self.attempt(choices),
                error: error(choices),
            },
            24..27 => Event::StreamOpened {
                attempt: self.attempt(choices),
                stream: self.stream(choices),
            },
            27..42 => Event::BytesReceived {
                attempt: self.attempt(choices),
                stream: self.stream(choices),
                fin: choices.chance(24),
                bytes: frames(choices),
            },
            42 => Event::StreamReset {
                attempt: self.attempt(choices),
                stream: self.stream(choices),
                code: number(choices),
            },
            43 => Event::StreamStopped {
                attempt: self.attempt(choices),
                stream: self.stream(choices),
                code: number(choices),
            },
            44..50 => Event::TransferFinished {
                transfer: self.transfer(choices),
            },
            50..53 => Event::StreamAcknowledged {
                attempt: self.attempt(choices),
                stream: self.stream(choices),
            },
            53..57 => {
                let lane = lane(choices);
                let known = self.consumed.get(usize::from(lane.0)).copied();
                let below = match choices.below(4) {
                    3 => number(choices),
                    back => known.unwrap_or(0).saturating_sub(back),
                };
                Event::Consumed { lane, below }
            }
            57 | 58 => Event::Refused {
                lane: lane(choices),
                number: number(choices),
                code: RefuseCode::from_wire(number(choices)),
            },
            59 => Event::Stop {
                mode: stop(choices),
            },
            60 | 61 => Event::TransferAcknowledged {
                transfer: self.transfer(choices),
            },
            62 => Event::ProbeAnswered {
                attempt: self.attempt(choices),
            },
            _ => Event::TimerFired,
        }
    }

    fn message(&mut self, now: Time, choices: &mut Choices<'_>) -> Event {
        let id = self.new_id(choices);
        let lane = lane(choices);
        let bytes = match choices.below(8) {
            0..6 => choices.below(16),
            6 => choices.below(260),
            _ => 0,
        };
        let expires_at = match choices.below(6) {
            0..4 => None,
            4 => Some(now + Duration::from_millis(choices.below(3_000))),
            _ => Some(Time::from_nanos(number(choices))),
        };
        Event::MessageQueued {
            id,
            lane,
            payload: payload(id, bytes as usize),
            options: MessageOptions { expires_at },
        }
    }
}

/// A message's bytes tell whose they are.
fn payload(id: MessageId, bytes: usize) -> Bytes {
    let id = id.0.to_le_bytes();
    id.into_iter().cycle().take(bytes).collect()
}

/// A number that is small, or close to a limit that there is.
pub(crate) fn number(choices: &mut Choices<'_>) -> u64 {
    match choices.below(16) {
        0..12 => choices.below(6),
        12 => VARINT_MAX - choices.below(2),
        13 => u64::MAX - choices.below(2),
        14 => choices.below(1 << 16),
        _ => choices.log_uniform(0, u64::MAX),
    }
}

/// How long something takes.
pub(crate) fn wait(choices: &mut Choices<'_>) -> Duration {
    match choices.below(8) {
        0..4 => Duration::from_millis(choices.below(256)),
        4 | 5 => Duration::from_millis(choices.below(20_000)),
        6 => choices.time(Duration::ZERO, Duration::from_secs(3_000_000)),
        _ => one_of(
            choices,
            &[Duration::ZERO, Duration::MAX, Duration::from_nanos(1)],
        ),
    }
}

pub(crate) fn one_of<T: Copy>(choices: &mut Choices<'_>, things: &[T]) -> T {
    let Some(thing) = choices.one_of(things) else {
        panic!("nothing to choose from")
    };
    *thing
}

/// A lane; one in sixteen is one that no session has.
pub(crate) fn lane(choices: &mut Choices<'_>) -> Lane {
    Lane(match choices.below(16) {
        15 => choices.byte(),
        place => (place % 8 / 2) as u8,
    })
}

pub(crate) fn stop(choices: &mut Choices<'_>) -> StopMode {
    match choices.below(4) {
        0 | 1 => StopMode::Drain(wait(choices)),
        2 => StopMode::Abort,
        _ => StopMode::Remove,
    }
}

pub(crate) fn address(choices: &mut Choices<'_>) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + choices.below(4) as u8], 4_433))
}

pub(crate) fn session(choices: &mut Choices<'_>) -> SessionId {
    SessionId([choices.below(4) as u8; 16])
}

const WAKES: [WakeReason; 4] = [
    WakeReason::NewAddress,
    WakeReason::InboundContact,
    WakeReason::Operator,
    WakeReason::NetworkChange,
];

fn error(choices: &mut Choices<'_>) -> LinkError {
    let key = PeerKey([1; 32]);
    match choices.below(12) {
        0 => LinkError::IdleTimeout,
        1 => LinkError::Reset,
        2 => LinkError::Unreachable,
        3 => LinkError::Busy,
        4 => LinkError::VersionMismatch,
        5 => LinkError::IdentityRefused { ours: key },
        6 => LinkError::CertificateRefused {
            why: CertificateProblem::Expired,
        },
        7 => LinkError::Moved,
        8 => LinkError::ClosedHere {
            code: CloseCode::from_wire(choices.below(9)),
            reason: String::new(),
        },
        _ => LinkError::Closed {
            code: CloseCode::from_wire(choices.below(9)),
            reason: String::new(),
        },
    }
}

/// A protocol: the other ones for `others` of 256.
pub(crate) fn protocol(choices: &mut Choices<'_>, others: u16) -> Protocol {
    match choices.chance(others) {
        true => one_of(choices, &[Protocol::Plain, Protocol::Framed]),
        false => Protocol::Lanes,
    }
}

/// Bytes of a lane's stream, of either direction: whole frames, parts of them, or noise.
pub(crate) fn frames(choices: &mut Choices<'_>) -> Bytes {
    let mut bytes = Vec::new();
    for _ in 0..=choices.below(4) {
        frame(choices, &mut bytes);
    }
    if choices.chance(16) {
        let kept = choices.below(bytes.len() as u64);
        bytes.truncate(kept as usize);
    }
    Bytes::from(bytes)
}

fn frame(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    match choices.below(24) {
        0..5 => Frame::Open(Open {
            fresh: choices.chance(128),
            session: session(choices),
            lane: match choices.below(12) {
                11 => number(choices),
                lane => lane % 4,
            },
            base: number(choices),
        })
        .encode(out),
        // As the framed protocol has it.
        9 => {
            let length = choices.below(70) as u32;
            out.extend_from_slice(&length.to_be_bytes());
            out.resize(out.len() + length as usize, 7);
        }
        5..10 => {
            let epoch = Epoch([choices.below(2) as u8; 16]);
            let (record, taken) = (number(choices), number(choices));
            let next = match choices.below(4) {
                0..3 => taken,
                _ => number(choices),
            };
            let message_bytes_max = match choices.below(3) {
                0 => VARINT_MAX,
                _ => choices.below(64),
            };
            Frame::Resume(Resume {
                epoch,
                record,
                taken,
                next,
                message_bytes_max,
            })
            .encode(out);
        }
        10..15 => {
            let length = choices.below(70) as usize;
            encode_message_head(length, out);
            let fill = choices.byte();
            out.extend(std::iter::repeat_n(fill, length));
        }
        15 => Frame::Skip {
            count: number(choices),
        }
        .encode(out),
        16..19 => Frame::Receipt {
            taken: number(choices),
        }
        .encode(out),
        19 | 20 => Frame::Refuse {
            number: number(choices),
            code: number(choices),
        }
        .encode(out),
        21 => {
            // A head that promises more than comes.
            encode_message_head(number(choices) as usize, out);
        }
        22 => {
            // An extension, which is passed over.
            let length = choices.below(20) as usize;
            out.extend([0x40 + choices.below(0xc0) as u8, length as u8]);
            out.extend(std::iter::repeat_n(0, length));
        }
        _ => out.extend((0..choices.below(8)).map(|_| choices.byte())),
    }
}
