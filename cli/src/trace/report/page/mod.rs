//! The page: put together from parts, each within bounds of its own, so that the page has some too.

mod csp;
mod diagram;
mod head;
mod latency;
mod life;
mod overview;
mod peers;
mod plot;
mod sessions;
mod states;
mod steps;

use super::facts::Facts;
use super::html::Html;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page about a trace from a file of this name.
pub(super) fn render(facts: &Facts, file: &str) -> String {
    let mut page = String::new();
    let mut rest = PAGE;
    while let Some((before, from_name)) = rest.split_once("{{") {
        page.push_str(before);
        let (name, after) = from_name.split_once("}}").unwrap_or((from_name, ""));
        page.push_str(&part(name, facts, file));
        rest = after;
    }
    page.push_str(rest);
    page
}

fn part(name: &str, facts: &Facts, file: &str) -> String {
    match name {
        "policy" => csp::policy(STYLE, SCRIPT),
        "style" => STYLE.to_owned(),
        "script" => SCRIPT.to_owned(),
        "file" => Html(crate::trace::words::plain(file)).to_string(),
        "patterns" => states::patterns(),
        "head" => head::render(facts),
        "overview" => overview::render(facts),
        "peers" => peers::render(facts),
        "sessions" => sessions::render(facts),
        "steps" => steps::render(facts),
        "version" => env!("CARGO_PKG_VERSION").to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_page_is_made() {
        let facts = Facts::new(1);
        for name in PAGE.split("{{").skip(1) {
            let (name, _) = name.split_once("}}").unwrap();
            let may_be_empty = matches!(name, "peers" | "sessions" | "steps");
            assert!(
                !part(name, &facts, "file").is_empty() || may_be_empty,
                "{name}"
            );
        }
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</"), "it would end its own element");
            assert!(!text.contains("http"), "the page needs no network");
        }
    }
}
