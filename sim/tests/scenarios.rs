//! Scenarios as text: what they print, and what they refuse.

use peer_sender_sim::{Failure, Scenario, Trouble, transcript};

const TOUR: &str = "\
# The first message rides along with the OPEN of its lane; the second is lost with its connection,
# and sent again in its place once the receiver has said what it has.
set lanes 2
set flight_messages_max 2

send 0 5B
    whatever stood here is written anew
confirm a0
deliver a0 up
take 0
send 0 3B
lose a0 dialler timeout
fire sender
confirm a1
deliver a1 up
deliver a1 down
deliver a1 up
take 0
deliver a1 down
";

#[test]
fn a_transcript_says_what_came_of_each_operation() {
    let told = transcript(TOUR).unwrap();
    let came: Vec<&str> = told.lines().filter(|line| line.starts_with(' ')).collect();
    assert_eq!(came.len(), 23);
    for line in [
        "    sender   write t0 a0 lane 0: OPEN fresh base 0, MESSAGE #0 5B",
        "    receiver hands out #0, number 0 of lane 0, 5B",
        "    receiver stop sending a0 s0: superseded (7)",
        "    receiver write t2 a1 lane 0: RESUME record 0 taken 1 next 1",
        "    sender   write t3 a1 lane 0: SKIP 1, MESSAGE #1 3B",
        "    sender   settle #1 delivered",
    ] {
        assert!(came.contains(&line), "{line:?} in\n{told}");
    }
    assert_eq!(transcript(&told).unwrap(), told);
    let again: Scenario = told.parse().unwrap();
    assert_eq!(again, TOUR.parse().unwrap());
    assert_eq!(again.to_string().parse(), Ok(again));
}

#[test]
fn what_cannot_happen_is_the_scenarios_fault() {
    let run = |text: &str| text.parse::<Scenario>().unwrap().run().unwrap_err();
    let failure = run("take 0");
    assert!(matches!(
        failure,
        Failure::Trouble {
            at: 0,
            trouble: Trouble::Impossible(_),
            ..
        }
    ));
    assert_eq!(
        failure.to_string(),
        "take 0: this cannot happen here: the application holds no message of the lane"
    );
    let told = transcript("send 0 5B\nconfirm a7\nsend 0 5B\n").unwrap();
    let expected = "send 0 5B\nconfirm a7\n    ! this cannot happen here: there is no such \
                    connection\nsend 0 5B\n";
    assert_eq!(told, expected);
}

#[test]
fn a_line_that_is_not_understood_is_named() {
    let wrong = |text: &str| text.parse::<Scenario>().unwrap_err().to_string();
    assert_eq!(
        wrong("# words\n\nfly away\n"),
        "line 3: \"fly\" is not anything that can happen"
    );
    assert_eq!(
        wrong("send 0 1B\nset lanes 1\n"),
        "line 2: settings come before what happens"
    );
    let contradiction: Scenario = "set lanes 9\n".parse().unwrap();
    let failure = contradiction.run().unwrap_err().to_string();
    assert_eq!(failure, "lanes: must be from 1 to 8");
}

/// Everything that can be said once, in one life of two machines.
#[test]
fn everything_can_happen() {
    let text = "\
set addresses A B
set receiver_message_bytes_max 10
set transfers manual

send 0 5B
send 1 20B
cancel #1
fail a0 refused
wake operator
advance 100ms
tick sender
confirm a1
written a1 up s0
deliver a1 up half
deliver a1 up
stale sender lost 0
stale receiver bytes 9
back sender 1s
back receiver 1s
written a1 down s0
deliver a1 down frame
refuse 0 2
deliver a1 down
send 0 3B
written a1 up s0
deliver a1 up s0
halt a1 up s0 7
lose a1 acceptor closed
forget
fire
accept a2
confirm a2
written a2 up s0
deliver a2 up
restart
lose a2 dialler reset
addresses A
fire sender
confirm a3
written a3 up s0
deliver a3 up
written a3 down s0
deliver a3 down
written a3 up s0
deliver a3 up
leave drain 1s
take 0
written a3 down s0
deliver a3 down
stop abort
";
    let world = text.parse::<Scenario>().unwrap().run();
    let world = world.unwrap_or_else(|failure| panic!("{failure}\n{}", transcript(text).unwrap()));
    assert!(world.sender().is_closed());
    let stats = world.sender().stats();
    let all = (stats.delivered, stats.refused, stats.cancelled);
    assert_eq!(all, (1, 1, 1));
}

/// A receipt that comes in the step in which its message is taken back counts.
#[test]
fn the_user_may_ask_for_something_in_the_step_of_what_comes_next() {
    let text = "\
send 0 5B
confirm a0
deliver a0 up
take 0
with cancel #0
deliver a0 down
with stop drain 1s
advance 10s
";
    let scenario: Scenario = text.parse().unwrap();
    assert_eq!(scenario.to_string(), text);
    let world = scenario.run().unwrap();
    let stats = world.sender().stats();
    assert_eq!((stats.delivered, stats.cancelled), (1, 0));
    // It was told to stop before its clock went on.
    assert!(world.sender().capacity(peer_sender_core::Lane(0)).messages == 0);
    let wrong = "with send 0 5B"
        .parse::<Scenario>()
        .unwrap_err()
        .to_string();
    assert_eq!(
        wrong,
        "line 1: \"send\" is not cancel, stop, wake or addresses"
    );
}
