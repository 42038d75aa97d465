//! How a sender stood over time, as bands.

use peer_sender_core::table::Standing;

/// The most bands that are kept while a trace is read.
const BANDS_MAX: usize = 4_096;

/// Bands one behind the other. When they are too many, short ones become part of the band before.
#[derive(Clone, Debug, Default)]
pub(super) struct Bands {
    /// Since when, in nanoseconds since 1970, and how.
    bands: Vec<(u64, Standing)>,
    /// Bands that were shorter may be lacking.
    grain: u64,
}

/// A band, with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) standing: Standing,
}

impl Bands {
    /// The sender stands so at this time.
    pub(super) fn stands(&mut self, time: u64, standing: Standing) {
        if self.bands.last().is_some_and(|last| last.1 == standing) {
            return;
        }
        self.bands.push((time, standing));
        if self.bands.len() > BANDS_MAX {
            // As coarse as before may do: what has come since then may be short again.
            self.coarsen(time);
            self.shorten_to(BANDS_MAX / 2, time);
        }
    }

    /// At most so many bands (and two at least), up to this time, and how short a band may be that is lacking; zero if
    /// none is.
    pub(super) fn drawn(&self, end: u64, count: usize) -> (Vec<Band>, u64) {
        let mut coarse = self.clone();
        coarse.shorten_to(count.max(2), end);
        let ends = coarse.bands.iter().skip(1).map(|next| next.0).chain([end]);
        let bands = coarse.bands.iter().zip(ends);
        let bands = bands.map(|(&(from, standing), to)| Band { from, to, standing });
        (bands.collect(), coarse.grain)
    }

    /// Of the shortest first, until there are no more than that: at least two always may be.
    fn shorten_to(&mut self, count: usize, now: u64) {
        while self.bands.len() > count {
            self.grain = self.grain.saturating_mul(2).max(1_000_000);
            self.coarsen(now);
        }
    }

    fn coarsen(&mut self, now: u64) {
        let mut kept: Vec<(u64, Standing)> = Vec::with_capacity(self.bands.len());
        let ends = self.bands.iter().skip(1).map(|next| next.0).chain([now]);
        let last = self.bands.len() - 1;
        for (place, (&(from, standing), to)) in self.bands.iter().zip(ends).enumerate() {
            // The last one is not over, however long it lasts.
            let short = to.saturating_sub(from) < self.grain && place != last;
            let same = kept.last().is_some_and(|before| before.1 == standing);
            if !same && (!short || kept.is_empty()) {
                kept.push((from, standing));
            }
        }
        self.bands = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_lasts_until_the_next() {
        let mut bands = Bands::default();
        bands.stands(5, Standing::Down);
        bands.stands(6, Standing::Down);
        bands.stands(9, Standing::Up);
        let band = |from, to, standing| Band { from, to, standing };
        let expected = vec![band(5, 9, Standing::Down), band(9, 20, Standing::Up)];
        assert_eq!(bands.drawn(20, 10), (expected, 0));
    }

    #[test]
    fn of_too_many_bands_the_short_ones_go() {
        let mut bands = Bands::default();
        let mut time = 0;
        for round in 0..100_000_u64 {
            bands.stands(time, Standing::Connecting);
            time += 1_000;
            bands.stands(time, Standing::Backoff);
            time += if round == 50_000 {
                60_000_000_000
            } else {
                2_000_000
            };
        }
        assert!(bands.bands.len() <= BANDS_MAX);
        let (drawn, grain) = bands.drawn(time, 300);
        assert!(drawn.len() <= 300 && grain >= 1_000_000, "{}", drawn.len());
        let longest = drawn.iter().map(|band| band.to - band.from).max();
        assert!(longest >= Some(60_000_000_000));
        let joins = drawn.windows(2).all(|pair| pair[0].to == pair[1].from);
        assert!(joins && drawn.last().unwrap().to == time);
    }
}
