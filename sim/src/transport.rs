//! A model of QUIC as the machines see it: connections whose two ends learn of their loss each for
//! itself, and the streams of each. It adds no delay and draws no chance: whatever arrives or is
//! lost is an operation.

use peer_sender_core::{Attempt, CloseCode, Side, StreamId};

use crate::aside::Aside;
use crate::op::{Conn, End, Why};
use crate::oracle::SessionPlace;
use crate::pipe::Pipe;

/// What one end knows of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Stand {
    /// Dialled and not confirmed, or not accepted yet.
    #[default]
    Waiting,
    /// It stands.
    Up,
    /// Lost, failed or closed.
    Gone,
}

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The number of the sender's attempt.
    pub(crate) conn: Conn,
    pub(crate) dialler: Stand,
    pub(crate) acceptor: Stand,
    /// What the accepting end calls it, once it has accepted it.
    pub(crate) accepted_as: Option<Attempt>,
    /// The machine of this end has closed it, and the other end may hear of that.
    pub(crate) closed: Option<(End, CloseCode)>,
    /// The receiver has lost its memory since it was dialled.
    pub(crate) outlived: bool,
    /// The session of the sender that it carries, once that was said on it.
    pub(crate) session: Option<SessionPlace>,
    pub(crate) streams: Vec<Stream>,
}

/// One bidirectional stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stream {
    pub(crate) opener: End,
    pub(crate) index: u64,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    /// Whether the end that did not open it knows of it.
    pub(crate) told: bool,
    /// The lane that its OPEN names.
    pub(crate) lane: u8,
    /// The number that the next message on it has.
    pub(crate) position: Aside<u64>,
    /// Where its OPEN began.
    pub(crate) base: Aside<u64>,
    /// Whether what its RESUME says proves what of earlier connections was not received, even if it
    /// is the lane's first: its OPEN is the first as well, or it stands above that one's base.
    pub(crate) proves: Aside<bool>,
    /// Its RESUME was written.
    pub(crate) answered: Aside<bool>,
}

impl Connection {
    /// One that was dialled just now.
    pub(crate) fn new(conn: Conn) -> Self {
        Self {
            conn,
            dialler: Stand::Waiting,
            acceptor: Stand::Waiting,
            accepted_as: None,
            closed: None,
            outlived: false,
            session: None,
            streams: Vec::new(),
        }
    }

    pub(crate) fn stand(&self, end: End) -> Stand {
        match end {
            End::Dialler => self.dialler,
            End::Acceptor => self.acceptor,
        }
    }

    /// The end has it no more: what is under way to it is lost, and what it wrote is not.
    pub(crate) fn leave(&mut self, end: End) {
        match end {
            End::Dialler => self.dialler = Stand::Gone,
            End::Acceptor => self.acceptor = Stand::Gone,
        }
        for stream in &mut self.streams {
            let incoming = stream.way_mut(end.other());
            incoming.lose();
            incoming.reset = None;
            let outgoing = stream.way_mut(end);
            outgoing.halt = None;
            outgoing.acknowledged = false;
            outgoing.transfer = false;
        }
        if self.is_over() {
            self.streams.clear();
        }
    }

    /// Whether anything that this end sent can arrive now.
    pub(crate) fn carries(&self, from: End) -> bool {
        self.streams.iter().any(|it| it.carries(from))
    }

    /// What an end is told whose other end is gone.
    pub(crate) fn why_lost(&self, end: End) -> Why {
        match self.closed {
            Some((by, _)) if by != end => Why::PeerClosed,
            _ => Why::Reset,
        }
    }

    /// Whether anything can still happen on it.
    pub(crate) fn matters(&self) -> bool {
        self.dialler != Stand::Gone || self.acceptor == Stand::Up
    }

    /// Whether nobody hears of it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.dialler == Stand::Gone && self.acceptor == Stand::Gone
    }

    pub(crate) fn stream_mut(&mut self, opener: End, index: u64) -> Option<&mut Stream> {
        let mut streams = self.streams.iter_mut();
        streams.find(|it| it.opener == opener && it.index == index)
    }

    /// The stream that an end calls so, made if that end opens it as its next one.
    pub(crate) fn stream_for(&mut self, end: End, id: StreamId) -> Option<&mut Stream> {
        let opener = opener(end, id);
        let opened = self.streams.iter().filter(|it| it.opener == opener).count();
        if opener == end && id.index == opened as u64 {
            self.streams.push(Stream {
                opener,
                index: id.index,
                up: Pipe::default(),
                down: Pipe::default(),
                told: false,
                lane: 0,
                position: Aside(0),
                base: Aside(0),
                proves: Aside(false),
                answered: Aside(false),
            });
        }
        self.stream_mut(opener, id.index)
    }
}

impl Stream {
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

    /// Whether anything that this end sent on it can arrive now.
    pub(crate) fn carries(&self, from: End) -> bool {
        let read = self.way(from);
        read.is_carrying() && !read.paused || self.signals(from)
    }

    /// Whether this end has sent, on it, what is no part of its bytes.
    pub(crate) fn signals(&self, from: End) -> bool {
        let written = self.way(from.other());
        self.way(from).reset.is_some() || written.acknowledged || written.halt.is_some()
    }

    /// What this end calls it.
    pub(crate) fn at(&self, end: End) -> StreamId {
        let opener = match self.opener == end {
            true => Side::Local,
            false => Side::Remote,
        };
        StreamId {
            opener,
            index: self.index,
        }
    }
}

/// Who opened the stream that this end calls so.
fn opener(end: End, id: StreamId) -> End {
    match id.opener {
        Side::Local => end,
        Side::Remote => end.other(),
    }
}
