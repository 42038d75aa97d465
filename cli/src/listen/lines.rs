//! The lines of `listen`, written by hand: there may be a million a second.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;

use peer_sender_tokio::{Lane, PeerKey};
use ring::digest;

use super::net_message::Read;
use crate::figures;
use crate::hex::push_hex;

/// How a message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people: who, which, how long, and the beginning if it is text.
    Short,
    /// One JSON object, with the payload's SHA-256.
    Json,
}

/// Collects lines, and counts what they tell of.
#[derive(Debug)]
pub(super) struct Lines {
    form: Form,
    text: Vec<u8>,
    /// Of whom the last line told, and how all lines about that one begin.
    beginning: Option<(PeerKey, Lane, String)>,
    messages: u64,
    bytes: u64,
    peers: BTreeSet<PeerKey>,
}

impl Lines {
    /// Whoever may send here can make new keys without end; beyond this many they go uncounted.
    const PEERS_MAX: usize = 100_000;

    pub(super) fn new(form: Form) -> Self {
        let text = Vec::with_capacity(64 << 10);
        Self {
            form,
            text,
            beginning: None,
            messages: 0,
            bytes: 0,
            peers: BTreeSet::new(),
        }
    }

    /// Adds the line of a message.
    pub(super) fn push(&mut self, from: PeerKey, lane: Lane, number: u64, payload: &[u8]) {
        self.begin(from, lane);
        push_decimal(&mut self.text, number);
        self.push_payload(payload);
    }

    /// Adds the line of a message of the Acki Nacki network.
    pub(super) fn push_read(&mut self, from: PeerKey, number: u64, read: &Read) {
        self.begin(from, Lane(0));
        let text = &mut self.text;
        push_decimal(text, number);
        // Writing to a Vec cannot fail.
        let _ = match (self.form, read.under_way_ms) {
            (Form::Json, under_way) => {
                let (id, under_way) = (serde_json::json!(read.id), serde_json::json!(under_way));
                write!(text, ",\"id\":{id},\"under_way_ms\":{under_way}")
            }
            (Form::Short, Some(ms)) => write!(text, " {}, {ms} ms under way,", read.id),
            (Form::Short, None) => write!(text, " {}, by a clock ahead of ours,", read.id),
        };
        self.push_payload(&read.payload);
    }

    fn push_payload(&mut self, payload: &[u8]) {
        let bytes = payload.len() as u64;
        self.messages += 1;
        self.bytes += bytes;
        let text = &mut self.text;
        match self.form {
            Form::Json => {
                text.extend_from_slice(b",\"bytes\":");
                push_decimal(text, bytes);
                text.extend_from_slice(b",\"sha256\":\"");
                push_hex(text, digest::digest(&digest::SHA256, payload).as_ref());
                text.extend_from_slice(b"\"}\n");
            }
            Form::Short => {
                text.push(b' ');
                push_decimal(text, bytes);
                // Writing to a Vec cannot fail.
                let _ = writeln!(text, " B{}", Excerpt(payload));
            }
        }
    }

