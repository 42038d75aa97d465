//! A lane's record joined to the stream that holds the lane now.

mod check;
mod stream;

use alloc::vec::Vec;

use self::stream::{Arrival, End, LaneStream, beyond};
use super::{Budget, Record};
use crate::wire::{Frame, Open, Resume};
use crate::{
    Action, Attempt, CloseCode, Epoch, Lane, ProtocolError, RefuseCode, StreamId, TransferId,
};

/// Bytes of answers after which the rest waits for the next write.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A stream among all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Place {
    pub(crate) attempt: Attempt,
    pub(crate) stream: StreamId,
}

impl Place {
    /// Ends both directions of the stream at once.
    pub(crate) fn cut(self, code: CloseCode) -> [Action; 2] {
        let Self { attempt, stream } = self;
        let stop = Action::StopSending {
            attempt,
            stream,
            code,
        };
        let reset = Action::ResetStream {
            attempt,
            stream,
            code,
        };
        [stop, reset]
    }
}

/// The inbound half of one lane. It begins with the lane's first OPEN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct InboundLane {
    known: Option<Known>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
struct Known {
    record: Record,
    /// The newest connection on which the lane was opened, whether or not it still stands: an
    /// OPEN that comes late on an older one must not undo what the newer one was told.
    newest: Attempt,
    stream: Option<LaneStream>,
}

/// What an OPEN did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Its stream holds the lane, instead of this one.
    Holds { cut: Option<Place> },
    /// It came on an older connection than the lane's last one, and changed nothing.
    Superseded,
}

/// What becomes of a message whose head was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Its payload is to be read.
    Taken,
    /// It was received before: its payload is passed over.
    Dropped,
    /// It waits for room in the budget.
    Waits,
    /// It is too large: refused, and the connection is to be closed.
    TooLarge,
    /// Too many refusals are remembered to take more.
    Overloaded,
}

/// Frames for the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) place: Place,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fin: bool,
}

impl InboundLane {
    /// The newest connection on which the lane was opened.
    pub(crate) fn newest(&self) -> Option<Attempt> {
        self.known.as_ref().map(|known| known.newest)
    }

    /// Gives connections and writes other names, for states to be compared across histories.
    pub(crate) fn rename(&mut self, name: impl Fn(Attempt) -> Attempt) {
        if let Some(known) = &mut self.known {
            known.newest = name(known.newest);
            if let Some(stream) = &mut known.stream {
                stream.place.attempt = name(stream.place.attempt);
                stream.write = stream.write.map(|_| TransferId(0));
            }
        }
    }

    /// An OPEN of this lane was read. It makes a record if there is none, and takes the lane over
    /// from the stream that held it.
    pub(crate) fn open(
        &mut self,
        place: Place,
        open: &Open,
        names: &Names,
        budget: &mut Budget,
    ) -> Result<Opened, ProtocolError> {
        let (known, cut) = match &mut self.known {
            None => {
                let record = Record::new(names.lane, names.record, open.base);
                let newest = place.attempt;
                (
                    self.known.insert(Known {
                        record,
                        newest,
                        stream: None,
                    }),
                    None,
                )
            }
            Some(known) => {
                if place.attempt < known.newest && !broken!(LateOpenTakesOver) {
                    return Ok(Opened::Superseded);
                }
                if open.fresh {
                    return Err(ProtocolError::SessionReused);
                }
                let cut = known.lose_stream(budget);
                known.newest = place.attempt;
                known.record.reopen(open.base);
                (known, cut)
            }
        };
        let told = known.record.taken_to_resume();
        let resume = Resume {
            epoch: names.epoch,
            record: known.record.number(),
            taken: told,
            next: known.record.next(),
            message_bytes_max: names.message_bytes_max as u64,
        };
        known.stream = Some(LaneStream {
            place,
            position: open.base,
            arrival: Arrival::Idle,
            resume: Some(resume),
            told,
            write: None,
            end: End::Open,
        });
        Ok(Opened::Holds { cut })
    }

