//! The judge of connecting: at most one live attempt, each address in its turn, waits that are
//! exactly those of the documented function, and timers that are exactly those which the contract
//! asks for.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use peer_sender_core::{
    Action, Attempt, ErrorClass, LinkError, Outcome, PeerEvent, Side, StopReason, Time, WakeReason,
};

use crate::limits::Limits;
use crate::waits::Row;

#[derive(Debug)]
pub(crate) enum Link {
    /// Not dialled: made just now, or no address is known.
    Down,
    Dialling {
        attempt: Attempt,
        address: SocketAddr,
        until: Time,
    },
    Up(Connection),
    /// An idle connection is being ended.
    Parting {
        connection: Connection,
        until: Time,
    },
    /// Ended for want of traffic.
    Idle,
    Waiting {
        until: Time,
    },
    Ended,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) attempt: Attempt,
    address: SocketAddr,
    pub(crate) since: Time,
    pub(crate) answered: bool,
    /// When the RESUME of each stream that was opened must come at the latest; none once it has.
    pub(crate) resumes: BTreeMap<u64, Option<Time>>,
}

/// What a step was told that concerns the connection.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The first of its events that ends the connection.
    pub(crate) error: Option<LinkError>,
    pub(crate) moved: Option<Vec<SocketAddr>>,
    /// For another reason than that the peer has dialled.
    pub(crate) woken: bool,
    /// The peer has dialled.
    pub(crate) contact: bool,
    pub(crate) operator: bool,
    /// The application has answered a reply.
    pub(crate) consumed: bool,
}

#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) limits: Limits,
    pub(crate) link: Link,
    pub(crate) addresses: Vec<SocketAddr>,
    turn: usize,
    pub(crate) row: Row,
    last_attempt: Option<Attempt>,
    last_dial: Option<Time>,
    /// When something was last said that keeps a connection from being ended as idle.
    pub(crate) last_said: Time,
    pub(crate) told: Told,
    pub(crate) connects: u64,
    pub(crate) rests: u64,
    pub(crate) moves: u64,
    /// Waits that were cut short.
    pub(crate) woken: u64,
}

impl Recovery {
    pub(crate) fn new(limits: Limits, addresses: Vec<SocketAddr>) -> Self {
        Self {
            limits,
            link: Link::Down,
            addresses,
            turn: 0,
            row: Row::default(),
            last_attempt: None,
            last_dial: None,
            last_said: Time::ZERO,
            told: Told::default(),
            connects: 0,
            rests: 0,
            moves: 0,
            woken: 0,
        }
    }

