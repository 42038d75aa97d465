//! `trace report`: the page about traces that were made in virtual time, and what a browser makes
//! of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it cannot go on"
)]

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod html;
#[path = "../common/night/mod.rs"]
mod night;
mod plan;

use std::fs;
use std::time::Duration;

use common::{Directory, run};
use peer_sender_core::trace::{About, Call, MachineConfig, Recorder, RecorderConfig};
use peer_sender_core::{Config, LinkError, PeerKey, Time};
use plan::Plan;
use serde_json::Value;

/// A name that would do harm in a page that took it as it is.
const HOSTILE: &str = "</title><script>alert(1)</script><img src=x onerror=\"a('b')\">&\u{1b}[31m";

/// What can go wrong: a peer that is gone for long, another one in its place, one that is slow and
/// restarted, and one whose name is hostile.
fn plans() -> Vec<Plan> {
    let at = Time::from_secs;
    let mut gone = Plan::new("gone for a while", 4_001);
    gone.faults = vec![
        (at(8), at(20), LinkError::ConnectTimeout),
        (at(24), at(25), LinkError::Unreachable),
    ];
    gone.ttl = Some(Duration::from_secs(6));
    gone.consume = Duration::from_millis(3);
    let mut wrong = Plan::new("someone else", 4_002);
    let error = LinkError::WrongIdentity {
        expected: PeerKey([1; 32]),
        offered: PeerKey([0xab; 32]),
    };
    wrong.faults = vec![(at(0), at(60), error)];
    wrong.messages = 60;
    let mut slow = Plan::new("slow", 4_003);
    slow.consume = Duration::from_millis(30);
    slow.config = Config::builder("192.0.2.9:4433".parse().unwrap())
        .flight_messages_max(16)
        .slow_after(Some(Duration::from_secs(1)))
        .build()
        .unwrap();
    slow.restarts = vec![at(12)];
    // Until the end: what is in flight then has an unknown outcome.
    slow.messages = 1_000;
    slow.faults = vec![(Time::from_millis(29_500), at(60), LinkError::Busy)];
    let mut hostile = Plan::new(HOSTILE, 4_004);
    let reason = HOSTILE.to_owned();
    hostile.faults = vec![(at(5), at(6), LinkError::Local { reason })];
    let fine = Plan::new("all is well", 4_005);
    vec![gone, wrong, slow, hostile, fine]
}

fn made() -> Vec<u8> {
    plan::trace(RecorderConfig::default(), &plans())
}

