//! `trace replay`: fresh machines go through it all again.

mod conclusion;
mod setting;
mod standing;
mod stood;
mod until;
mod what_if;

use std::collections::BTreeMap;
use std::time::Instant;

use peer_sender_core::table::Standing;
use peer_sender_core::trace::{Divergence, MachineId};

pub(super) use self::setting::Setting;
pub(super) use self::until::Until;
use super::args::ReplayArgs;
use super::condition::standing_of;
use super::out::Out;
use super::player::{Player, Told};
use super::trouble::Troubles;
use crate::Verdict;
use crate::console;
use crate::failure::Failure;
use conclusion::Conclusion;

pub(super) fn run(args: &ReplayArgs) -> Result<Verdict, Failure> {
    match args.set.as_slice() {
        [] => replay(args),
        settings => what_if::run(&args.file, settings, args.json),
    }
}

/// Why a replay has ended.
enum Ended {
    /// The trace has.
    AtTheEnd,
    /// As it was asked to, before what comes next, or after a step that was printed.
    Stopped,
    /// A machine went another way; where it had stood before.
    Diverged(Box<Divergence>, Option<Standing>),
    /// The trace says what cannot be.
    Impossible(MachineId, String),
}

fn replay(args: &ReplayArgs) -> Result<Verdict, Failure> {
    let mut player = Player::open(&args.file)?;
    let mut out = Out::stdout();
    let mut troubles = Troubles::default();
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it takes on this machine is what is told"
    )]
    let begin = Instant::now();
    let ended = play(args, &mut player, &mut out, &mut troubles)?;
    let seconds = begin.elapsed().as_secs_f64();
    if let (Ended::Stopped, Some(_)) = (&ended, args.until) {
        standing::print_all(&player, &mut out, args.json)?;
    }
    let conclusion = Conclusion::new(&player, &ended, seconds);
    out.write(&match args.json {
        true => conclusion.json(),
        false => conclusion.page(),
    })?;
    out.flush()?;
    troubles.tell();
    let waited = args.until.is_some() || !args.break_on.is_empty();
    if waited && matches!(ended, Ended::AtTheEnd) {
        console::say("note: the trace has ended, and what was waited for never came");
    }
    Ok(match ended {
        Ended::AtTheEnd | Ended::Stopped => Verdict::AllIsWell,
        Ended::Diverged(..) | Ended::Impossible(..) => Verdict::Diverged,
    })
}

fn play(
    args: &ReplayArgs,
    player: &mut Player,
    out: &mut Out,
    troubles: &mut Troubles,
) -> Result<Ended, Failure> {
    let mut standings: BTreeMap<MachineId, Standing> = BTreeMap::new();
    loop {
        let start = player.start();
        let Some(told) = player.next()? else {
            return Ok(Ended::AtTheEnd);
        };
        let step = match told {
            Told::Step(step) => step,
            Told::Diverged(divergence) => {
                let before = standings.get(&divergence.machine).copied();
                return Ok(Ended::Diverged(divergence, before));
            }
            Told::Impossible { machine, problem } => {
                return Ok(Ended::Impossible(machine, problem));
            }
            Told::Gone { machine } => {
                standings.remove(&machine);
                continue;
            }
            other => {
                troubles.note(&other);
                continue;
            }
        };
        let machine = step.played.machine;
        let before = standings.get(&machine).copied();
        if let Some(standing) = standing_of(step.played.state) {
            standings.insert(machine, standing);
        }
        let start = if start == 0 { step.at } else { start };
        let conditions = args.break_on.iter();
        let breaks =
            !args.break_on.is_empty() && conditions.into_iter().all(|it| it.holds(&step, before));
        if breaks {
            standing::print(&step, start, out, args.json)?;
            return Ok(Ended::Stopped);
        }
        if args
            .until
            .is_some_and(|until| until.is_reached(&step, start))
        {
            standing::print_step(&step, start, out, args.json)?;
            return Ok(Ended::Stopped);
        }
    }
}
