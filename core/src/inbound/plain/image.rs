//! Messages that come one a stream, in an image.

use super::{Arriving, PlainInbound, Room};
use crate::config::ReceiveLimits;
use crate::inbound::budget::sum_of;
use crate::inbound::late::Late;
use crate::trace::image::{ImageError, Reader, Writer};

impl PlainInbound {
    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        let Self {
            record,
            arriving,
            late,
            // Told from the messages.
            held_cost: _,
        } = self;
        out.value(record);
        out.each(arriving.iter(), |out, (place, Arriving { bytes, room })| {
            out.value(&(place, room));
            out.size(bytes.len());
        });
        late.save(out);
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
            late: Late::restore(image)?,
        })
    }

    /// Brings the books up to what is held, is coming and was kept, which must be as these limits
    /// allow; what all that costs the budget.
    pub(crate) fn count_again(&mut self, limits: &ReceiveLimits) -> Option<usize> {
        let mut sizes = self.arriving.values().map(|it| it.bytes.len());
        if sizes.any(|size| size > limits.message_bytes_max) || !self.late.fits(limits) {
            return None;
        }
        self.held_cost = sum_of(self.record.costs(), limits)?;
        let coming = self.arriving.values().filter_map(|it| match it.room {
            Room::Reserved { cost } => Some(cost),
            Room::Unasked | Room::Awaited { .. } => None,
        });
        self.held_cost.checked_add(sum_of(coming, limits)?)
    }
}
