//! The way of datagrams from one node to another, with everything that befalls them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::Time;
use peer_sender_quic::Ecn;

use super::op::Place;
use super::path::{Family, Path};
use super::report::{Fault, Faults};
use super::share::Share;
use crate::tape::Rng;

/// Datagrams of which one may come again.
const REMEMBERED: usize = 32;

/// What is lost in a bad spell.
const LOSS_IN_BURSTS: u64 = 8_000;

/// A datagram on its way.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    /// The node that sent it, and in which of its lives; none if nobody of the world did.
    pub(super) sender: Option<(Place, u32)>,
    /// It is a stateless reset, whole.
    pub(super) reset: bool,
    /// Where the network says that it comes from.
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) ecn: Option<Ecn>,
    pub(super) bytes: Bytes,
}

/// One direction between two nodes.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) path: Path,
    rng: Rng,
    in_burst: bool,
    /// Until when the line is busy.
    busy: Time,
    old: VecDeque<Datagram>,
    /// What befell the datagram that it took last.
    pub(super) fates: Vec<Fault>,
}

impl Link {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            path: Path::default(),
            rng: Rng::new(seed),
            in_burst: false,
            busy: Time::ZERO,
            old: VecDeque::new(),
            fates: Vec::new(),
        }
    }

    /// Nothing is wrong with it from here on; what waits on the line is through.
    pub(super) fn heal(&mut self) {
        self.path = Path::default();
        self.in_burst = false;
        self.busy = Time::ZERO;
    }

    /// Takes a datagram at this moment; each copy that arrives is told with its moment.
    pub(super) fn carry(
        &mut self,
        now: Time,
        datagram: Datagram,
        faults: &mut Faults,
        mut arrives: impl FnMut(Time, Datagram),
    ) {
        self.fates.clear();
        self.carry_it(now, datagram, &mut arrives);
        for &fate in &self.fates {
            faults.count(fate);
        }
    }

    fn carry_it(
        &mut self,
        now: Time,
        mut datagram: Datagram,
        arrives: &mut impl FnMut(Time, Datagram),
    ) {
        self.replay(now, &datagram, arrives);
        if self.path.cut {
            return self.fates.push(Fault::Cut);
        }
        if self.path.family_cut == Some(Family::of(datagram.to)) {
            return self.fates.push(Fault::FamilyCut);
        }
        if datagram.bytes.len() > usize::from(self.path.mtu) {
            return self.fates.push(Fault::Mtu);
        }
        let Some(through) = self.line(now, datagram.bytes.len()) else {
            return self.fates.push(Fault::Queue);
        };
        if self.is_lost() {
            return;
        }
        self.spoil(&mut datagram);
        if self.path.duplicate.hits(&mut self.rng) {
            self.fates.push(Fault::Duplicate);
            let at = through + self.wait();
            arrives(at, datagram.clone());
        }
        let at = through + self.wait();
        arrives(at, datagram);
    }

    fn replay(&mut self, now: Time, datagram: &Datagram, arrives: &mut impl FnMut(Time, Datagram)) {
        if self.path.replay == Share::NONE {
            return;
        }
        if self.old.len() == REMEMBERED {
            self.old.pop_front();
        }
        self.old.push_back(datagram.clone());
        if self.path.replay.hits(&mut self.rng) && !self.path.cut {
            let place = self.rng.below(self.old.len() as u64) as usize;
            if let Some(old) = self.old.get(place).cloned() {
                self.fates.push(Fault::Replay);
                let wait = self.wait();
                arrives(now + wait, old);
            }
        }
    }

    fn is_lost(&mut self) -> bool {
        let turns = match self.in_burst {
            true => self.path.burst_ends,
            false => self.path.burst_begins,
        };
        if turns.hits(&mut self.rng) {
            self.in_burst = !self.in_burst;
        }
        if self.in_burst && Share::new(LOSS_IN_BURSTS).hits(&mut self.rng) {
            self.fates.push(Fault::Burst);
            return true;
        }
        let lost = self.path.loss.hits(&mut self.rng);
        if lost {
            self.fates.push(Fault::Loss);
        }
        lost
    }

    /// When the last byte has left, unless too many wait.
    fn line(&mut self, now: Time, bytes: usize) -> Option<Time> {
        const FULL: u64 = 1_200;
        if self.path.bandwidth == 0 {
            return Some(now);
        }
        let time = |bytes: u64| {
            let nanos = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(self.path.bandwidth);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let begins = self.busy.max(now);
        let waits_max = time(FULL).saturating_mul(self.path.queue);
        if begins.saturating_since(now) > waits_max {
            return None;
        }
        self.busy = begins + time(bytes as u64);
        Some(self.busy)
    }

    fn spoil(&mut self, datagram: &mut Datagram) {
        if self.path.ecn.hits(&mut self.rng) && datagram.ecn.is_some() {
            self.fates.push(Fault::Ecn);
            datagram.ecn = match self.rng.below(2) {
                0 => Some(Ecn::Ce),
                _ => None,
            };
        }
        if self.path.corrupt.hits(&mut self.rng) {
            self.fates.push(Fault::Corrupt);
            let mut bytes = datagram.bytes.to_vec();
            self.damage(&mut bytes);
            datagram.reset = false;
            datagram.bytes = bytes.into();
        }
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let length = bytes.len() as u64;
        match self.rng.below(4) {
            0 => bytes.truncate(self.rng.below(length) as usize),
            1 => {
                let mut more = vec![0; 1 + self.rng.below(64) as usize];
                self.rng.fill(&mut more);
                bytes.append(&mut more);
            }
            _ => {
                for _ in 0..=self.rng.below(8) {
                    let (place, bit) = (self.rng.below(length) as usize, self.rng.below(8));
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= 1 << bit;
                    }
                }
            }
        }
    }

    /// How long a datagram is under way.
    fn wait(&mut self) -> Duration {
        let mut wait = self.path.delay;
        if self.path.jitter > Duration::ZERO {
            wait += exponential(&mut self.rng, self.path.jitter);
        }
        if self.path.reorder.hits(&mut self.rng) {
            self.fates.push(Fault::Reorder);
            let most = self.path.delay * 2 + Duration::from_millis(20);
            wait += below(&mut self.rng, most);
        }
        if self.path.tail.hits(&mut self.rng) {
            self.fates.push(Fault::Tail);
            wait += below(&mut self.rng, self.path.tail_max);
        }
        wait
    }
}

