//! `trace explain` of machines that share a name.

use std::time::Duration;

use crate::common::json;
use crate::{File, Night, config};

/// Two senders called 0, with a message #0 each, one called 1, which is machine 4, and their nodes.
fn of_one_name(test: &str) -> File {
    let mut night = Night::new("0", config());
    let mut nights = ["0", "1"].map(|name| night.beside(name, config()));
    night.send(1, 10);
    nights[0].send(1, 20);
    nights[1].send(2, 30);
    for night in [&mut night].into_iter().chain(&mut nights) {
        night.run(Duration::from_secs(1));
        night.reply(77, 5);
        night.run(Duration::from_secs(1));
    }
    drop(nights);
    File::new(test, &night.trace())
}

#[test]
fn machines_of_one_name_are_told_apart_by_their_numbers() {
    let file = of_one_name("of-one-name");
    let said = file.says("explain", "0 --peer 0");
    for words in [
        "message #0 for 0 (machine 0) (lane 0, 10 bytes): delivered",
        "message #0 for 0 (machine 2) (lane 0, 20 bytes): delivered",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = file.says("explain", "1");
    assert!(
        said.starts_with("message #1 for 1 (lane 0, 30 bytes)"),
        "{said}"
    );
    let said = file.says("explain", "77");
    for machine in [1, 3, 5] {
        let words = format!("reply #77 of listener (machine {machine})'s session 0 (5 bytes)");
        assert!(said.contains(&words), "{words}: {said}");
    }
}

#[test]
fn a_machine_is_chosen_by_its_number_unless_that_is_a_name() {
    let file = of_one_name("by-number");
    let machines = |more: &str| {
        let said = file.says("explain", &format!("--json {more}"));
        let machines = said.lines().map(|line| json(line)["machine"].as_u64());
        machines.collect::<Option<Vec<_>>>().unwrap()
    };
    assert_eq!(machines("--peer #2"), [2]);
    assert_eq!(machines("--peer 2"), [2]);
    assert_eq!(machines("--peer #3"), [3], "an accepting node");
    // Both are names as well.
    assert_eq!(machines("--peer 0"), [0, 2]);
    assert_eq!(machines("--peer 1"), [4]);
    assert_eq!(machines("--peer #1"), [1]);
    let said = file.says("explain", "0 --peer #2");
    assert_eq!(said.matches("message #0 for 0").count(), 1);
    assert!(said.contains("20 bytes"), "{said}");
    for nobody in ["6", "#6", "#", "#x"] {
        file.run("explain", &format!("--peer {nobody}"))
            .failed(2, &["no machine of the trace is called", "0, 1, listener"]);
    }
}
