//! The OpenAPI document: all endpoints with what they take and answer, made from the table that the router is made from.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Json;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::auth;
use super::endpoint::{AnyObject, Endpoint, Schemas};
use super::endpoints::endpoints;
use super::error::{ApiError, Code};

const DESCRIPTION: &str = "Trainers create episodes, hand their mcp_url to agents, and verify them; agents call tools over the \
Model Context Protocol. The same calls under the same seed give the same bytes. Whatever fails answers \
{\"error\": {\"code\", \"message\"}}; codes are stable, messages are for people.";

const TAGS: [(&str, &str); 4] = [
    ("episodes", "Attempts at a task, each in a private copy of its environment."),
    ("environments", "What there is; never a solution or a verifier."),
    ("agents", "The Model Context Protocol; opaque here, specified at modelcontextprotocol.io."),
    ("server", "The server itself."),
];

/// What any request may be answered, whatever it asks for.
const EVERYWHERE: [Code; 3] = [Code::HostRefused, Code::OriginRefused, Code::Internal];

/// `GET /openapi.json`.
pub(super) async fn serve() -> Result<Json<AnyObject>, ApiError> {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
    Ok(Json(AnyObject(DOCUMENT.clone())))
}

/// The document.
pub(crate) fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints() {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        let operation = operation(&endpoint, &mut schemas);
        paths.entry(endpoint.path).or_default().insert(method, operation);
    }
    let tags: Vec<Value> = TAGS.iter().map(|(name, text)| json!({"name": name, "description": text})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "envfarm",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas.into_definitions(),
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "description": "Where the server was started with tokens: a trainer's or the administrator's.",
            }},
        },
    })
}

fn operation(endpoint: &Endpoint, schemas: &mut Schemas) -> Value {
    let description = endpoint.describe(schemas);
    let mut operation = json!({
        "operationId": endpoint.about.id,
        "tags": [endpoint.about.tag],
        "summary": endpoint.about.summary,
    });
    if !description.parameters.is_empty() {
        operation["parameters"] = json!(description.parameters);
    }
    if let Some(body) = &description.body {
        operation["requestBody"] = body.clone();
    }
    let (mut responses, mut errors) = (description.answers, description.errors);
    errors.extend(EVERYWHERE);
    operation["security"] = match auth::needs_token(endpoint.path) {
        true => {
            errors.push(Code::Unauthorized);
            json!([{}, {"token": []}])
        }
        false => json!([]),
    };
    if endpoint.method != Method::GET {
        errors.push(Code::NotRecorded);
    }
    if !responses.contains_key("default") {
        responses.extend(error_responses(&errors, schemas));
    }
    operation["responses"] = json!(responses);
    operation
}

/// The responses that errors with these codes give, by status.
fn error_responses(errors: &[Code], schemas: &mut Schemas) -> BTreeMap<String, Value> {
    let mut codes: BTreeMap<StatusCode, Vec<&str>> = BTreeMap::new();
    for error in errors {
        let (status, code) = error.parts();
        codes.entry(status).or_default().push(code);
    }
    let responses = codes.into_iter().map(|(status, mut codes)| {
        codes.sort_unstable();
        codes.dedup();
        let mut response = json!({
            "description": format!("{}: {}", status.canonical_reason().unwrap_or_default(), codes.join(", ")),
            "content": {"application/json": {"schema": schemas.error(&codes)}},
        });
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let retry_after = json!({"description": "Seconds to wait.", "schema": {"type": "integer"}});
            response["headers"] = json!({"Retry-After": retry_after});
        }
        (status.as_str().to_owned(), response)
    });
    responses.collect()
}
