//! One sender's story.

use std::collections::BTreeMap;

use peer_sender_core::table::Standing;
use peer_sender_core::trace::TraceEvent;
use peer_sender_core::{
    Action, Attempt, LANES_MAX, Lane, LinkError, MessageId, PeerEvent, PeerSenderMachine,
    TransferId,
};

use super::life::{HandOver, Life};
use super::{Fact, LinkFact, Receivers, Wait, Waits};
use crate::trace::player::Step;

#[derive(Debug)]
pub(super) struct Tale {
    latest: u64,
    standing: Standing,
    since: u64,
    lanes: Vec<LaneTale>,
    open: BTreeMap<MessageId, Life>,
    /// Messages of writes that QUIC does not hold whole yet.
    transfers: BTreeMap<TransferId, Vec<MessageId>>,
    /// The latest attempt, and whether it has come to stand.
    attempt: Option<(Attempt, bool)>,
    receivers: Receivers,
    failures: u64,
    /// When the peer was heard last, or the connection began to stand.
    heard_at: u64,
}

#[derive(Clone, Debug)]
struct LaneTale {
    /// How long the lane has waited for each in all.
    clock: Waits,
    /// What it waits for now.
    wait: Wait,
    open: u64,
    in_flight: u64,
}

impl Tale {
    pub(super) fn new(at: u64) -> Self {
        let lane = LaneTale {
            clock: Waits::default(),
            wait: Wait::Nothing,
            open: 0,
            in_flight: 0,
        };
        Self {
            latest: at,
            standing: Standing::Down,
            since: at,
            lanes: vec![lane; usize::from(LANES_MAX)],
            open: BTreeMap::new(),
            transfers: BTreeMap::new(),
            attempt: None,
            receivers: Receivers::default(),
            failures: 0,
            heard_at: at,
        }
    }

    /// Of a sender that the trace meets while it stands like this.
    pub(super) fn met(machine: &PeerSenderMachine) -> Self {
        let mut tale = Self::new(0);
        tale.standing = machine.state().standing();
        let link = machine.state().link();
        let stood = link.connection().is_some();
        tale.attempt = link.attempt().map(|attempt| (attempt, stood));
        // Who has answered before is no news.
        tale.look(machine, 0, &mut Vec::new());
        tale
    }

    /// The first step of a sender that was met.
    pub(super) fn begins(mut self, at: u64, facts: &mut Vec<Fact>) -> Self {
        (self.latest, self.since, self.heard_at) = (at, at, at);
        if let Some((attempt, stood)) = self.attempt {
            let what = LinkFact::Already { attempt, stood };
            facts.push(Fact::Link { at, what });
        }
        self
    }

    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    pub(super) fn step(
        &mut self,
        step: &Step<'_>,
        machine: &PeerSenderMachine,
        facts: &mut Vec<Fact>,
    ) {
        let at = step.at;
        self.pass(at);
        for event in &step.played.events {
            self.event(step, machine, event);
        }
        for action in step.played.actions {
            self.action(step, machine, action, facts);
        }
        self.look(machine, at, facts);
        let standing = machine.state().standing();
        if standing != self.standing {
            facts.push(Fact::Stood {
                standing: self.standing,
                from: self.since,
                until: at,
            });
            (self.standing, self.since) = (standing, at);
        }
    }

    pub(super) fn end(mut self, at: u64, facts: &mut Vec<Fact>) {
        self.pass(at);
        facts.push(Fact::Stood {
            standing: self.standing,
            from: self.since,
            until: at.max(self.since),
        });
        for (_, mut life) in std::mem::take(&mut self.open) {
            let clock = self.lane(life.lane).map(|lane| lane.clock);
            life.end(at, None, &clock.unwrap_or_default());
            life.failures.1 = self.failures;
            facts.push(Fact::Message(Box::new(life)));
        }
    }

    /// Time passes, for each lane in what it waits for.
    fn pass(&mut self, at: u64) {
        let passed = at.saturating_sub(self.latest);
        self.latest = self.latest.max(at);
        for lane in &mut self.lanes {
            lane.clock.add(lane.wait, passed);
        }
    }

