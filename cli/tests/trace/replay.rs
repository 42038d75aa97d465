//! `trace replay`.

use std::time::Duration;

use peer_sender_core::trace::{Recorder, RecorderConfig};
use peer_sender_core::{Event, Time};

use crate::common::{json, run};
use crate::night::{App, Dialled};
use crate::{File, Night, config, restless_night};

#[test]
fn a_night_goes_the_same_way_again() {
    let file = File::new("same", &restless_night().trace());
    let page = file.says("replay", "");
    assert!(
        page.starts_with("2 machines, ") && page.ends_with("the same as recorded\n"),
        "{page}"
    );
    let report = json(&file.says("replay", "--json"));
    assert_eq!(
        (&report["identical"], &report["torn"]),
        (&true.into(), &0.into())
    );
    assert!(
        report["events"].as_u64() > Some(30) && report["events_per_second"].as_f64() > Some(0.0)
    );
}

/// A release build has recorded `demo.trace`; `.ci/run` has one replay it, and here it is whatever
/// build the tests are of.
#[test]
fn a_trace_of_another_build_goes_the_same_way_here() {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/trace/demo.trace");
    let ran = run(&format!("trace replay {trace} --json"));
    let report = json(&ran.stdout);
    assert_eq!((ran.code, &report["identical"]), (Some(0), &true.into()));
    assert_eq!(
        (&report["machines"], &report["torn"], &report["passed"]),
        (&6.into(), &0.into(), &0.into())
    );
    let told = run(&format!("trace explain {trace} --json"));
    let nights = told.stdout.lines().map(json);
    let delivered = nights.filter_map(|it| it["outcomes"]["delivered"].as_u64());
    assert_eq!(delivered.sum::<u64>(), 1_200);
}

/// The same night, and what is written down of one step is not what happened.
fn forged(actions: bool) -> Vec<u8> {
    let recorder = Recorder::new(RecorderConfig {
        actions,
        ..RecorderConfig::default()
    });
    let mut night = Night::recorded("bob", config(), recorder);
    night.send(2, 10);
    night.run(Duration::from_secs(1));
    night.forge(Event::TimerFired);
    night.send(1, 10);
    night.run(Duration::from_secs(1));
    night.trace()
}

#[test]
fn another_way_is_found_and_is_a_failure() {
    for actions in [false, true] {
        let file = File::new(&format!("forged-{actions}"), &forged(actions));
        let ran = file.run("replay", "");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), ""), "{ran:?}");
        for words in [
            "another way than recorded after ",
            "machine 0 bob, which stood at Up before",
            "was told:\n  a deadline may have come\n",
            "got:\n  nothing\n",
            match actions {
                true => "expected:\n  the peer's sending half has begun anew",
                false => "expected: actions of the digest ",
            },
        ] {
            assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
        }
        let ran = file.run("replay", "--json");
        let report = json(&ran.stdout);
        assert_eq!((ran.code, &report["identical"]), (Some(3), &false.into()));
        assert_eq!(report["divergence"]["peer"], "bob");
        // What else is in the trace is shown all the same.
        let ran = file.run("show", "--kind deliver,session-delivered");
        assert!(ran.stdout.lines().count() >= 2, "{ran:?}");
        // All commands end alike, and say why they know no more.
        let summary = file.run("show", "--summary");
        let csv = file.run("export", "--format csv");
        let what_if = file.run("replay", "--set ttl=10min");
        let diff = file.run("diff", &file.path());
        for ran in [ran, summary, csv, what_if, diff, file.run("explain", "")] {
            assert_eq!(ran.code, Some(3), "{ran:?}");
            for words in ["left out from here on", " were left out that follow it"] {
                assert!(ran.stderr.contains(words), "{words}: {ran:?}");
            }
            assert!(!ran.stderr.contains("nothing before them"), "{ran:?}");
        }
    }
}