/// The page about a trace with these bytes.
fn page_of(directory: &Directory, trace: &[u8]) -> String {
    let (file, out) = (directory.file("night.trace"), directory.file("night.html"));
    fs::write(&file, trace).unwrap();
    let ran = run(&format!("trace report {file} -o {out}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    fs::read_to_string(out).unwrap()
}

#[test]
fn the_page_is_whole_small_the_same_each_time_and_takes_no_harm() {
    let directory = Directory::new("report-whole");
    let page = page_of(&directory, &made());
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    html::assert_balanced(&page);
    html::assert_ids_are_found(&page);
    assert_eq!(page.matches("<script").count(), 1, "its own alone");
    assert_eq!(
        page.matches("<img").count() + page.matches("<i>").count(),
        0
    );
    assert!(page.contains("&lt;/title&gt;&lt;script&gt;alert(1)"));
    let odd = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!page.contains(odd));
    for beyond in [
        "http://", "https://", "url(\"", "@import", "src=\"", "style=\"", " onclick",
    ] {
        assert!(!page.contains(beyond), "{beyond}");
    }
    assert_eq!(page, page_of(&directory, &made()));
}

#[test]
fn the_page_says_what_went_wrong() {
    let page = page_of(&Directory::new("report-says"), &made());
    // 2 ms there, 1 ms for the application, 2 ms back; and buckets are right to three percent.
    let well = page
        .split("<article id=")
        .find(|it| it.contains("<h3>all is well</h3>"));
    let stages: Vec<&str> = well.unwrap().split("<th scope=\"row\">").collect();
    for (stage, name, median) in [
        (1, "queued to written", "0 s"),
        (2, "written to answered", "5.1 ms"),
        (3, "in all", "5.1 ms"),
    ] {
        let row = stages[stage];
        let start =
            format!("{name}</span></th><td class=\"n\">400</td><td class=\"n\">{median}</td>");
        assert!(row.contains(&start), "{row}");
    }
    for words in [
        "Replays the same.",
        "2026-11-29 22:00:00.000000",
        "gone for a while",
        "an unknown outcome",
        "expired before the receiver had answered",
        "refused by the receiver (Application",
        "ended over an identity",
        "process was restarted (1 time), and knew nothing of what the one before had taken",
        "waited longer than slow_after",
        "the network reports that nobody listens",
        "lights out",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_connection_that_the_peer_did_not_know_is_an_error_and_no_restart() {
    let mut plan = Plan::new("forgetful", 4_001);
    plan.faults = vec![(Time::from_secs(8), Time::from_secs(9), LinkError::Reset)];
    let trace = plan::trace(RecorderConfig::default(), &[plan]);
    let directory = Directory::new("report-reset");
    let page = page_of(&directory, &trace);
    assert!(page.contains("the peer did not know the connection any more"));
    assert!(!page.contains("process was restarted"));
    let file = directory.file("night.trace");
    let said = run(&format!("trace explain {file}")).stdout;
    assert!(
        said.contains("the peer did not know the connection any more"),
        "{said}"
    );
    assert!(!said.contains("process was restarted"), "{said}");
}

#[test]
fn a_flight_recorder_tells_of_the_last_part() {
    let trace = plan::trace(RecorderConfig::flight(256 << 10), &plans());
    let page = page_of(&Directory::new("report-flight"), &trace);
    html::assert_balanced(&page);
    assert!(page.contains("Replays the same."));
    // The burst of messages, and what waited in the queue at the stop, is the most at once; what was
    // accepted before the trace begins is none of it.
    let slow = page
        .split("<article id=")
        .find(|it| it.contains("<h3>slow</h3>"));
    let slow = slow.unwrap();
    assert!(
        slow.contains("Of 990 messages accepted"),
        "since it was made"
    );
    let most = slow
        .split("at most ")
        .nth(1)
        .and_then(|it| it.split(' ').next());
    let most: u64 = most.unwrap().parse().unwrap();
    assert!((40..=100).contains(&most), "{most}");
    let followed = slow
        .split("written to answered</span></th><td class=\"n\">")
        .nth(1);
    let followed = followed.and_then(|it| it.split('<').next()).unwrap();
    assert!(
        followed.parse::<u64>().unwrap() < 900,
        "of those that were seen accepted alone"
    );
}

#[test]
fn other_steps_can_be_listed() {
    let directory = Directory::new("report-from");
    let (file, out) = (directory.file("night.trace"), directory.file("night.html"));
    fs::write(&file, made()).unwrap();
    let ran = run(&format!("trace report {file} -o {out} --first 5000 --json"));
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["identical"], true, "{ran:?}");
    let page = fs::read_to_string(out).unwrap();
    assert_eq!(told["bytes"], page.len());
    assert!(page.contains("200 in a row from step 5,000 on"));
    html::assert_balanced(&page);
}

#[test]
fn what_follows_a_step_that_went_another_way_is_not_told() {
    let directory = Directory::new("report-diverged");
    let mut recorder = Recorder::new(RecorderConfig::default());
    let about = About {
        name: "forged".to_owned(),
        key: None,
        zero_unix_nanos: 0,
    };
    let config = Config::new("192.0.2.7:4433".parse().unwrap()).unwrap();
    let mut steps = recorder.made(about, MachineConfig::Sender(Box::new(config)), [1; 32]);
    for time in [0, 1] {
        // The machine dials in its first step, and the trace says that it did nothing.
        steps.begin();
        steps.end(Time::from_millis(time), Call::Handle);
        recorder.add(&steps);
    }
    let (file, out) = (
        directory.file("forged.trace"),
        directory.file("forged.html"),
    );
    fs::write(&file, plan::taken(&mut recorder)).unwrap();
    let ran = run(&format!("trace report {file} -o {out} --json"));
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&told["identical"], &told["steps"]),
        (&false.into(), &0.into())
    );
    let page = fs::read_to_string(out).unwrap();
    html::assert_balanced(&page);
    for words in [
        "Does not replay the same.",
        "(forged) went another way in step 0",
        "1 step was passed over, because its machine had gone another way before.",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_torn_tail_is_told_and_a_damaged_trace_is_refused() {
    let directory = Directory::new("report-torn");
    let mut trace = made();
    trace.truncate(trace.len() - 3);
    let (file, out) = (
        directory.file("torn.trace"),
        directory.file("torn.trace.html"),
    );
    fs::write(&file, &trace).unwrap();
    let ran = run(&format!("trace report {file}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("breaks off: its last "), "{ran:?}");
    assert!(ran.stdout.starts_with(&out), "{ran:?}");
    assert!(
        fs::read_to_string(&out)
            .unwrap()
            .contains("The trace breaks off")
    );

    fs::remove_file(&out).unwrap();
    let middle = trace.len() / 2;
    trace[middle] ^= 1;
    fs::write(&file, &trace).unwrap();
    let ran = run(&format!("trace report {file}"));
    ran.failed(2, &["is damaged at byte "]);
    assert!(!fs::exists(out).unwrap(), "no page about half a trace");

    fs::write(&file, b"no trace").unwrap();
    run(&format!("trace report {file}")).failed(2, &["no trace of peer-sender"]);
    run(&format!("trace report {file}.nowhere")).failed(2, &["cannot read the trace"]);
    fs::write(&file, made()).unwrap();
    let nowhere = directory.file("nowhere/out.html");
    run(&format!("trace report {file} -o {nowhere}")).failed(2, &["cannot write the report"]);
}

#[test]
fn many_peers_and_steps_take_a_bounded_page_that_says_what_it_lacks() {
    let mut plans = Vec::new();
    for number in 0..140_u16 {
        let mut plan = Plan::new(&format!("{HOSTILE} {number}").repeat(9), 5_000 + number);
        let reason = HOSTILE.repeat(20);
        let every_second = (0..15).map(|it| (Time::from_secs(it * 2), Time::from_secs(it * 2 + 1)));
        let error = LinkError::Local { reason };
        plan.faults = every_second
            .map(|(from, to)| (from, to, error.clone()))
            .collect();
        plan.messages = 60;
        plan.every = Duration::from_millis(400);
        plans.push(plan);
    }
    let trace = plan::trace(RecorderConfig::default(), &plans);
    let page = page_of(&Directory::new("report-many"), &trace);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    html::assert_balanced(&page);
    html::assert_ids_are_found(&page);
    for words in [
        "only the first 256 are told of",
        "are drawn, those with the most trouble",
        "200 in a row from step 1 on",
        "The first 4 of",
    ] {
        assert!(page.contains(words), "{words}");
    }
}
