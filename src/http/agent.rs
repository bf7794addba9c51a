//! MCP over HTTP: which episode a request's calls go to. Isolation lies in the URL; sessions are kept here, not in rmcp.
//!
//! `/episodes/{id}/mcp` names its episode. On `/envs/{name}/mcp` a client of the older protocol gets one with `initialize`,
//! whose id is its session's id, and a stateless client gets a scratch episode (`scratch.rs`).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Front;
use super::auth::{self, bearer};
use super::body::{EnvironmentPath, EpisodePath, Parameters, idempotency_key};
use super::error::{ApiError, Code};
use super::message::{Era, Message, legible};
use super::scratch::{Caller, Key};
use super::trainer::task_name;
use crate::engine::environment::Environment;
use crate::farm::{EpisodeSpec, FarmError, LiveEpisode};
use crate::id::{EpisodeId, TaskName};
use crate::mcp::{self, Attached, Server};

/// The header that names a session of the older protocol.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Longest `?as=`: enough for any name, too short to fill memory with.
const ALIAS_BYTES_MAX: usize = 128;

/// Longest client name that tells scratch episodes apart; more of it is cut off.
const CLIENT_NAME_CHARS_MAX: usize = 128;

/// What `/envs/{name}/mcp` takes in its query.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Play {
    /// Keeps several agents of one caller apart.
    #[serde(rename = "as")]
    #[serde(default)]
    #[schemars(with = "String")]
    alias: Option<String>,
    /// A task to play; free play without.
    #[serde(default)]
    #[schemars(with = "String")]
    task: Option<String>,
    /// The episode's seed; 0 without.
    #[serde(default)]
    #[schemars(with = "u64")]
    seed: Option<u64>,
}

/// `POST /episodes/{id}/mcp`: an agent in an episode that a trainer created.
pub(super) async fn in_episode(State(front): State<Front>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = EpisodePath::from_request_parts(&mut parts, &front).await;
    let message = match Message::read(Request::from_parts(parts, body), &front).await {
        Ok(message) => message,
        Err(response) => return response,
    };
    let live = match path {
        Ok(EpisodePath(id)) => front.episode(id).await,
        Err(error) => Err(error),
    };
    let attached = live.and_then(|live| in_live(&front, live, &message));
    match attached {
        Ok((environment, attached)) => forward(&front, environment, attached, message).await,
        Err(error) => error.into_json_rpc(message.id.as_ref()),
    }
}

/// `POST /envs/{name}/mcp`: point and play.
pub(super) async fn in_environment(State(front): State<Front>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let place = place(&front, &mut parts).await;
    let message = match Message::read(Request::from_parts(parts, body), &front).await {
        Ok(message) => message,
        Err(response) => return response,
    };
    let place = match place {
        Ok(place) => place,
        Err(error) => return error.into_json_rpc(message.id.as_ref()),
    };
    match (message.era, message.method.as_deref()) {
        (Era::Stateless, method) => {
            let attached = if method == Some("tools/call") {
                let live = scratch_episode(&front, &place, &message);
                live.and_then(|live| in_live(&front, live, &message)).map(|(_, attached)| attached)
            } else {
                Ok(Attached::Opening(place.spec()))
            };
            match attached {
                Ok(attached) => forward(&front, place.environment, attached, message).await,
                Err(error) => error.into_json_rpc(message.id.as_ref()),
            }
        }
        (Era::Sessions, Some("initialize")) => begin_session(&front, place, message).await,
        (Era::Sessions, _) => {
            let live = session(&front, &place.owner, &place.environment, message.headers());
            match live.and_then(|(_, live)| in_live(&front, live, &message)) {
                Ok((environment, attached)) => forward(&front, environment, attached, message).await,
                Err(error) => error.into_json_rpc(message.id.as_ref()),
            }
        }
    }
}

/// `DELETE /envs/{name}/mcp`: a client of the older protocol ends its session, and with it the episode.
pub(super) async fn end_session(
    State(front): State<Front>,
    caller: auth::Caller,
    path: Result<EnvironmentPath, ApiError>,
    headers: HeaderMap,
) -> Response {
    let ended = path
        .and_then(|EnvironmentPath(environment)| session(&front, &caller, &environment, &headers))
        .and_then(|(id, _)| front.farm.remove(&id).map_err(|_| unknown_session()));
    match ended {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_json_rpc(None),
    }
}

/// What a request to `/envs/{name}/mcp` says in its URL and about its caller.
struct Place {
    environment: Arc<Environment>,
    task: Option<TaskName>,
    seed: u64,
    alias: Option<String>,
    address: Option<SocketAddr>,
    /// Whose the episodes made here are.
    owner: auth::Caller,
}

impl Place {
    fn spec(&self) -> EpisodeSpec {
        EpisodeSpec {
            environment: self.environment.name().clone(),
            task: self.task.clone(),
            seed: self.seed,
            actor: None,
            owner: None,
        }
    }
}

