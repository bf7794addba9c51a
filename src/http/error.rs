//! Errors as they leave the server: `{"error":{"code","message"}}`, or a JSON-RPC error object on MCP's routes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::config::RETRY_AFTER_S;
use crate::episode::EpisodeError;
use crate::farm::FarmError;
use crate::mcp::CallFailure;

/// Every error code of the HTTP interface; a code is never reused for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// No such path.
    UnknownEndpoint,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The request's Host header is missing, unreadable or not allowed.
    HostRefused,
    /// The request's Origin is not allowed.
    OriginRefused,
    /// The path or its query can't be read.
    InvalidUrl,
    /// The body isn't JSON.
    MalformedJson,
    /// The body is JSON of another shape than the endpoint takes.
    InvalidBody,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body didn't arrive in time or not whole.
    BodyIncomplete,
    /// The Content-Type isn't `application/json`.
    UnsupportedMediaType,
    /// The client accepts no JSON.
    NotAcceptable,
    /// A request of MCP's that breaks its rules.
    InvalidRequest,
    /// No such environment.
    UnknownEnvironment,
    /// The environment's package has findings that keep it from loading.
    InvalidPackage,
    /// No such task in the environment.
    UnknownTask,
    /// No such actor in the environment.
    UnknownActor,
    /// No such tool in the environment.
    UnknownTool,
    /// No live episode has this id.
    UnknownEpisode,
    /// No live session has this id.
    UnknownSession,
    /// A request of the older protocol without its session's id.
    SessionRequired,
    /// The episode has ended.
    EpisodeEnded,
    /// The environment failed in this episode.
    EnvironmentFault,
    /// The farm is full.
    AtCapacity,
    /// The journal couldn't record it, so it didn't happen.
    NotRecorded,
    /// The journal is still being read.
    Recovering,
    /// The episode was ended as faulted and can't be rebuilt.
    EpisodeFaulted,
    /// The Idempotency-Key header can't be one.
    InvalidIdempotencyKey,
    /// The request carries no token, or one that isn't known.
    Unauthorized,
    /// The request takes the admin token and carries another.
    AdminOnly,
    /// The token has as many live episodes as it may have.
    QuotaExceeded,
    /// The token's episodes make more calls than they may.
    RateLimited,
    /// Something on the server's side failed.
    Internal,
}

impl Code {
    /// Its status and text form.
    pub(super) fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownEndpoint => (StatusCode::NOT_FOUND, "unknown_endpoint"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::HostRefused => (StatusCode::FORBIDDEN, "host_refused"),
            Self::OriginRefused => (StatusCode::FORBIDDEN, "origin_refused"),
            Self::InvalidUrl => (StatusCode::BAD_REQUEST, "invalid_url"),
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "malformed_json"),
            Self::InvalidBody => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyIncomplete => (StatusCode::REQUEST_TIMEOUT, "body_incomplete"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "not_acceptable"),
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::UnknownEnvironment => (StatusCode::NOT_FOUND, "unknown_environment"),
            Self::InvalidPackage => (StatusCode::INTERNAL_SERVER_ERROR, "invalid_package"),
            Self::UnknownTask => (StatusCode::NOT_FOUND, "unknown_task"),
            Self::UnknownActor => (StatusCode::NOT_FOUND, "unknown_actor"),
            Self::UnknownTool => (StatusCode::NOT_FOUND, "unknown_tool"),
            Self::UnknownEpisode => (StatusCode::NOT_FOUND, "unknown_episode"),
            Self::UnknownSession => (StatusCode::NOT_FOUND, "unknown_session"),
            Self::SessionRequired => (StatusCode::BAD_REQUEST, "session_required"),
            Self::EpisodeEnded => (StatusCode::CONFLICT, "episode_ended"),
            Self::EnvironmentFault => (StatusCode::INTERNAL_SERVER_ERROR, "environment_fault"),
            Self::AtCapacity => (StatusCode::SERVICE_UNAVAILABLE, "at_capacity"),
            Self::NotRecorded => (StatusCode::SERVICE_UNAVAILABLE, "not_recorded"),
            Self::Recovering => (StatusCode::SERVICE_UNAVAILABLE, "recovering"),
            Self::EpisodeFaulted => (StatusCode::GONE, "episode_faulted"),
            Self::InvalidIdempotencyKey => (StatusCode::BAD_REQUEST, "invalid_idempotency_key"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::AdminOnly => (StatusCode::FORBIDDEN, "admin_only"),
            Self::QuotaExceeded => (StatusCode::TOO_MANY_REQUESTS, "quota_exceeded"),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// JSON-RPC's code for it: its own where it has one, else the first of the range left to servers.
    fn json_rpc(self) -> i32 {
        match self {
            Self::MalformedJson => -32700,
            Self::InvalidBody
            | Self::InvalidRequest
            | Self::InvalidUrl
            | Self::BodyTooLarge
            | Self::BodyIncomplete
            | Self::UnsupportedMediaType
            | Self::NotAcceptable
            | Self::MethodNotAllowed
            | Self::InvalidIdempotencyKey
            | Self::SessionRequired => -32600,
            Self::EnvironmentFault | Self::Internal | Self::InvalidPackage => -32603,
            _ => -32000,
        }
    }
}

/// An error of the HTTP interface. Its message says what to do about it.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    code: Code,
    message: String,
    problems: Vec<Problem>,
}

