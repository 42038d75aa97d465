//! The command with its nodes on each runtime.

mod common;

use common::{json, run};

#[test]
fn the_demo_keeps_its_word_on_each_runtime() {
    for runtime in ["tokio", "smol", "async-std"] {
        let ran = run(&format!(
            "demo --runtime {runtime} --messages 3000 --size 64 --json"
        ));
        assert_eq!(ran.code, Some(0), "{runtime}: {ran:?}");
        let report = json(&ran.stdout);
        assert_eq!(report["delivered"], 3_000, "{runtime}: {report}");
    }
}

#[test]
fn a_bench_says_what_it_ran_on() {
    let ran = run("bench --runtime smol --size 100 --seconds 0.05 --repetitions 1 --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = json(&ran.stdout);
    let row = &report["rows"][0];
    assert_eq!(row["runtime"], "smol", "{report}");
    assert!(row["messages_per_second"].as_f64() > Some(0.0), "{report}");
}

#[test]
#[cfg(feature = "compare")]
fn a_bench_compares_with_quinn_on_each_runtime() {
    for runtime in ["smol", "async-std"] {
        for (protocol, expected) in [
            ("lanes", ["ordered", "streams"]),
            ("plain", ["streams", "acknowledged"]),
        ] {
            let ran = run(&format!(
                "bench --runtime {runtime} --protocol {protocol} --against quinn --size 100 \
                 --seconds 0.05 --repetitions 1 --json"
            ));
            assert_eq!(ran.code, Some(0), "{runtime}: {ran:?}");
            let report = json(&ran.stdout);
            for (place, against) in expected.into_iter().enumerate() {
                let row = &report["rows"][place];
                assert_eq!(row["against"], against, "{report}");
                assert_eq!(row["protocol"], protocol, "{report}");
                assert!(row["ratio_to_quinn"].as_f64() > Some(0.0), "{report}");
            }
        }
    }
}
