//! A receiver as `docs/wire.md` describes it, small and slow: records that outlive connections,
//! what is held, what was refused, and what is said on the way back.

use std::collections::{BTreeMap, VecDeque};

use peer_sender_core::wire::{Frame, Resume};
use peer_sender_core::{CloseCode, Epoch};

use super::Message;

/// A refusal by the application.
const REFUSED: u64 = 2;
/// A refusal of what is too large.
const TOO_LARGE: u64 = 1;

/// A receiving process.
#[derive(Clone, Debug)]
pub struct Receiver {
    epoch: u8,
    bytes_max: usize,
    records: BTreeMap<(u64, u8), Record>,
    records_made: u64,
    /// Every message that was handed to the application, in order, with the process.
    pub handed: Vec<(u8, Message)>,
    /// What the application accepted.
    pub accepted: Vec<u64>,
    /// What the application refused, or a limit.
    pub refused: Vec<u64>,
}

/// What is known of one lane of one session.
#[derive(Clone, Debug)]
struct Record {
    number: u64,
    next: u64,
    held: BTreeMap<u64, Message>,
    refusals: BTreeMap<u64, u64>,
    /// The newest connection that ever opened the lane.
    attempt: u64,
}

/// What travels from the sender to the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forth {
    Open {
        fresh: bool,
        session: u64,
        base: u64,
    },
    Skip(u64),
    Message(Message),
    Fin,
}

/// What travels back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    Frame(Frame),
    /// Bytes that are no frame of a way back.
    Wrong(Vec<u8>),
    /// Half a frame, and the end.
    Truncated(Vec<u8>),
    /// Bytes that are passed over.
    Extension(Vec<u8>),
    Fin,
}

/// A lane's stream as the receiver's end of the connection has it.
#[derive(Clone, Debug)]
pub struct Wire {
    pub attempt: u64,
    pub lane: u8,
    session: Option<u64>,
    position: u64,
    told: u64,
    fin: bool,
    fin_told: bool,
    /// Written by the sender and not arrived.
    pub forth: VecDeque<Forth>,
    /// Said and not heard by the sender: each frame, and how many of its bytes are still to come.
    pub back: VecDeque<(Back, Vec<u8>)>,
    /// The receiver closes the connection for this.
    pub closes: Option<CloseCode>,
}

impl Wire {
    pub fn new(attempt: u64, lane: u8) -> Self {
        Self {
            attempt,
            lane,
            session: None,
            position: 0,
            told: 0,
            fin: false,
            fin_told: false,
            forth: VecDeque::new(),
            back: VecDeque::new(),
            closes: None,
        }
    }

    /// Whether its OPEN has arrived.
    pub fn is_open(&self) -> bool {
        self.session.is_some()
    }

    pub fn say(&mut self, back: Back) {
        let bytes = match &back {
            Back::Frame(frame) => {
                let mut bytes = Vec::new();
                frame.encode(&mut bytes);
                bytes
            }
            Back::Wrong(bytes) | Back::Truncated(bytes) | Back::Extension(bytes) => bytes.clone(),
            Back::Fin => Vec::new(),
        };
        self.back.push_back((back, bytes));
    }
}

impl Back {
    /// Whether some of its bytes were heard, and so many were not.
    pub fn is_half(&self, left: usize) -> bool {
        match self {
            Self::Frame(frame) => {
                let mut bytes = Vec::new();
                frame.encode(&mut bytes);
                left < bytes.len()
            }
            Self::Extension(bytes) => left < bytes.len(),
            Self::Wrong(_) | Self::Truncated(_) | Self::Fin => false,
        }
    }
}

impl Record {
    /// The lowest number that is still held, or the next one.
    fn taken(&self) -> u64 {
        self.held.keys().next().copied().unwrap_or(self.next)
    }
}

impl Receiver {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            epoch: 1,
            bytes_max,
            records: BTreeMap::new(),
            records_made: 0,
            handed: Vec::new(),
            accepted: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The process begins anew: another epoch, and nothing is known.
    pub fn restart(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.epoch += 1;
        self.records_made = 0;
        self.records.clear();
    }

    /// The session is forgotten; the count of records goes on.
    pub fn forget(&mut self) {
        self.records.clear();
    }

    pub fn bytes_max(&self) -> u64 {
        self.bytes_max as u64
    }

    /// How many messages of this lane the application has before it.
    pub fn holds(&self, wire: &Wire) -> usize {
        let record = self.record(wire);
        record.map_or(0, |record| record.held.len())
    }

    fn record(&self, wire: &Wire) -> Option<&Record> {
        self.records.get(&(wire.session?, wire.lane))
    }

