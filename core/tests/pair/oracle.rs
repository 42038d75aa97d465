//! The judge of outcomes. It knows what was accepted, what the receiving application did with
//! each message, and what the wire has shown to the sender; each outcome that the sender announces
//! must follow from that, and nothing may be missing. Written from the contract, not from the
//! machines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use peer_sender_core::{
    Action, Epoch, Event, FailReason, Level, MessageId, Outcome, PeerEvent, RefuseCode,
    RejectReason, SessionHandle, SessionId, Stats, StopMode, Time, UnknownReason,
};

use crate::faults::Plan;
use crate::receiver_log::Log;
use crate::transport::Conn;
use crate::witness::Witness;

/// One accepted message, from all sides.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) payload: Bytes,
    pub(crate) outcome: Option<Outcome>,
    /// A byte of it was in a write.
    pub(crate) begun: bool,
    /// A RESUME has shown that it was not received, and it was not written since.
    pub(crate) proven: bool,
    /// A receiver that has forgotten may have taken it.
    pub(crate) unproven: bool,
    /// A receiver that was heard of has forgotten what it did with it.
    pub(crate) forgotten: bool,
    /// The connection on which it was first written ahead of RESUME, which does not judge it.
    pub(crate) pipelined_on: Option<Conn>,
    /// On how many connections it was written.
    pub(crate) written: u32,
    /// How often the application was handed it, and what it answered.
    pub(crate) handed: u32,
    pub(crate) accepted: u32,
    pub(crate) refusals: Vec<RefuseCode>,
}

#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) receiver_message_bytes_max: usize,
    config: crate::faults::Limits,
    pub(crate) messages: BTreeMap<MessageId, Message>,
    pub(crate) live: BTreeSet<MessageId>,
    live_bytes: u64,
    begun: u64,
    begun_bytes: u64,
    /// Accepted and without a number yet, in order.
    pub(crate) waiting: VecDeque<MessageId>,
    pub(crate) numbers: BTreeMap<(SessionId, u64), MessageId>,
    pub(crate) session: Option<SessionId>,
    pub(crate) next_number: u64,
    /// Whether the session's first OPEN was written.
    pub(crate) opened: bool,
    /// The receiver said, in answer to a fresh OPEN, that it knows the session.
    pub(crate) session_refused: bool,
    /// Sessions that the sender has had.
    pub(crate) sessions_seen: u32,
    pub(crate) record: Option<(Epoch, u64)>,
    /// A RESUME of this step has judged a message that it says was not received.
    pub(crate) judged: bool,
    /// Whose each record of each life is: no two sessions may ever share one.
    pub(crate) records: BTreeMap<(u32, u64), SessionHandle>,
    pub(crate) witnesses: BTreeMap<Conn, Witness>,
    pub(crate) logs: BTreeMap<(u32, SessionHandle), Log>,
    /// Messages in the order in which the application first saw each.
    pub(crate) seen: Vec<MessageId>,
    pub(crate) epochs: BTreeMap<u32, Epoch>,
    pub(crate) forgotten: BTreeSet<(u32, SessionHandle)>,
    pub(crate) current_log: BTreeMap<u32, SessionHandle>,
    /// This step's messages, and whether a stop came before each.
    offered: Vec<(MessageId, (Bytes, bool))>,
    /// What this step must, and what it may, settle.
    pub(crate) due: BTreeMap<MessageId, Outcome>,
    pub(crate) allowed: BTreeMap<MessageId, Outcome>,
    pub(crate) stop_at: Option<Time>,
    pub(crate) closed: bool,
    counts: [u64; 4],
    rejected: u64,
}

