//! `trace`: what is shown of traces, replayed, explained, compared and exported; each is made by its
//! test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it cannot go on"
)]

mod causes;
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod diff;
mod explain;
mod export;
mod names;
#[path = "../common/night/mod.rs"]
mod night;
mod replay;
mod show;

use std::fs;
use std::time::Duration;

use common::{Directory, Ran, run};
use night::{Dialled, Night, config};

/// A night on which the first attempts fail, and a connection is lost.
fn restless_night() -> Night {
    let mut night = Night::new("bob", config());
    night.dialled = Dialled::Silent;
    night.send(3, 100);
    night.run(Duration::from_secs(3));
    night.dialled = Dialled::Answered;
    night.run(Duration::from_secs(3));
    night.send(5, 2_000);
    night.run(Duration::from_millis(15));
    night.lose(peer_sender_core::LinkError::IdleTimeout);
    night.run(Duration::from_secs(5));
    night.mark("somebody has looked");
    night.stop();
    night
}

/// A trace in a file of its own.
struct File {
    directory: Directory,
}

impl File {
    fn new(test: &str, bytes: &[u8]) -> Self {
        let directory = Directory::new(&format!("trace-{test}"));
        fs::write(directory.file("t.trace"), bytes).unwrap();
        Self { directory }
    }

    fn path(&self) -> String {
        self.directory.file("t.trace")
    }

    /// Runs `trace COMMAND FILE MORE`.
    fn run(&self, command: &str, more: &str) -> Ran {
        run(&format!("trace {command} {} {more}", self.path()))
    }

    /// The same, and all is well: what it printed.
    #[track_caller]
    fn says(&self, command: &str, more: &str) -> String {
        let ran = self.run(command, more);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.stderr, "");
        ran.stdout
    }
}
