//! What can happen in a state, within bounds.

use std::time::Duration;

use peer_sender_core::{StopMode, Timer};

use super::bounds::{Bounds, Budget, Pieces};
use super::node::{Move, Node};
use crate::op::{Amount, Conn, End, Op, Why};
use crate::transport::{Connection, Stand};
use crate::world::World;

/// The application's code of streams that are cut by nobody's machine.
const CUT: u64 = 9;

/// How long nothing happens.
const WAIT: Duration = Duration::from_secs(10);

/// Everything that can happen, in a fixed order: what the users do, what the network does, what
/// time and the processes do.
pub(super) fn moves(node: &Node, bounds: &Bounds) -> Vec<Move> {
    let mut list = List {
        spent: node.spent,
        most: &bounds.most,
        moves: Vec::new(),
    };
    users(&node.world, bounds, &mut list);
    for connection in node.world.connections() {
        network(&node.world, connection.conn, bounds, &mut list, connection);
    }
    times(&node.world, &mut list);
    list.moves
}

/// Moves as far as the budget allows them.
struct List<'a> {
    spent: Budget,
    most: &'a Budget,
    moves: Vec<Move>,
}

impl List<'_> {
    fn free(&mut self, op: Op) {
        let spent = self.spent;
        self.moves.push(Move { op, spent });
    }

    /// Adds what costs one of a budget.
    fn costs(&mut self, of: fn(&mut Budget) -> &mut u8, op: Op) {
        let (mut spent, mut most) = (self.spent, *self.most);
        if *of(&mut spent) < *of(&mut most) {
            *of(&mut spent) += 1;
            self.moves.push(Move { op, spent });
        }
    }
}

fn users(world: &World, bounds: &Bounds, list: &mut List<'_>) {
    if world.is_running() {
        let place = usize::from(list.spent.messages);
        let size = bounds.sizes.get(place % bounds.sizes.len().max(1));
        for lane in 0..bounds.lanes {
            list.costs(
                |it| &mut it.messages,
                Op::Send {
                    lane,
                    bytes: size.copied().unwrap_or(1),
                    ttl: None,
                },
            );
        }
        list.costs(
            |it| &mut it.stops,
            Op::Stop {
                mode: StopMode::Drain(Duration::from_secs(1)),
            },
        );
    }
    for id in world.cancellable() {
        list.costs(|it| &mut it.cancels, Op::Cancel { id });
    }
    if !world.sender().is_closed() {
        for mode in [StopMode::Abort, StopMode::Remove] {
            list.costs(|it| &mut it.aborts, Op::Stop { mode });
        }
    }
    for lane in 0..bounds.lanes {
        if world.holds(lane) {
            list.free(Op::Take { lane });
            list.costs(|it| &mut it.refusals, Op::Refuse { lane, code: 2 });
        }
    }
}

fn network(
    world: &World,
    conn: Conn,
    bounds: &Bounds,
    list: &mut List<'_>,
    connection: &Connection,
) {
    let lost = |end, why| Op::Lose { conn, end, why };
    let losses: fn(&mut Budget) -> &mut u8 = |it| &mut it.losses;
    if connection.dialler == Stand::Waiting {
        match world.is_leaving() && connection.acceptor == Stand::Waiting {
            // It is turned away, again and again if nothing else happens.
            true => list.costs(losses, Op::Confirm { conn }),
            false => list.free(Op::Confirm { conn }),
        }
        for why in [Why::Unreachable, Why::Refused] {
            list.costs(losses, Op::Fail { conn, why });
        }
    }
    for end in [End::Dialler, End::Acceptor] {
        if connection.stand(end) != Stand::Up {
            continue;
        }
        match connection.stand(end.other()) {
            Stand::Up => list.costs(losses, lost(end, Why::Timeout)),
            // A matter of time once the other end has it no more.
            Stand::Gone | Stand::Waiting => list.free(lost(end, connection.why_lost(end))),
        }
        let from = end.other();
        for stream in &connection.streams {
            let deliver = |amount| Op::Deliver {
                conn,
                from,
                stream: u8::try_from(stream.index).ok(),
                amount,
            };
            if stream.signals(from) {
                list.free(deliver(Amount::All));
            } else if stream.carries(from) {
                let frames = stream.way(from).frames();
                if bounds.pieces == Pieces::All || frames <= 1 {
                    list.free(deliver(Amount::All));
                } else {
                    list.free(deliver(Amount::Frame));
                }
                if bounds.pieces == Pieces::Halves && stream.way(from).has_whole_frame() {
                    list.free(deliver(Amount::Half));
                }
            }
            if stream.way(end).is_taking() {
                list.free(Op::Written {
                    conn,
                    from: end,
                    stream: u8::try_from(stream.index).unwrap_or(u8::MAX),
                });
            }
        }
        cuts(conn, connection, end, list);
    }
}

/// What a faulty network, or other end, does to single streams.
fn cuts(conn: Conn, connection: &Connection, told: End, list: &mut List<'_>) {
    for stream in &connection.streams {
        let index = u8::try_from(stream.index).unwrap_or(u8::MAX);
        let knows = stream.opener == told || stream.told;
        if knows && !stream.way(told).severed {
            list.costs(
                |it| &mut it.cuts,
                Op::Halt {
                    conn,
                    from: told,
                    stream: index,
                    code: CUT,
                },
            );
        }
        if knows && !stream.way(told.other()).severed {
            list.costs(
                |it| &mut it.cuts,
                Op::Reset {
                    conn,
                    from: told.other(),
                    stream: index,
                    code: CUT,
                },
            );
        }
    }
}

fn times(world: &World, list: &mut List<'_>) {
    let fire = |end| Op::Fire { end: Some(end) };
    if let Some(deadline) = world.sender().next_deadline() {
        match deadline.timer {
            // An end that answers too late is a fault like a lost connection.
            Timer::Connect | Timer::Resume => {
                list.costs(|it| &mut it.losses, fire(End::Dialler));
            }
            Timer::Backoff
            | Timer::Drain
            | Timer::Idle
            | Timer::Parting
            | Timer::SessionTtl
            | Timer::Expiry
            | Timer::Patience
            | Timer::Trust
            | Timer::Slow => list.free(fire(End::Dialler)),
        }
    }
    match world.sessions().next_deadline().map(|it| it.timer) {
        Some(Timer::SessionTtl) => list.costs(|it| &mut it.forgets, Op::Forget),
        Some(_) => list.free(fire(End::Acceptor)),
        None => {}
    }
    list.costs(|it| &mut it.waits, Op::Advance { by: WAIT });
    list.costs(|it| &mut it.restarts, Op::Restart);
    if !world.is_leaving() {
        for mode in [StopMode::Drain(Duration::from_secs(1)), StopMode::Abort] {
            list.costs(|it| &mut it.leaves, Op::Leave { mode });
        }
    }
}
