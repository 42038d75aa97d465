//! Nodes of several runtimes in one process, and handles in tasks of runtimes that are not theirs.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case fails where it cannot go on"
)]

#[path = "suite/backend.rs"]
#[allow(dead_code, reason = "nobody from outside reaches a simulation")]
mod backend;
#[path = "suite/nodes.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod nodes;

use backend::*;
use nodes::*;
use smol::channel;

/// Messages from one node to the other.
const COUNT: u64 = 300;

/// A node of one runtime sends to a node of another. A task of the listener's runtime uses the sender,
/// and one of the dialler's takes the messages.
fn talk<D: Backend, L: Backend>() {
    run::<L, _>(|| async {
        let listener = listener::<L::Runtime>().await;
        let (address, mut incoming) = (listener.local_addr(), listener.incoming());
        let (hand_over, handed_over) = channel::bounded(1);
        let (settled, all_is_settled) = channel::bounded::<()>(1);
        let dialling = on_thread(move || {
            D::block_on(async {
                let node = dialler::<D::Runtime>().await;
                hand_over.send(peer(&node, address)).await.unwrap();
                for number in 0..COUNT {
                    let message = incoming.next().await.unwrap();
                    assert_eq!(message.accept(), numbered(number));
                }
                // It says so by dropping its end.
                let _ = all_is_settled.recv().await;
            });
        });
        let peer = handed_over.recv().await.unwrap();
        let sending = spawn::<L::Runtime, _>(async move { send_all(&peer, 0..COUNT).await });
        sending.await.unwrap();
        drop(settled);
        dialling.await.unwrap();
    });
}

fn talk_to_all<D: Backend>() {
    talk::<D, TokioCurrentThread>();
    talk::<D, TokioMultiThread>();
    talk::<D, OnSmol>();
    talk::<D, OnAsyncStd>();
    talk::<D, OnThreads>();
}

#[test]
fn tokio_of_one_thread_with_all() {
    talk_to_all::<TokioCurrentThread>();
}

#[test]
fn tokio_of_several_threads_with_all() {
    talk_to_all::<TokioMultiThread>();
}

#[test]
fn smol_with_all() {
    talk_to_all::<OnSmol>();
}

#[test]
fn async_std_with_all() {
    talk_to_all::<OnAsyncStd>();
}

#[test]
fn threads_with_all() {
    talk_to_all::<OnThreads>();
}