    /// A MESSAGE's head was read from the stream that holds the lane.
    pub(crate) fn begin(
        &mut self,
        length: u64,
        message_bytes_max: usize,
        budget: &mut Budget,
    ) -> Result<Begun, ProtocolError> {
        let Some((record, stream)) = self.both() else {
            return Err(ProtocolError::Unexpected { frame: "MESSAGE" });
        };
        let after = beyond(stream.position, 1)?;
        if stream.position < record.next() {
            stream.position = after;
            return Ok(Begun::Dropped);
        }
        if record.refusals_exceed() {
            return Ok(Begun::Overloaded);
        }
        let Some(length) = usize::try_from(length)
            .ok()
            .filter(|&it| it <= message_bytes_max)
        else {
            record.refuse_next(RefuseCode::TooLarge);
            stream.position = after;
            return Ok(Begun::TooLarge);
        };
        stream.arrival = Arrival::Waiting { length };
        Ok(if stream.reserve(record.lane(), budget) {
            Begun::Taken
        } else {
            Begun::Waits
        })
    }

    /// Tries again to find room for the message that waits for it; whether none waits any more.
    pub(crate) fn reserve(&mut self, budget: &mut Budget) -> bool {
        self.both()
            .is_none_or(|(record, stream)| stream.reserve(record.lane(), budget))
    }

    /// The payload of the message that was begun is whole: its number. None if none was begun.
    pub(crate) fn hold(&mut self) -> Option<u64> {
        let (record, stream) = self.both()?;
        let Arrival::Coming { cost } = stream.arrival else {
            return None;
        };
        stream.arrival = Arrival::Idle;
        stream.position += 1;
        Some(record.hold(cost))
    }

    /// A SKIP was read from the stream that holds the lane.
    pub(crate) fn skip(&mut self, count: u64) -> Result<(), ProtocolError> {
        let Some((record, stream)) = self.both() else {
            return Err(ProtocolError::Unexpected { frame: "SKIP" });
        };
        stream.position = beyond(stream.position, count)?;
        record.pass(stream.position);
        Ok(())
    }

    /// The opener's FIN was read, between two frames.
    pub(crate) fn opener_done(&mut self) {
        if let Some(stream) = self.stream_mut().filter(|stream| stream.end == End::Open) {
            stream.end = End::OpenerDone;
        }
    }

    /// Takes nothing more from the stream: a message that is coming is given up.
    pub(crate) fn read_no_more(&mut self, budget: &mut Budget) {
        if let Some((record, stream)) = self.both() {
            stream.give_up(record.lane(), budget);
        }
    }

    /// The stream at this place is gone, or the whole connection if no stream is named. What is
    /// held stays.
    pub(crate) fn lose(&mut self, attempt: Attempt, stream: Option<StreamId>, budget: &mut Budget) {
        let place = self.place();
        let lost = |place: Place| {
            place.attempt == attempt && stream.is_none_or(|stream| stream == place.stream)
        };
        if place.is_some_and(lost)
            && let Some(known) = &mut self.known
        {
            known.lose_stream(budget);
        }
    }

    /// The application answered all below this number.
    pub(crate) fn consume(&mut self, below: u64, budget: &mut Budget) {
        if let Some(known) = &mut self.known {
            known.record.consume(below, budget);
        }
    }

    /// The application refused a message; whether that message was held.
    pub(crate) fn refuse(&mut self, number: u64, code: RefuseCode, budget: &mut Budget) -> bool {
        self.known
            .as_mut()
            .is_some_and(|known| known.record.refuse(number, code, budget))
    }

    /// Whether more refusals are remembered than may be.
    pub(crate) fn refusals_exceed(&self) -> bool {
        self.known
            .as_ref()
            .is_some_and(|known| known.record.refusals_exceed())
    }

    /// QUIC holds all of a write; whether it was the one under way.
    pub(crate) fn written(&mut self, transfer: TransferId) -> bool {
        let stream = self
            .stream_mut()
            .filter(|stream| stream.write == Some(transfer));
        stream.is_some_and(|stream| stream.write.take().is_some())
    }

    /// The other end's transport has all that was written; whether our FIN was.
    pub(crate) fn acknowledged(&mut self, place: Place) -> bool {
        let finished =
            |stream: &&mut LaneStream| stream.place == place && stream.end == End::Finished;
        match self.stream_mut().filter(finished) {
            Some(stream) => {
                stream.end = End::Acknowledged;
                true
            }
            None => false,
        }
    }

