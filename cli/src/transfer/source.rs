//! Where messages come from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::{mem, thread, vec};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Gives messages one after another.
pub(crate) trait Source {
    /// The next message, or what cannot be one; `None` when there are no more.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, NotAMessage>>>;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, NotAMessage>>> {
        (**self).poll_next(cx)
    }
}

/// Something that was to be sent and cannot be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotAMessage(pub(crate) String);

/// Made-up messages of one size, no two alike as far as the size allows.
#[derive(Clone, Debug)]
pub(crate) struct MadeUp {
    next: u64,
    end: u64,
    size: usize,
    filling: Vec<u8>,
}

impl MadeUp {
    const SHIFTS: usize = 251;

    /// Numbered from `first`.
    pub(crate) fn new(first: u64, count: u64, size: usize) -> Self {
        let length = size + Self::SHIFTS;
        let filling = (0..length).map(|place| (place * 167 % 256) as u8).collect();
        Self {
            next: first,
            end: first.saturating_add(count),
            size,
            filling,
        }
    }

    /// The next one: its number, little-endian, cut off at the size, then a filling that shifts
    /// from message to message.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        if self.next == self.end {
            return None;
        }
        let shift = (self.next % Self::SHIFTS as u64) as usize;
        let mut message = self.filling.get(shift..shift + self.size)?.to_vec();
        for (byte, digit) in message.iter_mut().zip(self.next.to_le_bytes()) {
            *byte = digit;
        }
        self.next += 1;
        Some(message.into())
    }
}

impl Source for MadeUp {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, NotAMessage>>> {
        Poll::Ready(self.next().map(Ok))
    }
}

/// Messages that the command line holds already.
#[derive(Debug)]
pub(crate) struct Texts(pub(crate) vec::IntoIter<String>);

impl Source for Texts {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, NotAMessage>>> {
        Poll::Ready(self.0.next().map(|text| Ok(text.into())))
    }
}

/// Messages that are read while they are sent: files, or lines. A thread of its own reads, since
/// it may have to wait for a disk or a person; it is no more than some batches ahead.
#[derive(Debug)]
pub(crate) struct Reading {
    batches: mpsc::Receiver<Batch>,
    batch: vec::IntoIter<Result<Bytes, NotAMessage>>,
}

type Batch = Vec<Result<Bytes, NotAMessage>>;

impl Reading {
    const BATCHES_AHEAD: usize = 4;

    /// Each line of stdin, without its line feed, if it has at most `bytes_max`.
    pub(crate) fn lines_of_stdin(bytes_max: usize) -> Self {
        Self::start(move |out| read_lines(BufReader::new(io::stdin()), bytes_max, out))
    }

    /// Each file, if it has at most `bytes_max`.
    pub(crate) fn files(files: Vec<PathBuf>, bytes_max: usize) -> Self {
        Self::start(move |out| {
            for file in files {
                let name = file.display().to_string();
                let message = File::open(&file)
                    .and_then(|open| read_at_most(open, bytes_max))
                    .map_err(|error| format!("cannot read {name}: {error}"))
                    .and_then(|all| all.ok_or_else(|| too_large(&name, bytes_max)));
                if !out.push(message.map_err(NotAMessage)) {
                    return;
                }
                out.flush();
            }
        })
    }

    fn start(read: impl FnOnce(&mut Out) + Send + 'static) -> Self {
        let (sender, batches) = mpsc::channel(Self::BATCHES_AHEAD);
        thread::spawn(move || {
            let mut out = Out {
                sender,
                batch: Vec::new(),
                bytes: 0,
                open: true,
            };
            read(&mut out);
            out.flush();
        });
        Self {
            batches,
            batch: Vec::new().into_iter(),
        }
    }
}

impl Source for Reading {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, NotAMessage>>> {
        loop {
            if let Some(message) = self.batch.next() {
                return Poll::Ready(Some(message));
            }
            match self.batches.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(batch)) => self.batch = batch.into_iter(),
            }
        }
    }
}

/// The reading thread's end of the channel.
struct Out {
    sender: mpsc::Sender<Batch>,
    batch: Batch,
    bytes: usize,
    open: bool,
}

impl Out {
    const BATCH_MESSAGES_MAX: usize = 256;
    const BATCH_BYTES_MAX: usize = 256 << 10;

    /// False when nobody wants more.
    fn push(&mut self, message: Result<Bytes, NotAMessage>) -> bool {
        self.bytes += message.as_ref().map_or(0, Bytes::len);
        self.batch.push(message);
        if self.batch.len() >= Self::BATCH_MESSAGES_MAX || self.bytes >= Self::BATCH_BYTES_MAX {
            self.flush();
        }
        self.open
    }

