//! `docs/matrix.md`: what checks each invariant, read from the checks themselves.
//!
//! A check names the invariant that it judges: as a string in the code (`"I7"`, or the first word of
//! an assertion's message), or, in a scenario, in its line `# Checks:`. `PEER_SENDER_REWRITE=1`
//! writes the page anew.
#![expect(
    clippy::unwrap_used,
    reason = "a file that cannot be read ends the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Invariant by invariant, the places that name it.
type Found = BTreeMap<String, BTreeSet<String>>;

const HEAD: &str = "\
# What checks what

Written by `PEER_SENDER_REWRITE=1 cargo test -p peer-sender-tests --test matrix` from the checks
themselves; a test fails when it is stale. The invariants are those of
[invariants.md](invariants.md), which also names the tests of single situations.

- **properties**: random steps against a model of the contract, `core/tests/properties` and `model`
- **exploration**: every reachable state within bounds, and random runs of thousands of inputs
  (`sim/src/swarm`), judged by `sim/src/oracle` and by the machines' own `check()`
- **harness**: random seeds of both machines over a model of QUIC, `core/tests/pair`
- **nodes**: random seeds of whole nodes with real QUIC over a virtual network, `sim/src/net` and
  `sim/tests/nodes`
- **scenarios**: situations told step by step, `tests/scenarios`
- **broken variants**: faults put into the machines on purpose that were found as a breach of this
  invariant, `tests/broken.txt`
";

const COLUMNS: [&str; 6] = [
    "properties",
    "exploration",
    "harness",
    "nodes",
    "scenarios",
    "broken variants",
];

/// Why a cell is empty: the column, the invariants, and the reason.
const EMPTY: &[(&str, &[&str], &str)] = &[
    ("properties", &["I12"], "follows from I9 and I11"),
    ("properties", &["I16"], "the compiler: `no_std`"),
    ("properties", &["I21"], "`check()` after each step"),
    (
        "properties",
        &["L1", "L2", "L4", "L9"],
        "needs both machines: harness",
    ),
    ("exploration", &["I12"], "follows from I9 and I11"),
    ("exploration", &["I13"], "its waits are judged as I11"),
    ("exploration", &["I16"], "the compiler: `no_std`"),
    ("exploration", &["I22"], "a state is small: harness"),
    ("harness", &["I14"], "clocks go back in it; judged as I15"),
    ("harness", &["I16"], "the compiler: `no_std`"),
    ("harness", &["I25"], "a panic ends it"),
    (
        "harness",
        &["L9"],
        "what is too large is among what is sent, judged as L1",
    ),
    ("nodes", &["I10", "I30"], "of machines: `check()`"),
    ("nodes", &["I12"], "follows from I9 and I11"),
    ("nodes", &["I13"], "its waits are judged as I11"),
    ("nodes", &["I14"], "clocks leap in it; judged as I15"),
    ("nodes", &["I18"], "of machines: properties"),
    ("nodes", &["L4"], "of machines: harness"),
    ("scenarios", &["I16"], "the compiler: `no_std`"),
    ("scenarios", &["I17"], "each comes out as it says"),
    (
        "scenarios",
        &["I18", "I22", "I25", "I30"],
        "no single situation shows it",
    ),
    ("broken variants", &["I1"], "what breaks it breaks I2 first"),
    ("broken variants", &["I22"], "none"),
    (
        "broken variants",
        &["I8"],
        "what breaks it breaks I2 or I21 first",
    ),
    (
        "broken variants",
        &["I12", "I13"],
        "what breaks it breaks I11 first",
    ),
    (
        "broken variants",
        &["I15", "L9"],
        "what breaks it breaks L3 first",
    ),
    ("broken variants", &["I16", "I17"], "would not compile"),
    ("broken variants", &["I18"], "none"),
    (
        "broken variants",
        &["I25"],
        "a machine that sees its own fault panics: under that fault",
    ),
    (
        "broken variants",
        &["I30"],
        "what breaks it breaks another first",
    ),
    (
        "broken variants",
        &["L1", "L2"],
        "what breaks it breaks L3 first",
    ),
];

/// Invariants that are no machine's, and whose they are.
const BEYOND: &[(&str, &str)] = &[
    ("I19", "of traces: `core/tests/trace`"),
    ("I20", "of datagrams: `quic`"),
    ("I23", "of the driver's buffers: `driver`, `conformance`"),
    ("I24", "quinn-proto's"),
    ("I26", "between peers: `quic`, `driver`"),
    ("I29", "of the handles: `driver`, `conformance`"),
    ("L5", "of QUIC's streams: `quic`, `conformance`"),
    ("L6", "of QUIC's windows: `adapter-tokio`"),
    ("L7", "of QUIC's resets: `quic`"),
    ("L8", "of QUIC's windows: `quic`, `adapter-tokio`"),
];

#[test]
fn the_page_says_what_checks_what() {
    let page = page();
    let path = root().join("docs/matrix.md");
    if std::env::var_os("PEER_SENDER_REWRITE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(path).is_ok_and(|it| it == page),
        "docs/matrix.md is stale: PEER_SENDER_REWRITE=1 cargo test -p peer-sender-tests --test matrix"
    );
}