async fn place(front: &Front, parts: &mut axum::http::request::Parts) -> Result<Place, ApiError> {
    let EnvironmentPath(environment) = EnvironmentPath::from_request_parts(parts, front).await?;
    let Parameters(play) = Parameters::<Play>::from_request_parts(parts, front).await?;
    let task = play.task.map(|task| task_name(&environment, &task)).transpose()?;
    if play.alias.as_ref().is_some_and(|alias| alias.len() > ALIAS_BYTES_MAX) {
        let message = format!("?as= takes at most {ALIAS_BYTES_MAX} bytes");
        return Err(ApiError::new(Code::InvalidUrl, message));
    }
    let owner = auth::Caller::of(&parts.extensions)?.clone();
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address);
    Ok(Place { environment, task, seed: play.seed.unwrap_or_default(), alias: play.alias, address, owner })
}

fn scratch_episode(front: &Front, place: &Place, message: &Message) -> Result<Arc<LiveEpisode>, ApiError> {
    let caller = match bearer(message.headers()) {
        Some(token) => Caller::bearer(token),
        None => Caller::Client {
            address: place.address.map(|address| address.ip()),
            name: message.client_name.as_ref().map(|name| name.chars().take(CLIENT_NAME_CHARS_MAX).collect()),
        },
    };
    let key = Key {
        environment: place.environment.name().clone(),
        task: place.task.clone(),
        seed: place.seed,
        caller,
        alias: place.alias.clone(),
    };
    front.scratch.episode(front, &place.owner, key)
}

/// Creates the episode that is the session, answers `initialize` from it, and names it in the answer.
async fn begin_session(front: &Front, place: Place, message: Message) -> Response {
    let created = front.create(&place.owner, vec![place.spec()]).and_then(|created| {
        let id = created.into_iter().next().ok_or(FarmError::UnknownEpisode)?;
        Ok((id, front.farm.episode(&id)?))
    });
    let (id, live) = match created {
        Ok(created) => created,
        Err(error) => return error.into_json_rpc(message.id.as_ref()),
    };
    let attached = Attached::Episode { live, recorder: None, key: None };
    let response = forward(front, place.environment, attached, message).await;
    let (mut head, body) = response.into_parts();
    // The answer to `initialize` is small and ours: it is read back only to see whether it is one.
    let bytes = axum::body::to_bytes(body, front.settings.body_bytes_max).await.unwrap_or_default();
    let succeeded = head.status == StatusCode::OK
        && serde_json::from_slice::<Value>(&bytes).is_ok_and(|answer| answer.get("result").is_some());
    match HeaderValue::from_str(&id.to_string()) {
        Ok(value) if succeeded => {
            head.headers.insert(SESSION, value);
        }
        // The farm expires whatever can't be removed.
        _ => drop(front.farm.remove(&id)),
    }
    Response::from_parts(head, Body::from(bytes))
}

fn session(
    front: &Front,
    caller: &auth::Caller,
    environment: &Environment,
    headers: &HeaderMap,
) -> Result<(EpisodeId, Arc<LiveEpisode>), ApiError> {
    let Some(id) = headers.get(SESSION) else {
        return Err(ApiError::new(
            Code::SessionRequired,
            "send `initialize` first and its Mcp-Session-Id with every later request, or speak protocol 2026-07-28",
        ));
    };
    let id = id.to_str().ok().and_then(|id| EpisodeId::parse(id).ok()).ok_or_else(unknown_session)?;
    let live = front.farm.episode(&id).map_err(|_| unknown_session())?;
    let theirs = live.environment().name() == environment.name() && caller.sees(live.owner());
    if theirs { Ok((id, live)) } else { Err(unknown_session()) }
}

fn unknown_session() -> ApiError {
    ApiError::new(
        Code::UnknownSession,
        "no live session has this id: it was ended or has expired; send `initialize` for a new one",
    )
}

/// A live episode for a message to call tools in; its calls count against the owner's quota.
fn in_live(front: &Front, live: Arc<LiveEpisode>, message: &Message) -> Result<(Arc<Environment>, Attached), ApiError> {
    if message.method.as_deref() == Some("tools/call") {
        front.count_call(live.owner())?;
    }
    let key = idempotency_key(message.headers())?;
    Ok((Arc::clone(live.environment()), Attached::Episode { live, recorder: None, key }))
}

async fn forward(front: &Front, environment: Arc<Environment>, attached: Attached, mut message: Message) -> Response {
    let server = Server::new(environment, attached);
    if let Some(answer) = message.answer(&server) {
        return answer;
    }
    let service = mcp::http_service(server, front.settings.body_bytes_max);
    let id = message.id.clone();
    let response = service.handle(message.into_request()).await.map(Body::new);
    legible(response, id.as_ref()).await
}
