//! The layer of whole nodes, with real QUIC, over a virtual network.

use peer_sender_sim::net::{self, BadProfile, Failure as Ended, Fault, Profile, Report, Scenario};

use super::Kept;
use super::seeds::Layer;
use super::tally::{Broken, Tally};
use crate::args::Crypto;
use crate::failure::Failure;

/// How often a failing scenario is tried without a part of it: each takes as long as a run.
const TRIES: u64 = 600;

/// Runs under a profile.
#[derive(Debug)]
pub(super) struct Quic {
    faults: Profile,
    crypto: net::Crypto,
}

impl Quic {
    pub(super) fn new(faults: &str, crypto: Crypto) -> Result<Self, Failure> {
        let faults = faults.parse();
        let faults = faults.map_err(|problem: BadProfile| Failure::Faults(problem.to_string()))?;
        let crypto = match crypto {
            Crypto::Tls => net::Crypto::Tls,
            Crypto::Stock => net::Crypto::Stock,
            Crypto::Null => net::Crypto::Null,
        };
        Ok(Self { faults, crypto })
    }

    /// What happens in a seed.
    pub(super) fn scenario(&self, seed: u64) -> Scenario {
        self.faults.scenario(seed, self.crypto)
    }
}

impl Layer for Quic {
    fn name(&self) -> &'static str {
        "quic"
    }

    fn run(&self, seed: u64) -> (Tally, Option<Broken>) {
        match self.faults.run(seed, self.crypto) {
            Ok(mut report) => {
                if self.crypto == net::Crypto::Stock {
                    // Its bytes are others each time, and only their sizes and times the same.
                    report.digest = report.shape;
                }
                (tally(&report), None)
            }
            Err(failed) => {
                let (invariant, what) = said(failed.0);
                let broken = Broken {
                    seed,
                    invariant,
                    what,
                };
                // What it had come to until then is not told.
                let tally = Tally {
                    seeds: 1,
                    ..Tally::default()
                };
                (tally, Some(broken))
            }
        }
    }

    fn smallest(&self, seed: u64) -> String {
        let scenario = self.scenario(seed);
        match scenario.run() {
            Err(Ended::Broken { broken, .. }) => {
                net::smallest(&scenario, broken.id, TRIES).to_string()
            }
            _ => scenario.to_string(),
        }
    }
}

/// What a run has come to.
pub(super) fn tally(report: &Report) -> Tally {
    let drawn = Fault::ALL.map(|it| (it.name(), report.faults.of(it)));
    Tally {
        seeds: 1,
        messages: report.messages,
        delivered: report.outcomes.delivered,
        faults: report.faults.total(),
        inputs: report.datagrams,
        steps: report.steps,
        stops: None,
        simulated: report.simulated,
        digest: report.digest,
        drawn: drawn.into_iter().collect(),
    }
}

/// Which promise was broken, and how.
pub(super) fn said(failure: Ended) -> (&'static str, String) {
    match failure {
        Ended::Broken { broken, at, steps } => {
            let what = format!("after {at:?}, at step {steps}: {}", broken.what);
            (broken.id, what)
        }
        // A seed draws settings that are of use.
        Ended::Settings(error) => ("settings", error.to_string()),
    }
}

/// Runs a scenario and writes down what went over its network, and what its machines did.
pub(super) fn capture(
    scenario: &Scenario,
    kept: &Kept<'_>,
) -> Result<Result<Report, Ended>, Failure> {
    let (result, capture) = scenario.run_captured();
    if let Some(file) = kept.pcap {
        super::keep(file, &capture.to_pcapng())?;
    }
    if let Some(file) = kept.trace {
        super::keep(file, &capture.trace)?;
    }
    Ok(result)
}
