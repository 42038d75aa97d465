//! An acceptor that answers with what no correct one says: the live node dials it, finds the
//! fault, and loses nothing once it is answered as it should be.

use peer_sender_core::wire::{Frame, Resume, VARINT_MAX};
use peer_sender_core::{Epoch, SessionId};
use peer_sender_tokio::{
    CloseCode, Level, LinkError, Outcome, PeerSender, ProtocolError, Receipt, RefuseCode, StopMode,
    UnknownReason,
};
use quinn_proto::StreamId;

use super::raw::say::{self, Heard};
use super::raw::{Closed, Id, Raw};
use super::scene::{Scene, failure, hostile, run};

const DELIVERED: Outcome = Outcome::Delivered(Level::Application);

/// The lane's stream of a connection that the live node made, and what is at its front.
struct Lane {
    id: Id,
    stream: StreamId,
}

impl Lane {
    /// The next one, once so many frames have come on it.
    async fn next(raw: &mut Raw, frames: usize) -> Self {
        let id = raw.accept().await;
        let stream = raw.accept_stream(id).await;
        let lane = Self { id, stream };
        lane.hear(raw, frames).await;
        lane
    }

    async fn hear(&self, raw: &mut Raw, frames: usize) -> Vec<Heard> {
        raw.until(|raw| {
            let heard = say::heard(&raw.came(self.id, self.stream).bytes);
            (heard.len() >= frames).then_some(heard)
        })
        .await
    }

    /// Hears everything up to this message.
    async fn hear_last(&self, raw: &mut Raw, payload: &'static str) {
        let last = Heard::Message(payload.into());
        raw.hears(self.id, self.stream, last).await;
    }

    async fn say(&self, raw: &mut Raw, bytes: &[u8]) {
        raw.say(self.id, self.stream, bytes).await;
    }

    fn session(&self, raw: &mut Raw) -> SessionId {
        match say::heard(&raw.came(self.id, self.stream).bytes).first() {
            Some(Heard::Frame(Frame::Open(open))) => open.session,
            other => panic!("no OPEN: {other:?}"),
        }
    }
}

/// Two messages on their way to the raw acceptor, which has heard both.
async fn two_messages(peer: &PeerSender, raw: &mut Raw) -> ([Receipt; 2], Lane) {
    let receipts = [peer.try_send("one").unwrap(), peer.try_send("two").unwrap()];
    (receipts, Lane::next(raw, 3).await)
}

struct Case {
    name: &'static str,
    /// What the acceptor says after it has heard two messages.
    said: Vec<u8>,
    fin: bool,
    error: ProtocolError,
    /// How many of the messages were delivered before the fault.
    delivered: u64,
}

