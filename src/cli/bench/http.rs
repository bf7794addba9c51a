//! `tools/call` over HTTP, by every way there is, against a bare axum handler that returns the same bytes.

use std::fs;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use super::engine::Script;
use super::load::{self, Target};
use super::report::{Budget, Group, Row};
use super::start::TemporaryFolder;
use super::times::{Times, median};
use super::{broken, limits};
use crate::cli::Failure;
use crate::config::{ConnectionLimits, HttpSettings};
use crate::farm::{EpisodeSpec, Farm};
use crate::http::{self, baseline};
use crate::id::{EnvironmentName, EpisodeId};

/// How it is done, for whoever reads the numbers.
pub(super) const METHOD: &str = "one server thread and one client thread of this process, 8 keep-alive connections over loopback \
    unless the row says otherwise, each with an episode of its own; by turns with the bare axum handler; medians over the turns";

/// Connections that send requests at a time.
const CONNECTIONS: usize = 8;

/// Connections of a trainer with many agents, for the rows that tell how long one of them waits.
const CONNECTIONS_MANY: usize = 64;

/// One turn of each way.
const SLICE: Duration = Duration::from_millis(150);

/// Episodes of a batch.
const BATCH: usize = 1_024;

/// The least a tool can do.
const EMPTY_PACKAGE: [(&str, &str); 5] = [
    (
        "environment.yaml",
        "{name: empty, title: Empty, summary: A tool that does nothing, domain: testing, instructions: None, \
         clock: \"2026-03-17T09:30:00Z\", actors: {table: testers, id: id, name: name, default: 1}}",
    ),
    ("schema.sql", "CREATE TABLE testers (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"),
    ("data.sql", "INSERT INTO testers(id, name) VALUES (1, 'Tester');"),
    (
        "tools.yaml",
        "[{name: do_nothing, title: Do nothing, description: Does nothing and answers so at once, inputSchema: {type: object, properties: {}}, \
         returns: {done: {value: SELECT 1, type: boolean}}}]",
    ),
    ("tasks.yaml", "[]"),
];

/// What the rows of that tool begin with.
const EMPTY: &str = "empty tool";

/// One way to make the same call.
struct Way {
    name: String,
    target: Target,
    budget: Option<Budget>,
    /// Index of the bare handler to compare with; none for that itself.
    baseline: Option<usize>,
    times: Times,
    rates: Vec<f64>,
    ratios: Vec<f64>,
    server_us: Vec<f64>,
}

/// A call to measure.
struct Subject {
    name: &'static str,
    farm: Arc<Farm>,
    environment: EnvironmentName,
    tool: String,
    arguments: Map<String, Value>,
}

pub(super) fn rows(envs: &Path, scripts: &[Script], measuring: Duration) -> Result<Vec<Row>, Failure> {
    let server = Server::start().map_err(|err| broken("the server can't be started", err))?;
    let client = Builder::new_current_thread().enable_all().build();
    let client = client.map_err(|err| broken("the client can't be started", err))?;
    let folder = TemporaryFolder::new().map_err(|err| broken("a temporary folder can't be made", err))?;
    let mut ways = Vec::new();
    for subject in subjects(envs, scripts, &folder.0)? {
        client.block_on(ways_of(&subject, &server, &mut ways))?;
    }
    let rounds = (measuring.as_secs_f64() / (SLICE.as_secs_f64() * ways.len() as f64)).round().max(2.0) as usize;
    for _ in 0..rounds {
        client.block_on(turn(&mut ways, &server))?;
    }
    let mut rows: Vec<Row> = ways.iter().map(row).collect();
    rows.push(client.block_on(batch(envs, scripts, &server))?);
    Ok(rows)
}

