//! A sending half in an image. What can be told from its messages is counted again.

use alloc::vec::Vec;

use super::carrier::{Carrier, Way};
use super::due::Due;
use super::framed::FramedStream;
use super::message::{Begun, Message, Slot};
use super::plain::{PlainStream, PlainStreams};
use super::{LaneStream, Outbound, OutboundLane};
use crate::stats::Aside;
use crate::trace::image::{COUNT_MAX, ImageError, Reader, Writer};
use crate::wire::{Decoder, Framing};
use crate::{Attempt, MessageId, Protocol, SendLimits, SessionId, Time, Violation};

impl Outbound {
    /// Its limits and its protocol are those of the configuration.
    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        let Self {
            limits: _,
            protocol: _,
            session,
            lanes,
            carrier,
            last_id,
            timed: _,
        } = self;
        out.value(&(session, last_id));
        out.each(lanes.iter(), |out, lane| lane.save(out));
        out.each(carrier.iter(), |out, carrier| carrier.save(out));
    }

    pub(crate) fn restore(
        image: &mut Reader<'_>,
        limits: &SendLimits,
        protocol: Protocol,
    ) -> Result<Self, ImageError> {
        let (session, last_id): (SessionId, _) = image.value()?;
        let lanes: Vec<OutboundLane> = image.each(OutboundLane::restore)?;
        let mut books = lanes
            .iter()
            .flat_map(|it| [it.queued_bytes, it.in_flight_bytes]);
        if books.try_fold(0, usize::checked_add).is_none() {
            return Err(image.wrong("more payload than can be counted"));
        }
        let carriers: Vec<Carrier> = image.each(|image| Carrier::restore(image, protocol))?;
        Ok(Self {
            limits: limits.clone(),
            protocol,
            session,
            lanes,
            carrier: carriers.into_iter().next(),
            last_id,
            timed: Aside(false),
        })
    }
}

impl Carrier {
    /// The streams of lanes come first, and those of messages behind them: one or the other are
    /// none. Behind both comes the one stream of the framed protocol, if that is spoken.
    fn save(&self, out: &mut Writer<'_>) {
        let Self { attempt, way } = self;
        out.value(attempt);
        out.each(self.lanes().iter(), |out, stream| stream.save(out));
        match way {
            Way::Lanes(_) => PlainStreams::default().save(out),
            Way::Plain(streams) => streams.save(out),
            Way::Framed(stream) => {
                PlainStreams::default().save(out);
                stream.save(out);
            }
        }
    }

    fn restore(image: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ImageError> {
        let attempt: Attempt = image.value()?;
        let lanes = image.each(LaneStream::restore)?;
        let plain = PlainStreams::restore(image)?;
        let way = match protocol {
            Protocol::Lanes if plain == PlainStreams::default() => Way::Lanes(lanes),
            Protocol::Plain if lanes.is_empty() => Way::Plain(plain),
            Protocol::Framed if lanes.is_empty() && plain == PlainStreams::default() => {
                Way::Framed(FramedStream::restore(image)?)
            }
            Protocol::Lanes | Protocol::Plain | Protocol::Framed => {
                return Err(image.wrong("streams of another protocol"));
            }
        };
        Ok(Self { attempt, way })
    }
}

impl LaneStream {
    fn save(&self, out: &mut Writer<'_>) {
        let Self {
            lane,
            open,
            open_written,
            resume_due,
            resume,
            judged_below,
            position,
            taken,
            transfer,
            fin_written,
            over,
            way_back,
            redelivery,
        } = self;
        out.value(&(lane, open, open_written, resume_due, resume));
        out.value(&(judged_below, position, taken, transfer));
        out.value(&(fin_written, over, redelivery));
        way_back.save(out);
    }

    fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let (lane, open, open_written, resume_due, resume) = image.value()?;
        let (judged_below, position, taken, transfer) = image.value()?;
        let (fin_written, over, redelivery) = image.value()?;
        Ok(Self {
            lane,
            open,
            open_written,
            resume_due,
            resume,
            judged_below,
            position,
            taken,
            transfer,
            fin_written,
            over,
            way_back: Decoder::restore(image, Framing::Frames)?,
            redelivery,
        })
    }
}

impl OutboundLane {
    fn save(&self, out: &mut Writer<'_>) {
        let Self {
            queue,
            flight,
            first,
            opened,
            record,
            due,
            unyielding,
            outpaced_by,
            room_made,
            // Told from the messages.
            queued_bytes: _,
            in_flight: _,
            in_flight_bytes: _,
            // Empty between steps.
            decided: _,
            unsent: _,
            times: _,
        } = self;
        let mut before = Before::default();
        out.each(flight.iter(), |out, slot| slot.save(&mut before, out));
        out.each(queue.iter(), |out, message| message.save(&mut before, out));
        out.value(&(first, opened, record, due.silent_since));
        out.value(&(unyielding, outpaced_by, room_made));
    }

    fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let mut before = Before::default();
        let mut lane = Self::new(Time::ZERO);
        lane.flight = image.each(|image| Slot::restore(&mut before, image))?;
        lane.queue = image.each(|image| Message::restore(&mut before, image))?;
        (lane.first, lane.opened, lane.record, lane.due.silent_since) = image.value()?;
        (lane.unyielding, lane.outpaced_by, lane.room_made) = image.value()?;
        match lane.count_again() {
            Some(()) => Ok(lane),
            None => Err(image.wrong("more payload than can be counted")),
        }
    }

    /// Brings the books of a lane up to its messages; none if that cannot be.
    fn count_again(&mut self) -> Option<()> {
        for message in &self.queue {
            self.queued_bytes = self.queued_bytes.checked_add(message.payload.len())?;
        }
        for begun in self.flight.iter().filter_map(Slot::begun) {
            self.in_flight += 1;
            let bytes = begun.message.payload.len();
            self.in_flight_bytes = self.in_flight_bytes.checked_add(bytes)?;
        }
        let moments = |at: Option<Time>, message: &Message| at.map(|at| (at, message.id));
        let begun = || self.flight.iter().filter_map(Slot::begun);
        let kept = begun().filter(|it| it.given_up.is_none());
        let expiring = kept.map(|it| &it.message).chain(&self.queue);
        let given_up =
            begun().filter_map(|it| moments(it.given_up.map(|it| it.since), &it.message));
        self.due = Due {
            expiries: expiring
                .filter_map(|it| moments(it.expires_at, it))
                .collect(),
            given_up: given_up.collect(),
            silent_since: self.due.silent_since,
        };
        Some(())
    }
}

/// The message before, from which names and times are counted: they ascend within a lane, so that
/// most take one byte.
#[derive(Default)]
struct Before {
    id: u64,
    accepted_at: u64,
}

impl Before {
    fn save_id(&mut self, id: MessageId, out: &mut Writer<'_>) {
        out.number(id.0.wrapping_sub(self.id));
        self.id = id.0;
    }

    fn restore_id(&mut self, image: &mut Reader<'_>) -> Result<MessageId, ImageError> {
        self.id = self.id.wrapping_add(image.number()?);
        Ok(MessageId(self.id))
    }
}

impl Message {
    fn save(&self, before: &mut Before, out: &mut Writer<'_>) {
        let Self {
            id,
            payload,
            accepted_at,
            expires_at,
        } = self;
        before.save_id(*id, out);
        out.payload(payload);
        let accepted_at = accepted_at.as_nanos();
        out.number(accepted_at.wrapping_sub(before.accepted_at));
        before.accepted_at = accepted_at;
        out.value(expires_at);
    }

    fn restore(before: &mut Before, image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let id = before.restore_id(image)?;
        let payload = image.payload()?;
        before.accepted_at = before.accepted_at.wrapping_add(image.number()?);
        Ok(Self {
            id,
            payload,
            accepted_at: Time::from_nanos(before.accepted_at),
            expires_at: image.value()?,
        })
    }
}

impl Slot {
    fn save(&self, before: &mut Before, out: &mut Writer<'_>) {
        let begun = self.begun();
        out.value(&begun.map(|begun| (begun.evidence, begun.given_up)));
        match self {
            Self::Open(begun) => begun.message.save(before, out),
            Self::Settled(id) => before.save_id(*id, out),
        }
    }

    fn restore(before: &mut Before, image: &mut Reader<'_>) -> Result<Self, ImageError> {
        Ok(match image.value()? {
            Some((evidence, given_up)) => Self::Open(Begun {
                message: Message::restore(before, image)?,
                evidence,
                given_up,
                begun_at: Aside(None),
            }),
            None => Self::Settled(before.restore_id(image)?),
        })
    }
}

impl PlainStreams {
    fn save(&self, out: &mut Writer<'_>) {
        let Self { open, opened, last } = self;
        out.value(&(opened, last));
        out.each(open.iter(), |out, stream| {
            let PlainStream {
                index,
                id,
                transfer,
                writing,
            } = stream;
            out.value(&(index, id, transfer, writing));
        });
    }

    fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let (opened, last) = image.value()?;
        let open = image.each(|image| {
            let (index, id, transfer, writing) = image.value()?;
            Ok(PlainStream {
                index,
                id,
                transfer,
                writing,
            })
        })?;
        let streams = Self { open, opened, last };
        if opened > COUNT_MAX {
            return Err(image.wrong("more streams than can be counted"));
        }
        match streams.check() {
            Ok(()) => Ok(streams),
            Err(Violation { what, .. }) => Err(image.wrong(what)),
        }
    }
}

#[cfg(test)]
mod tests;
