//! HTTP: MCP for agents and REST for trainers; with its submodules the only place that names axum.
//!
//! `connections` accepts what comes. A request passes the `guard` (Host and Origin) and `auth` (tokens), then either `agent`
//! (`/episodes/{id}/mcp`, `/envs/{name}/mcp`) or `trainer` (everything else). Handlers translate: they parse names and ids once, ask the farm, and word what it says.

mod agent;
mod auth;
pub mod baseline;
mod body;
mod connections;
mod endpoint;
mod endpoints;
mod error;
mod guard;
mod message;
pub(crate) mod openapi;
mod scratch;
mod trainer;
mod watch;

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::auth::Auth;
use self::error::{ApiError, Code};
use self::guard::Guard;
use self::scratch::Scratch;
use crate::config::{ASIDE_MAX, ConnectionLimits, HttpSettings};
use crate::farm::{Farm, LiveEpisode};
use crate::id::EpisodeId;

/// What every handler can reach.
#[derive(Debug, Clone)]
struct Front {
    farm: Arc<Farm>,
    settings: Arc<HttpSettings>,
    guard: Arc<Guard>,
    auth: Arc<Auth>,
    scratch: Arc<Scratch>,
    aside: Arc<Semaphore>,
}

impl Front {
    /// Does work that may take more than a call does, on a thread that may block. Some at a time: what it makes is in memory.
    async fn aside<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Result<T, ApiError> {
        let front = self.clone();
        // The semaphore is never closed.
        let permit = Arc::clone(&self.aside).acquire_owned().await;
        let worked = tokio::task::spawn_blocking(move || {
            let done = work(&front);
            drop(permit);
            done
        });
        worked.await.map_err(|err| {
            tracing::error!(%err, "work for a request broke off");
            ApiError::new(Code::Internal, "the server failed; its log says how")
        })
    }

    /// A live episode, rebuilt on a thread that may block where it sleeps.
    async fn episode(&self, id: EpisodeId) -> Result<Arc<LiveEpisode>, ApiError> {
        if let Some(live) = self.farm.episode_if_awake(&id)? {
            return Ok(live);
        }
        let farm = Arc::clone(&self.farm);
        let woken = tokio::task::spawn_blocking(move || farm.episode(&id)).await;
        match woken {
            Ok(live) => Ok(live?),
            Err(err) => {
                tracing::error!(%err, "an episode's rebuilding broke off");
                Err(ApiError::new(Code::Internal, "the server failed to rebuild the episode"))
            }
        }
    }
}

/// The whole HTTP interface.
pub fn router(farm: Arc<Farm>, settings: HttpSettings) -> Router {
    let front = Front {
        farm,
        guard: Arc::new(Guard::new(&settings)),
        auth: Arc::new(Auth::new(&settings.access)),
        scratch: Arc::new(Scratch::new(settings.scratch_episodes_max)),
        settings: Arc::new(settings),
        aside: Arc::new(Semaphore::new(ASIDE_MAX)),
    };
    endpoints::routes()
        .fallback(unknown_endpoint)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(front.clone(), guard::check))
        .layer(middleware::from_fn_with_state(front.clone(), watch::measure))
        .with_state(front)
}

/// Serves `router` on `listener` until `shutdown` resolves. Then idle connections close, and open requests may finish for at
/// most [`ConnectionLimits::drain`]. Dropping the future closes every connection at once.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    connections::serve(listener, router, limits, shutdown).await
}

/// Whether [`HttpSettings::allowed_hosts`] takes this text.
pub fn is_host(text: &str) -> bool {
    guard::is_host(text)
}

/// Whether [`HttpSettings::allowed_origins`] takes this text.
pub fn is_origin(text: &str) -> bool {
    guard::is_origin(text)
}

/// True for the routes whose errors are JSON-RPC's.
fn speaks_json_rpc(uri: &Uri) -> bool {
    uri.path().ends_with("/mcp")
}

/// An error in the route's own form.
fn error_at(uri: &Uri, error: ApiError) -> Response {
    if speaks_json_rpc(uri) { error.into_json_rpc(None) } else { error.into_response() }
}

async fn unknown_endpoint(uri: Uri) -> Response {
    let message = "no such endpoint; agents use /episodes/{id}/mcp or /envs/{name}/mcp, trainers POST /episodes, \
                   GET /environments lists what is served";
    error_at(&uri, ApiError::new(Code::UnknownEndpoint, message))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let message = format!("{method} is not allowed here; the Allow header names what is");
    error_at(&uri, ApiError::new(Code::MethodNotAllowed, message))
}
