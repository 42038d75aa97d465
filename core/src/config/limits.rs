//! What a sending and a receiving half may hold.

use super::{ConfigError, Priority, SendPolicy};
use crate::inbound::LATE_BYTES_MAX;
use crate::outbound::WRITE_BYTES_MAX;
use crate::{PLAIN_STREAMS, Protocol};

/// The most lanes that either end of a connection may open.
pub const LANES_MAX: u8 = 8;

/// The limits of a sending half. Each lane has them for itself, so that a lane whose messages are
/// not taken never holds up another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct SendLimits {
    /// The lanes that messages may be sent on: 1 to 8, 8 by default.
    pub lanes: u8,
    /// The largest message accepted, in bytes: 1 to 1 GiB, 16 MiB by default.
    pub message_bytes_max: usize,
    /// The most messages of a lane that wait to be written: at least 1, 8,192 by default.
    pub queue_messages_max: usize,
    /// The most bytes of a lane's messages that wait to be written: at least the largest message,
    /// 16 MiB by default.
    pub queue_bytes_max: usize,
    /// The most messages of a lane written and not yet answered: at least 1, 8,192 by default.
    pub flight_messages_max: usize,
    /// The most bytes of a lane's messages written and not yet answered; a message that is larger
    /// may still go alone. At least 1, 4 MiB by default.
    pub flight_bytes_max: usize,
    /// Under [`Protocol::Plain`], the most streams in use at once, each with a message; the other
    /// end may allow fewer. At least 1, 128 by default.
    pub streams_max: u16,
    /// What becomes of messages that cannot go at once, or whose fate is open.
    pub policy: SendPolicy,
}

impl Default for SendLimits {
    fn default() -> Self {
        Self {
            lanes: LANES_MAX,
            message_bytes_max: 16 << 20,
            queue_messages_max: 8_192,
            queue_bytes_max: 16 << 20,
            flight_messages_max: 8_192,
            flight_bytes_max: 4 << 20,
            streams_max: PLAIN_STREAMS,
            policy: SendPolicy::default(),
        }
    }
}

impl SendLimits {
    /// Fits the limits to a protocol. As many lanes as there may be, the default, are as many as the
    /// protocol has.
    pub(crate) fn speak(&mut self, protocol: Protocol) -> Result<(), ConfigError> {
        match (protocol, self.lanes) {
            (Protocol::Lanes, _) | (Protocol::Plain | Protocol::Framed, 1) => Ok(()),
            (Protocol::Plain | Protocol::Framed, LANES_MAX) => {
                self.lanes = 1;
                Ok(())
            }
            (Protocol::Plain | Protocol::Framed, _) => {
                let problem = "must be 1 under a protocol that has no lanes";
                Err(ConfigError::new("lanes", problem))
            }
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field, problem| Err(ConfigError::new(field, problem));
        if !(1..=LANES_MAX).contains(&self.lanes) {
            return refuse("lanes", "must be from 1 to 8");
        }
        check_message_bytes_max(self.message_bytes_max)?;
        if self.queue_messages_max == 0 {
            return refuse("queue_messages_max", "must be at least 1");
        }
        if self.queue_bytes_max < self.message_bytes_max {
            return refuse("queue_bytes_max", "must be at least message_bytes_max");
        }
        if self.flight_messages_max == 0 {
            return refuse("flight_messages_max", "must be at least 1");
        }
        if self.flight_bytes_max == 0 {
            return refuse("flight_bytes_max", "must be at least 1");
        }
        if self.streams_max == 0 {
            return refuse("streams_max", "must be at least 1");
        }
        let classes = self.policy.priorities.iter();
        let mut beyond = classes.skip(usize::from(self.lanes));
        if beyond.any(|class| *class != Priority::default()) {
            return refuse("priority", "must be of a lane below lanes");
        }
        self.policy.check()
    }

    /// The most memory, in bytes, of a sending half: payloads queued and in flight (one message
    /// of a lane may exceed its flight's limit alone), the books of each message, and one write
    /// of each lane being composed.
    pub fn memory_max(&self) -> usize {
        const BOOKS_PER_MESSAGE: usize = 320;
        let payloads = self
            .queue_bytes_max
            .saturating_add(self.flight_bytes_max)
            .saturating_add(self.message_bytes_max);
        let books = self
            .queue_messages_max
            .saturating_add(self.flight_messages_max)
            .saturating_mul(BOOKS_PER_MESSAGE);
        payloads
            .saturating_add(books)
            .saturating_add(2 * WRITE_BYTES_MAX)
            .saturating_mul(usize::from(self.lanes))
    }

    pub(crate) fn actions_per_step_max(&self) -> usize {
        const OF_A_LANE: usize = 4;
        // Under the plain protocol each stream may begin with a write.
        const OF_A_MESSAGE: usize = 2;
        self.queue_messages_max
            .saturating_add(self.flight_messages_max)
            .saturating_mul(OF_A_MESSAGE)
            .saturating_add(OF_A_LANE)
            .saturating_mul(usize::from(self.lanes))
            .saturating_add(usize::from(self.streams_max))
    }
}

/// The limits of a receiving half.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct ReceiveLimits {
    pub(crate) message_bytes_max: usize,
    pub(crate) inbound_bytes_max: usize,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 << 20,
            inbound_bytes_max: 32 << 20,
        }
    }
}

