//! A connection of a raw endpoint: what came on it.

use std::collections::{BTreeMap, VecDeque};

use quinn_proto::{Connection, ConnectionError, Dir, Event, ReadError, StreamEvent, StreamId};

pub(super) struct Link {
    /// None once QUIC has forgotten it. On its own, so that the forgotten ones of ten thousand take
    /// no room: tests look at what the process uses.
    pub(super) connection: Option<Box<Connection>>,
    pub(super) dialled: bool,
    pub(super) connected: bool,
    pub(super) lost: Option<ConnectionError>,
    pub(super) reads: bool,
    pub(super) streams: BTreeMap<StreamId, Came>,
    /// Streams whose writing half the other end stopped, with its code.
    pub(super) stopped: BTreeMap<StreamId, u64>,
    /// Streams that the other end opened, and nobody has asked for.
    pub(super) opened: VecDeque<StreamId>,
}

/// What came on a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Came {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Reset(u64),
}

impl Link {
    pub(super) fn new(connection: Connection, dialled: bool) -> Self {
        Self {
            connection: Some(Box::new(connection)),
            dialled,
            connected: false,
            lost: None,
            reads: true,
            streams: BTreeMap::new(),
            stopped: BTreeMap::new(),
            opened: VecDeque::new(),
        }
    }

    /// QUIC has forgotten it; nobody looks at what came on it any more.
    pub(super) fn forget(&mut self) {
        self.connection = None;
        self.streams.clear();
        self.stopped.clear();
    }

    /// Takes note of what QUIC reports, and reads what came.
    pub(super) fn hear(&mut self) {
        while let Some(event) = self
            .connection
            .as_mut()
            .and_then(|connection| connection.poll())
        {
            match event {
                Event::Connected => self.connected = true,
                Event::ConnectionLost { reason } => self.lost = Some(reason),
                Event::Stream(StreamEvent::Opened { dir }) => self.accept_streams(dir),
                Event::Stream(StreamEvent::Readable { id }) => {
                    self.streams.entry(id).or_default();
                    self.read(id);
                }
                Event::Stream(StreamEvent::Stopped { id, error_code }) => {
                    self.stopped.insert(id, error_code.into_inner());
                }
                _ => {}
            }
        }
    }

    fn accept_streams(&mut self, dir: Dir) {
        while let Some(connection) = &mut self.connection
            && let Some(id) = connection.streams().accept(dir)
        {
            self.opened.push_back(id);
            self.streams.entry(id).or_default();
            self.read(id);
        }
    }

    pub(super) fn read(&mut self, id: StreamId) {
        let (Some(connection), true) = (&mut self.connection, self.reads) else {
            return;
        };
        let came = self.streams.entry(id).or_default();
        let mut stream = connection.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else {
            return;
        };
        loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => came.bytes.extend_from_slice(&chunk.bytes),
                Ok(None) => {
                    came.end = Some(End::Fin);
                    break;
                }
                Err(ReadError::Reset(code)) => {
                    came.end = Some(End::Reset(code.into_inner()));
                    break;
                }
                Err(ReadError::Blocked) => break,
            }
        }
        let _ = chunks.finalize();
    }
}
