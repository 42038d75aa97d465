//! The connection that carries the lanes, and its streams as the protocol has them.

use alloc::vec::Vec;

use super::plain::PlainStreams;
use super::{LaneStream, OutboundLane};
use crate::{Attempt, Lane, Protocol, Side, StreamId};

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
}

impl Carrier {
    pub(super) fn new(attempt: Attempt, protocol: Protocol) -> Self {
        let way = match protocol {
            Protocol::Lanes => Way::Lanes(Vec::new()),
            Protocol::Plain => Way::Plain(PlainStreams::default()),
        };
        Self { attempt, way }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self.way {
            Way::Lanes(_) => Protocol::Lanes,
            Way::Plain(_) => Protocol::Plain,
        }
    }

    /// The lanes' streams; none under another protocol.
    pub(super) fn lanes(&self) -> &[LaneStream] {
        match &self.way {
            Way::Lanes(streams) => streams,
            Way::Plain(_) => &[],
        }
    }

    pub(super) fn lanes_mut(&mut self) -> &mut [LaneStream] {
        match &mut self.way {
            Way::Lanes(streams) => streams,
            Way::Plain(_) => &mut [],
        }
    }

    /// The streams of messages under the plain protocol.
    pub(super) fn plain(&self) -> Option<&PlainStreams> {
        match &self.way {
            Way::Plain(streams) => Some(streams),
            Way::Lanes(_) => None,
        }
    }

    pub(super) fn plain_mut(&mut self) -> Option<&mut PlainStreams> {
        match &mut self.way {
            Way::Plain(streams) => Some(streams),
            Way::Lanes(_) => None,
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
