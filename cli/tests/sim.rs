//! `sim` explores the machines, runs scenarios, and says by its exit code what came of it.

mod common;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use common::{Directory, Ran, command, json, run};

#[test]
fn an_exploration_prints_one_object() {
    let ran = run("sim --exhaustive --states 2000 --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "one object: {ran:?}");
    assert_eq!(ran.stderr, "", "no terminal, no progress");
    let report = json(&ran.stdout);
    assert!(report["states"].as_u64() >= Some(2_000), "{report}");
    assert!(report["transitions"].as_u64() >= report["states"].as_u64());
    assert!(report["depth"].as_u64() > Some(5), "{report}");
    assert_eq!(report["violations"], 0);
    assert!(report["seconds"].as_f64() > Some(0.0), "{report}");
    assert!(report["healed"].as_u64() > Some(10), "{report}");
}

#[test]
fn both_orders_find_the_same_states_of_bounds_that_are_exhausted() {
    let counts = |arguments: &str| {
        let ran = run(&format!(
            "sim --exhaustive --states 60000 --json {arguments}"
        ));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let report = json(&ran.stdout);
        let first = &report["bounds"][0];
        assert_eq!(first["exhausted"], true, "{report}");
        (first["states"].clone(), first["transitions"].clone())
    };
    assert_eq!(counts(""), counts("--depth-first"));
}

#[test]
fn people_read_a_line_for_each_set_of_bounds() {
    let ran = run("sim --exhaustive --states 500");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("states that differ"), "{ran:?}");
    assert!(ran.stdout.ends_with("no violation\n"), "{ran:?}");
}

