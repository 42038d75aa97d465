//! Whole nodes over real QUIC, in virtual time.

mod scenarios;

use std::net::IpAddr;
use std::process::Command;

use peer_sender_core::Time;
use peer_sender_core::trace::{Replay, TraceReader};
use peer_sender_sim::net::{Captured, Crypto, Fault, Profile, Report, Scenario};

use self::scenarios::*;

/// Runs the scenario of each seed, and says all that came of them.
#[expect(clippy::panic, reason = "a helper of tests")]
fn run(profile: Profile, seeds: impl IntoIterator<Item = u64>, crypto: Crypto) -> Report {
    let mut whole = Report::default();
    for seed in seeds {
        match profile.run(seed, crypto) {
            Ok(report) => whole.add(&report),
            Err(failure) => panic!("seed {seed} of {profile}: {}\n{}", failure.0, failure.1),
        }
    }
    whole
}

#[test]
fn a_listener_that_is_killed_and_comes_back_gets_everything() {
    let scenario: Scenario = KILLED.parse().unwrap();
    let report = scenario.run().unwrap();
    assert_eq!(report.outcomes.delivered, report.messages);
    assert_eq!(report.faults.of(Fault::Crash), 1);
}

#[test]
fn a_peer_is_reached_over_whichever_family_works() {
    let scenario: Scenario = SWITCHED.parse().unwrap();
    let (report, capture) = scenario.run_captured();
    let report = report.unwrap();
    assert_eq!(report.outcomes.delivered, report.messages);
    assert!(report.faults.of(Fault::FamilyCut) > 0);
    let families = capture.datagrams.iter().map(|it| it.to.is_ipv6());
    let mut switches: Vec<_> = families.collect();
    switches.dedup();
    assert!(switches.len() > 2, "from one to the other, and back");
}

/// Checks: L7
#[test]
fn a_peer_that_began_anew_is_dialled_at_its_reset_or_after_its_silence() {
    const LONG_HEADER: u8 = 0x80;
    let dialled_at = |text: &str| {
        let scenario: Scenario = text.parse().unwrap();
        let (report, capture) = scenario.run_captured();
        let report = report.unwrap();
        assert_eq!(report.outcomes.delivered, report.messages);
        let from_dialler = |it: &&Captured| {
            let bits = it.bytes.first().copied().unwrap_or_default();
            it.from.ip() == IpAddr::from([10, 0, 0, 2]) && bits & LONG_HEADER != 0
        };
        let mut dials = capture.datagrams.iter().filter(from_dialler);
        let again = dials.find(|it| it.at > Time::from_secs(5));
        again.map(|it| it.at).unwrap()
    };
    // A round trip of 20 ms, and the first wait of 100 ms.
    let by_reset = dialled_at(RESTARTED);
    assert!(by_reset <= Time::from_millis(6_130), "{by_reset:?}");
    // What was sent first after the last answer begins the idle timeout anew.
    let mute = format!("{RESTARTED}at 5400ms path 0>1 cut\nat 25s path 0>1 joined\n");
    let by_silence = dialled_at(&mute);
    assert!(by_silence >= Time::from_secs(11), "{by_silence:?}");
    assert!(by_silence <= Time::from_millis(15_300), "{by_silence:?}");
}

/// Checks: L7
#[test]
fn a_reset_of_an_earlier_connection_id_is_not_heeded() {
    let report = ANOTHER_ID.parse::<Scenario>().unwrap().run().unwrap();
    assert_eq!(report.outcomes.delivered, report.messages);
}

/// Checks: L7
#[test]
fn a_reset_that_a_stranger_has_asked_for_ends_no_other_connection() {
    let report = SPOOFED.parse::<Scenario>().unwrap().run().unwrap();
    assert_eq!(report.faults.of(Fault::Reset), 1);
    assert_eq!(report.outcomes.delivered, report.messages);
}

/// The timer for what the old path lost fires on a new one, on which nothing is under way.
/// quinn-proto 0.11.19 has a debug assertion that this never happens, and goes on well without it.
///
/// Checks: I25
#[test]
fn a_stranger_that_overtakes_a_dialler_moves_its_connection_and_breaks_nothing() {
    let report = OVERTAKEN.parse::<Scenario>().unwrap().run().unwrap();
    assert!(report.faults.of(Fault::Stray) > 0);
    assert_eq!(report.outcomes.delivered, report.messages);
}

/// A connection has several ids, and what comes for any of them from anywhere counts for the address
/// that the connection talks to.
///
/// Checks: I24
#[test]
fn replays_under_two_ids_of_a_connection_count_for_one() {
    let report = REPLAYED.parse::<Scenario>().unwrap().run().unwrap();
    assert!(report.faults.of(Fault::Stray) > 0);
    assert_eq!(report.outcomes.delivered, report.messages);
}

/// Empty messages of a sender's two lives are all alike, and which of them has come is not to be told.
///
/// Checks: I5
#[test]
fn empty_messages_of_two_lives_are_not_taken_for_two_senders() {
    let report = NAMELESS.parse::<Scenario>().unwrap().run().unwrap();
    assert!(report.outcomes.delivered >= 31, "{report:?}");
}

/// Checks: I6, I7
#[test]
fn a_dialler_goes_on_at_another_node_of_the_process_and_nothing_comes_twice() {
    let report = SHARED.parse::<Scenario>().unwrap().run().unwrap();
    assert_eq!(report.outcomes.delivered, report.messages);
    assert!(report.faults.of(Fault::OtherNode) >= 2, "{report:?}");
    assert_eq!(report.copies, 0);
}

