//! Lines on stderr that never make the program wait.
//!
//! Whoever reads stderr may have paused (a stopped pager, a terminal after Ctrl-S), and writing
//! then blocks; strangers whose keys are not trusted can make a listener write as much as it
//! takes for that. So a thread of its own writes what stands in a bounded queue, and what finds
//! no room there is counted instead of kept.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

use crate::figures;

/// Queues text for stderr, or drops it if too much waits there.
pub(crate) fn write(text: Vec<u8>) {
    queue(text, Queue::BYTES_MAX);
}

/// For the logs of the layers below: each write is one event. They leave half of the queue to
/// what the program itself has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events;

impl Write for Events {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        queue(event.to_vec(), Queue::BYTES_MAX / 2);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until all is written, or for as long as a paused reader is worth waiting for.
pub(crate) fn flush() {
    STDERR.flush(Duration::from_secs(1));
}

fn queue(text: Vec<u8>, bytes_max: usize) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let writer = thread::Builder::new().name("stderr".to_owned());
        // Without a thread there are no lines; the work that they would tell of goes on.
        let _ = writer.spawn(|| STDERR.write_to(io::stderr()));
    });
    STDERR.push(text, bytes_max);
}

static STDERR: Queue = Queue::new();

/// What waits to be written, in order.
#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    items: VecDeque<Item>,
    /// The sum of the texts' lengths.
    bytes: usize,
    /// The thread holds an item that is not in the queue any more.
    writing: bool,
}

#[derive(Debug)]
enum Item {
    Text(Vec<u8>),
    /// So many texts found no room here.
    Dropped(u64),
}

impl Queue {
    /// Some thousand lines: enough for what a moment brings, and soon read.
    const BYTES_MAX: usize = 256 << 10;

    const fn new() -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            writing: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Adds a text if no more than `bytes_max` wait then.
    fn push(&self, text: Vec<u8>, bytes_max: usize) {
        let mut state = self.lock();
        if state.bytes + text.len() <= bytes_max {
            state.bytes += text.len();
            state.items.push_back(Item::Text(text));
        } else if let Some(Item::Dropped(count)) = state.items.back_mut() {
            *count += 1;
        } else {
            state.items.push_back(Item::Dropped(1));
        }
        self.changed.notify_all();
    }

    /// Writes for as long as the process lives. That nobody reads is no reason to stop.
    fn write_to(&self, mut out: impl Write) {
        loop {
            let text = match self.take() {
                Item::Text(text) => text,
                Item::Dropped(count) => dropped(count).into_bytes(),
            };
            let _ = out.write_all(&text).and_then(|()| out.flush());
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    /// Waits for the next item.
    fn take(&self) -> Item {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                if let Item::Text(text) = &item {
                    state.bytes -= text.len();
                }
                state.writing = true;
                return item;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn flush(&self, time_max: Duration) {
        let busy = |state: &mut State| state.writing || !state.items.is_empty();
        let waited = self.changed.wait_timeout_while(self.lock(), time_max, busy);
        drop(waited);
    }

    /// A thread that panicked has left nothing half done: each change is one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dropped(count: u64) -> String {
    let lines = figures::plural(count, "line");
    format!("({lines} dropped here: nobody read stderr)\n")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Blocks in each write until the test lets it go on.
    struct Reader {
        written: Sender<String>,
        reads: Receiver<()>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.reads.recv();
            let text = String::from_utf8_lossy(bytes).into_owned();
            let _ = self.written.send(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_in_its_place() {
        static QUEUE: Queue = Queue::new();
        let (read, reads) = channel();
        let (written, lines) = channel();
        let half = || vec![b'x'; Queue::BYTES_MAX / 2];
        for _ in 0..5 {
            QUEUE.push(half(), Queue::BYTES_MAX);
        }
        thread::spawn(|| QUEUE.write_to(Reader { written, reads }));
        QUEUE.flush(Duration::ZERO);
        let next = || {
            read.send(()).unwrap();
            lines.recv().unwrap()
        };
        assert_eq!([next().len(), next().len()], [Queue::BYTES_MAX / 2; 2]);
        QUEUE.push(b"after\n".to_vec(), Queue::BYTES_MAX);
        assert_eq!(next(), "(3 lines dropped here: nobody read stderr)\n");
        assert_eq!(next(), "after\n");
        QUEUE.flush(Duration::MAX);
        let state = QUEUE.lock();
        assert!(state.items.is_empty() && state.bytes == 0 && !state.writing);
    }
}
