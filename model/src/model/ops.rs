//! What each operation means as things stand, and what it does at the receiver.

use std::time::Duration;

use peer_sender_core::wire::{Frame, Open, Resume, encode_message_head};
use peer_sender_core::{CloseCode, Epoch, SessionId, StopMode, Time};

use super::receiver::{Back, Wire};
use super::{Fact, Message, Model};
use crate::op::{IdStep, Lie, Op, Stale, Trouble, Wait, Which};

impl Model {
    /// Lets one thing happen. What the machine must make of it is in `step` afterwards; none if the
    /// machine is told nothing.
    pub fn apply(&mut self, op: &Op) {
        self.step = None;
        match op {
            &Op::Queue {
                lane,
                bytes,
                refused,
                id,
                ttl,
            } => {
                let last = self.last_id;
                let id = match id {
                    IdStep::Above(more) => last.map_or(more, |last| last + 1 + more),
                    IdStep::Below(less) => last.unwrap_or(0).saturating_sub(less),
                };
                let accepted_at = self.now.max(self.clock);
                self.step(Fact::Queue(Message {
                    id,
                    lane,
                    bytes,
                    refused,
                    accepted_at,
                    expires_at: ttl.map(|ttl| accepted_at + ttl),
                }));
            }
            &Op::Cancel(which) => {
                let id = self.which(which);
                self.step(Fact::Cancel { id });
            }
            Op::Confirm => self.step(Fact::Connected),
            &Op::Lose(trouble) => {
                let closes = self.wires.values().find_map(|wire| wire.closes);
                let trouble = closes.map_or(trouble, Trouble::Closed);
                self.step(Fact::Lost(trouble));
            }
            &Op::Taken { lane } => self.step(Fact::Taken { lane }),
            &Op::Arrive { lane, frames } => {
                if let Some(wire) = self.wires.get_mut(&lane) {
                    (0..frames).for_each(|_| self.receiver.arrive(wire));
                }
            }
            &Op::ArriveLate { lane, frames } => {
                if let Some(wire) = self.ghosts.get_mut(&lane) {
                    (0..frames).for_each(|_| self.receiver.arrive(wire));
                }
            }
            &Op::Accept { lane, count } => {
                if let Some(wire) = holder(&mut self.wires, &mut self.ghosts, lane) {
                    self.receiver.accept(wire, count);
                }
            }
            &Op::Refuse { lane, place } => {
                if let Some(wire) = holder(&mut self.wires, &mut self.ghosts, lane) {
                    self.receiver.refuse(wire, place);
                }
            }
            &Op::Answer { lane, frames, cut } => self.answer(lane, frames, cut),
            &Op::GoAway { lane } => {
                if let Some(wire) = self.wires.get_mut(&lane) {
                    wire.say(Back::Fin);
                }
            }
            &Op::Cut {
                lane,
                stopped,
                code,
            } => self.step(Fact::Cut {
                lane,
                stopped,
                code,
            }),
            &Op::Restart { bytes_max } => {
                self.receiver.restart(bytes_max);
                for wire in self.wires.values_mut().chain(self.ghosts.values_mut()) {
                    wire.closes.get_or_insert(CloseCode::Internal);
                }
            }
            Op::Forget => {
                if self.wires.is_empty() {
                    self.receiver.forget();
                    self.forgot = true;
                }
            }
            &Op::Lie { lane, lie } => self.lie(lane, lie),
            &Op::Wake(reason) => self.step(Fact::Wake(reason)),
            Op::Addresses(addresses) => self.step(Fact::Addresses(addresses.clone())),
            &Op::Pause(time) => self.clock = self.clock + time,
            &Op::Wait(wait) => self.wait(wait),
            &Op::Back(time) => {
                let back = self.clock.saturating_since(Time::ZERO).saturating_sub(time);
                self.clock = Time::ZERO + back;
            }
            &Op::Stale(stale) => self.step(Fact::Stale(stale)),
            &Op::Drain(within) => self.step(Fact::Stop(StopMode::Drain(within))),
            Op::Abort => self.step(Fact::Stop(StopMode::Abort)),
            Op::Remove => self.step(Fact::Stop(StopMode::Remove)),
        }
    }

    fn which(&self, which: Which) -> u64 {
        let (queued, begun) = self.live();
        let round = |ids: &[u64], at: usize| ids.get(at % ids.len().max(1)).copied();
        let id = match which {
            Which::Queued(at) => round(&queued, at),
            Which::Begun(at) => round(&begun, at),
            Which::Settled(at) => {
                let settled: Vec<u64> = self.outcomes.keys().copied().collect();
                round(&settled, at)
            }
            Which::Unknown => None,
        };
        id.unwrap_or(u64::MAX)
    }

    fn wait(&mut self, wait: Wait) {
        let due = self.deadline().unwrap_or(self.clock);
        let nanosecond = Duration::from_nanos(1);
        self.clock = match wait {
            Wait::Due | Wait::Twice => due.max(self.clock),
            Wait::Early => {
                let early = due.saturating_since(Time::ZERO).saturating_sub(nanosecond);
                (Time::ZERO + early).max(self.clock)
            }
            Wait::Late(more) => due.max(self.clock) + more,
            Wait::For(time) => self.clock + time,
        };
        self.step(Fact::Timer);
        if let (Wait::Twice, Some(step)) = (wait, &mut self.step) {
            step.twice = true;
        }
    }

