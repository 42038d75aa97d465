//! The sender's steps: what it is told, and what is done of what it asks for.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{
    Action, CloseCode, Deadline, Event, Lane, LinkError, MessageId, PeerEvent, Side, StopMode,
    StopReason, Time, Timer,
};

use crate::happening::{Happening, Notice};
use crate::log::{self, brief_action, brief_event};
use crate::oracle::{Ending, Verdict};
use crate::policies::draw_options;
use crate::rng::Rng;
use crate::stale::attempt_of;
use crate::transport::{Conn, End, Stand};
use crate::world::World;

impl World {
    /// The user hands over a burst of messages.
    pub(crate) fn offer(&mut self) {
        if self.healed || self.offered >= self.plan.messages {
            return;
        }
        for _ in 0..self.offer_rng.between(1, self.plan.burst_max) {
            let most = self.plan.payload_bytes_max;
            let large = self.offer_rng.chance(50);
            let bytes = if large {
                most
            } else {
                self.offer_rng.scale(most)
            };
            self.offer_one(bytes as usize);
        }
        let gap = self.offer_rng.wait(self.plan.offer_gap_max);
        self.schedule(gap, Happening::Offer);
    }

    /// Hands over one message in the sender's next step.
    pub(crate) fn offer_one(&mut self, bytes: usize) -> MessageId {
        self.next_id += 1 + self.offer_rng.below(3);
        self.offered += 1;
        let id = MessageId(self.next_id);
        let payload = payload(self.plan.seed, id, bytes);
        let lane = Lane(self.offer_rng.below(self.plan.lanes) as u8);
        let event = Event::MessageQueued {
            id,
            lane,
            payload,
            options: draw_options(
                &mut self.offer_rng,
                if self.healed { 0 } else { self.plan.expiries },
                self.sender_clock.latest,
                self.plan.delay_max * 3,
            ),
        };
        self.sender_inbox.push((None, Notice::Event(event)));
        if self.offer_rng.chance(self.plan.cancels) {
            let after = self.offer_rng.wait(self.plan.delay_max * 3);
            self.schedule(after, Happening::Cancel(id));
        }
        id
    }

    pub(crate) fn flush_sender(&mut self) {
        let mut batch = Vec::new();
        for (conn, notice) in std::mem::take(&mut self.sender_inbox) {
            for event in self.sender_events(conn, notice) {
                if !self.is_heard(conn, &event) {
                    continue;
                }
                batch.push(event);
                if self.rng.chance(self.plan.split_steps) {
                    self.step_sender(std::mem::take(&mut batch));
                }
            }
        }
        if !batch.is_empty() {
            self.step_sender(batch);
        }
    }

    fn sender_events(&mut self, conn: Option<Conn>, notice: Notice) -> Vec<Event> {
        let Some(conn) = conn else {
            return match notice {
                Notice::Event(event) => vec![event],
                Notice::Answers(receiver) => self.answers(receiver),
                Notice::Read { .. } | Notice::Opened { .. } | Notice::Lost { .. } => Vec::new(),
            };
        };
        let end = End::Dialler;
        let stand = *self.connection(conn).stand(end);
        match notice {
            Notice::Event(event) => vec![event],
            Notice::Read { .. } if self.connection(conn).unread => Vec::new(),
            Notice::Read { stream } => self.read(conn, end, stream, false),
            Notice::Opened { stream } => self.tell_opened(conn, end, stream),
            Notice::Answers(_) => Vec::new(),
            Notice::Lost { error } => {
                let named = self.connection(conn).dialler;
                match (stand, named) {
                    (Stand::Gone, _) | (_, None) => Vec::new(),
                    (Stand::Waiting, Some(attempt)) => {
                        vec![Event::ConnectFailed { attempt, error }]
                    }
                    (Stand::Up, Some(attempt)) => {
                        let mut events = self.read_rest(conn, end);
                        events.push(Event::ConnectionLost { attempt, error });
                        events
                    }
                }
            }
        }
    }

    /// Whether the node still passes the event on; a connection's stand follows what is passed.
    fn is_heard(&mut self, conn: Option<Conn>, event: &Event) -> bool {
        let Some(conn) = conn else { return true };
        let stand = self.connection(conn).stand(End::Dialler);
        match (event, *stand) {
            (_, Stand::Gone) => return false,
            (Event::Connected { .. }, Stand::Waiting) => *stand = Stand::Up,
            (Event::Connected { .. }, Stand::Up) => return false,
            (Event::ConnectFailed { .. } | Event::ConnectionLost { .. }, _) => {
                *stand = Stand::Gone;
                self.stop_at_loss();
            }
            (_, _) => {}
        }
        true
    }

    fn stop_at_loss(&mut self) {
        if !self.healed && self.rng.chance(self.plan.stop_at_loss) {
            let after = self.rng.wait(self.plan.limits.backoff.0 * 2);
            let mode = match self.rng.chance(500) {
                true => StopMode::Abort,
                false => StopMode::Drain(self.rng.wait(Duration::from_secs(5))),
            };
            self.schedule(after, Happening::Stop(mode));
        }
    }

