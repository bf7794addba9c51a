//! REST: environments to look at, episodes to create, drive and verify. Solutions and verifiers never leave the server.

pub(super) mod create;
pub(super) mod environments;
pub(super) mod episodes;
pub(super) mod look;
mod page;
pub(super) mod server;
pub(super) mod tasks;
mod view;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::Front;
use super::endpoint::Input;
use super::error::{ApiError, Code};
use crate::engine::environment::Environment;
use crate::episode::CallError;
use crate::id::TaskName;

/// Where this server is reached: as configured, else as the request addressed it, which the guard has checked.
#[derive(Debug)]
pub(super) struct BaseUrl(String);

impl FromRequestParts<Front> for BaseUrl {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, ApiError> {
        if let Some(base_url) = &front.settings.base_url {
            return Ok(Self(base_url.trim_end_matches('/').to_owned()));
        }
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        Ok(Self(format!("http://{host}")))
    }
}

impl Input for BaseUrl {}

/// Why an episode couldn't be judged, reset or looked at.
fn call_error(err: CallError) -> ApiError {
    match err {
        CallError::Ended { .. } | CallError::Truncated { .. } => ApiError::new(
            Code::EpisodeEnded,
            "this episode has ended and was judged on another answer; reset it for another attempt",
        ),
        CallError::Faulted => {
            ApiError::new(Code::EnvironmentFault, "the environment failed in this episode; discard the sample")
        }
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
