//! A thread that runs one future, and watches sockets and the time for it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Registry, Token};

use crate::runtime::{AsyncTimer, AsyncUdp};

/// What wakes the thread from elsewhere; sockets are counted from 0.
const WAKE: Token = Token(usize::MAX);
/// Events that are heard of at once; there is one socket and one waker.
const EVENTS: usize = 8;

thread_local! {
    static HERE: Here = const {
        Here {
            registry: RefCell::new(None),
            watched: RefCell::new(Vec::new()),
            deadline: Cell::new(None),
        }
    };
}

/// What this thread waits for.
struct Here {
    /// Where sockets are registered; none on a thread that was not started here.
    registry: RefCell<Option<Registry>>,
    /// The sockets of this thread, by their tokens.
    watched: RefCell<Vec<Arc<Ready>>>,
    /// When the earliest of its timers rings.
    deadline: Cell<Option<Instant>>,
}

/// Starts a thread for a task.
pub(super) fn start(task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let poll = mio::Poll::new()?;
    let alarm = Arc::new(Alarm {
        waker: mio::Waker::new(poll.registry(), WAKE)?,
        rung: AtomicBool::new(false),
        asleep: AtomicBool::new(false),
    });
    let registry = poll.registry().try_clone()?;
    let run = move || {
        HERE.with(|here| here.registry.replace(Some(registry)));
        if let Err(error) = run(poll, &alarm, task) {
            tracing::error!(%error, "the system no longer watches the socket");
        }
    };
    let builder = thread::Builder::new().name("peer-sender".to_owned());
    builder.spawn(run).map(drop)
}

fn run(mut poll: mio::Poll, alarm: &Arc<Alarm>, task: impl Future<Output = ()>) -> io::Result<()> {
    let waker = Waker::from(Arc::clone(alarm));
    let mut task = pin!(task);
    let mut events = Events::with_capacity(EVENTS);
    loop {
        alarm.rung.store(false, Ordering::SeqCst);
        if task
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            return Ok(());
        }
        let left = Deadline::left();
        alarm.asleep.store(true, Ordering::SeqCst);
        let wait = match alarm.rung.load(Ordering::SeqCst) {
            // The socket is looked at nevertheless: else a task that never rests hears of nothing.
            true => Some(Duration::ZERO),
            false => left,
        };
        let polled = poll.poll(&mut events, wait);
        alarm.asleep.store(false, Ordering::SeqCst);
        match polled {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => other?,
        }
        HERE.with(|here| {
            let watched = here.watched.borrow();
            for event in &events {
                if let Some(ready) = watched.get(event.token().0) {
                    ready.tell(event);
                }
            }
        });
    }
}

/// Wakes the thread. Of two that meet here, one sees the other: either who wakes finds it asleep, or
/// the thread finds before it sleeps that it was rung for.
struct Alarm {
    waker: mio::Waker,
    rung: AtomicBool,
    asleep: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let first = !self.rung.swap(true, Ordering::SeqCst);
        if first
            && self.asleep.load(Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the thread of a node cannot be woken");
        }
    }
}

/// The earliest timer of this thread. A time that has come is forgotten, and whoever waited for it
/// looks by itself.
pub(super) struct Deadline;

impl Deadline {
    /// How long until it rings; none if nothing does.
    pub(super) fn left() -> Option<Duration> {
        let deadline = HERE.with(|here| here.deadline.get())?;
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            HERE.with(|here| here.deadline.set(None));
        }
        Some(left)
    }

    fn at_latest(at: Instant) {
        HERE.with(|here| {
            let earlier = here.deadline.get().filter(|deadline| *deadline <= at);
            here.deadline.set(Some(earlier.unwrap_or(at)));
        });
    }

    /// Sets the thread's deadline aside, and gives what was there before.
    pub(super) fn replace(deadline: Option<Instant>) -> Option<Instant> {
        HERE.with(|here| here.deadline.replace(deadline))
    }
}

/// A UDP socket that the thread of its node watches.
#[derive(Debug)]
pub struct Socket {
    io: mio::net::UdpSocket,
    ready: Arc<Ready>,
    is_watched: bool,
}

impl Socket {
    /// Takes a bound, non-blocking socket. The thread that polls it first watches it, which has to be
    /// one that [`Blocking`](super::Blocking) has started.
    pub fn new(socket: UdpSocket) -> Self {
        Self {
            io: mio::net::UdpSocket::from_std(socket),
            ready: Arc::default(),
            is_watched: false,
        }
    }

    fn watch(&mut self) -> io::Result<()> {
        if self.is_watched {
            return Ok(());
        }
        HERE.with(|here| {
            let registry = here.registry.borrow();
            let registry = registry
                .as_ref()
                .ok_or_else(|| io::Error::other("this thread watches no sockets"))?;
            let mut watched = here.watched.borrow_mut();
            let both = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut self.io, Token(watched.len()), both)?;
            watched.push(Arc::clone(&self.ready));
            self.is_watched = true;
            Ok(())
        })
    }
}

impl AsyncUdp for Socket {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch()?;
        ready_if(self.ready.readable.load(Ordering::Relaxed)).map(Ok)
    }

    fn poll_writable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch()?;
        ready_if(self.ready.writable.load(Ordering::Relaxed)).map(Ok)
    }

    fn poll_error(&mut self, _: &mut Context<'_>) -> Poll<()> {
        ready_if(self.ready.error.swap(false, Ordering::Relaxed))
    }

    fn try_read<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        unless_blocked(&self.ready.readable, io)
    }

    fn try_write<T>(&self, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        unless_blocked(&self.ready.writable, io)
    }

    fn inner(&self) -> socket2::SockRef<'_> {
        socket2::SockRef::from(&self.io)
    }
}

/// What a socket is ready for: the system tells of each change once. It is told, asked and taken
/// back on one thread.
#[derive(Debug, Default)]
struct Ready {
    readable: AtomicBool,
    writable: AtomicBool,
    error: AtomicBool,
}

impl Ready {
    fn tell(&self, event: &Event) {
        let news = [
            (&self.readable, event.is_readable()),
            (&self.writable, event.is_writable()),
            (&self.error, event.is_error()),
        ];
        for (known, is_so) in news {
            known.fetch_or(is_so, Ordering::Relaxed);
        }
    }
}

/// Reads or writes. What blocks is ready no more, until the system says so.
fn unless_blocked<T>(ready: &AtomicBool, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let done = io();
    if matches!(&done, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
        ready.store(false, Ordering::Relaxed);
    }
    done
}

fn ready_if(is_so: bool) -> Poll<()> {
    match is_so {
        true => Poll::Ready(()),
        // Whatever the thread hears of, it polls its task.
        false => Poll::Pending,
    }
}

/// A timer of the thread that polls it.
#[derive(Debug, Default)]
pub struct Timer(Option<Instant>);

impl Timer {
    /// One that is not armed.
    pub fn new() -> Self {
        Self::default()
    }
}

impl AsyncTimer for Timer {
    fn reset(&mut self, at: Instant) {
        self.0 = Some(at);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.0 else {
            return Poll::Pending;
        };
        if at <= now() {
            return Poll::Ready(());
        }
        Deadline::at_latest(at);
        Poll::Pending
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock of a runtime has to be read somewhere"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
