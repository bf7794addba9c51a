//! What the benchmark compares `tools/call` with: axum, and as little else as possible.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::post;

/// Answers every POST with these bytes as JSON, once the request's body has been read.
pub fn constant(body: Vec<u8>) -> Router {
    let body = Bytes::from(body);
    let answer = move |_: Bytes| {
        let json = HeaderValue::from_static("application/json");
        let answer = ([(header::CONTENT_TYPE, json)], body.clone()).into_response();
        async { answer }
    };
    Router::new().fallback_service(post(answer))
}
