//! A load generator: keep-alive HTTP/1.1 connections that send the same request again as soon as it is answered.
//!
//! It does as little as it can, so that the server is what limits the rate: requests are prepared bytes, of answers it
//! reads the status and the length.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::times::Times;

/// Requests on each connection that aren't counted.
const WARM_UP: usize = 20;

/// Where to send what.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// One request for each connection.
    pub(super) requests: Vec<Vec<u8>>,
}

/// What a slice of time saw.
#[derive(Debug, Default)]
pub(super) struct Slice {
    pub(super) calls: u64,
    pub(super) elapsed: Duration,
    pub(super) times: Vec<Duration>,
}

/// A POST of a JSON body, with further header lines.
pub(super) fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends requests for that long.
pub(super) async fn run(target: &Target, duration: Duration) -> io::Result<Slice> {
    let mut connections = JoinSet::new();
    let mut streams = Vec::new();
    for request in &target.requests {
        let mut connection = Connection::open(target.address).await?;
        for _ in 0..WARM_UP {
            connection.exchange(request).await?;
        }
        streams.push((connection, request.clone()));
    }
    let started = Instant::now();
    let end = started + duration;
    for (mut connection, request) in streams {
        connections.spawn(async move {
            let mut times = Vec::new();
            let mut sent = Instant::now();
            while sent < end {
                connection.exchange(&request).await?;
                let answered = Instant::now();
                times.push(answered - sent);
                sent = answered;
            }
            Ok::<_, io::Error>(times)
        });
    }
    let mut slice = Slice::default();
    while let Some(times) = connections.join_next().await {
        slice.times.extend(times.map_err(io::Error::other)??);
    }
    slice.elapsed = started.elapsed();
    slice.calls = slice.times.len() as u64;
    Ok(slice)
}

/// Sends one request and gives the body of the answer.
pub(super) async fn once(address: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = Connection::open(address).await?;
    let body = connection.exchange(request).await?;
    Ok(connection.buffer[body].to_vec())
}

impl Slice {
    pub(super) fn add_to(&self, times: &mut Times) {
        self.times.iter().for_each(|time| times.record(*time));
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 64 << 10] })
    }

    /// One request and the body of its answer.
    pub(super) async fn body(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        let body = self.exchange(request).await?;
        Ok(&self.buffer[body])
    }

    /// One request and its answer; where in the buffer its body is.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<std::ops::Range<usize>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let mut body = None;
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(2 * filled, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if body.is_none() {
                body = body_of(&self.buffer[..filled])?;
            }
            if let Some(body) = &body
                && filled >= body.end
            {
                return Ok(body.clone());
            }
        }
    }
}

/// Where the body of an answer is, once its head has arrived. Anything but success is an error.
fn body_of(answer: &[u8]) -> io::Result<Option<std::ops::Range<usize>>> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let unexpected = || io::Error::other(String::from_utf8_lossy(&answer[..answer.len().min(400)]).into_owned());
    let text = std::str::from_utf8(&answer[..head]).map_err(|_| unexpected())?;
    if !text.starts_with("HTTP/1.1 2") {
        return Err(unexpected());
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.ok_or_else(unexpected)?;
    Ok(Some(head + 4..head + 4 + length))
}
