//! The latest records, within a bound.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The latest records of a trace. What is oldest is dropped by whole stretches, each of which begins
/// with the state of every machine that has a step in it.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// What every trace begins with.
    head: Vec<u8>,
    /// Oldest first; the last one is being written.
    stretches: VecDeque<Vec<u8>>,
    /// One that was dropped, to be filled again: fresh memory would cost more than what is written to it.
    spare: Vec<u8>,
    bytes: usize,
    bytes_max: usize,
}

impl Ring {
    pub(super) fn new(head: Vec<u8>, bytes_max: usize) -> Self {
        Self {
            head,
            stretches: VecDeque::from([Vec::new()]),
            spare: Vec::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Adds whole records.
    pub(super) fn push(&mut self, records: &[u8]) {
        let Some(last) = self.stretches.back_mut() else {
            return;
        };
        last.extend_from_slice(records);
        self.bytes += records.len();
        while self.bytes > self.bytes_max
            && self.stretches.len() > 1
            && let Some(dropped) = self.stretches.pop_front()
        {
            self.bytes -= dropped.len();
            self.spare = dropped;
        }
    }

    /// Begins another stretch.
    pub(super) fn turn(&mut self) {
        let mut next = core::mem::take(&mut self.spare);
        next.clear();
        if next.capacity() == 0 {
            next.reserve(self.stretches.back().map_or(0, Vec::len));
        }
        self.stretches.push_back(next);
    }

    /// A whole trace.
    pub(super) fn dump(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.head.len() + self.bytes);
        out.extend_from_slice(&self.head);
        for stretch in &self.stretches {
            out.extend_from_slice(stretch);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_stretch_goes_where_there_is_more_than_may_be_and_never_the_last() {
        let mut ring = Ring::new(b"head ".to_vec(), 10);
        ring.push(b"aaaa");
        ring.turn();
        ring.push(b"bbbb");
        ring.turn();
        ring.push(b"cc");
        assert_eq!(ring.dump(), b"head aaaabbbbcc", "as much as may be");
        ring.push(b"c");
        assert_eq!(ring.dump(), b"head bbbbccc");
        ring.push(b"cccccccc");
        assert_eq!(ring.dump(), b"head ccccccccccc");
    }
}
