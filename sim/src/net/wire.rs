//! What nodes send: written down, judged, and given to the network.

use std::net::IpAddr;

use peer_sender_quic::Transmit;

use super::amplification::{is_retry, is_short};
use super::due::Due;
use super::link::Datagram;
use super::op::Place;
use super::oracle::Broken;
use super::report::{Fault, mix, mix_bytes};
use super::run::Captured;
use super::world::World;

impl World<'_> {
    pub(super) fn send(
        &mut self,
        place: Place,
        transmit: &Transmit,
        buffer: &[u8],
    ) -> Result<(), Broken> {
        let size = transmit.segment_size.unwrap_or(transmit.size).max(1);
        let bytes = buffer.get(..transmit.size).unwrap_or(buffer);
        let count = bytes.len().div_ceil(size);
        let host = &self.hosts[usize::from(place)];
        let mut kept = count;
        if count > 1 && host.batch.hits(&mut self.rng) {
            kept = self.rng.below(count as u64) as usize;
            self.report.faults.count(Fault::Batch);
        }
        for (number, bytes) in bytes.chunks(size).enumerate() {
            self.note(place, transmit, bytes)?;
            if number < kept {
                self.post(place, transmit, bytes);
            } else {
                self.capture
                    .iter_mut()
                    .for_each(|it| it.befell(&[Fault::Batch]));
            }
        }
        Ok(())
    }

    /// Writes down that a node sent a datagram.
    fn note(&mut self, place: Place, transmit: &Transmit, bytes: &[u8]) -> Result<(), Broken> {
        let to = transmit.destination;
        let host = &self.hosts[usize::from(place)];
        let from = host.address_towards(to).unwrap_or(host.address);
        let mut shape = mix(self.report.shape, self.now.as_nanos());
        shape = mix(shape, u64::from(place) << 16 | u64::from(to.port()));
        shape = match to.ip() {
            IpAddr::V4(ip) => mix(shape, u64::from(u32::from(ip))),
            IpAddr::V6(ip) => mix_bytes(shape, &ip.octets()),
        };
        shape = mix(shape, transmit.ecn.map_or(0, |mark| mark as u64 + 1));
        shape = mix(shape, bytes.len() as u64);
        self.report.shape = shape;
        self.report.digest = mix_bytes(mix(self.report.digest, shape), bytes);
        self.report.datagrams += 1;
        self.report.bytes += bytes.len() as u64;
        if is_retry(bytes) {
            self.report.faults.count(Fault::Retry);
        }
        if let Some(capture) = &mut self.capture {
            capture.datagrams.push(Captured {
                at: self.now,
                from,
                to,
                ecn: transmit.ecn,
                fates: Vec::new(),
                bytes: bytes.to_vec(),
            });
        }
        self.amplification.posted(place, bytes);
        let host = &self.hosts[usize::from(place)];
        // Whoever dials may say as much as it likes.
        let owner = self.owners.get(&to);
        let peer = owner.map(|&owner| self.setup.settings.process_of(owner));
        match peer.is_some_and(|peer| host.dialled.contains_key(&peer)) {
            true => Ok(()),
            false => {
                let now = host.clock.shows(self.now);
                let stranger = owner.is_none();
                self.amplification.sent(now, place, (to, stranger), bytes)
            }
        }
    }

    /// Gives a datagram to the network.
    fn post(&mut self, place: Place, transmit: &Transmit, bytes: &[u8]) {
        let Some(&to) = self.names.get(&transmit.destination) else {
            return;
        };
        let Some(link) = self.links.get_mut(&(place, to)) else {
            return;
        };
        let host = &mut self.hosts[usize::from(place)];
        // Whoever has not begun a connection in this life has nothing else to say in short.
        let greets = !is_short(bytes) || host.other_key;
        if greets {
            host.greeted.insert(to);
        }
        let reset = !host.greeted.contains(&to);
        let Some(from) = host.address_towards(transmit.destination) else {
            return;
        };
        let datagram = Datagram {
            sender: Some((place, host.life)),
            reset,
            from,
            to: transmit.destination,
            ecn: transmit.ecn,
            bytes: bytes.to_vec().into(),
        };
        if let Some(stranger) = &mut self.stranger {
            stranger.see(&datagram);
        }
        let (now, mut arrivals) = (self.now, Vec::new());
        link.carry(now, datagram, &mut self.report.faults, |at, it| {
            arrivals.push((at, it));
        });
        if let (Some(capture), false) = (&mut self.capture, link.fates.is_empty()) {
            capture.befell(&link.fates);
        }
        for (at, datagram) in arrivals {
            self.slowest = self.slowest.max(at.saturating_since(now));
            self.push(at, Due::Arrival(datagram));
        }
    }
}
