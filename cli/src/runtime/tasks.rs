//! A whole program on one thread of the runtime, for `bench`.

use std::future::Future;
use std::time::Instant;

use super::Name;
use crate::failure::Failure;
use crate::{Verdict, on_this_thread};

/// What a process is started with, so that its runtime has one thread.
pub(crate) const THREADS: [(&str, &str); 2] =
    [("SMOL_THREADS", "1"), ("ASYNC_STD_THREAD_COUNT", "1")];

/// Runs this to its end where the nodes run. Where the executor has a thread of its own, the caller's
/// only waits, so that the executor's thread watches the sockets too.
pub(crate) fn run(
    name: Name,
    command: impl Future<Output = Result<Verdict, Failure>> + Send + 'static,
) -> Result<Verdict, Failure> {
    match name {
        Name::Tokio => on_this_thread(command),
        #[cfg(feature = "runtimes")]
        Name::Smol => smol::future::block_on(smol::spawn(command)),
        #[cfg(feature = "runtimes")]
        Name::AsyncStd => smol::future::block_on(async_std::task::spawn(command)),
    }
}

/// Starts a task there.
pub(crate) fn spawn(name: Name, task: impl Future<Output = ()> + Send + 'static) {
    match name {
        Name::Tokio => drop(tokio::spawn(task)),
        #[cfg(feature = "runtimes")]
        Name::Smol => smol::spawn(task).detach(),
        #[cfg(feature = "runtimes")]
        Name::AsyncStd => drop(async_std::task::spawn(task)),
    }
}

pub(crate) async fn sleep_until(name: Name, at: Instant) {
    match name {
        Name::Tokio => tokio::time::sleep_until(at.into()).await,
        // Both have async-io's.
        #[cfg(feature = "runtimes")]
        Name::Smol | Name::AsyncStd => drop(smol::Timer::at(at).await),
    }
}