#[test]
fn a_scenario_is_told() {
    let directory = Directory::new("scenario");
    let file = directory.file("hello.txt");
    fs::write(&file, "# One message.\nsend 0 5B\nconfirm a0\nheal\n").expect("a file");
    let ran = run(&format!("sim --scenario {file}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("# One message.\nsend 0 5B\n"));
    assert!(
        ran.stdout.contains("    sender   settle #0 delivered\n"),
        "{ran:?}"
    );
}

#[test]
fn a_scenario_that_does_not_end_well_says_where() {
    let ran = from_stdin("send 0 5B\nconfirm a7\n");
    ran.failed(1, &["confirm a7", "there is no such connection"]);
    assert!(
        ran.stdout.contains("    ! this cannot happen here"),
        "{ran:?}"
    );
}

#[test]
fn a_scenario_that_is_none_names_its_line() {
    from_stdin("fly away\n").failed(2, &["line 1", "fly", "sim --help"]);
    from_stdin("set lanes 9\n").failed(2, &["lanes: must be from 1 to 8"]);
    run("sim --scenario /does/not/exist").failed(2, &["/does/not/exist"]);
}

#[test]
fn seeds_print_one_object_and_the_same_in_another_process() {
    let ran = run("sim --seeds 100..124 --again 8 --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "one object: {ran:?}");
    assert_eq!(ran.stderr, "", "no terminal, no progress");
    let report = json(&ran.stdout);
    assert_eq!(report["seeds"], 24);
    assert_eq!(report["violations"], 0);
    assert_eq!(report["again"]["seeds"], 3);
    assert_eq!(report["again"]["otherwise"], serde_json::json!([]));
    let number = |name: &str| report[name].as_f64().unwrap_or_default();
    assert!(number("delivered") > 0.0, "{report}");
    assert!(number("messages") >= number("delivered"), "{report}");
    assert!(number("inputs") > 24.0 * 500.0, "{report}");
    assert!(number("faults") > 24.0, "{report}");
    assert!(number("simulated_hours") > 0.0, "{report}");
    assert!(number("cpu_seconds") > 0.0, "{report}");
    let again = json(&run("sim --seeds 100..124 --json").stdout);
    assert_eq!(report["digest"], again["digest"]);
}

#[test]
fn a_run_is_stopped_after_each_thing_that_happens_in_it() {
    let ran = run("sim --seeds 5..7 --stops --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = json(&ran.stdout);
    let number = |name: &str| report[name].as_u64().unwrap_or_default();
    assert!(number("stops") > number("inputs"), "{report}");
    run("sim --layer quic --seeds 5..7 --stops").failed(2, &["layer machine"]);
}

#[test]
fn each_seed_has_a_digest_of_its_own() {
    let ran = run("sim --seeds 7..13 --every 2 --digests");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<(&str, &str)> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let seeds: Vec<_> = lines.iter().map(|it| it.0).collect();
    assert_eq!(seeds, ["7", "9", "11"]);
    assert!(
        lines[0].1 != lines[1].1 && lines[1].1 != lines[2].1,
        "{ran:?}"
    );
}

#[test]
fn people_read_what_seeds_have_come_to() {
    let ran = run("sim --seeds 0..4 --faults loss+restart");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout
            .starts_with("4 seeds of the layer machine, faults loss+restart, in "),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("restart "), "{ran:?}");
    assert!(ran.stdout.ends_with("no violation\n"), "{ran:?}");
}

#[test]
fn whole_nodes_run_from_seeds_from_text_and_into_a_capture() {
    let directory = Directory::new("nodes");
    let ran = run("sim --layer quic --seeds 3..5 --again 2 --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = json(&ran.stdout);
    assert_eq!(report["layer"], "quic");
    assert!(report["messages"].as_u64() >= Some(200), "{report}");
    assert_eq!(report["again"]["otherwise"], serde_json::json!([]));
    let file = directory.file("nodes.pcapng");
    let ran = run(&format!(
        "sim --layer quic --seeds 3..4 --faults none --pcap {file}"
    ));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let capture = fs::read(&file).expect("it was written");
    assert_eq!(capture.get(..4), Some(&[0x0a, 0x0d, 0x0d, 0x0a][..]));
    let scenario = "set layer quic\nset nodes 2\nset listen 0\nset dial 1>0\nset end 5s\n\
                    at 1s send 1>0 lane 0 count 100 bytes 1000\n";
    let file = directory.file("nodes.txt");
    fs::write(&file, scenario).expect("a file");
    let ran = run(&format!("sim --scenario {file}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (delivered, rest) = ran.stdout.split_once(" of ").expect("two figures");
    assert!(
        rest.starts_with(&format!("{delivered} messages delivered")),
        "{ran:?}"
    );
}

#[test]
fn a_run_of_the_machines_goes_into_a_trace_that_replays() {
    let directory = Directory::new("machines");
    let (trace, scenario) = (directory.file("seed.trace"), directory.file("broken.txt"));
    let ran = run(&format!("sim --seeds 7..8 --trace {trace}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = run(&format!("trace replay {trace}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    fs::write(&scenario, "confirm a0\nsend 0 5B\ntake 0\n").expect("a file");
    let ran = run(&format!("sim --scenario {scenario} --trace {trace}"));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let ran = run(&format!("trace explain {trace} 0"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("sender"), "{ran:?}");
}

#[test]
fn what_seeds_cannot_be_is_said() {
    run("sim --seeds 9").failed(2, &["A..B"]);
    run("sim --seeds 9..9").failed(2, &["A below B"]);
    run("sim --seeds 0..9 --faults rain").failed(2, &["rain", "swarm", "loss+restart"]);
    run("sim --exhaustive --faults none").failed(2, &["--faults", "--exhaustive"]);
    run("sim --seeds 0..9 --states 9").failed(2, &["--states", "--seeds"]);
    run("sim --seeds 0..9 --pcap seeds.pcapng").failed(2, &["--layer quic --seeds 7..8"]);
    run("sim --seeds 0..9 --trace seeds.trace").failed(2, &["--seeds 7..8 --trace"]);
    run("sim --seeds 0..9 --layer quic --pcap no.pcapng").failed(2, &["--seeds 7..8"]);
}

fn from_stdin(text: &str) -> Ran {
    let mut child = command("sim --scenario -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends").into()
}
