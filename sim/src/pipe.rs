//! One direction of a stream: what was written and has not arrived.

use bytes::Bytes;
use peer_sender_core::TransferId;

use crate::op::Amount;

/// One direction of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pipe {
    /// Written, and not arrived.
    under_way: Vec<u8>,
    /// Bytes of a frame whose front has arrived.
    rest_of_frame: usize,
    /// FIN was written, and whether it is still under way.
    fin: Fin,
    /// The machine waits for QUIC to take a write whole.
    pub(crate) transfer: bool,
    /// The name of that write.
    pub(crate) name: Name,
    /// Reset by the writer, or given up by the reader: carries nothing more.
    pub(crate) severed: bool,
    /// The reader was told of a reset that the writer knows nothing of.
    unheard: bool,
    /// RESET_STREAM is on its way to the reader.
    pub(crate) reset: Option<u64>,
    /// STOP_SENDING is on its way to the writer.
    pub(crate) halt: Option<u64>,
    /// The acknowledgement of everything, FIN included, is on its way to the writer.
    pub(crate) acknowledged: bool,
    /// The reader takes nothing for now.
    pub(crate) paused: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Fin {
    #[default]
    None,
    UnderWay,
    /// Arrived, or lost with what was before it.
    Past,
}

/// What a write is called: no part of what happens next, and so equal to any other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Name(pub(crate) TransferId);

impl PartialEq for Name {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Pipe {
    /// Appends a write.
    ///
    /// # Errors
    ///
    /// Why no machine may write so.
    pub(crate) fn write(
        &mut self,
        transfer: TransferId,
        chunks: &[Bytes],
        fin: bool,
    ) -> Result<(), &'static str> {
        if self.transfer {
            return Err("a second write while one is under way");
        }
        if self.fin != Fin::None {
            return Err("a write behind FIN");
        }
        if chunks.iter().any(Bytes::is_empty) || chunks.is_empty() && !fin {
            return Err("an empty write, or chunk");
        }
        if self.severed && !self.unheard && self.halt.is_none() {
            return Err("a write on a stream that is cut");
        }
        self.transfer = true;
        self.name = Name(transfer);
        if self.severed {
            return Ok(());
        }
        for chunk in chunks {
            self.under_way.extend_from_slice(chunk);
        }
        if fin {
            self.fin = Fin::UnderWay;
        }
        Ok(())
    }

    /// Whether bytes or FIN are under way.
    pub(crate) fn is_carrying(&self) -> bool {
        !self.under_way.is_empty() || self.fin == Fin::UnderWay
    }

    /// Frames under way, the half-arrived one included.
    pub(crate) fn frames(&self) -> usize {
        let mut rest = &self.under_way[..];
        let mut count = 0;
        let mut next = self.rest_of_frame;
        while !rest.is_empty() {
            let length = if next > 0 { next } else { frame_length(rest) };
            next = 0;
            rest = rest.get(length..).unwrap_or_default();
            count += 1;
        }
        count
    }

