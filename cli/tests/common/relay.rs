//! A relay of UDP datagrams that does to them what a bad network does, by a seed.
//!
//! It has a socket to each side. What the one side sends to it goes to a fixed address on the other,
//! and what comes back goes to whoever was heard last. Each direction draws what happens to its
//! datagrams from a generator of its own, a fixed number of draws for each datagram, so that the
//! n-th datagram of a direction meets the same fate under the same seed, whatever else happens.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::ops::AddAssign;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use peer_sender_sim::tape::Rng;
use tokio::net::UdpSocket;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Datagrams that wait in one direction, at most; those that come then are lost.
const WAITING_MAX: usize = 4_096;
/// More than any datagram has.
const BUFFER_BYTES: usize = 65_536;
/// Datagrams that are taken from a socket before it is looked at the other.
const BATCH: usize = 64;

/// What happens to datagrams; each figure out of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// How long every datagram is under way.
    pub(crate) delay: Duration,
    /// Up to this much longer, without overtaking one another.
    pub(crate) jitter: Duration,
    /// Held back for `held_back` on top of that, so that later ones overtake them.
    pub(crate) reordered: u64,
    pub(crate) held_back: Duration,
    /// Sent twice, the second after `held_back`.
    pub(crate) duplicated: u64,
    /// One bit is another, so that the checks of QUIC have to find it.
    pub(crate) corrupted: u64,
    pub(crate) lost: u64,
}

/// How many datagrams met with what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) came: u64,
    pub(crate) reordered: u64,
    pub(crate) duplicated: u64,
    pub(crate) corrupted: u64,
    pub(crate) lost: u64,
    /// Lost as too many were waiting.
    pub(crate) overflowed: u64,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.came += other.came;
        self.reordered += other.reordered;
        self.duplicated += other.duplicated;
        self.corrupted += other.corrupted;
        self.lost += other.lost;
        self.overflowed += other.overflowed;
    }
}

/// A relay under way; it ends with its value.
pub(crate) struct Relay {
    faults: Arc<Mutex<Faults>>,
    seen: Arc<Mutex<Seen>>,
    moves: mpsc::UnboundedSender<StdSocket>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// From `front`, which is sent to, through `back`, which sends on, to this address. Nothing
    /// happens to datagrams until faults are set.
    pub(crate) fn start(
        front: StdSocket,
        back: StdSocket,
        to: SocketAddr,
        seed: u64,
    ) -> io::Result<Self> {
        let (faults, seen) = (Arc::<Mutex<Faults>>::default(), Arc::default());
        let (moves, moved) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        front.set_nonblocking(true)?;
        back.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut seeds = Rng::new(seed);
        let mut ways = [(); 2].map(|()| Way {
            rng: Rng::new(seeds.next_u64()),
            faults: Arc::clone(&faults),
            seen: Arc::clone(&seen),
            waiting: BTreeMap::new(),
            latest: None,
            count: 0,
        });
        let work = async move {
            let (front, back) = (UdpSocket::from_std(front)?, UdpSocket::from_std(back)?);
            tokio::select! {
                result = relay(&front, back, moved, to, &mut ways) => result,
                _ = ended => Ok(()),
            }
        };
        let work = move || runtime.block_on(work).expect("the relay's sockets work");
        Ok(Self {
            faults,
            seen,
            moves,
            end: Some(end),
            thread: Some(thread::spawn(work)),
        })
    }

    /// From here on these happen, in both directions.
    pub(crate) fn set(&self, faults: Faults) {
        *self.faults.lock().expect("no thread has died") = faults;
    }

    /// Sends on through this socket from here on, as an address translator does that forgot whom it
    /// translates. What comes to the old one is lost, and nobody is told.
    pub(crate) fn rebind(&self, back: StdSocket) {
        back.set_nonblocking(true).expect("a socket can be so");
        self.moves.send(back).expect("the relay is at work");
    }

    /// What happened so far, both directions together.
    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().expect("no thread has died")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A relay that failed said so; its test fails by what does not come any more.
            let _ = thread.join();
        }
    }
}

/// One direction.
struct Way {
    rng: Rng,
    faults: Arc<Mutex<Faults>>,
    seen: Arc<Mutex<Seen>>,
    /// When each is due; those of the same moment in order.
    waiting: BTreeMap<(Instant, u64), Vec<u8>>,
    /// When the last that was not held back is due.
    latest: Option<Instant>,
    count: u64,
}

