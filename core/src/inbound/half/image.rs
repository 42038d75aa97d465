//! A receiving half in an image. What the budget has in use is told from what is held and coming.

use alloc::collections::{BTreeMap, BTreeSet};

use super::{Connection, Inbound, OtherHalf, Stage, budget_of};
use crate::config::ReceiveLimits;
use crate::inbound::budget::sum_of;
use crate::inbound::{FramedInbound, LANE, PlainInbound, Reading};
use crate::stats::Aside;
use crate::trace::image::{ImageError, Reader, Writer, is_count};
use crate::{Lane, Protocol, StreamId};

const FIXED: u64 = 0;
const LATEST: u64 = 1;
const PLAIN: u64 = 2;
const FRAMED: u64 = 3;

impl Inbound {
    /// Its limits are those of the configuration.
    pub(crate) fn save(&self, out: &mut Writer<'_>) {
        let Self {
            limits: _,
            epoch,
            first_record,
            other,
            budget,
            lanes,
            connections,
            // Empty between steps.
            touched: _,
            refusal_added: _,
            malformed: _,
            tally: Aside(tally),
        } = self;
        let (allowance, starved) = (budget.allowance(), budget.starved());
        out.value(&(epoch, first_record, allowance, starved, tally));
        match other {
            OtherHalf::Fixed(session) => {
                out.number(FIXED);
                out.value(session);
            }
            OtherHalf::Latest(session) => {
                out.number(LATEST);
                out.value(session);
            }
            OtherHalf::Plain(plain) => {
                out.number(PLAIN);
                plain.save(out);
            }
            OtherHalf::Framed(framed) => {
                out.number(FRAMED);
                framed.save(out);
            }
        }
        out.value(lanes);
        let protocol = self.protocol();
        out.each(connections.iter(), |out, (attempt, connection)| {
            out.value(attempt);
            connection.save(protocol, out);
        });
    }

    pub(crate) fn restore(
        image: &mut Reader<'_>,
        limits: &ReceiveLimits,
    ) -> Result<Self, ImageError> {
        let (epoch, first_record, allowance, starved, tally) = image.value()?;
        let other = match image.number()? {
            FIXED => OtherHalf::Fixed(image.value()?),
            LATEST => OtherHalf::Latest(image.value()?),
            PLAIN => OtherHalf::Plain(PlainInbound::restore(image)?),
            FRAMED => OtherHalf::Framed(FramedInbound::restore(image)?),
            _ => return Err(image.wrong("no other half")),
        };
        let lanes = image.value()?;
        let mut inbound = Self {
            limits: limits.clone(),
            epoch,
            first_record,
            budget: budget_of(limits, &other),
            other,
            lanes,
            connections: BTreeMap::new(),
            touched: BTreeSet::new(),
            refusal_added: false,
            malformed: BTreeSet::new(),
            tally: Aside(tally),
        };
        let protocol = inbound.protocol();
        inbound.connections = image.each(|image| {
            let attempt = image.value()?;
            Ok((attempt, Connection::restore(image, protocol)?))
        })?;
        if !inbound.tally.0.are_counts() || !is_count(first_record) {
            return Err(image.wrong("counters that cannot be"));
        }
        if inbound.count_again().is_none() {
            return Err(image.wrong("more is held than can be counted"));
        }
        inbound.budget.restore_allowance(allowance, starved);
        Ok(inbound)
    }

    /// Brings the budget up to what is held and coming; none if that cannot be.
    fn count_again(&mut self) -> Option<()> {
        let cost = match &mut self.other {
            OtherHalf::Fixed(_) | OtherHalf::Latest(_) => 0,
            OtherHalf::Plain(plain) => plain.count_again(&self.limits)?,
            OtherHalf::Framed(framed) => framed.count(&self.limits)?,
        };
        self.budget.occupy(LANE, cost)?;
        for (lane, known) in (0..).map(Lane).zip(&self.lanes) {
            self.budget
                .occupy(lane, sum_of(known.costs(), &self.limits)?)?;
        }
        Some(())
    }

    /// Whether it is what the other end of this protocol needs, of one session or of any.
    pub(crate) fn suits(&self, protocol: Protocol, of_one_session: bool) -> bool {
        match self.other {
            OtherHalf::Plain(_) => protocol == Protocol::Plain,
            OtherHalf::Framed(_) => protocol == Protocol::Framed,
            OtherHalf::Fixed(_) => protocol == Protocol::Lanes && of_one_session,
            OtherHalf::Latest(_) => protocol == Protocol::Lanes && !of_one_session,
        }
    }
}

impl Connection {
    fn save(&self, protocol: Protocol, out: &mut Writer<'_>) {
        let Self {
            streams,
            session,
            opened,
            // One that is lost is forgotten in the same step.
            stage,
        } = self;
        // Without lanes none is opened, and with them none is left: one byte says both.
        let left = u8::from(*stage == Stage::Left);
        out.value(&(session, opened | left));
        out.each(streams.iter(), |out, (stream, reading)| {
            out.value(stream);
            reading.save(protocol, out);
        });
    }

    fn restore(image: &mut Reader<'_>, protocol: Protocol) -> Result<Self, ImageError> {
        let (session, opened): (_, u8) = image.value()?;
        let (opened, stage) = match (protocol.has_lanes(), opened) {
            (true, _) | (false, 0) => (opened, Stage::Open),
            (false, 1) => (0, Stage::Left),
            (false, _) => return Err(image.wrong("lanes where there are none")),
        };
        let streams = image.each(|image| {
            let stream: StreamId = image.value()?;
            Ok((stream, Reading::restore(image, protocol)?))
        })?;
        Ok(Self {
            streams,
            session,
            opened,
            stage,
        })
    }
}
