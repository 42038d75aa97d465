//! The two ends of a connection.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Dialler,
    Listener,
}
