//! Some seeds of random runs: that they hold, that all of what may be drawn is drawn, and that they
//! repeat. `peer-sender sim --seeds` runs more of them.

use std::process::Command;

use peer_sender_sim::Scenario;
use peer_sender_sim::swarm::{Class, Classes, Profile, Report, Run, replay, run_seed, run_tape};
use peer_sender_sim::tape::{Layer, Rng, VERSION};

/// Names the seed whose digest a process of its own is to print.
const CHILD: &str = "PEER_SENDER_SIM_DIGEST_OF";

fn well(run: Run) -> Report {
    let violation = run.violation.map(|it| it.to_string());
    assert_eq!(violation, None, "{}", run.scenario);
    run.report
}

fn seeds(seeds: std::ops::Range<u64>, profile: Profile) -> Report {
    let mut all = Report::default();
    seeds.for_each(|seed| all.add(&well(run_seed(seed, &profile))));
    all
}

/// A generator that never draws something checks nothing of it, and nobody would notice.
#[test]
fn all_that_may_be_drawn_is_drawn_and_holds() {
    let all = seeds(0..150, Profile::Swarm);
    for class in Class::ALL {
        assert!(all.drawn(class) > 0, "{} is never drawn", class.name());
    }
    let outcomes = [
        all.delivered,
        all.refused,
        all.cancelled,
        all.expired,
        all.failed,
        all.unknown,
        all.rejected,
    ];
    assert!(outcomes.iter().all(|it| *it > 100), "{outcomes:?}");
    assert!(all.inputs >= 2_000 * all.runs, "{} inputs", all.inputs);
    assert!(all.faults() >= 50 * all.runs, "{} faults", all.faults());
    assert!(all.delivered * 4 > all.accepted, "{all:?}");
}

#[test]
fn each_class_holds_alone_and_all_of_them_together() {
    for class in Class::ALL {
        let alone = Profile::Always(Classes::NONE.with(class));
        let report = seeds(0..5, alone);
        let of_others = Class::ALL.into_iter().filter(|it| *it != class);
        let of_others: u64 = of_others.map(|it| report.drawn(it)).sum();
        assert_eq!(of_others, 0, "{}", class.name());
    }
    seeds(0..20, Profile::Always(Classes::ALL));
}

/// Without faults every message arrives, but those that make room for others.
#[test]
fn without_faults_everything_is_delivered() {
    let all = seeds(0..30, Profile::Always(Classes::NONE));
    assert_eq!(all.faults(), 0);
    assert_eq!(all.accepted, all.delivered + all.failed, "{all:?}");
    assert!(all.delivered * 10 > all.accepted * 9, "{all:?}");
}

#[test]
fn what_has_happened_happens_again_without_the_tape() {
    for seed in 0..10 {
        let run = run_seed(seed, &Profile::Swarm);
        let text: Scenario = run.scenario.to_string().parse().unwrap();
        assert_eq!(text, run.scenario);
        let again = replay(&text).unwrap();
        assert_eq!(again.scenario, run.scenario);
        assert_eq!(again.report.digest, run.report.digest, "seed {seed}");
        assert_eq!(again.report.steps, run.report.steps, "seed {seed}");
    }
}

#[test]
fn a_seed_does_the_same_in_another_process() {
    let digests = || (0..4).map(|seed| run_seed(seed, &Profile::Swarm).report.digest);
    let ours = format!("{:?}", digests().collect::<Vec<_>>());
    if std::env::var_os(CHILD).is_some() {
        println!("{CHILD} {ours}");
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_seed_does_the_same_in_another_process"])
        .arg("--nocapture")
        .env(CHILD, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(told.contains(&format!("{CHILD} {ours}")), "{told}");
}

#[test]
fn every_string_of_bytes_is_some_run() {
    let mut rng = Rng::new(7);
    for length in [0, 1, 5, 97, 98, 99, 1_000, 20_000] {
        let mut bytes = vec![0; length];
        rng.fill(&mut bytes);
        let head = [VERSION, Layer::Machine as u8];
        bytes.splice(0..0, head);
        well(run_tape(&bytes).unwrap());
    }
}
