//! Finding and reading the texts that are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Version;

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The project's files with this extension, in order.
pub(super) fn files(extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            if path.is_dir() {
                if name == ".ci" || name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|other| other == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty() || extension != "rs", "no source found");
    Ok(found)
}

/// What the links `[..](target)` of a page point to, code aside.
pub(super) fn link_targets(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines()
        .filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && !fence
        })
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
}

/// The names by which a page's headings can be linked to.
pub(super) fn anchors(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|&c| c.is_alphanumeric() || " -_".contains(c))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// A test, or a case that is tested under each runtime.
pub(super) fn is_in(text: &str, test: &str) -> bool {
    ["(", "<"]
        .iter()
        .any(|next| text.contains(&format!("fn {test}{next}")))
}

pub(super) fn is_invariant(word: &str) -> bool {
    let digits = word.strip_prefix(['I', 'L']).unwrap_or("");
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

pub(super) fn names_absolute(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "\"'`(=:".contains(c))
    })
}

pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Every version of every crate in the lock file.
pub(super) fn locked_versions() -> Result<BTreeMap<String, Vec<Version>>, Box<dyn Error>> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let mut locked: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let start = format!("{name} = \"");
            package
                .lines()
                .find_map(|line| line.strip_prefix(&*start)?.strip_suffix('"'))
        };
        let (Some(name), Some(version)) = (field("name"), field("version")) else {
            return Err("Cargo.lock has a package without a name or version".into());
        };
        let numbers: Vec<u64> = version
            .split(['.', '-', '+'])
            .take(3)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let numbers = numbers
            .try_into()
            .map_err(|_| format!("{name} {version}: no version"))?;
        locked.entry(name.to_owned()).or_default().push(numbers);
    }
    Ok(locked)
}
