//! The layer of both machines over a model of QUIC.

use peer_sender_sim::swarm::{self, BadProfile, Class, Profile, Run};

use super::seeds::Layer;
use super::tally::{Broken, Tally};
use crate::failure::Failure;

/// How often a failing run is tried without a part of it.
const TRIES: u64 = 5_000;

/// Runs under a profile.
#[derive(Debug)]
pub(super) struct Machine {
    faults: Profile,
}

impl Machine {
    pub(super) fn new(faults: &str) -> Result<Self, Failure> {
        let faults = faults.parse();
        let faults = faults.map_err(|problem: BadProfile| Failure::Faults(problem.to_string()))?;
        Ok(Self { faults })
    }
}

impl Layer for Machine {
    fn name(&self) -> &'static str {
        "machine"
    }

    fn run(&self, seed: u64) -> (Tally, Option<Broken>) {
        let Run {
            report, violation, ..
        } = swarm::run_seed(seed, &self.faults);
        let drawn = Class::ALL.map(|it| (it.name(), report.drawn(it)));
        let tally = Tally {
            seeds: report.runs,
            messages: report.accepted,
            delivered: report.delivered,
            faults: report.faults(),
            inputs: report.inputs,
            steps: report.steps,
            simulated: report.simulated,
            digest: report.digest,
            drawn: drawn.into_iter().collect(),
        };
        let broken = violation.map(|it| Broken {
            seed,
            invariant: it.id,
            what: it.what.into_owned(),
        });
        (tally, broken)
    }

    fn smallest(&self, seed: u64) -> String {
        let run = swarm::run_seed(seed, &self.faults);
        swarm::smallest(&run, TRIES).to_string()
    }
}
