//! Private keys in nothing that is printed: not by `Debug`, not by errors, not in any log.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::fmt::Debug;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use peer_sender_tokio::{
    Config, Identity, Incoming, Node, NodeConfig, PeerConfig, StopMode, Trust,
};
use tracing::Level;

/// A secret that nothing else in the world looks like.
const CANARY: [u8; 32] = *b"\xca\x9a\x12\x85\xfe\x3b\x07\xd1\x64\x90\xb8\x2d\x5f\xe3\x71\x0c\
    \x46\xaf\x18\xc9\x33\xf2\x8d\x59\xeb\x04\x7e\xa1\x6c\xd0\x95\x2b";

/// Where everything goes that is printed or logged.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn note(&self, what: &dyn Debug) {
        let mut paper = self.0.lock().unwrap();
        write!(paper, "{what:?}\n{what:#?}\n{what:x?}\n").unwrap();
    }

    /// Whether it holds these bytes, wherever lines are broken and however they are indented.
    fn holds(&self, bytes: &[u8]) -> bool {
        let paper = self.0.lock().unwrap();
        let holds =
            |paper: &[u8], bytes: &[u8]| paper.windows(bytes.len()).any(|window| window == bytes);
        holds(&paper, bytes) || holds(&closed_up(&paper), &closed_up(bytes))
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn closed_up(text: &[u8]) -> Vec<u8> {
    let visible = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    visible.copied().collect()
}

/// Every way in which eight bytes in a row of the secret may be written.
fn faces(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut faces = Vec::new();
    for part in secret.windows(8) {
        let each = |write: fn(&u8) -> String, between| {
            part.iter().map(write).collect::<Vec<_>>().join(between)
        };
        faces.push(part.to_vec());
        let hex = [
            each(|byte| format!("{byte:02x}"), ""),
            each(|byte| format!("{byte:x}"), ", "),
            each(|byte| format!("{byte:02x}"), ":"),
            each(u8::to_string, ", "),
            each(|byte| byte.escape_ascii().to_string(), ""),
        ];
        faces.extend(hex.iter().map(|text| text.clone().into_bytes()));
        faces.extend(hex.iter().map(|text| text.to_uppercase().into_bytes()));
    }
    // Nine bytes are twelve digits of base64, wherever in a text they begin: with the first of
    // three, or one or two later.
    for part in secret.windows(9) {
        let digits = base64(part);
        faces.push(digits.replace('+', "-").replace('/', "_").into_bytes());
        faces.push(digits.into_bytes());
    }
    faces
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).map(|group| {
        group
            .iter()
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte))
    });
    let digits = groups.flat_map(|bits| [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63]));
    digits.map(char::from).collect()
}

#[test]
fn the_canary_is_seen_wherever_it_sings() {
    let secret = Identity::from_secret(CANARY).to_pem();
    let songs = [
        format!("{CANARY:?}"),
        format!("{CANARY:#?}"),
        format!("{CANARY:x?}"),
        CANARY.escape_ascii().to_string(),
        secret.to_string(),
        base64(&[&[0], &CANARY[..]].concat()),
    ];
    for song in songs {
        let paper = Paper::default();
        paper.clone().write_all(song.as_bytes()).unwrap();
        let heard = faces(&CANARY).iter().any(|face| paper.holds(face));
        assert!(heard, "{song}");
    }
    let paper = Paper::default();
    paper.note(&Identity::from_secret([1; 32]));
    assert!(!faces(&CANARY).iter().any(|face| paper.holds(face)));
}

/// Takes an identity through all that a program does with it, on the record.
async fn live(identity: &Identity, paper: &Paper) {
    paper.note(identity);
    let trust = Trust::Keys([identity.key()].into());
    let builder = NodeConfig::builder(identity.clone()).accept(trust);
    paper.note(&builder);
    let config = builder.build().unwrap();
    paper.note(&config);
    let listener: Node<String> = Node::bind("127.0.0.1:0", config).await.unwrap();
    let dialler: Node<String> = Node::bind("127.0.0.1:0", NodeConfig::new(identity.clone()))
        .await
        .unwrap();
    let address = Config::new(listener.local_addr()).unwrap();
    let config = PeerConfig::with(identity.key(), address);
    paper.note(&config);
    let peer = dialler.peer("canary".to_owned(), config).unwrap();
    let mut incoming: Incoming<String> = listener.incoming();
    let (message, _receipt) = tokio::join!(incoming.next(), peer.send("hello"));
    let message = message.unwrap();
    paper.note(&message);
    paper.note(&(message.from(), message.peer()));
    drop(message);
    paper.note(&(&listener, &dialler, &peer, &incoming));
    paper.note(&listener.stats().await);
    dialler.stop(StopMode::Abort).await;
    listener.stop(StopMode::Drain(Duration::from_secs(1))).await;
    paper.note(&(&listener, &dialler, &peer, &incoming));
}

#[tokio::test]
async fn no_secret_is_printed_or_logged() {
    let paper = Paper::default();
    let log = paper.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(move || log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let own = Identity::from_secret(CANARY);
    live(&own, &paper).await;
    let certified = Identity::from_chain_pem(&own.certificates_pem(), &own.to_pem()).unwrap();
    live(&certified, &paper).await;

    // What is refused is not shown either.
    let pem = own.to_pem();
    let cut = pem.replacen("-----END", "-----", 1);
    paper.note(&Identity::from_pem(&cut).unwrap_err());
    paper.note(&Identity::from_pem(&pem.repeat(2)).unwrap_err());
    paper.note(&Identity::from_pem(&pem.replacen("MC4C", "MC4D", 1)).unwrap_err());
    paper.note(&Identity::from_chain_pem(&pem, &pem).unwrap_err());

    assert!(paper.holds(own.key().to_string().as_bytes()), "it records");
    assert!(paper.holds(b" TRACE "), "and logs");
    for face in faces(&CANARY) {
        assert!(!paper.holds(&face), "{}", face.escape_ascii());
    }
}
