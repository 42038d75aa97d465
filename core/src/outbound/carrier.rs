//! The connection that carries the lanes, and its streams as the protocol has them.

use alloc::vec::Vec;

use super::framed::FramedStream;
use super::plain::PlainStreams;
use super::{LaneStream, OutboundLane};
use crate::{
    Attempt, Lane, MessageId, Protocol, Redelivery, Side, StreamId, Time, TransferId, Violation,
};

/// The connection that carries the lanes. Dropped with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Carrier {
    pub(super) attempt: Attempt,
    pub(super) way: Way,
}

/// How messages go on one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// In the order in which they were opened: a stream's place is its index.
    Lanes(Vec<LaneStream>),
    /// A stream for each.
    Plain(PlainStreams),
    /// One stream for all.
    Framed(FramedStream),
}

impl Carrier {
    pub(super) fn new(attempt: Attempt, protocol: Protocol, now: Time) -> Self {
        let way = match protocol {
            Protocol::Lanes => Way::Lanes(Vec::new()),
            Protocol::Plain => Way::Plain(PlainStreams::default()),
            Protocol::Framed => Way::Framed(FramedStream::new(now)),
        };
        Self { attempt, way }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self.way {
            Way::Lanes(_) => Protocol::Lanes,
            Way::Plain(_) => Protocol::Plain,
            Way::Framed(_) => Protocol::Framed,
        }
    }

    /// The lanes' streams; none under another protocol.
    pub(super) fn lanes(&self) -> &[LaneStream] {
        match &self.way {
            Way::Lanes(streams) => streams,
            Way::Plain(_) | Way::Framed(_) => &[],
        }
    }

    pub(super) fn lanes_mut(&mut self) -> &mut [LaneStream] {
        match &mut self.way {
            Way::Lanes(streams) => streams,
            Way::Plain(_) | Way::Framed(_) => &mut [],
        }
    }

    /// The streams of messages under the plain protocol.
    pub(super) fn plain(&self) -> Option<&PlainStreams> {
        match &self.way {
            Way::Plain(streams) => Some(streams),
            Way::Lanes(_) | Way::Framed(_) => None,
        }
    }

    /// The stream of all messages under the framed protocol.
    pub(super) fn framed(&self) -> Option<&FramedStream> {
        match &self.way {
            Way::Framed(stream) => Some(stream),
            Way::Lanes(_) | Way::Plain(_) => None,
        }
    }

    pub(super) fn framed_mut(&mut self) -> Option<&mut FramedStream> {
        match &mut self.way {
            Way::Framed(stream) => Some(stream),
            Way::Lanes(_) | Way::Plain(_) => None,
        }
    }

    /// QUIC holds all of a write; whether it was one of ours. With lanes, whose it was and where its
    /// stream stands.
    pub(super) fn written(&mut self, transfer: TransferId) -> Option<Option<(Lane, u64)>> {
        match &mut self.way {
            Way::Lanes(streams) => streams.iter_mut().find_map(|it| {
                it.write_finished(transfer)
                    .then_some(Some((it.lane, it.position)))
            }),
            Way::Plain(streams) => streams.written(transfer).then_some(None),
            Way::Framed(stream) => stream.written(transfer).then_some(None),
        }
    }

    /// The connection is lost, and all that happened on it was told before. `lane`: the one that
    /// there is where there are no lanes.
    pub(super) fn all_was_told(&self, lane: &mut OutboundLane) {
        match &self.way {
            // A RESUME will tell.
            Way::Lanes(_) => {}
            Way::Plain(streams) => streams.all_was_told(lane),
            Way::Framed(stream) => stream.all_was_told(lane),
        }
    }

    /// The connection is gone.
    pub(super) fn end(self, now: Time, lanes: &mut [OutboundLane], redelivery: Redelivery) {
        match (self.way, lanes.first_mut()) {
            (Way::Lanes(streams), _) => {
                for stream in streams.iter().filter(|it| it.is_heard()) {
                    if let Some(lane) = lanes.get_mut(usize::from(stream.lane.0)) {
                        lane.due.silent_since = now;
                    }
                }
            }
            (Way::Plain(streams), Some(lane)) => streams.end(lane, redelivery),
            (Way::Framed(stream), Some(lane)) => stream.end(lane, redelivery),
            (Way::Plain(_) | Way::Framed(_), None) => {}
        }
    }

