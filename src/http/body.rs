//! Reading paths, queries and JSON bodies, with our own errors where they can't be read.

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use std::sync::Arc;

use super::Front;
use super::auth::Caller;
use super::error::{ApiError, Code};
use crate::engine::environment::Environment;
use crate::episode::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey};
use crate::farm::FarmError;
use crate::id::EpisodeId;

/// The episode a path names, if it exists for the caller; whoever has this may use it.
#[derive(Debug, Clone, Copy)]
pub(super) struct EpisodePath(pub(super) EpisodeId);

impl FromRequestParts<Front> for EpisodePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, ApiError> {
        let text = path_segment(parts, front).await?;
        let id = EpisodeId::parse(&text).map_err(|_| ApiError::from(FarmError::UnknownEpisode))?;
        front.require_seen(Caller::of(&parts.extensions)?, &id)?;
        Ok(Self(id))
    }
}

/// The environment a path names.
#[derive(Debug)]
pub(super) struct EnvironmentPath(pub(super) Arc<Environment>);

impl FromRequestParts<Front> for EnvironmentPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, ApiError> {
        let name = path_segment(parts, front).await?;
        Ok(Self(front.farm.environment(&name)?))
    }
}

/// The name of an environment in a path, as it was sent; the environment isn't loaded.
#[derive(Debug)]
pub(super) struct EnvironmentNamePath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for EnvironmentNamePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        path_segment(parts, state).await.map(Self)
    }
}

async fn path_segment<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, ApiError> {
    let Path(text) = Path::<String>::from_request_parts(parts, state)
        .await
        .map_err(|rejection: PathRejection| ApiError::new(Code::InvalidUrl, rejection.body_text()))?;
    Ok(text)
}

/// A query string's parameters; unknown ones are refused by their types.
#[derive(Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(parameters) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection: QueryRejection| ApiError::new(Code::InvalidUrl, rejection.body_text()))?;
        Ok(Self(parameters))
    }
}

/// A JSON body; unknown fields are refused by their types.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Front> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, front: &Front) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(body, front).await?;
        expect_json(&parts.headers)?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out altogether.
#[derive(Debug)]
pub(super) struct OptionalJsonBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<Front> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, front: &Front) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(body, front).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        expect_json(&parts.headers)?;
        parse(&bytes).map(Self)
    }
}

/// The body's bytes, up to the limit and in time. It is read even where the request is refused for another reason, so that
/// the connection can be used again.
pub(super) async fn read(body: Body, front: &Front) -> Result<Bytes, ApiError> {
    let bytes_max = front.settings.body_bytes_max;
    let reading = Limited::new(body, bytes_max).collect();
    let body_read = front.settings.body_read;
    match tokio::time::timeout(body_read, reading).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(err)) if err.is::<LengthLimitError>() => {
            Err(ApiError::new(Code::BodyTooLarge, format!("a body has at most {bytes_max} bytes; send less at a time")))
        }
        Ok(Err(_)) => Err(ApiError::new(Code::BodyIncomplete, "the body couldn't be read to its end")),
        Err(_) => {
            let message = format!("the body didn't arrive within {} ms", body_read.as_millis());
            Err(ApiError::new(Code::BodyIncomplete, message))
        }
    }
}

/// Checks that the body claims to be JSON.
pub(super) fn expect_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(ApiError::new(Code::UnsupportedMediaType, "send the body as JSON, with `Content-Type: application/json`"))
    }
}

/// The key that a request names its call by, so that sending it again doesn't make it again (the Idempotency-Key header
/// field, as trainers' HTTP clients send it with every attempt at the same request).
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut given = headers.get_all("idempotency-key").iter();
    let key = match (given.next(), given.next()) {
        (None, _) => return Ok(None),
        (Some(key), None) => key.to_str().ok().and_then(IdempotencyKey::parse),
        (Some(_), Some(_)) => None,
    };
    key.map(Some).ok_or_else(|| {
        let message =
            format!("send one Idempotency-Key of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters");
        ApiError::new(Code::InvalidIdempotencyKey, message)
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // A struct would also be read from an array of its fields' values, and of anything else serde says which type of ours it
    // isn't.
    if first_byte(bytes) != Some(b'{') && serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        return Err(ApiError::new(Code::InvalidBody, "the body must be a JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|err| match err.classify() {
        Category::Data => ApiError::new(Code::InvalidBody, format!("the body isn't what this endpoint takes: {err}")),
        Category::Syntax | Category::Eof | Category::Io => {
            ApiError::new(Code::MalformedJson, format!("the body isn't JSON: {err}"))
        }
    })
}

/// The first byte that isn't white space: what kind of JSON value follows.
pub(super) fn first_byte(bytes: &[u8]) -> Option<u8> {
    bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}
