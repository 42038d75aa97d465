//! What peer-sender's fuzzers do with bytes.
//!
//! A [`Target`] makes something happen out of any bytes whatever, and panics when an invariant of
//! `docs/invariants.md` does not hold; each message of a panic begins with the invariant's id. The
//! targets know nothing of a fuzzer: `fuzz/libfuzzer` runs them under libFuzzer (`.ci/fuzz`), and
//! `fuzz/tests` replays `fuzz/corpus` under any compiler.
//!
//! All but the targets of frames, of traces and of Acki Nacki's messages read their bytes as a tape ([`peer_sender_sim::tape`]): a record is
//! one thing that happens, so that a byte more or less changes one of them and not all.
#![expect(clippy::panic, reason = "a violation ends the run that finds it")]

mod certificate;
mod compressed;
mod config;
mod datagrams;
mod draw;
mod frames;
mod hostile_peer;
mod judge;
mod machine_events;
pub mod memory;
mod model;
mod net_message;
mod net_stream;
mod quic;
mod scenarios;
mod sessions;
mod trace;

/// Something that bytes can be handed to.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its folder in the corpus.
    pub name: &'static str,
    /// What it does with bytes. False: they are not worth keeping.
    pub run: fn(&[u8]) -> bool,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "machine_events",
        run: machine_events::run,
    },
    Target {
        name: "frames",
        run: frames::run,
    },
    Target {
        name: "certificate",
        run: certificate::run,
    },
    Target {
        name: "config",
        run: config::run,
    },
    Target {
        name: "datagrams",
        run: datagrams::run,
    },
    Target {
        name: "hostile_peer",
        run: hostile_peer::run,
    },
    Target {
        name: "model",
        run: model::run,
    },
    Target {
        name: "scenario_machine",
        run: scenarios::machine,
    },
    Target {
        name: "scenario_quic",
        run: scenarios::quic,
    },
    Target {
        name: "sessions",
        run: sessions::run,
    },
    Target {
        name: "net_message",
        run: net_message::run,
    },
    Target {
        name: "compressed",
        run: compressed::run,
    },
    Target {
        name: "trace",
        run: trace::run,
    },
];