    /// What stands before a message's number: composed once for all messages in a row of one
    /// sender.
    fn begin(&mut self, from: PeerKey, lane: Lane) {
        if let Some((_, _, beginning)) = self
            .beginning
            .as_ref()
            .filter(|known| (known.0, known.1) == (from, lane))
        {
            self.text.extend_from_slice(beginning.as_bytes());
            return;
        }
        if self.peers.len() < Self::PEERS_MAX {
            self.peers.insert(from);
        }
        let Lane(number) = lane;
        let beginning = match self.form {
            Form::Json => format!(r#"{{"peer":"{from}","lane":{number},"number":"#),
            Form::Short => format!("{:.8} #", from.to_string()),
        };
        self.text.extend_from_slice(beginning.as_bytes());
        self.beginning = Some((from, lane, beginning));
    }

    /// The lines added since [`clear`](Self::clear).
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    /// What all lines came to, as an object on a line of its own or in words.
    pub(super) fn summary(&self) -> String {
        let peers = self.peers.len() as u64;
        match self.form {
            Form::Json => format!(
                "{{\"messages\":{},\"bytes\":{},\"peers\":{peers}}}\n",
                self.messages, self.bytes
            ),
            Form::Short => format!(
                "received {} of {} in all from {}",
                figures::plural(self.messages, "message"),
                figures::plural(self.bytes, "byte"),
                figures::plural(peers, "peer"),
            ),
        }
    }
}

/// As `{number}` does, without the detours of `fmt`, which took a tenth of the listener's time.
fn push_decimal(text: &mut Vec<u8>, mut number: u64) {
    // As many as u64::MAX has.
    let mut digits = [b'0'; 20];
    let mut start = digits.len() - 1;
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
        start = place;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// The beginning of a payload in quotes if it is text; control characters are escaped, since a
/// terminal would obey them.
struct Excerpt<'a>(&'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BYTES_MAX: usize = 60;
        let (head, more) = match self.0.get(..BYTES_MAX) {
            Some(head) => (head, self.0.len() > BYTES_MAX),
            None => (self.0, false),
        };
        let text = match str::from_utf8(head) {
            Ok(text) => text,
            // The cut may have gone through a character.
            Err(error) if more && error.error_len().is_none() => head
                .get(..error.valid_up_to())
                .and_then(|whole| str::from_utf8(whole).ok())
                .unwrap_or(""),
            Err(_) => "",
        };
        let readable = |c: char| !c.is_control() || c.is_whitespace();
        match text {
            "" => Ok(()),
            text if text.chars().all(readable) => {
                write!(
                    f,
                    " \"{}\"{}",
                    text.escape_debug(),
                    if more { "..." } else { "" }
                )
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ANN: PeerKey = PeerKey([0xa1; 32]);
    const BEN: PeerKey = PeerKey([0xb2; 32]);

    fn text(lines: &Lines) -> &str {
        str::from_utf8(lines.text()).unwrap()
    }

    #[test]
    fn a_json_line_says_who_which_how_long_and_what() {
        let mut lines = Lines::new(Form::Json);
        lines.push(ANN, Lane(0), 7, b"abc");
        lines.push(BEN, Lane(0), u64::MAX, b"");
        let parsed: Vec<Value> = text(&lines)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        // The digests are FIPS 180-2's example and that of nothing.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            parsed,
            [
                json!({"peer": ANN.to_string(), "lane": 0, "number": 7, "bytes": 3, "sha256": abc}),
                json!({"peer": BEN.to_string(), "lane": 0, "number": u64::MAX, "bytes": 0, "sha256": nothing}),
            ]
        );
    }

    #[test]
    fn numbers_are_written_as_fmt_does() {
        let powers = (0..20).map(|power| 10u64.pow(power));
        let around = powers.flat_map(|power| [power - 1, power, power + 1]);
        for number in around.chain([u64::MAX]) {
            let mut text = Vec::new();
            push_decimal(&mut text, number);
            assert_eq!(text, number.to_string().into_bytes());
        }
    }

    #[test]
    fn the_summary_counts_messages_bytes_and_peers() {
        let mut lines = Lines::new(Form::Json);
        for (number, key) in [ANN, BEN, ANN].into_iter().enumerate() {
            lines.push(key, Lane(0), number as u64, b"four");
            lines.clear();
        }
        let summary: Value = serde_json::from_str(&lines.summary()).unwrap();
        assert_eq!(summary, json!({"messages": 3, "bytes": 12, "peers": 2}));
        assert!(lines.text().is_empty());
    }

    #[test]
    fn a_short_line_shows_text_and_nothing_that_a_terminal_obeys() {
        let long = "x".repeat(59) + "\u{e4}y";
        let cut = format!("\"{}\"...", "x".repeat(59));
        let shown = [
            ("hello \u{e4}".as_bytes(), "\"hello \u{e4}\""),
            (b"tab\tline\n", r#""tab\tline\n""#),
            (b"\x1b[31m", ""),
            (b"\xff\xfe", ""),
            (b"", ""),
            (long.as_bytes(), &cut),
        ];
        for (payload, expected) in shown {
            let mut lines = Lines::new(Form::Short);
            lines.push(ANN, Lane(0), 3, payload);
            let expected = format!("a1a1a1a1 #3 {} B {expected}", payload.len());
            assert_eq!(text(&lines).trim_end(), expected.trim_end());
        }
    }
}
