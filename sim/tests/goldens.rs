//! The scenarios in `tests/scenarios`: each says in words what happens, and what comes of it.
//!
//! `PEER_SENDER_REWRITE=1` writes what comes of each operation into the files, to be read and
//! committed.
#![expect(
    clippy::unwrap_used,
    reason = "a file that cannot be read ends the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use peer_sender_sim::transcript;

#[test]
fn scenarios_come_out_as_they_say() {
    let rewrites = std::env::var_os("PEER_SENDER_REWRITE").is_some();
    let files = files();
    assert!(files.len() >= 30, "{} scenarios", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let told = match transcript(&text) {
            Ok(told) => told,
            Err(problem) => {
                wrong.push(format!("{}: {problem}", name(&file)));
                continue;
            }
        };
        let trouble = told.lines().find(|line| line.trim_start().starts_with('!'));
        if let Some(trouble) = trouble {
            wrong.push(format!("{}: {}", name(&file), trouble.trim()));
        }
        if told == text {
            continue;
        }
        if rewrites {
            fs::write(&file, told).unwrap();
        } else {
            wrong.push(format!(
                "{}: {}",
                name(&file),
                first_difference(&text, &told)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nif that is meant: PEER_SENDER_REWRITE=1 cargo test -p peer-sender-sim --test goldens",
        wrong.join("\n")
    );
}

#[test]
fn each_scenario_says_what_it_is_about_and_which_invariants_it_checks() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let words = text.lines().take_while(|line| line.starts_with("# "));
        let words: Vec<_> = words.collect();
        let checks = words.iter().filter(|line| line.starts_with("# Checks: "));
        assert_eq!(checks.count(), 1, "{}", name(&file));
        assert!(words.len() > 1, "{} has no words", name(&file));
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

fn first_difference(text: &str, told: &str) -> String {
    let lines = text.lines().zip(told.lines());
    let different = (1..).zip(lines).find(|(_, (one, other))| one != other);
    match different {
        Some((line, (was, is))) => format!("line {line} is {was:?}, and comes out as {is:?}"),
        None => "it comes out longer or shorter than it says".to_owned(),
    }
}