/// The empty tool, and the read of a solution whose result is of middle size.
fn subjects(envs: &Path, scripts: &[Script], folder: &Path) -> Result<Vec<Subject>, Failure> {
    let farm =
        |envs: &Path| Farm::open(envs, limits()).map(Arc::new).map_err(|err| broken("the farm can't be opened", err));
    let package = folder.join("empty");
    let write = || {
        fs::create_dir(&package)?;
        EMPTY_PACKAGE.iter().try_for_each(|(file, text)| fs::write(package.join(file), text))
    };
    write().map_err(|err: io::Error| broken("a package can't be written", err))?;
    let mut subjects = vec![Subject {
        name: EMPTY,
        farm: farm(folder)?,
        environment: EnvironmentName::parse("empty").map_err(|err| broken("a name", err))?,
        tool: "do_nothing".to_owned(),
        arguments: Map::new(),
    }];
    let mut reads = Vec::new();
    for script in scripts {
        // The first call of a solution needs nothing to have happened before.
        if let Some(call) = script.calls.first().filter(|call| !call.changes) {
            let mut episode = script.episode(0)?;
            let called = episode.call(call.tool.as_ref(), call.arguments.clone());
            let text = called.map_err(|err| broken("a call failed", err))?.into_text();
            reads.push((text.len(), script, call));
        }
    }
    reads.sort_by_key(|(length, ..)| *length);
    if let Some((_, script, call)) = reads.get(reads.len() / 2) {
        subjects.push(Subject {
            name: "typical read",
            farm: farm(envs)?,
            environment: script.environment.name().clone(),
            tool: call.tool.to_string(),
            arguments: call.arguments.clone(),
        });
    }
    Ok(subjects)
}

/// All ways of making a call, the bare handler first.
async fn ways_of(subject: &Subject, server: &Server, ways: &mut Vec<Way>) -> Result<(), Failure> {
    let failed = |err: io::Error| broken("the server doesn't answer as it should", err);
    let many = episodes(subject)?;
    let ids = &many[..CONNECTIONS];
    let arguments = &subject.arguments;
    let rest = json!({"tool": subject.tool, "arguments": arguments}).to_string();
    let rest = |id: &EpisodeId| load::post(&format!("/episodes/{id}/calls"), "", &rest);
    let sessions = call_message(subject, None);
    let sessions_headers = "MCP-Protocol-Version: 2025-11-25\r\n";
    let sessions = |id: &EpisodeId| load::post(&format!("/episodes/{id}/mcp"), sessions_headers, &sessions);
    let stateless = call_message(subject, Some("2026-07-28"));
    let headers =
        format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {}\r\n", subject.tool);
    let stateless = |id: &EpisodeId| load::post(&format!("/episodes/{id}/mcp"), &headers, &stateless);

    let router = http::router(Arc::clone(&subject.farm), HttpSettings::default());
    let address = server
        .serve(|listener| http::serve(listener, router, ConnectionLimits::default(), pending()))
        .map_err(failed)?;
    let first = ids.first().map(&stateless).unwrap_or_default();
    let body = load::once(address, &first).await.map_err(failed)?;
    if serde_json::from_slice::<Value>(&body).is_ok_and(|answer| answer["result"]["isError"] != json!(false)) {
        return Err(broken("the measured call is refused", String::from_utf8_lossy(&body)));
    }
    let bare = server
        .serve(|listener| http::serve(listener, baseline::constant(body), ConnectionLimits::default(), pending()))
        .map_err(failed)?;
    let baseline = ways.len();
    let mut way = |name: &str, address, requests: Vec<Vec<u8>>, budget: Option<Budget>| {
        let is_compared = ways.len() > baseline && requests.len() == CONNECTIONS;
        ways.push(Way {
            name: format!("{}: {name}", subject.name),
            target: Target { address, requests },
            budget,
            baseline: is_compared.then_some(baseline),
            times: Times::default(),
            rates: Vec::new(),
            ratios: Vec::new(),
            server_us: Vec::new(),
        });
    };
    way("bare axum", bare, ids.iter().map(&stateless).collect(), None);
    // What a call itself costs is the engine's budget; this one is for everything around it.
    let around = (subject.name == EMPTY).then_some(Budget::RatioAtLeast(0.60));
    way("MCP 2026-07-28", address, ids.iter().map(&stateless).collect(), around);
    way("MCP 2025-11-25", address, ids.iter().map(&sessions).collect(), around);
    way("REST /calls", address, ids.iter().map(&rest).collect(), None);
    let waits = Some(Budget::P99UsBelow(5_000.0));
    way("MCP 2026-07-28, 64 connections", address, many.iter().map(&stateless).collect(), waits);
    Ok(())
}

fn episodes(subject: &Subject) -> Result<Vec<EpisodeId>, Failure> {
    let spec = EpisodeSpec { environment: subject.environment.clone(), task: None, seed: 0, actor: None, owner: None };
    subject.farm.create_all(vec![spec; CONNECTIONS_MANY]).map_err(|err| broken("episodes can't be created", err))
}

