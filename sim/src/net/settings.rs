//! How a world of nodes is set up.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::op::Place;
use super::op_text::{read_pair, read_yes_or_no, yes_or_no};
use crate::text::{BadLine, Words, bad, duration};

/// The most nodes of a world.
pub const NODES_MAX: u8 = 16;

/// What protects connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crypto {
    /// TLS that draws from the scenario's seed: two runs agree in every byte.
    #[default]
    Tls,
    /// TLS as it ships: two runs agree in sizes and times.
    Stock,
    /// Nothing ([`peer_sender_quic::simulation::null`]): the fastest.
    Null,
}

impl Crypto {
    fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Stock => "stock",
            Self::Null => "null",
        }
    }
}

/// How a world is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What everything is drawn from that is left to chance: nodes' seeds, and what becomes of each
    /// datagram.
    pub seed: u64,
    /// What protects connections.
    pub crypto: Crypto,
    /// How many nodes there are: 2 to [`NODES_MAX`].
    pub nodes: u8,
    /// Those that let others dial them.
    pub listeners: Vec<Place>,
    /// Who dials whom: a listener.
    pub dials: Vec<(Place, Place)>,
    /// Those that have an address of IPv6 as well; each has one of IPv4.
    pub v6: Vec<Place>,
    /// Nodes that are of another one's process, have its identity, and share its records of sessions:
    /// both listen, and whoever dials the other one knows the addresses of all.
    pub shares: Vec<(Place, Place)>,
    /// How long things happen before everything is healed.
    pub end: Duration,
    /// Whether the nodes speak the plain protocol.
    pub plain: bool,
    /// Whether what they speak without lanes is the framed protocol instead; only where `plain` is set.
    pub framed: bool,
    /// Lanes of each peer, and of each session's replies: 1 to 8, and 1 under the plain protocol.
    pub lanes: u8,
    /// The most messages of a lane that wait.
    pub queue_messages_max: u32,
    /// The most messages of a lane in flight.
    pub flight_messages_max: u32,
    /// The largest message that a user may send.
    pub message_bytes_max: u32,
    /// The largest message that a listener takes.
    pub taken_bytes_max: u32,
    /// The most bytes that a listener holds for its application of one key; at least the largest
    /// that it takes.
    pub inbound_bytes_max: u32,
    /// The most bytes that a listener holds for its application of everybody; at least those of one
    /// key.
    pub inbound_bytes_total_max: u32,
    /// The most connections that a listener lets in.
    pub connections_max: u32,
    /// The most of them whose handshake is under way.
    pub handshakes_max: u32,
    /// The most sessions that a listener remembers.
    pub sessions_max: u32,
    /// The most of them of one key.
    pub sessions_per_key_max: u32,
    /// The longest wait before another attempt.
    pub backoff_max: Duration,
    /// The longest wait after a permanent error.
    pub refusal_backoff_max: Duration,
    /// How long a connection may be silent.
    pub idle_timeout: Duration,
    /// After how long without anything said a connection is ended; none for never.
    pub disconnect_after: Option<Duration>,
    /// Whether waits are spread.
    pub jitter: bool,
    /// Whether a message is never sent again unless it is proven that it was not received.
    pub at_most_once: bool,
    /// Whether a full queue drops its oldest message.
    pub drop_oldest: bool,
    /// Whether senders hear that nobody is at an address.
    pub reports: bool,
    /// How many datagrams a node sends in one call, at most.
    pub segments: u8,
    /// Datagrams that a socket holds for a node that does not read.
    pub socket: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            crypto: Crypto::Tls,
            nodes: 2,
            listeners: vec![0],
            dials: vec![(1, 0)],
            v6: Vec::new(),
            shares: Vec::new(),
            end: Duration::from_secs(60),
            plain: false,
            framed: false,
            lanes: 8,
            queue_messages_max: 8_192,
            flight_messages_max: 8_192,
            message_bytes_max: 1 << 20,
            taken_bytes_max: 1 << 20,
            inbound_bytes_max: 4 << 20,
            inbound_bytes_total_max: 512 << 20,
            connections_max: 4_096,
            handshakes_max: 64,
            sessions_max: 4_096,
            sessions_per_key_max: 16,
            backoff_max: Duration::from_secs(30),
            refusal_backoff_max: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(10),
            disconnect_after: Some(Duration::from_secs(300)),
            jitter: false,
            at_most_once: false,
            drop_oldest: false,
            reports: false,
            segments: 10,
            socket: 256,
        }
    }
}

