//! A training step: episodes over all tasks are created in one request, play their reference solutions over MCP at the same
//! time, are forked in the middle, and are judged. By turns with every way of keeping them.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::{Keeping, Kept, Scale};
use crate::cli::Failure;
use crate::cli::bench::broken;
use crate::cli::bench::engine::Script;
use crate::cli::bench::load::{self, Connection};
use crate::cli::bench::report::{Budget, Group, Row};
use crate::cli::bench::times::{Times, median};
use crate::config::{ConnectionLimits, HttpSettings};
use crate::http;

/// Connections at a time (the reach of the 99th percentile is stated for that many).
const CONNECTIONS: usize = 64;

/// Copies of each episode, made in the middle of its solution.
const FORKS: usize = 3;

/// Most that durability `batch` may cost, as a ratio of calls per second.
const BATCH_RATIO_MIN: f64 = 0.85;

/// Longest 99th percentile of a tool call, in microseconds.
const P99_US_MAX: f64 = 5_000.0;

/// Longest creation of a batch, in microseconds.
const CREATE_US_MAX: f64 = 20_000.0;

/// One step, measured.
#[derive(Default)]
struct Measured {
    created: Times,
    calls: Times,
    /// Calls per second of each turn.
    rates: Vec<f64>,
    ratios: Vec<f64>,
}

/// A task's solution as requests.
struct Plan {
    spec: Value,
    /// Headers and message of each call, and the observation it must come to, as a JSON string.
    calls: Vec<(String, String, String)>,
    verify: String,
}

pub(super) fn rows(envs: &Path, scripts: &[Script], scale: Scale, progress: &ProgressBar) -> Result<Vec<Row>, Failure> {
    let plans: Arc<Vec<Plan>> = Arc::new(scripts.iter().map(Plan::of).collect::<Result<_, _>>()?);
    let server = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let server = server.map_err(|err| broken("the server can't be started", err))?;
    let client = Builder::new_current_thread().enable_all().build();
    let client = client.map_err(|err| broken("the client can't be started", err))?;
    let mut measured: BTreeMap<&str, Measured> = BTreeMap::new();
    for turn in 0..scale.turns {
        let mut in_memory = 0.0;
        for keeping in Keeping::ALL {
            progress.set_message(format!("training step, {}, turn {} of {}", keeping.name(), turn + 1, scale.turns));
            let kept = Kept::new(envs, scripts, keeping)?;
            let into = measured.entry(keeping.name()).or_default();
            let rate = client
                .block_on(step(&server, &kept, &plans, scale.step_episodes, into))
                .map_err(|err| broken("a training step failed", err))?;
            if keeping == Keeping::Memory {
                in_memory = rate;
            }
            into.rates.push(rate);
            into.ratios.push(rate / in_memory);
        }
    }
    Ok(Keeping::ALL
        .into_iter()
        .filter_map(|keeping| Some((keeping, measured.get(keeping.name())?)))
        .flat_map(|(keeping, measured)| rows_of(keeping, measured, scale.step_episodes))
        .collect())
}

fn rows_of(keeping: Keeping, measured: &Measured, episodes: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let name = keeping.name();
    let created = Row {
        episodes_per_s: Some(episodes as f64 / measured.created.p50_us() * 1e6),
        ..Row::new(Group::Farm, format!("POST /episodes, {episodes} at once, {name}"))
    };
    let created = created.times(measured.created.p50_us(), measured.created.p99_us());
    rows.push(created.budget(Budget::P50UsBelow(CREATE_US_MAX)));
    let step = Row {
        calls_per_s: Some(median(measured.rates.iter().copied())),
        ratio: (keeping != Keeping::Memory).then(|| median(measured.ratios.iter().copied())),
        // A step in which one isn't 1.0 is a failure and has no row.
        rewards: Some(1.0),
        ..Row::new(Group::Farm, format!("training step, {episodes} episodes with {FORKS} forks each, {name}"))
    };
    let step = step.times(measured.calls.p50_us(), measured.calls.p99_us());
    rows.push(match keeping {
        Keeping::Memory => step.budget(Budget::P99UsBelow(P99_US_MAX)),
        Keeping::Journal(crate::journal::Durability::Batch) => step.budget(Budget::RatioAtLeast(BATCH_RATIO_MIN)),
        Keeping::Journal(_) => step,
    });
    rows
}

