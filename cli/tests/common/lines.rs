//! What a process prints, line by line.

use std::io::{BufRead, BufReader, Read};
use std::process::ChildStdout;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::PATIENCE;

/// The lines of a pipe as they come.
pub(super) struct Lines {
    pub(super) held: Option<ChildStdout>,
    next: Option<Receiver<String>>,
    pub(super) seen: Vec<String>,
}

impl Lines {
    pub(super) fn of(pipe: impl Read + Send + 'static) -> Self {
        let (tell, next) = mpsc::channel();
        Self::tell(pipe, next, move |line| tell.send(line).is_ok())
    }

    /// Reads a line when the test asks for one, and but a buffer ahead.
    pub(super) fn when_asked(pipe: impl Read + Send + 'static) -> Self {
        let (tell, next) = mpsc::sync_channel(0);
        Self::tell(pipe, next, move |line| tell.send(line).is_ok())
    }

    fn tell(
        pipe: impl Read + Send + 'static,
        next: Receiver<String>,
        tell: impl Fn(String) -> bool + Send + 'static,
    ) -> Self {
        thread::spawn(move || {
            // A test that wants no more closes the pipe by that.
            BufReader::new(pipe).lines().map_while(Result::ok).all(tell);
        });
        Self {
            held: None,
            next: Some(next),
            seen: Vec::new(),
        }
    }

    pub(super) fn held(pipe: ChildStdout) -> Self {
        Self {
            held: Some(pipe),
            next: None,
            seen: Vec::new(),
        }
    }

    pub(super) fn read(&mut self) {
        if let Some(pipe) = self.held.take() {
            *self = Self::of(pipe);
        }
    }

    pub(super) fn close(&mut self) {
        self.held = None;
        self.next = None;
    }

    /// What has come by now.
    pub(super) fn take_in(&mut self) {
        let lines = self.next.iter().flat_map(Receiver::try_iter);
        self.seen.extend(lines);
    }

    pub(super) fn wait_for(&mut self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        loop {
            let line = self.next.as_ref()?.recv_timeout(PATIENCE).ok()?;
            self.seen.push(line.clone());
            if wanted(&line) {
                return Some(line);
            }
        }
    }

    /// All of it, once the process has ended.
    pub(super) fn rest(&mut self) -> String {
        while self.wait_for(|_| false).is_some() {}
        self.seen.iter().map(|line| format!("{line}\n")).collect()
    }
}