    fn flush(&mut self) {
        self.bytes = 0;
        let batch = mem::take(&mut self.batch);
        if !batch.is_empty() && self.sender.blocking_send(batch).is_err() {
            self.open = false;
        }
    }
}

fn read_lines(mut input: BufReader<impl Read>, bytes_max: usize, out: &mut Out) {
    for number in 1u64.. {
        let message = match read_line(&mut input, bytes_max) {
            Ok(None) => return,
            Ok(Some(Line::Whole(line))) => Ok(Bytes::from(line)),
            Ok(Some(Line::TooLong)) => Err(too_large(&format!("line {number}"), bytes_max)),
            Err(error) => {
                out.push(Err(NotAMessage(format!(
                    "cannot read stdin at line {number}: {error}"
                ))));
                return;
            }
        };
        if !out.push(message.map_err(NotAMessage)) {
            return;
        }
        // What a person has typed goes out now, not when a batch is full.
        if input.buffer().is_empty() {
            out.flush();
        }
    }
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// Holds no more than `bytes_max` of a line, however long it is.
fn read_line(input: &mut impl BufRead, bytes_max: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let with_its_end = bytes_max as u64 + 1;
    if input
        .by_ref()
        .take(with_its_end)
        .read_until(b'\n', &mut line)?
        == 0
    {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > bytes_max {
        skip_line(input)?;
        return Ok(Some(Line::TooLong));
    }
    Ok(Some(Line::Whole(line)))
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let held = input.fill_buf()?;
        let (length, ended) = match held.iter().position(|&byte| byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (held.len(), held.is_empty()),
        };
        input.consume(length);
        if ended {
            return Ok(());
        }
    }
}

/// None if there is more.
fn read_at_most(input: impl Read, bytes_max: usize) -> io::Result<Option<Bytes>> {
    let mut all = Vec::new();
    input.take(bytes_max as u64 + 1).read_to_end(&mut all)?;
    Ok((all.len() <= bytes_max).then(|| all.into()))
}

fn too_large(what: &str, bytes_max: usize) -> String {
    format!("{what} has more bytes than a message may have ({bytes_max}); split it")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lines(text: &str, bytes_max: usize) -> Vec<Result<Bytes, String>> {
        let (sender, mut batches) = mpsc::channel(64);
        let mut out = Out {
            sender,
            batch: Vec::new(),
            bytes: 0,
            open: true,
        };
        read_lines(
            BufReader::with_capacity(4, text.as_bytes()),
            bytes_max,
            &mut out,
        );
        out.flush();
        drop(out);
        let mut all = Vec::new();
        while let Ok(batch) = batches.try_recv() {
            all.extend(
                batch
                    .into_iter()
                    .map(|message| message.map_err(|complaint| complaint.0)),
            );
        }
        all
    }

    #[test]
    fn made_up_messages_differ_and_end() {
        for (count, size) in [(1_000, 8), (1_000, 1_024), (60_000, 2), (250, 1)] {
            let mut source = MadeUp::new(0, count, size);
            let all: BTreeSet<_> = std::iter::from_fn(|| source.next()).collect();
            assert_eq!(all.len() as u64, count, "of {size} bytes");
            assert!(all.iter().all(|message| message.len() == size));
        }
        let mut empty = MadeUp::new(0, 3, 0);
        assert_eq!(std::iter::from_fn(|| empty.next()).count(), 3);
    }

    #[test]
    fn lines_lose_their_line_feed_and_nothing_else() {
        let whole = |text: &'static str| Ok(Bytes::from(text));
        assert_eq!(lines("", 9), []);
        assert_eq!(lines("\n", 9), [whole("")]);
        assert_eq!(
            lines("one\r\n\n three", 9),
            [whole("one\r"), whole(""), whole(" three")]
        );
    }

    #[test]
    fn a_line_that_is_too_long_costs_only_itself() {
        let all = lines("123456789\n12345\n123456\n1234", 5);
        let refused = |number| Err(too_large(&format!("line {number}"), 5));
        assert_eq!(
            all,
            [
                refused(1),
                Ok("12345".into()),
                refused(3),
                Ok("1234".into())
            ]
        );
    }

    #[test]
    fn a_file_is_taken_up_to_the_limit() {
        assert_eq!(
            read_at_most(&b"12345"[..], 5).unwrap(),
            Some("12345".into())
        );
        assert_eq!(read_at_most(&b"123456"[..], 5).unwrap(), None);
    }
}
