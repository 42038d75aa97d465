//! What fuzzers found worth keeping, and what once failed, run again by every compiler.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a file that cannot be read ends the test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use peer_sender_fuzz::TARGETS;
use peer_sender_sim::tape::{Layer, Rng, Writer};

#[test]
fn nothing_in_the_corpus_breaks_its_target() {
    let mut broken = Vec::new();
    for target in TARGETS {
        let files = listed(&corpus().join(target.name));
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        for path in files {
            let bytes = fs::read(&path).unwrap();
            if catch_unwind(|| (target.run)(&bytes)).is_err() {
                broken.push(format!("{}: {}", target.name, path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_corpus_is_small_and_of_targets_that_there_are() {
    const FILE_MAX: u64 = 4_096;
    const ALL_MAX: u64 = 700_000;
    let mut all = 0;
    for folder in listed(&corpus()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let known: BTreeSet<_> = TARGETS.iter().map(|it| it.name).collect();
        assert!(known.contains(name.as_str()), "{name} is no target");
        for path in listed(&folder) {
            let bytes = fs::metadata(&path).unwrap().len();
            assert!(bytes <= FILE_MAX, "{} has {bytes} bytes", path.display());
            all += bytes;
        }
    }
    assert!(all <= ALL_MAX, "the corpus has {all} bytes");
}

/// What a fuzzer begins with, in small: `PEER_SENDER_CASES` sets how many tapes each target gets.
#[test]
fn tapes_of_random_bytes_break_nothing() {
    let cases = std::env::var("PEER_SENDER_CASES").map_or(40, |text| text.parse().unwrap());
    let mut broken = Vec::new();
    for target in TARGETS {
        for seed in 0..cases {
            let layer = match target.name {
                "scenario_quic" => Layer::Quic,
                _ => Layer::Machine,
            };
            let bytes = tape(layer, seed);
            if catch_unwind(|| (target.run)(&bytes)).is_err() {
                broken.push(format!("{}: seed {seed}", target.name));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn tape(layer: Layer, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut tape = Writer::new(layer);
    for _ in 0..rng.below(60) {
        let mut record = vec![0; rng.below(40) as usize];
        rng.fill(&mut record);
        tape.record(&record);
    }
    tape.finish()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    paths.sort();
    paths
}
