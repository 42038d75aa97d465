//! A QUIC program that knows nothing of peer-sender: each message is a unidirectional stream and FIN.
//!
//! Written with s2n-quic, from what the README says of the plain protocol alone, and spoken to as
//! `aioquic_peer.py` is: `receive` prints a line of JSON for each message, `send` sends what it reads, a
//! line for each message in hex.

mod tls;

use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use s2n_quic::client::Connect;
use s2n_quic::connection::StreamAcceptor;
use s2n_quic::provider::tls::rustls as provider;
use s2n_quic::stream::{ReceiveStream, SendStream};
use s2n_quic::{Client, Connection, Server, application, stream};

use tls::{Failure, Identity, hex_of_digest};

const ANY: &str = "127.0.0.1:0";
/// For how long a sender waits for what may come of its last messages.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args = Args(std::env::args().skip(1).collect());
    match args.0.first().map(String::as_str) {
        Some("receive") => receive(&args).await,
        Some("send") => send(&args).await,
        _ => Err("receive or send".into()),
    }
}

/// A role, and then names with a value each.
struct Args(Vec<String>);

impl Args {
    fn get(&self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).cloned()
    }

    fn number(&self, name: &str) -> Result<u64, Failure> {
        Ok(self.get(name).map_or(Ok(0), |text| text.parse())?)
    }

    fn alpn(&self) -> String {
        self.get("--alpn").unwrap_or("greetings/1".to_owned())
    }
}

async fn receive(args: &Args) -> Result<(), Failure> {
    let identity = Identity::new()?;
    let config = identity.server(&args.alpn(), args.get("--peer-key"))?;
    let mut server = Server::builder()
        .with_tls(provider::Server::from(config))?
        .with_io(ANY)?
        .start()?;
    let port = server.local_addr()?.port();
    println!(r#"{{"port": {port}, "key": "{}"}}"#, identity.key);
    let refuse: &'static AtomicU64 = Box::leak(Box::new(args.number("--refuse")?.into()));
    let code = application::Error::new(args.number("--refuse-code")?)?;
    while let Some(connection) = server.accept().await {
        println!(r#"{{"connected": true}}"#);
        let (_, acceptor) = connection.split();
        tokio::spawn(take(acceptor, refuse, code));
    }
    Ok(())
}

async fn take(mut acceptor: StreamAcceptor, refuse: &'static AtomicU64, code: application::Error) {
    while let Ok(Some(stream)) = acceptor.accept_receive_stream().await {
        let less = |left: u64| left.checked_sub(1);
        let refused = refuse.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        tokio::spawn(take_one(stream, refused.is_ok().then_some(code)));
    }
    println!(r#"{{"closed": true}}"#);
}

async fn take_one(mut stream: ReceiveStream, refused: Option<application::Error>) {
    if let Some(code) = refused {
        // What has come whole by now is not refused any more.
        let _ = stream.stop_sending(code);
        return;
    }
    let mut payload = Vec::new();
    loop {
        match stream.receive().await {
            Ok(Some(chunk)) => payload.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return println!(r#"{{"reset": {}}}"#, code_of(error)),
        }
    }
    let (bytes, hash) = (payload.len(), hex_of_digest(&payload));
    println!(r#"{{"bytes": {bytes}, "sha256": "{hash}"}}"#);
}

async fn send(args: &Args) -> Result<(), Failure> {
    let identity = Identity::new()?;
    println!(r#"{{"key": "{}"}}"#, identity.key);
    let shows = args.get("--certificate").as_deref() != Some("none");
    let config = identity.client(&args.alpn(), args.get("--peer-key"), shows)?;
    let payloads = payloads()?;
    let client = Client::builder()
        .with_tls(provider::Client::from(config))?
        .with_io(ANY)?
        .start()?;
    let to: SocketAddr = args.get("--to").ok_or("--to is missing")?.parse()?;
    let dial = client.connect(Connect::new(to).with_server_name("peer"));
    let mut connection = dial.await?;
    connection.keep_alive(true)?;
    let reset = args.number("--reset")?;
    tokio::time::timeout(PATIENCE, send_all(&mut connection, payloads, reset)).await?
}

async fn send_all(
    connection: &mut Connection,
    payloads: Vec<Vec<u8>>,
    reset: u64,
) -> Result<(), Failure> {
    let mut tasks = Vec::new();
    let mut sent = 0;
    for (number, payload) in (0..).zip(payloads) {
        let stream = connection.open_send_stream().await?;
        match number < reset {
            true => cut(stream, payload).await?,
            false => tasks.push(tokio::spawn(send_one(stream, payload))),
        }
    }
    for task in tasks {
        match task.await? {
            Ok(()) => sent += 1,
            Err(error @ stream::Error::StreamReset { .. }) => {
                println!(r#"{{"stopped": {}}}"#, code_of(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!(r#"{{"sent": {sent}}}"#);
    Ok(())
}

/// Until all of it is acknowledged.
async fn send_one(mut stream: SendStream, payload: Vec<u8>) -> Result<(), stream::Error> {
    stream.send(payload.into()).await?;
    stream.close().await
}

/// All of it but its end.
async fn cut(mut stream: SendStream, payload: Vec<u8>) -> Result<(), Failure> {
    stream.send(payload.into()).await?;
    stream.flush().await?;
    stream.reset(application::Error::new(9)?)?;
    Ok(())
}

fn payloads() -> Result<Vec<Vec<u8>>, Failure> {
    let mut payloads = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let bytes = (0..line.len() / 2).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16));
        payloads.push(bytes.collect::<Result<_, _>>()?);
    }
    Ok(payloads)
}

/// The application's code, where there is one.
fn code_of(error: stream::Error) -> String {
    match error {
        stream::Error::StreamReset { error, .. } => u64::from(error).to_string(),
        other => format!("\"{other}\""),
    }
}
