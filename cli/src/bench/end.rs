//! One end of a measurement, in a process of its own: does what its parent says on stdin, and says
//! on stdout how far it is. A line each, in JSON.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::process;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::courier::{self, Courier, Done};
use super::plan::{Contender, Work, Workload};
use super::{failed, ours};
use crate::Verdict;
use crate::failure::Failure;
use crate::runtime;
use crate::usage::Usage;

#[cfg(feature = "compare")]
use super::plain;

/// What an end is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) contender: Contender,
    pub(super) work: Work,
    /// Where to dial; with none, this end listens.
    pub(super) dial: Option<Address>,
    #[cfg(feature = "compare")]
    pub(super) credentials: plain::Credentials,
}

/// How the accepting end is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Address {
    pub(super) addresses: Vec<SocketAddr>,
    /// Of a node of ours.
    pub(super) key: String,
}

/// What the parent says after the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Tell what you have used. Answered at once, whatever is under way.
    Sample,
    /// Go on to the next stage.
    Go,
}

/// What an end says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// The accepting end is there.
    Listening(Address),
    /// The dialling end has its socket and no connection; waits for [`Order::Go`], as at each stage.
    Bound,
    /// It is connected, and has tried the way.
    Ready,
    /// The work is done.
    Worked(Done),
    Used(Usage),
    Failed(String),
}

/// How long connecting, and finishing what is open, may take beside the work.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is left of connecting is out of memory by then.
const REST: Duration = Duration::from_secs(1);

/// Runs this process as an end.
pub(crate) fn run() -> Result<Verdict, Failure> {
    let mut task = String::new();
    io::stdin()
        .read_line(&mut task)
        .map_err(|error| failed("stdin", error))?;
    let task: Task = serde_json::from_str(&task).map_err(|error| failed("the task", error))?;
    let name = task.work.runtime;
    runtime::choose(name);
    let mut parent = Parent::listen();
    runtime::run(name, async move {
        let limit = Instant::now() + PATIENCE + 2 * task.work.span;
        let done = tokio::select! {
            biased;
            done = perform(&task, &mut parent) => done,
            () = runtime::sleep_until(name, limit.into_std()) => {
                Err(failed("waiting", "it takes too long"))
            }
        };
        if let Err(failure) = done {
            say(&Said::Failed(failure.to_string()))?;
        }
        Ok(Verdict::AllIsWell)
    })
}

async fn perform(task: &Task, parent: &mut Parent) -> Result<(), Failure> {
    let Some(to) = &task.dial else {
        let address = listen(task).await?;
        say(&Said::Listening(address))?;
        return parent.wait().await;
    };
    match task.contender {
        Contender::Ours
        | Contender::Plain
        | Contender::Framed
        | Contender::Flight
        | Contender::File => {
            let mut dialler = ours::Dialler::bind(task.contender).await?;
            parent.stage(&Said::Bound).await?;
            let couriers = dialler.dial(&task.work, &to.key, &to.addresses).await?;
            work(task, couriers, parent).await
        }
        #[cfg(feature = "compare")]
        Contender::Ordered | Contender::Streams | Contender::Acknowledged | Contender::Request => {
            let dialler = plain::Dialler::bind(task.contender, &task.work, &task.credentials)?;
            parent.stage(&Said::Bound).await?;
            let connections = dialler.dial(&task.work, &to.addresses).await?;
            if task.contender == Contender::Request {
                let couriers = connections.into_iter().map(plain::Request::new).collect();
                return work(task, couriers, parent).await;
            }
            if task.contender == Contender::Ordered {
                let mut couriers = Vec::new();
                for connection in connections {
                    couriers.push(plain::Ordered::new(connection).await?);
                }
                return work(task, couriers, parent).await;
            }
            if task.contender == Contender::Acknowledged {
                let couriers = connections
                    .into_iter()
                    .map(plain::Acknowledged::new)
                    .collect();
                return work(task, couriers, parent).await;
            }
            let mut couriers = Vec::new();
            for connection in connections {
                couriers.push(plain::Streams::new(connection).await?);
            }
            work(task, couriers, parent).await
        }
        #[cfg(not(feature = "compare"))]
        Contender::Ordered | Contender::Streams | Contender::Acknowledged | Contender::Request => {
            Err(Failure::NothingToCompareWith)
        }
    }
}

async fn listen(task: &Task) -> Result<Address, Failure> {
    match task.contender {
        Contender::Ours
        | Contender::Plain
        | Contender::Framed
        | Contender::Flight
        | Contender::File => {
            let (key, addresses) = ours::listen(&task.work, task.contender).await?;
            Ok(Address { addresses, key })
        }
        #[cfg(feature = "compare")]
        Contender::Ordered | Contender::Streams | Contender::Acknowledged | Contender::Request => {
            Ok(Address {
                addresses: plain::listen(&task.work, task.contender, &task.credentials)?,
                key: String::new(),
            })
        }
        #[cfg(not(feature = "compare"))]
        Contender::Ordered | Contender::Streams | Contender::Acknowledged | Contender::Request => {
            Err(Failure::NothingToCompareWith)
        }
    }
}

/// Warms up, works, and says when each is done.
async fn work<C: Courier>(
    task: &Task,
    mut couriers: Vec<C>,
    parent: &mut Parent,
) -> Result<(), Failure> {
    let span = match task.work.workload {
        Workload::Idle => REST,
        Workload::Throughput | Workload::Serial | Workload::Latency | Workload::Peers => {
            (task.work.span / 4).min(Duration::from_millis(200))
        }
    };
    let warming = Work { span, ..task.work };
    courier::work(&warming, task.contender, &mut couriers).await?;
    parent.stage(&Said::Ready).await?;
    let done = courier::work(&task.work, task.contender, &mut couriers).await?;
    parent.stage(&Said::Worked(done)).await
}

/// The process that has started this one.
struct Parent {
    go: mpsc::UnboundedReceiver<()>,
}

impl Parent {
    /// Hears it on a thread of its own. When the parent is gone, so is this process.
    fn listen() -> Self {
        let (to, go) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in io::stdin().lock().lines() {
                let order = line.ok().and_then(|line| serde_json::from_str(&line).ok());
                let heard = match order {
                    Some(Order::Sample) => say(&Said::Used(Usage::now())).is_ok(),
                    Some(Order::Go) => to.send(()).is_ok(),
                    None => false,
                };
                if !heard {
                    break;
                }
            }
            process::exit(0);
        });
        Self { go }
    }

    /// Says how far this end is, and waits to be told to go on.
    async fn stage(&mut self, said: &Said) -> Result<(), Failure> {
        say(said)?;
        self.wait().await
    }

    async fn wait(&mut self) -> Result<(), Failure> {
        match self.go.recv().await {
            Some(()) => Ok(()),
            None => Err(failed("waiting", "the parent is gone")),
        }
    }
}

fn say(said: &Said) -> Result<(), Failure> {
    let mut line = serde_json::to_string(said).map_err(|error| failed("speaking", error))?;
    line.push('\n');
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(line.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| failed("speaking", error))
}
