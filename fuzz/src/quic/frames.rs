//! QUIC's frames (RFC 9000 section 19) out of a record's choices: in their right form, at the edge of
//! what is allowed, and beyond.

use std::collections::BTreeMap;

use peer_sender_sim::tape::Choices;

use crate::draw;

/// What a talker has said, so that the next that it says may make sense.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talk {
    /// Whether it has accepted the connection, so that the streams that it opens have odd numbers.
    accepts: bool,
    /// How far it has written on each stream.
    offsets: BTreeMap<u64, u64>,
    crypto: u64,
    /// The sequence number of its last connection id.
    ids: u64,
    /// The highest packet number that came from the other end.
    pub(crate) seen: u64,
}

/// Appends an integer (RFC 9000 section 16).
pub(crate) fn integer(value: u64, out: &mut Vec<u8>) {
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend((value as u16 | 1 << 14).to_be_bytes()),
        0x4000..0x4000_0000 => out.extend((value as u32 | 2 << 30).to_be_bytes()),
        _ => out.extend((value | 3 << 62).to_be_bytes()),
    }
}

impl Talk {
    /// Of whoever dialled, or accepted.
    pub(crate) fn new(accepts: bool) -> Self {
        Self {
            accepts,
            ..Self::default()
        }
    }

    /// Appends some frames.
    pub(crate) fn frames(&mut self, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        for _ in 0..=choices.below(4) {
            self.frame(choices, out);
        }
    }

    fn frame(&mut self, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        match choices.below(40) {
            0..14 => self.stream_frame(choices, out),
            14..17 => self.ack(choices, out),
            17 => {
                // RESET_STREAM, whose final size is most often right.
                let stream = self.stream(choices);
                let size = match choices.below(4) {
                    3 => draw::number(choices),
                    _ => self.offsets.get(&stream).copied().unwrap_or(0),
                };
                self.numbers(4, &[stream, draw::number(choices), size], out);
            }
            18 => {
                let stream = self.stream(choices);
                self.numbers(5, &[stream, draw::number(choices)], out);
            }
            19 | 20 => self.crypto(choices, out),
            21 => self.numbers(0x10, &[draw::number(choices)], out),
            22 => {
                let stream = self.stream(choices);
                self.numbers(0x11, &[stream, draw::number(choices)], out);
            }
            23 => {
                let kind = 0x12 + choices.below(2) as u8;
                let most = match choices.below(3) {
                    0 => (1 << 60) + choices.below(2),
                    _ => draw::number(choices),
                };
                self.numbers(kind, &[most], out);
            }
            24 => self.numbers(0x14, &[draw::number(choices)], out),
            25 => {
                let stream = self.stream(choices);
                self.numbers(0x15, &[stream, draw::number(choices)], out);
            }
            26 => {
                let kind = 0x16 + choices.below(2) as u8;
                self.numbers(kind, &[draw::number(choices)], out);
            }
            27..30 => self.new_connection_id(choices, out),
            30 => self.numbers(0x19, &[draw::number(choices)], out),
            31 | 32 => {
                // PATH_CHALLENGE, PATH_RESPONSE.
                out.push(0x1a + choices.below(2) as u8);
                out.extend([choices.byte(); 8]);
            }
            33 => self.close(choices, out),
            34 => match choices.below(4) {
                0 => out.push(0x1e),
                1 => out.push(0x1f),
                2 => {
                    // NEW_TOKEN.
                    self.numbers(7, &[choices.below(3)], out);
                    out.extend([choices.byte(); 2]);
                }
                // ACK_FREQUENCY.
                _ => {
                    integer(0xaf, out);
                    for _ in 0..4 {
                        number(choices, out);
                    }
                }
            },
            35 => {
                // DATAGRAM, which was not agreed on.
                out.push(0x30 + choices.below(2) as u8);
                integer(choices.below(9), out);
                out.extend((0..choices.below(9)).map(|_| choices.byte()));
            }
            36 => out.extend(std::iter::repeat_n(0, choices.below(64) as usize)),
            37 => out.push(1),
            38 => {
                // A kind that nobody knows, or one in a longer form than it has.
                match choices.below(2) {
                    0 => integer(0x20 + draw::number(choices) % (1 << 61), out),
                    _ => out.extend([0x40, choices.below(0x20) as u8]),
                }
            }
            _ => out.extend((0..=choices.below(12)).map(|_| choices.byte())),
        }
    }

