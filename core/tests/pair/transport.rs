//! A model of QUIC as the machines see it: connections with two ends, and the streams that either
//! end opens.

use std::collections::BTreeMap;

use peer_sender_core::{Attempt, PeerKey, SessionHandle, SessionId, Side, StreamId};

use crate::dialling::{OTHER_KEY, OUR_KEY};
use crate::frames::Reader;
use crate::pipe::Pipe;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Dialler,
    Acceptor,
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// What one end knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Dialled and not confirmed, or not accepted yet.
    Waiting,
    Up,
    /// Lost, failed or closed: that end hears of it no more.
    Gone,
}

/// Which way packets still travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Whole,
    /// Only what the acceptor sends arrives.
    DownOnly,
    Dead,
}

/// One connection, by its place in the world's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Conn(pub(crate) usize);

/// A stream of a connection: the end that opened it, and its place among that end's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamKey {
    pub(crate) opener: End,
    pub(crate) index: u64,
}

impl StreamKey {
    /// What this end calls it.
    pub(crate) fn at(self, end: End) -> StreamId {
        let opener = match self.opener == end {
            true => Side::Local,
            false => Side::Remote,
        };
        let index = self.index;
        StreamId { opener, index }
    }

    /// The stream that this end calls so.
    pub(crate) fn of(end: End, stream: StreamId) -> Self {
        let opener = match stream.opener {
            Side::Local => end,
            Side::Remote => end.other(),
        };
        let index = stream.index;
        Self { opener, index }
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    /// None for a connection of somebody else.
    pub(crate) dialler: Option<Attempt>,
    pub(crate) acceptor: Option<Attempt>,
    /// It comes with another key than the sender's.
    pub(crate) foreign: bool,
    pub(crate) dialler_end: Stand,
    pub(crate) acceptor_end: Stand,
    /// Which life of the accepting process it belongs to.
    pub(crate) incarnation: u32,
    pub(crate) session: Option<SessionHandle>,
    /// What the acceptor has read of it until it knows the session.
    pub(crate) read: BTreeMap<StreamKey, Reader>,
    pub(crate) opened: Option<SessionId>,
    pub(crate) streams: BTreeMap<StreamKey, Stream>,
    pub(crate) path: Path,
    /// The path dies once the dialler's or the acceptor's transport has taken that many bytes.
    pub(crate) cut_after: Option<(End, u64)>,
    pub(crate) lingers_after: Option<u64>,
    /// The dialler reads nothing before it is lost.
    pub(crate) unread: bool,
}

impl Connection {
    pub(crate) fn new(dialler: Option<Attempt>, incarnation: u32) -> Self {
        Self {
            dialler,
            acceptor: None,
            foreign: false,
            dialler_end: if dialler.is_some() {
                Stand::Waiting
            } else {
                Stand::Gone
            },
            acceptor_end: Stand::Waiting,
            incarnation,
            session: None,
            read: BTreeMap::new(),
            opened: None,
            streams: BTreeMap::new(),
            path: Path::Whole,
            cut_after: None,
            lingers_after: None,
            unread: false,
        }
    }

    /// Whose it is, as the acceptor knows.
    pub(crate) fn key(&self) -> PeerKey {
        match self.foreign {
            true => OTHER_KEY,
            false => OUR_KEY,
        }
    }

    pub(crate) fn stand(&mut self, end: End) -> &mut Stand {
        match end {
            End::Dialler => &mut self.dialler_end,
            End::Acceptor => &mut self.acceptor_end,
        }
    }

    /// Whether nothing that this end sends arrives any more.
    pub(crate) fn is_cut(&self, from: End) -> bool {
        match self.path {
            Path::Whole => false,
            Path::DownOnly => from == End::Dialler,
            Path::Dead => true,
        }
    }

    pub(crate) fn is_up(&mut self, end: End) -> bool {
        *self.stand(end) == Stand::Up
    }

    pub(crate) fn attempt(&self, end: End) -> Attempt {
        let attempt = match end {
            End::Dialler => self.dialler,
            End::Acceptor => self.acceptor,
        };
        attempt.expect("the end has a name once it is told of")
    }

    /// Streams that this end opened.
    pub(crate) fn opened_by(&self, end: End) -> u64 {
        let ours = self.streams.keys().filter(|key| key.opener == end);
        ours.count() as u64
    }

    /// Bytes that the transport of this end has taken.
    pub(crate) fn taken(&self, from: End) -> u64 {
        self.streams
            .values()
            .map(|stream| stream.way(from).taken)
            .sum()
    }
}

/// One bidirectional stream.
#[derive(Debug)]
pub(crate) struct Stream {
    up: Pipe,
    down: Pipe,
    /// Whether the end that did not open it will be told of it, and whether it was.
    pub(crate) announced: bool,
    pub(crate) told: bool,
}

impl Stream {
    pub(crate) fn new(window: u64) -> Self {
        Self {
            up: Pipe::new(window),
            down: Pipe::new(window),
            announced: false,
            told: false,
        }
    }

    /// The direction that this end writes.
    pub(crate) fn way(&self, from: End) -> &Pipe {
        match from {
            End::Dialler => &self.up,
            End::Acceptor => &self.down,
        }
    }

    pub(crate) fn way_mut(&mut self, from: End) -> &mut Pipe {
        match from {
            End::Dialler => &mut self.up,
            End::Acceptor => &mut self.down,
        }
    }
}
