//! What receiving processes say of their own memory: each has one epoch, and no record of it ever
//! stands for two lanes.

use std::collections::BTreeMap;

use peer_sender_core::Epoch;

use crate::receiver_log::Receiver;
use crate::transport::End;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    epochs: BTreeMap<(End, u32), Epoch>,
    /// Whose each record of each process is.
    records: BTreeMap<(End, u32, u64), (Receiver, u64)>,
    /// The record of each lane of each half.
    lanes: BTreeMap<(Receiver, u64), u64>,
}

impl Memory {
    /// A RESUME names its process and a record.
    pub(crate) fn named(&mut self, receiver: Receiver, lane: u64, epoch: Epoch, record: u64) {
        let Receiver { end, life, .. } = receiver;
        let known = *self.epochs.entry((end, life)).or_insert(epoch);
        assert_eq!(known, epoch, "W a process has one epoch");
        let others = self.epochs.iter().filter(|(name, _)| **name != (end, life));
        let stolen = others.into_iter().any(|(_, other)| *other == epoch);
        assert!(!stolen, "W a process took over an epoch");
        let key = (end, life, record);
        let owner = *self.records.entry(key).or_insert((receiver, lane));
        assert_eq!(owner, (receiver, lane), "W record {record} is used again");
        let ours = *self.lanes.entry(owner).or_insert(record);
        assert_eq!(ours, record, "W {owner:?} was forgotten without need");
    }
}
