//! The lane's stream in one connection: what was written on it, and what came back.

use bytes::Bytes;

use super::{OutboundLane, PIPELINED_BYTES_MAX};
use crate::wire::{Decoder, Frame, Item, Open, Resume, VARINT_MAX};
use crate::{
    Lane, Level, Outcome, ProtocolError, Redelivery, RefuseCode, SessionId, Time, TransferId,
    Violation,
};

/// One lane's stream. Dropped with its connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneStream {
    pub(super) lane: Lane,
    pub(super) open: Open,
    pub(super) open_written: bool,
    /// When the answer to OPEN is overdue.
    pub(super) resume_due: Time,
    /// The receiver's answer to OPEN, once it has come.
    pub(super) resume: Option<Resume>,
    /// Numbers below it were written on earlier connections, so that RESUME judges them.
    pub(super) judged_below: u64,
    /// The number of the stream's next MESSAGE, as both ends count.
    pub(super) position: u64,
    /// What the last RESUME or RECEIPT of this connection said.
    pub(super) taken: u64,
    /// The write that QUIC has not taken whole yet.
    pub(super) transfer: Option<TransferId>,
    pub(super) fin_written: bool,
    /// The way back has ended, or was cut: nothing more is written or heard.
    pub(super) over: bool,
    pub(super) way_back: Decoder,
    pub(super) redelivery: Redelivery,
}

/// How the way back ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StreamEnd {
    /// After our FIN and the last RECEIPT: nothing is left to say.
    Complete,
    /// Before our FIN, or before the last RECEIPT: the other end stops, and takes nothing more.
    GoingAway,
}

impl LaneStream {
    /// The stream by which the lane is opened in a connection, not written yet.
    pub(super) fn new(
        lane: Lane,
        books: &OutboundLane,
        session: SessionId,
        redelivery: Redelivery,
        resume_due: Time,
    ) -> Self {
        let fresh = !books.opened;
        let base = books.first;
        Self {
            lane,
            open: Open {
                fresh,
                session,
                lane: u64::from(lane.0),
                base,
            },
            open_written: false,
            resume_due,
            resume: None,
            judged_below: if fresh { base } else { books.next_number() },
            position: base,
            taken: 0,
            transfer: None,
            fin_written: false,
            over: false,
            way_back: Decoder::default(),
            redelivery,
        }
    }

    /// By when RESUME must come; none once it has. RESUME is sent at once, whatever the
    /// application does, so a receiver that keeps it back is of no use.
    pub(super) fn resume_due(&self) -> Option<Time> {
        (self.resume.is_none() && !self.over).then_some(self.resume_due)
    }

    /// Whether messages may be written: at once after a fresh OPEN, otherwise after RESUME. Under
    /// at-most-once always after it, since what was written before can never be proven lost.
    pub(super) fn is_flowing(&self) -> bool {
        let pipelines = self.open.fresh && self.redelivery == Redelivery::AtLeastOnce;
        !self.fin_written && !self.over && (pipelines || self.resume.is_some())
    }

    /// Whether the receiver has said what it has, and will say what it takes.
    pub(super) fn is_heard(&self) -> bool {
        self.resume.is_some() && !self.over
    }

    /// Whether our FIN was written.
    pub(super) fn is_finished(&self) -> bool {
        self.fin_written
    }

    /// Whether the way back has ended, or was cut.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The other end has given the stream up.
    pub(super) fn cut(&mut self) {
        self.over = true;
    }

    /// Whether nothing may be appended before QUIC has taken the last write.
    pub(super) fn is_writing(&self) -> bool {
        self.transfer.is_some()
    }

    pub(super) fn write_began(&mut self, transfer: TransferId, fin: bool) {
        self.transfer = Some(transfer);
        self.fin_written |= fin;
    }

    /// Says whether it was this stream's write that QUIC has taken.
    pub(super) fn write_finished(&mut self, transfer: TransferId) -> bool {
        let known = self.transfer == Some(transfer);
        if known {
            self.transfer = None;
        }
        known
    }

    /// Whether this is a fresh OPEN that has no answer: a close with code 1 then says that the
    /// session is known to the receiver.
    pub(super) fn awaits_first_resume(&self) -> bool {
        self.open.fresh && self.open_written && self.resume.is_none()
    }

    /// Whether a message of this size may be written now; `Err` if it can never be.
    pub(super) fn admits(&self, payload_bytes: usize) -> Result<bool, RefuseCode> {
        match self.resume {
            Some(resume) if payload_bytes as u64 > resume.message_bytes_max => {
                Err(RefuseCode::TooLarge)
            }
            Some(_) => Ok(true),
            None => Ok(payload_bytes <= PIPELINED_BYTES_MAX),
        }
    }

    /// Where a SKIP right after RESUME leads: what the receiver holds is not sent again.
    pub(super) fn resumed_at(&self) -> u64 {
        self.resume.map_or(self.open.base, |resume| resume.next)
    }

    /// Every number below it can be known to the receiver from this stream.
    fn sent_below(&self) -> u64 {
        self.position.max(self.resumed_at())
    }

