//! The serving loop over real sockets: stalled clients, the limit of connections, and draining.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use envfarm::config::{ConnectionLimits, HttpSettings};
use envfarm::farm::FarmLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::Server;

/// A timeout short enough for a test, and long enough to tell that it isn't zero.
const SHORT: Duration = Duration::from_millis(60);

/// Nothing here takes so long unless it hangs.
const HANGS: Duration = Duration::from_secs(20);

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

async fn serve(limits: ConnectionLimits, settings: HttpSettings) -> Served {
    let server = Server::with(FarmLimits::default(), settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(envfarm::http::serve(listener, server.router, limits, async {
        drop(stopped.await);
    }));
    Served { address, stop, serving }
}

/// A connection of a client that writes byte by byte.
struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// What arrives next; empty where the server has closed the connection.
    async fn receive(&mut self) -> String {
        let mut buffer = vec![0; 8_192];
        match timeout(HANGS, self.0.read(&mut buffer)).await.expect("the server says or does something") {
            Ok(length) => String::from_utf8(buffer[..length].to_vec()).unwrap(),
            // Closed with something of ours unread.
            Err(err) => {
                assert_eq!(err.kind(), std::io::ErrorKind::ConnectionReset);
                String::new()
            }
        }
    }

    async fn is_healthy(&mut self) {
        self.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(self.receive().await.starts_with("HTTP/1.1 200 OK"));
    }
}

#[tokio::test]
async fn a_stalled_header_is_cut_off_and_a_thinking_client_is_not() {
    let limits = ConnectionLimits { header_read: SHORT, ..ConnectionLimits::default() };
    let served = serve(limits, HttpSettings::default()).await;
    let mut thinking = Client::connect(served.address).await;
    thinking.is_healthy().await;
    for beginning in ["", "GET /healthz HTTP/1.1\r\nHost: loc"] {
        let began = Instant::now();
        let mut stalled = Client::connect(served.address).await;
        stalled.send(beginning).await;
        assert_eq!(stalled.receive().await, "");
        assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
    }
    // On a connection that was good before, too.
    let mut stalled = Client::connect(served.address).await;
    stalled.is_healthy().await;
    stalled.send("GET /he").await;
    assert_eq!(stalled.receive().await, "");
    thinking.is_healthy().await;
}

#[tokio::test]
async fn idle_connections_close() {
    let limits = ConnectionLimits { idle: SHORT, header_read: 9 * HANGS, ..ConnectionLimits::default() };
    let served = serve(limits, HttpSettings::default()).await;
    let mut client = Client::connect(served.address).await;
    client.is_healthy().await;
    assert_eq!(client.receive().await, "");
}

#[tokio::test]
async fn a_stalled_body_is_refused() {
    let settings = HttpSettings { body_read: SHORT, ..HttpSettings::default() };
    let served = serve(ConnectionLimits::default(), settings).await;
    for path in ["/episodes", "/envs/notebook/mcp"] {
        let mut client = Client::connect(served.address).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{{"
        );
        client.send(&head).await;
        let answer = client.receive().await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_incomplete"), "{answer}");
    }
}

#[tokio::test]
async fn past_the_limit_connections_wait() {
    let limits = ConnectionLimits { connections_max: 1, ..ConnectionLimits::default() };
    let served = serve(limits, HttpSettings::default()).await;
    let mut first = Client::connect(served.address).await;
    first.is_healthy().await;
    let mut second = Client::connect(served.address).await;
    second.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let early = timeout(SHORT, second.0.readable()).await;
    assert!(early.is_err(), "it waits");
    first.is_healthy().await;
    drop(first);
    assert!(second.receive().await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight() {
    let served = serve(ConnectionLimits::default(), HttpSettings::default()).await;
    let mut silent = Client::connect(served.address).await;
    let mut idle = Client::connect(served.address).await;
    idle.is_healthy().await;
    let mut busy = Client::connect(served.address).await;
    busy.is_healthy().await;
    let body = r#"{"environment": "notebook"}"#;
    let length = body.len();
    let head =
        "POST /episodes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n";
    busy.send(&format!("{head}Content-Length: {length}\r\n\r\n")).await;
    // The answer to `Expect` says that the request is being worked on.
    assert!(busy.receive().await.starts_with("HTTP/1.1 100"));
    busy.send(&body[..5]).await;

    served.stop.send(()).unwrap();
    assert_eq!(idle.receive().await, "", "an idle connection closes at once");
    assert_eq!(silent.receive().await, "", "one that never said anything, too");
    assert!(TcpStream::connect(served.address).await.is_err(), "nobody else is let in");
    assert!(!served.serving.is_finished());
    busy.send(&body[5..]).await;
    let answer = busy.receive().await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    timeout(HANGS, served.serving).await.expect("drained").unwrap().unwrap();
    assert_eq!(busy.receive().await, "");
}

#[tokio::test]
async fn draining_and_stopping_end() {
    let limits = ConnectionLimits { drain: SHORT, ..ConnectionLimits::default() };
    for at_once in [false, true] {
        let served = serve(limits, HttpSettings::default()).await;
        let mut stalled = Client::connect(served.address).await;
        stalled
            .send("POST /episodes HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
            .await;
        assert!(stalled.receive().await.starts_with("HTTP/1.1 100"));
        if at_once {
            served.serving.abort();
            assert!(served.serving.await.unwrap_err().is_cancelled());
        } else {
            served.stop.send(()).unwrap();
            timeout(HANGS, served.serving).await.expect("it doesn't wait forever").unwrap().unwrap();
        }
        assert_eq!(stalled.receive().await, "", "every connection closes with the server");
    }
}
