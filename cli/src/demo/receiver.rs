//! A receiver's end: an application that accepts messages and writes down what it got.

use super::proof::Proof;
use super::{Id, first_number};
use crate::runtime::Node;

/// One receiver at work.
pub(super) struct Receiver {
    id: Id,
    node: Node<Id>,
    expected: u64,
    /// With how many messages accepted its connections are cut.
    cut_at: Option<u64>,
}

/// What the receiver knows at the end.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) id: Id,
    pub(super) proof: Proof,
    /// With how many messages accepted its connections were cut.
    pub(super) cut_at: Option<u64>,
}

impl Receiver {
    pub(super) fn new(id: Id, node: Node<Id>, expected: u64, cut_at: Option<u64>) -> Self {
        Self {
            id,
            node,
            expected,
            cut_at,
        }
    }

    /// Ends when the node has stopped.
    pub(super) async fn run(self) -> Received {
        let Self {
            id,
            node,
            expected,
            mut cut_at,
        } = self;
        let mut incoming = node.incoming();
        let mut proof = Proof::new(first_number(id), expected);
        let mut was_cut_at = None;
        while let Some(message) = incoming.next().await {
            if cut_at.take_if(|at| *at <= proof.received()).is_some() {
                // This message is accepted only after the cut: so at least one is left that the
                // sender must come back for. The answer to `stats` tells that the cut is done.
                node.cut_accepted();
                node.stats().await;
                was_cut_at = Some(proof.received());
            }
            proof.note(&message.accept());
        }
        Received {
            id,
            proof,
            cut_at: was_cut_at,
        }
    }
}
