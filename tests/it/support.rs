//! A farm over tests/fixtures and a client that drives the router without a socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use envfarm::config::HttpSettings;
use envfarm::farm::{Farm, FarmLimits};
use envfarm::http;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// The newest protocol revision, which has no sessions.
pub(crate) const STATELESS: &str = "2026-07-28";

/// The newest revision with sessions.
pub(crate) const SESSIONS: &str = "2025-11-25";

pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Copies the files of a folder into another, which is made if there is none.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A server without a socket.
pub(crate) struct Server {
    pub(crate) farm: Arc<Farm>,
    pub(crate) router: Router,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body as JSON; null where there is none and where it isn't JSON.
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(FarmLimits::default(), HttpSettings::default())
    }

    pub(crate) fn with(limits: FarmLimits, settings: HttpSettings) -> Self {
        Self::over(Farm::open(&fixtures(), limits).unwrap(), settings)
    }

    /// A server of another farm.
    pub(crate) fn over(farm: Farm, settings: HttpSettings) -> Self {
        let farm = Arc::new(farm);
        let router = http::router(Arc::clone(&farm), settings);
        Self { farm, router }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let is_json = head.headers.get("content-type").is_some_and(|media_type| media_type == "application/json");
        let body = if bytes.is_empty() || !is_json {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&bytes)))
        };
        let reply = Reply { status: head.status, headers: head.headers, body, bytes };
        // Every answer that any test gets is one that the OpenAPI document has.
        crate::openapi::assert_documented(&method, &path, &reply);
        reply
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(request(Method::GET, path, &[], "")).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(request(Method::DELETE, path, &[], "")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        let json = [("content-type", "application/json")];
        self.send(request(Method::POST, path, &json, &body.to_string())).await
    }

    /// An episode of an environment, free play where `task` is null. Gives its id.
    pub(crate) async fn episode(&self, environment: &str, task: Option<&str>) -> String {
        let reply = self.post("/episodes", json!({"environment": environment, "task": task})).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        reply.body["episodes"][0]["id"].as_str().unwrap().to_owned()
    }

    /// `POST /episodes/{id}/calls`.
    pub(crate) async fn call(&self, id: &str, tool: &str, arguments: Value) -> Reply {
        self.post(&format!("/episodes/{id}/calls"), json!({"tool": tool, "arguments": arguments})).await
    }

    /// A request of the stateless protocol, with the headers it must have.
    pub(crate) async fn stateless(&self, path: &str, method: &str, params: Value, more: &[(&str, &str)]) -> Reply {
        self.send(stateless_request(path, method, params, more)).await
    }

    /// A request of the protocol with sessions.
    pub(crate) async fn in_session(&self, path: &str, session: Option<&str>, method: &str, params: Value) -> Reply {
        let mut headers = vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        if let Some(session) = session {
            headers.push(("mcp-session-id", session));
            headers.push(("mcp-protocol-version", SESSIONS));
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.send(request(Method::POST, path, &headers, &body.to_string())).await
    }

    /// Opens a session and gives its id.
    pub(crate) async fn initialize(&self, path: &str) -> String {
        let reply = self.in_session(path, None, "initialize", initialize_params()).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.header("mcp-session-id").to_owned()
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().unwrap()
    }

    /// Status and `error.code`, for comparing.
    pub(crate) fn error(&self) -> (u16, &Value) {
        assert!(self.body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{self:?}");
        (self.status.as_u16(), &self.body["error"]["code"])
    }
}

pub(crate) fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", "127.0.0.1:8700");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(body.to_owned())).unwrap()
}

pub(crate) fn initialize_params() -> Value {
    json!({
        "protocolVersion": SESSIONS,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    })
}

/// `_meta` of a stateless request.
pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A stateless request. `more` headers replace the ones it would have; an empty value leaves a header out.
pub(crate) fn stateless_request(path: &str, method: &str, mut params: Value, more: &[(&str, &str)]) -> Request<Body> {
    if params.get("_meta").is_none() {
        params["_meta"] = meta();
    }
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let usual = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", STATELESS),
        ("mcp-method", method),
        ("mcp-name", &name),
    ];
    let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
    let headers: Vec<(&str, &str)> = usual
        .into_iter()
        .filter(|(name, _)| !replaced(name))
        .chain(more.iter().copied())
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    request(Method::POST, path, &headers, &body.to_string())
}
