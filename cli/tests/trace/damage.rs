//! What comes of traces that are none, or were damaged.

use crate::common::run;
use crate::{File, restless_night};

const COMMANDS: [&str; 3] = ["show", "replay", "explain"];

#[test]
fn what_is_no_trace_is_refused() {
    for (name, bytes) in [
        ("empty", b"".as_slice()),
        ("text", b"no trace"),
        ("short", b"\x89pst!"),
    ] {
        let file = File::new(&format!("none-{name}"), bytes);
        for command in COMMANDS {
            file.run(command, "").failed(
                2,
                &["t.trace: this is no trace of peer-sender", "first byte"],
            );
        }
    }
    run("trace show there-is-none").failed(2, &["cannot read the trace there-is-none", "ls -l"]);
    run("trace show /").failed(2, &["directory"]);
}

#[test]
fn a_newer_trace_says_so() {
    let mut bytes = restless_night().trace();
    bytes[8] = 2;
    let file = File::new("newer", &bytes);
    for command in COMMANDS {
        file.run(command, "")
            .failed(2, &["of format 2", "formats up to 1", "--version"]);
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_told() {
    let whole = restless_night().trace();
    let torn = &whole[..whole.len() - 5];
    let (whole, torn) = (File::new("whole", &whole), File::new("torn", torn));
    for command in COMMANDS {
        let ran = torn.run(command, "");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(
            ran.stderr.starts_with("warning: ") && ran.stderr.contains("breaks off"),
            "{ran:?}"
        );
    }
    let shown = torn.run("show", "").stdout;
    assert!(whole.says("show", "").starts_with(&shown) && shown.lines().count() > 50);
    let summary = torn.run("show", "--summary --json").stdout;
    assert!(
        crate::common::json(&summary)["torn"].as_u64() > Some(0),
        "{summary}"
    );
}

#[test]
fn a_flipped_bit_is_refused_at_its_place() {
    let whole = restless_night().trace();
    let place = whole.len() / 2;
    let mut bytes = whole.clone();
    bytes[place] ^= 1;
    let file = File::new("flipped", &bytes);
    for command in COMMANDS {
        let ran = file.run(command, "");
        ran.failed(2, &["the trace is damaged at byte ", "head -c "]);
        let offset = ran.stderr.split("at byte ").nth(1).unwrap();
        let offset: usize = offset.split(':').next().unwrap().parse().unwrap();
        assert!(
            offset <= place && place - offset < 4_000,
            "{offset} for {place}"
        );
        // What the advice cuts off is whole.
        let before = File::new(&format!("before-{command}"), &whole[..offset]);
        assert_eq!(before.run("replay", "").stderr, "");
    }
    let shown = file.run("show", "").stdout;
    assert!(shown.lines().count() > 10, "what comes before is shown");
}
