//! Which bytes of a stream are frames, and which are payload.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};

use super::content::{Content, Payloads};
use crate::wire::{BODY_MAX, Gathered, Kind, at_most, read_head};

/// Some bytes of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Piece {
    /// Heads and bodies of frames, and heads of messages, as they came.
    Frames(Bytes),
    /// A run of one message's payload; or what no machine reads: the body of an extension's frame,
    /// and whatever comes behind the first byte that breaks the protocol.
    Payload(Content),
}

impl Piece {
    /// How many bytes of the stream it stands for.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Frames(bytes) => bytes.len() as u64,
            Self::Payload(content) => content.bytes(),
        }
    }
}

/// Where one stream stands.
#[derive(Debug)]
pub(super) enum Runs {
    /// In a frame's kind and length.
    Head(Gathered),
    /// In a frame's body.
    Body { remaining: u64 },
    /// In a payload, or in the body of an extension.
    Payload { remaining: u64 },
    /// Nothing more is frames: it has none, or has broken the protocol.
    Unread,
}

impl Default for Runs {
    /// At the start of a stream of frames.
    fn default() -> Self {
        Self::Head(Gathered::default())
    }
}

impl Runs {
    /// Cuts the stream's next bytes.
    pub(super) fn cut(&mut self, bytes: &Bytes, payloads: Payloads) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let payload = match self {
                Self::Payload { remaining } => at_most(*remaining, rest.len()),
                Self::Unread => rest.len(),
                Self::Head(_) | Self::Body { .. } => 0,
            };
            if payload > 0 {
                self.pass(payload);
                let run = rest.split_to(payload);
                pieces.push(Piece::Payload(Content::of(&run, payloads)));
            } else {
                let mut ahead = rest.clone();
                self.read_frames(&mut ahead);
                let frames = rest.split_to(rest.len() - ahead.len());
                pieces.push(Piece::Frames(frames));
            }
        }
        pieces
    }

    /// Reads up to where a payload begins, or until the bytes are used up.
    fn read_frames(&mut self, rest: &mut Bytes) {
        while !rest.is_empty() {
            match self {
                Self::Head(head) => match read_head(head, rest) {
                    Ok(Some((kind, length))) => *self = Self::behind_head(kind, length),
                    Ok(None) => {}
                    Err(_) => *self = Self::Unread,
                },
                Self::Body { remaining } => {
                    let bytes = at_most(*remaining, rest.len());
                    rest.advance(bytes);
                    self.pass(bytes);
                }
                Self::Payload { .. } | Self::Unread => return,
            }
        }
    }

    fn behind_head(kind: Option<Kind>, length: u64) -> Self {
        match kind {
            _ if length == 0 => Self::Head(Gathered::default()),
            None | Some(Kind::Message) => Self::Payload { remaining: length },
            Some(_) if length > BODY_MAX as u64 => Self::Unread,
            Some(_) => Self::Body { remaining: length },
        }
    }

    fn pass(&mut self, bytes: usize) {
        if let Self::Body { remaining } | Self::Payload { remaining } = self {
            *remaining -= bytes as u64;
            if *remaining == 0 {
                *self = Self::Head(Gathered::default());
            }
        }
    }
}
