//! What a step writes on the streams of the connection.

use alloc::vec::Vec;

use super::classes::{BusyLanes, note_write};
use super::half::Written;
use super::plain::Begun;
use super::{Flow, Outbound};
use crate::{Action, CloseCode, Lane, Priority, Protocol, Side, StreamId, TransferId};

impl Outbound {
    /// Writes what may be written on each stream whose last write QUIC has taken.
    pub(crate) fn write(
        &mut self,
        flow: Flow,
        transfers: &mut u64,
        actions: &mut Vec<Action>,
    ) -> Written {
        match self.protocol {
            Protocol::Lanes => self.write_lanes(flow, transfers, actions),
            Protocol::Plain => self.write_messages(flow, transfers, actions),
            Protocol::Framed => self.write_framed(flow, transfers, actions),
        }
    }

    fn write_lanes(
        &mut self,
        flow: Flow,
        transfers: &mut u64,
        actions: &mut Vec<Action>,
    ) -> Written {
        let mut written = Written::default();
        let (lowest, busy) = (self.lowest_class(), self.busy_lanes());
        let Some(carrier) = &mut self.carrier else {
            return written;
        };
        let attempt = carrier.attempt;
        for (index, stream) in (0..).zip(carrier.lanes_mut()) {
            let Some(lane) = self.lanes.get_mut(usize::from(stream.lane.0)) else {
                continue;
            };
            if stream.is_writing() || stream.is_over() {
                continue;
            }
            let Some(composed) = lane.compose(stream, &self.limits, flow) else {
                continue;
            };
            let policy = &self.limits.policy;
            let own = policy.priority(stream.lane);
            let highest = busy.highest(policy, lane.outpaced_by);
            let priority = lane.turn(own, lowest, highest);
            note_write(&mut self.lanes, policy, stream.lane);
            let transfer = TransferId(*transfers);
            *transfers += 1;
            stream.write_began(transfer, composed.fin);
            written.messages += composed.messages;
            written.repeated += composed.repeated;
            actions.push(Action::Write {
                transfer,
                attempt,
                stream: StreamId {
                    opener: Side::Local,
                    index,
                },
                chunks: composed.chunks,
                fin: composed.fin,
                priority,
            });
        }
        written
    }

    /// Writes messages as far as there may be streams, and resets the streams of those for whose
    /// answer nobody waits any more.
    fn write_messages(
        &mut self,
        flow: Flow,
        transfers: &mut u64,
        actions: &mut Vec<Action>,
    ) -> Written {
        let (Some(carrier), Some(lane)) = (&mut self.carrier, self.lanes.first_mut()) else {
            return Written::default();
        };
        let (attempt, opener) = (carrier.attempt, Side::Local);
        let Some(streams) = carrier.plain_mut() else {
            return Written::default();
        };
        let settled = streams.take_settled(lane);
        let resets = !settled.is_empty();
        actions.extend(settled.into_iter().map(|index| Action::ResetStream {
            attempt,
            stream: StreamId { opener, index },
            code: CloseCode::Done,
        }));
        let priority = self.limits.policy.priority(Lane(0));
        let limits = &self.limits;
        let (begun, written) = streams.write(lane, limits, flow, transfers);
        actions.extend(begun.into_iter().map(|message| {
            let Begun {
                index,
                payload,
                transfer,
            } = message;
            Action::Write {
                transfer,
                attempt,
                stream: StreamId { opener, index },
                chunks: Some(payload)
                    .filter(|it| !it.is_empty())
                    .into_iter()
                    .collect(),
                fin: true,
                priority,
            }
        }));
        Written { resets, ..written }
    }

    /// Writes messages on the one stream that there is.
    fn write_framed(
        &mut self,
        flow: Flow,
        transfers: &mut u64,
        actions: &mut Vec<Action>,
    ) -> Written {
        let (Some(carrier), Some(lane)) = (&mut self.carrier, self.lanes.first_mut()) else {
            return Written::default();
        };
        let attempt = carrier.attempt;
        let Some(stream) = carrier.framed_mut() else {
            return Written::default();
        };
        if stream.asks() {
            actions.push(Action::Probe { attempt });
        }
        let composed = stream.write(lane, &self.limits, flow, transfers);
        let Some((transfer, chunks, written)) = composed else {
            return Written::default();
        };
        actions.push(Action::Write {
            transfer,
            attempt,
            stream: StreamId {
                opener: Side::Local,
                index: 0,
            },
            chunks,
            fin: false,
            priority: self.limits.policy.priority(Lane(0)),
        });
        written
    }

    /// The lowest class of a lane that has something to send. One that only awaits its answers counts
    /// as well: QUIC may not have sent all that it holds.
    fn lowest_class(&self) -> Priority {
        let lanes = (0..).map(Lane).zip(&self.lanes);
        let busy = lanes.filter(|(_, lane)| !lane.is_settled());
        let classes = busy.map(|(number, _)| self.limits.policy.priority(number));
        classes.min().unwrap_or(Priority::High)
    }

    fn busy_lanes(&self) -> BusyLanes {
        let writing = self.streams().filter(|stream| stream.is_writing());
        let queues = (0..).map(Lane).zip(&self.lanes);
        let queueing = queues.filter(|(_, lane)| lane.queued().0 > 0);
        BusyLanes::of(
            writing.map(|stream| stream.lane),
            queueing.map(|(number, _)| number),
        )
    }
}
