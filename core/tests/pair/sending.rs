//! The sender's steps: what it is told, and what is done of what it asks for.

use std::time::Duration;

use bytes::Bytes;
use peer_sender_core::{Action, CloseCode, Event, Lane, LinkError, MessageId, StopMode, Time};

use crate::log::{self, brief_action, brief_event};
use crate::rng::Rng;
use crate::stale::attempt_of;
use crate::transport::{Conn, End, Stand};
use crate::world::{Happening, Notice, World};

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
        let event = Event::MessageQueued {
            id,
            lane: Lane(0),
            payload,
        };
        self.sender_inbox.push((None, Notice::Event(event)));
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
                Notice::Read { .. } | Notice::Opened { .. } | Notice::Lost { .. } => Vec::new(),
            };
        };
        let end = End::Dialler;
        let stand = *self.connection(conn).stand(end);
        match notice {
            Notice::Event(event) => vec![event],
            Notice::Read { .. } if self.connection(conn).unread => Vec::new(),
            Notice::Read { stream } => self.read(conn, end, stream, false),
            Notice::Opened { .. } => Vec::new(),
            Notice::Lost { error } => {
                let named = self.connection(conn).dialler;
                match (stand, named) {
                    (Stand::Gone, _) | (_, None) => Vec::new(),
                    (Stand::Waiting, Some(attempt)) => {
                        vec![Event::ConnectFailed { attempt, error }]
                    }
                    (Stand::Up, Some(attempt)) => {
                        let all = self.plan.reads_paused_at_loss;
                        let mut events = self.read(conn, end, 0, all);
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
        let alone = self.fits_alone(&events);
        let offers = events
            .iter()
            .filter(|e| matches!(e, Event::MessageQueued { .. }))
            .count();
        self.oracle.judged = false;
        self.announce(now, &events);
        let judged_at_the_end = self.oracle.judged && self.recovery.error.is_some();
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
        self.oracle.answered(now, &actions, alone);
        self.recovery.answered(now, &actions);
        for action in actions {
            self.execute_for_sender(action);
        }
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

    /// Tells the oracles what the sender is about to be told.
    fn announce(&mut self, now: Time, events: &[Event]) {
        let current = self.recovery.attempt();
        let mut going_away = false;
        for event in events {
            log::line(self.now, || format!("S -> {}", brief_event(event)));
            self.oracle.told(now, event);
            let ours = attempt_of(event).filter(|named| Some(*named) == current);
            // Behind the event that ends a connection nothing of it counts.
            let Some(attempt) = ours.filter(|_| self.recovery.error.is_none()) else {
                continue;
            };
            let conn = self.dialled(attempt).expect("it was dialled");
            self.recovery.error = match event {
                Event::BytesReceived { bytes, fin, .. } => {
                    self.oracle.sender_reads(conn, bytes);
                    let witness = self.oracle.witnesses.get(&conn);
                    going_away |= *fin && !witness.is_some_and(|witness| witness.is_finished());
                    if witness.is_some_and(|witness| witness.is_resumed()) {
                        self.recovery.resumed();
                    }
                    None
                }
                Event::ConnectFailed { error, .. } | Event::ConnectionLost { error, .. } => {
                    Some(error.clone())
                }
                Event::StreamReset { code, .. } | Event::StreamStopped { code, .. } => {
                    Some(LinkError::StreamCut { code: *code })
                }
                _ => None,
            };
            self.note_refused_session(conn);
        }
        // The way back has ended before ours: the other end stops.
        if going_away && self.recovery.error.is_none() {
            let (code, reason) = (CloseCode::GoingAway, String::new());
            self.recovery.error = Some(LinkError::Closed { code, reason });
        }
    }

    /// A close with code 1 in answer to a fresh OPEN lets the sender change its session.
    fn note_refused_session(&mut self, conn: Conn) {
        if let Some(LinkError::Closed {
            code: CloseCode::Protocol,
            ..
        }) = self.recovery.error
        {
            let witness = self.oracle.witnesses.get(&conn);
            let refused = witness.is_some_and(|witness| witness.awaits_first_resume());
            self.oracle.session_refused |= refused;
        }
    }

    /// Whether the one message that this step brings, and nothing else, must be accepted.
    fn fits_alone(&self, events: &[Event]) -> Option<bool> {
        let [Event::MessageQueued { payload, .. }] = events else {
            return None;
        };
        let room = self.sender.capacity(Lane(0));
        let small = payload.len() <= self.plan.limits.message_bytes_max;
        Some(small && room.messages > 0 && room.bytes >= payload.len())
    }

    fn execute_for_sender(&mut self, action: Action) {
        let end = End::Dialler;
        match action {
            Action::Connect { attempt, address } => {
                assert_eq!(
                    address,
                    self.plan.config.addresses()[0],
                    "I12 another address"
                );
                self.dial(attempt);
            }
            Action::Write {
                transfer,
                attempt,
                stream,
                chunks,
                fin,
            } => {
                let conn = self.dialled(attempt).expect("A a Write on no connection");
                self.oracle.sender_wrote(conn, &chunks.concat(), fin);
                self.old_transfers.push(transfer);
                self.write((conn, end), stream, (transfer, chunks, fin));
            }
            Action::PauseReading { attempt, stream } => {
                let conn = self.dialled(attempt).expect("A pauses no connection");
                self.pause(conn, end, stream, true);
            }
            Action::ResumeReading { attempt, stream } => {
                let conn = self.dialled(attempt).expect("A resumes no connection");
                self.pause(conn, end, stream, false);
            }
            Action::ResetStream {
                attempt,
                stream,
                code,
            } => {
                let conn = self.dialled(attempt).expect("A resets no connection");
                self.sever(conn, end, stream, code);
            }
            Action::StopSending {
                attempt,
                stream,
                code,
            } => {
                let conn = self.dialled(attempt).expect("A stops no connection");
                self.refuse_rest(conn, end, stream, code);
            }
            Action::Close {
                attempt,
                code,
                reason,
            } => {
                let conn = self.dialled(attempt).expect("A closes no connection");
                self.close(conn, end, code, reason);
            }
            Action::ForgetDelivered => panic!("I5 the sender forgets what it never delivered"),
            Action::Deliver(message) => panic!("I5 the sender delivers {}", message.number),
            Action::ScheduleBackoff { .. }
            | Action::Room { .. }
            | Action::Emit(_)
            | Action::Settle { .. }
            | Action::Reject { .. } => {}
        }
    }

    fn check_sender(&mut self, now: Time) {
        assert_eq!(self.sender.check(), Ok(()));
        self.oracle.check_books(&self.sender.stats());
        let stop_at = self.oracle.stop_at;
        self.recovery
            .check_deadline(now, stop_at, self.sender.next_deadline());
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
fn payload(seed: u64, id: MessageId, bytes: usize) -> Bytes {
    let mut rng = Rng::new(seed ^ id.0.rotate_left(32));
    let mut payload = Vec::with_capacity(bytes + 8);
    while payload.len() < bytes {
        payload.extend(rng.next().to_le_bytes());
    }
    payload.truncate(bytes);
    Bytes::from(payload)
}