fn page() -> String {
    let columns = [
        modelled(),
        explored(),
        named_in("core/tests/pair"),
        of_nodes(),
        scenarios(),
        broken(),
    ];
    let mut page = HEAD.to_owned();
    writeln!(page, "\n| id | {} |", COLUMNS.join(" | ")).unwrap();
    writeln!(page, "|{}", "---|".repeat(COLUMNS.len() + 1)).unwrap();
    let mut blank = Vec::new();
    for id in invariants() {
        let cells = COLUMNS
            .iter()
            .zip(&columns)
            .map(|(name, found)| match found.get(&id) {
                Some(places) => {
                    assert_eq!(excuse(name, &id), None, "{name} of {id} need no reason");
                    listed(places)
                }
                None => reason(name, &id).unwrap_or_else(|| {
                    blank.push(format!("{name} of {id}"));
                    String::new()
                }),
            });
        let cells: Vec<_> = cells.collect();
        writeln!(page, "| {id} | {} |", cells.join(" | ")).unwrap();
    }
    let none: [String; 0] = [];
    assert_eq!(
        blank, none,
        "checks of nothing, and without a reason in EMPTY"
    );
    page
}

/// At most a few, and how many more there are.
fn listed(places: &BTreeSet<String>) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<_> = places
        .iter()
        .take(SHOWN)
        .map(|it| format!("`{it}`"))
        .collect();
    match places.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Why a cell is empty.
fn reason(column: &str, id: &str) -> Option<String> {
    let mut beyond = BEYOND.iter().filter(|(of, _)| *of == id);
    let why = excuse(column, id).or_else(|| beyond.next().map(|(_, whose)| *whose))?;
    Some(format!("*{why}*"))
}

fn excuse(column: &str, id: &str) -> Option<&'static str> {
    let mut excuses = EMPTY.iter();
    let of_cell = excuses.find(|(of, ids, _)| *of == column && ids.contains(&id));
    of_cell.map(|(_, _, why)| *why)
}

/// The ids of docs/invariants.md, in its order.
fn invariants() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/invariants.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let ids = rows.filter_map(|row| row.split(' ').next());
    ids.filter(|id| is_id(id)).map(str::to_owned).collect()
}

/// What the properties demand, the model's own judges included.
fn modelled() -> Found {
    let mut found = named_in("core/tests/properties");
    for (id, places) in named_in("model/src") {
        found.entry(id).or_default().extend(places);
    }
    found
}

/// What the exploration demands of each state.
fn explored() -> Found {
    let mut found = named_in("sim/src/oracle");
    for (id, places) in named_in("sim/src/world")
        .into_iter()
        .chain(named_in("sim/src/explore"))
    {
        found.entry(id).or_default().extend(places);
    }
    for (id, places) in named_in("core/src") {
        if !places.is_empty() {
            found.entry(id).or_default().insert("check()".to_owned());
        }
    }
    found
}

/// What is demanded of whole nodes, and what the test says that runs their seeds.
fn of_nodes() -> Found {
    let mut found = named_in("sim/src/net");
    for (id, places) in named_in("sim/tests/nodes") {
        found.entry(id).or_default().extend(places);
    }
    found
}

fn scenarios() -> Found {
    let mut found = Found::new();
    for file in files(&root().join("tests/scenarios"), "txt") {
        let text = fs::read_to_string(&file).unwrap();
        let checks = text
            .lines()
            .find_map(|line| line.strip_prefix("# Checks: "));
        for id in checks.unwrap_or_default().split(' ') {
            found.entry(id.to_owned()).or_default().insert(stem(&file));
        }
    }
    found
}

/// A variant's name, and below it, indented, what found it.
fn broken() -> Found {
    let text = fs::read_to_string(root().join("tests/broken.txt")).unwrap();
    let mut found = Found::new();
    let mut variant = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let id = line.trim_start().split(' ').next().unwrap_or_default();
        if !line.starts_with(' ') {
            variant = line;
        } else if is_id(id) {
            found
                .entry(id.to_owned())
                .or_default()
                .insert(variant.to_owned());
        }
    }
    found
}

/// The ids that strings in the code of this folder or file name, unit tests aside.
fn named_in(folder: &str) -> Found {
    let mut found = Found::new();
    let path = root().join(folder);
    let code = match path.is_file() {
        true => vec![path],
        false => files(&path, "rs"),
    };
    for file in code {
        let unit_tests =
            folder == "core/src" && file.iter().any(|it| it == "tests" || it == "tests.rs");
        if unit_tests {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // What a string begins with, and what a comment says that a test or model is about.
        let strings = text.split('"').skip(1);
        let words = strings.map(|string| string.split(' ').next().unwrap_or_default());
        let comments = text.lines().map(str::trim_start);
        let comments = comments.filter(|line| line.starts_with("///") || line.starts_with("//!"));
        for word in words.chain(comments.flat_map(|line| line.split(' '))) {
            let word = word.trim_end_matches([':', ',', '.', ';']);
            if is_id(word) {
                let places = found.entry(word.to_owned()).or_default();
                places.insert(stem(&file));
            }
        }
    }
    found
}

fn is_id(word: &str) -> bool {
    let digits = word.strip_prefix(['I', 'L']).unwrap_or_default();
    !digits.is_empty() && digits.len() < 3 && digits.chars().all(|it| it.is_ascii_digit())
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(self::files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// A file's name; of one that stands for its folder, the folder's.
fn stem(file: &Path) -> String {
    let of_folder = ["main.rs", "mod.rs"].map(|name| file.ends_with(name));
    let named = match of_folder.contains(&true) {
        true => file.parent().unwrap(),
        false => file,
    };
    named.file_stem().unwrap().to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}