    fn event(&mut self, step: &Step<'_>, machine: &PeerSenderMachine, event: &TraceEvent) {
        match event {
            TraceEvent::MessageQueued {
                id,
                lane,
                payload,
                expires_at,
            } => {
                let of_peer = machine.config().send_policy().ttl;
                let of_peer = of_peer.map(|ttl| step.played.now + ttl);
                let expires_at = of_peer.into_iter().chain(*expires_at).min();
                let expires_at = expires_at.map(|time| step.moment(time));
                let failures = self.failures;
                // A name that was used before is refused, and its first bearer lives on.
                if self.open.contains_key(id) {
                    return;
                }
                let Some(books) = self.lane_mut(*lane) else {
                    return;
                };
                let new = HandOver {
                    id: *id,
                    lane: *lane,
                    bytes: payload.bytes(),
                    at: step.at,
                    expires_at,
                    ahead: books.open,
                    ahead_in_flight: books.in_flight.min(books.open),
                    failures,
                };
                let life = Life::new(&new, &books.clock);
                books.open += 1;
                self.open.insert(*id, life);
            }
            TraceEvent::Cancel { id } => {
                if let Some(life) = self.open.get_mut(id) {
                    life.cancelled_at.get_or_insert(step.at);
                }
            }
            TraceEvent::TransferFinished { transfer } => {
                for id in self.transfers.remove(transfer).unwrap_or_default() {
                    if let Some(life) = self.open.get_mut(&id) {
                        let lane = self.lanes.get(usize::from(life.lane.0));
                        let clock = lane.map(|lane| lane.clock).unwrap_or_default();
                        life.taken(step.at, &clock);
                    }
                }
            }
            TraceEvent::Connected { .. }
            | TraceEvent::BytesReceived { .. }
            | TraceEvent::StreamAcknowledged { .. }
            | TraceEvent::TransferAcknowledged { .. }
            | TraceEvent::ProbeAnswered { .. } => self.heard_at = step.at,
            _ => {}
        }
    }