impl ReceiveLimits {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_message_bytes_max(self.message_bytes_max)?;
        if self.inbound_bytes_max < self.message_bytes_max {
            let problem = "must be at least message_bytes_max";
            return Err(ConfigError::new("inbound_bytes_max", problem));
        }
        Ok(())
    }

    /// Payloads are counted with their books, and a buffer may be twice what is in it. One message
    /// of each lane but the first may be above the budget. What comes behind a message that waits
    /// for room is kept as well: at most what a stream is read in one turn.
    ///
    /// Without lanes there is one. Under the plain protocol each stream keeps what came of it, in a buffer that
    /// may be twice as large, and connections that are lost leave as much behind.
    pub(crate) fn memory_max(&self, protocol: Protocol) -> usize {
        const BESIDE_PER_LANE: usize = 260 << 10;
        const BESIDE_LANES: usize = 3 * LATE_BYTES_MAX;
        if !protocol.has_lanes() {
            return self
                .inbound_bytes_max
                .saturating_mul(2)
                .saturating_add(BESIDE_LANES);
        }
        let lanes = usize::from(LANES_MAX);
        self.message_bytes_max
            .saturating_mul(lanes - 1)
            .saturating_add(self.inbound_bytes_max)
            .saturating_mul(2)
            .saturating_add(lanes * BESIDE_PER_LANE)
    }
}

/// The limits that a [`PeerReceiverMachine`](crate::PeerReceiverMachine) keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct ReceiverConfig {
    pub(crate) protocol: Protocol,
    pub(crate) receive: ReceiveLimits,
    /// Of replies.
    pub(crate) send: SendLimits,
}

impl ReceiverConfig {
    /// `message_bytes_max`: the largest message taken, 16 MiB by default. `inbound_bytes_max`: the
    /// most bytes held at once by a session, on all its lanes, half-received messages included,
    /// 32 MiB by default. A lane of which nothing is held may take one message beyond it, so that no
    /// lane waits for another.
    ///
    /// # Errors
    ///
    /// `message_bytes_max` outside 1 byte to 1 GiB, or `inbound_bytes_max` below it.
    pub fn new(message_bytes_max: usize, inbound_bytes_max: usize) -> Result<Self, ConfigError> {
        let receive = ReceiveLimits {
            message_bytes_max,
            inbound_bytes_max,
        };
        receive.check()?;
        Ok(Self {
            protocol: Protocol::Lanes,
            receive,
            send: SendLimits::default(),
        })
    }

    /// The same for those who speak this protocol.
    ///
    /// # Errors
    ///
    /// Replies may use several lanes, or one above 0 has a priority, and the protocol has one lane.
    pub fn with_protocol(mut self, protocol: Protocol) -> Result<Self, ConfigError> {
        self.protocol = protocol;
        self.send.speak(protocol)?;
        self.send.check()?;
        Ok(self)
    }

    /// The same with these limits of what is sent in reply.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn with_replies(mut self, replies: SendLimits) -> Result<Self, ConfigError> {
        self.send = replies;
        self.send.speak(self.protocol)?;
        self.send.check()?;
        Ok(self)
    }

    /// The largest message taken, in bytes.
    pub fn message_bytes_max(&self) -> usize {
        self.receive.message_bytes_max
    }

    /// The most bytes of messages held at once.
    pub fn inbound_bytes_max(&self) -> usize {
        self.receive.inbound_bytes_max
    }

    /// The limits of replies.
    pub fn replies(&self) -> &SendLimits {
        &self.send
    }
}

fn check_message_bytes_max(bytes: usize) -> Result<(), ConfigError> {
    match bytes {
        1..=0x4000_0000 => Ok(()),
        _ => Err(ConfigError::new(
            "message_bytes_max",
            "must be from 1 byte to 1 GiB",
        )),
    }
}
