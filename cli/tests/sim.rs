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