/// Why settings are of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadSettings {
    /// Which of them.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Settings {
    /// The node by whose place a process is known: its own, where it shares nothing.
    pub(super) fn process_of(&self, place: Place) -> Place {
        let mut shares = self.shares.iter();
        shares.find(|it| it.0 == place).map_or(place, |it| it.1)
    }

    /// The nodes of the process of this one, the one that it is known by first.
    pub(super) fn nodes_of(&self, place: Place) -> Vec<Place> {
        let process = self.process_of(place);
        let shares = self.shares.iter().filter(|it| it.1 == process);
        [process].into_iter().chain(shares.map(|it| it.0)).collect()
    }

    /// Whether somebody may be turned away for want of room, with nothing wrong.
    pub(super) fn is_tight(&self) -> bool {
        let roomy = Self::default();
        self.connections_max < roomy.connections_max
            || self.handshakes_max < roomy.handshakes_max
            || self.sessions_max < roomy.sessions_max
            || self.sessions_per_key_max < roomy.sessions_per_key_max
    }

    /// Checks what the nodes' own configurations do not.
    pub(super) fn check(&self) -> Result<(), BadSettings> {
        let refuse = |field, problem: &str| {
            let problem = problem.to_owned();
            Err(BadSettings { field, problem })
        };
        if !(2..=NODES_MAX).contains(&self.nodes) {
            return refuse("nodes", "must be from 2 to 16");
        }
        if self.listeners.iter().any(|&it| it >= self.nodes) {
            return refuse("listen", "must name a node");
        }
        let legal = |&(from, to): &(u8, u8)| {
            from < self.nodes && from != to && self.listeners.contains(&to)
        };
        if !self.dials.iter().all(legal) {
            return refuse("dial", "must name a node and a listener");
        }
        let legal = |&(own, of): &(u8, u8)| {
            let both = self.listeners.contains(&own) && self.listeners.contains(&of);
            let dials = self.dials.iter().any(|it| it.0 == own || it.1 == own);
            both && of < own && self.process_of(of) == of && !dials
        };
        if !self.shares.iter().all(legal) {
            return refuse(
                "share",
                "must name a listener that nobody dials and that dials nobody, and one before it",
            );
        }
        if self.v6.iter().any(|&it| it >= self.nodes) {
            return refuse("v6", "must name a node");
        }
        Ok(())
    }

    /// Reads a line behind `set`.
    pub(super) fn read(&mut self, words: &mut Words<'_>) -> Result<(), BadLine> {
        let name = words.word("a setting")?;
        match name {
            "layer" => match words.word("quic")? {
                "quic" => {}
                other => return Err(bad(other, "the layer of whole nodes, quic")),
            },
            "seed" => self.seed = words.number("", "a seed")?,
            "crypto" => {
                let word = words.word("tls, stock or null")?;
                let all = [Crypto::Tls, Crypto::Stock, Crypto::Null];
                let found = all.into_iter().find(|it| it.name() == word);
                self.crypto = found.ok_or_else(|| bad(word, "tls, stock or null"))?;
            }
            "nodes" => {
                self.nodes = words.small("", "a number of nodes")?;
                (self.listeners, self.dials) = (Vec::new(), Vec::new());
            }
            "listen" => self.listeners.push(words.small("", "a node")?),
            "dial" => self.dials.push(read_pair(words)?),
            "v6" => self.v6.push(words.small("", "a node")?),
            "share" => self.shares.push(read_pair(words)?),
            "end" => self.end = words.duration()?,
            "plain" => self.plain = read_yes_or_no(words)?,
            "framed" => self.framed = read_yes_or_no(words)?,
            "lanes" => self.lanes = words.small("", "a number of lanes")?,
            "queue_messages_max" => self.queue_messages_max = read_count(words)?,
            "flight_messages_max" => self.flight_messages_max = read_count(words)?,
            "message_bytes_max" => self.message_bytes_max = read_count(words)?,
            "taken_bytes_max" => self.taken_bytes_max = read_count(words)?,
            "inbound_bytes_max" => self.inbound_bytes_max = read_count(words)?,
            "inbound_bytes_total_max" => self.inbound_bytes_total_max = read_count(words)?,
            "connections_max" => self.connections_max = read_count(words)?,
            "handshakes_max" => self.handshakes_max = read_count(words)?,
            "sessions_max" => self.sessions_max = read_count(words)?,
            "sessions_per_key_max" => self.sessions_per_key_max = read_count(words)?,
            "backoff_max" => self.backoff_max = words.duration()?,
            "refusal_backoff_max" => self.refusal_backoff_max = words.duration()?,
            "idle_timeout" => self.idle_timeout = words.duration()?,
            "disconnect_after" => {
                let after = words.duration()?;
                self.disconnect_after = (after > Duration::ZERO).then_some(after);
            }
            "jitter" => self.jitter = read_yes_or_no(words)?,
            "at_most_once" => self.at_most_once = read_yes_or_no(words)?,
            "drop_oldest" => self.drop_oldest = read_yes_or_no(words)?,
            "reports" => self.reports = read_yes_or_no(words)?,
            "segments" => self.segments = words.small("", "a number of datagrams")?,
            "socket" => self.socket = read_count(words)?,
            other => return Err(bad(other, "a setting")),
        }
        words.end()
    }
}

