//! Cases that are kept as text, in `core/tests/properties/cases`.

use std::fs;
use std::path::Path;

use crate::case;
use peer_sender_model::text::read;
pub(crate) use peer_sender_model::text::{report, write};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/properties/cases");

/// What once failed, and situations worth looking at, in files to read.
#[test]
fn kept_cases_do_what_the_contract_says() {
    let mut files: Vec<_> = fs::read_dir(Path::new(FOLDER)).unwrap().collect();
    files.sort_by_key(|file| file.as_ref().unwrap().path());
    assert!(!files.is_empty(), "no case is kept in {FOLDER}");
    for file in files {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (shape, ops) = read(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        if let Err(fault) = case::run(&shape, &ops, None) {
            panic!(
                "{}: at operation {} ({}): {}",
                path.display(),
                fault.at,
                ops[fault.at],
                fault.what
            );
        }
    }
}