impl Plan {
    fn of(script: &Script) -> Result<Self, Failure> {
        let mut alone = script.episode(0)?;
        let mut calls = Vec::new();
        for call in &script.calls {
            let observation = alone.call(call.tool.as_ref(), call.arguments.clone());
            let text = observation.map_err(|err| broken("a call failed", err))?.text().to_string();
            let params = json!({"name": call.tool, "arguments": call.arguments, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "envfarm bench", "version": env!("CARGO_PKG_VERSION")},
                "io.modelcontextprotocol/clientCapabilities": {},
            }});
            let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
            let headers =
                format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {}\r\n", call.tool);
            calls.push((headers, message, json!(text).to_string()));
        }
        let verify = json!({"answer": script.answer()}).to_string();
        let spec = json!({"environment": script.environment.name(), "task": script.task});
        Ok(Self { spec, calls, verify })
    }
}

/// One step from creation to verdicts; the calls per second. Every observation is compared with that of the episode run alone.
async fn step(
    server: &Runtime,
    kept: &Kept,
    plans: &Arc<Vec<Plan>>,
    episodes: usize,
    measured: &mut Measured,
) -> io::Result<f64> {
    let router = http::router(Arc::clone(&kept.farm), HttpSettings::default());
    let address = super::super::http::serve_on(server, |listener| {
        http::serve(listener, router, ConnectionLimits::default(), pending())
    })?;
    let specs: Vec<&Value> = plans.iter().cycle().take(episodes).map(|plan| &plan.spec).collect();
    let request = load::post("/episodes", "", &json!({"episodes": specs}).to_string());
    let started = Instant::now();
    let answer = load::once(address, &request).await?;
    measured.created.record(started.elapsed());
    let ids: Arc<Vec<String>> = Arc::new(ids(&answer)?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for _ in 0..CONNECTIONS {
        let (plans, ids, next) = (Arc::clone(plans), Arc::clone(&ids), Arc::clone(&next));
        clients.spawn(async move {
            let mut client = Client { connection: Connection::open(address).await?, times: Vec::new() };
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(id) = ids.get(number) else { return Ok::<_, io::Error>(client.times) };
                client.attempt(id, &plans[number % plans.len()]).await?;
            }
        });
    }
    let mut calls = 0;
    while let Some(times) = clients.join_next().await {
        for time in times.map_err(io::Error::other)?? {
            calls += 1;
            measured.calls.record(time);
        }
    }
    Ok(f64::from(calls) / started.elapsed().as_secs_f64())
}

fn ids(answer: &[u8]) -> io::Result<Vec<String>> {
    let answer: Value = serde_json::from_slice(answer)?;
    let episodes = answer["episodes"].as_array().ok_or_else(|| io::Error::other(answer.to_string()))?;
    Ok(episodes.iter().filter_map(|episode| episode["id"].as_str().map(str::to_owned)).collect())
}

struct Client {
    connection: Connection,
    times: Vec<Duration>,
}

impl Client {
    /// A solution with forks in the middle, to the verdicts.
    async fn attempt(&mut self, id: &str, plan: &Plan) -> io::Result<()> {
        let half = plan.calls.len() / 2;
        self.play(id, &plan.calls[..half]).await?;
        let fork = load::post(&format!("/episodes/{id}/fork"), "", &json!({"count": FORKS}).to_string());
        let mut all = ids(self.connection.body(&fork).await?)?;
        all.push(id.to_owned());
        for id in &all {
            self.play(id, &plan.calls[half..]).await?;
        }
        for id in &all {
            let verify = load::post(&format!("/episodes/{id}/verify"), "", &plan.verify);
            let verdict: Value = serde_json::from_slice(self.connection.body(&verify).await?)?;
            if verdict["reward"] != json!(1.0) {
                return Err(io::Error::other(format!("the solution of {} earned {verdict}", plan.spec)));
            }
        }
        Ok(())
    }

    async fn play(&mut self, id: &str, calls: &[(String, String, String)]) -> io::Result<()> {
        for (headers, message, expected) in calls {
            let request = load::post(&format!("/episodes/{id}/mcp"), headers, message);
            let sent = Instant::now();
            let body = self.connection.body(&request).await?;
            self.times.push(sent.elapsed());
            // Looked for, not parsed: the client has a core to share with the server.
            let answer = std::str::from_utf8(body).map_err(io::Error::other)?;
            if !answer.contains(expected.as_str()) {
                return Err(io::Error::other(format!(
                    "an episode differs from the same one alone: {answer}, not {expected}"
                )));
            }
        }
        Ok(())
    }
}

/// Measures calls to episodes that live already, over as many connections, for a while.
pub(super) async fn latency(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    duration: Duration,
) -> io::Result<load::Slice> {
    let targets = load::Target { address, requests: requests.into_iter().take(CONNECTIONS).collect() };
    load::run(&targets, duration).await
}