    fn action(
        &mut self,
        step: &Step<'_>,
        machine: &PeerSenderMachine,
        action: &Action,
        facts: &mut Vec<Fact>,
    ) {
        match action {
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                ..
            } => {
                let ids = machine.messages_of(*attempt, *stream, chunks);
                for id in &ids {
                    let Some(life) = self.open.get_mut(id) else {
                        continue;
                    };
                    let lane = self.lanes.get(usize::from(life.lane.0));
                    let clock = lane.map(|lane| lane.clock).unwrap_or_default();
                    life.write(step.at, *attempt, &clock);
                }
                self.transfers.insert(*transfer, ids);
            }
            Action::Settle { id, outcome } => {
                let Some(mut life) = self.close(*id) else {
                    facts.push(Fact::Before);
                    return;
                };
                let clock = self.lane(life.lane).map(|lane| lane.clock);
                let outcome = Some(outcome.clone());
                life.end(step.at, outcome, &clock.unwrap_or_default());
                life.failures.1 = self.failures;
                facts.push(Fact::Message(Box::new(life)));
            }
            Action::Reject { id, .. } => {
                // A newer message of the same name is no other: the older one lives on.
                let new = self
                    .open
                    .get(id)
                    .is_some_and(|it| it.accepted_at == step.at);
                if new && is_rejected(step, *id) {
                    self.close(*id);
                }
                facts.push(Fact::Rejected);
            }
            Action::Emit(event) => {
                if let Some(what) = self.link(step, event) {
                    facts.push(Fact::Link { at: step.at, what });
                }
            }
            _ => {}
        }
    }

    fn link(&mut self, step: &Step<'_>, event: &PeerEvent) -> Option<LinkFact> {
        Some(match event {
            PeerEvent::Connecting { attempt, address } => {
                self.attempt = Some((*attempt, false));
                self.transfers.clear();
                LinkFact::Dialled {
                    attempt: *attempt,
                    address: *address,
                }
            }
            PeerEvent::Connected { attempt } => {
                self.attempt = Some((*attempt, true));
                LinkFact::Connected { attempt: *attempt }
            }
            PeerEvent::Disconnected { error, .. } => {
                self.failures += 1;
                let (attempt, stood) = self.attempt.take().unzip();
                let stood = stood.unwrap_or(false);
                if stood {
                    self.lose();
                }
                let silent = match stood && may_be_silence(error) {
                    true => step.at.saturating_sub(self.heard_at),
                    false => 0,
                };
                LinkFact::Failed {
                    attempt,
                    stood,
                    silent,
                    error: error.clone(),
                }
            }
            PeerEvent::BackoffStarted {
                failures, delay, ..
            } => LinkFact::Waits {
                failures: *failures,
                delay: *delay,
            },
            PeerEvent::AddressChanged { .. } => LinkFact::Moved,
            PeerEvent::SlowPeer { since } => LinkFact::Slow {
                since: step.moment(*since),
            },
            PeerEvent::SlowPeerCleared => LinkFact::NoLongerSlow,
            PeerEvent::Idle => LinkFact::Rested,
            PeerEvent::SenderStopped { reason } => LinkFact::Stopped { reason: *reason },
        })
    }

    /// Looks at what each lane waits for from here on, and at who answers.
    fn look(&mut self, machine: &PeerSenderMachine, at: u64, facts: &mut Vec<Fact>) {
        let mut snapshots = [None; LANES_MAX as usize];
        for (lane, snapshot) in (0..).map(Lane).zip(&mut snapshots) {
            *snapshot = machine.lane(lane);
        }
        for (books, snapshot) in self.lanes.iter_mut().zip(snapshots) {
            let Some(snapshot) = snapshot else { continue };
            // Messages that were handed over before the trace begins count as well.
            books.open = snapshot.queued + snapshot.in_flight;
            books.in_flight = snapshot.in_flight;
            books.wait = Wait::of(snapshot.holdup);
            let writes_above = snapshots.iter().flatten().any(|other| {
                other.priority > snapshot.priority && Wait::of(other.holdup) == Wait::Quic
            });
            if books.wait == Wait::Quic && writes_above {
                books.wait = Wait::HigherLanes;
            }
        }
        if self.receivers.look(machine) {
            let what = LinkFact::Restarted;
            facts.push(Fact::Link { at, what });
        }
    }

    /// What was written on the connection is to be written again, or asked about.
    fn lose(&mut self) {
        self.transfers.clear();
        for life in self.open.values_mut().filter(|life| life.written > 0) {
            if let Some(lane) = self.lanes.get(usize::from(life.lane.0)) {
                life.lose(&lane.clock);
            }
        }
    }

    /// The message is open no longer.
    fn close(&mut self, id: MessageId) -> Option<Life> {
        let life = self.open.remove(&id)?;
        if let Some(books) = self.lane_mut(life.lane) {
            books.open = books.open.saturating_sub(1);
        }
        Some(life)
    }

    fn lane(&self, lane: Lane) -> Option<&LaneTale> {
        self.lanes.get(usize::from(lane.0))
    }

    fn lane_mut(&mut self, lane: Lane) -> Option<&mut LaneTale> {
        self.lanes.get_mut(usize::from(lane.0))
    }
}

/// Whether it is the message of this very step that is not accepted: of one that is named twice in
/// a step, the first may well be.
fn is_rejected(step: &Step<'_>, id: MessageId) -> bool {
    let named = step.played.events.iter().filter(
        |event| matches!(event, TraceEvent::MessageQueued { id: named, .. } if *named == id),
    );
    let rejected = step
        .played
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Reject { id: named, .. } if *named == id));
    named.count() == rejected.count()
}

/// Whether a connection may be lost so because the other end was gone.
fn may_be_silence(error: &LinkError) -> bool {
    matches!(
        error,
        LinkError::IdleTimeout | LinkError::Reset | LinkError::Unreachable | LinkError::NoAnswer
    )
}
