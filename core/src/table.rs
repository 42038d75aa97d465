//! The legal transitions of a sender's link, as data. Each change of the machine's state is
//! looked up here, the diagram in `docs/states.md` is written from it, and the tests check both
//! directions: no transition that is not listed, no row that is never taken.

use core::fmt::{self, Write};

/// Where a sender stands: its [`Link`](crate::Link), or that it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Not dialled: made just now, or no address is known.
    Down,
    /// An attempt at a connection is under way.
    Connecting,
    /// The peer has accepted us.
    Up,
    /// The sender stops, and every lane has ended with FIN; the last receipts are awaited.
    Draining,
    /// Nothing was said for long, and the connection is ended in good order.
    Parting,
    /// The connection was ended for want of traffic; the next message dials.
    Idle,
    /// Waiting before the next attempt.
    Backoff,
    /// The sender has ended.
    Closed,
}

/// What moves a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It is time to dial.
    Dial,
    /// It is time to dial, and too soon after the last time.
    TooSoon,
    /// The handshake was confirmed.
    Confirmed,
    /// The connection, or the attempt at one, failed.
    Failed,
    /// The address that it leads to, or every address, is no longer the peer's.
    Moved,
    /// As many attempts, or attempts for as long, have failed as may.
    GaveUp,
    /// Nothing was said for long.
    Rest,
    /// The last write carried FIN.
    FinWritten,
    /// Both ends have said all.
    Done,
    /// A stop left nothing to wait for, or its deadline has come.
    Stopped,
}

/// One legal transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// From where.
    pub from: Standing,
    /// Why.
    pub cause: Cause,
    /// To where.
    pub to: Standing,
}

const fn row(from: Standing, cause: Cause, to: Standing) -> Transition {
    Transition { from, cause, to }
}

/// Every legal transition.
pub const TRANSITIONS: [Transition; 30] = [
    row(Standing::Down, Cause::Dial, Standing::Connecting),
    row(Standing::Down, Cause::TooSoon, Standing::Backoff),
    row(Standing::Down, Cause::Stopped, Standing::Closed),
    row(Standing::Connecting, Cause::Confirmed, Standing::Up),
    row(Standing::Connecting, Cause::Failed, Standing::Backoff),
    row(Standing::Connecting, Cause::Moved, Standing::Backoff),
    row(Standing::Connecting, Cause::Moved, Standing::Down),
    row(Standing::Connecting, Cause::Stopped, Standing::Closed),
    row(Standing::Up, Cause::FinWritten, Standing::Draining),
    row(Standing::Up, Cause::Failed, Standing::Backoff),
    row(Standing::Up, Cause::Moved, Standing::Backoff),
    row(Standing::Up, Cause::Moved, Standing::Down),
    row(Standing::Up, Cause::Rest, Standing::Parting),
    row(Standing::Up, Cause::Stopped, Standing::Closed),
    row(Standing::Draining, Cause::Done, Standing::Closed),
    row(Standing::Draining, Cause::Failed, Standing::Backoff),
    row(Standing::Draining, Cause::Moved, Standing::Backoff),
    row(Standing::Draining, Cause::Moved, Standing::Down),
    row(Standing::Draining, Cause::Stopped, Standing::Closed),
    row(Standing::Parting, Cause::Done, Standing::Idle),
    row(Standing::Parting, Cause::Failed, Standing::Idle),
    row(Standing::Parting, Cause::Stopped, Standing::Closed),
    row(Standing::Idle, Cause::Dial, Standing::Connecting),
    row(Standing::Idle, Cause::TooSoon, Standing::Backoff),
    row(Standing::Idle, Cause::Stopped, Standing::Closed),
    row(Standing::Backoff, Cause::Dial, Standing::Connecting),
    row(Standing::Backoff, Cause::Moved, Standing::Down),
    row(Standing::Backoff, Cause::GaveUp, Standing::Closed),
    row(Standing::Backoff, Cause::Stopped, Standing::Closed),
    row(Standing::Draining, Cause::Done, Standing::Idle),
];

/// The row of the table that this transition is, if it is legal.
pub fn find(from: Standing, cause: Cause, to: Standing) -> Option<usize> {
    TRANSITIONS
        .iter()
        .position(|&transition| transition == row(from, cause, to))
}

/// Whether a transition is of no sender with lanes, which has nothing left to read once both ends have
/// said all.
pub fn is_without_lanes(transition: &Transition) -> bool {
    *transition == row(Standing::Draining, Cause::Done, Standing::Idle)
}

/// Writes the table as a Mermaid state diagram.
///
/// # Errors
///
/// What the writer answers.
pub fn diagram(out: &mut impl Write) -> fmt::Result {
    writeln!(out, "stateDiagram-v2")?;
    writeln!(out, "    [*] --> {:?}", Standing::Down)?;
    for Transition { from, cause, to } in TRANSITIONS {
        writeln!(out, "    {from:?} --> {to:?}: {cause:?}")?;
    }
    writeln!(out, "    {:?} --> [*]", Standing::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn the_documented_diagram_is_the_table() {
        let mut diagram_now = String::new();
        diagram(&mut diagram_now).unwrap();
        let page = include_str!("../../docs/states.md");
        assert!(
            page.contains(&diagram_now),
            "docs/states.md must hold:\n{diagram_now}"
        );
    }

    #[test]
    fn a_transition_stands_in_the_table_once() {
        for (index, t) in TRANSITIONS.iter().enumerate() {
            assert_eq!(find(t.from, t.cause, t.to), Some(index));
        }
    }

    #[test]
    fn nothing_leads_out_of_closed() {
        assert!(
            TRANSITIONS
                .iter()
                .all(|transition| transition.from != Standing::Closed)
        );
    }
}
