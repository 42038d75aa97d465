//! Both ends of one measurement, as child processes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;

use super::courier::Done;
use super::end::{Order, Said, Task};
use super::failed;
use super::plan::{Contender, Work};
use crate::failure::Failure;
use crate::runtime;
use crate::usage::Usage;

#[cfg(feature = "compare")]
use super::plain;

/// What one measurement found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) done: Done,
    pub(super) dialling: Spent,
    pub(super) accepting: Spent,
}

/// What one end has used; none where the system does not tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spent {
    /// CPU time of the work alone, in microseconds.
    pub(super) cpu_micros: Option<f64>,
    /// By how much its memory has grown, in KiB, from before the first connection to the end of
    /// the work.
    pub(super) grown_kib: Option<f64>,
}

/// Starts two processes, has them do the work, and ends them.
pub(super) fn measure(
    work: Work,
    contender: Contender,
    #[cfg(feature = "compare")] credentials: &plain::Credentials,
) -> Result<Found, Failure> {
    let task = |dial| Task {
        contender,
        work,
        dial,
        #[cfg(feature = "compare")]
        credentials: credentials.clone(),
    };
    let mut accepting = End::start("accepting", &task(None))?;
    let Said::Listening(address) = accepting.hear()? else {
        return Err(accepting.unexpected());
    };
    let mut dialling = End::start("dialling", &task(Some(address)))?;
    let Said::Bound = dialling.hear()? else {
        return Err(dialling.unexpected());
    };
    let at_first = [dialling.sample()?, accepting.sample()?];
    dialling.tell(&Order::Go)?;
    let Said::Ready = dialling.hear()? else {
        return Err(dialling.unexpected());
    };
    let before = [dialling.sample()?, accepting.sample()?];
    dialling.tell(&Order::Go)?;
    let Said::Worked(done) = dialling.hear()? else {
        return Err(dialling.unexpected());
    };
    let after = [dialling.sample()?, accepting.sample()?];
    let [dialling, accepting] = [0, 1].map(|end| Spent {
        cpu_micros: difference(before[end].cpu_nanos, after[end].cpu_nanos)
            .map(|nanos| nanos / 1e3),
        grown_kib: difference(at_first[end].resident_kib, after[end].resident_kib),
    });
    Ok(Found {
        done,
        dialling,
        accepting,
    })
}

fn difference(before: Option<u64>, after: Option<u64>) -> Option<f64> {
    Some(after? as f64 - before? as f64)
}

/// A child process; ended when this is dropped.
struct End {
    name: &'static str,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl End {
    fn start(name: &'static str, task: &Task) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| failed("this program", error))?;
        let mut child = Command::new(program)
            .arg("bench-end")
            .envs(runtime::THREADS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed("starting a process", error))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("starting a process", "it has no pipes"));
        };
        let mut end = Self {
            name,
            child,
            stdin,
            stdout: BufReader::new(stdout),
        };
        end.tell(task)?;
        Ok(end)
    }

    fn tell(&mut self, what: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_string(what).map_err(|error| failed(self.name, error))?;
        line.push('\n');
        // Whoever died has said why, which is what is to be heard.
        let _ = self.stdin.write_all(line.as_bytes());
        Ok(())
    }

    fn hear(&mut self) -> Result<Said, Failure> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        if read.map_err(|error| failed(self.name, error))? == 0 {
            let what = format!("the {} end has ended by itself", self.name);
            return Err(Failure::Bench { what });
        }
        match serde_json::from_str(&line) {
            Ok(Said::Failed(what)) => Err(failed(&format!("the {} end", self.name), what)),
            Ok(said) => Ok(said),
            Err(error) => Err(failed(self.name, error)),
        }
    }

    fn sample(&mut self) -> Result<Usage, Failure> {
        self.tell(&Order::Sample)?;
        match self.hear()? {
            Said::Used(usage) => Ok(usage),
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> Failure {
        failed(self.name, "it said something that was not asked for")
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