    /// Takes the next bytes of the way back.
    ///
    /// # Errors
    ///
    /// What the other end did wrong; the connection is lost then.
    pub(super) fn receive(
        &mut self,
        lane: &mut OutboundLane,
        mut bytes: Bytes,
        fin: bool,
    ) -> Result<Option<StreamEnd>, ProtocolError> {
        if self.over {
            return Ok(None);
        }
        while let Some(item) = self.way_back.next(&mut bytes)? {
            match item {
                Item::Frame(Frame::Resume(resume)) => self.resumed(lane, resume)?,
                Item::Frame(Frame::Receipt { taken }) => self.receipted(lane, taken)?,
                Item::Frame(Frame::Refuse { number, code }) => self.refused(lane, number, code)?,
                Item::Frame(frame) => {
                    return Err(ProtocolError::Unexpected {
                        frame: frame.name(),
                    });
                }
                Item::MessageBegins { .. } | Item::Message(_) => {
                    return Err(ProtocolError::Unexpected { frame: "MESSAGE" });
                }
            }
        }
        if !fin {
            return Ok(None);
        }
        self.way_back.finish()?;
        self.over = true;
        Ok(Some(match self.fin_written && lane.in_flight == 0 {
            true => StreamEnd::Complete,
            false => StreamEnd::GoingAway,
        }))
    }

    fn resumed(&mut self, lane: &mut OutboundLane, resume: Resume) -> Result<(), ProtocolError> {
        if self.resume.is_some() {
            return Err(ProtocolError::Unexpected { frame: "RESUME" });
        }
        let range = |field| Err(ProtocolError::ResumeRange { field });
        // A receiver that knows nothing of a fresh lane starts where OPEN says; any other raises
        // its `next` to the base.
        let next_max = if self.open.fresh {
            self.open.base
        } else {
            self.judged_below
        };
        if !(self.open.base..=next_max).contains(&resume.next) {
            return range("next");
        }
        if resume.taken > resume.next {
            return range("taken");
        }
        if resume.message_bytes_max > VARINT_MAX {
            return range("message_bytes_max");
        }
        self.resume = Some(resume);
        self.taken = resume.taken;
        let base = self.open.base;
        lane.judge(self.judged_below, base, &resume, self.redelivery);
        Ok(())
    }

    fn receipted(&mut self, lane: &mut OutboundLane, taken: u64) -> Result<(), ProtocolError> {
        self.expect_resumed("RECEIPT")?;
        if taken > self.sent_below() {
            return Err(ProtocolError::ReceiptAhead);
        }
        if taken < self.taken {
            return Err(ProtocolError::ReceiptBack);
        }
        self.taken = taken;
        let settled = taken + u64::from(broken!(ReceiptCoversOneMore));
        lane.decide_below(settled, &Outcome::Delivered(Level::Application));
        Ok(())
    }

    fn refused(
        &mut self,
        lane: &mut OutboundLane,
        number: u64,
        code: u64,
    ) -> Result<(), ProtocolError> {
        self.expect_resumed("REFUSE")?;
        if number < self.taken || number >= self.sent_below() {
            return Err(ProtocolError::RefuseRange);
        }
        // A refusal that was told before a connection was lost is told again: settled already.
        lane.decide(number, Outcome::Refused(RefuseCode::from_wire(code)));
        Ok(())
    }

    fn expect_resumed(&self, frame: &'static str) -> Result<(), ProtocolError> {
        match self.resume {
            Some(_) => Ok(()),
            None => Err(ProtocolError::Unexpected { frame }),
        }
    }

    /// Whether its numbers are those of its lane.
    pub(super) fn check(&self, lane: &OutboundLane) -> Result<(), Violation> {
        let wrong = |what| Err(Violation { id: "I7", what });
        let (base, next) = (self.open.base, lane.next_number());
        if !(base..=next).contains(&self.position) {
            return wrong("a stream stands where its lane has no number");
        }
        if !(base..=next).contains(&self.judged_below) {
            return wrong("numbers are judged that a lane does not have");
        }
        let resumed = |resume: Resume| (base..=self.judged_below).contains(&resume.next);
        if !self.resume.is_none_or(resumed) {
            return wrong("a stream is resumed where its lane has no number");
        }
        if self.taken > self.sent_below() {
            return wrong("more is taken than was sent");
        }
        Ok(())
    }

    /// The lowest number that the stream speaks of.
    pub(super) fn lowest_number(&self) -> u64 {
        self.open.base.min(self.taken)
    }

    /// Names of its writes become that of a first one, and times count from `now`.
    pub(super) fn rename(&mut self, now: Time) {
        // Once it has come, when it was due makes no difference.
        let left = self.resume_due().map(|due| due.saturating_since(now));
        self.resume_due = Time::ZERO + left.unwrap_or_default();
        self.transfer = self.transfer.map(|_| TransferId(0));
    }

    /// Moves all numbers down by `origin`, which is at most the lowest in use.
    pub(super) fn renumber(&mut self, origin: u64) {
        self.open.base -= origin;
        self.judged_below -= origin;
        self.position -= origin;
        self.taken = self.taken.saturating_sub(origin);
        if let Some(resume) = &mut self.resume {
            resume.taken = resume.taken.saturating_sub(origin);
            resume.next -= origin;
        }
    }
}
