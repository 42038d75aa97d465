//! Credentials of the Acki Nacki network: made, shown, and taken by both ends.

mod common;

use common::{Directory, Listener, json, last_word, run};
use serde_json::json;

#[test]
fn nodes_of_trusted_owners_send_to_each_other() {
    let directory = Directory::new("acki-nacki");
    let [owner, other_owner, listener, sender, stranger] =
        ["owner", "other-owner", "listener", "sender", "stranger"].map(|it| directory.file(it));

    let made = run(&format!("keys owner new {owner}"));
    assert_eq!(made.code, Some(0), "{made:?}");
    let owner_key = last_word(&made.stdout);
    let shown = run(&format!("keys owner show {owner} --json"));
    assert_eq!(
        json(&shown.stdout),
        json!({"file": owner, "key": owner_key})
    );
    assert_eq!(run(&format!("keys owner new {other_owner}")).code, Some(0));

    let both = format!("--owner-key {owner} --owner-key {other_owner}");
    let make = |file: &str, owners: &str| {
        let made = run(&format!("keys new {file} --acki-nacki {owners}"));
        assert_eq!(made.code, Some(0), "{made:?}");
        last_word(&made.stdout)
    };
    let hash = make(&listener, &both);
    make(&sender, &format!("--owner-key {owner}"));
    make(&stranger, "");

    let shown = run(&format!("keys show {listener} --acki-nacki --json"));
    let shown = json(&shown.stdout);
    assert_eq!(shown["key"], hash);
    let owners = shown["owners"].as_array().unwrap();
    assert!(owners.len() == 2 && owners.contains(&json!(owner_key)));
    let by_key = run(&format!("keys show {listener}"));
    assert_ne!(last_word(&by_key.stdout), hash, "to others it is its key");

    let flags = format!("--protocol acki-nacki --trust-owner {owner_key} --json");
    let node = Listener::start(&listener, "127.0.0.1:0", &flags);
    let send = |file: &str, whom: &str| {
        let (to, protocol) = (&node.address, "--protocol acki-nacki --give-up 1 --json");
        run(&format!(
            "send --to {to} --key {file} {whom} {protocol} --count 20 --size 100"
        ))
    };
    for whom in [
        format!("--peer-key {hash}"),
        format!("--peer-owner {owner_key}"),
    ] {
        let sent = send(&sender, &whom);
        assert_eq!(json(&sent.stdout)["written"], 20, "{sent:?}");
    }
    let refused = send(&stranger, &format!("--peer-key {hash}"));
    refused.failed(1, &["refused our identity"]);
    let mistaken = send(&sender, &format!("--peer-owner {hash}"));
    mistaken.failed(1, &["none of its owners is trusted here"]);

    let (log, summary) = node.finish();
    assert_eq!(log.len(), 40);
    assert_eq!(summary["messages"], 40);
}

#[test]
fn what_belongs_to_the_network_alone_is_asked_for_with_it() {
    let directory = Directory::new("acki-nacki-usage");
    let file = directory.file("node");
    run(&format!("keys new {file} --owner-key owner")).failed(2, &["--acki-nacki"]);
    let missing = format!("keys new {file} --acki-nacki --owner-key {file}.none");
    run(&missing).failed(2, &["node.none"]);
    run(&format!("keys show {file}")).failed(2, &["keys new"]);
}
