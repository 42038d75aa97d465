//! What Chromium makes of the page. Skipped where Chromium or Python is not installed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::Directory;
use crate::{made, page_of};

/// What it may be called.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

fn runs(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

fn skipped(why: &str) {
    // Not by a macro, whose output nobody sees of a test that passes.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// What was seen of a page; screenshots stay in `target/tmp/report-shots`, to be looked at.
fn seen(chromium: &str, page: &str) -> Value {
    let shots: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-shots");
    fs::create_dir_all(&shots).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/browser.py");
    let ran = Command::new("python3")
        .arg(script)
        .args([Path::new(chromium), Path::new(page), &shots])
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn a_browser_shows_it_and_steps_by_keyboard() {
    let Some(chromium) = CHROMIUM.into_iter().find(|program| runs(program)) else {
        return skipped("there is no Chromium that runs");
    };
    if !runs("python3") {
        return skipped("there is no Python that runs");
    }
    let directory = Directory::new("report-browser");
    page_of(&directory, &made());
    let seen = seen(chromium, &directory.file("night.html"));
    assert_eq!(seen["complaints"], Value::Array(Vec::new()));
    assert_eq!(
        seen["requests"],
        Value::Array(Vec::new()),
        "it needs no network"
    );

    let views = seen["views"].as_array().unwrap();
    assert_eq!(views.len(), 4);
    for view in views {
        assert_eq!(
            view["wide"], view["width"],
            "{view} is wider than its window"
        );
    }
    assert_ne!(
        views[0]["background"], views[2]["background"],
        "light and dark"
    );

    let steps = seen["steps"].as_array().unwrap();
    let values = steps
        .iter()
        .map(|it| it["value"].as_str().unwrap().parse().unwrap());
    let values: Vec<u64> = values.collect();
    assert_eq!((&values[..4], values[5]), (&[0, 1, 2, 1][..], 0));
    assert!(values[4] > 100, "{values:?}");
    for step in steps {
        assert_eq!(step["row"], step["shown"], "{step}");
        let said = step["said"].as_str().unwrap();
        assert!(
            said.starts_with(&format!("step {}", step["row"].as_str().unwrap())),
            "{step}"
        );
        let cursor = format!("visible {}%", step["at"].as_str().unwrap());
        assert_eq!(step["cursor"], cursor.as_str(), "{step}");
    }
    assert_eq!(seen["toggled"], true);
    let reached = seen["reached"].as_array().unwrap();
    let reached: Vec<&str> = reached.iter().filter_map(Value::as_str).collect();
    for place in [
        "BUTTON theme",
        "INPUT step",
        "DIV All peers",
        "DIV State diagram",
        "DIV Steps",
    ] {
        let found = reached.iter().any(|it| it.starts_with(place));
        assert!(found, "Tab does not lead to {place}: {reached:?}");
    }

    let without = &seen["without_scripts"];
    assert_eq!(without["stepper"], false, "it could do nothing");
    assert_eq!(
        without["rows"].as_u64(),
        Some(values[4] + 1),
        "all rows are there"
    );
    assert!(without["drawings"].as_u64() > Some(20), "{without}");
    assert!(seen["printed_bytes"].as_u64() > Some(50_000));
}
