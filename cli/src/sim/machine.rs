//! The layer of both machines over a model of QUIC.

use peer_sender_sim::Scenario;
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
    /// Each is stopped after each thing that happens in it, too.
    stops: bool,
}

impl Machine {
    pub(super) fn new(faults: &str, stops: bool) -> Result<Self, Failure> {
        let faults = faults.parse();
        let faults = faults.map_err(|problem: BadProfile| Failure::Faults(problem.to_string()))?;
        Ok(Self { faults, stops })
    }

    /// What a seed draws.
    pub(super) fn scenario(&self, seed: u64) -> Scenario {
        swarm::run_seed(seed, &self.faults).scenario
    }
}

impl Layer for Machine {
    fn name(&self) -> &'static str {
        "machine"
    }

    fn run(&self, seed: u64) -> (Tally, Option<Broken>) {
        let Run {
            scenario,
            report,
            mut violation,
        } = swarm::run_seed(seed, &self.faults);
        let mut stops = self.stops.then_some(0);
        if self.stops && violation.is_none() {
            match swarm::stop_everywhere(&scenario) {
                Ok(count) => stops = Some(count),
                Err(failed) => violation = Some(failed.1),
            }
        }
        let drawn = Class::ALL.map(|it| (it.name(), report.drawn(it)));
        let tally = Tally {
            seeds: report.runs,
            messages: report.accepted,
            delivered: report.delivered,
            faults: report.faults(),
            inputs: report.inputs,
            steps: report.steps,
            stops,
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
        let mut run = swarm::run_seed(seed, &self.faults);
        if self.stops
            && run.violation.is_none()
            && let Err(failed) = swarm::stop_everywhere(&run.scenario)
        {
            (run.scenario, run.violation) = (failed.0, Some(failed.1));
        }
        swarm::smallest(&run, TRIES).to_string()
    }
}
