//! Messages that come one a stream, in an image.

use alloc::vec::Vec;

use super::{Arriving, PlainInbound, Room, late_cost};
use crate::config::ReceiveLimits;
use crate::inbound::budget::sum_of;
use crate::trace::image::{ImageError, Reader, Writer};

impl PlainInbound {
    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        let Self {
            record,
            arriving,
            late,
            // Told from the messages.
            held_cost: _,
            late_cost: _,
        } = self;
        out.value(record);
        out.each(arriving.iter(), |out, (place, Arriving { bytes, room })| {
            out.value(&(place, room));
            out.size(bytes.len());
        });
        out.each(late.iter(), |out, message| out.size(message.len()));
    }

    pub(crate) fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let record = image.value()?;
        let arriving = image.each(|image| {
            let (place, room) = image.value()?;
            let bytes = image.buffer()?;
            Ok((place, Arriving { bytes, room }))
        })?;
        Ok(Self {
            record,
            held_cost: 0,
            arriving,
            late: image.each(Reader::buffer)?,
            late_cost: 0,
        })
    }

    /// Brings the books up to what is held, is coming and was kept, which must be as these limits
    /// allow; what all that costs the budget.
    pub(crate) fn count_again(&mut self, limits: &ReceiveLimits) -> Option<usize> {
        let sizes = self.arriving.values().map(|it| it.bytes.len());
        let mut sizes = sizes.chain(self.late.iter().map(Vec::len));
        if sizes.any(|size| size > limits.message_bytes_max) {
            return None;
        }
        let late = self.late.iter().map(|it| late_cost(it));
        self.late_cost = sum_of(late, limits)?;
        self.held_cost = sum_of(self.record.costs(), limits)?;
        let coming = self.arriving.values().filter_map(|it| match it.room {
            Room::Reserved { cost } => Some(cost),
            Room::Unasked | Room::Awaited { .. } => None,
        });
        self.held_cost.checked_add(sum_of(coming, limits)?)
    }
}
