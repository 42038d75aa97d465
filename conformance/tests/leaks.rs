//! Nothing of the system is left of nodes that were made and dropped, under any runtime. In a process
//! of its own, since threads and files are counted.
#![cfg(target_os = "linux")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case fails where it cannot go on"
)]

#[path = "suite/backend.rs"]
mod backend;
#[path = "suite/nodes.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod nodes;

use backend::*;
use nodes::*;
use peer_sender_driver::{NodeConfig, Runtime, StopMode};

/// Nodes of each backend; and where there is time for it.
const NODES: usize = 2_000;
const MANY_NODES: usize = 10_000;
/// What allocators and lazily made tables of runtimes may keep.
const KIB_KEPT_MAX: u64 = 8 << 10;

/// Files that are open and threads that run.
fn counted() -> (usize, usize) {
    let entries = |folder| std::fs::read_dir(folder).unwrap().count();
    (entries("/proc/self/fd"), entries("/proc/self/task"))
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    figure.and_then(|kib| kib.parse().ok()).unwrap()
}

/// Binds that many nodes, one after another; half of them are stopped, and half are only dropped.
async fn bind_and_drop<R: Runtime>(count: usize) {
    let config = NodeConfig::new(alice());
    for number in 0..count {
        let node: Node<R> = Node::bind(ANY, config.clone()).await.unwrap();
        if number % 2 == 0 {
            node.stop(StopMode::Abort).await;
        }
    }
}

/// The least that is counted after a node was made and stopped, of many times: a thread may still be
/// about to end at any single one.
async fn least<R: Runtime>() -> (usize, usize) {
    let mut least = counted();
    for _ in 0..100 {
        bind_and_drop::<R>(1).await;
        let (files, threads) = counted();
        least = (files.min(least.0), threads.min(least.1));
    }
    least
}

fn check<B: Backend>(name: &'static str, nodes: usize) {
    run::<B, _>(move || async move {
        // The runtime's own threads and files come with its first nodes.
        bind_and_drop::<B::Runtime>(100).await;
        let (before, kib) = (least::<B::Runtime>().await, resident_kib());
        bind_and_drop::<B::Runtime>(nodes).await;
        let after = loop {
            let after = least::<B::Runtime>().await;
            // Nodes that were only dropped end when their runtime gets to it.
            if after <= before {
                break after;
            }
        };
        let kept = resident_kib().saturating_sub(kib);
        println!(
            "{name}: {nodes} nodes; files and threads {before:?}, then {after:?}; {kept} KiB kept"
        );
        assert!(kept < KIB_KEPT_MAX, "{name} keeps {kept} KiB");
    });
}

fn check_all(nodes: usize) {
    check::<TokioCurrentThread>("tokio_current_thread", nodes);
    check::<TokioMultiThread>("tokio_multi_thread", nodes);
    check::<OnSmol>("smol", nodes);
    check::<OnAsyncStd>("async_std", nodes);
    check::<OnThreads>("blocking", nodes);
    check::<InSimulation>("simulated", nodes);
}

#[test]
fn nothing_is_left_of_nodes_that_were_made_and_dropped() {
    check_all(NODES);
}

#[test]
#[ignore = "takes half a minute: cargo test -p peer-sender-conformance --test leaks -- --ignored"]
fn nothing_is_left_of_very_many_nodes() {
    check_all(MANY_NODES);
}