    fn record_mut(&mut self, wire: &Wire) -> Option<&mut Record> {
        let record = self.records.get_mut(&(wire.session?, wire.lane))?;
        (record.attempt == wire.attempt).then_some(record)
    }

    /// The next frame of a stream arrives.
    pub fn arrive(&mut self, wire: &mut Wire) {
        if wire.closes.is_some() {
            return;
        }
        let Some(frame) = wire.forth.pop_front() else {
            return;
        };
        match frame {
            Forth::Open {
                fresh,
                session,
                base,
            } => self.open(wire, fresh, session, base),
            Forth::Skip(count) => {
                wire.position += count;
                let position = wire.position;
                if let Some(record) = self.record_mut(wire) {
                    record.next = record.next.max(position);
                }
                self.tell(wire);
            }
            Forth::Message(message) => self.message(wire, message),
            Forth::Fin => wire.fin = true,
        }
        self.end(wire);
    }

    fn open(&mut self, wire: &mut Wire, fresh: bool, session: u64, base: u64) {
        let key = (session, wire.lane);
        let known = self.records.get_mut(&key);
        if known.as_ref().is_some_and(|it| it.attempt > wire.attempt) {
            return;
        }
        if fresh && known.is_some() {
            wire.closes = Some(CloseCode::Protocol);
            return;
        }
        let made = self.records_made;
        self.records_made += u64::from(known.is_none());
        let record = self.records.entry(key).or_insert_with(|| Record {
            number: made,
            next: base,
            held: BTreeMap::new(),
            refusals: BTreeMap::new(),
            attempt: wire.attempt,
        });
        record.attempt = wire.attempt;
        record.next = record.next.max(base);
        record.refusals.retain(|&number, _| number >= base);
        wire.session = Some(session);
        wire.position = base;
        let refused = record.refusals.keys().next().copied();
        let taken = record.taken();
        let told = refused.map_or(taken, |refused| refused.min(taken));
        let resume = Frame::Resume(Resume {
            epoch: Epoch([self.epoch; 16]),
            record: record.number,
            taken: told,
            next: record.next,
            message_bytes_max: self.bytes_max as u64,
        });
        wire.told = told;
        wire.say(Back::Frame(resume));
        self.tell(wire);
    }

    fn message(&mut self, wire: &mut Wire, message: Message) {
        let (number, limit, epoch) = (wire.position, self.bytes_max, self.epoch);
        let Some(record) = self.record_mut(wire) else {
            return;
        };
        wire.position += 1;
        if number < record.next {
            return;
        }
        record.next = number + 1;
        if message.bytes > limit {
            record.refusals.insert(number, TOO_LARGE);
            self.refused.push(message.id);
            wire.closes = Some(CloseCode::MessageTooLarge);
            return;
        }
        record.held.insert(number, message.clone());
        self.handed.push((epoch, message));
    }

    /// The application answers the oldest messages that are held.
    pub fn accept(&mut self, wire: &mut Wire, count: usize) {
        for _ in 0..count {
            let Some(record) = self.record_mut(wire) else {
                return;
            };
            let Some((number, message)) = record.held.pop_first() else {
                break;
            };
            if message.refused {
                record.refusals.insert(number, REFUSED);
                self.refused.push(message.id);
            } else {
                self.accepted.push(message.id);
            }
        }
        self.tell(wire);
        self.end(wire);
    }

    /// The application refuses one that is held, whichever.
    pub fn refuse(&mut self, wire: &mut Wire, place: usize) {
        let Some(record) = self.record_mut(wire) else {
            return;
        };
        let Some(&number) = record.held.keys().nth(place % record.held.len().max(1)) else {
            return;
        };
        if let Some(message) = record.held.remove(&number) {
            record.refusals.insert(number, REFUSED);
            self.refused.push(message.id);
        }
        self.tell(wire);
        self.end(wire);
    }

    /// Says what is decided and was not said: each REFUSE right before the RECEIPT that covers it.
    fn tell(&mut self, wire: &mut Wire) {
        let told = wire.told;
        let Some(record) = self.record_mut(wire) else {
            return;
        };
        let taken = record.taken();
        if taken <= told {
            return;
        }
        let due: Vec<_> = record
            .refusals
            .range(told..taken)
            .map(|(&number, &code)| Frame::Refuse { number, code })
            .collect();
        wire.told = taken;
        due.into_iter()
            .for_each(|frame| wire.say(Back::Frame(frame)));
        wire.say(Back::Frame(Frame::Receipt { taken }));
    }

    /// After the sender's FIN and the last RECEIPT the way back ends, too.
    fn end(&self, wire: &mut Wire) {
        let held = self.record(wire).is_some_and(|it| !it.held.is_empty());
        if wire.fin && !held && !wire.fin_told {
            wire.fin_told = true;
            wire.say(Back::Fin);
        }
    }
}