    pub(crate) fn step_sender(&mut self, events: Vec<Event>) {
        let back = match !self.healed && self.rng.chance(self.plan.time_back) {
            true => self.rng.wait(Duration::from_secs(5)),
            false => Duration::ZERO,
        };
        let reading = self.sender_clock.read(self.now, back);
        let now = self.sender_clock.latest;
        let offers = events
            .iter()
            .filter(|e| matches!(e, Event::MessageQueued { .. }))
            .count();
        self.oracle.judged = false;
        self.announce(now, &events);
        let judged_at_the_end = self.oracle.judged && self.recovery.told.error.is_some();
        let mut actions = Vec::new();
        self.sender.handle(reading, events, &mut actions);
        self.sender_steps += 1;
        self.note(&actions);
        for action in &actions {
            log::line(self.now, || format!("S <- {}", brief_action(action)));
        }
        let most = self.plan.config.actions_per_step_max() + offers;
        assert!(
            actions.len() <= most,
            "I22 {} actions in one step",
            actions.len()
        );
        self.judge_sender(now, &actions);
        self.execute_for_sender(actions);
        self.check_sender(now);
        self.probe(reading);
        if judged_at_the_end && !self.healed && self.rng.chance(self.plan.stop_at_judgement) {
            self.schedule(Duration::ZERO, Happening::Stop(StopMode::Abort));
        }
        if let Some((step, mode)) = self.plan.stop_after_step
            && self.sender_steps == step
        {
            self.sender_inbox
                .push((None, Notice::Event(Event::Stop { mode })));
            self.flush_sender();
        }
    }

    /// What the step says of messages, and of the connection.
    fn judge_sender(&mut self, now: Time, actions: &[Action]) {
        let mut verdicts = Vec::new();
        let mut stopped = None;
        for action in actions {
            assert!(stopped.is_none(), "I27 {action:?} after SenderStopped");
            match action {
                Action::Settle { id, outcome } => {
                    verdicts.push(Verdict::Settled(*id, outcome.clone()));
                }
                Action::Reject {
                    id,
                    reason,
                    payload,
                    ..
                } => verdicts.push(Verdict::Rejected(*id, *reason, payload.clone())),
                Action::Emit(PeerEvent::SenderStopped { reason }) => stopped = Some(*reason),
                Action::Room { lane, capacity } => self.oracle.rooms.push((*lane, *capacity)),
                _ => {}
            }
        }
        if stopped == Some(StopReason::GaveUp) {
            self.oracle.ending = Some(Ending::GaveUp);
        }
        let parts = |action: &Action| {
            matches!(
                action,
                Action::Close { .. } | Action::Emit(PeerEvent::Disconnected { .. })
            )
        };
        if actions.iter().any(parts) || self.recovery.told.error.is_some() {
            let current = self.recovery.attempt();
            let conn = current.and_then(|attempt| self.dialled(attempt));
            if let Some(conn) = conn {
                self.oracle.connection_over(conn, now);
            }
        }
        let was_settled = self.oracle.is_settled();
        let abandoned = verdicts.iter().any(Verdict::is_abandonment);
        self.oracle.answered(now, verdicts, true);
        if !was_settled || !self.oracle.is_settled() {
            self.recovery.last_said = now;
        }
        if let Some(reason) = stopped {
            assert_eq!(
                reason,
                self.oracle.stops_as(abandoned),
                "I28 why it stopped"
            );
            let open = self.oracle.live();
            assert!(open.is_empty(), "I28 stopped with {open:?} open");
            let asked = self.oracle.stop_at.is_some() || self.oracle.ending.is_some();
            assert!(asked, "I28 stopped without being asked to");
            self.oracle.closed = true;
        } else if !self.oracle.closed {
            self.slow.judge(now, self.oracle.oldest(), actions);
        }
        self.oracle.check_moments(now);
        if self.oracle.stop_at.is_some_and(|at| at <= now) {
            assert!(self.oracle.closed, "I28 the stop's deadline has passed");
        }
        let settled = self.oracle.is_settled();
        let stopping = self.oracle.stop_at.is_some();
        let was_up = self.recovery.is_up();
        self.recovery.answered(now, actions, (settled, stopping));
        if was_up && self.recovery.is_resting() {
            let (held, _) = self.application.held_bytes(self.reply_receiver());
            assert!(settled, "I11 idle with {:?} open", self.oracle.live());
            assert_eq!(held, 0, "I11 idle, and replies are not answered");
        }
    }

