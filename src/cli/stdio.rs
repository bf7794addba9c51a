//! `envfarm stdio`: one episode for a client that starts its servers itself.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Failure, environment_name, task_name};
use crate::config::PackageOptions;
use crate::farm::{EpisodeSpec, Farm, FarmError, FarmLimits, LiveEpisode};
use crate::mcp::{self, Attached, Recorder, Server};
use crate::telemetry::{self, LogFormat};

const EXAMPLES: &str = r#"Examples:
  envfarm stdio online_shop
  envfarm stdio online_shop --task cancel_latest_unshipped_order --trajectory run.jsonl
  envfarm verify run.jsonl --answer "Answer: 84.50"      judge what was recorded

In a desktop client's configuration:
  {"mcpServers": {"online_shop": {"command": "envfarm", "args": ["stdio", "online_shop", "--envs", "/path/to/envs"]}}}"#;

/// Serve one episode of an environment over stdin and stdout
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// The environment's name
    environment: String,
    /// Play this task; free play without
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Seed of the episode's randomness
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Act as the actor with this id instead of the task's or the environment's
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Record the calls in this file as they happen, as JSON Lines
    #[arg(long, value_name = "FILE")]
    trajectory: Option<PathBuf>,
    /// Log one JSON object a line
    #[arg(long, env = "ENVFARM_JSON_LOGS", value_parser = BoolishValueParser::new())]
    json_logs: bool,
    /// What to log on stderr, as in `info` or `envfarm=debug`
    #[arg(long, value_name = "FILTER", env = "ENVFARM_LOG")]
    log: Option<String>,
    #[command(flatten)]
    packages: PackageOptions,
}

pub(super) fn run(options: Options) -> Result<(), Failure> {
    let format = if options.json_logs { LogFormat::Json } else { LogFormat::Text };
    telemetry::init(format, options.log.as_deref());
    let live = open(&options)?;
    let recorder = options.trajectory.map(|path| record(path, &live)).transpose()?;
    let environment = Arc::clone(live.environment());
    let server =
        Server::new(environment, Attached::Episode { live: Arc::clone(&live), recorder: recorder.clone(), key: None });

    // One thread, so that calls which a client sends without waiting run in the order they came.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|err| Failure::internal(format!("failed to start the async runtime: {err}")))?;
    let served = runtime.block_on(async {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            super::serve::stop_requested().await;
            stopped.cancel();
        });
        mcp::serve_stdio(server, stop).await
    });
    // A read from stdin can't be cancelled; waiting for it would keep the process until the next line.
    runtime.shutdown_background();
    served.map_err(|err| Failure::failed(err.to_string()))?;
    match recorder.map(|recorder| recorder.finish(&live.lock())) {
        Some(Err(err)) => Err(Failure::failed(format!("failed to write the trajectory: {err}"))),
        Some(Ok(())) | None => Ok(()),
    }
}

fn open(options: &Options) -> Result<Arc<LiveEpisode>, Failure> {
    let failed = |err: FarmError| Failure::failed(err.to_string());
    let farm = Farm::open(&options.packages.envs, FarmLimits::default()).map_err(failed)?;
    let name = environment_name(&options.environment, &farm)?;
    let environment = farm.environment(name.as_ref()).map_err(failed)?;
    let task = options.task.as_deref().map(|task| task_name(task, environment.tasks().keys())).transpose()?;
    let actor = options.actor.as_deref().map(actor_id);
    if let Some(actor) = &actor
        && !environment.actors().iter().any(|known| known.id == *actor)
    {
        let known: Vec<String> =
            environment.actors().iter().map(|actor| format!("{} ({})", actor.id, actor.name)).collect();
        return Err(Failure::usage(format!("there is no actor {actor}; there are: {}", known.join(", "))));
    }
    let id =
        farm.create(EpisodeSpec { environment: name, task, seed: options.seed, actor, owner: None }).map_err(failed)?;
    farm.episode(&id).map_err(failed)
}

/// Ids are numbers in most packages and text in some.
fn actor_id(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from)
}

fn record(path: PathBuf, live: &LiveEpisode) -> Result<Arc<Recorder>, Failure> {
    let failed = |err: std::io::Error| Failure::failed(format!("failed to write {}: {err}", path.display()));
    let file = File::create(&path).map_err(failed)?;
    Recorder::begin(BufWriter::new(file), &live.lock()).map(Arc::new).map_err(failed)
}
