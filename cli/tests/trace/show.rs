//! `trace show`.

use std::collections::BTreeSet;

use peer_sender_core::trace::{About, Call, MachineConfig, Recorder, RecorderConfig};
use peer_sender_core::{Config, Event, PeerSenderMachine, Time};

use crate::common::json;
use crate::{File, Night, config, restless_night};

#[test]
fn each_event_and_action_has_a_line() {
    let file = File::new("show", &restless_night().trace());
    let table = file.says("show", "");
    let first = table.lines().next().unwrap();
    assert!(
        first.starts_with("2026-01-01 22:15:00.000000      +0.000000       #0 bob          <- "),
        "{first}"
    );
    for words in [
        "<- message #0 of 100 bytes handed over for lane 0",
        "-> dial 192.0.2.1:4433 (connection 0)",
        "-> wait 100 ms before dialling again",
        "on connection 2 s0: #0 to #2",
        "<- connection 2 is lost: nothing heard from the peer for the idle timeout",
        "-> message #7 delivered: the receiving application accepted it",
        "-- somebody has looked",
        "listener     <- connection 0: their s0 opened",
        "-> tell the user: the sender has ended: all was answered",
    ] {
        assert!(table.contains(words), "{words}:\n{table}");
    }
}

#[test]
fn the_table_is_filtered() {
    let file = File::new("filters", &restless_night().trace());
    let settled = file.says("show", "--kind settle");
    assert_eq!(settled.lines().count(), 8, "{settled}");
    let both = file.says("show", "--kind settle,queued --peer bob --from 3 --to 6.1");
    assert_eq!(both.lines().count(), 3 + 5, "{both}");
    let third = file.says("show", "--message 2");
    let lines: Vec<_> = third.lines().collect();
    assert!(lines.len() == 3 && lines[1].contains("#0 to #2"), "{third}");
    let listener = file.says("show", "--peer listener");
    assert!(
        listener.lines().all(|it| it.contains(" listener ")),
        "{listener}"
    );
    let clock = file.says("show", "--from 22:15:06 --kind queued");
    assert_eq!(clock.lines().count(), 5, "{clock}");
}

#[test]
fn each_line_of_json_is_an_object() {
    let file = File::new("json", &restless_night().trace());
    let table = file.says("show", "--json");
    let rows: Vec<_> = table.lines().map(json).collect();
    assert_eq!(rows.len(), file.says("show", "").lines().count());
    let kinds: BTreeSet<_> = rows
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    assert!(
        kinds.is_superset(&["queued", "write", "mark", "backoff"].into()),
        "{kinds:?}"
    );
    let write = rows.iter().find(|row| row["kind"] == "write").unwrap();
    assert_eq!(write["messages"].to_string(), "[[0,2]]");
    assert_eq!(
        (&write["peer"], &write["what"]),
        (&"bob".into(), &"action".into())
    );
    assert!(write["seconds"].as_f64() > Some(3.0), "{write}");
}

#[test]
fn a_summary_says_what_a_trace_is() {
    let file = File::new("summary", &restless_night().trace());
    let page = file.says("show", "--summary");
    for words in [
        "written by peer-sender-core ",
        ", payloads as digests",
        "from 2026-01-01 22:15:00.000000 to ",
        "2 machines, ",
        "  machine 0 bob: sender, ",
        "  machine 1 listener: sessions, ",
        " 8 settle\n",
        "  mark 2026-01-01 22:15:11.015000: somebody has looked\n",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let summary = json(&file.says("show", "--summary --json"));
    assert_eq!(summary["kinds"]["settle"], 8);
    assert_eq!(
        (&summary["torn"], &summary["marks"]),
        (&0.into(), &1.into())
    );
    assert_eq!(summary["machines"], 2);
    let mark = &summary["marks_listed"][0];
    assert_eq!(
        (&mark["time"], &mark["text"]),
        (
            &"2026-01-01 22:15:11.015000".into(),
            &"somebody has looked".into()
        )
    );
}

#[test]
fn a_summary_lists_so_many_marks_and_counts_the_rest() {
    let mut night = Night::new("bob", config());
    for count in 0..102 {
        night.mark(&format!("{count} {}", "x".repeat(1_000)));
    }
    let file = File::new("marks", &night.trace());
    let page = file.says("show", "--summary");
    assert_eq!(page.matches("  mark 2026-01-01 22:15:00").count(), 100);
    assert!(page.contains("  and 2 more marks\n"), "{page}");
    assert!(page.lines().all(|line| line.len() < 300), "{page}");
}

#[test]
fn what_is_not_there_is_said() {
    let file = File::new("missing", &restless_night().trace());
    file.run("show", "--peer carol")
        .failed(2, &["carol", "there are: bob, listener", "--summary"]);
    file.run("show", "--message 99")
        .failed(2, &["no message #99", "--kind queued"]);
    file.run("show", "--kind nonsense")
        .failed(2, &["transfer-finished", "forget-delivered"]);
    file.run("show", "--from never").failed(2, &["22:15:00"]);
}

#[test]
fn names_and_reasons_never_move_the_cursor() {
    let mut night = Night::new("b\x1b[2Job", config());
    night.mark("\x07\u{202e}mark");
    night.send(1, 1);
    let file = File::new("cursor", &night.trace());
    for more in ["", "--summary", "--json", "--summary --json"] {
        let shown = file.says("show", more);
        let bad = |c: char| c.is_control() && c != '\n';
        assert!(!shown.contains(bad), "{shown:?}");
    }
    assert!(file.says("show", "").contains("b\\u{1b}[2Job"));
}

/// Of a program that has no date: times are from the first step on all the same.
#[test]
fn a_trace_without_a_date_is_shown_by_the_time_since_its_start() {
    let mut recorder = Recorder::new(RecorderConfig::default());
    let config = Config::new("192.0.2.1:4433".parse().unwrap()).unwrap();
    let about = About {
        name: "bob".to_owned(),
        key: None,
        zero_unix_nanos: 0,
    };
    let made = MachineConfig::Sender(Box::new(config.clone()));
    let mut steps = recorder.made(about, made, [1; 32]);
    let mut machine = PeerSenderMachine::new(config, [1; 32]);
    for seconds in [0, 5, 9] {
        let (now, mut actions) = (Time::from_secs(seconds), Vec::new());
        steps.begin();
        steps.event(&Event::TimerFired);
        machine.handle(now, [Event::TimerFired], &mut actions);
        actions.iter().for_each(|it| steps.action(it));
        steps.end(now, Call::Handle);
        recorder.add(&steps);
    }
    let mut trace = Vec::new();
    recorder.take(&mut trace);
    let file = File::new("dateless", &trace);
    let rows = file.says("show", "--json --from +6s");
    let seconds: BTreeSet<String> = rows
        .lines()
        .map(|line| json(line)["seconds"].to_string())
        .collect();
    assert_eq!(seconds, BTreeSet::from(["9.0".to_owned()]), "{rows}");
}
