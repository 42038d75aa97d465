//! A stream for each message.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, StoppedError, VarInt};

use super::MESSAGE_BYTES_MAX;
use super::ordered::Counts;
use crate::bench::courier::{Courier, at_once};
use crate::bench::failed;
use crate::failure::Failure;

/// Messages that are read before the count is written, when more are there.
const COUNTED_AT_ONCE: u64 = 64;

/// Unidirectional streams, and cumulative counts of the receiving application on one stream back.
/// QUIC's own acknowledgement would come up to 25 ms late (RFC 9000 section 13.2.1), and says
/// nothing of the application.
pub(in crate::bench) struct Streams {
    connection: Connection,
    counts: Counts,
}

impl Streams {
    pub(in crate::bench) async fn new(connection: Connection) -> Result<Self, Failure> {
        let counts = connection.accept_uni().await;
        let counts = Counts::new(counts.map_err(|error| failed("quinn's stream", error))?);
        Ok(Self { connection, counts })
    }
}

impl Courier for Streams {
    async fn send(&mut self, payload: &Bytes) -> Result<(), Failure> {
        written(&self.connection, payload).await.map(drop)
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn settled(&mut self) -> Result<u64, Failure> {
        self.counts.more().await
    }
}

/// Reads streams in the order in which they were opened: nothing is lost on loopback, and it is
/// the cheapest.
pub(super) async fn serve_streams(connection: &Connection) -> Result<(), Failure> {
    let broken = |error: &dyn std::error::Error| failed("quinn's stream", error.to_string());
    let mut back = connection.open_uni().await.map_err(|e| broken(&e))?;
    let mut count: u64 = 0;
    // The other end learns of the stream by the first bytes on it.
    back.write_all(&count.to_be_bytes())
        .await
        .map_err(|e| broken(&e))?;
    loop {
        let mut next = connection.accept_uni().await.map_err(|e| broken(&e))?;
        loop {
            next.read_to_end(MESSAGE_BYTES_MAX)
                .await
                .map_err(|e| broken(&e))?;
            count += 1;
            if count.is_multiple_of(COUNTED_AT_ONCE) {
                break;
            }
            match at_once(connection.accept_uni()).await {
                Some(stream) => next = stream.map_err(|e| broken(&e))?,
                None => break,
            }
        }
        back.write_all(&count.to_be_bytes())
            .await
            .map_err(|e| broken(&e))?;
    }
}

/// Unidirectional streams, each delivered when QUIC has all of it acknowledged, whatever the
/// application does.
pub(in crate::bench) struct Acknowledged {
    connection: Connection,
    /// What tells of each open stream, the oldest first, and the stream itself: dropped, it would be
    /// forgotten.
    open: VecDeque<(SendStream, Ended)>,
}

type Ended = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send>>;

impl Acknowledged {
    pub(in crate::bench) fn new(connection: Connection) -> Self {
        Self {
            connection,
            open: VecDeque::new(),
        }
    }
}

impl Courier for Acknowledged {
    async fn send(&mut self, payload: &Bytes) -> Result<(), Failure> {
        let stream = written(&self.connection, payload).await?;
        let ended = Box::pin(stream.stopped());
        self.open.push_back((stream, ended));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn settled(&mut self) -> Result<u64, Failure> {
        let mut settled = 0;
        while let Some((_, ended)) = self.open.front_mut() {
            let ended = match settled {
                0 => ended.await,
                _ => match at_once(ended).await {
                    Some(ended) => ended,
                    None => return Ok(settled),
                },
            };
            match ended {
                Ok(None) => self.open.pop_front(),
                Ok(Some(code)) => return Err(failed("quinn's stream", code)),
                Err(error) => return Err(failed("quinn's stream", error)),
            };
            settled += 1;
        }
        match settled {
            0 => std::future::pending().await,
            _ => Ok(settled),
        }
    }
}

pub(super) async fn serve_acknowledged(connection: &Connection) -> Result<(), Failure> {
    let broken = |error: &dyn std::error::Error| failed("quinn's stream", error.to_string());
    loop {
        let mut next = connection.accept_uni().await.map_err(|e| broken(&e))?;
        next.read_to_end(MESSAGE_BYTES_MAX)
            .await
            .map_err(|e| broken(&e))?;
    }
}

/// A stream with one message, and its end.
async fn written(connection: &Connection, payload: &Bytes) -> Result<SendStream, Failure> {
    let stream = connection.open_uni().await;
    let mut stream = stream.map_err(|error| failed("quinn's stream", error))?;
    let written = stream.write_chunk(payload.clone()).await;
    written.map_err(|error| failed("quinn's stream", error))?;
    stream
        .finish()
        .map_err(|error| failed("quinn's stream", error))?;
    Ok(stream)
}

/// Bidirectional streams, each answered with one byte by the receiving application.
pub(in crate::bench) struct Request {
    connection: Connection,
    /// The streams that answers come on, and whether they have come.
    open: VecDeque<(RecvStream, bool)>,
}

impl Request {
    pub(in crate::bench) fn new(connection: Connection) -> Self {
        Self {
            connection,
            open: VecDeque::new(),
        }
    }
}

impl Courier for Request {
    async fn send(&mut self, payload: &Bytes) -> Result<(), Failure> {
        let streams = self.connection.open_bi().await;
        let (mut to, from) = streams.map_err(|error| failed("quinn's stream", error))?;
        let written = to.write_chunk(payload.clone()).await;
        written.map_err(|error| failed("quinn's stream", error))?;
        to.finish()
            .map_err(|error| failed("quinn's stream", error))?;
        self.open.push_back((from, false));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// The answer to the oldest, read to its end: a stream that is dropped before costs a frame.
    async fn settled(&mut self) -> Result<u64, Failure> {
        let Some((first, answered)) = self.open.front_mut() else {
            return std::future::pending().await;
        };
        loop {
            let answer = first.read_chunk(usize::MAX, true).await;
            match answer.map_err(|error| failed("quinn's stream", error))? {
                Some(_) => *answered = true,
                None if *answered => break,
                None => return Err(failed("quinn's stream", "it ended without an answer")),
            }
        }
        self.open.pop_front();
        Ok(1)
    }
}

pub(super) async fn serve_requests(connection: &Connection) -> Result<(), Failure> {
    let broken = |error: &dyn std::error::Error| failed("quinn's stream", error.to_string());
    loop {
        let (mut back, mut from) = connection.accept_bi().await.map_err(|e| broken(&e))?;
        from.read_to_end(MESSAGE_BYTES_MAX)
            .await
            .map_err(|e| broken(&e))?;
        back.write_all(b"k").await.map_err(|e| broken(&e))?;
        back.finish().map_err(|e| broken(&e))?;
    }
}
