//! Which bytes of a stream are frames, and which are payload.

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};

use super::content::{Content, Payloads};
use super::form::Short;
use crate::wire::{BODY_MAX, Framing, Gathered, Kind, at_most, read_head};

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

/// Some bytes of a stream, where they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run<'a> {
    Frames(&'a [u8]),
    Payload(&'a [u8]),
}

impl<'a> Run<'a> {
    /// Appends the piece that is kept of it, as a [`Piece`] is encoded.
    #[inline]
    pub(super) fn encode(self, payloads: Payloads, out: &mut Short<'_, 'a>) {
        const FRAMES: u8 = 0;
        const PAYLOAD: u8 = 1;
        match self {
            Self::Frames(bytes) => {
                out.byte(FRAMES);
                out.count(bytes.len());
                out.behind(bytes);
            }
            Self::Payload(bytes) => {
                out.byte(PAYLOAD);
                Content::encode(bytes, payloads, out);
            }
        }
    }
}

/// Where one stream stands.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    framing: Framing,
    at: At,
}

#[derive(Clone, Debug)]
enum At {
    /// In a frame's kind and length.
    Head(Gathered),
    /// In a frame's body.
    Body { remaining: u64 },
    /// In a payload, or in the body of an extension.
    Payload { remaining: u64 },
    /// Nothing more is frames: it has none, or has broken the protocol.
    Unread,
}

impl Runs {
    /// At the start of a stream of this kind.
    pub(crate) fn new(framing: Framing) -> Self {
        Self::within_head(framing, Gathered::default())
    }

    /// All of a stream that has no frames, or no more of them.
    pub(crate) fn unread() -> Self {
        let (framing, at) = (Framing::default(), At::Unread);
        Self { framing, at }
    }

    /// So much of a head has come.
    pub(crate) fn within_head(framing: Framing, head: Gathered) -> Self {
        let at = At::Head(head);
        Self { framing, at }
    }

    /// So far from the end of a frame's body.
    pub(crate) fn within_body(remaining: u64) -> Self {
        let (framing, at) = (Framing::Frames, At::Body { remaining });
        Self { framing, at }
    }

    /// So far from the end of a payload.
    pub(crate) fn within_payload(framing: Framing, remaining: u64) -> Self {
        match remaining {
            0 => Self::new(framing),
            _ => Self {
                framing,
                at: At::Payload { remaining },
            },
        }
    }

    /// Cuts the stream's next bytes into runs of frames and of payload.
    pub(crate) fn cut<'a>(&mut self, bytes: &'a [u8], mut run: impl FnMut(Run<'a>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let payload = match &self.at {
                At::Payload { remaining } => at_most(*remaining, rest.len()),
                At::Unread => rest.len(),
                At::Head(_) | At::Body { .. } => 0,
            };
            let behind = match payload {
                0 => self.read_frames(rest),
                _ => rest.get(payload..).unwrap_or_default(),
            };
            let passed = rest.get(..rest.len() - behind.len()).unwrap_or_default();
            if payload > 0 {
                self.pass(payload);
                run(Run::Payload(passed));
            } else {
                run(Run::Frames(passed));
            }
            rest = behind;
        }
    }

    /// Reads up to where a payload begins, or until the bytes are used up; returns what follows.
    fn read_frames<'a>(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        while !rest.is_empty() {
            match &mut self.at {
                At::Head(head) => match read_head(self.framing, head, &mut rest) {
                    Ok(Some((kind, length))) => self.at = At::behind_head(kind, length),
                    Ok(None) => {}
                    Err(_) => self.at = At::Unread,
                },
                At::Body { remaining } => {
                    let bytes = at_most(*remaining, rest.len());
                    rest.advance(bytes);
                    self.pass(bytes);
                }
                At::Payload { .. } | At::Unread => break,
            }
        }
        rest
    }

    fn pass(&mut self, bytes: usize) {
        if let At::Body { remaining } | At::Payload { remaining } = &mut self.at {
            *remaining -= bytes as u64;
            if *remaining == 0 {
                self.at = At::Head(Gathered::default());
            }
        }
    }
}

impl At {
    fn behind_head(kind: Option<Kind>, length: u64) -> Self {
        match kind {
            _ if length == 0 => Self::Head(Gathered::default()),
            None | Some(Kind::Message) => Self::Payload { remaining: length },
            Some(_) if length > BODY_MAX as u64 => Self::Unread,
            Some(_) => Self::Body { remaining: length },
        }
    }
}