fn cases() -> Vec<Case> {
    let unexpected = |frame| ProtocolError::Unexpected { frame };
    let range = |field| ProtocolError::ResumeRange { field };
    let resume = say::resume(1);
    let with = |change: fn(&mut Resume)| {
        let mut resume = say::resume_fields(1);
        change(&mut resume);
        say::resume_of(resume)
    };
    let mut cases = Vec::new();
    let mut add = |name, said: &[&[u8]], error| {
        cases.push(Case {
            name,
            said: said.concat(),
            fin: false,
            error,
            delivered: 0,
        });
    };
    add(
        "RECEIPT before RESUME",
        &[&say::receipt(1)],
        unexpected("RECEIPT"),
    );
    add(
        "REFUSE before RESUME",
        &[&say::refuse(0, 2)],
        unexpected("REFUSE"),
    );
    add("RESUME twice", &[&resume, &resume], unexpected("RESUME"));
    let open = say::open(say::session(1));
    add("OPEN from the acceptor", &[&open], unexpected("OPEN"));
    let message = say::message(b"x");
    add(
        "MESSAGE from the acceptor",
        &[&resume, &message],
        unexpected("MESSAGE"),
    );
    add(
        "SKIP from the acceptor",
        &[&resume, &say::skip(1)],
        unexpected("SKIP"),
    );
    let ahead = with(|resume| resume.next = 1);
    add(
        "RESUME that has more than was sent",
        &[&ahead],
        range("next"),
    );
    let ahead = with(|resume| resume.next = VARINT_MAX);
    add("RESUME that has everything", &[&ahead], range("next"));
    let crossed = with(|resume| resume.taken = 1);
    add("RESUME with taken above next", &[&crossed], range("taken"));
    let ahead = ProtocolError::ReceiptAhead;
    add(
        "RECEIPT of what was never sent",
        &[&resume, &say::receipt(3)],
        ahead,
    );
    add(
        "RECEIPT of everything",
        &[&resume, &say::receipt(VARINT_MAX)],
        ahead,
    );
    let never = ProtocolError::RefuseRange;
    add(
        "REFUSE of what was never sent",
        &[&resume, &say::refuse(2, 2)],
        never,
    );
    let kind = ProtocolError::UnknownFrame { kind: 0x3f };
    add("a kind that nobody knows", &[&resume, &[0x3f, 0]], kind);
    let length = ProtocolError::BodyLength {
        frame: "RECEIPT",
        length: 0,
    };
    add("RECEIPT of nothing", &[&resume, &[5, 0]], length);
    let form = ProtocolError::IntegerForm;
    add(
        "RECEIPT in a longer form",
        &[&resume, &[5, 2, 0x40, 1]],
        form,
    );

    for (name, said, fin) in [
        ("FIN inside RESUME", &resume[..10], true),
        (
            "FIN inside a length",
            &[resume.clone(), vec![5]].concat()[..],
            true,
        ),
    ] {
        cases.push(Case {
            name,
            said: said.to_vec(),
            fin,
            error: ProtocolError::Truncated,
            delivered: 0,
        });
    }
    let back = [&say::receipt(1)[..], &say::receipt(0)];
    let too_late = [&say::receipt(1)[..], &say::refuse(0, 2)];
    for (name, said, error) in [
        ("RECEIPT going back", back, ProtocolError::ReceiptBack),
        ("REFUSE of what was delivered", too_late, never),
    ] {
        cases.push(Case {
            name,
            said: [&resume[..], &said.concat()].concat(),
            fin: false,
            error,
            delivered: 1,
        });
    }
    cases
}

#[test]
fn every_broken_answer_is_named_and_loses_nothing() {
    run(async {
        let mut scene = Scene::dialling().await;
        let mut raw = Raw::acceptor(&hostile(), |_| {}).await;
        for (number, case) in (1..).zip(cases()) {
            let peer = scene.sends_to(case.name, hostile().key(), raw.address());
            let mut events = peer.events();
            let (receipts, lane) = two_messages(&peer, &mut raw).await;
            lane.say(&mut raw, &case.said).await;
            if case.fin {
                raw.finish(lane.id, lane.stream);
            }
            let closed = raw.closed(lane.id).await;
            let expected = Closed {
                code: CloseCode::Protocol,
                reason: case.error.to_string(),
            };
            assert_eq!(closed, expected, "{}", case.name);
            let error = raw.alongside(failure(&mut events)).await;
            assert_eq!(error, LinkError::Protocol(case.error), "{}", case.name);
            assert_eq!(scene.live.stats().await.protocol_errors, number);
            let stats = raw.alongside(peer.stats()).await;
            assert_eq!(stats.machine.protocol_errors, 1, "{}", case.name);

            // Dialled again, it answers as it should.
            let lane = Lane::next(&mut raw, 1).await;
            let known = Resume {
                taken: case.delivered,
                next: case.delivered,
                ..say::resume_fields(1)
            };
            lane.say(&mut raw, &say::resume_of(known)).await;
            lane.hear_last(&mut raw, "two").await;
            lane.say(&mut raw, &say::receipt(2)).await;
            for receipt in receipts {
                assert_eq!(raw.alongside(receipt).await, DELIVERED, "{}", case.name);
            }
            raw.alongside(peer.stop(StopMode::Abort)).await;
        }
        scene.serves().await;
        scene.ends().await;
    });
}

