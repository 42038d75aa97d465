//! Whether a page is sound enough.

use std::collections::BTreeSet;

/// Elements without an end tag.
const VOID: [&str; 4] = ["meta", "input", "br", "!DOCTYPE"];

/// Each element that begins ends, in order; and no attribute breaks out of its quotes.
pub(crate) fn assert_balanced(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some((_, from_tag)) = rest.split_once('<') {
        let (tag, after) = from_tag.split_once('>').unwrap();
        rest = after;
        assert!(tag.matches('"').count() % 2 == 0, "quotes of <{tag}>");
        let name = tag.split([' ', '/']).next().unwrap();
        if let Some(ended) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(ended), "</{ended}>");
        } else if matches!(name, "style" | "script") {
            let (_, after) = rest.split_once(&format!("</{name}>")).unwrap();
            rest = after;
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// Ids are given once, and each that is referred to is there.
pub(crate) fn assert_ids_are_found(page: &str) {
    let values = |before: &str, end: char| -> Vec<String> {
        let parts = page.split(before).skip(1);
        let values = parts.map(|part| part.split(end).next().unwrap_or_default());
        values.map(str::to_owned).collect()
    };
    let ids = values(" id=\"", '"');
    let known: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(known.len(), ids.len(), "an id is given twice");
    let links = values(" href=\"#", '"');
    let fills = values("url(#", ')');
    assert!(!links.is_empty() && !fills.is_empty());
    for name in links.into_iter().chain(fills) {
        assert!(known.contains(&name), "nothing is called {name}");
    }
}
