//! A connection before its first OPEN, in the image of its table.

use alloc::collections::BTreeMap;

use super::{Unbound, first_open};
use crate::StreamId;
use crate::trace::image::{ImageError, Reader, Writer};

impl Unbound {
    pub(in crate::receiver) fn save(&self, out: &mut Writer<'_>) {
        let Self { dialler, streams } = self;
        out.value(dialler);
        out.each(streams.iter(), |out, (stream, kept)| {
            out.value(stream);
            out.bytes(kept);
        });
    }

    pub(in crate::receiver) fn restore(image: &mut Reader<'_>) -> Result<Self, ImageError> {
        let dialler = image.value()?;
        let streams: BTreeMap<StreamId, _> = image.each(|image| {
            let stream = image.value()?;
            let kept = image.bytes()?;
            match first_open(kept, &[]) {
                Ok(None) => Ok((stream, kept.to_vec())),
                Ok(Some(_)) | Err(_) => Err(image.wrong("not half an OPEN")),
            }
        })?;
        Ok(Self { dialler, streams })
    }
}
