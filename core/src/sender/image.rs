//! A sender's image.

use alloc::vec::Vec;

use super::PeerSenderMachine;
use super::state::{News, State};
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::table::TRANSITIONS;
use crate::trace::image::{self, Image, ImageError, Kind, Reader, Writer, is_count};
use crate::{Config, Protocol, Stats};

impl Image for PeerSenderMachine {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            config,
            seed,
            state,
            since,
            last_error,
            stats,
            visits,
        } = self;
        image::write(Kind::Sender, out, |out| {
            out.value(&(config, seed, since, last_error, stats));
            // The last row is of no sender with lanes, and images are older than it.
            let rows = visits.len() - usize::from(visits.last() == Some(&0));
            out.each(visits.iter().take(rows), |out, &taken| out.number(taken));
            state.save(out);
            if config.protocol == Protocol::Framed {
                out.number(stats.handed_over);
            }
        });
    }

    fn restore(bytes: &[u8]) -> Result<Self, ImageError> {
        let machine = image::read(Kind::Sender, bytes, |image| {
            let config: Config = image.value()?;
            let config = config.checked()?;
            let (seed, since, last_error, mut stats): (_, _, _, Stats) = image.value()?;
            let mut visits: Vec<u64> = image.each(Reader::number)?;
            let counted = visits.iter().all(|&taken| is_count(taken));
            if visits.len() + 1 == TRANSITIONS.len() {
                visits.push(0);
            }
            let (Ok(visits), true) = (visits.try_into(), counted) else {
                return Err(image.wrong("transitions that cannot be"));
            };
            let state = State::restore(image, &config)?;
            if config.protocol == Protocol::Framed {
                stats.handed_over = image.number()?;
            }
            let machine = Self {
                state,
                config,
                seed,
                since,
                last_error,
                stats,
                visits,
            };
            match machine.stats().are_counts() {
                true => Ok(machine),
                false => Err(image.wrong("counters that cannot be")),
            }
        })?;
        machine.check()?;
        Ok(machine)
    }
}

impl State {
    fn save(&self, out: &mut Writer<'_>) {
        let Self {
            now,
            phase,
            link,
            addresses,
            turn,
            dial_after,
            backoff,
            outbound,
            inbound,
            recall,
            slow,
            next_attempt,
            transfers,
            // Empty between steps.
            news: _,
        } = self;
        out.value(&(now, phase, link, addresses, turn, dial_after, backoff));
        out.value(&(recall, slow, next_attempt, transfers));
        outbound.save(out);
        inbound.save(out);
    }

    fn restore(image: &mut Reader<'_>, config: &Config) -> Result<Self, ImageError> {
        let (now, phase, link, addresses, turn, dial_after, backoff) = image.value()?;
        let (recall, slow, next_attempt, transfers) = image.value()?;
        if !is_count(next_attempt) || !is_count(transfers) {
            return Err(image.wrong("names that cannot be"));
        }
        let outbound = Outbound::restore(image, &config.send, config.protocol)?;
        let inbound = Inbound::restore(image, &config.receive)?;
        if !inbound.suits(config.protocol, false) {
            return Err(image.wrong("the peer speaks another protocol"));
        }
        Ok(Self {
            now,
            phase,
            link,
            addresses,
            turn,
            dial_after,
            backoff,
            outbound,
            inbound,
            recall,
            slow,
            next_attempt,
            transfers,
            news: News::default(),
        })
    }
}