    fn numbers(&self, kind: u8, numbers: &[u64], out: &mut Vec<u8>) {
        out.push(kind);
        for number in numbers {
            integer((*number).min((1 << 62) - 1), out);
        }
    }

    /// Most often one of the bidirectional streams that it may open.
    fn stream(&self, choices: &mut Choices<'_>) -> u64 {
        let ours = u64::from(self.accepts);
        match choices.below(16) {
            place @ 0..10 => 4 * (place % 3) + ours,
            place @ 10..13 => 4 * (place - 10) + 1 - ours,
            13 => 4 * choices.below(9) + ours,
            14 => choices.below(16),
            _ => draw::number(choices) % (1 << 62),
        }
    }

    fn stream_frame(&mut self, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        let stream = self.stream(choices);
        let written = self.offsets.entry(stream).or_default();
        let offset = match choices.below(10) {
            0..6 => *written,
            6 => *written + 1 + choices.below(3),
            7 => written.saturating_sub(1 + choices.below(20)),
            8 => *written + choices.below(1 << 21),
            _ => draw::number(choices) % (1 << 62),
        };
        let fin = choices.chance(24);
        let data = draw::frames(choices);
        *written = (*written).max((offset + data.len() as u64).min(1 << 40));
        // Offset and length are always there, so that other frames may follow.
        out.push(0x0e | u8::from(fin));
        for number in [stream, offset, data.len() as u64] {
            integer(number, out);
        }
        out.extend_from_slice(&data);
    }

    fn ack(&self, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        let ecn = choices.chance(32);
        let largest = match choices.below(8) {
            0..6 => self.seen.saturating_sub(choices.below(2)),
            6 => self.seen + 1 + choices.below(64),
            _ => draw::number(choices) % (1 << 62),
        };
        let ranges = match choices.below(8) {
            0..6 => 0,
            6 => choices.below(4),
            _ => choices.below(64),
        };
        let first = match choices.below(3) {
            0 => largest,
            _ => choices.below(4),
        };
        out.push(2 + u8::from(ecn));
        for number in [largest, draw::number(choices) % (1 << 62), ranges, first] {
            integer(number, out);
        }
        for _ in 0..ranges {
            integer(choices.below(3), out);
            integer(choices.below(3), out);
        }
        for _ in 0..3 * u8::from(ecn) {
            integer(choices.below(3), out);
        }
    }

    fn crypto(&mut self, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        let offset = match choices.below(4) {
            0 | 1 => self.crypto,
            2 => self.crypto + choices.below(20_000),
            _ => draw::number(choices) % (1 << 62),
        };
        let length = choices.below(64);
        self.crypto += length;
        self.numbers(6, &[offset, length], out);
        let fill = choices.byte();
        out.extend(std::iter::repeat_n(fill, length as usize));
    }

    fn new_connection_id(&mut self, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        let number = match choices.below(4) {
            0..3 => {
                self.ids += 1;
                self.ids
            }
            _ => draw::number(choices),
        };
        let retire = match choices.below(4) {
            0 => number,
            1 => 0,
            2 => number.saturating_sub(1),
            _ => draw::number(choices),
        };
        let length = match choices.below(6) {
            5 => choices.below(30) as u8,
            _ => 8,
        };
        self.numbers(0x18, &[number, retire], out);
        out.push(length);
        out.extend(std::iter::repeat_n(number as u8, usize::from(length)));
        out.extend([choices.byte(); 16]);
    }

    fn close(&self, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        let by_application = choices.chance(128);
        out.push(0x1c + u8::from(by_application));
        number(choices, out);
        if !by_application {
            number(choices, out);
        }
        let reason = choices.below(20);
        integer(reason, out);
        out.extend((0..reason).map(|_| choices.byte()));
    }
}

fn number(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    integer(draw::number(choices) % (1 << 62), out);
}
