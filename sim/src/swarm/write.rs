//! What a seed writes on its tape.

use super::class::{Class, Classes};
use super::kind::Kind;
use super::profile::Profile;
use crate::tape::{Layer, Rng, Writer};

/// Records of a tape. Not each of them fits where it comes up, and some are several inputs.
const RECORDS: u64 = 2_900;

/// The most records at the beginning in which more goes wrong.
const STORM_RECORDS_MAX: u64 = 200;

/// Bytes of choices of a record, its tag included.
const RECORD_BYTES: usize = 8;

/// Bytes of choices of the first record.
const SETUP_BYTES: usize = 96;

/// The tape of a seed.
pub fn tape_of(seed: u64, profile: &Profile) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let classes = profile.classes(&mut rng);
    let mut writer = Writer::new(Layer::Machine);
    let mut setup = [0; SETUP_BYTES];
    rng.fill(&mut setup);
    if let Some(bits) = setup.first_chunk_mut() {
        *bits = classes.bits().to_le_bytes();
    }
    writer.record(&setup);
    let weights = Weights::draw(&mut rng, classes);
    // What happens once in a lane's life must meet faults as well.
    let (stormy, storm) = (weights.stormy(), rng.below(STORM_RECORDS_MAX));
    let stops = stops(&mut rng, classes);
    let mut record = [0; RECORD_BYTES];
    for place in 0..RECORDS {
        rng.fill(&mut record);
        record[0] = match place < storm {
            true => stormy.tag(&mut rng),
            false => weights.tag(&mut rng),
        };
        if stops.contains(&place) {
            record[0] = Kind::Stop as u8;
        }
        writer.record(&record);
    }
    writer.finish()
}

/// How often each kind of record is drawn.
struct Weights(Vec<(Kind, u64)>);

impl Weights {
    /// Each kind more often in one seed than in another.
    fn draw(rng: &mut Rng, classes: Classes) -> Self {
        let on = |kind: &Kind| kind.class().is_none_or(|class| classes.has(class));
        let all = Kind::ALL.iter().map(|kind| {
            let weight = kind.weight() << rng.below(3);
            (*kind, weight)
        });
        Self(all.filter(|(kind, _)| on(kind)).collect())
    }

    /// The same with more of what is not in the ordinary course of things.
    fn stormy(&self) -> Self {
        let all = self.0.iter().map(|(kind, weight)| {
            let times = if kind.class().is_some() { 8 } else { 1 };
            (*kind, weight * times)
        });
        Self(all.collect())
    }

    fn tag(&self, rng: &mut Rng) -> u8 {
        let total = self.0.iter().map(|(_, weight)| weight).sum();
        let mut at = rng.below(total);
        let drawn = self.0.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.wrapping_sub(*weight);
            here
        });
        drawn.map_or(0, |(kind, _)| *kind as u8)
    }
}

/// Where the sender is stopped, up to three times: mostly near the end, since little happens behind
/// it, and the later times soon after the first.
fn stops(rng: &mut Rng, classes: Classes) -> Vec<u64> {
    let mut stops = Vec::new();
    if classes.has(Class::Stop) {
        let mut at = match rng.below(4) {
            0 => rng.below(RECORDS),
            _ => RECORDS - rng.below(RECORDS / 5),
        };
        for _ in 0..=rng.below(3) {
            stops.push(at);
            let soon = 1 << rng.below(8);
            at += 1 + rng.below(soon);
        }
    }
    stops
}
