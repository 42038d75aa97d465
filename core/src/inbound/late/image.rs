//! What connections left behind, in an image.

use bytes::Bytes;

use super::{Late, cost_of};
use crate::config::ReceiveLimits;
use crate::inbound::budget::sum_of;
use crate::trace::image::{ImageError, Reader, Writer};

impl Late {
    pub(in crate::inbound) fn save(&self, out: &mut Writer<'_>) {
        out.each(self.messages.iter(), |out, message| out.size(message.len()));
    }

    pub(in crate::inbound) fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let messages = image.each(|image| image.buffer().map(Bytes::from))?;
        Ok(Self::of(messages))
    }

    /// Whether these limits allow each message, and all of them can be counted.
    pub(in crate::inbound) fn fits(&self, limits: &ReceiveLimits) -> bool {
        let max = limits.message_bytes_max;
        let each = self.messages.iter().all(|message| message.len() <= max);
        each && sum_of(self.messages.iter().map(cost_of), limits).is_some()
    }
}
