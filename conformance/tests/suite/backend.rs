//! The runtimes that the suite is run under.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use peer_sender_async_std::AsyncStd;
use peer_sender_conformance::simulated::{self, Simulated};
use peer_sender_driver::Runtime;
use peer_sender_driver::blocking::{self, Blocking};
use peer_sender_smol::Smol;
use peer_sender_tokio::Tokio;

/// Far above what a case takes on a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(60);

/// A runtime, and how to enter it.
pub(crate) trait Backend {
    /// What its nodes run on.
    type Runtime: Runtime;

    /// Runs a future to its end on this thread, with the runtime around it.
    fn block_on<T>(test: impl Future<Output = T>) -> T;
}

/// Runs a case, and fails it if it hangs: on a thread of its own, so that the bound does not need the
/// timers that are under test.
pub(crate) fn run<B: Backend, C: Future<Output = ()>>(case: impl FnOnce() -> C + Send + 'static) {
    let (over, is_over) = mpsc::channel::<()>();
    let running = thread::spawn(move || {
        let _over = over;
        B::block_on(case());
    });
    let end = is_over.recv_timeout(LIMIT);
    assert_eq!(end, Err(RecvTimeoutError::Disconnected), "took too long");
    if let Err(panic) = running.join() {
        resume_unwind(panic);
    }
}

/// Tokio with the case, its nodes and its tasks on one thread.
pub(crate) enum TokioCurrentThread {}

impl Backend for TokioCurrentThread {
    type Runtime = Tokio;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(test)
    }
}

/// Tokio with four threads beside the case's own.
pub(crate) enum TokioMultiThread {}

impl Backend for TokioMultiThread {
    type Runtime = Tokio;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(test)
    }
}

/// One executor for the whole process, and so for cases that run at the same time.
pub(crate) enum OnSmol {}

impl Backend for OnSmol {
    type Runtime = Smol;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        smol::block_on(test)
    }
}

/// As with smol.
pub(crate) enum OnAsyncStd {}

impl Backend for OnAsyncStd {
    type Runtime = AsyncStd;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        async_std::task::block_on(test)
    }
}

/// No runtime: each node and each task is a thread.
pub(crate) enum OnThreads {}

impl Backend for OnThreads {
    type Runtime = Blocking;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        blocking::block_on(test)
    }
}

/// No threads, sockets and time of the system; the same in each run.
pub(crate) enum InSimulation {}

impl Backend for InSimulation {
    type Runtime = Simulated;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        simulated::block_on(test)
    }
}
