//! What a seed writes on its tape.

use super::class::{Class, Classes};
use super::kind::Kind;
use super::profile::Profile;
use crate::tape::{Layer, Rng, Writer};

/// Records of a tape. Not each of them fits where it comes up, and some are several inputs.
const RECORDS: u64 = 2_900;

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
    let stops = stops(&mut rng, classes);
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
        if stops.contains(&place) {
            record[0] = Kind::Stop as u8;
        }
        writer.record(&record);
    }
    writer.finish()
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
