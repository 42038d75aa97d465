//! `trace diff`.

use std::time::Duration;

use crate::common::{json, run};
use crate::{Dialled, File, Night, config, restless_night};

/// A calm night; with a message of another size at last, or another wait in the middle.
fn calm_night(last: usize, wait: u64) -> Vec<u8> {
    let mut night = Night::new("bob", config());
    night.send(2, 100);
    night.run(Duration::from_secs(wait));
    night.send(1, last);
    night.run(Duration::from_secs(1));
    night.send(1, 10);
    night.stop();
    night.trace()
}

#[test]
fn the_same_night_is_the_same() {
    let file = File::new("diff-same", &restless_night().trace());
    let said = file.says("diff", &file.path());
    assert!(
        said.starts_with("bob: the same, ") && said.ends_with("\nthe same\n"),
        "{said}"
    );
    assert!(said.contains("listener: the same, "));
}

#[test]
fn the_first_difference_is_shown_with_what_is_around_it() {
    let one = File::new("diff-one", &calm_night(50, 1));
    let other = File::new("diff-other", &calm_night(51, 1));
    let ran = one.run("diff", &other.path());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{ran:?}");
    for words in [
        "bob: differs after 5 steps that are the same\n",
        "    * step #12 at +1.000000 s\n    *   <- message #2 of 50 bytes handed over for lane 0\n",
        "    *   <- message #2 of 51 bytes handed over for lane 0\n",
        "      step #10 at ",
        "not the same\n",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    let ran = one.run("diff", &format!("{} --json --context 0", other.path()));
    let lines: Vec<_> = ran.stdout.lines().map(json).collect();
    let bob = lines.iter().find(|it| it["peer"] == "bob").unwrap();
    assert_eq!(
        (&bob["identical"], &bob["same_steps"]),
        (&false.into(), &5.into())
    );
    assert!(
        bob["context"][1][1].as_str().unwrap().contains("51 bytes"),
        "{bob}"
    );
}

#[test]
fn times_may_be_ignored() {
    let one = File::new("diff-early", &calm_night(50, 1));
    let late = File::new("diff-late", &calm_night(50, 2));
    assert_eq!(one.run("diff", &late.path()).code, Some(1));
    let said = one.says("diff", &format!("{} --ignore-times", late.path()));
    assert!(said.ends_with("\nthe same\n"), "{said}");
}

#[test]
fn a_night_that_ends_early_is_told() {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Silent;
    night.send(1, 1);
    night.run(Duration::from_secs(3));
    let short = File::new("diff-short", &night.trace());
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Silent;
    night.send(1, 1);
    night.run(Duration::from_secs(10));
    let mut other = night.beside("carol", config());
    other.send(1, 1);
    drop(other);
    let long = File::new("diff-long", &night.trace());
    let ran = short.run("diff", &long.path());
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout
            .contains("ends after 3 steps that are the same; "),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("carol: is only in "), "{}", ran.stdout);
    let none = run(&format!("trace diff {} /there/is/none", long.path()));
    none.failed(2, &["cannot read the trace /there/is/none"]);
}
