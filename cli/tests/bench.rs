//! `bench` does every work and prints the fields that scripts read. How fast it is, no test says.

mod common;

use common::{command, json, run};
use serde_json::Value;

const WORKLOADS: [(&str, &str); 5] = [
    ("throughput", "--size 1024"),
    ("serial", ""),
    ("latency", ""),
    ("peers", "--peers 12"),
    ("idle", "--peers 30"),
];

fn rows(arguments: &str) -> (Value, Vec<Value>) {
    let ran = run(&format!(
        "bench --json --seconds 0.1 --repetitions 1 {arguments}"
    ));
    assert_eq!(ran.code, Some(0), "{arguments}: {ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "one object: {ran:?}");
    assert_eq!(ran.stderr, "", "no terminal, no progress");
    let report = json(&ran.stdout);
    let rows = report["rows"].as_array().expect("a list").clone();
    assert!(!rows.is_empty(), "{report}");
    (report, rows)
}

#[track_caller]
fn assert_positive(row: &Value, fields: &[&str]) {
    for field in fields {
        assert!(row[*field].as_f64() > Some(0.0), "{field} in {row}");
    }
}

/// The figures that a work has on this system, ours or quinn's.
#[track_caller]
fn assert_figures(workload: &str, figures: &Value) {
    match workload {
        "latency" => {
            let latency = &figures["latency_us"];
            assert_positive(latency, &["p50", "p99", "p99.9", "max"]);
            let [p50, p99, tail, max] =
                ["p50", "p99", "p99.9", "max"].map(|name| latency[name].as_f64());
            assert!(p50 <= p99 && p99 <= tail && tail <= max, "{latency}");
            assert_positive(figures, &["messages_per_second"]);
        }
        "idle" => {
            assert_eq!(figures.get("messages_per_second"), None, "{figures}");
            if cfg!(target_os = "linux") {
                assert_positive(figures, &["kib_per_peer", "kib_per_peer_accepting"]);
            }
        }
        _ => {
            assert_positive(figures, &["messages_per_second", "mib_per_second"]);
            if cfg!(unix) {
                let cpu = ["cpu_us_per_message", "cpu_us_dialling", "cpu_us_accepting"];
                assert_positive(figures, &cpu);
                let [both, one, other] = cpu.map(|name| figures[name].as_f64().expect("a number"));
                assert!((both - one - other).abs() < 0.01 * both, "{figures}");
            }
        }
    }
}

#[test]
fn every_work_is_measured() {
    for (workload, more) in WORKLOADS {
        let (report, rows) = rows(&format!("--workload {workload} {more}"));
        assert_eq!(report["repetitions"], 1);
        assert_eq!(report["seconds"], 0.1);
        let [row] = &rows[..] else {
            panic!("{workload}: {rows:?}")
        };
        for (field, value) in [
            ("workload", workload),
            ("runtime", "tokio"),
            ("protocol", "lanes"),
        ] {
            assert_eq!(row[field], value, "{row}");
        }
        let size = (workload != "idle").then_some(1_024);
        assert_eq!(row.get("size").and_then(Value::as_u64), size, "{row}");
        assert_figures(workload, row);
        for field in ["against", "ratio_to_quinn", "quinn"] {
            assert_eq!(row.get(field), None, "nothing to compare with: {row}");
        }
    }
}

#[test]
fn throughput_is_of_four_sizes_by_default() {
    let (_, rows) = rows("");
    let sizes: Vec<_> = rows.iter().map(|row| row["size"].as_u64()).collect();
    assert_eq!(sizes, [100, 1_024, 65_536, 1_048_576].map(Some));
}

#[test]
#[cfg(feature = "compare")]
fn every_work_is_compared_with_quinn() {
    for (workload, more) in WORKLOADS {
        let (_, rows) = rows(&format!("--workload {workload} {more} --against quinn"));
        let against: Vec<_> = rows.iter().map(|row| row["against"].as_str()).collect();
        let expected: &[&str] = match workload {
            "throughput" => &["ordered", "streams"],
            "idle" => &["ordered"],
            _ => &["ordered", "request"],
        };
        assert_eq!(
            against,
            expected.iter().copied().map(Some).collect::<Vec<_>>()
        );
        for row in &rows {
            assert_figures(workload, row);
            assert_figures(workload, &row["quinn"]);
            if workload != "idle" || cfg!(target_os = "linux") {
                assert_positive(row, &["ratio_to_quinn"]);
            }
            if workload != "latency" && cfg!(unix) {
                assert_positive(row, &["cpu_ratio_to_quinn"]);
            }
        }
    }
}

#[test]
#[cfg(feature = "compare")]
fn the_plain_protocol_is_compared_with_streams() {
    let (_, rows) = rows("--protocol plain --size 1024 --against quinn");
    let against: Vec<_> = rows.iter().map(|row| row["against"].as_str()).collect();
    assert_eq!(against, [Some("streams"), Some("acknowledged")]);
    for row in &rows {
        assert_eq!(row["protocol"], "plain", "{row}");
        assert_figures("throughput", row);
        assert_figures("throughput", &row["quinn"]);
    }
}

#[test]
fn a_person_gets_a_table() {
    let ran = run("bench --workload serial --size 10 --seconds 0.05 --repetitions 2");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for words in [
        "one message at a time",
        "messages/s",
        "peer-sender ",
        "spread",
    ] {
        assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    }
    assert!(
        !ran.stdout.contains("ratio"),
        "there is none: {}",
        ran.stdout
    );
}

/// Whoever started `bench` may kill it, and its ends must not be left running.
#[cfg(target_os = "linux")]
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a deadline turns a hang into a failure"
)]
fn the_ends_go_with_their_parent() {
    use std::io::Read;
    use std::time::{Duration, Instant};
    let mut bench = command("bench")
        .args(["--workload", "idle", "--peers", "2", "--seconds", "300"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let children = format!("/proc/{0}/task/{0}/children", bench.id());
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::fs::read_to_string(&children).is_ok_and(|it| it.split_whitespace().count() < 2) {
        assert!(Instant::now() < deadline, "two ends are started");
        std::thread::yield_now();
    }
    bench.kill().expect("it runs");
    bench.wait().expect("it was killed");
    // Its ends share its stderr, which so is open for as long as one of them runs.
    let mut rest = Vec::new();
    let mut stderr = bench.stderr.take().expect("it is piped");
    stderr.read_to_end(&mut rest).expect("they end");
}

#[test]
fn an_end_without_a_task_says_so() {
    let mut end = command("bench-end")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(end.stdin.take());
    let ran: common::Ran = end.wait_with_output().expect("it ends").into();
    ran.failed(1, &["the measurement failed: the task"]);
}
