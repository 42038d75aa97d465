//! What the machines cost by themselves, without QUIC: messages queued, written, read, answered and
//! settled, in batches as a driver makes them.
//!
//! A conversation of both ends is recorded once. Then each end hears its own part of it again, by
//! itself: machines do the same with the same steps.

mod conversation;
#[cfg(feature = "trace")]
mod recorded;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use peer_sender_core::{Config, PeerSenderMachine, Sessions, SessionsConfig, Time};

use crate::conversation::Conversation;

/// Messages of one conversation.
const MESSAGES: u64 = 8_192;
/// Messages handed over in one step.
const BATCH: usize = 256;
const NOW: Time = Time::ZERO;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    #[cfg(feature = "trace")]
    recorded::images(&mut criterion);
    for (name, size) in [("100 B", 100), ("1 KiB", 1_024)] {
        for lanes in [1, 8] {
            let conversation = Conversation::record(size, lanes);
            let mut group = criterion.benchmark_group(format!("{name}, lanes: {lanes}"));
            group.throughput(Throughput::Elements(MESSAGES));
            group.bench_function("sender", |bencher| {
                let setup = || (sender(), conversation.sender.clone());
                bencher.iter_batched(
                    setup,
                    |(mut machine, steps)| {
                        let mut actions = Vec::new();
                        for events in steps {
                            machine.handle(NOW, events, &mut actions);
                            black_box(&actions);
                            actions.clear();
                        }
                        machine
                    },
                    BatchSize::LargeInput,
                );
            });
            group.bench_function("receiver", |bencher| {
                let setup = || (receiver(), conversation.receiver.clone());
                bencher.iter_batched(
                    setup,
                    |(mut sessions, calls)| {
                        let mut actions = Vec::new();
                        for call in calls {
                            call.make(&mut sessions, &mut actions);
                            black_box(&actions);
                            actions.clear();
                            while let Some(news) = sessions.poll_news() {
                                black_box(news);
                            }
                        }
                        sessions
                    },
                    BatchSize::LargeInput,
                );
            });
            #[cfg(feature = "trace")]
            recorded::both(&mut group, &conversation);
            group.finish();
        }
    }
    criterion.final_summary();
}

fn sender() -> PeerSenderMachine {
    let address = ([192, 0, 2, 1], 4433).into();
    let config = Config::new(address).expect("an address with a host and a port");
    PeerSenderMachine::new(config, [7; 32])
}

fn receiver() -> Sessions {
    Sessions::new(SessionsConfig::default(), [8; 32])
}