fn read_count(words: &mut Words<'_>) -> Result<u32, BadLine> {
    let number = words.number("", "a number")?;
    u32::try_from(number).map_err(|_| bad(&number.to_string(), "a number below 2^32"))
}

/// Each setting on a line, for whoever reads a scenario: also those that are as they would be anyway.
impl Display for Settings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "set layer quic")?;
        writeln!(f, "set seed {}", self.seed)?;
        writeln!(f, "set crypto {}", self.crypto.name())?;
        writeln!(f, "set nodes {}", self.nodes)?;
        for node in &self.listeners {
            writeln!(f, "set listen {node}")?;
        }
        for (from, to) in &self.dials {
            writeln!(f, "set dial {from}>{to}")?;
        }
        for (own, of) in &self.shares {
            writeln!(f, "set share {own}>{of}")?;
        }
        for node in &self.v6 {
            writeln!(f, "set v6 {node}")?;
        }
        let times = [
            ("end", self.end),
            ("backoff_max", self.backoff_max),
            ("refusal_backoff_max", self.refusal_backoff_max),
            ("idle_timeout", self.idle_timeout),
            (
                "disconnect_after",
                self.disconnect_after.unwrap_or_default(),
            ),
        ];
        for (name, time) in times {
            writeln!(f, "set {name} {}", duration(time))?;
        }
        let counts = [
            ("lanes", u32::from(self.lanes)),
            ("queue_messages_max", self.queue_messages_max),
            ("flight_messages_max", self.flight_messages_max),
            ("message_bytes_max", self.message_bytes_max),
            ("taken_bytes_max", self.taken_bytes_max),
            ("inbound_bytes_max", self.inbound_bytes_max),
            ("inbound_bytes_total_max", self.inbound_bytes_total_max),
            ("connections_max", self.connections_max),
            ("handshakes_max", self.handshakes_max),
            ("sessions_max", self.sessions_max),
            ("sessions_per_key_max", self.sessions_per_key_max),
            ("segments", u32::from(self.segments)),
            ("socket", self.socket),
        ];
        for (name, count) in counts {
            writeln!(f, "set {name} {count}")?;
        }
        let flags = [
            ("plain", self.plain),
            ("jitter", self.jitter),
            ("at_most_once", self.at_most_once),
            ("drop_oldest", self.drop_oldest),
            ("reports", self.reports),
        ];
        for (name, yes) in flags {
            writeln!(f, "set {name} {}", yes_or_no(yes))?;
        }
        if self.framed {
            writeln!(f, "set framed yes")?;
        }
        Ok(())
    }
}
