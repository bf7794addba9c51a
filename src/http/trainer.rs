//! REST: environments to look at, episodes to create, drive and verify. Solutions and verifiers never leave the server.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Front;
use super::auth::Caller;
use super::body::{EnvironmentPath, EpisodePath, JsonBody, OptionalJsonBody, idempotency_key};
use super::error::{ApiError, Code};
use crate::config::EPISODES_PER_REQUEST_MAX;
use crate::engine::environment::Environment;
use crate::engine::verify::Verdict;
use crate::episode::{CallError, EpisodeState};
use crate::farm::{EpisodeSpec, Farm, FarmError, LiveEpisode};
use crate::id::{EnvironmentName, EpisodeId, TaskName};
use crate::mcp::{self, Attached, CallResult, Server};

/// `GET /healthz`.
pub(super) async fn health(State(front): State<Front>) -> Json<Value> {
    Json(json!({"status": "ok", "live_episodes": front.farm.len()}))
}

/// `GET /readyz`: whether every live episode can be addressed.
pub(super) async fn ready(State(front): State<Front>) -> Result<Json<Value>, ApiError> {
    if front.farm.is_ready() { Ok(Json(json!({"status": "ready"}))) } else { Err(FarmError::Recovering.into()) }
}

/// `GET /environments`.
pub(super) async fn environments(State(front): State<Front>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let base_url = base_url(&front, &headers);
    // Each is loaded to be described, which takes milliseconds the first time: too long for an async worker.
    let listing = tokio::task::spawn_blocking(move || list_environments(&front.farm, &base_url));
    let listed = listing.await.map_err(|err| {
        tracing::error!(%err, "failed to list the environments");
        ApiError::new(Code::Internal, "the server failed to list the environments")
    })?;
    Ok(Json(json!({"environments": listed})))
}

fn list_environments(farm: &Farm, base_url: &str) -> Vec<Value> {
    let described = farm.environment_names().map(|name| match farm.environment(name.as_ref()) {
        Ok(environment) => summary(&environment, base_url),
        Err(err) => json!({"name": name, "error": err.to_string()}),
    });
    described.collect()
}

/// `GET /environments/{name}`.
pub(super) async fn environment(
    State(front): State<Front>,
    EnvironmentPath(environment): EnvironmentPath,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let mut described = summary(&environment, &base_url(&front, &headers));
    let actors: Vec<Value> =
        environment.actors().iter().map(|actor| json!({"id": actor.id, "name": actor.name})).collect();
    described["instructions"] = json!(environment.instructions());
    described["actors"] = json!(actors);
    described["default_actor"] = environment.default_actor().clone();
    Ok(Json(described))
}

/// `GET /environments/{name}/tools`, as in `tools/list`.
pub(super) async fn tools(EnvironmentPath(environment): EnvironmentPath) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({"tools": mcp::describe_tools(&environment)})))
}

/// `GET /environments/{name}/tasks`.
pub(super) async fn tasks(EnvironmentPath(environment): EnvironmentPath) -> Result<Json<Value>, ApiError> {
    let listed: Vec<Value> = environment
        .tasks()
        .values()
        .map(|task| {
            json!({
                "name": task.name(),
                "instruction": task.instruction(),
                "difficulty": task.difficulty(),
                "actor": task.actor(),
                "has_answer": task.has_answer(),
            })
        })
        .collect();
    Ok(Json(json!({"tasks": listed})))
}

fn summary(environment: &Environment, base_url: &str) -> Value {
    json!({
        "name": environment.name(),
        "title": environment.title(),
        "summary": environment.summary(),
        "domain": environment.domain(),
        "tables": environment.tables(),
        "rows": environment.rows(),
        "tools": environment.tools().len(),
        "tasks": environment.tasks().len(),
        "digest": environment.digest(),
        "mcp_url": format!("{base_url}/envs/{}/mcp", environment.name()),
    })
}

/// What `POST /episodes` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    /// The environment's name.
    environment: String,
    /// The task's name; free play without.
    #[serde(default)]
    task: Option<String>,
    /// Seed of the episode's randomness; 0 without.
    #[serde(default)]
    seed: Option<u64>,
    /// Id of the actor; the task's or the environment's without.
    #[serde(default)]
    actor: Option<Value>,
    /// How many episodes, all alike.
    #[serde(default)]
    count: Option<usize>,
}

/// What an episode is, for its trainer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EpisodeView {
    /// `ep_` and 32 hexadecimal digits. Whoever knows it may act in the episode.
    #[schemars(with = "String")]
    id: EpisodeId,
    /// The environment's name.
    #[schemars(with = "String")]
    environment: EnvironmentName,
    /// The task's name; none in free play.
    #[schemars(with = "Option<String>")]
    task: Option<TaskName>,
    /// Seed of its randomness.
    seed: u64,
    /// Id of the signed-in actor.
    actor: Value,
    /// Where it is in its life.
    state: EpisodeState,
    /// Calls answered so far, refused ones included.
    calls: usize,
    /// What the agent is asked; none in free play.
    instruction: Option<String>,
    /// What the agent reads beside it: house rules, who is signed in, date and time.
    context: String,
    /// Where an agent connects.
    mcp_url: String,
}

