//! The end of every run: all faults are healed, and everything must come right in time.

use std::time::Duration;

use peer_sender_core::{FailReason, Lane, Outcome, StopMode, UnknownReason};
use peer_sender_quic::Target;

use super::op::{Burst, Place, Reader};
use super::oracle::{Broken, broken};
use super::share::Share;
use super::world::World;

/// How long the nodes may take to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Two attempts at a connection, and what the node takes beside the waits that are configured.
const HANDSHAKES: Duration = Duration::from_secs(15);

impl World<'_> {
    /// Heals everything, and has everything come right.
    pub(super) fn end_well(&mut self) -> Result<(), Broken> {
        for place in 0..self.setup.settings.nodes {
            self.compare_books(place)?;
        }
        self.heal();
        let fresh = self.oracle.messages.len();
        self.send_fresh();
        let by = self.now + self.patience();
        let settled = self.run_until(by, |world| world.oracle.is_settled())?;
        self.judge_liveness(fresh, settled)?;

        let replies = self.oracle.messages.len();
        self.reply_fresh();
        let by = self.now + self.patience();
        let settled = self.run_until(by, |world| world.oracle.is_settled())?;
        self.judge_liveness(replies, settled)?;
        self.count_connections()?;
        let forgot = |place: Place, target| {
            let host = &self.hosts[usize::from(place)];
            match target {
                Target::Peer(_) => host.forgot,
                Target::Session(_) => host.forgot.max(host.dropped),
            }
        };
        if let Some(index) = self.oracle.vanished(forgot) {
            return broken(
                "I3",
                format!(
                    "message {index} is {:?}, and was never received",
                    self.oracle.messages[index].outcome
                ),
            );
        }
        self.stop_all()
    }

    /// Of all connections that there were, each dial has one left at most.
    fn count_connections(&mut self) -> Result<(), Broken> {
        const WHATEVER_QUIC_TAKES: Duration = Duration::from_secs(1_800);
        let too_many = |world: &Self| {
            world.hosts.iter().find_map(|host| {
                let dials = world.setup.settings.dials.iter();
                let process = world.setup.settings.process_of(host.place);
                let own = dials.filter(|(from, to)| *from == host.place || *to == process);
                let most = own.count() as u64;
                let held = host.node.as_ref()?.stats().connections;
                (held > most).then_some((host.place, held))
            })
        };
        let by = self.now + WHATEVER_QUIC_TAKES;
        self.run_until(by, |world| too_many(world).is_none())?;
        match too_many(self) {
            Some((place, held)) => broken("I9", format!("node {place} has {held} connections")),
            None => Ok(()),
        }
    }

    fn heal(&mut self) {
        self.healed = true;
        self.links.values_mut().for_each(|link| link.heal());
        for place in 0..self.setup.settings.nodes {
            self.thaw(place);
            self.set_trust(place, true);
            let host = &mut self.hosts[usize::from(place)];
            (host.clock.tick, host.clock.late) = (Duration::ZERO, Duration::ZERO);
            (host.reader, host.refuse_each) = (Reader::Instant, 0);
            host.batch = Share::NONE;
            if host.node.is_none() || host.other_key {
                self.crash(place);
                // These settings have made a node before.
                let _ = self.start_process(place, false);
            }
            self.touch(place);
        }
        for (from, to) in self.setup.settings.dials.clone() {
            self.tell_addresses(from, to, true);
            let _ = self.dial(from, to);
        }
    }

    fn send_fresh(&mut self) {
        for (from, to) in self.setup.settings.dials.clone() {
            for lane in 0..self.setup.settings.lanes {
                self.send_burst(fresh(from, to, lane));
            }
        }
    }

    fn reply_fresh(&mut self) {
        for (from, to) in self.setup.settings.dials.clone() {
            // A dialler that had nothing to say may have ended its connection.
            self.send_burst(fresh(from, to, 0));
            self.reply_burst(fresh(to, from, 0));
        }
    }

    /// How long it may take from any state until a message is delivered: until a dead connection is
    /// found dead, the longest wait is over, and the next attempt has come to something.
    fn patience(&self) -> Duration {
        let it = &self.setup.settings;
        let waits = it.backoff_max.max(it.refusal_backoff_max);
        it.idle_timeout.max(self.silence()) + waits + HANDSHAKES
    }

    /// How long QUIC may wait for a path as slow as the slowest that a node has seen, or that it may have
    /// seen on a connection which it only holds until QUIC forgets it: it takes three probe timeouts for
    /// the least (RFC 9000 sections 10.1 and 10.2), each of which is a round trip and four times its
    /// variation, which decays more slowly.
    fn silence(&self) -> Duration {
        let slowest = self.hosts.iter().filter_map(|host| {
            let node = host.node.as_ref()?;
            let targets = host.dialled.values().map(|it| Target::Peer(it.handle));
            targets
                .filter_map(|target| node.snapshot(target)?.rtt)
                .max()
        });
        slowest.max().unwrap_or_default().max(2 * self.slowest) * 30
    }

    /// Judges what has become of everything, now that it has had its time. `fresh`: messages from
    /// here on were sent after all was healed.
    fn judge_liveness(&self, fresh: usize, settled: bool) -> Result<(), Broken> {
        for (index, told) in self.oracle.messages.iter().enumerate() {
            let Some(own) = self.oracle.channels.get(told.channel) else {
                continue;
            };
            let id = match index >= fresh {
                true => "L2",
                false => "L1",
            };
            let what = |why: &str| {
                let outcome = &told.outcome;
                let place = format!("node {} to {}", own.from, own.to);
                format!(
                    "message {index} of {place}, from {:?}: {outcome:?}{why}",
                    told.at
                )
            };
            if told.is_open() && self.oracle.is_live(own) {
                let holdup = self.holdup(own.from, own.target);
                return broken(id, what(&format!(", as {holdup}")));
            }
            // A reply under the plain protocol has one connection, which may end for whatever reason.
            let bound = self.setup.settings.plain && matches!(own.target, Target::Session(_));
            if index >= fresh
                && !bound
                && self.oracle.is_live(own)
                && !self.is_fair(told.outcome.as_ref(), own.target)
            {
                return broken(id, what(" with nothing wrong"));
            }
        }
        match settled {
            true => Ok(()),
            false => broken("L1", "messages are open that the oracle does not know"),
        }
    }

    /// Whether this may become of a message with nothing wrong.
    fn is_fair(&self, outcome: Option<&Outcome>, target: Target) -> bool {
        match outcome {
            // It was handed back: the queue was full.
            None => true,
            Some(Outcome::Delivered(_) | Outcome::Written) => true,
            Some(Outcome::Failed(FailReason::Displaced)) => self.setup.settings.drop_oldest,
            // What had begun on a connection that was found dead afterwards, with a receiver whose
            // memory is gone.
            Some(Outcome::Unknown(UnknownReason::Forgotten | UnknownReason::ConnectionLost)) => {
                self.setup.settings.at_most_once && matches!(target, Target::Peer(_))
            }
            Some(
                Outcome::Refused(_)
                | Outcome::Expired
                | Outcome::Cancelled
                | Outcome::Failed(_)
                | Outcome::Unknown(_),
            ) => false,
        }
    }

    fn holdup(&self, place: Place, target: Target) -> String {
        let host = &self.hosts[usize::from(place)];
        let snapshot = host.node.as_ref().and_then(|node| node.snapshot(target));
        snapshot.map_or_else(
            || "its machine is gone".into(),
            |it| format!("{}; {:?}", it.machine.holdup, it.machine),
        )
    }

    /// Has every node end in good order, and sees to it that nothing comes of it later.
    fn stop_all(&mut self) -> Result<(), Broken> {
        for host in &mut self.hosts {
            let now = host.clock.read(self.now);
            for dialled in host.dialled.values_mut().filter(|it| !it.stopped) {
                dialled.stops_by = Some(now + DRAIN);
            }
            if let Some(node) = &mut host.node {
                node.stop(now, StopMode::Drain(DRAIN));
            }
        }
        for place in 0..self.setup.settings.nodes {
            self.touch(place);
        }
        let stopped = |world: &Self| {
            let mut nodes = world.hosts.iter().filter_map(|host| host.node.as_ref());
            nodes.all(|node| node.is_stopped())
        };
        let by = self.now + DRAIN + Duration::from_secs(1);
        if !self.run_until(by, stopped)? {
            return broken("I28", "a node has not stopped in time");
        }
        if !self.oracle.is_over() {
            return broken("I1", "all nodes have stopped, and messages are open");
        }
        // Whatever is under way comes to nobody, and no timer is left for ever. (One that was moved
        // to later, or is no longer wanted, is found early, once. What QUIC waits with the end of an
        // old connection follows the slowest path that it had.)
        let by = self.now + Duration::from_secs(3_600);
        let quiet = |world: &Self| world.hosts.iter().all(|host| host.until.is_none());
        if !self.run_until(by, quiet)? {
            let until = self.hosts.iter().find_map(|host| host.until);
            return broken("I27", format!("a node that stopped waits for {until:?}"));
        }
        Ok(())
    }
}

fn fresh(from: Place, to: Place, lane: u8) -> Burst {
    Burst {
        from,
        to,
        lane: Lane(lane).0,
        count: 1,
        bytes: 100,
        ttl: None,
    }
}
