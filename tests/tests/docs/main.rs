//! What the documents say, held against what is there.

mod invariants;
mod texts;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use peer_sender_core::wire::{Frame, Open, Resume, encode_message_head};
use peer_sender_core::{Config, Epoch, SessionId};

use self::texts::*;

type TestResult = Result<(), Box<dyn Error>>;
/// Major, minor, patch.
type Version = [u64; 3];

#[test]
fn every_link_of_a_document_leads_somewhere() -> TestResult {
    let mut broken = Vec::new();
    for page in files("md")? {
        let text = fs::read_to_string(&page)?;
        for target in link_targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = match file {
                "" => page.clone(),
                file => page.parent().unwrap_or(Path::new("")).join(file),
            };
            let leads_somewhere = linked.exists()
                && (anchor.is_empty() || anchors(&fs::read_to_string(&linked)?).contains(anchor));
            if !leads_somewhere {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new(), "links that lead nowhere");
    Ok(())
}

/// The table is of a run (`.ci/conformance`), which is repeated when cases come or go.
#[test]
fn the_table_of_cases_is_of_all_cases() -> TestResult {
    let suite = fs::read_to_string(root().join("conformance/tests/suite/main.rs"))?;
    let listed = suite.split_once("cases! {").ok_or("a list of cases")?.1;
    let listed = listed.split_once("\nmod ").ok_or("an end of it")?.0;
    let cases = listed.split_whitespace().filter(|word| word.contains('_'));
    let cases: BTreeSet<String> = cases.map(|case| case.replace('_', " ")).collect();
    let page = fs::read_to_string(root().join("docs/conformance.md"))?;
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter_map(|row| Some(row.split_once(" | ")?.0.split_once(": ")?.1.to_owned()));
    assert_eq!(rows.collect::<BTreeSet<_>>(), cases, "run .ci/conformance");
    Ok(())
}

#[test]
fn every_place_that_a_document_names_is_there() -> TestResult {
    let folders = [
        "acki-nacki/",
        "adapter-tokio/",
        "conformance/",
        "cli/",
        "core/",
        "docs/",
        "driver/",
        "quic/",
        "sim/",
        "tests/",
    ];
    let mut missing = BTreeSet::new();
    for page in files("md")? {
        let text = fs::read_to_string(&page)?;
        for word in text
            .split('`')
            .filter(|word| !word.contains(char::is_whitespace))
        {
            let is_place = folders.iter().any(|folder| word.starts_with(folder));
            if is_place && !root().join(word).exists() {
                missing.insert(format!("{}: {word}", page.display()));
            }
        }
    }
    assert_eq!(missing, BTreeSet::new(), "places that are not there");
    Ok(())
}

#[test]
fn every_document_that_the_source_names_is_there() -> TestResult {
    let mut missing = BTreeSet::new();
    for source in files("rs")? {
        let text = fs::read_to_string(&source)?;
        for (start, _) in text.match_indices("docs/") {
            let name: String = text[start..]
                .chars()
                .take_while(|&c| c.is_ascii_alphanumeric() || "/._-".contains(c))
                .collect();
            let name = name.trim_end_matches('.');
            if name.ends_with(".md") && !root().join(name).exists() {
                missing.insert(format!("{}: {name}", source.display()));
            }
        }
    }
    assert_eq!(missing, BTreeSet::new(), "documents that are not there");
    Ok(())
}

#[test]
fn the_bytes_in_the_protocol_are_those_on_the_wire() -> TestResult {
    let session = SessionId(*b"0123456789abcdef");
    let fresh = Open {
        fresh: true,
        session,
        lane: 0,
        base: 5,
    };
    let resume = Resume {
        epoch: Epoch([0xee; 16]),
        record: 2,
        taken: 300,
        next: 310,
        message_bytes_max: 16 << 20,
    };
    let frames = [
        Frame::Open(fresh),
        Frame::Open(Open {
            fresh: false,
            base: 300,
            ..fresh
        }),
        Frame::Resume(resume),
        Frame::Skip { count: 10 },
        Frame::Receipt { taken: 310 },
        Frame::Refuse { number: 7, code: 2 },
    ];
    let mut written: Vec<(&str, Vec<u8>)> = Vec::new();
    for frame in &frames {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        written.push((frame.name(), bytes));
    }
    let mut message = Vec::new();
    encode_message_head(5, &mut message);
    message.extend(b"hello");
    written.push(("MESSAGE", message));

    let page = fs::read_to_string(root().join("docs/wire.md"))?;
    let shown: Vec<(&str, String)> = page
        .lines()
        .filter_map(|line| {
            let (name, bytes) = line.strip_prefix("| ")?.split_once(" | `")?;
            let digits = bytes.trim_end_matches(" |").replace(['`', ' '], "");
            let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
            is_hex.then_some((name.split(' ').next()?, digits))
        })
        .collect();
    for (name, bytes) in &written {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            shown.contains(&(name, digits.clone())),
            "docs/wire.md must show {name} {digits}"
        );
    }
    assert_eq!(
        shown.len(),
        written.len(),
        "docs/wire.md shows frames that nobody checks"
    );
    Ok(())
}

