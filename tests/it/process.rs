//! `envfarm serve` as a process of its own, and a client that knows just enough HTTP.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::support::{STATELESS, meta};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_envfarm");

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// True where the long versions of load and fault tests are asked for.
pub(crate) fn long() -> bool {
    std::env::var_os("ENVFARM_LONG_TESTS").is_some()
}

/// A running server; killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    log: NamedTempFile,
}

impl Process {
    /// Starts `serve` on a free port with further arguments.
    pub(crate) fn start(envs: &Path, arguments: &[&str]) -> Self {
        Self::try_start(Command::new(PROGRAM), envs, arguments)
            .unwrap_or_else(|log| panic!("serve didn't start: {log}"))
    }

    /// Starts it where no file may grow beyond that many KiB, as on a disk that is full.
    pub(crate) fn start_with_files_of(kib_max: u32, envs: &Path, arguments: &[&str]) -> Self {
        let mut shell = Command::new("bash");
        // Without the trap the signal would end the process before a write could fail.
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {kib_max}; exec \"$0\" \"$@\""), PROGRAM]);
        Self::try_start(shell, envs, arguments).unwrap_or_else(|log| panic!("serve didn't start: {log}"))
    }

    /// As [`Process::start`]; what it logged if it ends at once.
    pub(crate) fn try_start(mut command: Command, envs: &Path, arguments: &[&str]) -> Result<Self, String> {
        let log = NamedTempFile::new().unwrap();
        let mut child = command
            .args(["serve", "--port", "0", "--envs"])
            .arg(envs)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log.path()).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        // The rest has to be read, or the server would wait for a reader.
        thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
        match address {
            Some(address) => Ok(Self { child, address, log }),
            None => {
                child.wait().unwrap();
                Err(std::fs::read_to_string(log.path()).unwrap())
            }
        }
    }

    /// Waits until every episode is addressable.
    pub(crate) fn ready(self) -> Self {
        let started = Instant::now();
        while self.client().get("/readyz").map(|reply| reply.status).ok() != Some(200) {
            assert!(started.elapsed() < PATIENCE, "not ready: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
        self
    }

    pub(crate) fn client(&self) -> Client {
        Client { address: self.address, stream: None }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it then ended.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it doesn't end: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(PathBuf::from(format!("/proc/{}/status", self.child.id()))).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client with one connection, which it opens again where it broke off.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header lines, in lowercase.
    pub(crate) head: String,
    /// The body as JSON; null where it isn't.
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, "", None)
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> io::Result<Answer> {
        self.send("POST", path, "", Some(&body.to_string()))
    }

    /// Creates episodes and gives their ids.
    pub(crate) fn create(&mut self, body: &Value) -> Vec<String> {
        let answer = self.post("/episodes", body).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.ids()
    }

    /// `tools/call` of the stateless protocol; the JSON-RPC answer.
    pub(crate) fn call(&mut self, id: &str, tool: &str, arguments: &Value, key: Option<&str>) -> io::Result<Answer> {
        let params = json!({"name": tool, "arguments": arguments, "_meta": meta()});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let key = key.map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
        let headers =
            format!("Mcp-Protocol-Version: {STATELESS}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n{key}");
        self.send("POST", &format!("/episodes/{id}/mcp"), &headers, Some(&message.to_string()))
    }

    /// Sends a request and reads its answer; the connection is given up on any failure.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &str, body: Option<&str>) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                BufReader::new(stream)
            }
        };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, text/event-stream\r\n{headers}"
        );
        if let Some(body) = body {
            request
                .push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        } else {
            request.push_str("\r\n");
        }
        stream.get_mut().write_all(request.as_bytes())?;
        let answer = read_answer(&mut stream)?;
        if !answer.head.contains("connection: close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

fn read_answer(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(head.clone()))?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Answer { status, head, body: serde_json::from_slice(&body).unwrap_or_default() })
}

impl Answer {
    /// Ids of the episodes in it.
    pub(crate) fn ids(&self) -> Vec<String> {
        let episodes = self.body["episodes"].as_array().unwrap();
        episodes.iter().map(|episode| episode["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Text of a tool's result.
    pub(crate) fn text(&self) -> &str {
        self.body["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no result: {self:?}"))
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().or_else(|| self.body["error"]["data"]["code"].as_str()).unwrap_or_default()
    }
}
