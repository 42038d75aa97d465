//! A sender and a listener in their namespaces, and what comes of the messages between them.

use std::io::{self, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::common::pair::Pair;
use crate::common::{BINARY, Running, assert_accounted, assert_counts, json};
use crate::log::{self, Log, Written};
use crate::network::{At, LISTENER, Network};

/// Far longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// See the module.
pub(crate) struct Transfer<'a> {
    network: &'a Network,
    pair: Pair,
    sender: Running,
    feeder: Feeder,
    /// Bytes of each message.
    size: usize,
    said: u64,
    listener: Running,
    /// One for each process that has listened.
    logs: Vec<Log>,
    written: Written,
    patience: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) reconnects: u64,
    pub(crate) twice: u64,
}

impl<'a> Transfer<'a> {
    /// Starts both; the sender sends messages of `size` bytes to `to`. `test` is a name.
    pub(crate) fn start(network: &'a Network, test: &str, to: &str, size: usize) -> Self {
        let pair = Pair::new(test);
        let written = Written::default();
        let (listener, log) = listen(network, &pair, &written);
        let arguments = pair.send_line(to, "-");
        let mut sender = Running::spawn(
            network
                .command(At::Sender, BINARY)
                .args(arguments.split(' '))
                .stdin(Stdio::piped()),
        );
        sender.read_stdout();
        let feeder = Feeder::new(sender.take_stdin(), size);
        Self {
            network,
            pair,
            sender,
            feeder,
            size,
            said: 0,
            listener,
            logs: vec![log],
            written,
            patience: PATIENCE,
        }
    }

    /// Sets how long anything may take, from now on.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Hands the sender so many more messages, without waiting for it to take them.
    pub(crate) fn say(&mut self, count: u64) {
        self.feeder.say(self.said, count);
        self.said += count;
    }

    /// Waits until the listeners have written so many lines.
    #[track_caller]
    pub(crate) fn wait(&mut self, count: u64) {
        if !self.written.wait(count, self.patience) {
            let written = self.written.count();
            panic!(
                "{written} of {count} lines; {:?}",
                self.sender.stderr_so_far()
            );
        }
    }

    /// Waits until this stands on the sender's stderr.
    #[track_caller]
    pub(crate) fn sender_says(&mut self, words: &str) {
        self.sender.stderr_line(words);
    }

    /// Kills the listener and starts another in its place.
    #[track_caller]
    pub(crate) fn replace_listener(&mut self) {
        self.listener.signal("KILL");
        assert_eq!(self.listener.end().code, None, "it was killed");
        let (listener, log) = listen(self.network, &self.pair, &self.written);
        self.listener = listener;
        self.logs.push(log);
    }

    /// The listener does nothing for so long.
    pub(crate) fn freeze_listener(&self, time: Duration) {
        freeze(&self.listener, time);
    }

    /// The sender does nothing for so long.
    pub(crate) fn freeze_sender(&self, time: Duration) {
        freeze(&self.sender, time);
    }

    /// Waits until everything is settled, and judges it.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Figures {
        self.feeder.finish();
        self.wait(self.said);
        let sent = self.sender.end();
        assert_eq!(sent.code, Some(0), "{}", sent.stderr);
        let report = json(&sent.stdout);
        assert_accounted(&report);
        assert_counts(
            &report,
            &[("accepted", self.said), ("delivered", self.said)],
        );
        self.listener.signal("INT");
        let listened = self.listener.end();
        assert_eq!(listened.code, Some(0), "{}", listened.stderr);

        let (logs, mut summaries): (Vec<_>, Vec<_>) = self.logs.into_iter().map(Log::end).unzip();
        let twice = log::judge(&logs, self.said, self.size);
        let summary = summaries.pop().flatten().expect("a summary");
        let last = logs.last().map_or(0, Vec::len) as u64;
        assert_counts(&summary, &[("messages", last), ("peers", 1)]);
        let reconnects = report["reconnects"].as_u64().expect("a figure");
        let figures = Figures { reconnects, twice };
        let name = thread::current().name().unwrap_or_default().to_owned();
        // Not by a macro, whose output nobody sees of a test that passes.
        let _ = writeln!(
            io::stderr(),
            "{name}: {} messages in {:.1} s, {:.0} a second, {reconnects} reconnects, \
             {twice} of them twice",
            self.said,
            report["seconds"].as_f64().unwrap_or_default(),
            report["messages_per_second"].as_f64().unwrap_or_default(),
        );
        figures
    }
}

fn freeze(process: &Running, time: Duration) {
    process.signal("STOP");
    thread::sleep(time);
    process.signal("CONT");
}

fn listen(network: &Network, pair: &Pair, written: &Written) -> (Running, Log) {
    let (key, allow) = (pair.directory.file("listener"), &pair.sender_key);
    let arguments = format!("listen --bind {LISTENER} --key {key} --allow {allow} --json");
    let mut listener = Running::spawn(
        network
            .command(At::Listener, BINARY)
            .args(arguments.split(' '))
            .stdin(Stdio::null()),
    );
    listener.stderr_line("listening on");
    let log = Log::of(listener.take_stdout(), written.clone());
    (listener, log)
}

/// Writes lines to a process without holding up the test.
struct Feeder {
    lines: Option<mpsc::Sender<(u64, u64)>>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    fn new(to: impl Write + Send + 'static, size: usize) -> Self {
        let (lines, wanted) = mpsc::channel();
        let feed = move || {
            let mut to = io::BufWriter::with_capacity(1 << 16, to);
            for (first, count) in wanted {
                for number in first..first + count {
                    // The test sees what did not arrive.
                    let _ = writeln!(to, "{}", log::line(number, size));
                }
                let _ = to.flush();
            }
        };
        Self {
            lines: Some(lines),
            thread: Some(thread::spawn(feed)),
        }
    }

    fn say(&self, first: u64, count: u64) {
        let lines = self.lines.as_ref().expect("not finished yet");
        lines.send((first, count)).expect("it writes");
    }

    /// Writes what is left, and closes.
    fn finish(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it has written");
        }
    }
}
