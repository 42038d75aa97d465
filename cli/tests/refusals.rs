//! What the command line answers to what it cannot do: the words, and the exit code.

#![cfg(unix)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::{Directory, Listener, command, json, last_word, run};

const KEY: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

#[test]
fn usage_errors_name_the_argument_and_exit_with_2() {
    run("").failed(2, &["Usage"]);
    run("listen --bind here --key k --allow-any")
        .failed(2, &["--bind <IP:PORT>", "127.0.0.1:4433"]);
    run("listen --bind 127.0.0.1:0 --key k").failed(2, &["--allow <KEY>", "--allow-any"]);
    run("listen --bind 127.0.0.1:0 --key k --allow 12").failed(2, &["--allow <KEY>", "64 hex"]);
    run(&format!(
        "send --to 127.0.0.1 --peer-key {KEY} --key k --count 1"
    ))
    .failed(2, &["--to <HOST:PORT>", "192.0.2.7:4433"]);
    run(&format!("send --to 127.0.0.1:9 --peer-key {KEY} --key k")).failed(2, &["--count <N>"]);
    run("demo --size 7").failed(2, &["--size <B>"]);
    run("demo --peers 0").failed(2, &["--peers <N>"]);
}

#[test]
fn what_is_to_be_written_later_is_tried_at_once() {
    let directory = Directory::new("later");
    let key = directory.key("a");
    let file = directory.file("a");
    for place in [
        directory.file("none/t"),
        directory.file(""),
        "/proc/t".to_owned(),
    ] {
        for what in ["--flight", "--trace"] {
            run(&format!("demo --messages 1 {what} {place}")).failed(2, &[place.as_str(), what]);
            run(&format!(
                "listen --bind 127.0.0.1:0 --key {file} --allow {key} {what} {place}"
            ))
            .failed(2, &["nothing was done"]);
        }
        run(&format!("demo --messages 1 --report {place}")).failed(2, &[place.as_str()]);
    }
    // What only tries leaves nothing behind: this is what the connection that is cut leads to.
    let flight = directory.file("flight");
    let ran = run(&format!("demo --messages 1 --flight {flight}"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let there = fs::read_dir(directory.file("")).unwrap();
    let there: BTreeSet<_> = there.map(|it| it.unwrap().file_name()).collect();
    assert_eq!(there, ["a".into(), "flight".into()].into());
}

#[test]
fn help_is_no_failure() {
    let help = run("--help");
    assert_eq!(help.code, Some(0));
    assert!(
        help.stdout.contains("Exit codes: 0 ok; 1"),
        "{}",
        help.stdout
    );
}

#[test]
fn keys_are_made_once_and_for_their_owner_alone() {
    let directory = Directory::new("keys");
    let file = directory.file("a.key");
    let made = run(&format!("keys new {file}"));
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(
        made.stderr.contains("--allow KEY_OF_THE_SENDER"),
        "{made:?}"
    );
    let key = last_word(&made.stdout);
    assert_eq!(key.len(), 64);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let shown = run(&format!("keys show {file}"));
    assert_eq!(
        (shown.code, last_word(&shown.stdout)),
        (Some(0), key.clone())
    );
    assert_eq!(shown.stderr, "");
    let shown = run(&format!("keys show {file} --json"));
    assert_eq!(json(&shown.stdout)["key"], key);

    let before = fs::read(&file).unwrap();
    run(&format!("keys new {file}")).failed(2, &["exists", "peer-sender keys show"]);
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_ne!(directory.key("b.key"), key);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let mend = format!("chmod 600 {file}");
    for command in [
        format!("keys show {file}"),
        format!("listen --bind 127.0.0.1:0 --key {file} --allow-any"),
        format!("send --to 127.0.0.1:9 --peer-key {KEY} --key {file} --count 1"),
    ] {
        run(&command).failed(2, &["others than its owner", &mend]);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(run(&format!("keys show {file}")).code, Some(0));
}

#[test]
fn a_key_file_that_cannot_be_used_is_named_with_the_way_out() {
    let directory = Directory::new("key-files");
    let missing = directory.file("none.key");
    let make = format!("peer-sender keys new {missing}");
    for command in [
        format!("keys show {missing}"),
        format!("listen --bind 127.0.0.1:0 --key {missing} --allow-any"),
        format!("send --to 127.0.0.1:9 --peer-key {KEY} --key {missing} --count 1"),
    ] {
        run(&command).failed(2, &["cannot read the key file", &make]);
    }
    let broken = directory.file("broken.key");
    for content in [
        "",
        "no key at all",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        fs::write(&broken, content).unwrap();
        run(&format!("keys show {broken}")).failed(2, &[&broken, "peer-sender keys new"]);
    }
    // What is no key needs no mode of one.
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o644)).unwrap();
    let shown = run(&format!("keys show {broken}"));
    assert!(!shown.stderr.contains("chmod"), "{shown:?}");
    let shown = run(&format!("keys show {}", directory.file("")));
    shown.failed(2, &["cannot read the key file", "name a key file"]);
    assert!(!shown.stderr.contains("keys new"), "{shown:?}");
    fs::write(&broken, [0xff; 100_000]).unwrap();
    run(&format!("keys show {broken}")).failed(2, &[&broken, "peer-sender keys new"]);
    run(&format!("keys new {}/a/b", directory.file("nowhere"))).failed(2, &["cannot write"]);
}

#[test]
fn an_address_in_use_says_so() {
    let directory = Directory::new("in-use");
    directory.key("a.key");
    let key = directory.file("a.key");
    let first = Listener::start(&key, "127.0.0.1:0", "--allow-any");
    run(&format!(
        "listen --bind {} --key {key} --allow-any",
        first.address
    ))
    .failed(2, &["--bind", &first.address, "in use"]);
    // TEST-NET-1 (RFC 5737) is nobody's.
    run(&format!(
        "listen --bind 192.0.2.1:4433 --key {key} --allow-any"
    ))
    .failed(2, &["--bind", "192.0.2.1:4433"]);
}

#[test]
fn what_cannot_be_a_message_is_noticed_before_anything_is_sent() {
    let directory = Directory::new("messages");
    directory.key("a.key");
    let send = |what: &str| {
        let key = directory.file("a.key");
        run(&format!(
            "send --to 127.0.0.1:9 --peer-key {KEY} --key {key} {what}"
        ))
    };
    send("--count 1 --size 16777217").failed(2, &["--size", "16777217", "16777216"]);
    send("there-is-no-such-file").failed(2, &["there-is-no-such-file", "nothing was sent"]);
    send(&directory.file("")).failed(2, &["nothing was sent"]);
    let pipe = directory.file("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    send(&pipe).failed(2, &[&pipe, "no regular file", "- < "]);
    send("- there-is-no-such-file").failed(2, &["stdin"]);
    let film = directory.file("film");
    fs::File::create(&film)
        .unwrap()
        .set_len((16 << 20) + 1)
        .unwrap();
    send(&film).failed(2, &[&film, "16777217 bytes"]);
}

#[test]
fn a_log_filter_that_is_none_names_its_variable() {
    let output = command("keys show x")
        .env("RUST_LOG", "peer_sender=loudly")
        .output()
        .unwrap();
    common::Ran::from(output).failed(2, &["RUST_LOG", "debug"]);
}
