//! The simulator's own random runs, drawn from a tape: both machines over a model transport, and whole
//! nodes over a virtual network. Its oracles judge every step, and the healing in the end.

use peer_sender_sim::net::{Crypto, Scenario};
use peer_sender_sim::swarm;
use peer_sender_sim::tape::{Layer, Tape};

/// Bytes as a run of both machines. What broke is printed as a scenario that `peer-sender sim` runs
/// again.
pub(crate) fn machine(bytes: &[u8]) -> bool {
    let of_layer = Tape::read(bytes).is_ok_and(|tape| tape.layer() == Layer::Machine);
    if !of_layer {
        return false;
    }
    match swarm::run_tape(bytes) {
        Ok(run) => {
            if let Some(violation) = run.violation {
                panic!("{}: {}\n{}", violation.id, violation.what, run.scenario);
            }
            true
        }
        Err(broken) => panic!("C1 a tape is no run: {broken}"),
    }
}

/// Bytes as a run of whole nodes, without cryptography.
pub(crate) fn quic(bytes: &[u8]) -> bool {
    let Ok(tape) = Tape::read(bytes) else {
        return false;
    };
    if tape.layer() != Layer::Quic {
        return false;
    }
    let mut scenario = Scenario::from_tape(tape);
    scenario.settings.crypto = Crypto::Null;
    if let Err(failure) = scenario.run() {
        panic!("{failure}\n{scenario}");
    }
    true
}
