//! One direction of a connection as QUIC would have it: the bytes of one stream, which QUIC takes, that
//! arrive, are acknowledged and are read, each when chance says so.

use std::collections::VecDeque;

use bytes::Bytes;
use peer_sender_core::TransferId;

#[derive(Default)]
pub(crate) struct Pipe {
    bytes: Vec<u8>,
    /// The last write, if the sending QUIC has not taken all of it.
    untaken: Option<(TransferId, usize)>,
    /// Writes that are not acknowledged, each with its end.
    unacknowledged: VecDeque<(TransferId, usize)>,
    /// Messages that have not arrived whole, each with its end.
    coming: VecDeque<(u64, usize)>,
    /// Messages that have arrived and are not acknowledged.
    here: VecDeque<(u64, usize)>,
    /// Messages that have arrived and are not read whole.
    unread: VecDeque<(u64, usize)>,
    /// Each at most the one before, but that what is read may be acknowledged or not.
    taken: usize,
    arrived: usize,
    acknowledged: usize,
    read: usize,
    pub(crate) opened: bool,
    pub(crate) paused: bool,
}

impl Pipe {
    /// The machine writes: whole messages, each behind its length. Returns what they say they are.
    pub(crate) fn write(&mut self, transfer: TransferId, chunks: &[Bytes]) -> Vec<(u64, Bytes)> {
        assert_eq!(self.untaken, None, "a write before the last one was taken");
        let written = Bytes::from(chunks.concat());
        let (mut at, mut messages) = (0, Vec::new());
        while at < written.len() {
            let length = u32::from_be_bytes(written[at..at + 4].try_into().unwrap()) as usize;
            let payload = written.slice(at + 4..at + 4 + length);
            at += 4 + length;
            let id = u64::from_be_bytes(payload[..8].try_into().unwrap());
            self.coming.push_back((id, self.bytes.len() + at));
            messages.push((id, payload));
        }
        assert!(!messages.is_empty());
        self.bytes.extend_from_slice(&written);
        self.untaken = Some((transfer, self.bytes.len()));
        self.unacknowledged.push_back((transfer, self.bytes.len()));
        messages
    }

    /// QUIC takes up to so many bytes more; the write of which it has all now.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<TransferId> {
        self.taken = self.taken.saturating_add(bytes).min(self.bytes.len());
        let whole = self.untaken.filter(|&(_, end)| end <= self.taken);
        whole.map(|(transfer, _)| {
            self.untaken = None;
            transfer
        })
    }

    /// Up to so many bytes more arrive; the messages that are whole now.
    pub(crate) fn arrive(&mut self, bytes: usize) -> Vec<u64> {
        self.arrived = self.arrived.saturating_add(bytes).min(self.taken);
        let mut whole = Vec::new();
        while let Some(&(id, end)) = self.coming.front()
            && end <= self.arrived
        {
            self.coming.pop_front();
            self.here.push_back((id, end));
            self.unread.push_back((id, end));
            whole.push(id);
        }
        whole
    }

    /// What has arrived is acknowledged, up to so many bytes: the writes and messages that are now.
    pub(crate) fn acknowledge(&mut self, bytes: usize) -> (Vec<TransferId>, Vec<u64>) {
        self.acknowledged = self.acknowledged.saturating_add(bytes).min(self.arrived);
        let (mut writes, mut messages) = (Vec::new(), Vec::new());
        while let Some(&(transfer, end)) = self.unacknowledged.front()
            && end <= self.acknowledged
        {
            self.unacknowledged.pop_front();
            writes.push(transfer);
        }
        while let Some(&(id, end)) = self.here.front()
            && end <= self.acknowledged
        {
            self.here.pop_front();
            messages.push(id);
        }
        (writes, messages)
    }

    /// Whether something has arrived that is not read because the stream is paused.
    pub(crate) fn waits(&self) -> bool {
        self.paused && self.read < self.arrived
    }

    /// What the receiving machine is told next, if anything, and the messages that it knows whole then.
    pub(crate) fn read(&mut self, bytes: usize) -> Option<(Bytes, Vec<u64>)> {
        let end = self.read.saturating_add(bytes).min(self.arrived);
        let chunk = Bytes::copy_from_slice(&self.bytes[self.read..end]);
        self.read = end;
        let mut whole = Vec::new();
        while let Some(&(id, end)) = self.unread.front()
            && end <= self.read
        {
            self.unread.pop_front();
            whole.push(id);
        }
        (!chunk.is_empty()).then_some((chunk, whole))
    }
}
