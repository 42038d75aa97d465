//! What a run leaves behind: a digest of everything that happened, and, when a failed run is
//! repeated, its last lines.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::Hasher;

use peer_sender_core::{Action, Event, Time};

const LINES_MAX: usize = 160;

thread_local! {
    // It must outlive the panic that ends a failed run.
    static LOG: RefCell<Option<VecDeque<String>>> = const { RefCell::new(None) };
}

/// Whether this thread's next run keeps its lines. Off in the mass of runs: formatting costs more
/// than the machines do.
pub(crate) fn keep(on: bool) {
    LOG.with_borrow_mut(|log| *log = on.then(VecDeque::new));
}

pub(crate) fn line(now: Time, text: impl FnOnce() -> String) {
    LOG.with_borrow_mut(|log| {
        if let Some(lines) = log {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(format!("{now}  {}", text()));
        }
    });
}

pub(crate) fn take() -> Vec<String> {
    LOG.with_borrow_mut(|log| log.take().into_iter().flatten().collect())
}

/// An event without its payload bytes.
pub(crate) fn brief_event(event: &Event) -> String {
    match event {
        Event::MessageQueued {
            id,
            lane,
            payload,
            options,
        } => {
            let end = options.expires_at;
            let end = end.map_or(String::new(), |at| format!(", until {at}"));
            format!(
                "MessageQueued {id} on {}, {} bytes{end}",
                lane.0,
                payload.len()
            )
        }
        Event::BytesReceived {
            attempt,
            stream,
            bytes,
            fin,
        } => {
            let end = if *fin { ", FIN" } else { "" };
            let head = hex(bytes);
            format!(
                "BytesReceived {attempt}/{}: {} bytes{end} {head}",
                stream.index,
                bytes.len()
            )
        }
        other => format!("{other:?}"),
    }
}

/// An action without its payload bytes.
pub(crate) fn brief_action(action: &Action) -> String {
    match action {
        Action::Write {
            transfer,
            attempt,
            stream,
            chunks,
            fin,
            priority,
        } => {
            let bytes: usize = chunks.iter().map(bytes::Bytes::len).sum();
            let end = if *fin { ", FIN" } else { "" };
            let head = chunks.first().map_or(String::new(), |chunk| hex(chunk));
            format!(
                "Write {attempt}/{} {transfer:?} {priority:?}: {bytes} bytes{end} {head}",
                stream.index
            )
        }
        Action::Deliver(message) => {
            format!(
                "Deliver number {}, {} bytes",
                message.number,
                message.payload.len()
            )
        }
        Action::Reject { id, reason, .. } => format!("Reject {id}: {reason}"),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown: String = bytes
        .iter()
        .take(48)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if bytes.len() > 48 {
        format!("[{shown}..]")
    } else {
        format!("[{shown}]")
    }
}

/// A rolling hash (FNV-1a), the same on every run: two runs are equal if their digests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
