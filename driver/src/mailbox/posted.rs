//! The outcomes of posted messages, for whoever reads them.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use peer_sender_core::{MessageId, Outcome};

use crate::wait::{Replaced, WaitSet, put};

/// With as many unread outcomes, nothing more is posted.
pub(crate) const UNREAD_MAX: usize = 8_192;
/// Outcomes that a reader takes under one lock.
const READ_AT_ONCE: usize = 256;
/// Posting goes on once every reader has read down to this, so that whoever waits for it is not
/// woken for each outcome that is read.
const UNREAD_LOW: usize = UNREAD_MAX / 2;

/// The readers of a peer's outcomes, and who waits until they have read.
///
/// What a reader has not read is bounded: by [`UNREAD_MAX`], and by what was posted and not
/// settled when that was reached.
#[derive(Debug, Default)]
pub(super) struct Posted {
    next: u64,
    readers: BTreeMap<u64, Reader>,
    /// A reader lags behind.
    held_back: bool,
    /// Those who wait to post.
    gate: WaitSet,
}

#[derive(Debug)]
pub(crate) struct Reader {
    /// Its first message.
    from: MessageId,
    unread: VecDeque<(MessageId, Outcome)>,
    waker: Option<Waker>,
}

impl Posted {
    /// Whether anybody reads.
    pub(super) fn is_read(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Whether a reader lags behind, so that nothing may be posted.
    pub(super) fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// Waits until the readers have read.
    pub(super) fn wait(&mut self, place: &mut Option<u64>, waker: &Waker) -> Replaced {
        self.gate.join(place, waker)
    }

    /// Waits no longer.
    pub(super) fn leave_gate(&mut self, place: u64) -> Replaced {
        self.gate.leave(place)
    }

    /// A reader of the outcomes of what is posted from this message on.
    pub(super) fn join(&mut self, from: MessageId) -> u64 {
        self.next += 1;
        let reader = Reader {
            from,
            unread: VecDeque::new(),
            waker: None,
        };
        self.readers.insert(self.next, reader);
        self.next
    }

    /// A reader goes. It is handed back, to be dropped when the lock is released.
    pub(super) fn leave(&mut self, key: u64, wakers: &mut Vec<Waker>) -> Option<Reader> {
        let reader = self.readers.remove(&key);
        self.let_go_on(wakers);
        reader
    }

    /// Tells every reader that the message concerns.
    pub(super) fn tell(&mut self, id: MessageId, outcome: &Outcome, wakers: &mut Vec<Waker>) {
        for reader in self.readers.values_mut() {
            if id < reader.from {
                continue;
            }
            reader.unread.push_back((id, outcome.clone()));
            self.held_back |= reader.unread.len() >= UNREAD_MAX;
            wakers.extend(reader.waker.take());
        }
    }

    /// Moves the next outcomes, none after the last one; or leaves a waker.
    pub(super) fn read(
        &mut self,
        key: u64,
        over: bool,
        into: &mut VecDeque<(MessageId, Outcome)>,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Replaced> {
        let Some(reader) = self.readers.get_mut(&key) else {
            return Ok(());
        };
        if reader.unread.is_empty() {
            return match over {
                true => Ok(()),
                false => Err(put(&mut reader.waker, waker)),
            };
        }
        let some = reader.unread.len().min(READ_AT_ONCE);
        into.extend(reader.unread.drain(..some));
        if reader.unread.is_empty() && reader.unread.capacity() > UNREAD_LOW {
            reader.unread = VecDeque::new();
        }
        self.let_go_on(wakers);
        Ok(())
    }

    /// How many outcomes wait for this reader.
    pub(super) fn unread(&self, key: u64) -> usize {
        self.readers
            .get(&key)
            .map_or(0, |reader| reader.unread.len())
    }

    /// Nothing more is posted: sends home everybody who waits to.
    pub(super) fn close(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.gate.take().into_values());
    }

    /// Nothing more will be told.
    pub(super) fn finish(&mut self, wakers: &mut Vec<Waker>) {
        let readers = self.readers.values_mut();
        wakers.extend(readers.filter_map(|reader| reader.waker.take()));
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.gate.len()
    }

    fn let_go_on(&mut self, wakers: &mut Vec<Waker>) {
        let mut readers = self.readers.values();
        if self.held_back && readers.all(|reader| reader.unread.len() <= UNREAD_LOW) {
            self.held_back = false;
            wakers.extend(self.gate.take().into_values());
        }
    }
}