#[test]
fn it_stops_where_a_condition_holds() {
    let file = File::new("break", &restless_night().trace());
    let page = file.says("replay", "--break-on state=Backoff");
    for words in [
        "machine 0 bob\n  <- a deadline may have come\n  -> close connection 0",
        "machine 0 bob: Backoff since 2026-01-01 22:15:02.000000 (+2.000000 s), Running\n",
        "  waits for: the last attempt failed, and the next one has not come\n",
        "  next deadline: Backoff at 2026-01-01 22:15:02.100000 (+2.100000 s), in 100 ms\n",
        "  queue: 3 messages of 300 bytes; flight: 0 messages of 0 bytes\n",
        "  last error: no confirmed connection within the connect deadline",
        "    lane 0: 3 queued, 0 in flight: the last attempt failed",
        "the same as recorded up to here\n",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let report = file.says("replay", "--break-on state=Up --break-on message=0 --json");
    let lines: Vec<_> = report.lines().map(json).collect();
    assert_eq!(lines.len(), 3, "{report}");
    assert_eq!(
        (&lines[1]["standing"], &lines[1]["in_flight"]),
        (&"Up".into(), &3.into())
    );
    let page = file.says(
        "replay",
        "--break-on event=connection-lost --break-on peer=listener",
    );
    assert!(
        page.contains("machine 1 listener: 1 session; 8 messages delivered"),
        "{page}"
    );
    file.run("replay", "--break-on state=Nowhere")
        .failed(2, &["Draining"]);
    file.run("replay", "--break-on weather=bad")
        .failed(2, &["state=STATE"]);
}

#[test]
fn it_stops_at_a_time_or_a_step() {
    let file = File::new("until", &restless_night().trace());
    let page = file.says("replay", "--until 1");
    assert!(page.contains("step #1 at 2026-01-01 22:15:02"), "{page}");
    assert!(
        page.contains("machine 0 bob: Backoff") && page.contains("machine 1 listener"),
        "{page}"
    );
    let page = file.says("replay", "--until #0");
    assert!(page.contains("machine 0 bob: Connecting since"), "{page}");
    file.run("replay", "--until #x").failed(2, &["#1234"]);
}

#[test]
fn a_clock_that_goes_back_is_taken_as_the_machine_takes_it() {
    let mut night = restless_night();
    night.now = Time::from_secs(1);
    night.send(1, 1);
    let file = File::new("back", &night.trace());
    assert!(file.says("replay", "").ends_with("the same as recorded\n"));
    let shown = file.says("show", "");
    let last = shown.lines().last().unwrap();
    assert!(last > "2026-01-01 22:15:10", "{last}");
}

#[test]
fn a_trace_without_a_beginning_passes_over_what_it_cannot_know() {
    let mut night = Night::new("bob", config());
    night.send(1, 1);
    night.forget_machines();
    night.run(Duration::from_secs(1));
    let file = File::new("ring", &night.trace());
    let ran = file.run("show", "");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.stderr.contains("nothing before them tells"), "{ran:?}");
}

#[test]
fn what_if_goes_up_to_where_the_world_would_have_differed() {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Silent;
    night.send(2, 10);
    night.run(Duration::from_secs(30));
    let file = File::new("what-if", &night.trace());
    let page = file.says("replay", "--set backoff_max=200ms");
    for words in [
        "bob (machine 0) with backoff_max=200ms:",
        "parts from the record at 2026-01-01 22:15:08.600000 UTC (+8.600000 s), between two steps of the trace",
        "    recorded: nothing is asked for\n    with it:  dial 192.0.2.1:4433 (connection 4)\n",
        "nothing is known beyond",
        "  recorded: Backoff, 2 messages queued",
        "  with it:  Connecting, 2 messages queued",
        "+8.400000 s recorded: wait 300 ms before dialling again",
        "+8.400000 s with it:  wait 200 ms before dialling again",
    ] {
        assert!(page.contains(words), "{words}:\n{page}");
    }
    let page = file.says("replay", "--set backoff_max=10min --set connect_timeout=2s");
    assert!(
        page.contains("asks for the same to the end of the trace"),
        "{page}"
    );
    let page = file.says("replay", "--set ttl=1s");
    assert!(
        page.contains("to the end of the trace") && page.contains("#1 expired"),
        "{page}"
    );
    let page = file.says("replay", "--set connect_timeout=4s");
    assert!(
        page.contains("#1 of the trace\n    recorded: close connection 0"),
        "{page}"
    );
    let report = json(&file.says("replay", "--set connect_timeout=4s --json"));
    assert_eq!(
        (&report["parted"]["step"], &report["peer"]),
        (&1.into(), &"bob".into())
    );
    file.run("replay", "--set backoff_max=1us")
        .failed(2, &["backoff_max", "at least backoff_min"]);
    file.run("replay", "--set nonsense=1")
        .failed(2, &["give_up_after"]);
}

#[test]
fn what_a_flight_recorder_has_kept_is_read_from_its_first_image_on() {
    let recorder = Recorder::new(RecorderConfig::flight(256 << 10));
    let mut night = Night::recorded("bob", config(), recorder);
    night.app = App::Each(Duration::from_millis(2));
    for _ in 0..100 {
        night.send(100, 20);
        night.run(Duration::from_millis(100));
    }
    night.send(1, 20);
    let file = File::new("flight", &night.dump());
    let ran = file.run("replay", "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.ends_with("the same as recorded\n"), "{ran:?}");
    let told = file.run("explain", "").stdout;
    assert!(
        told.contains("were handed over before the trace begins"),
        "{told}"
    );
    let told = file.run("explain", "10000").stdout;
    assert!(told.contains("no outcome when the trace ends"), "{told}");
    let behind = told.split("queued behind ").nth(1).unwrap();
    let behind = behind.split(' ').next().unwrap().replace(',', "");
    // The application takes one in 2 ms of those that come each ms.
    assert!((4_900..5_200).contains(&behind.parse().unwrap()), "{told}");
    let what_if = file.run("replay", "--set ttl=1s").stdout;
    assert!(
        what_if.contains("bob (machine 0) was made before the trace begins"),
        "{what_if}"
    );
    file.run("explain", "5")
        .failed(2, &["no sender of the trace has a message #5"]);
}
