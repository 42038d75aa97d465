//! Which seeds a harness runs.

use std::ops::Range;

/// `PEER_SENDER_SEEDS`, a number of seeds or a range of them; without it as many as usual.
pub(crate) fn seeds(usual: u64) -> Range<u64> {
    let Ok(text) = std::env::var("PEER_SENDER_SEEDS") else {
        return 0..usual;
    };
    let range = match text.split_once("..") {
        Some((from, to)) => from.parse().and_then(|from| Ok(from..to.parse()?)),
        None => text.parse().map(|count| 0..count),
    };
    range.expect("PEER_SENDER_SEEDS is a number of seeds, or a range such as 17..18")
}
