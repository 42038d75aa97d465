use clap::CommandFactory;

use super::*;

const KEY: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

fn parse(line: &str) -> Result<Cli, String> {
    Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn an_address_that_cannot_be_used_names_its_argument() {
    let error = parse("p listen --bind nowhere --key k --allow-any").unwrap_err();
    assert!(
        error.contains("--bind <IP:PORT>") && error.contains("127.0.0.1:4433"),
        "{error}"
    );
    for address in [
        "nowhere",
        "127.0.0.1",
        "127.0.0.1:x",
        "127.0.0.1:0",
        "0.0.0.0:9",
    ] {
        let line = format!("p send --to {address} --peer-key {KEY} --key k --count 1");
        let error = parse(&line).unwrap_err();
        assert!(error.contains("--to <HOST:PORT>"), "{error}");
    }
}

#[test]
fn a_host_name_is_resolved() {
    let line = format!("p send --to localhost:4433 --peer-key {KEY} --key k --count 1");
    let Command::Send(args) = parse(&line).unwrap().command else {
        panic!("not send")
    };
    assert!(args.to.ip().is_loopback() && args.to.port() == 4433);
}

#[test]
fn a_key_that_is_none_names_its_argument_and_what_is_wrong() {
    let error = parse("p send --to 127.0.0.1:1 --peer-key abc --key k --count 1").unwrap_err();
    assert!(
        error.contains("--peer-key <KEY>") && error.contains("64 hex"),
        "{error}"
    );
}

#[test]
fn listen_wants_to_know_whom_to_trust() {
    assert!(
        parse("p listen --bind 127.0.0.1:0 --key k")
            .unwrap_err()
            .contains("--allow-any")
    );
    let both = format!("p listen --bind 127.0.0.1:0 --key k --allow-any --allow {KEY}");
    assert!(parse(&both).unwrap_err().contains("cannot be used with"));
    let two = format!("p listen --bind 127.0.0.1:0 --key k --allow {KEY} {KEY} --json");
    let Command::Listen(args) = parse(&two).unwrap().command else {
        panic!("not listen")
    };
    assert_eq!(args.allow.len(), 2);
}

#[test]
fn the_plain_protocol_wants_its_name() {
    let send = format!("p send --to 127.0.0.1:1 --peer-key {KEY} --key k --count 1");
    let listen = "p listen --bind 127.0.0.1:0 --key k --allow-any";
    for base in [&send, listen] {
        let error = parse(&format!("{base} --protocol plain")).unwrap_err();
        assert!(error.contains("--alpn <A>"), "{error}");
        assert!(parse(&format!("{base} --protocol plain --alpn app/1")).is_ok());
        let error = parse(&format!("{base} --protocol tcp")).unwrap_err();
        assert!(error.contains("lanes, plain"), "{error}");
    }
    let line = format!("{send} --alpn app/1");
    let Command::Send(args) = parse(&line).unwrap().command else {
        panic!("not send")
    };
    let identity = peer_sender_tokio::Identity::from_secret([1; 32]);
    let builder = peer_sender_tokio::NodeConfig::builder(identity);
    let error = args.spoken.speak(builder).unwrap_err().to_string();
    assert!(
        error.starts_with("--alpn: ") && error.contains("--protocol plain"),
        "{error}"
    );
}

#[test]
fn send_takes_its_messages_from_one_place() {
    let base = format!("p send --to 127.0.0.1:1 --peer-key {KEY} --key k");
    for wrong in [
        "",
        " --count 1 file",
        " --message a -",
        " --size 4 file",
        " --count 1 --lanes 0",
        " --count 1 --lanes 9",
        " --count 1 --ttl 0",
    ] {
        assert!(parse(&format!("{base}{wrong}")).is_err(), "{wrong}");
    }
    for right in [
        " --count 1",
        " --count 1 --size 0",
        " --count 1 --lanes 8 --ttl 0.5 --at-most-once",
        " --message a --message b",
        " a b",
        " -",
    ] {
        assert!(parse(&format!("{base}{right}")).is_ok(), "{right}");
    }
}

#[test]
fn bench_names_what_it_does_not_understand() {
    for (wrong, expected) in [
        ("--workload all", "throughput, serial, latency, peers, idle"),
        ("--against tcp", "quinn"),
        ("--size 0", "--size <B>"),
        ("--peers 10001", "--peers <N>"),
        ("--repetitions 0", "--repetitions <N>"),
        ("--seconds 0", "--seconds <SECONDS>"),
    ] {
        let error = parse(&format!("p bench {wrong}")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn sim_explores_or_runs_a_scenario() {
    for wrong in [
        "",
        " --states 5",
        " --exhaustive --scenario file",
        " --exhaustive --states 0",
        " --scenario file --depth-first",
    ] {
        assert!(parse(&format!("p sim{wrong}")).is_err(), "{wrong}");
    }
    let Command::Sim(args) = parse("p sim --exhaustive").unwrap().command else {
        panic!("not sim")
    };
    assert_eq!(args.states, 1_000_000);
    assert!(parse("p sim --scenario -").is_ok());
}

#[test]
fn giving_up_takes_seconds_above_zero() {
    assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    for wrong in ["0", "-1", "NaN", "inf", "1e300", "x"] {
        assert!(seconds(wrong).is_err(), "{wrong}");
    }
}
