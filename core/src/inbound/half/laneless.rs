//! What a receiving half takes from the streams of protocols without lanes.

use alloc::vec::Vec;

use super::reads::{deliver, pause_while};
use super::{Connection, Inbound, OtherHalf, Stage};
use crate::inbound::{Closing, LANE, Place, Taken};
use crate::{Action, Attempt, CloseCode, ProtocolError, Time};

impl Inbound {
    /// Takes the message of each stream that has come whole, the oldest first.
    pub(super) fn take_messages(
        &mut self,
        now: Time,
        attempt: Attempt,
        connection: &mut Connection,
        actions: &mut Vec<Action>,
    ) {
        let Self { other, budget, .. } = self;
        let OtherHalf::Plain(plain) = other else {
            return;
        };
        let tally = &mut self.tally.0;
        let stage = connection.stage;
        let stands = stage == Stage::Open;
        let message_bytes_max = self.limits.message_bytes_max;
        // What is cut short leaves its room to the others before they look for some.
        connection.streams.retain(|&stream, reading| {
            let cut = reading.cut || stage == Stage::Lost && !reading.fin;
            if cut {
                plain.lose(Place { attempt, stream }, budget);
                tally.incomplete += u64::from(reading.begun);
            }
            !cut
        });
        let mut ahead = plain.late_need();
        connection.streams.retain(|&stream, reading| {
            let place = Place { attempt, stream };
            match plain.take(place, reading, ahead, (message_bytes_max, budget)) {
                Taken::Whole { number, payload } => {
                    tally.delivered += 1;
                    tally.delivered_bytes += payload.len() as u64;
                    actions.push(deliver(LANE, number, payload, now));
                    return false;
                }
                Taken::TooLarge => {
                    tally.refused += 1;
                    if !reading.fin && stands {
                        let code = CloseCode::MessageTooLarge;
                        actions.push(Action::StopSending {
                            attempt,
                            stream,
                            code,
                        });
                    }
                    return false;
                }
                Taken::Part | Taken::Waits => {}
            }
            let need = plain.need(place);
            if ahead == 0 {
                ahead = need.unwrap_or(0);
            }
            pause_while(need.is_some(), place, reading, stands, actions);
            true
        });
    }

    /// Takes the messages of the stream that there is, in their order. A stream that ends between two
    /// of them is over; one that ends within one costs the connection.
    pub(super) fn take_framed(
        &mut self,
        now: Time,
        attempt: Attempt,
        connection: &mut Connection,
        actions: &mut Vec<Action>,
    ) -> Result<(), Closing> {
        let Self { other, budget, .. } = self;
        let OtherHalf::Framed(framed) = other else {
            return Ok(());
        };
        let tally = &mut self.tally.0;
        let stands = connection.stage == Stage::Open;
        let max = self.limits.message_bytes_max;
        let mut over = Vec::new();
        for (&stream, reading) in &mut connection.streams {
            if stream.index > 0 {
                return Err(ProtocolError::SecondStream.into());
            }
            let place = Place { attempt, stream };
            while let Some((number, payload)) = framed.take(place, reading, (max, budget))? {
                tally.delivered += 1;
                tally.delivered_bytes += payload.len() as u64;
                actions.push(deliver(LANE, number, payload, now));
            }
            let waits = framed.waits_at(place);
            // What one that is left or lost lacks is no fault of the other end's.
            if (reading.fin || reading.cut) && !waits && stands {
                reading.decoder.finish()?;
                over.push(stream);
                continue;
            }
            reading.own();
            pause_while(waits, place, reading, stands && !reading.cut, actions);
        }
        for stream in over {
            connection.streams.remove(&stream);
        }
        Ok(())
    }

    /// Takes whole messages of connections that are gone, as there is room for them.
    pub(super) fn take_late(&mut self, now: Time, actions: &mut Vec<Action>) {
        while let Some((number, payload)) = self.other.take_late(&mut self.budget) {
            self.tally.0.delivered += 1;
            self.tally.0.delivered_bytes += payload.len() as u64;
            actions.push(deliver(LANE, number, payload, now));
        }
    }

    /// A connection is gone: what came whole without a lane, and has no room, is kept for later.
    pub(super) fn keep_whole(&mut self, attempt: Attempt, connection: Connection) {
        let max = self.limits.message_bytes_max;
        for (stream, mut reading) in connection.streams {
            let place = Place { attempt, stream };
            let kept = self.other.keep(place, &mut reading, max);
            self.tally.0.incomplete += u64::from(!kept);
        }
    }
}