    /// The attempt that the sender lives on.
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        match &self.link {
            Link::Dialling { attempt, .. } => Some(*attempt),
            Link::Up(connection) | Link::Parting { connection, .. } => Some(connection.attempt),
            Link::Down | Link::Idle | Link::Waiting { .. } | Link::Ended => None,
        }
    }

    /// Where the connection leads that is being made or stands.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match &self.link {
            Link::Dialling { address, .. } => Some(*address),
            Link::Up(connection) | Link::Parting { connection, .. } => Some(connection.address),
            Link::Down | Link::Idle | Link::Waiting { .. } | Link::Ended => None,
        }
    }

    pub(crate) fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.link {
            Link::Up(connection) | Link::Parting { connection, .. } => Some(connection),
            Link::Down
            | Link::Dialling { .. }
            | Link::Idle
            | Link::Waiting { .. }
            | Link::Ended => None,
        }
    }

    /// The sender has read the RESUME of one of its streams.
    pub(crate) fn resumed(&mut self, stream: u64) {
        if let Some(connection) = self.connection() {
            connection.resumes.insert(stream, None);
        }
    }

    /// Judges a step. `settled` says whether every message has its outcome after it, `stopping`
    /// whether somebody has stopped the sender.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        actions: &[Action],
        (settled, stopping): (bool, bool),
    ) {
        let told = std::mem::take(&mut self.told);
        if matches!(self.link, Link::Ended) {
            return;
        }
        let (woken, expected) = self.takes_addresses(&told, actions);
        let mut woken = woken || told.woken;
        let contact = told.contact && !woken;
        let mut ended = None;
        for action in actions {
            match action {
                Action::Connect { attempt, address } => {
                    let needed = !settled || told.consumed || told.operator || !stopping;
                    assert!(needed, "I12 dialled for nothing");
                    woken |= contact && self.heeds_contact();
                    self.dialled(now, *attempt, *address, woken);
                }
                Action::Settle {
                    outcome: Outcome::Delivered(_) | Outcome::Refused(_),
                    ..
                } => {
                    if let Some(connection) = self.connection() {
                        connection.answered = true;
                    }
                }
                Action::Write { stream, fin, .. } if stream.opener == Side::Local => {
                    self.wrote(now, stream.index, *fin && !stopping);
                }
                Action::ScheduleBackoff { delay, until, .. } => {
                    assert!(ended.is_some(), "I11 a wait without a failure");
                    self.waits(now, *delay, *until);
                }
                Action::Emit(PeerEvent::BackoffStarted {
                    failures,
                    delay,
                    until,
                }) => {
                    assert_eq!(*failures, self.row.failures(), "I11 failures");
                    self.waits(now, *delay, *until);
                }
                Action::Emit(PeerEvent::Connected { attempt }) => self.confirmed(now, *attempt),
                Action::Emit(PeerEvent::Disconnected {
                    error: reported,
                    retry_at,
                }) => {
                    assert_eq!(ended, None, "I9 two failures in one step");
                    if let Some(error) = &expected {
                        assert_eq!(reported, error, "I13 another error");
                    }
                    ended = Some(reported);
                    self.failed(now, reported, *retry_at);
                }
                Action::Emit(PeerEvent::Idle) => self.rests(now, expected.as_ref()),
                Action::Emit(PeerEvent::SenderStopped { reason }) => {
                    let waits = ended.is_some() || matches!(self.link, Link::Waiting { .. });
                    let due = waits && self.row.gives_up(now, &self.limits);
                    let gave_up = *reason == StopReason::GaveUp;
                    assert!(!gave_up || due, "I28 gave up too early");
                    self.link = Link::Ended;
                }
                _ => {}
            }
        }
        let rested = actions.contains(&Action::Emit(PeerEvent::Idle));
        let over = rested || matches!(self.link, Link::Ended);
        assert!(
            expected.is_none() || ended.is_some() || over,
            "I13 {expected:?} was passed over"
        );
        let needed = !settled || told.consumed || told.operator;
        woken |= contact && self.heeds_contact();
        self.settles(now, woken, needed);
    }

    /// Whether a wait is cut short because the peer has dialled.
    fn heeds_contact(&mut self) -> bool {
        matches!(self.link, Link::Waiting { .. }) && self.row.heeds_contact()
    }

    /// Takes new addresses. Whether one of them ends a wait, and the error that is due.
    fn takes_addresses(&mut self, told: &Told, actions: &[Action]) -> (bool, Option<LinkError>) {
        let mut reported = actions.iter().filter_map(|action| match action {
            Action::Emit(PeerEvent::AddressChanged { addresses }) => Some(addresses),
            _ => None,
        });
        let moved = told.moved.clone().filter(|new| *new != self.addresses);
        assert_eq!(reported.next(), moved.as_ref(), "I12 the addresses");
        assert_eq!(reported.next(), None, "I12 addresses changed twice");
        let error = told.error.clone();
        let Some(moved) = moved else {
            return (false, error);
        };
        self.moves += 1;
        let news = moved.iter().any(|one| !self.addresses.contains(one));
        self.addresses = moved;
        self.turn = 0;
        if news {
            self.row = Row::default();
        }
        let gone = self
            .address()
            .is_some_and(|at| !self.addresses.contains(&at));
        let leaves = gone && error.is_none();
        (news, error.or(leaves.then_some(LinkError::Moved)))
    }

    /// What the link is once the step is over, if nothing was dialled.
    fn settles(&mut self, now: Time, woken: bool, needed: bool) {
        let dial_after = self.dial_after();
        let none = self.addresses.is_empty();
        match &mut self.link {
            Link::Waiting { .. } if none => self.link = Link::Down,
            Link::Waiting { until } if woken => *until = (*until).min(dial_after.max(now)),
            Link::Down if !none => self.link = Link::Waiting { until: dial_after },
            Link::Idle if needed && !none => self.link = Link::Waiting { until: dial_after },
            Link::Down
            | Link::Idle
            | Link::Waiting { .. }
            | Link::Dialling { .. }
            | Link::Up(_)
            | Link::Parting { .. }
            | Link::Ended => {}
        }
    }

    /// I12: whatever cuts a wait short, two attempts are at least the shortest wait apart.
    fn dial_after(&self) -> Time {
        let least = self.limits.backoff.0;
        self.last_dial.map_or(Time::ZERO, |at| at + least)
    }

    fn dialled(&mut self, now: Time, attempt: Attempt, address: SocketAddr, woken: bool) {
        let dial_after = self.dial_after();
        match self.link {
            Link::Down | Link::Idle => {
                assert!(dial_after <= now, "I12 dialled before {dial_after}");
            }
            Link::Waiting { until } => {
                let over = self.row.gives_up(now, &self.limits);
                assert!(!over, "I28 dialled, and the peer is to be given up");
                let woken = woken && dial_after <= now;
                assert!(until <= now || woken, "I12 dialled before {until}");
                self.woken += u64::from(until > now);
            }
            ref other => panic!("I9 dialled in {other:?}"),
        }
        assert!(
            self.last_attempt < Some(attempt),
            "I10 {attempt} is no new attempt"
        );
        let turn = self.addresses.get(self.turn);
        assert_eq!(Some(&address), turn, "I12 it is another address's turn");
        self.last_attempt = Some(attempt);
        self.last_dial = Some(now);
        self.connects += 1;
        self.link = Link::Dialling {
            attempt,
            address,
            until: now + self.limits.connect_timeout,
        };
    }

    fn confirmed(&mut self, now: Time, confirmed: Attempt) {
        let Link::Dialling {
            attempt, address, ..
        } = self.link
        else {
            panic!("I10 connected in {:?}", self.link);
        };
        assert_eq!(attempt, confirmed, "I10 connected");
        self.last_said = now;
        self.link = Link::Up(Connection {
            attempt,
            address,
            since: now,
            answered: false,
            resumes: BTreeMap::new(),
        });
    }

    fn waits(&self, now: Time, delay: std::time::Duration, until: Time) {
        assert_eq!(until, now + delay, "I11 until");
        assert!(
            matches!(self.link, Link::Waiting { until: known } if known == until),
            "I11 until {until} in {:?}",
            self.link
        );
    }

    fn failed(&mut self, now: Time, error: &LinkError, retry_at: Option<Time>) {
        let mut healthy = false;
        match &self.link {
            Link::Dialling { until, .. } => {
                let timeout = *error == LinkError::ConnectTimeout;
                assert!(!timeout || *until <= now, "I15 given up before {until}");
            }
            Link::Up(connection) => {
                let resumes = &connection.resumes;
                let overdue = resumes.values().flatten().any(|due| *due <= now);
                assert!(
                    *error != LinkError::NoAnswer || overdue,
                    "I15 {resumes:?} at {now}"
                );
                let stood = now.saturating_since(connection.since);
                healthy = connection.answered || stood >= self.limits.health_after;
            }
            other => panic!("I9 failed in {other:?}"),
        }
        if healthy {
            self.row = Row::default();
        }
        if *error == LinkError::Moved {
            let until = self.dial_after().max(now);
            let until = (!self.addresses.is_empty()).then_some(until);
            assert_eq!(retry_at, until, "I11 the wait after a move");
            self.link = until.map_or(Link::Down, |until| Link::Waiting { until });
            return;
        }
        if !healthy
            && !self.addresses.is_empty()
            && self.address() == self.addresses.get(self.turn).copied()
        {
            self.turn = (self.turn + 1) % self.addresses.len();
        }
        let permanent = error.class() == ErrorClass::Permanent;
        let expected = self
            .row
            .fails(now, permanent, self.addresses.len(), &self.limits);
        let Some(until) = retry_at else {
            let over = self.row.gives_up(now, &self.limits);
            let nowhere = self.addresses.is_empty();
            assert!(over || nowhere, "I11 never again, after {error}");
            self.link = Link::Down;
            return;
        };
        let over = self.row.gives_up(now, &self.limits);
        assert!(!over, "I28 the peer is to be given up, after {error}");
        expected.judge(now, until);
        self.link = Link::Waiting { until };
    }

    /// What a wake-up leads to.
    pub(crate) fn wakes(&mut self, reason: WakeReason) {
        match reason {
            WakeReason::InboundContact => self.told.contact = true,
            WakeReason::NewAddress | WakeReason::Operator | WakeReason::NetworkChange => {
                self.told.woken = true;
            }
        }
        self.told.operator |= reason == WakeReason::Operator;
    }
}