    /// Frames of a lane's way back reach the sender.
    fn answer(&mut self, lane: u8, frames: usize, cut: bool) {
        let Some(wire) = self.wires.get_mut(&lane) else {
            return;
        };
        let (mut bytes, mut heard, mut fin) = (Vec::new(), Vec::new(), false);
        for at in 0..frames {
            let Some((back, rest)) = wire.back.front_mut() else {
                break;
            };
            let whole = matches!(back, Back::Wrong(_) | Back::Truncated(_) | Back::Fin);
            if cut && at + 1 == frames && !whole {
                let last = rest.len().saturating_sub(1);
                bytes.extend(rest.drain(..last));
                break;
            }
            bytes.append(rest);
            fin = matches!(back, Back::Truncated(_) | Back::Fin);
            heard.extend(wire.back.pop_front().map(|(back, _)| back));
            if fin {
                break;
            }
        }
        if !bytes.is_empty() || fin {
            self.heard = heard;
            self.step(Fact::Back { lane, bytes, fin });
        }
    }

    /// The receiver says something that is not so, and the sender hears it.
    fn lie(&mut self, lane: u8, lie: Lie) {
        let Some(stream) = self.stream(lane) else {
            return;
        };
        let (base, below, told) = (stream.base(), stream.sent_below(), stream.told());
        let judged = stream.judged_below();
        let resume = |record: u64, taken: u64, next: u64| {
            Back::Frame(Frame::Resume(Resume {
                epoch: Epoch([200; 16]),
                record,
                taken,
                next,
                message_bytes_max: self.receiver.bytes_max(),
            }))
        };
        let back = match lie {
            Lie::ReceiptAhead => Back::Frame(Frame::Receipt { taken: below + 1 }),
            Lie::ReceiptFalse => Back::Frame(Frame::Receipt { taken: below }),
            Lie::ReceiptBack => Back::Frame(Frame::Receipt {
                taken: told.saturating_sub(1),
            }),
            Lie::RefuseAhead => Back::Frame(Frame::Refuse {
                number: below,
                code: 2,
            }),
            Lie::RefuseCovered => Back::Frame(Frame::Refuse {
                number: told.saturating_sub(1),
                code: 2,
            }),
            Lie::RefuseFalse => Back::Frame(Frame::Refuse {
                number: told,
                code: 9,
            }),
            Lie::ResumeLow => resume(0, base, base),
            Lie::ResumeBelow => resume(0, 0, base.saturating_sub(1)),
            Lie::ResumeAhead => resume(0, base, judged.max(base) + 1),
            Lie::ResumeCrossed => resume(0, base + 1, base),
            Lie::ResumeOther => resume(below + 7, base, judged.max(base)),
            Lie::WrongWay => Back::Wrong(wrong_way(told)),
            Lie::UnknownFrame => Back::Wrong(vec![0x07, 1, 0]),
            Lie::LeftOver => Back::Wrong(vec![0x05, 2, 0, 0]),
            Lie::Truncated => Back::Truncated(vec![0x05, 1]),
            Lie::Extension => Back::Extension(vec![0x40, 3, 1, 2, 3]),
        };
        if lie != Lie::Extension {
            self.honest = false;
        }
        let Some(wire) = self.wires.get_mut(&lane) else {
            return;
        };
        // What was half heard before is heard whole first.
        let half = wire.back.front().is_some_and(|it| it.0.is_half(it.1.len()));
        let before = half.then(|| wire.back.pop_front()).flatten();
        let rest = std::mem::take(&mut wire.back);
        wire.back.extend(before);
        wire.say(back);
        let frames = wire.back.len();
        self.answer(lane, frames, false);
        if let Some(wire) = self.wires.get_mut(&lane) {
            wire.back.extend(rest);
        }
    }

    /// What a stale event is, where there is nothing for it to be stale of.
    pub(super) fn stale(&self, stale: Stale) -> Stale {
        let ended = self.attempts > u64::from(self.attempt().is_some());
        match stale {
            Stale::ConnectedOld if !ended => Stale::ConnectedFuture,
            Stale::LostOld | Stale::BytesOld | Stale::CutOld | Stale::StreamOpenedOld if !ended => {
                Stale::FailedFuture
            }
            Stale::ConnectedTwice if self.standing().is_none() => Stale::ConnectedFuture,
            other => other,
        }
    }
}

/// The stream over which the receiver would say what its application has decided.
fn holder<'a>(
    wires: &'a mut std::collections::BTreeMap<u8, Wire>,
    ghosts: &'a mut std::collections::BTreeMap<u8, Wire>,
    lane: u8,
) -> Option<&'a mut Wire> {
    match wires.get_mut(&lane) {
        Some(wire) if wire.is_open() => Some(wire),
        _ => ghosts.get_mut(&lane),
    }
}

/// A frame that only the opener writes.
fn wrong_way(which: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    match which % 3 {
        0 => Frame::Skip { count: 1 }.encode(&mut bytes),
        1 => encode_message_head(0, &mut bytes),
        _ => Frame::Open(Open {
            fresh: true,
            session: SessionId([0; 16]),
            lane: 0,
            base: 0,
        })
        .encode(&mut bytes),
    }
    bytes
}