/// What is wrong with one entry of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Problem {
    /// Which entry, from 0.
    index: usize,
    /// Stable `snake_case` name.
    code: &'static str,
    /// For people.
    message: String,
    #[serde(skip)]
    kind: Code,
}

impl Problem {
    pub(super) fn new(index: usize, kind: Code, message: String) -> Self {
        Self { index, code: kind.parts().1, message, kind }
    }
}

/// Answer to every request that fails.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ErrorResponse {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, JsonSchema)]
struct ErrorDetail {
    /// Stable `snake_case` name.
    code: &'static str,
    /// For people.
    message: String,
    /// Where a list was sent, what is wrong with which of its entries; at most 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

/// Problems that an error lists. Whoever sends thousands of bad entries has one mistake, a thousand times.
const PROBLEMS_MAX: usize = 100;

/// Problems that an error's message names.
const PROBLEMS_NAMED_MAX: usize = 10;

impl ApiError {
    pub(super) fn code(&self) -> Code {
        self.code
    }

    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), problems: Vec::new() }
    }

    /// The error as what is wrong with an entry of a list.
    pub(super) fn into_problem(self, index: usize) -> Problem {
        Problem::new(index, self.code, self.message)
    }

    /// All that is wrong with what was sent. The code is that of the problems where they have the same; entries are named by
    /// their indexes where what was sent is a list.
    pub(super) fn of_problems(mut problems: Vec<Problem>, listed: bool) -> Self {
        let code = match problems.first() {
            Some(first) if problems.iter().all(|problem| problem.kind == first.kind) => first.kind,
            _ => Code::InvalidBody,
        };
        let named = problems.iter().take(PROBLEMS_NAMED_MAX).map(|problem| match listed {
            true => format!("[{}]: {}", problem.index, problem.message),
            false => problem.message.clone(),
        });
        let mut message = named.collect::<Vec<_>>().join("; ");
        if problems.len() > PROBLEMS_NAMED_MAX {
            message.push_str(&format!("; and {} more", problems.len() - PROBLEMS_NAMED_MAX));
        }
        problems.truncate(if listed { PROBLEMS_MAX } else { 0 });
        Self { code, message, problems }
    }

    /// The error as a JSON-RPC error response to the request with `id`; without an id where the request's can't be known,
    /// as the specification has it.
    pub(super) fn into_json_rpc(self, id: Option<&Value>) -> Response {
        let (status, code) = self.code.parts();
        let error = json!({
            "code": self.code.json_rpc(),
            "message": self.message,
            "data": {"code": code},
        });
        let mut body = json!({"jsonrpc": "2.0"});
        if let Some(id) = id {
            body["id"] = id.clone();
        }
        body["error"] = error;
        self.with_headers((status, Json(body)).into_response())
    }

    fn with_headers(&self, mut response: Response) -> Response {
        let retry_after_s = match self.code {
            Code::AtCapacity | Code::NotRecorded | Code::Recovering | Code::QuotaExceeded => Some(RETRY_AFTER_S),
            // The quota is per second, and the header knows no less.
            Code::RateLimited => Some(1),
            _ => None,
        };
        if let Some(retry_after_s) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        if self.code == Code::Unauthorized {
            let challenge = HeaderValue::from_static("Bearer realm=\"envfarm\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let (status, code) = self.code.parts();
        let problems = std::mem::take(&mut self.problems);
        let body = ErrorResponse { error: ErrorDetail { code, message: self.message.clone(), problems } };
        self.with_headers((status, Json(body)).into_response())
    }
}

impl From<FarmError> for ApiError {
    fn from(err: FarmError) -> Self {
        let code = match &err {
            FarmError::UnknownEnvironment { .. } => Code::UnknownEnvironment,
            FarmError::InvalidPackage { .. } => Code::InvalidPackage,
            FarmError::UnknownEpisode => Code::UnknownEpisode,
            FarmError::AtCapacity { .. } => Code::AtCapacity,
            FarmError::Unrecorded => Code::NotRecorded,
            FarmError::Recovering => Code::Recovering,
            FarmError::Faulted { .. } => Code::EpisodeFaulted,
            FarmError::Episode(EpisodeError::UnknownTask { .. }) => Code::UnknownTask,
            FarmError::Episode(EpisodeError::UnknownActor { .. }) => Code::UnknownActor,
            FarmError::Directory { .. } | FarmError::Empty { .. } | FarmError::Randomness(_) => {
                tracing::error!(%err, "the farm failed");
                return Self::new(Code::Internal, "the server failed; its log says how");
            }
        };
        let hint = match code {
            Code::UnknownEnvironment => "; GET /environments lists what is served",
            Code::UnknownTask => "; GET /environments/{name}/tasks lists them",
            Code::UnknownActor => "; GET /environments/{name} lists them",
            Code::UnknownEpisode => "; POST /episodes makes one",
            _ => "",
        };
        Self::new(code, format!("{err}{hint}"))
    }
}

impl From<CallFailure> for ApiError {
    fn from(failure: CallFailure) -> Self {
        let code = match &failure {
            CallFailure::UnknownTool { .. } => Code::UnknownTool,
            CallFailure::Faulted => Code::EnvironmentFault,
            CallFailure::Unrecorded => Code::NotRecorded,
            CallFailure::NoEpisode => Code::Internal,
        };
        Self::new(code, failure.to_string())
    }
}
