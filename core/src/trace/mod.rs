//! What machines were told, recorded and replayed.

pub(crate) mod word;
