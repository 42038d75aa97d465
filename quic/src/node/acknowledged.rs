//! Which writes the other end's transport has acknowledged, told by what QUIC lets go of.
//!
//! quinn-proto cannot be asked how much of a stream is acknowledged. But it keeps the very buffers
//! that it was given until all before their end are acknowledged, and drops each then. So the last
//! buffer of a write has an owner that notes when it is dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use peer_sender_core::{Event, TransferId};

/// The writes of one stream. Buffers are dropped in the order in which they were written, so it is
/// enough to count them.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    released: Arc<AtomicU64>,
    told: u64,
    awaited: VecDeque<TransferId>,
}

/// The bytes of a buffer, and where its end is noted.
struct Held {
    bytes: Bytes,
    released: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.released.fetch_add(1, Ordering::Release);
    }
}

impl Acknowledged {
    /// Waits for the end of a write's last buffer. To be called before QUIC is given any of it.
    pub(super) fn watch(&mut self, transfer: TransferId, chunks: &mut VecDeque<Bytes>) {
        if let Some(last) = chunks.back_mut() {
            let (bytes, released) = (std::mem::take(last), Arc::clone(&self.released));
            *last = Bytes::from_owner(Held { bytes, released });
            self.awaited.push_back(transfer);
        }
    }

    /// Tells which writes were acknowledged since the last call.
    pub(super) fn tell(&mut self, events: &mut Vec<Event>) {
        let released = self.released.load(Ordering::Acquire);
        while self.told < released {
            self.told += 1;
            let acknowledged = self.awaited.pop_front();
            events.extend(acknowledged.map(|transfer| Event::TransferAcknowledged { transfer }));
        }
    }

    /// Whether no write awaits its acknowledgement, or that it is told.
    pub(super) fn is_empty(&self) -> bool {
        self.awaited.is_empty()
    }

    /// From here on buffers may be dropped for another reason: nothing more is told.
    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(texts: &[&'static str]) -> VecDeque<Bytes> {
        let chunks = texts.iter().map(|text| Bytes::from_static(text.as_bytes()));
        chunks.collect()
    }

    fn told(acknowledged: &mut Acknowledged) -> Vec<u64> {
        let mut events = Vec::new();
        acknowledged.tell(&mut events);
        let transfers = events.into_iter().map(|event| match event {
            Event::TransferAcknowledged { transfer } => transfer.0,
            other => panic!("{other:?}"),
        });
        transfers.collect()
    }

    #[test]
    fn a_write_is_acknowledged_once_the_last_part_of_its_last_buffer_is_dropped() {
        let mut acknowledged = Acknowledged::default();
        let (mut first, mut second) = (chunks(&["one", "two"]), chunks(&["three"]));
        acknowledged.watch(TransferId(7), &mut first);
        acknowledged.watch(TransferId(8), &mut second);
        drop(first.pop_front());
        let mut last = first.pop_front().unwrap();
        let part = last.split_to(1);
        assert_eq!(&part[..], b"t");
        drop(part);
        assert!(told(&mut acknowledged).is_empty());
        drop(last);
        assert_eq!(told(&mut acknowledged), [7]);
        assert!(told(&mut acknowledged).is_empty());
        drop(second);
        assert_eq!(told(&mut acknowledged), [8]);
    }

    #[test]
    fn what_is_dropped_after_the_stop_is_not_told() {
        let mut acknowledged = Acknowledged::default();
        let mut written = chunks(&["one"]);
        acknowledged.watch(TransferId(7), &mut written);
        acknowledged.stop();
        drop(written);
        assert!(told(&mut acknowledged).is_empty());
    }
}
