//! The stream of all messages, in an image.

use alloc::collections::VecDeque;

use super::{Batch, FramedStream};
use crate::trace::image::{ImageError, Reader, Writer};

impl FramedStream {
    pub(in crate::outbound) fn save(&self, out: &mut Writer<'_>) {
        let Self {
            trusted_at,
            trust,
            writing,
            batches,
            last,
            acknowledged,
        } = self;
        out.value(&(trusted_at, trust, writing, last, acknowledged));
        out.each(batches.iter(), |out, batch| {
            let Batch {
                transfer,
                first,
                last,
            } = batch;
            out.value(&(transfer, first, last));
        });
    }

    pub(in crate::outbound) fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let (trusted_at, trust, writing, last, acknowledged) = image.value()?;
        let batches: VecDeque<Batch> = image.each(|image| {
            let (transfer, first, last) = image.value()?;
            Ok(Batch {
                transfer,
                first,
                last,
            })
        })?;
        Ok(Self {
            trusted_at,
            trust,
            writing,
            batches,
            last,
            acknowledged,
        })
    }
}