    /// Tells the oracles what the sender is about to be told.
    fn announce(&mut self, now: Time, events: &[Event]) {
        let current = self.recovery.attempt();
        let mut going_away = false;
        for event in events {
            log::line(self.now, || format!("S -> {}", brief_event(event)));
            match event {
                Event::MessageQueued { .. } | Event::Cancel { .. } => self.oracle.wishes(event),
                Event::Stop { mode } => self.oracle.stops(now, *mode),
                Event::TransferFinished { transfer } => {
                    self.oracle.classes.write_finished(*transfer);
                }
                Event::AddressesChanged { addresses } => {
                    self.recovery.told.moved = Some(addresses.clone());
                }
                Event::Wake { reason } => self.recovery.wakes(*reason),
                Event::Consumed { .. } | Event::Refused { .. } => {
                    self.recovery.told.consumed = true;
                }
                _ => {}
            }
            let ours = attempt_of(event).filter(|named| Some(*named) == current);
            // Behind the event that ends a connection nothing of it counts.
            let Some(attempt) = ours.filter(|_| self.recovery.told.error.is_none()) else {
                continue;
            };
            let conn = self.dialled(attempt).expect("it was dialled");
            self.recovery.told.error = match event {
                Event::BytesReceived { stream, .. } if stream.opener == Side::Remote => {
                    self.recovery.last_said = now;
                    None
                }
                Event::BytesReceived {
                    stream, bytes, fin, ..
                } => {
                    let name = (conn, stream.index);
                    self.oracle.sender_reads(name, bytes);
                    self.recovery.last_said = now;
                    if *fin {
                        self.oracle.stream_over(name, now);
                    }
                    let witness = self.oracle.witnesses.get(&name);
                    going_away |= *fin && !witness.is_some_and(|witness| witness.is_finished());
                    if witness.is_some_and(|witness| witness.is_resumed()) {
                        self.recovery.resumed(stream.index);
                    }
                    None
                }
                Event::ConnectFailed { error, .. } | Event::ConnectionLost { error, .. } => {
                    Some(error.clone())
                }
                Event::StreamReset { stream, code, .. }
                | Event::StreamStopped { stream, code, .. }
                    if stream.opener == Side::Local =>
                {
                    self.oracle.stream_over((conn, stream.index), now);
                    Some(LinkError::StreamCut { code: *code })
                }
                _ => None,
            };
            self.note_refused_session(conn);
        }
        // The way back has ended before ours: the other end stops.
        if going_away && self.recovery.told.error.is_none() {
            let (code, reason) = (CloseCode::GoingAway, String::new());
            self.recovery.told.error = Some(LinkError::Closed { code, reason });
        }
    }

    /// A close with code 1 in answer to a fresh OPEN lets the sender change its session.
    fn note_refused_session(&mut self, conn: Conn) {
        if let Some(LinkError::Closed {
            code: CloseCode::Protocol,
            ..
        }) = self.recovery.told.error
        {
            self.oracle.note_refused_session(conn);
        }
    }

    /// Does what the dialling end asks for. What its application is handed comes first, since
    /// what is written in the same step may speak of it.
    fn execute_for_sender(&mut self, actions: Vec<Action>) {
        let mut others = Vec::new();
        for action in actions {
            match action {
                Action::ForgetDelivered => self.forget_delivered(),
                Action::Deliver(message) => self.deliver_reply(message),
                other => others.push(other),
            }
        }
        for action in others {
            self.execute(End::Dialler, action);
        }
    }

    fn check_sender(&mut self, now: Time) {
        assert_eq!(self.sender.check(), Ok(()));
        self.oracle.check_books(&self.sender.stats());
        self.oracle.check_room(|lane| self.sender.capacity(lane));
        self.oracle.check_handed_back();
        let of_messages = self.oracle.next_moment();
        let of_oldest = self.slow.next_moment(self.oracle.oldest());
        let timer = Timer::Drain;
        let of_stop = self.oracle.stop_at.map(|at| Deadline { at, timer });
        let others = [of_stop, of_messages, of_oldest];
        self.recovery
            .check_deadline(now, others, self.sender.next_deadline());
        assert_eq!(self.sender.is_closed(), self.oracle.closed, "I27 closed");
        let live = self
            .recovery
            .attempt()
            .and_then(|attempt| self.dialled(attempt));
        let ends = self
            .connections
            .iter()
            .enumerate()
            .filter(|(_, connection)| {
                connection.dialler.is_some() && connection.dialler_end != Stand::Gone
            });
        let alive: Vec<_> = ends.map(|(place, _)| Conn(place)).collect();
        assert_eq!(alive, Vec::from_iter(live), "I9 the live connection");
    }
}

/// Bytes that no other message has, as far as their number allows.
pub(crate) fn payload(seed: u64, id: MessageId, bytes: usize) -> Bytes {
    let mut rng = Rng::new(seed ^ id.0.rotate_left(32));
    let mut payload = Vec::with_capacity(bytes + 8);
    while payload.len() < bytes {
        payload.extend(rng.next().to_le_bytes());
    }
    payload.truncate(bytes);
    Bytes::from(payload)
}
