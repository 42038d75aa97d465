//! Explores all that can happen to the machines, within bounds that open step by step.

use std::ops::ControlFlow;
use std::thread;

use peer_sender_sim::explore::{self, Extent, Order};
use tokio::time::Instant;

use super::report::Report;
use crate::Verdict;
use crate::args::SimArgs;
use crate::console::{self, Screen};
use crate::failure::Failure;

/// One state in so many is seen to a good end; of a depth-first exploration, which is for many
/// more states, fewer.
const HEALED_OF: u64 = 16;
const HEALED_OF_DEEP: u64 = 256;

pub(super) fn run(args: &SimArgs) -> Result<Verdict, Failure> {
    let (order, healed_of) = match args.depth_first {
        true => (Order::Depth, HEALED_OF_DEEP),
        false => (Order::Breadth, HEALED_OF),
    };
    let extent = Extent {
        states_max: args.states,
        healed_of,
        threads: thread::available_parallelism().map_or(1, usize::from),
    };
    let screen = Screen::new();
    let bar = screen.bar("exploring", Some(args.states));
    let begin = Instant::now();
    let end = args.seconds.and_then(|limit| begin.checked_add(limit));
    let climb = explore::climb(order, extent, |bounds, states, found| {
        bar.set_position(states);
        bar.set_message(format!("depth {}, {}", found.depth, bounds.name));
        match end.is_some_and(|end| Instant::now() >= end) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let report = Report::new(&climb, healed_of, super::rounded(begin.elapsed()));
    screen.clear();
    let text = match args.json {
        true => report.json(),
        false => report.page(),
    };
    console::print(&text, "the exploration has ended")?;
    Ok(match climb.violation() {
        Some(_) => Verdict::NotAll,
        None => Verdict::AllIsWell,
    })
}
