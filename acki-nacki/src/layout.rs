//! How values are laid out: as bincode 1 does it by default.

use bincode::config::{Configuration, Fixint, LittleEndian};

/// Little-endian integers of fixed width, lengths of eight bytes.
///
/// Without a limit of bincode's own, which would be a constant of the program. What it would be for is
/// done by those who call it: nothing but slices of what was received is ever asked of it, and it
/// compares the length of such a slice with what is there before it hands it out.
pub(crate) const LAYOUT: Configuration<LittleEndian, Fixint> = bincode::config::legacy();
