//! The thread that writes lines and accepts messages.
//!
//! It is a thread of its own since stdout may be a pipe whose reader has paused: the connections
//! must outlive that, and the senders be held back rather than lost. It also takes the hashing
//! off the node's core.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use peer_sender_tokio::{IncomingMessage, PeerKey, Protocol};
use tokio::sync::{mpsc, oneshot};

use super::lines::{Form, Lines};
use super::net_message;
use crate::console;

/// Hands batches to the thread. Dropped, it lets the thread finish and write its summary.
#[derive(Debug)]
pub(super) struct Log {
    batches: mpsc::Sender<Batch>,
    abandoned: Arc<AtomicBool>,
}

/// Tells when the thread has ended, and how.
#[derive(Debug)]
pub(super) struct Written {
    end: oneshot::Receiver<io::Result<()>>,
    messages: Arc<AtomicU64>,
}

type Batch = Vec<IncomingMessage<PeerKey>>;

/// Room for one batch.
pub(super) struct Room<'a>(mpsc::Permit<'a, Batch>);

impl Log {
    /// Starts the thread, which writes to `out`.
    pub(super) fn start(
        form: Form,
        protocol: Protocol,
        out: impl Write + Send + 'static,
    ) -> (Self, Written) {
        // One batch is collected while the one before is written.
        let (batches, received) = mpsc::channel(1);
        let (ended, end) = oneshot::channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let log = Self {
            batches,
            abandoned: abandoned.clone(),
        };
        let messages = Arc::new(AtomicU64::new(0));
        let written = Written {
            end,
            messages: messages.clone(),
        };
        thread::spawn(move || {
            let told = (&*abandoned, &*messages);
            let _ = ended.send(write_all(received, told, (form, protocol), out));
        });
        (log, written)
    }

    /// Waits for room; none if the thread has ended. Cancel safe.
    pub(super) async fn room(&self) -> Option<Room<'_>> {
        self.batches.reserve().await.ok().map(Room)
    }

    /// Nothing more is written or accepted, but for the batch under way.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Written {
    /// How many messages were written and accepted so far.
    pub(super) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Waits for the end of the thread; to be called until it has answered once. Cancel safe.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        let died = |_| Err(io::Error::other("the thread that writes has died"));
        (&mut self.end).await.unwrap_or_else(died)
    }
}

impl Room<'_> {
    pub(super) fn send(self, batch: Batch) {
        self.0.send(batch);
    }
}

fn write_all(
    mut batches: mpsc::Receiver<Batch>,
    (abandoned, messages): (&AtomicBool, &AtomicU64),
    (form, protocol): (Form, Protocol),
    mut out: impl Write,
) -> io::Result<()> {
    let mut lines = Lines::new(form);
    while let Some(batch) = batches.blocking_recv() {
        if abandoned.load(Ordering::Relaxed) {
            leave_open(batch);
            continue;
        }
        lines.clear();
        let batch = match protocol {
            Protocol::Lanes | Protocol::Plain => as_they_are(batch, &mut lines),
            Protocol::Framed => unwrapped(batch, &mut lines),
        };
        if let Err(error) = out.write_all(lines.text()).and_then(|()| out.flush()) {
            leave_open(batch);
            batches.close();
            while let Some(batch) = batches.blocking_recv() {
                leave_open(batch);
            }
            return Err(error);
        }
        messages.fetch_add(batch.len() as u64, Ordering::Relaxed);
        IncomingMessage::accept_all(batch);
    }
    match form {
        Form::Json => {
            out.write_all(lines.summary().as_bytes())?;
            out.flush()
        }
        // Data is one line a message; this one is for a person.
        Form::Short => {
            console::say(&lines.summary());
            Ok(())
        }
    }
}

/// The line of each message.
fn as_they_are(batch: Batch, lines: &mut Lines) -> Batch {
    for message in &batch {
        let (from, lane) = (message.from().key, message.lane());
        lines.push(from, lane, message.number(), message.payload());
    }
    batch
}

/// The line of what each message carries; those that are none are left out.
fn unwrapped(batch: Batch, lines: &mut Lines) -> Batch {
    let read = batch.into_iter().filter_map(net_message::read);
    read.map(|(message, read)| {
        let from = message.from().key;
        lines.push_read(from, message.number(), &read);
        message
    })
    .collect()
}

/// Dropping a message would refuse it, and its sender would never send it again. As nobody has
/// it, it must stay open for the next listener; the process is about to end.
fn leave_open(batch: Batch) {
    mem::forget(batch);
}
