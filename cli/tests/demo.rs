//! `demo` proves what it claims, in figures that scripts can read.

mod common;

use std::fs;

use common::{Directory, assert_counts, json, run};

#[test]
fn the_demo_loses_nothing_over_a_cut_connection() {
    let ran = run("demo --peers 3 --messages 30000 --size 64 --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = json(&ran.stdout);
    assert_counts(
        &report,
        &[
            ("sent", 30_000),
            ("delivered", 30_000),
            ("lost", 0),
            ("duplicated", 0),
            ("out_of_order", 0),
        ],
    );
    assert!(report["reconnects"].as_u64() >= Some(1), "{report}");
    assert!(report["seconds"].as_f64() > Some(0.0), "{report}");
    let latency = report["latency_us"].as_object().expect("an object");
    assert!(latency["p99"].as_u64() >= latency["p50"].as_u64());
    assert_eq!(latency.len(), 2, "{report}");
}

#[test]
fn the_demo_writes_a_report_of_itself() {
    let directory = Directory::new("demo-report");
    let page = directory.file("demo.html");
    let ran = run(&format!(
        "demo --messages 20000 --size 64 --report {page} --json"
    ));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(json(&ran.stdout)["trace"]["replay"], true, "{ran:?}");
    assert!(ran.stderr.contains("wrote a report of "), "{ran:?}");
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.len() < 1_000_000, "{} bytes", text.len());
    assert!(text.contains("Replays the same."));
    let trace = format!("{page}.trace");
    let told = run(&format!("trace explain {trace}"));
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_eq!(told.stdout.matches("(machine ").count(), 6, "{told:?}");
    // A trace may be elsewhere, and is never the page.
    run(&format!("demo --messages 1 --report {page} --trace {page}"))
        .failed(2, &["that is the trace itself"]);
}

#[test]
fn the_demo_works_at_its_edges() {
    for (arguments, sent) in [
        ("--peers 1 --messages 1 --size 8", 1),
        ("--peers 5 --messages 3", 3),
    ] {
        let ran = run(&format!("demo --json {arguments}"));
        assert_eq!(ran.code, Some(0), "{arguments}: {ran:?}");
        assert_counts(
            &json(&ran.stdout),
            &[("sent", sent), ("delivered", sent), ("lost", 0)],
        );
    }
}

#[test]
fn the_demo_tells_a_person_what_was_checked_and_what_to_try() {
    let ran = run("demo --messages 3000");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for words in [
        "ok   each once: 0 duplicated",
        "0 lost",
        "= sender's",
        "to try next",
        "send --to",
    ] {
        assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    }
    assert!(
        !ran.stdout.contains('\x1b'),
        "no colours without a terminal"
    );
    assert!(!ran.stdout.contains("FAIL"), "{}", ran.stdout);
}
