//! Runs the built binary and waits on what it says; every wait has an end.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::panic, reason = "a helper that panics fails its test")]

mod lines;
pub(crate) mod pair;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{fs, process, thread};

use serde_json::Value;

use self::lines::Lines;

/// Far longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the binary is.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_peer-sender");

/// The binary with these arguments, split at spaces.
pub(crate) fn command(arguments: &str) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments.split_whitespace());
    command.env_remove("RUST_LOG").env_remove("NO_COLOR");
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &str) -> Ran {
    command(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
        .into()
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ran {
    /// Its exit code was this, and stderr says all of these.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(
                self.stderr.contains(word),
                "stderr lacks {word:?}: {self:?}"
            );
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

/// A directory that goes with the test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("{test}-{}", process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    /// The path of a file in it, as text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0
            .join(name)
            .to_str()
            .expect("the path is text")
            .to_owned()
    }

    /// Makes an identity of that name; returns its printable key.
    pub(crate) fn key(&self, name: &str) -> String {
        let made = run(&format!("keys new {}", self.file(name)));
        assert_eq!(made.code, Some(0), "{made:?}");
        last_word(&made.stdout)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn last_word(text: &str) -> String {
    text.split_whitespace().last().expect("a word").to_owned()
}

/// A process under way; killed if the test ends before it does.
pub(crate) struct Running {
    pid: u32,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
    status: Receiver<ExitStatus>,
    ended: Option<ExitStatus>,
}

impl Running {
    pub(crate) fn start(arguments: &str) -> Self {
        let mut running = Self::start_unread(arguments);
        running.read_stdout();
        running
    }

    /// Nobody reads its stdout until [`read_stdout`](Self::read_stdout): it meets a full pipe.
    pub(crate) fn start_unread(arguments: &str) -> Self {
        Self::spawn(command(arguments).stdin(Stdio::null()))
    }

    /// It logs all that happens, and its stderr is read only while a test waits for a line of it:
    /// it meets a full pipe.
    pub(crate) fn start_with_paused_stderr(arguments: &str) -> Self {
        let mut command = command(arguments);
        let mut child = command
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = Lines::when_asked(child.stderr.take().expect("a pipe"));
        let mut running = Self::of(child, stderr);
        running.read_stdout();
        running
    }

    pub(crate) fn read_stdout(&mut self) {
        self.stdout.read();
    }

    /// Hands over its stdout, as long as nobody has read of it.
    pub(crate) fn take_stdout(&mut self) -> ChildStdout {
        self.stdout.held.take().expect("not read yet")
    }

    /// Hands over its stdin.
    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("started with a stdin")
    }

    /// With a stdin that [`say`](Self::say) writes to.
    pub(crate) fn start_with_stdin(arguments: &str) -> Self {
        let mut running = Self::start_with_stdin_unread(arguments);
        running.read_stdout();
        running
    }

    /// Both of the above.
    pub(crate) fn start_with_stdin_unread(arguments: &str) -> Self {
        Self::spawn(command(arguments).stdin(Stdio::piped()))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = Lines::of(child.stderr.take().expect("a pipe"));
        Self::of(child, stderr)
    }

    fn of(mut child: Child, stderr: Lines) -> Self {
        let stdout = Lines::held(child.stdout.take().expect("a pipe"));
        let (pid, stdin) = (child.id(), child.stdin.take());
        let (tell, status) = mpsc::channel();
        thread::spawn(move || tell.send(child.wait().expect("its end is seen")));
        Self {
            pid,
            stdin,
            stdout,
            stderr,
            status,
            ended: None,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn say(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("started with a stdin");
        stdin
            .write_all(text.as_bytes())
            .expect("it reads its stdin");
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line of stderr that contains this.
    #[track_caller]
    pub(crate) fn stderr_line(&mut self, words: &str) -> String {
        self.stderr
            .wait_for(|line| line.contains(words))
            .unwrap_or_else(|| {
                panic!("no line with {words:?} on stderr: {:?}", self.stderr.seen);
            })
    }

    /// What has been read of its stderr.
    pub(crate) fn stderr_so_far(&mut self) -> &[String] {
        self.stderr.take_in();
        &self.stderr.seen
    }

    /// The next line of stdout.
    #[track_caller]
    pub(crate) fn stdout_line(&mut self) -> String {
        let line = self.stdout.wait_for(|_| true);
        line.unwrap_or_else(|| panic!("stdout ended; stderr: {:?}", self.stderr.rest()))
    }

    /// Reads no more of its stdout: it meets a broken pipe.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout.close();
    }

    /// Sends a signal by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.pid.to_string()])
            .status();
        assert!(sent.expect("kill runs").success(), "SIG{name} was not sent");
    }

    /// Whether it ends within this time.
    pub(crate) fn ends_within(&mut self, time: Duration) -> bool {
        self.ended = self.ended.or_else(|| self.status.recv_timeout(time).ok());
        self.ended.is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Ran {
        assert!(
            self.ends_within(PATIENCE),
            "it does not end; stderr: {:?}",
            self.stderr.seen
        );
        let status = self.ended.expect("it has ended");
        Ran {
            code: status.code(),
            stdout: self.stdout.rest(),
            stderr: self.stderr.rest(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ends_within(Duration::ZERO) {
            // SIGKILL ends even a process that is stopped.
            self.signal("KILL");
        }
    }
}

/// A listener, and where it listens.
pub(crate) struct Listener {
    pub(crate) process: Running,
    pub(crate) address: String,
}

impl Listener {
    /// With `more` arguments, at this address.
    #[track_caller]
    pub(crate) fn start(key_file: &str, bind: &str, more: &str) -> Self {
        let mut process = Running::start(&format!("listen --bind {bind} --key {key_file} {more}"));
        let address = last_word(&process.stderr_line("listening on"));
        Self { process, address }
    }

    /// Asks it to end; returns the messages of its log and its summary.
    #[track_caller]
    pub(crate) fn finish(mut self) -> (Vec<Logged>, Value) {
        self.process.signal("INT");
        let ran = self.process.end();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let mut lines: Vec<&str> = ran.stdout.lines().collect();
        let summary = json(lines.pop().expect("a summary"));
        (lines.into_iter().map(Logged::from).collect(), summary)
    }
}

/// A line of `listen --json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) peer: String,
    pub(crate) lane: u64,
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl From<&str> for Logged {
    fn from(line: &str) -> Self {
        let line = json(line);
        Self {
            peer: line["peer"].as_str().expect("peer").to_owned(),
            lane: line["lane"].as_u64().expect("lane"),
            number: line["number"].as_u64().expect("number"),
            bytes: line["bytes"].as_u64().expect("bytes"),
            sha256: line["sha256"].as_str().expect("sha256").to_owned(),
        }
    }
}

#[track_caller]
pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

/// Every accepted message has one outcome: the counts add up.
#[track_caller]
pub(crate) fn assert_accounted(report: &Value) {
    let count = |name: &str| {
        report[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} in {report}"))
    };
    let fates = [
        "delivered",
        "written",
        "expired",
        "cancelled",
        "refused",
        "failed",
        "unknown",
    ]
    .map(count);
    assert_eq!(fates.iter().sum::<u64>(), count("accepted"), "{report}");
}

#[track_caller]
pub(crate) fn assert_counts(report: &Value, counts: &[(&str, u64)]) {
    for (name, expected) in counts {
        assert_eq!(
            report[*name].as_u64(),
            Some(*expected),
            "{name} in {report}"
        );
    }
}