    /// Whether what has arrived ends with a whole frame.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.rest_of_frame == 0
    }

    /// Whether a frame is at the front of which nothing has arrived.
    pub(crate) fn has_whole_frame(&self) -> bool {
        self.rest_of_frame == 0 && !self.under_way.is_empty()
    }

    /// Lets that much arrive, with FIN where nothing is left behind it.
    pub(crate) fn arrive(&mut self, amount: Amount) -> (Bytes, bool) {
        let length = match amount {
            Amount::All => self.under_way.len(),
            Amount::Frame | Amount::Half if self.under_way.is_empty() => 0,
            Amount::Frame if self.rest_of_frame > 0 => self.rest_of_frame,
            Amount::Frame => frame_length(&self.under_way),
            Amount::Half => {
                let whole = match self.rest_of_frame {
                    0 => frame_length(&self.under_way),
                    rest => rest,
                };
                whole.div_ceil(2)
            }
        };
        let length = length.min(self.under_way.len());
        self.rest_of_frame = self.rest_after(length);
        let left = self.under_way.split_off(length);
        let bytes = std::mem::replace(&mut self.under_way, left);
        let fin = self.under_way.is_empty() && self.fin == Fin::UnderWay;
        if fin {
            self.fin = Fin::Past;
            self.acknowledged = true;
        }
        (Bytes::from(bytes), fin)
    }

    /// How much of the frame at the front is left once that much has arrived.
    fn rest_after(&self, length: usize) -> usize {
        let (mut at, mut next) = (0, self.rest_of_frame);
        while at < length {
            at += match next {
                0 => frame_length(self.under_way.get(at..).unwrap_or_default()),
                rest => rest,
            };
            next = 0;
        }
        if length == 0 { next } else { at - length }
    }

    /// Nothing of the direction is carried any more.
    pub(crate) fn sever(&mut self) {
        self.severed = true;
        self.lose();
    }

    /// The same, and the writer knows nothing of it.
    pub(crate) fn sever_unheard(&mut self) {
        self.unheard = true;
        self.sever();
    }

    /// Takes the write that the machine waits for, if QUIC will ever hold all of it.
    pub(crate) fn take_write(&mut self) -> Option<TransferId> {
        let taken = self.is_taking();
        self.transfer &= !taken;
        taken.then_some(self.name.0)
    }

    /// Whether QUIC has a write that it does not hold whole yet.
    pub(crate) fn is_taking(&self) -> bool {
        self.transfer && (!self.severed || self.unheard)
    }

    /// What is under way is lost.
    pub(crate) fn lose(&mut self) {
        self.under_way.clear();
        self.rest_of_frame = 0;
        if self.fin == Fin::UnderWay {
            self.fin = Fin::Past;
        }
    }
}

/// The bytes of the frame at the front: its kind, the length of its body (a QUIC integer), its
/// body. What is no whole head is taken as it is.
fn frame_length(bytes: &[u8]) -> usize {
    let Some(&first) = bytes.get(1) else {
        return bytes.len();
    };
    let width = 1 << (first >> 6);
    let Some(length) = bytes.get(1..1 + width) else {
        return bytes.len();
    };
    let value = length
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let body = value & (u64::MAX >> (66 - 8 * width));
    let body = usize::try_from(body).unwrap_or(usize::MAX);
    (1 + width).saturating_add(body).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use peer_sender_core::wire::{Frame, encode_message_head};

    fn filled() -> Pipe {
        let mut bytes = Vec::new();
        Frame::Receipt { taken: 7 }.encode(&mut bytes);
        encode_message_head(100, &mut bytes);
        bytes.extend([9; 100]);
        let mut pipe = Pipe::default();
        pipe.write(TransferId(0), &[bytes.into()], true).unwrap();
        pipe
    }

    #[test]
    fn frames_arrive_whole_or_in_halves() {
        let mut pipe = filled();
        assert_eq!(pipe.frames(), 2);
        let (half, _) = pipe.arrive(Amount::Half);
        assert_eq!((half.len(), pipe.frames()), (2, 2));
        let (rest, fin) = pipe.arrive(Amount::Frame);
        assert_eq!((rest.len(), fin, pipe.frames()), (1, false, 1));
        let (half, _) = pipe.arrive(Amount::Half);
        assert_eq!((half.len(), pipe.frames()), (52, 1));
        let (half, _) = pipe.arrive(Amount::Half);
        assert_eq!(half.len(), 26);
        let (rest, fin) = pipe.arrive(Amount::Frame);
        assert_eq!((rest.len(), fin, pipe.frames()), (25, true, 0));
        assert!(!pipe.is_carrying() && pipe.acknowledged);
        let mut whole = filled();
        assert_eq!(whole.arrive(Amount::All).0.len(), 106);
    }

    #[test]
    fn illegal_writes_are_named() {
        let mut pipe = filled();
        let write = |pipe: &mut Pipe| pipe.write(TransferId(1), &["x".into()], false);
        assert_eq!(
            write(&mut pipe),
            Err("a second write while one is under way")
        );
        pipe.transfer = false;
        assert_eq!(write(&mut pipe), Err("a write behind FIN"));
        let mut cut = Pipe::default();
        cut.sever();
        assert_eq!(write(&mut cut), Err("a write on a stream that is cut"));
        let nothing = Pipe::default().write(TransferId(0), &[], false);
        assert_eq!(nothing, Err("an empty write, or chunk"));
    }
}