#[test]
fn the_readme_states_the_defaults_and_the_rust_version() -> TestResult {
    let readme = fs::read_to_string(root().join("README.md"))?;
    let config = Config::new(([127, 0, 0, 1], 1).into()).unwrap();
    let queue = format!(
        "| `queue_messages_max`, `queue_bytes_max` | {} and {} MiB |",
        thousands(config.queue_messages_max()),
        config.queue_bytes_max() >> 20,
    );
    let message = format!(
        "| `message_bytes_max` | {} MiB |",
        config.message_bytes_max() >> 20
    );
    let lanes = format!("| `lanes` | {} |", config.send_limits().lanes);
    for row in [queue, message, lanes] {
        assert!(readme.contains(&row), "README.md must have the row {row}");
    }

    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
        .ok_or("Cargo.toml has no rust-version")?;
    assert!(
        readme.contains(&format!("Rust {version} or newer")),
        "the README's Rust version"
    );
    let ci = fs::read_to_string(root().join(".ci/run"))?;
    assert!(
        ci.contains(&format!("Rust {version} or newer")),
        ".ci/run's Rust version"
    );
    Ok(())
}

#[test]
fn every_crate_is_described() -> TestResult {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let members = manifest
        .lines()
        .find_map(|line| line.strip_prefix("members = [")?.strip_suffix(']'))
        .ok_or("Cargo.toml has no members on one line")?;
    for member in members.split(", ").map(|member| member.trim_matches('"')) {
        let row = format!("| `{member}` | `");
        let is_described = architecture.lines().any(|line| line.starts_with(&row));
        assert!(is_described, "ARCHITECTURE.md has no row for {member}");
    }
    Ok(())
}

/// Versions with known faults that this program would be exposed to, and what must not come in at
/// all; said again in `deny.toml`, whose tool is not on every machine.
#[test]
fn no_dependency_is_known_to_be_faulty_or_unwanted() -> TestResult {
    let floors = [
        ("bytes", [1, 11, 1], "RUSTSEC-2026-0007"),
        (
            "quinn-proto",
            [0, 11, 19],
            "RUSTSEC-2026-0037, RUSTSEC-2026-0185",
        ),
        ("ring", [0, 17, 12], "RUSTSEC-2025-0009"),
        ("rustls", [0, 23, 18], "RUSTSEC-2024-0399"),
        ("slab", [0, 4, 11], "RUSTSEC-2025-0047"),
        ("tokio", [1, 44, 2], "RUSTSEC-2025-0023"),
        ("tracing-subscriber", [0, 3, 20], "RUSTSEC-2025-0055"),
    ];
    let locked = locked_versions()?;
    for (name, floor, reason) in floors {
        let versions = locked
            .get(name)
            .ok_or_else(|| format!("{name} is not in Cargo.lock"))?;
        for version in versions {
            assert!(
                *version >= floor,
                "{name} {version:?} is below {floor:?}: {reason}"
            );
        }
    }
    // Quinn, which the command compares with, brings an older one beside ours.
    let newest = locked
        .get("quinn-udp")
        .and_then(|versions| versions.iter().max());
    assert!(
        newest >= Some(&[0, 6, 3]),
        "quinn-udp {newest:?} does not report unreachable hosts"
    );
    for name in [
        "aws-lc-rs",
        "aws-lc-sys",
        "openssl",
        "openssl-sys",
        "native-tls",
        "boring-sys",
    ] {
        assert!(
            !locked.contains_key(name),
            "{name}: a second TLS stack or crypto provider"
        );
    }
    Ok(())
}

#[test]
fn no_text_names_a_path_of_some_machine() -> TestResult {
    let places = ["work", "home", "root", "tmp", "Users"].map(|place| format!("/{place}/"));
    let mut found = Vec::new();
    for extension in ["rs", "md", "toml", "py", "txt", "json"] {
        for path in files(extension)?
            .into_iter()
            .chain([root().join(".ci/run")])
        {
            for (index, line) in fs::read_to_string(&path)?.lines().enumerate() {
                if places.iter().any(|place| names_absolute(line, place)) {
                    found.push(format!("{}:{}: {line}", path.display(), index + 1));
                }
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    Ok(())
}

#[test]
fn no_source_file_outgrows_its_reader() -> TestResult {
    const LINES_MAX: usize = 500;
    for path in files("rs")? {
        let lines = fs::read_to_string(&path)?.lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines; split it by concern",
            path.display()
        );
    }
    Ok(())
}

/// `.ci/run` runs whatever is in that folder.
#[test]
fn every_example_is_short_and_named_by_the_guide() -> TestResult {
    const LINES_BELOW: usize = 60;
    let guide = fs::read_to_string(root().join("adapter-tokio/src/lib.rs"))?;
    let readme = fs::read_to_string(root().join("README.md"))?;
    let examples = root().join("adapter-tokio/examples");
    let mut found = BTreeSet::new();
    for path in files("rs")?
        .iter()
        .filter(|path| path.starts_with(&examples))
    {
        let name = path.strip_prefix(&examples)?.display().to_string();
        let lines = fs::read_to_string(path)?.lines().count();
        assert!(lines < LINES_BELOW, "{name} has {lines} lines");
        for (page, text) in [("the guide", &guide), ("the README", &readme)] {
            assert!(
                text.contains(&format!("`{name}`")),
                "{page} does not name {name}"
            );
        }
        found.insert(name);
    }
    assert!(!found.is_empty(), "there is no example");
    let named: BTreeSet<String> = guide
        .split('`')
        .filter(|word| word.ends_with(".rs") && !word.contains(char::is_whitespace))
        .map(String::from)
        .collect();
    assert_eq!(named, found, "the guide names what is there");
    Ok(())
}
