//! What there is to look at in an episode: its trajectory, what it changed, its database. Each works on a copy, which shares
//! the episode's pages, so that looking never holds up a call.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::Front;
use super::super::body::EpisodePath;
use super::super::endpoint::{Answer, Description, content};
use super::super::error::{ApiError, Code};
use super::call_error;
use crate::engine::snapshot::TableDiff;
use crate::episode::Episode;
use crate::farm::Farm;
use crate::id::EpisodeId;
use crate::trajectory::{self, Trajectory};

/// Media type of JSON Lines.
const JSON_LINES: &str = "application/jsonl";

/// Media type of SQLite files (registered with IANA).
const SQLITE: &str = "application/vnd.sqlite3";

/// The episode as it is now.
fn copy(farm: &Farm, id: EpisodeId) -> Result<Episode, ApiError> {
    Ok(farm.episode(&id)?.lock().clone())
}

/// A trajectory, as lines or as one document.
pub(in crate::http) struct Lines {
    media_type: &'static str,
    bytes: Vec<u8>,
}

impl IntoResponse for Lines {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (header::VARY, HeaderValue::from_static("accept")),
        ];
        (headers, self.bytes).into_response()
    }
}

impl Answer for Lines {
    fn describe(description: &mut Description<'_>) {
        let document = description.schemas.given.subschema_for::<Trajectory>();
        let lines = json!({"type": "string", "description": "One line of schemas/trajectory.json for each call, and for the start and end."});
        let contents = content(&[(JSON_LINES, lines), ("application/json", json!(document))]);
        description.answer(StatusCode::OK, &contents);
    }
}

/// `GET /episodes/{id}/trajectory`. The calls are made again for it.
pub(in crate::http) async fn trajectory(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
    headers: HeaderMap,
) -> Result<Lines, ApiError> {
    let media_type = accepted(&headers)?;
    let written = front.aside(move |front| {
        let trajectory = copy(&front.farm, id)?.trajectory().map_err(call_error)?;
        let mut bytes = Vec::new();
        let written = if media_type == JSON_LINES {
            trajectory.lines().try_for_each(|line| trajectory::write(&mut bytes, &line))
        } else {
            serde_json::to_writer(&mut bytes, &trajectory).map_err(Into::into)
        };
        written.map_err(|err| {
            tracing::error!(%err, "a trajectory can't be written");
            ApiError::new(Code::Internal, "the server failed to write the trajectory")
        })?;
        Ok(Lines { media_type, bytes })
    });
    written.await?
}

/// Which of the trajectory's forms a request asks for.
fn accepted(headers: &HeaderMap) -> Result<&'static str, ApiError> {
    let given: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = given.join(",");
    let (lines, json) = (quality(&accept, JSON_LINES), quality(&accept, "application/json"));
    if given.is_empty() || (lines > 0.0 && lines >= json) {
        Ok(JSON_LINES)
    } else if json > 0.0 {
        Ok("application/json")
    } else {
        let message = format!("a trajectory comes as {JSON_LINES} or application/json; accept one of them");
        Err(ApiError::new(Code::NotAcceptable, message))
    }
}

/// How much an Accept header wants a media type: the quality of the most specific range that covers it (RFC 9110, 12.5.1).
fn quality(accept: &str, media_type: &str) -> f32 {
    let mut best = (0, 0.0);
    for entry in accept.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let precision = match parts.next() {
            Some(range) if range.eq_ignore_ascii_case(media_type) => 3,
            Some(range) if range.eq_ignore_ascii_case("application/*") => 2,
            Some("*/*") => 1,
            _ => continue,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        if precision > best.0 {
            best = (precision, quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)));
        }
    }
    best.1
}

/// What changed since the start.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Diff {
    /// The tables in which something changed, by name.
    tables: Vec<TableDiff>,
}

/// `GET /episodes/{id}/diff`.
pub(in crate::http) async fn diff(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
) -> Result<Json<Diff>, ApiError> {
    let diff = front.aside(move |front| copy(&front.farm, id)?.diff().map_err(call_error));
    Ok(Json(Diff { tables: diff.await?? }))
}

/// An SQLite file.
pub(in crate::http) struct Database {
    id: EpisodeId,
    bytes: Vec<u8>,
}

impl IntoResponse for Database {
    fn into_response(self) -> Response {
        let disposition = format!("attachment; filename=\"{}.sqlite3\"", self.id);
        let headers = [(header::CONTENT_TYPE, SQLITE.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
        (headers, self.bytes).into_response()
    }
}

impl Answer for Database {
    fn describe(description: &mut Description<'_>) {
        let contents = content(&[(SQLITE, Value::Object(serde_json::Map::new()))]);
        description.answer(StatusCode::OK, &contents);
    }
}

/// `GET /episodes/{id}/database`. It holds the rows that tools read and write; tasks, solutions and verifiers were never in it.
pub(in crate::http) async fn database(
    State(front): State<Front>,
    EpisodePath(id): EpisodePath,
) -> Result<Database, ApiError> {
    let bytes = front.aside(move |front| copy(&front.farm, id).map(|episode| episode.database()));
    Ok(Database { id, bytes: bytes.await?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted() {
        for (accept, expected) in [
            ("*/*", Some(JSON_LINES)),
            ("application/*", Some(JSON_LINES)),
            ("application/jsonl", Some(JSON_LINES)),
            ("application/json", Some("application/json")),
            ("application/json, */*;q=0.1", Some("application/json")),
            ("Application/JSON;q=0.5, application/jsonl;q=0.4", Some("application/json")),
            ("text/html, */*;q=0.8", Some(JSON_LINES)),
            ("application/jsonl;q=0, */*", Some("application/json")),
            ("text/html", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(accepted(&headers).ok(), expected, "{accept}");
        }
        assert_eq!(accepted(&HeaderMap::new()).ok(), Some(JSON_LINES));
    }
}
