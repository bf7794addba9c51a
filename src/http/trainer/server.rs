//! The server itself.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Front;
use super::super::error::ApiError;
use crate::farm::FarmError;

/// That the server is up.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Health {
    /// `ok`.
    status: &'static str,
    /// Episodes held, those included that have ended and can still be looked at.
    live_episodes: usize,
}

/// `GET /healthz`.
pub(in crate::http) async fn health(State(front): State<Front>) -> Result<Json<Health>, ApiError> {
    Ok(Json(Health { status: "ok", live_episodes: front.farm.len() }))
}

/// That the server is ready.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Ready {
    /// `ready`.
    status: &'static str,
}

/// `GET /readyz`: whether every live episode can be addressed.
pub(in crate::http) async fn ready(State(front): State<Front>) -> Result<Json<Ready>, ApiError> {
    if front.farm.is_ready() { Ok(Json(Ready { status: "ready" })) } else { Err(FarmError::Recovering.into()) }
}
