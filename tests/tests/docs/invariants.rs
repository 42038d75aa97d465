//! What `docs/invariants.md` says.

use std::collections::BTreeSet;
use std::fs;

use super::TestResult;
use super::texts::*;

#[test]
fn every_invariant_is_listed_once_and_every_violation_names_one() -> TestResult {
    let page = fs::read_to_string(root().join("docs/invariants.md"))?;
    let listed: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .filter(|id| is_invariant(id))
        .map(String::from)
        .collect();
    let expected: Vec<String> = (1..=30)
        .map(|number| format!("I{number}"))
        .chain((1..=9).map(|number| format!("L{number}")))
        .collect();
    assert_eq!(listed, expected);

    let mut used = BTreeSet::new();
    for source in files("rs")?
        .iter()
        .filter(|path| !path.starts_with(root().join("tests")))
    {
        let text = fs::read_to_string(source)?;
        used.extend(
            text.split('"')
                .filter(|word| is_invariant(word))
                .map(String::from),
        );
    }
    assert!(
        !used.is_empty(),
        "no source names an invariant: is it looked for in the wrong form?"
    );
    let unknown: Vec<_> = used.iter().filter(|id| !listed.contains(id)).collect();
    assert!(unknown.is_empty(), "not in docs/invariants.md: {unknown:?}");
    Ok(())
}

/// What the last column names in backquotes: `check`, a folder or file whose text names the
/// invariant, or a test.
#[test]
fn what_is_said_to_check_an_invariant_does() -> TestResult {
    let mut sources = Vec::new();
    for path in files("rs")? {
        let text = fs::read_to_string(&path)?;
        sources.push((path, text));
    }
    let names = |place: &str, id: &str| {
        sources.iter().any(|(path, text)| {
            path.starts_with(root().join(place))
                && text
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == id)
        })
    };
    let page = fs::read_to_string(root().join("docs/invariants.md"))?;
    let mut wrong = Vec::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [id, _, checks] = cells[..] else { continue };
        let id = id.trim_start_matches("| ");
        if !is_invariant(id) {
            continue;
        }
        for check in checks.split('`').skip(1).step_by(2) {
            let holds = match check {
                "check" => sources.iter().any(|(path, text)| {
                    path.starts_with(root().join("core/src")) && text.contains(&format!("\"{id}\""))
                }),
                place if place.contains('/') => names(place, id),
                test => sources.iter().any(|(_, text)| is_in(text, test)),
            };
            if !holds {
                wrong.push(format!("{id}: {check}"));
            }
        }
    }
    assert_eq!(
        wrong,
        Vec::<String>::new(),
        "docs/invariants.md names checks that are not there"
    );
    Ok(())
}
