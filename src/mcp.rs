//! One environment as an MCP server: the only module that names rmcp.
//!
//! A [`Server`] is one environment together with what the request's tool calls go to ([`Attached`]). It is built per
//! request (two reference counts), so there is nothing to look up and nothing that could outlive its episode. Over HTTP
//! rmcp runs without sessions and answers with plain JSON; sessions of the older protocol are the HTTP front's business.
//! Well-formed `tools/call` and `tools/list` requests don't go through rmcp at all (`hot`); whatever else there is does.
//! `tools/call` is: resolve the episode from the path -> [`Server::call`] -> `Episode::call` -> engine.

mod handler;
mod hot;
mod messages;
mod stdio;

use std::sync::Arc;

use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Map, Value};

pub use self::hot::{Header, Headers, PlainRequest};
pub use self::messages::{CallFailure, CallResult, describe_tools};
pub use self::stdio::{Recorder, StdioError, serve_stdio};
use crate::engine::environment::Environment;
use crate::episode::{Episode, EpisodeLimits, IdempotencyKey};
use crate::farm::{EpisodeSpec, LiveEpisode};

/// How long a client may cache `server/discover` and `tools/list`. Packages are immutable while a server runs; an hour is
/// short enough that a client notices a restarted server with other packages.
pub const CACHE_TTL_MS: u64 = 60 * 60 * 1_000;

/// What the tool calls of one request go to.
#[derive(Debug, Clone)]
pub enum Attached {
    /// An episode, and what records its calls where somebody asked for that.
    Episode {
        /// The episode.
        live: Arc<LiveEpisode>,
        /// Writes each call to a file as it happens (stdio only).
        recorder: Option<Arc<Recorder>>,
        /// The key that the request's headers name its call by.
        key: Option<IdempotencyKey>,
    },
    /// No episode yet: the request only asks what there is. Instructions are those that such an episode would begin with.
    Opening(EpisodeSpec),
}

/// One environment as an MCP server, for one request over HTTP or for one process over stdio.
#[derive(Debug, Clone)]
pub struct Server {
    environment: Arc<Environment>,
    attached: Attached,
}

/// rmcp's HTTP service around one [`Server`]; its `handle` takes a request and gives a response.
pub type HttpService = StreamableHttpService<Server, NeverSessionManager>;

impl Server {
    /// A server for `environment` whose calls go to `attached`.
    pub fn new(environment: Arc<Environment>, attached: Attached) -> Self {
        Self { environment, attached }
    }

    /// Calls a tool: the one place where a front enters an episode, for both transports. `key` is one that the message
    /// itself names; else the request's counts.
    ///
    /// # Errors
    /// What is no result of the tool: see [`CallFailure`].
    pub fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        key: Option<IdempotencyKey>,
    ) -> Result<CallResult, CallFailure> {
        let Attached::Episode { live, recorder, key: of_request } = &self.attached else {
            return Err(CallFailure::NoEpisode);
        };
        let key = key.or_else(|| of_request.clone());
        let outcome = match recorder {
            None => live.call(tool, arguments, key),
            Some(recorder) => recorder.call(live, tool, arguments, key),
        };
        messages::call_result(outcome)
    }

    /// What the agent reads first: the house rules and who is signed in, then the task where there is one.
    fn instructions(&self) -> String {
        match &self.attached {
            Attached::Episode { live, .. } => episode_instructions(&live.lock()),
            Attached::Opening(spec) => {
                let opened = Episode::new(
                    Arc::clone(&self.environment),
                    spec.task.clone(),
                    spec.seed,
                    spec.actor.clone(),
                    EpisodeLimits::default(),
                );
                match opened {
                    Ok(episode) => episode_instructions(&episode),
                    Err(_) => self.environment.instructions().to_owned(),
                }
            }
        }
    }
}

/// The text an agent in this episode is given at the start.
pub fn episode_instructions(episode: &Episode) -> String {
    let context = episode.context();
    match episode.instruction() {
        Some(instruction) => format!("{}\n\nYour task: {instruction}", context.trim_end()),
        None => context,
    }
}

/// The HTTP service for one request. Host, Origin and body size are checked before it, for all routes
/// alike, by the HTTP front; rmcp would answer them with plain text.
pub fn http_service(server: Server, body_bytes_max: usize) -> HttpService {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(body_bytes_max)
        .disable_allowed_hosts()
        .disable_allowed_origins();
    StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config)
}