impl Oracle {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            receiver_message_bytes_max: plan.receiver_message_bytes_max,
            config: plan.limits,
            messages: BTreeMap::new(),
            live: BTreeSet::new(),
            live_bytes: 0,
            begun: 0,
            begun_bytes: 0,
            waiting: VecDeque::new(),
            numbers: BTreeMap::new(),
            session: None,
            next_number: 0,
            opened: false,
            session_refused: false,
            sessions_seen: 0,
            record: None,
            judged: false,
            records: BTreeMap::new(),
            witnesses: BTreeMap::new(),
            logs: BTreeMap::new(),
            seen: Vec::new(),
            epochs: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            current_log: BTreeMap::new(),
            offered: Vec::new(),
            due: BTreeMap::new(),
            allowed: BTreeMap::new(),
            stop_at: None,
            closed: false,
            counts: [0; 4],
            rejected: 0,
        }
    }

    /// What the sender is about to be told that is no connection's.
    pub(crate) fn told(&mut self, now: Time, event: &Event) {
        if let Event::MessageQueued { id, payload, .. } = event {
            self.offered
                .push((*id, (payload.clone(), self.stop_at.is_some())));
        }
        if let Event::Stop { mode } = event {
            let at = match mode {
                StopMode::Drain(within) => now + *within,
                StopMode::Abort => now,
            };
            self.stop_at = Some(self.stop_at.map_or(at, |earlier| earlier.min(at)));
        }
    }

    /// Judges one step's answer; what it wrote is judged by the witnesses afterwards.
    pub(crate) fn answered(&mut self, now: Time, actions: &[Action], alone: Option<bool>) {
        self.judge_admission(actions, alone);
        for action in actions {
            assert!(
                !self.closed || matches!(action, Action::Reject { .. }),
                "I27 {action:?} after SenderStopped"
            );
            match action {
                Action::Settle { id, outcome } => self.settled(now, *id, outcome),
                Action::Emit(PeerEvent::SenderStopped { .. }) => {
                    assert!(
                        self.live.is_empty(),
                        "I28 stopped with {:?} open",
                        self.live
                    );
                    assert!(self.stop_at.is_some(), "I28 stopped without being asked to");
                    self.closed = true;
                }
                _ => {}
            }
        }
        assert!(
            self.due.is_empty(),
            "I1 the wire has shown {:?}, and it is not told",
            self.due
        );
        // What a REFUSE has told must be settled when its RECEIPT comes at the latest.
        if self.stop_at.is_some_and(|at| at <= now) {
            assert!(self.closed, "I28 the stop's deadline has passed");
        }
    }

    fn judge_admission(&mut self, actions: &[Action], alone_fits: Option<bool>) {
        let mut offered: BTreeMap<_, _> = std::mem::take(&mut self.offered).into_iter().collect();
        let offers = offered.len();
        for action in actions {
            let Action::Reject {
                id,
                reason,
                payload,
            } = action
            else {
                continue;
            };
            let (handed_back, stopped) = offered.remove(id).expect("I8 nobody offered it");
            assert_eq!(handed_back, payload, "I8 another message came back");
            self.rejected += 1;
            let bytes = payload.len();
            let max = self.config.message_bytes_max;
            let fits = bytes <= max;
            match reason {
                RejectReason::Stopped => assert!(stopped, "I8 nobody stopped it"),
                RejectReason::TooLarge { .. } => assert!(!fits, "I8 {bytes} is within {max}"),
                RejectReason::QueueFull => {
                    assert!(fits && alone_fits != Some(true), "I8 there was room");
                }
                other => panic!("I8 rejected because of {other}"),
            }
        }
        if offers == 1 && offered.len() == 1 {
            assert_ne!(alone_fits, Some(false), "I8 accepted beyond its limits");
        }
        for (id, (payload, stopped)) in offered {
            assert!(!stopped, "I28 {id} was accepted after a stop");
            self.live_bytes += payload.len() as u64;
            self.live.insert(id);
            self.waiting.push_back(id);
            let message = Message {
                payload,
                outcome: None,
                begun: false,
                proven: false,
                unproven: false,
                forgotten: false,
                pipelined_on: None,
                written: 0,
                handed: 0,
                accepted: 0,
                refusals: Vec::new(),
            };
            assert!(
                self.messages.insert(id, message).is_none(),
                "I1 {id} accepted twice"
            );
        }
    }

    fn settled(&mut self, now: Time, id: MessageId, outcome: &Outcome) {
        assert!(
            self.live.remove(&id),
            "I1 {id} is settled as {outcome:?}, and is not open"
        );
        let shown = self.due.remove(&id).or_else(|| self.allowed.remove(&id));
        let stopped = self.stop_at.is_some_and(|at| at <= now);
        let limit = self.receiver_message_bytes_max;
        let message = self
            .messages
            .get_mut(&id)
            .expect("every open message is known");
        let too_large = message.payload.len() > limit;
        match (shown, outcome) {
            (Some(shown), _) => assert_eq!(&shown, outcome, "I1 the wire has shown of {id}"),
            // Settled unwritten: as refused, unless a receiver that has forgotten may have taken it.
            (None, Outcome::Refused(RefuseCode::TooLarge)) if too_large && !message.forgotten => {}
            (None, Outcome::Unknown(UnknownReason::Forgotten))
                if too_large && message.forgotten => {}
            (None, Outcome::Failed(FailReason::Stopped)) => {
                assert!(stopped, "I4 {id} failed and nobody stopped");
                assert!(!message.begun || message.proven, "I4 {id} may have arrived");
            }
            (None, Outcome::Unknown(UnknownReason::Stopped)) => {
                assert!(stopped, "I4 {id} unknown and nobody stopped");
                assert!(
                    message.begun && !message.proven,
                    "I4 {id} has surely not arrived"
                );
            }
            (None, _) => panic!("I1 nothing shows that {id} is {outcome:?}"),
        }
        match outcome {
            Outcome::Delivered(Level::Application) => {
                assert!(
                    message.accepted > 0,
                    "I3 the application never accepted {id}"
                );
            }
            Outcome::Refused(RefuseCode::TooLarge) => {
                assert!(too_large, "I3 {id} is within the receiver's limit");
            }
            Outcome::Refused(code) => {
                assert!(
                    message.refusals.contains(code),
                    "I3 nobody refused {id} with {code:?}"
                );
            }
            Outcome::Cancelled | Outcome::Failed(_) => {
                assert_eq!(
                    message.handed, 0,
                    "I4 {id} failed, and the application has seen it"
                );
            }
            Outcome::Unknown(_) => {}
        }
        let kind = match outcome {
            Outcome::Delivered(_) => 0,
            Outcome::Refused(_) => 1,
            Outcome::Cancelled | Outcome::Failed(_) => 2,
            Outcome::Unknown(_) => 3,
        };
        self.counts[kind] += 1;
        message.outcome = Some(outcome.clone());
        let bytes = message.payload.len() as u64;
        self.live_bytes -= bytes;
        if message.begun {
            self.begun -= 1;
            self.begun_bytes -= bytes;
        }
        self.waiting.retain(|waiting| *waiting != id);
    }

    /// The first byte of the message is in a write.
    pub(crate) fn begins(&mut self, id: MessageId, conn: Conn, pipelined: bool) {
        let message = self.messages.get_mut(&id).expect("it is numbered");
        message.proven = false;
        message.written += 1;
        if pipelined {
            message.pipelined_on = Some(conn);
        }
        if !message.begun {
            message.begun = true;
            self.begun += 1;
            self.begun_bytes += message.payload.len() as u64;
        }
    }

    /// I2: the sender's books against the oracle's, and the flight's and queue's limits.
    pub(crate) fn check_books(&self, stats: &Stats) {
        let ours = self.counts;
        let theirs = [stats.delivered, stats.refused, stats.failed, stats.unknown];
        assert_eq!(theirs, ours, "I2 outcomes are counted otherwise");
        assert_eq!(stats.accepted, self.messages.len() as u64, "I2 accepted");
        assert_eq!(stats.rejected, self.rejected, "I2 rejected");
        let live = self.live.len() as u64;
        assert_eq!(stats.queued, live - self.begun, "I2 queued");
        assert_eq!(stats.in_flight, self.begun, "I2 in flight");
        assert_eq!(
            stats.queued_bytes,
            self.live_bytes - self.begun_bytes,
            "I2 bytes queued"
        );
        assert_eq!(
            stats.in_flight_bytes, self.begun_bytes,
            "I2 bytes in flight"
        );
        let config = &self.config;
        assert!(
            stats.queued <= config.queue_messages_max as u64,
            "I21 messages queued"
        );
        assert!(
            stats.queued_bytes <= config.queue_bytes_max as u64,
            "I21 bytes queued"
        );
        assert!(
            self.begun <= config.flight_messages_max as u64,
            "I21 messages in flight"
        );
        assert!(
            self.begun <= 1 || self.begun_bytes <= config.flight_bytes_max as u64,
            "I21 bytes in flight"
        );
    }

    /// Messages that a RESUME had proven lost when the stop came.
    pub(crate) fn failed_as_proven(&self) -> u64 {
        let proven = self
            .messages
            .values()
            .filter(|message| message.begun && matches!(message.outcome, Some(Outcome::Failed(_))));
        proven.count() as u64
    }

    pub(crate) fn is_live(&self, id: MessageId) -> bool {
        self.live.contains(&id)
    }

    /// Everything open will be judged by the number alone, in a session of which no receiver
    /// knows: what had begun is unproven there.
    pub(crate) fn start_over(&mut self, session: SessionId) {
        assert!(
            self.session_refused,
            "S the session changed, and nobody refused it"
        );
        self.session_refused = false;
        self.session = Some(session);
        self.sessions_seen += 1;
        self.next_number = 0;
        self.opened = false;
        self.record = None;
        self.waiting = self.live.iter().copied().collect();
        for id in &self.live {
            let message = self
                .messages
                .get_mut(id)
                .expect("every open message is known");
            message.unproven = message.begun;
            message.proven = false;
            message.pipelined_on = None;
        }
    }

    /// Outcomes in the order of acceptance.
    pub(crate) fn outcomes(&self) -> Vec<(MessageId, Option<Outcome>)> {
        self.messages
            .iter()
            .map(|(id, message)| (*id, message.outcome.clone()))
            .collect()
    }
}
