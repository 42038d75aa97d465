//! A trace of each version of the format that stays readable for ever.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use peer_sender_core::trace::{Payloads, RecorderConfig};

use crate::night::{Night, records};

/// Version 1: once written, the file is never written again.
#[test]
fn version_1_is_read_as_ever() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace");
    let (trace, text) = (folder.join("version-1.trace"), folder.join("version-1.txt"));
    let config = RecorderConfig {
        payloads: Payloads::Digest,
        actions: true,
        ..RecorderConfig::default()
    };
    if !trace.exists() && std::env::var_os("PEER_SENDER_REWRITE").is_some() {
        fs::write(&trace, Night::of(config.clone()).bytes()).unwrap();
    }
    let bytes = fs::read(&trace).unwrap();
    let records = records(&bytes);
    let mut found = String::new();
    for record in &records {
        writeln!(found, "{record:?}").unwrap();
    }
    if std::env::var_os("PEER_SENDER_REWRITE").is_some() {
        fs::write(&text, &found).unwrap();
    }
    assert!(found == fs::read_to_string(&text).unwrap(), "{found}");
    let now = crate::night::records(&Night::of(config).bytes());
    assert!(now == records, "the same night is written otherwise now");
}
