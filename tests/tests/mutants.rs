//! What came of breaking the machines in small ways (`.ci/mutants`): no mutant survives without a
//! reason, and few with one.
#![expect(
    clippy::unwrap_used,
    reason = "a file that cannot be read ends the test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// At most so many in a hundred of the mutants that compile may be excused.
const EXCUSED_PERCENT_MAX: usize = 2;

#[test]
fn every_mutant_that_survives_is_excused_and_few_are() {
    let results = read("mutants.txt");
    let rows = results.lines().filter(|line| line.starts_with("core/"));
    let figures = rows.map(|row| -> (usize, usize) {
        let words: Vec<_> = row.split(' ').collect();
        (words[3].parse().unwrap(), words[5].parse().unwrap())
    });
    let (viable, killed) =
        figures.fold((0, 0), |(v, k), (viable, killed)| (v + viable, k + killed));
    let survivors = results.lines().filter_map(|line| line.strip_prefix("  "));
    let survivors: BTreeSet<&str> = survivors.collect();
    let excuses = read("mutants_excused.txt");
    let excused: BTreeSet<&str> = excuses
        .lines()
        .filter(|line| line.starts_with("core/"))
        .collect();
    let inexcusable: Vec<_> = survivors.difference(&excused).collect();
    assert!(inexcusable.is_empty(), "survived: {inexcusable:#?}");
    let stale: Vec<_> = excused.difference(&survivors).collect();
    assert!(stale.is_empty(), "excused, and killed or gone: {stale:#?}");
    assert!((viable - killed) * 100 <= viable * EXCUSED_PERCENT_MAX);
}

#[test]
fn every_excuse_has_a_reason() {
    let excuses = read("mutants_excused.txt");
    let mut reasoned = false;
    for line in excuses.lines() {
        match line {
            "" => reasoned = false,
            line if line.starts_with('#') => reasoned = true,
            line => assert!(reasoned, "no reason is given for {line}"),
        }
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
