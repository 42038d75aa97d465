//! `trace export`: formats of other tools.

use std::collections::BTreeSet;
use std::fs;

use crate::common::json;
use crate::{File, Night, config, restless_night};

#[test]
fn perfetto_gets_states_messages_and_depths() {
    let file = File::new("perfetto", &restless_night().trace());
    let export = json(&file.says("export", "--format perfetto"));
    let events = export["traceEvents"].as_array().unwrap();
    let names = |phase: &str| -> BTreeSet<&str> {
        let of = events.iter().filter(|event| event["ph"] == phase);
        of.map(|event| event["name"].as_str().unwrap()).collect()
    };
    assert!(names("X").is_superset(&["Connecting", "Up", "Backoff", "Draining"].into()));
    assert_eq!(names("C"), ["flight", "queue"].into());
    assert_eq!(names("M"), ["process_name", "thread_name"].into());
    let ends = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
    assert_eq!((ends("b"), ends("e")), (8, 8));
    for event in events.iter().filter(|event| event["ph"] != "M") {
        assert!(
            event["ts"].as_f64() >= Some(0.0) && event["pid"].as_u64() > Some(0),
            "{event}"
        );
    }
    // The states of a machine follow one another without a gap.
    let mut at = 0.0;
    for slice in events.iter().filter(|event| event["ph"] == "X") {
        let begin = slice["ts"].as_f64().unwrap();
        assert!((begin - at).abs() < 0.01, "{slice} does not begin at {at}");
        at = begin + slice["dur"].as_f64().unwrap();
    }
    let lost = events
        .iter()
        .filter(|event| event["ph"] == "i" && event["pid"] == 1);
    assert!(lost.count() >= 3);
}

#[test]
fn a_message_is_a_row_of_csv() {
    let file = File::new("csv", &restless_night().trace());
    let table = file.says("export", "--format csv");
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 1 + 8, "{table}");
    let columns = rows[0].split(',').count();
    for row in &rows[1..] {
        assert_eq!(row.split(',').count(), columns, "{row}");
        assert!(
            row.starts_with("\"bob\",0,") && row.contains(",delivered,"),
            "{row}"
        );
    }
    assert!(
        rows[1].contains(",0,0,100,2026-01-01 22:15:00.000000,2026-01-01 22:15:04.220000,"),
        "{}",
        rows[1]
    );
    let late = file.says("export", "--format csv --from 5");
    assert_eq!(late.lines().count(), 1 + 5, "{late}");
    assert_eq!(
        file.says("export", "--format csv --peer listener")
            .lines()
            .count(),
        1
    );
    let mut night = Night::new("=cmd\"", config());
    night.send(1, 1);
    let file = File::new("csv-name", &night.trace());
    assert!(
        file.says("export", "--format csv")
            .contains("\n\"'=cmd\"\"\",0,")
    );
}

#[test]
fn a_window_is_a_sequence_diagram() {
    let file = File::new("mermaid", &restless_night().trace());
    let diagram = file.says("export", "--format mermaid --to 2.1");
    for line in [
        "sequenceDiagram\n    participant user as application\n    participant m0 as bob\n",
        "    user->>m0: message #35;0 of 100 bytes handed over for lane 0\n",
        "    m0->>net: dial 192.0.2.1:4433 (connection 0)\n",
        "    m0-xnet: close connection 0",
        "    Note over m0: +2.000000 s\n",
    ] {
        assert!(diagram.contains(line), "{line}: {diagram}");
    }
    assert!(!diagram.contains("participant m1"), "{diagram}");
    let mut night = restless_night();
    night.now = peer_sender_core::Time::from_secs(60);
    night.send(1_000, 1);
    let file = File::new("mermaid-large", &night.trace());
    file.run("export", "--format mermaid")
        .failed(2, &["arrows are too many", "at most 300", "--from TIME"]);
    file.says("export", "--format mermaid --to 2");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let whole = restless_night().trace();
    let file = File::new("output", &whole);
    let out = file.directory.file("out.csv");
    let arguments = format!("--format csv -o {out}");
    assert_eq!(file.says("export", &arguments), "");
    assert_eq!(
        fs::read_to_string(&out).unwrap(),
        file.says("export", "--format csv")
    );
    file.run("export", &arguments)
        .failed(2, &["cannot write", "out.csv", "-o OUT"]);
    let mut bytes = whole;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = File::new("output-damaged", &bytes);
    let out = damaged.directory.file("out.csv");
    damaged
        .run("export", &format!("--format csv -o {out}"))
        .failed(2, &["damaged at byte"]);
    assert!(!fs::exists(&out).unwrap());
    damaged
        .run("export", "--format csv --peer nobody")
        .failed(2, &["damaged at byte"]);
    file.run("export", "--format csv --peer nobody")
        .failed(2, &["nobody", "bob, listener"]);
}