/// A `tools/call` message of the stateless protocol, or of the one with sessions.
fn call_message(subject: &Subject, stateless: Option<&str>) -> String {
    let mut params = json!({"name": subject.tool, "arguments": subject.arguments});
    if let Some(version) = stateless {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": {"name": "envfarm bench", "version": env!("CARGO_PKG_VERSION")},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

/// One slice of each way.
async fn turn(ways: &mut [Way], server: &Server) -> Result<(), Failure> {
    let mut rates = Vec::new();
    for way in ways.iter_mut() {
        let cpu_before = server.cpu();
        let slice = load::run(&way.target, SLICE).await.map_err(|err| broken("the server broke off", err))?;
        let rate = slice.calls as f64 / slice.elapsed.as_secs_f64();
        slice.add_to(&mut way.times);
        way.rates.push(rate);
        rates.push(rate);
        if let (Some(before), Some(after)) = (cpu_before, server.cpu()) {
            way.server_us.push((after - before).as_secs_f64() * 1e6 / slice.calls.max(1) as f64);
        }
        if let Some(baseline) = way.baseline {
            way.ratios.push(rate / rates[baseline]);
        }
    }
    Ok(())
}

fn row(way: &Way) -> Row {
    let row = Row {
        calls_per_s: Some(median(way.rates.iter().copied())),
        ratio: way.baseline.map(|_| median(way.ratios.iter().copied())),
        server_us: (!way.server_us.is_empty()).then(|| median(way.server_us.iter().copied())),
        ..Row::new(Group::Http, way.name.clone())
    };
    let row = row.times(way.times.p50_us(), way.times.p99_us());
    way.budget.into_iter().fold(row, Row::budget)
}

/// One request that creates a batch of episodes at a task.
async fn batch(envs: &Path, scripts: &[Script], server: &Server) -> Result<Row, Failure> {
    let failed = |err: io::Error| broken("a batch can't be created", err);
    let farm = Farm::open(envs, limits()).map(Arc::new).map_err(|err| broken("the farm can't be opened", err))?;
    let router = http::router(farm, HttpSettings::default());
    let address = server
        .serve(|listener| http::serve(listener, router, ConnectionLimits::default(), pending()))
        .map_err(failed)?;
    let mut times = Times::default();
    for (index, script) in scripts.iter().cycle().take(12).enumerate() {
        let environment = script.environment.name();
        let body = json!({"environment": environment, "task": script.task, "count": BATCH}).to_string();
        let request = load::post("/episodes", "", &body);
        let started = std::time::Instant::now();
        load::once(address, &request).await.map_err(failed)?;
        // The first loads the environment.
        if index > 1 {
            times.record(started.elapsed());
        }
    }
    let row = Row::new(Group::Http, format!("POST /episodes, {BATCH} at once"));
    Ok(row.times(times.p50_us(), times.p99_us()).budget(Budget::P50UsBelow(20_000.0)))
}

/// A runtime with one worker thread, on which everything that is measured is served.
struct Server {
    runtime: Runtime,
    threads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> io::Result<Self> {
        let threads = Arc::new(Mutex::new(Vec::new()));
        let started = Arc::clone(&threads);
        let note = move || {
            // Linux tells a thread's CPU time; elsewhere that column stays empty.
            if let Ok(path) = fs::read_link("/proc/thread-self") {
                let path = format!("/proc/{}/schedstat", path.display());
                started.lock().unwrap_or_else(PoisonError::into_inner).push(path);
            }
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().on_thread_start(note).build()?;
        Ok(Self { runtime, threads })
    }

    fn serve<F>(&self, serving: impl FnOnce(TcpListener) -> F) -> io::Result<SocketAddr>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        serve_on(&self.runtime, serving)
    }

    /// CPU time of the server's threads so far.
    fn cpu(&self) -> Option<Duration> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let times = threads.iter().map(|path| {
            let text = fs::read_to_string(path).ok()?;
            text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
        });
        let total: Option<Duration> = times.sum();
        total.filter(|total| !total.is_zero())
    }
}

/// Serves on a free port of this machine, on the runtime's threads.
pub(super) fn serve_on<F>(runtime: &Runtime, serving: impl FnOnce(TcpListener) -> F) -> io::Result<SocketAddr>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let _runtime = runtime.enter();
    runtime.spawn(serving(TcpListener::from_std(listener)?));
    Ok(address)
}