    /// Whether an open message is on one of its streams, as far as that is known: with lanes it is not.
    pub(super) fn carries(&self, id: MessageId) -> bool {
        match &self.way {
            Way::Lanes(_) => false,
            Way::Plain(streams) => streams.carries(id),
            Way::Framed(stream) => stream.carries(id),
        }
    }

    /// Whether nothing is left to be said or heard on it.
    pub(super) fn is_complete(&self) -> bool {
        match &self.way {
            Way::Lanes(streams) => streams.iter().all(LaneStream::is_over),
            Way::Plain(streams) => streams.is_empty(),
            Way::Framed(stream) => stream.is_empty(),
        }
    }

    /// Whether QUIC has not taken the last write of a stream.
    pub(super) fn is_writing(&self) -> bool {
        match &self.way {
            Way::Lanes(streams) => streams.iter().any(LaneStream::is_writing),
            Way::Plain(streams) => streams.is_writing(),
            Way::Framed(stream) => stream.is_writing(),
        }
    }

    /// Names everything by its order and counts times from `now`. `ids`: those in use, in order.
    pub(super) fn rename(&mut self, now: Time, ids: &[MessageId]) {
        match &mut self.way {
            Way::Lanes(streams) => streams.iter_mut().for_each(|it| it.rename(now)),
            Way::Plain(streams) => streams.rename(ids),
            Way::Framed(stream) => stream.rename(now, ids),
        }
    }

    /// The name of the newest write of which something is still to come.
    pub(super) fn newest_transfer(&self) -> Option<TransferId> {
        match &self.way {
            Way::Lanes(streams) => streams.iter().filter_map(|it| it.transfer).max(),
            Way::Plain(streams) => streams.open.back().map(|it| it.transfer),
            Way::Framed(stream) => stream.batches.back().map(|it| it.transfer),
        }
    }

    /// Whether the books agree with the streams.
    pub(super) fn check(&self) -> Result<(), Violation> {
        match &self.way {
            // Each with its lane.
            Way::Lanes(_) => Ok(()),
            Way::Plain(streams) => streams.check(),
            Way::Framed(stream) => stream.check(),
        }
    }

    pub(super) fn plain_mut(&mut self) -> Option<&mut PlainStreams> {
        match &mut self.way {
            Way::Plain(streams) => Some(streams),
            Way::Lanes(_) | Way::Framed(_) => None,
        }
    }
}

/// Whether the lane's receiver has said on a connection that stands what it has.
pub(super) fn is_heard(carrier: &Option<Carrier>, lane: Lane) -> bool {
    let mut streams = carrier.iter().flat_map(Carrier::lanes);
    streams.any(|stream| stream.lane == lane && stream.is_heard())
}

/// The connection, if the stream is one of ours on it.
pub(super) fn ours(
    carrier: &mut Option<Carrier>,
    attempt: Attempt,
    stream: StreamId,
) -> Option<&mut Carrier> {
    let carrier = carrier.as_mut().filter(|it| it.attempt == attempt);
    carrier.filter(|_| stream.opener == Side::Local)
}

/// The lane's stream of ours by this name.
pub(super) fn stream_mut(
    carrier: &mut Option<Carrier>,
    attempt: Attempt,
    stream: StreamId,
) -> Option<&mut LaneStream> {
    let streams = ours(carrier, attempt, stream)?.lanes_mut();
    streams.get_mut(usize::try_from(stream.index).ok()?)
}

/// The streams of messages, if this is one of ours, and the one lane that there is.
pub(super) fn messages_mut<'a>(
    carrier: &'a mut Option<Carrier>,
    lanes: &'a mut [OutboundLane],
    attempt: Attempt,
    stream: StreamId,
) -> Option<(&'a mut PlainStreams, &'a mut OutboundLane)> {
    let streams = ours(carrier, attempt, stream)?.plain_mut()?;
    Some((streams, lanes.first_mut()?))
}
