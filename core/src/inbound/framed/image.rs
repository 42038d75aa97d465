//! Messages that come behind their lengths, in an image.

use super::{Arriving, FramedInbound};
use crate::config::ReceiveLimits;
use crate::inbound::budget::sum_of;
use crate::inbound::late::Late;
use crate::trace::image::{ImageError, Reader, Writer};

impl FramedInbound {
    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        let Self {
            record,
            arriving,
            began,
            late,
        } = self;
        out.value(record);
        out.each(arriving.iter(), |out, entry| out.value(&entry));
        out.each(began.iter(), |out, entry| out.value(&entry));
        late.save(out);
    }

    pub(crate) fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        Ok(Self {
            record: image.value()?,
            arriving: image.each(Reader::value)?,
            began: image.each(Reader::value)?,
            late: Late::restore(image)?,
        })
    }

    /// What all that is held, is coming and was kept costs the budget, which must be as these limits
    /// allow.
    pub(crate) fn count(&self, limits: &ReceiveLimits) -> Option<usize> {
        let max = limits.message_bytes_max;
        let waiting = self.arriving.values().map(|arriving| match arriving {
            Arriving::Waits { length } => *length,
            Arriving::Comes { .. } => 0,
        });
        if waiting.into_iter().any(|length| length > max) || !self.late.fits(limits) {
            return None;
        }
        let coming = sum_of(self.coming(), limits)?;
        coming.checked_add(sum_of(self.record.costs(), limits)?)
    }
}
