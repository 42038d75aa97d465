//! The runtimes that the suite is run under.

use std::future::Future;

use peer_sender_async_std::AsyncStd;
use peer_sender_driver::Runtime;
use peer_sender_driver::blocking::{self, Blocking};
use peer_sender_smol::Smol;
use peer_sender_tokio::Tokio;

use crate::nodes::bounded;

/// A runtime, and how to enter it.
pub(crate) trait Backend {
    /// What its nodes run on.
    type Runtime: Runtime;

    /// Runs a future to its end on this thread, with the runtime around it.
    fn block_on<T>(test: impl Future<Output = T>) -> T;
}

/// Runs a case, and fails it if it hangs.
pub(crate) fn run<B: Backend>(case: impl Future<Output = ()>) {
    B::block_on(bounded::<B::Runtime, ()>(case));
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