#[test]
fn what_is_said_twice_or_is_an_extension_does_no_harm() {
    run(async {
        let scene = Scene::dialling().await;
        let mut raw = Raw::acceptor(&hostile(), |_| {}).await;
        let peer = scene.sends_to("hostile", hostile().key(), raw.address());
        let ([one, two], lane) = two_messages(&peer, &mut raw).await;
        let said = [
            say::resume(1),
            say::receipt(0),
            say::extension(&[9; 5_000]),
            say::refuse(0, 2),
            say::refuse(0, 2),
            say::receipt(1),
            say::receipt(1),
            say::extension(&[]),
            say::receipt(2),
            say::receipt(2),
        ];
        lane.say(&mut raw, &said.concat()).await;
        let refused = Outcome::Refused(RefuseCode::Application);
        assert_eq!(raw.alongside(one).await, refused);
        assert_eq!(raw.alongside(two).await, DELIVERED);
        // It goes on after the last of them.
        let three = peer.try_send("three").unwrap();
        lane.hear(&mut raw, 4).await;
        lane.say(&mut raw, &say::receipt(3)).await;
        assert_eq!(raw.alongside(three).await, DELIVERED);
        let stats = raw.alongside(peer.stats()).await.machine;
        assert_eq!((stats.connected, stats.protocol_errors), (1, 0));
        scene.ends().await;
    });
}

/// A process that has forgotten everything is told everything again, under the same numbers, in
/// the same session.
#[test]
fn another_process_at_the_address_gets_everything_again() {
    run(async {
        let scene = Scene::dialling().await;
        let mut raw = Raw::acceptor(&hostile(), |_| {}).await;
        let peer = scene.sends_to("hostile", hostile().key(), raw.address());
        let (receipts, lane) = two_messages(&peer, &mut raw).await;
        let session = lane.session(&mut raw);
        let held = Resume {
            next: 0,
            ..say::resume_fields(1)
        };
        lane.say(&mut raw, &say::resume_of(held)).await;
        raw.close(lane.id, CloseCode::GoingAway);
        for process in 2..6 {
            let lane = Lane::next(&mut raw, 1).await;
            assert_eq!(lane.session(&mut raw), session);
            lane.say(&mut raw, &say::resume(process)).await;
            let heard = lane.hear(&mut raw, 3).await;
            let messages = [Heard::Message("one".into()), Heard::Message("two".into())];
            assert_eq!(heard[1..], messages, "process {process}");
            if process == 5 {
                lane.say(&mut raw, &say::receipt(2)).await;
            } else {
                raw.close(lane.id, CloseCode::GoingAway);
            }
        }
        for receipt in receipts {
            assert_eq!(raw.alongside(receipt).await, DELIVERED);
        }
        scene.ends().await;
    });
}

/// Where the evidence is gone and the message can not be sent again, that is what is said.
#[test]
fn another_process_that_takes_less_leaves_the_fate_unknown() {
    run(async {
        let scene = Scene::dialling().await;
        let mut raw = Raw::acceptor(&hostile(), |_| {}).await;
        let peer = scene.sends_to("hostile", hostile().key(), raw.address());
        let (receipts, lane) = two_messages(&peer, &mut raw).await;
        lane.say(&mut raw, &say::resume(1)).await;
        raw.close(lane.id, CloseCode::GoingAway);
        let lane = Lane::next(&mut raw, 1).await;
        let smaller = Resume {
            epoch: Epoch([2; 16]),
            message_bytes_max: 2,
            ..say::resume_fields(2)
        };
        lane.say(&mut raw, &say::resume_of(smaller)).await;
        let unknown = Outcome::Unknown(UnknownReason::Forgotten);
        for receipt in receipts {
            assert_eq!(raw.alongside(receipt).await, unknown);
        }
        scene.ends().await;
    });
}
