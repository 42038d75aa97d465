//! The runtime that nodes run on.
//!
//! A command itself, its signals and its waiting are on tokio in any case: handles may be used from
//! any runtime's tasks. Only the ends of a `bench` are whole on the runtime.

use std::fmt;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

#[cfg(feature = "runtimes")]
mod chosen;
mod tasks;

#[cfg(feature = "runtimes")]
pub(crate) use self::chosen::{Node, choose};
#[cfg(not(feature = "runtimes"))]
pub(crate) use peer_sender_tokio::Node;
pub(crate) use tasks::{THREADS, run, sleep_until, spawn};

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RuntimeArgs {
    /// What the nodes run on. Others than tokio are there if this program was built with them
    /// (`cargo build --release --features runtimes`).
    #[arg(long, value_name = "R", value_enum, default_value_t)]
    pub(crate) runtime: Name,
}

/// A runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Name {
    /// On the command's own thread.
    #[default]
    Tokio,
    /// On smol's executor, which is a thread of its own.
    #[cfg(feature = "runtimes")]
    Smol,
    /// On async-std's executor, whose threads are as many as there are cores.
    #[cfg(feature = "runtimes")]
    AsyncStd,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokio => "tokio",
            #[cfg(feature = "runtimes")]
            Self::Smol => "smol",
            #[cfg(feature = "runtimes")]
            Self::AsyncStd => "async-std",
        })
    }
}

/// There is but one.
#[cfg(not(feature = "runtimes"))]
pub(crate) fn choose(name: Name) {
    match name {
        Name::Tokio => {}
    }
}
