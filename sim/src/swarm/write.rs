//! What a seed writes on its tape.

use super::class::Class;
use super::kind::Kind;
use super::profile::Profile;
use crate::tape::{Layer, Rng, Writer};

/// Records of a tape. Not each of them fits where it comes up, and some are several inputs.
const RECORDS: u64 = 2_600;

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
    let weights: Vec<(u8, u64)> = (0..)
        .zip(Kind::ALL)
        .filter_map(|(tag, kind)| {
            let on = kind.class().is_none_or(|class| classes.has(class));
            // Each kind more often in one seed than in another.
            let weight = kind.weight() << rng.below(3);
            on.then_some((tag, weight))
        })
        .collect();
    let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let stop = classes.has(Class::Stop).then(|| {
        // Mostly near the end, since little happens behind it.
        match rng.below(4) {
            0 => rng.below(RECORDS),
            _ => RECORDS - rng.below(RECORDS / 5),
        }
    });
    let mut record = [0; RECORD_BYTES];
    for place in 0..RECORDS {
        rng.fill(&mut record);
        let mut at = rng.below(total);
        let drawn = weights.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.wrapping_sub(*weight);
            here
        });
        record[0] = drawn.map_or(0, |(tag, _)| *tag);
        if stop == Some(place) {
            record[0] = Kind::Stop as u8;
        }
        writer.record(&record);
    }
    writer.finish()
}
