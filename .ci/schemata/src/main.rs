//! Puts many mutants into one build, each behind a switch (mutant schemata; Untch, Offutt and
//! Harrold, "Mutation analysis using mutant schemata", ISSTA 1993): compiling is what a mutant costs
//! most, and so it is paid once.
//!
//! `schemata TREE` reads what `cargo mutants --list --json` writes from stdin, rewrites the sources
//! below TREE, and prints a line for each mutant: its number, `in` or `out`, and its name. One that
//! is `out` cannot be put behind a switch in the place where it is, or was named by its number after
//! TREE. The mutant whose number the environment variable `PEER_SENDER_MUTANT` has is on.

mod edit;
mod find;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::{env, fs, io};

use serde::Deserialize;

use edit::Edits;
use find::Finder;

/// One of cargo-mutants' list.
#[derive(Deserialize)]
struct Mutant {
    name: String,
    file: String,
    genre: String,
    replacement: String,
    span: Span,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    return_type: String,
}

#[derive(Deserialize, Clone, Copy)]
struct Span {
    start: Place,
    end: Place,
}

/// Counted from 1, in characters.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    column: usize,
}

/// What is appended to the crate's root.
const SWITCH: &str = r#"
#[doc(hidden)]
#[allow(missing_docs)]
pub mod mutant {
    extern crate std as standard;
    use self::standard::sync::LazyLock;

    static ON: LazyLock<u32> = LazyLock::new(|| {
        let number = self::standard::env::var("PEER_SENDER_MUTANT");
        number.ok().and_then(|it| it.parse().ok()).unwrap_or(0)
    });

    #[inline(always)]
    pub fn is(number: u32) -> bool {
        *ON == number
    }
}
"#;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let tree = arguments.next().expect("usage: schemata TREE [OUT...]");
    let out: BTreeSet<usize> = arguments
        .map(|it| it.parse().expect("a mutant's number"))
        .collect();
    let mut list = String::new();
    io::stdin().read_to_string(&mut list)?;
    let mutants: Vec<Mutant> = serde_json::from_str(&list).expect("the list is cargo-mutants' own");

    let mut by_file: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (number, mutant) in (1..).zip(&mutants) {
        by_file
            .entry(&mutant.file)
            .or_default()
            .push((number, mutant));
    }
    let mut switched = BTreeSet::new();
    for (file, mutants) in by_file {
        let path = Path::new(&tree).join(file);
        let text = fs::read_to_string(&path)?;
        let mut edits = Edits::new(&text);
        let finder = Finder::new(&text);
        for (number, mutant) in mutants {
            if !out.contains(&number) && finder.switch(number, mutant, &mut edits).is_some() {
                switched.insert(number);
            }
        }
        fs::write(&path, edits.render())?;
    }
    let root = Path::new(&tree).join("core/src/lib.rs");
    let mut text = fs::read_to_string(&root)?;
    text.push_str(SWITCH);
    fs::write(&root, text)?;
    for (number, mutant) in (1..).zip(&mutants) {
        let state = if switched.contains(&number) {
            "in"
        } else {
            "out"
        };
        println!("{number} {state} {}", mutant.name);
    }
    Ok(())
}
