//! A lane's stream in one connection: what may be written on it, and what its way back says.

use peer_sender_core::wire::{Frame, Resume};
use peer_sender_core::{Outcome, Redelivery, RefuseCode, Time};

use super::Settled;
use super::lane::{Begun, Lane, Proof};
use super::receiver::{Back, Forth};
use crate::shape::Shape;

/// Before the RESUME no message above this size is written.
const BEFORE_RESUME_BYTES_MAX: usize = 64 << 10;

/// A stream that the sender has opened.
#[derive(Clone, Debug)]
pub struct Stream {
    pub lane: u8,
    fresh: bool,
    base: u64,
    open_written: bool,
    resume: Option<Resume>,
    /// Numbers below it were written on earlier connections.
    judged_below: u64,
    position: u64,
    told: u64,
    /// QUIC has not taken the last write.
    pub writing: bool,
    pub(super) finished: bool,
    /// The way back has ended.
    pub(super) over: bool,
    due: Time,
}

/// How much may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    All,
    /// All there is, and then the end.
    Last,
    /// The end.
    End,
}

/// What a frame of the way back leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Fine,
    Broken,
    GoingAway,
}

impl Stream {
    pub(super) fn new(number: u8, lane: &Lane, due: Time) -> Self {
        let (fresh, base) = (!lane.opened, lane.base());
        Self {
            lane: number,
            fresh,
            base,
            open_written: false,
            resume: None,
            judged_below: if fresh { base } else { lane.next },
            position: base,
            told: 0,
            writing: false,
            finished: false,
            over: false,
            due,
        }
    }

    /// By when RESUME has to come.
    pub(super) fn due(&self) -> Option<Time> {
        (self.resume.is_none() && !self.over).then_some(self.due)
    }

    pub fn awaits_first_resume(&self) -> bool {
        self.fresh && self.resume.is_none()
    }

    /// Messages may follow a fresh OPEN at once, unless each may be sent only once.
    fn flows(&self, shape: &Shape) -> bool {
        self.fresh && shape.redelivery == Redelivery::AtLeastOnce || self.resume.is_some()
    }