/// A time below this one.
pub(super) fn below(rng: &mut Rng, most: Duration) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.below(nanos))
}

/// Of exponential distribution, near enough, in whole numbers: so that it is the same on every
/// machine, which a logarithm of the mathematics library is not.
fn exponential(rng: &mut Rng, mean: Duration) -> Duration {
    let drawn = rng.next_u64() | 1;
    // The binary logarithm of one over what was drawn, as 32.32: the leading zeros, and between two
    // powers of two a straight line.
    let zeros = u64::from(drawn.leading_zeros());
    let mantissa = (drawn << zeros << 1) >> 32;
    let log2 = (zeros << 32) + ((1 << 32) - mantissa);
    /// The natural logarithm of 2, as 0.32.
    const LN_2: u128 = 2_977_044_472;
    let times = (u128::from(log2) * LN_2) >> 32;
    let nanos = (mean.as_nanos() * times) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(bytes: usize) -> Datagram {
        let address = SocketAddr::from(([10, 0, 0, 1], 1));
        Datagram {
            sender: None,
            reset: false,
            from: address,
            to: address,
            ecn: Some(Ecn::Ect0),
            bytes: vec![7; bytes].into(),
        }
    }

    /// What arrives of this many datagrams of 1,000 bytes, one each millisecond.
    fn arrivals(count: u64, set: impl FnOnce(&mut Path)) -> (Vec<(Time, Datagram)>, Faults) {
        let (mut link, mut faults, mut all) = (Link::new(3), Faults::default(), Vec::new());
        set(&mut link.path);
        for n in 0..count {
            link.carry(
                Time::from_millis(n),
                datagram(1_000),
                &mut faults,
                |at, it| {
                    all.push((at, it));
                },
            );
        }
        (all, faults)
    }

    #[test]
    fn a_clean_path_carries_everything_after_its_delay() {
        let (all, faults) = arrivals(10, |_| {});
        let times: Vec<_> = all.iter().map(|(at, _)| *at).collect();
        let expected: Vec<_> = (10..20).map(Time::from_millis).collect();
        assert_eq!((times, faults), (expected, Faults::default()));
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let (all, faults) = arrivals(1_000, |path| path.loss = Share::new(2_000));
        assert_eq!(all.len() as u64, 1_000 - faults.of(Fault::Loss));
        assert!((150..250).contains(&faults.of(Fault::Loss)));

        let (all, faults) = arrivals(1_000, |path| path.duplicate = Share::new(2_000));
        assert_eq!(all.len() as u64, 1_000 + faults.of(Fault::Duplicate));

        let (all, faults) = arrivals(1_000, |path| path.corrupt = Share::ALL);
        assert_eq!(faults.of(Fault::Corrupt), 1_000);
        let whole = all.iter().filter(|(_, it)| *it.bytes == vec![7; 1_000]);
        assert!(whole.count() < 5, "an even number of flips may meet");

        let (all, _) = arrivals(10, |path| path.mtu = 999);
        assert!(all.is_empty());
        let (all, _) = arrivals(10, |path| path.cut = true);
        assert!(all.is_empty());

        let (all, _) = arrivals(1_000, |path| {
            (path.burst_begins, path.burst_ends) = (Share::new(100), Share::new(1_000));
        });
        assert!((800..990).contains(&all.len()), "{}", all.len());
    }

    #[test]
    fn a_narrow_path_delays_and_then_drops() {
        // 1,000 bytes each millisecond are 8 Mb/s.
        let (all, faults) = arrivals(100, |path| (path.bandwidth, path.queue) = (4_000_000, 10));
        let last = all.last().unwrap().0;
        assert!(faults.of(Fault::Queue) > 20, "{faults:?}");
        assert!(last > Time::from_millis(115) && last < Time::from_millis(145));
    }

    #[test]
    fn waits_have_the_mean_that_they_should() {
        let mut rng = Rng::new(1);
        let mean = Duration::from_millis(100);
        let waits: Vec<_> = (0..10_000).map(|_| exponential(&mut rng, mean)).collect();
        let sum: Duration = waits.iter().sum();
        assert!(
            (95..112).contains(&(sum / 10_000).as_millis()),
            "{:?}",
            sum / 10_000
        );
        assert!(waits.iter().max() > Some(&(mean * 6)));
    }
}