/// Checks: I24, I26
#[test]
fn who_is_flooded_asks_for_proof_and_serves_its_peers() {
    let scenario: Scenario = FLOODED.parse().unwrap();
    let report = scenario.run().unwrap();
    assert_eq!(report.faults.of(Fault::FirstPacket), 200);
    // A handful of the spoofed handshakes waits until its time is up.
    assert!(report.faults.of(Fault::Retry) >= 190, "{report:?}");
    assert_eq!(report.outcomes.delivered, report.messages);
}

/// Checks: I1, I2, I3, I4, I5, I6, I7, I8, I9, I11, I15, I21, I22, I24, I26, I27, I28, L1, L2, L3, L7, L9
#[test]
fn whatever_befalls_nodes_and_networks_every_promise_is_kept() {
    let mut whole = Report::default();
    for profile in Profile::ALL {
        whole.add(&run(profile, 0..25, Crypto::Null));
    }
    whole.add(&run(Profile::All, 25..60, Crypto::Null));
    whole.add(&run(Profile::Nodes, 25..35, Crypto::Tls));
    whole.add(&CUT_SHORT.parse::<Scenario>().unwrap().run().unwrap());
    // What never happens is not checked.
    for fault in Fault::ALL {
        assert!(
            whole.faults.of(fault) > 0,
            "{} never happened",
            fault.name()
        );
    }
    let outcomes = whole.outcomes;
    let each = [
        outcomes.delivered,
        outcomes.refused,
        outcomes.expired,
        outcomes.cancelled,
        outcomes.failed,
        outcomes.unknown,
        outcomes.written,
        whole.rejected,
        whole.orphaned,
        whole.copies,
    ];
    assert!(each.iter().all(|&count| count > 0), "{whole:?}");
    assert!(outcomes.delivered * 2 > whole.messages, "{whole:?}");
}

/// Checks: L6
#[test]
fn with_nothing_wrong_no_connection_is_lost() {
    let report = run(Profile::Calm, 100..120, Crypto::Null);
    assert!(report.faults.of(Fault::SlowReader) > 0);
    assert_eq!((report.orphaned, report.copies), (0, 0));
}

/// Checks: I16, I17, I20
#[test]
fn a_seed_gives_the_same_bytes_each_time_and_in_another_process() {
    let own = digests();
    assert_eq!(own, digests());
    let program = std::env::current_exe().unwrap();
    let told = Command::new(program)
        .args(["--exact", "tells_digests", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let theirs: Vec<_> = told
        .lines()
        .filter_map(|it| it.strip_prefix("digest "))
        .collect();
    assert_eq!(theirs, own);
}

fn digests() -> Vec<String> {
    let of = |seed, crypto| run(Profile::All, [seed], crypto).digest.to_string();
    let crypto = [Crypto::Tls, Crypto::Null];
    crypto
        .into_iter()
        .flat_map(|it| (0..3).map(move |seed| of(seed, it)))
        .collect()
}

#[test]
#[ignore = "told to the test that asks for it"]
fn tells_digests() {
    for digest in digests() {
        println!("\ndigest {digest}");
    }
}

/// Checks: I20
#[test]
fn what_tls_draws_changes_bytes_and_neither_sizes_nor_times() {
    for seed in 0..3 {
        let [seeded, stock] =
            [Crypto::Tls, Crypto::Stock].map(|crypto| run(Profile::All, [seed], crypto));
        assert_eq!(seeded.shape, stock.shape, "seed {seed}");
        assert_ne!(seeded.digest, stock.digest, "seed {seed}");
    }
}

#[test]
fn a_scenario_is_the_same_from_its_text() {
    for profile in Profile::ALL {
        let scenario = profile.scenario(7, Crypto::Null);
        assert_eq!(scenario.to_string().parse(), Ok(scenario));
    }
}

#[test]
fn what_nodes_send_can_be_kept_with_the_secrets_to_read_it() {
    let scenario: Scenario = KILLED.parse().unwrap();
    let (report, capture) = scenario.run_captured();
    let report = report.unwrap();
    assert_eq!(capture.datagrams.len() as u64, report.datagrams);
    let bytes: usize = capture.datagrams.iter().map(|it| it.bytes.len()).sum();
    assert_eq!(bytes as u64, report.bytes);
    for label in ["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"] {
        let mut lines = capture.key_log.iter();
        assert!(lines.any(|line| line.starts_with(label)), "{label}");
    }
    assert_eq!(report, scenario.run().unwrap(), "to look changes nothing");
}

/// What machines did is found again by fresh ones, whatever befell them.
#[test]
fn recorded_runs_go_the_same_way_again() {
    let mut steps = 0;
    for seed in 0..20 {
        let scenario = Profile::All.scenario(seed, Crypto::Null);
        let (_, capture) = scenario.run_captured();
        let (mut reader, mut replay) = (TraceReader::new(), Replay::new());
        reader.feed(&capture.trace);
        while let Some(record) = reader.next_record().unwrap() {
            replay.record(record).unwrap();
        }
        let summary = replay.summary();
        assert_eq!((reader.torn(), summary.passed), (0, 0), "seed {seed}");
        steps += summary.steps;
    }
    assert!(steps > 5_000, "{steps}");
}
