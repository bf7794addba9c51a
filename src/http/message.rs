//! Reading one MCP message: a plain request as a whole, of any other just enough to know where it goes. rmcp reads the rest.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;

use super::Front;
use super::body::{expect_json, first_byte, read};
use super::error::{ApiError, Code};
use crate::mcp::{self, PlainRequest, Server};

/// The first protocol revision without sessions. Revisions are dates, so they compare as text.
const STATELESS_SINCE: &str = "2026-07-28";

/// Longest plain-text error of rmcp's that is passed on in our own form.
const ERROR_TEXT_BYTES_MAX: usize = 8 * 1024;

/// How a request's client keeps its state apart from others'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Revisions up to 2025-11-25: `initialize` begins a session that later requests name.
    Sessions,
    /// From 2026-07-28 on: every request stands alone.
    Stateless,
}

/// What we read of a message ourselves.
#[derive(Debug)]
pub(super) struct Message {
    parts: Parts,
    body: Bytes,
    /// The JSON-RPC id, echoed in errors; absent in a notification.
    pub(super) id: Option<Value>,
    /// The JSON-RPC method; absent in a response.
    pub(super) method: Option<Cow<'static, str>>,
    /// Which protocol era the message is of.
    pub(super) era: Era,
    /// The client's name for itself, where a stateless message gives one.
    pub(super) client_name: Option<String>,
    /// The request that the message is, where it is one with nothing unusual about it.
    plain: Option<PlainRequest>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<EnvelopeParams<'a>>,
}

#[derive(Deserialize)]
struct EnvelopeParams<'a> {
    #[serde(borrow, rename = "_meta", default)]
    meta: Option<EnvelopeMeta<'a>>,
}

#[derive(Deserialize)]
struct EnvelopeMeta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion", default)]
    protocol_version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo", default)]
    client_info: Option<EnvelopeClient<'a>>,
}

#[derive(Deserialize)]
struct EnvelopeClient<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

impl Message {
    /// Reads and checks a POST to an MCP route. The error is a finished response, with the request's id where it is known.
    pub(super) async fn read(request: Request, front: &Front) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let body = read(body, front).await;
        let acceptable = expect_json(&parts.headers).and_then(|()| expect_json_accepted(&parts.headers));
        let body = acceptable.and(body).map_err(|error| error.into_json_rpc(None))?;
        let plain = if front.settings.hot_path { PlainRequest::read(&body) } else { None };
        if let Some(request) = plain {
            return Ok(Self::of_plain(parts, body, request));
        }
        let envelope = parse(&body).map_err(|error| error.into_json_rpc(None))?;
        let meta = envelope.params.and_then(|params| params.meta);
        let method = envelope.method.map(|method| Cow::Owned(method.into_owned()));
        let stated = meta.as_ref().and_then(|meta| meta.protocol_version.as_deref());
        let era = era(&parts.headers, method.as_deref(), stated);
        let client_name = meta.and_then(|meta| meta.client_info).and_then(|client| client.name).map(Cow::into_owned);
        Ok(Self { id: envelope.id, method, era, client_name, parts, body, plain: None })
    }

    fn of_plain(parts: Parts, body: Bytes, request: PlainRequest) -> Self {
        let stated = request.says_stateless().then_some(STATELESS_SINCE);
        Self {
            id: Some(request.id()),
            method: Some(Cow::Borrowed(request.method())),
            era: era(&parts.headers, Some(request.method()), stated),
            client_name: request.client_name().map(str::to_owned),
            parts,
            body,
            plain: Some(request),
        }
    }

    /// The answer to a request that needn't go through rmcp.
    pub(super) fn answer(&mut self, server: &Server) -> Option<Response> {
        let request = self.plain.take()?;
        let once = |name: &str| {
            let mut values = self.parts.headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => mcp::Header::Absent,
                (Some(value), None) => value.to_str().map_or(mcp::Header::Odd, mcp::Header::Once),
                (Some(_), Some(_)) => mcp::Header::Odd,
            }
        };
        let headers = mcp::Headers {
            protocol_version: once("mcp-protocol-version"),
            method: once("mcp-method"),
            name: once("mcp-name"),
        };
        let body = server.answer(request, &headers)?;
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(response)
    }

    /// The message's headers.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The request for rmcp, which insists on a client that accepts event streams too.
    pub(super) fn into_request(self) -> Request {
        let mut request = Request::from_parts(self.parts, Body::from(self.body));
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        request
    }
}

/// A message is of the newer era if it says so in the body or, being no `initialize`, in its header. What it says is
/// checked by rmcp, which tells the client what is missing.
fn era(headers: &HeaderMap, method: Option<&str>, stated: Option<&str>) -> Era {
    let in_header = || {
        headers
            .get("mcp-protocol-version")
            .and_then(|version| version.to_str().ok())
            .is_some_and(|version| version >= STATELESS_SINCE)
    };
    match (stated, method) {
        (Some(_), _) | (None, Some("server/discover")) => Era::Stateless,
        (None, Some("initialize")) => Era::Sessions,
        (None, _) if in_header() => Era::Stateless,
        (None, _) => Era::Sessions,
    }
}

fn parse(body: &[u8]) -> Result<Envelope<'_>, ApiError> {
    match first_byte(body) {
        Some(b'[') => {
            return Err(ApiError::new(
                Code::InvalidRequest,
                "batches are not supported; send one JSON-RPC message per POST",
            ));
        }
        Some(b'{') => {}
        // Whatever it is, parsing says whether it is JSON at all.
        Some(_) | None => {
            return Err(match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
                Ok(_) => ApiError::new(Code::InvalidRequest, "a JSON-RPC message is a JSON object"),
                Err(err) => ApiError::new(Code::MalformedJson, format!("the body isn't JSON: {err}")),
            });
        }
    }
    serde_json::from_slice(body).map_err(|err| match err.classify() {
        Category::Data => ApiError::new(Code::InvalidRequest, format!("not a JSON-RPC message of MCP's: {err}")),
        Category::Syntax | Category::Eof | Category::Io => {
            ApiError::new(Code::MalformedJson, format!("the body isn't JSON: {err}"))
        }
    })
}

/// Refuses clients that can't read JSON. Any wildcard will do, as will no Accept header at all.
fn expect_json_accepted(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    if accepted.peek().is_none() {
        return Ok(());
    }
    let json = accepted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        !refused && matches!(essence.as_str(), "application/json" | "application/*" | "*/*")
    });
    if json {
        Ok(())
    } else {
        Err(ApiError::new(Code::NotAcceptable, "answers are JSON; send `Accept: application/json, text/event-stream`"))
    }
}

/// rmcp's response, with its plain-text errors turned into JSON-RPC ones.
pub(super) async fn legible(response: Response, id: Option<&Value>) -> Response {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    if !failed || expect_json(response.headers()).is_ok() {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), ERROR_TEXT_BYTES_MAX)
        .await
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let code = match status {
        // rmcp's answer to JSON that is no message of MCP's; the media type itself has been checked before.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::InvalidRequest,
        status if status.is_server_error() => Code::Internal,
        _ => Code::InvalidRequest,
    };
    let message = if code == Code::Internal {
        tracing::error!(%status, text, "rmcp failed to answer a request");
        "the server failed to answer".to_owned()
    } else {
        text
    };
    ApiError::new(code, message).into_json_rpc(id)
}