impl EpisodeView {
    fn of(id: EpisodeId, live: &LiveEpisode, base_url: &str) -> Self {
        let episode = live.lock();
        Self {
            id,
            environment: episode.environment().name().clone(),
            task: episode.task().map(|task| task.name().clone()),
            seed: episode.seed(),
            actor: episode.actor().clone(),
            state: episode.state(),
            calls: episode.calls(),
            instruction: episode.instruction().map(str::to_owned),
            context: episode.context(),
            mcp_url: format!("{base_url}/episodes/{id}/mcp"),
        }
    }
}

/// `POST /episodes`.
pub(super) async fn create(
    State(front): State<Front>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<CreateRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let count = request.count.unwrap_or(1);
    if !(1..=EPISODES_PER_REQUEST_MAX).contains(&count) {
        let message = format!("count must be from 1 to {EPISODES_PER_REQUEST_MAX}");
        return Err(ApiError::new(Code::InvalidBody, message));
    }
    let environment = front.farm.environment(&request.environment)?;
    let task = request.task.map(|task| task_name(&environment, &task)).transpose()?;
    let spec = EpisodeSpec {
        environment: environment.name().clone(),
        task,
        seed: request.seed.unwrap_or_default(),
        actor: request.actor,
        owner: None,
    };
    let base_url = base_url(&front, &headers);
    let created = front.create(&caller, vec![spec; count])?;
    let episodes = created
        .into_iter()
        .map(|id| Ok(EpisodeView::of(id, &*front.farm.episode(&id)?, &base_url)))
        .collect::<Result<Vec<EpisodeView>, FarmError>>()?;
    Ok((StatusCode::CREATED, Json(json!({"episodes": episodes}))))
}

/// `GET /episodes/{id}`.
pub(super) async fn episode(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    headers: HeaderMap,
) -> Result<Json<EpisodeView>, ApiError> {
    let live = front.episode(id).await?;
    Ok(Json(EpisodeView::of(id, &live, &base_url(&front, &headers))))
}

/// `DELETE /episodes/{id}`.
pub(super) async fn remove(State(front): State<Front>, EpisodePath(id): EpisodePath) -> Result<StatusCode, ApiError> {
    front.farm.remove(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What `POST /episodes/{id}/calls` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallRequest {
    /// The tool's name.
    tool: String,
    /// Its arguments; none without.
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

/// `POST /episodes/{id}/calls`: `tools/call` without MCP.
pub(super) async fn call(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    headers: HeaderMap,
    JsonBody(request): JsonBody<CallRequest>,
) -> Result<Json<CallResult>, ApiError> {
    let live = front.episode(id).await?;
    front.count_call(live.owner())?;
    let environment = Arc::clone(live.environment());
    let key = idempotency_key(&headers)?;
    let server = Server::new(environment, Attached::Episode { live, recorder: None, key });
    Ok(Json(server.call(&request.tool, request.arguments.unwrap_or_default(), None)?))
}

/// What `POST /episodes/{id}/reset` takes: nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetRequest {}

/// `POST /episodes/{id}/reset`: back to the start, with the same task, seed and actor.
pub(super) async fn reset(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    headers: HeaderMap,
    OptionalJsonBody(ResetRequest {}): OptionalJsonBody<ResetRequest>,
) -> Result<Json<EpisodeView>, ApiError> {
    let live = front.episode(id).await?;
    live.reset().map_err(call_error)?;
    Ok(Json(EpisodeView::of(id, &live, &base_url(&front, &headers))))
}

/// What `POST /episodes/{id}/verify` takes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyRequest {
    /// The agent's final text; only its last line `Answer: ...` is judged, or all of it where there is none.
    #[serde(default)]
    answer: Option<String>,
}

/// `POST /episodes/{id}/verify`: judges the final state and the answer, and ends the episode.
pub(super) async fn verify(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    OptionalJsonBody(request): OptionalJsonBody<VerifyRequest>,
) -> Result<Json<Verdict>, ApiError> {
    let live = front.episode(id).await?;
    live.verify(request.answer.as_deref()).map(Json).map_err(call_error)
}

/// Why an episode couldn't be judged or reset.
fn call_error(err: CallError) -> ApiError {
    match err {
        CallError::Ended { .. } | CallError::Truncated { .. } => ApiError::new(
            Code::EpisodeEnded,
            "this episode has ended and was judged on another answer; reset it for another attempt",
        ),
        CallError::Faulted => ApiError::new(
            Code::EnvironmentFault,
            "the environment failed while judging this episode; discard the sample",
        ),
        CallError::Unrecorded => ApiError::new(Code::NotRecorded, err.to_string()),
        CallError::UnknownTool { .. } | CallError::KeyReused { .. } => {
            ApiError::new(Code::Internal, "the server failed to judge this episode")
        }
    }
}

/// A task of the environment by its name.
pub(super) fn task_name(environment: &Environment, name: &str) -> Result<TaskName, ApiError> {
    environment.tasks().get_key_value(name).map(|(name, _)| name.clone()).ok_or_else(|| {
        let message =
            format!("the environment {0} has no such task; GET /environments/{0}/tasks lists them", environment.name());
        ApiError::new(Code::UnknownTask, message)
    })
}

/// Where this server is reached: as configured, else as the request addressed it, which the guard has checked.
fn base_url(front: &Front, headers: &HeaderMap) -> String {
    if let Some(base_url) = &front.settings.base_url {
        return base_url.trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}
