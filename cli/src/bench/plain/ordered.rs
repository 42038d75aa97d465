//! One bidirectional stream: messages with a length before them one way, cumulative counts of the
//! receiving application the other.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quinn::{Connection, RecvStream, SendStream};

use super::MESSAGE_BYTES_MAX;
use crate::bench::courier::{Courier, at_once};
use crate::bench::failed;
use crate::failure::Failure;

/// Larger messages are handed to quinn as they are, smaller ones are copied together.
const COPIED_MAX: usize = 8 << 10;
const LENGTH_BYTES: usize = 4;
/// Chunks that are read at once.
const CHUNKS: usize = 32;

/// The sending application.
pub(in crate::bench) struct Ordered {
    to: SendStream,
    counts: Counts,
    kept: BytesMut,
    /// Lives as long as its last handle.
    _connection: Connection,
}

impl Ordered {
    pub(in crate::bench) async fn new(connection: Connection) -> Result<Self, Failure> {
        let (to, from) = connection
            .open_bi()
            .await
            .map_err(|error| failed("quinn's stream", error))?;
        Ok(Self {
            to,
            counts: Counts::new(from),
            kept: BytesMut::new(),
            _connection: connection,
        })
    }
}

impl Courier for Ordered {
    async fn send(&mut self, payload: &Bytes) -> Result<(), Failure> {
        self.kept.put_u32(payload.len() as u32);
        if payload.len() <= COPIED_MAX {
            self.kept.extend_from_slice(payload);
            return Ok(());
        }
        let mut chunks = [self.kept.split().freeze(), payload.clone()];
        let written = self.to.write_all_chunks(&mut chunks).await;
        written.map_err(|error| failed("quinn's stream", error))
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let written = self.to.write_chunk(self.kept.split().freeze()).await;
        written.map_err(|error| failed("quinn's stream", error))
    }

    async fn settled(&mut self) -> Result<u64, Failure> {
        self.counts.more().await
    }
}

/// Reads a stream of cumulative counts.
pub(super) struct Counts {
    from: RecvStream,
    part: BytesMut,
    last: u64,
}

impl Counts {
    pub(super) fn new(from: RecvStream) -> Self {
        Self {
            from,
            part: BytesMut::new(),
            last: 0,
        }
    }

    /// By how much the count has risen, once it has. Nothing is lost by dropping it.
    pub(super) async fn more(&mut self) -> Result<u64, Failure> {
        loop {
            let mut latest = self.last;
            while self.part.len() >= size_of::<u64>() {
                latest = self.part.get_u64();
            }
            if latest > self.last {
                let more = latest - self.last;
                self.last = latest;
                return Ok(more);
            }
            let chunk = self.from.read_chunk(usize::MAX, true).await;
            match chunk.map_err(|error| failed("quinn's stream", error))? {
                Some(chunk) => self.part.extend_from_slice(&chunk.bytes),
                None => return Err(failed("quinn's stream", "it has ended")),
            }
        }
    }
}

/// The receiving application: counts messages, and writes the count for all that came at once.
pub(super) async fn serve(connection: &Connection) -> Result<(), Failure> {
    let broken = |error: &dyn std::error::Error| failed("quinn's stream", error.to_string());
    let (mut back, mut from) = connection.accept_bi().await.map_err(|e| broken(&e))?;
    let mut chunks = [const { Bytes::new() }; CHUNKS];
    let mut messages = Messages::default();
    let mut count: u64 = 0;
    loop {
        let before = count;
        let mut read = from
            .read_chunks(&mut chunks)
            .await
            .map_err(|e| broken(&e))?;
        loop {
            let Some(some) = read else { return Ok(()) };
            for chunk in chunks.iter_mut().take(some) {
                count += messages.push(std::mem::take(chunk))?;
            }
            match at_once(from.read_chunks(&mut chunks)).await {
                Some(next) => read = next.map_err(|e| broken(&e))?,
                None => break,
            }
        }
        if count > before {
            back.write_all(&count.to_be_bytes())
                .await
                .map_err(|e| broken(&e))?;
        }
    }
}

/// Puts messages together again, each in one piece of memory.
#[derive(Default)]
struct Messages {
    head: BytesMut,
    /// What is there of the message under way, and how long it is in all.
    body: Option<(BytesMut, usize)>,
}

impl Messages {
    /// How many messages are complete with this.
    fn push(&mut self, mut chunk: Bytes) -> Result<u64, Failure> {
        let mut complete = 0;
        while chunk.has_remaining() || self.is_complete() {
            match &mut self.body {
                None => {
                    let missing = LENGTH_BYTES - self.head.len();
                    self.head.put(chunk.split_to(missing.min(chunk.len())));
                    if self.head.len() < LENGTH_BYTES {
                        break;
                    }
                    let length = self.head.get_u32() as usize;
                    if length > MESSAGE_BYTES_MAX {
                        return Err(failed("quinn's stream", "a message is too large"));
                    }
                    if chunk.len() >= length {
                        // The message as the application gets it: no copy.
                        drop(chunk.split_to(length));
                        complete += 1;
                    } else {
                        self.body = Some((BytesMut::with_capacity(length), length));
                    }
                }
                Some((body, length)) => {
                    let missing = *length - body.len();
                    body.put(chunk.split_to(missing.min(chunk.len())));
                    if body.len() == *length {
                        self.body = None;
                        complete += 1;
                    }
                }
            }
        }
        Ok(complete)
    }

    fn is_complete(&self) -> bool {
        matches!(&self.body, Some((body, length)) if body.len() == *length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let mut stream = BytesMut::new();
        for length in [3, 0, 700, 1, 0] {
            stream.put_u32(length);
            stream.put_bytes(7, length as usize);
        }
        for cut in 1..=stream.len() {
            let mut messages = Messages::default();
            let chunks = stream.chunks(cut).map(Bytes::copy_from_slice);
            let count: u64 = chunks.map(|chunk| messages.push(chunk).unwrap()).sum();
            assert_eq!(count, 5, "cut into {cut}");
            assert!(messages.head.is_empty() && messages.body.is_none());
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let error = Messages::default().push(Bytes::from_static(&[0xff; 4]));
        assert!(error.is_err());
    }
}
