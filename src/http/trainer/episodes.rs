//! Episodes: listed, looked up, driven, judged and deleted.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::Front;
use super::super::auth::Caller;
use super::super::body::{EpisodePath, JsonBody, OptionalJsonBody, Parameters, idempotency_key};
use super::super::endpoint::{Description, Input, NoContent};
use super::super::error::{ApiError, Code, Problem};
use super::view::EpisodeView;
use super::{BaseUrl, call_error, page};
use crate::engine::verify::Verdict;
use crate::episode::{EpisodeState, IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey};
use crate::farm::{EpisodeFilter, EpisodeSummary, FarmError};
use crate::id::EpisodeId;
use crate::mcp::{Attached, CallResult, Server};

/// What `GET /episodes` takes in its query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EpisodesQuery {
    /// Of this environment.
    #[serde(default)]
    #[schemars(with = "String")]
    environment: Option<String>,
    /// In this state.
    #[serde(default)]
    #[schemars(with = "EpisodeState")]
    state: Option<EpisodeState>,
    /// Entries at most; 100 without.
    #[serde(default)]
    #[schemars(with = "usize", range(min = 1, max = page::LIMIT_MAX))]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[schemars(with = "String")]
    cursor: Option<String>,
}

/// Some episodes, in the order of their ids.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct EpisodesPage {
    /// The episodes.
    episodes: Vec<EpisodeSummary>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// `GET /episodes`.
pub(in crate::http) async fn list(
    State(front): State<Front>,
    caller: Caller,
    Parameters(query): Parameters<EpisodesQuery>,
) -> Result<Json<EpisodesPage>, ApiError> {
    let limit = page::limit(query.limit)?;
    let after = page::place(query.cursor.as_deref(), |id| EpisodeId::parse(id).ok())?;
    if !front.farm.is_ready() {
        return Err(FarmError::Recovering.into());
    }
    let environment = query.environment.map(|name| front.farm.environment_name(&name).cloned()).transpose()?;
    let filter = EpisodeFilter { environment, state: query.state, owner: caller.owner() };
    // All episodes are gone through, and those listed may be in a call.
    let mut episodes = front.aside(move |front| front.farm.list(&filter, after, limit + 1)).await?;
    let more = episodes.len() > limit;
    episodes.truncate(limit);
    let next_cursor = episodes.last().filter(|_| more).map(|last| page::cursor(&last.id.to_string()));
    Ok(Json(EpisodesPage { episodes, next_cursor }))
}

/// `GET /episodes/{id}`.
pub(in crate::http) async fn get(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    base_url: BaseUrl,
) -> Result<Json<EpisodeView>, ApiError> {
    view(&front, id, base_url).await
}

async fn view(front: &Front, id: EpisodeId, base_url: BaseUrl) -> Result<Json<EpisodeView>, ApiError> {
    let viewed = front.aside(move |front| match front.farm.episode(&id) {
        Ok(live) => EpisodeView::of(&front.farm, &live, &base_url),
        Err(FarmError::Faulted { .. }) => Ok(EpisodeView::of_lost(front.farm.summary_of(&id)?, &base_url)),
        Err(err) => Err(err.into()),
    });
    viewed.await?.map(Json)
}

/// `DELETE /episodes/{id}`.
pub(in crate::http) async fn remove(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
) -> Result<NoContent, ApiError> {
    front.farm.remove(&id)?;
    Ok(NoContent)
}

/// What `DELETE /episodes` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeleteRequest {
    /// The episodes' ids; those that are already gone are passed over.
    ids: Vec<String>,
}

/// How many episodes were deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Deleted {
    /// How many of them there were.
    deleted: usize,
}

/// `DELETE /episodes`.
pub(in crate::http) async fn remove_many(
    State(front): State<Front>,
    caller: Caller,
    JsonBody(request): JsonBody<DeleteRequest>,
) -> Result<Json<Deleted>, ApiError> {
    let mut ids = Vec::with_capacity(request.ids.len());
    let mut problems = Vec::new();
    for (index, text) in request.ids.iter().enumerate() {
        match EpisodeId::parse(text) {
            Ok(id) => ids.push(id),
            Err(err) => problems.push(Problem::new(index, Code::InvalidBody, err.to_string())),
        }
    }
    if !problems.is_empty() {
        return Err(ApiError::of_problems(problems, true));
    }
    let deleted = front.aside(move |front| {
        ids.retain(|id| front.require_seen(&caller, id).is_ok());
        front.farm.remove_all(&ids)
    });
    let deleted = deleted.await??;
    Ok(Json(Deleted { deleted }))
}

/// What `POST /episodes/{id}/calls` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CallRequest {
    /// The tool's name.
    tool: String,
    /// Its arguments; none without.
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

/// The Idempotency-Key header.
#[derive(Debug)]
pub(in crate::http) struct Idempotency(Option<IdempotencyKey>);

impl FromRequestParts<Front> for Idempotency {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Front) -> Result<Self, ApiError> {
        idempotency_key(&parts.headers).map(Self)
    }
}

impl Input for Idempotency {
    fn describe(description: &mut Description<'_>) {
        let text =
            "Names the call: sent again under the same key, it gives its first result again and changes nothing.";
        let schema = json!({"type": "string", "pattern": "^[ -~]+$", "maxLength": IDEMPOTENCY_KEY_BYTES_MAX});
        description.parameter("header", "Idempotency-Key", text, &schema);
        description.errors.push(Code::InvalidIdempotencyKey);
    }
}

/// `POST /episodes/{id}/calls`: `tools/call` without MCP.
pub(in crate::http) async fn call(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    Idempotency(key): Idempotency,
    JsonBody(request): JsonBody<CallRequest>,
) -> Result<Json<CallResult>, ApiError> {
    let live = front.episode(id).await?;
    front.count_call(live.owner())?;
    let environment = Arc::clone(live.environment());
    let server = Server::new(environment, Attached::Episode { live, recorder: None, key });
    Ok(Json(server.call(&request.tool, request.arguments.unwrap_or_default(), None)?))
}

/// What `POST /episodes/{id}/reset` takes: nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ResetRequest {}

/// `POST /episodes/{id}/reset`: back to the start, with the same task, seed and actor.
pub(in crate::http) async fn reset(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    base_url: BaseUrl,
    OptionalJsonBody(ResetRequest {}): OptionalJsonBody<ResetRequest>,
) -> Result<Json<EpisodeView>, ApiError> {
    front.episode(id).await?.reset().map_err(call_error)?;
    view(&front, id, base_url).await
}

/// What `POST /episodes/{id}/verify` takes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct VerifyRequest {
    /// The agent's final text; only its last line `Answer: ...` is judged, or all of it where there is none.
    #[serde(default)]
    answer: Option<String>,
    /// Only look: the episode goes on, and its verdict isn't kept.
    #[serde(default)]
    peek: bool,
}

/// `POST /episodes/{id}/verify`: judges the final state and the answer, and ends the episode.
pub(in crate::http) async fn verify(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    OptionalJsonBody(request): OptionalJsonBody<VerifyRequest>,
) -> Result<Json<Verdict>, ApiError> {
    let live = match front.episode(id).await {
        Ok(live) => live,
        Err(error) if error.code() == Code::EpisodeFaulted => return Ok(Json(Verdict::faulted())),
        Err(error) => return Err(error),
    };
    let answer = request.answer.as_deref();
    if request.peek {
        return Ok(Json(live.lock().peek_verdict(answer)));
    }
    live.verify(answer).map(Json).map_err(call_error)
}
