//! A session's machine in the image of its table.

use alloc::vec::Vec;

use super::{PeerReceiverMachine, Tally};
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::stats::Aside;
use crate::trace::image::{ImageError, Reader, Writer, is_count};
use crate::{Protocol, ReceiverConfig};

impl PeerReceiverMachine {
    /// Its protocol and its limits are those of the table.
    pub(in crate::receiver) fn save(&self, out: &mut Writer<'_>) {
        let Self {
            protocol: _,
            now,
            phase,
            inbound,
            outbound,
            transfers,
            tally: Aside(tally),
            // Empty between steps.
            stop_by: _,
            rejected: _,
            broken: _,
            cut: _,
        } = self;
        out.value(&(now, phase, transfers, tally));
        inbound.save(out);
        outbound.save(out);
        if self.protocol == Protocol::Framed {
            out.number(tally.stats.handed_over);
        }
    }

    pub(in crate::receiver) fn restore(
        image: &mut Reader<'_>,
        config: &ReceiverConfig,
    ) -> Result<Self, ImageError> {
        let (now, phase, transfers, mut tally): (_, _, _, Tally) = image.value()?;
        let inbound = Inbound::restore(image, &config.receive)?;
        if !inbound.suits(config.protocol, true) {
            return Err(image.wrong("a session of another protocol"));
        }
        let outbound = Outbound::restore(image, &config.send, config.protocol)?;
        if config.protocol == Protocol::Framed {
            tally.stats.handed_over = image.number()?;
        }
        let machine = Self {
            protocol: config.protocol,
            now,
            phase,
            stop_by: None,
            inbound,
            outbound,
            rejected: Vec::new(),
            broken: Vec::new(),
            cut: Vec::new(),
            transfers,
            tally: Aside(tally),
        };
        match machine.reply_stats().are_counts() && is_count(transfers) {
            true => Ok(machine),
            false => Err(image.wrong("counters of replies that cannot be")),
        }
    }
}