    /// What the other end must be told, if a write may start: at most one RECEIPT, behind the
    /// REFUSEs that it covers. `ending` says that the stream ends with the last of it, as it does
    /// after the opener's FIN.
    pub(crate) fn answer(&mut self, transfer: TransferId, ending: bool) -> Option<Answer> {
        let (record, stream) = self.both()?;
        if stream.write.is_some() || matches!(stream.end, End::Finished | End::Acknowledged) {
            return None;
        }
        let mut bytes = Vec::new();
        if let Some(resume) = stream.resume.take() {
            Frame::Resume(resume).encode(&mut bytes);
        }
        let mut taken = record.taken();
        for (number, code) in record.refusals(stream.told, taken) {
            if bytes.len() >= ANSWER_BYTES_MAX {
                taken = number;
                break;
            }
            Frame::Refuse {
                number,
                code: code.to_wire(),
            }
            .encode(&mut bytes);
        }
        if taken > stream.told {
            Frame::Receipt { taken }.encode(&mut bytes);
            stream.told = taken;
        }
        let fin = (ending || stream.end == End::OpenerDone) && stream.told == record.next();
        if bytes.is_empty() && !fin {
            return None;
        }
        stream.write = Some(transfer);
        if fin {
            stream.end = End::Finished;
        }
        Some(Answer {
            place: stream.place,
            bytes,
            fin,
        })
    }

    /// Whether the lane was ever opened.
    pub(crate) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// The stream that holds the lane.
    pub(crate) fn place(&self) -> Option<Place> {
        self.stream().map(|stream| stream.place)
    }

    /// Whether a message waits for room in the budget.
    pub(crate) fn waits(&self) -> bool {
        self.stream()
            .is_some_and(|stream| matches!(stream.arrival, Arrival::Waiting { .. }))
    }

    /// Whether all was answered, our FIN included, and the other end's transport has it.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.stream()
            .is_some_and(|stream| stream.end == End::Acknowledged)
    }

    /// What this lane uses of the budget.
    pub(crate) fn cost(&self) -> usize {
        self.costs().sum()
    }

    /// What each message that is held or coming uses of the budget.
    pub(crate) fn costs(&self) -> impl Iterator<Item = usize> + '_ {
        let coming = match self.stream().map(|stream| stream.arrival) {
            Some(Arrival::Coming { cost }) => Some(cost),
            Some(Arrival::Idle | Arrival::Waiting { .. }) | None => None,
        };
        let held = self.known.iter().flat_map(|known| known.record.costs());
        held.chain(coming)
    }

    fn stream(&self) -> Option<&LaneStream> {
        self.known.as_ref()?.stream.as_ref()
    }

    fn stream_mut(&mut self) -> Option<&mut LaneStream> {
        self.known.as_mut()?.stream.as_mut()
    }

    fn both(&mut self) -> Option<(&mut Record, &mut LaneStream)> {
        let Known { record, stream, .. } = self.known.as_mut()?;
        Some((record, stream.as_mut()?))
    }
}

/// What a RESUME says beside the state of the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Names {
    pub(crate) lane: Lane,
    pub(crate) epoch: Epoch,
    /// The number of the lane's record.
    pub(crate) record: u64,
    pub(crate) message_bytes_max: usize,
}

impl Known {
    fn lose_stream(&mut self, budget: &mut Budget) -> Option<Place> {
        let mut stream = self.stream.take()?;
        stream.give_up(self.record.lane(), budget);
        Some(stream.place)
    }
}

#[cfg(test)]
impl InboundLane {
    /// Lane 1, on the stream of another one.
    pub(super) fn share(&mut self, other: &Self) {
        let mut known = other.known.clone().unwrap();
        known.record = Record::new(Lane(1), 41, 0);
        let stream = known.stream.as_mut().unwrap();
        (stream.position, stream.told, stream.arrival) = (0, 0, Arrival::Idle);
        self.known = Some(known);
    }
}

#[cfg(test)]
mod tests;