    /// The first number that the receiver cannot have heard of on this stream.
    pub fn sent_below(&self) -> u64 {
        let next = self.resume.map_or(self.base, |it| it.next);
        self.position.max(next)
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    pub fn told(&self) -> u64 {
        self.told
    }

    pub fn is_resumed(&self) -> bool {
        self.resume.is_some()
    }

    /// The next number above all that were given out before this connection.
    pub fn judged_below(&self) -> u64 {
        self.judged_below
    }

    /// Whether a message of this size may be written now; `None` if never.
    fn admits(&self, bytes: usize) -> Option<bool> {
        match self.resume {
            Some(resume) if bytes as u64 > resume.message_bytes_max => None,
            Some(_) => Some(true),
            None => Some(bytes <= BEFORE_RESUME_BYTES_MAX),
        }
    }

    /// What is written on it in this step.
    pub(super) fn compose(
        &mut self,
        lane: &mut Lane,
        session: u64,
        flow: Flow,
        shape: &Shape,
        settled: &mut Settled,
    ) -> Vec<Forth> {
        let mut write = Vec::new();
        if self.writing || self.over {
            return write;
        }
        if !self.open_written {
            self.open_written = true;
            lane.opened = true;
            let (fresh, base) = (self.fresh, self.base);
            write.push(Forth::Open {
                fresh,
                session,
                base,
            });
        }
        if !self.flows(shape) || self.finished {
            return write;
        }
        let held_below = self.sent_below();
        skip(&mut write, held_below - self.position);
        self.position = held_below;
        self.compose_again(lane, &mut write, settled);
        if flow != Flow::End {
            self.compose_new(lane, shape, &mut write, settled);
        }
        let said_all = self.position == lane.next && self.resume.is_some();
        if said_all && (flow == Flow::End || flow == Flow::Last && lane.queue.is_empty()) {
            self.finished = true;
            write.push(Forth::Fin);
        }
        write
    }

    /// Numbers given out already, in their order.
    fn compose_again(&mut self, lane: &mut Lane, write: &mut Vec<Forth>, settled: &mut Settled) {
        while self.position < lane.next {
            let number = self.position;
            let Some(bytes) = lane.begun.get(&number).map(|it| it.message.bytes) else {
                skip(write, 1);
                self.position += 1;
                continue;
            };
            match self.admits(bytes) {
                Some(true) => {}
                Some(false) => return,
                None => {
                    lane.settle_too_large(number, settled);
                    continue;
                }
            }
            if let Some(begun) = lane.begun.get_mut(&number) {
                if begun.proof == Proof::Proven {
                    begun.proof = Proof::Open;
                }
                write.push(Forth::Message(begun.message.clone()));
            }
            self.position += 1;
        }
    }

    /// What waits, as far as the flight has room.
    fn compose_new(
        &mut self,
        lane: &mut Lane,
        shape: &Shape,
        write: &mut Vec<Forth>,
        settled: &mut Settled,
    ) {
        while self.position == lane.next
            && let Some(bytes) = lane.queue.front().map(|it| it.bytes)
        {
            match self.admits(bytes) {
                Some(true) if lane.flight_takes(bytes, shape) => {}
                Some(_) => return,
                None => {
                    lane.room_made = true;
                    if let Some(message) = lane.queue.pop_front() {
                        settled.push((message.id, Outcome::Refused(RefuseCode::TooLarge)));
                    }
                    continue;
                }
            }
            lane.room_made = true;
            if let Some(message) = lane.queue.pop_front() {
                write.push(Forth::Message(message.clone()));
                let begun = Begun {
                    message,
                    proof: Proof::Open,
                    given_up: None,
                };
                lane.begun.insert(lane.next, begun);
                lane.next += 1;
                self.position += 1;
            }
        }
    }

    /// What the next frame of the way back says.
    pub(super) fn hear(
        &mut self,
        lane: &mut Lane,
        back: &Back,
        shape: &Shape,
        settled: &mut Settled,
    ) -> Heard {
        match back {
            Back::Extension(_) => Heard::Fine,
            Back::Wrong(_) | Back::Truncated(_) => Heard::Broken,
            Back::Fin => {
                self.over = true;
                match self.finished && lane.begun.is_empty() {
                    true => Heard::Fine,
                    false => Heard::GoingAway,
                }
            }
            Back::Frame(frame) => match self.hear_frame(lane, frame, shape, settled) {
                true => Heard::Fine,
                false => Heard::Broken,
            },
        }
    }

    fn hear_frame(
        &mut self,
        lane: &mut Lane,
        frame: &Frame,
        shape: &Shape,
        settled: &mut Settled,
    ) -> bool {
        match *frame {
            Frame::Resume(resume) => {
                let next_max = if self.fresh {
                    self.base
                } else {
                    self.judged_below
                };
                let fits = self.resume.is_none()
                    && (self.base..=next_max).contains(&resume.next)
                    && resume.taken <= resume.next;
                if fits {
                    self.told = resume.taken;
                    let numbers = (self.base, self.judged_below);
                    lane.judge(&resume, numbers, shape, settled);
                    self.resume = Some(resume);
                }
                fits
            }
            Frame::Receipt { taken } => {
                let fits =
                    self.resume.is_some() && (self.told..=self.sent_below()).contains(&taken);
                if fits {
                    self.told = taken;
                    lane.taken(taken, settled);
                }
                fits
            }
            Frame::Refuse { number, code } => {
                let fits =
                    self.resume.is_some() && (self.told..self.sent_below()).contains(&number);
                if fits {
                    let code = RefuseCode::from_wire(code);
                    lane.settle(number, Outcome::Refused(code), settled);
                }
                fits
            }
            Frame::Open(_) | Frame::Skip { .. } => false,
        }
    }
}

/// SKIPs in a row count as one.
fn skip(write: &mut Vec<Forth>, count: u64) {
    match (count, write.last_mut()) {
        (0, _) => {}
        (count, Some(Forth::Skip(before))) => *before += count,
        (count, _) => write.push(Forth::Skip(count)),
    }
}
