//! placeholder
pub(crate) const WRITE_BYTES_MAX: usize = 256 << 10;