async fn relay(
    front: &UdpSocket,
    mut back: UdpSocket,
    mut moved: mpsc::UnboundedReceiver<StdSocket>,
    to: SocketAddr,
    ways: &mut [Way; 2],
) -> io::Result<()> {
    let [there, again] = ways;
    let mut client = None;
    // Open, so that nobody is told that they are not in use any more.
    let mut old = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let due = there.due().into_iter().chain(again.due()).min();
        let timer = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            readable = front.readable() => {
                readable?;
                client = there.take(front, &mut buffer).or(client);
            }
            readable = back.readable() => {
                readable?;
                again.take(&back, &mut buffer);
            }
            Some(socket) = moved.recv() => {
                old.push(mem::replace(&mut back, UdpSocket::from_std(socket)?));
            }
            () = timer => {}
        }
        there.send(&back, to);
        if let Some(client) = client {
            again.send(front, client);
        }
    }
}

impl Way {
    fn due(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    /// Takes in what the socket holds; says who sent the last of it.
    fn take(&mut self, socket: &UdpSocket, buffer: &mut [u8]) -> Option<SocketAddr> {
        let mut from = None;
        for _ in 0..BATCH {
            match socket.try_recv_from(buffer) {
                Ok((length, sender)) => {
                    from = Some(sender);
                    self.meet(&buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What an earlier datagram met, such as a port that is closed.
                Err(_) => {}
            }
        }
        from
    }

    /// Decides what happens to a datagram.
    fn meet(&mut self, bytes: &[u8]) {
        let faults = *self.faults.lock().expect("no thread has died");
        let fate = Fate::draw(&mut self.rng, &faults, bytes.len());
        let mut seen = Seen {
            came: 1,
            ..fate.seen()
        };
        let now = Instant::now();
        let steady = (now + fate.delay).max(self.latest.unwrap_or(now));
        let first = match fate.held_back {
            true => now + fate.delay + faults.held_back,
            false => {
                self.latest = Some(steady);
                steady
            }
        };
        let second = fate.duplicated.then(|| first + faults.held_back);
        for due in [Some(first), second].into_iter().flatten() {
            if fate.lost {
                continue;
            }
            if self.waiting.len() >= WAITING_MAX {
                seen.overflowed += 1;
                continue;
            }
            let mut copy = bytes.to_vec();
            if let Some(byte) = fate
                .corrupted
                .and_then(|bit| Some((copy.get_mut(bit / 8)?, bit)))
            {
                *byte.0 ^= 1 << (byte.1 % 8);
            }
            self.count += 1;
            self.waiting.insert((due, self.count), copy);
        }
        *self.seen.lock().expect("no thread has died") += seen;
    }

    /// Sends on what is due. What the socket does not take is lost, as it might be on its way.
    fn send(&mut self, socket: &UdpSocket, to: SocketAddr) {
        let now = Instant::now();
        while let Some(entry) = self.waiting.first_entry().filter(|it| it.key().0 <= now) {
            let _ = socket.try_send_to(&entry.remove(), to);
        }
    }
}

/// What happens to one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fate {
    delay: Duration,
    held_back: bool,
    duplicated: bool,
    /// Which bit.
    corrupted: Option<usize>,
    lost: bool,
}

impl Fate {
    fn draw(rng: &mut Rng, faults: &Faults, bytes: usize) -> Self {
        let mut happens = |of_thousand| rng.below(1_000) < of_thousand;
        let (lost, held_back) = (happens(faults.lost), happens(faults.reordered));
        let (duplicated, corrupted) = (happens(faults.duplicated), happens(faults.corrupted));
        let bit = rng.below(8 * bytes as u64);
        let jitter = rng.below(faults.jitter.as_micros() as u64);
        Self {
            delay: faults.delay + Duration::from_micros(jitter),
            held_back,
            duplicated,
            corrupted: corrupted.then_some(bit as usize),
            lost,
        }
    }

    fn seen(self) -> Seen {
        let stays = !self.lost;
        Seen {
            came: 0,
            reordered: (stays && self.held_back).into(),
            duplicated: (stays && self.duplicated).into(),
            corrupted: (stays && self.corrupted.is_some()).into(),
            lost: self.lost.into(),
            overflowed: 0,
        }
    }
}

/// A bit of everything that a path across a continent may do, and then some.
pub(crate) fn bad_weather() -> Faults {
    Faults {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(3),
        reordered: 50,
        held_back: Duration::from_millis(4),
        duplicated: 50,
        corrupted: 20,
        lost: 30,
    }
}

#[test]
fn the_same_seed_means_the_same_fates() {
    let faults = bad_weather();
    let fates = |seed| {
        let mut rng = Rng::new(seed);
        (0..1_000)
            .map(|_| Fate::draw(&mut rng, &faults, 1_200))
            .collect::<Vec<_>>()
    };
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
    let mut seen = Seen::default();
    fates(1).into_iter().for_each(|fate| seen += fate.seen());
    // Some 50, 50, 20 and 30 are to be expected.
    for (count, expected) in [
        (seen.reordered, 30..70),
        (seen.duplicated, 30..70),
        (seen.corrupted, 10..40),
        (seen.lost, 15..50),
    ] {
        assert!(expected.contains(&count), "{seen:?}");
    }
}
