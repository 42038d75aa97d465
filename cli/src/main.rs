//! `peer-sender`: the command line of the workspace.
//!
//! Data goes to stdout, everything that is meant for a person at the terminal to stderr. Exit
//! codes: 0 all is well, 1 something was not delivered or a check failed, 2 the command could not
//! be understood or its surroundings refused (a key file, an address), 3 a trace that was shown,
//! explained or replayed did not go the same way again as when it was recorded.

mod args;
mod bench;
mod console;
mod date;
mod demo;
mod diagnostics;
mod failure;
mod figures;
mod foreign;
mod hex;
mod interrupt;
mod keys;
mod latency;
mod link;
mod listen;
mod logging;
mod recording;
mod runtime;
mod send;
mod sim;
mod spoken;
mod trace;
mod transfer;
mod usage;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::failure::Failure;

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Exit code 0.
    AllIsWell,
    /// Exit code 1: something was not delivered, or a check failed.
    NotAll,
    /// Exit code 3: a replay went another way than what was recorded.
    Diverged,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = logging::start(cli.verbose).and_then(|()| match cli.command {
        Command::Bench(args) => bench::run(&args),
        Command::BenchEnd => bench::run_end(),
        Command::Demo(args) => on_this_thread(demo::run(args)),
        Command::Keys(args) => keys::run(args),
        Command::Listen(args) => on_this_thread(listen::run(args)),
        Command::Send(args) => on_this_thread(send::run(args)),
        Command::Sim(args) => sim::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Wire(args) => wire::run(&args),
    });
    let code = match done {
        Ok(Verdict::AllIsWell) => ExitCode::SUCCESS,
        Ok(Verdict::NotAll) => ExitCode::from(1),
        Ok(Verdict::Diverged) => ExitCode::from(3),
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.exit_code())
        }
    };
    diagnostics::flush();
    code
}

/// Runs a command on a runtime of one thread: a node uses one core, and handing messages to it
/// from its own thread saves a wake-up of another one for each batch.
fn on_this_thread(
    command: impl Future<Output = Result<Verdict, Failure>>,
) -> Result<Verdict, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Runtime { error })?
        .block_on(command)
}
