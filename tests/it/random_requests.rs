//! Ten thousand random requests at the router: each gets an answer that says what is wrong, none harms an episode.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use envfarm::config::HttpSettings;
use envfarm::farm::FarmLimits;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{Reply, SESSIONS, STATELESS, Server, initialize_params, meta};

/// Requests thrown at the router.
const REQUESTS: u32 = 15_000;

/// Most runs until every kind of reply has been seen.
const RUNS_MAX: usize = 3;

/// Stands for the id of an episode that is alive when the request is sent.
const VICTIM: &str = "ep_victim";

/// Answers that some request must have got: successes and every kind of mistake.
const REACHED: [&str; 22] = [
    "200",
    "201",
    "202",
    "204",
    "malformed_json",
    "invalid_body",
    "unknown_endpoint",
    "method_not_allowed",
    "host_refused",
    "origin_refused",
    "invalid_url",
    "body_too_large",
    "unsupported_media_type",
    "unknown_environment",
    "unknown_episode",
    "unknown_tool",
    "unknown_session",
    "session_required",
    "invalid_request",
    "-32602",
    "-32020",
    "-32601",
];

#[derive(Debug, Clone)]
struct Thrown {
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(VICTIM.to_owned()),
        4 => Just("notebook".to_owned()),
        1 => Just("conformance".to_owned()),
        1 => Just("ep_00000000000000000000000000000000".to_owned()),
        2 => "[a-z_]{1,12}",
        1 => "[a-zA-Z0-9._~%!$&'()*+,;=:@-]{0,20}",
        1 => "(%[0-9A-F]{2}){1,6}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let tail = prop_oneof![
        3 => Just("/mcp".to_owned()),
        2 => Just("/calls".to_owned()),
        1 => Just("/verify".to_owned()),
        1 => Just("/reset".to_owned()),
        1 => Just("/tools".to_owned()),
        1 => Just("/tasks".to_owned()),
        1 => Just("/fork".to_owned()),
        1 => Just("/trajectory".to_owned()),
        1 => Just("/diff".to_owned()),
        1 => Just("/database".to_owned()),
        1 => Just(String::new()),
        1 => "/[a-z]{0,8}",
    ];
    let root = prop_oneof![
        6 => Just("/episodes/"),
        4 => Just("/envs/"),
        2 => Just("/environments/"),
        1 => Just("/"),
    ];
    let query = prop_oneof![
        6 => Just(String::new()),
        1 => "\\?as=[a-z%0-9]{0,10}",
        1 => Just("?task=pin_the_groceries&seed=3".to_owned()),
        1 => "\\?[a-z=&%0-9+]{0,20}",
    ];
    prop_oneof![
        1 => Just("/episodes".to_owned()),
        1 => Just("/environments".to_owned()),
        1 => "/(tasks|episodes|environments)\\?(limit|cursor|state|split|calls_min)=[a-z0-9_]{0,6}",
        10 => (root, segment(), tail, query).prop_map(|(root, segment, tail, query)| format!("{root}{segment}{tail}{query}")),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["list_notes", "add_note", "notebook", "tools/call", "2.0", "2026-07-28"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let key = prop_oneof![
            2 => prop::sample::select(vec![
                "jsonrpc", "id", "method", "params", "name", "arguments", "_meta", "tool", "environment", "task", "seed",
                "actor", "answer", "count", "note_id", "episodes", "ids", "peek",
            ]).prop_map(str::to_owned),
            1 => ".{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

impl Thrown {
    fn new(method: Method, path: &str, headers: &[(&'static str, &str)], body: &Value) -> Self {
        let usual = [("host", "127.0.0.1:8700"), ("content-type", "application/json")];
        Self {
            method,
            path: path.to_owned(),
            headers: usual.iter().chain(headers).map(|(name, value)| (*name, value.as_bytes().to_vec())).collect(),
            body: body.to_string().into_bytes(),
        }
    }
}

/// Requests of trainers that do something.
fn trainers_requests() -> Vec<Thrown> {
    let post = |path: &str, body: Value| Thrown::new(Method::POST, path, &[], &body);
    let get = |path: &str| Thrown::new(Method::GET, path, &[], &json!({}));
    let task = json!({"environment": "notebook", "task": "pin_the_groceries", "seed": 4, "actor": 1, "count": 2});
    let add = json!({"tool": "add_note", "arguments": {"title": "x", "body": "y"}});
    let pin = json!({"tool": "pin_note", "arguments": {"note_id": 1}});
    vec![
        post("/episodes", json!({"environment": "notebook"})),
        post("/episodes", task),
        post("/episodes", json!({"episodes": [{"environment": "notebook"}, {"environment": "lending", "seed": 1}]})),
        post("/episodes/ep_victim/fork", json!({"count": 2})),
        post("/episodes/ep_victim/verify", json!({"answer": "Answer: 750", "peek": true})),
        get("/episodes/ep_victim/trajectory"),
        get("/episodes/ep_victim/diff"),
        get("/episodes/ep_victim/database"),
        get("/tasks?split=train&limit=3"),
        get("/episodes?state=live&limit=2"),
        Thrown::new(Method::DELETE, "/episodes", &[], &json!({"ids": ["ep_00000000000000000000000000000000"]})),
        post("/episodes/ep_victim/calls", add),
        post("/episodes/ep_victim/calls", pin),
        post("/episodes/ep_victim/verify", json!({"answer": "Answer: 750"})),
        post("/episodes/ep_victim/reset", json!({})),
        get("/episodes/ep_victim"),
        get("/environments"),
        get("/environments/notebook/tools"),
        Thrown::new(Method::DELETE, "/episodes/ep_victim", &[], &json!({})),
    ]
}

/// Requests of agents that do something.
fn agents_requests() -> Vec<Thrown> {
    let notebook = "/envs/notebook/mcp";
    let victim = "/episodes/ep_victim/mcp";
    let message = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let stateless = |path: &str, method: &'static str, mut params: Value| {
        params["_meta"] = meta();
        let name = params["name"].as_str().unwrap_or("-").to_owned();
        let headers = [("mcp-protocol-version", STATELESS), ("mcp-method", method), ("mcp-name", name.as_str())];
        Thrown::new(Method::POST, path, &headers, &message(method, params))
    };
    let session = [("mcp-session-id", VICTIM), ("mcp-protocol-version", SESSIONS)];
    let in_session =
        |method: &str, params: Value| Thrown::new(Method::POST, notebook, &session, &message(method, params));
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let add = json!({"name": "add_note", "arguments": {"title": "x", "body": "y"}});
    let list = json!({"name": "list_notes", "arguments": {"limit": 2}});
    vec![
        Thrown::new(Method::POST, notebook, &[], &message("initialize", initialize_params())),
        Thrown::new(Method::POST, notebook, &session, &initialized),
        Thrown::new(Method::DELETE, notebook, &session, &json!({})),
        in_session("tools/list", json!({})),
        in_session("tools/call", add.clone()),
        in_session("tools/call", list.clone()),
        in_session("ping", json!({})),
        stateless(notebook, "server/discover", json!({})),
        stateless("/envs/notebook/mcp?as=me", "tools/call", add.clone()),
        stateless("/envs/notebook/mcp?task=pin_the_groceries&seed=3", "tools/call", list.clone()),
        stateless(victim, "tools/list", json!({})),
        stateless(victim, "tools/call", add),
        stateless(victim, "tools/call", list),
    ]
}

/// What is done to a request that would do something.
#[derive(Debug, Clone)]
enum Distortion {
    Member(Vec<usize>, Value),
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Body(Vec<u8>),
    Header(prop::sample::Index, Vec<u8>),
    NoHeader(prop::sample::Index),
    Path(String),
    Method(Method),
}

fn distortion() -> impl Strategy<Value = Distortion> {
    use Distortion::{Body, Byte, Cut, Header, Member, NoHeader, Path};
    prop_oneof![
        8 => (prop::collection::vec(any::<usize>(), 1..4), json_value()).prop_map(|(at, by)| Member(at, by)),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Byte(at, byte)),
        1 => any::<prop::sample::Index>().prop_map(Cut),
        1 => body().prop_map(Body),
        2 => (any::<prop::sample::Index>(), header_value()).prop_map(|(at, value)| Header(at, value)),
        2 => any::<prop::sample::Index>().prop_map(NoHeader),
        1 => path().prop_map(Path),
        1 => method().prop_map(Distortion::Method),
    ]
}

impl Thrown {
    fn distorted(mut self, by: Distortion) -> Self {
        match by {
            Distortion::Member(at, value) => {
                if let Ok(body) = serde_json::from_slice(&self.body) {
                    self.body = changed(body, &at, value).to_string().into_bytes();
                }
            }
            Distortion::Byte(at, byte) if !self.body.is_empty() => {
                let at = at.index(self.body.len());
                self.body[at] = byte;
            }
            Distortion::Cut(at) if !self.body.is_empty() => self.body.truncate(at.index(self.body.len())),
            Distortion::Byte(..) | Distortion::Cut(_) => {}
            Distortion::Body(body) => self.body = body,
            Distortion::Header(at, value) if !self.headers.is_empty() => {
                let at = at.index(self.headers.len());
                self.headers[at].1 = value;
            }
            Distortion::NoHeader(at) if !self.headers.is_empty() => {
                let at = at.index(self.headers.len());
                self.headers.remove(at);
            }
            Distortion::Header(..) | Distortion::NoHeader(_) => {}
            Distortion::Path(path) => self.path = path,
            Distortion::Method(method) => self.method = method,
        }
        self
    }
}

/// One member somewhere in a body replaced by something else.
fn changed(mut body: Value, at: &[usize], by: Value) -> Value {
    let mut pointer = String::new();
    for step in at {
        let member = match body.pointer(&pointer) {
            Some(Value::Object(members)) if !members.is_empty() => {
                members.keys().nth(step % members.len()).unwrap().replace('~', "~0").replace('/', "~1")
            }
            Some(Value::Array(items)) if !items.is_empty() => (step % items.len()).to_string(),
            _ => break,
        };
        pointer = format!("{pointer}/{member}");
    }
    *body.pointer_mut(&pointer).unwrap() = by;
    body
}

/// Bodies that no endpoint takes.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => json_value().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => (1_usize..40_000).prop_map(|length| vec![b'['; length]),
    ]
}

fn header_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "localhost", "http://localhost:1", "http://evil.example", "text/plain", "*/*", STATELESS, SESSIONS, "2099-01-01",
            "tools/call", "tools/list", "initialize", "list_notes", VICTIM, "ep_00000000000000000000000000000000", "Bearer x",
        ]).prop_map(|value| value.as_bytes().to_vec()),
        1 => prop::collection::vec(0x20_u8..=0x7e, 0..24),
        1 => prop::collection::vec(0x80_u8..=0xff, 0..8),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec![
        "origin",
        "content-type",
        "accept",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-session-id",
        "authorization",
        "host",
    ]);
    prop::collection::vec((name, header_value()), 0..5).prop_map(|mut headers| {
        headers.push(("host", b"localhost".to_vec()));
        headers
    })
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::POST,
        Method::GET,
        Method::DELETE,
        Method::PUT,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ])
}

/// Mostly a request that would do something, with up to two things wrong about it; sometimes anything at all.
fn thrown() -> impl Strategy<Value = Thrown> {
    let aimed = (
        prop::sample::select([trainers_requests(), agents_requests()].concat()),
        prop::collection::vec(distortion(), 0..3),
    )
        .prop_map(|(thrown, distortions)| distortions.into_iter().fold(thrown, Thrown::distorted));
    let wild = (method(), path(), headers(), body()).prop_map(|(method, path, headers, body)| Thrown {
        method,
        path,
        headers,
        body,
    });
    prop_oneof![6 => aimed, 1 => wild]
}

impl Thrown {
    /// The request, with a live episode's id in place of the stand-in; none where it can't be written as HTTP at all.
    fn request(&self, victim: &str) -> Option<Request<Body>> {
        let uri: Uri = self.path.replace(VICTIM, victim).parse().ok()?;
        let mut request = Request::builder().method(self.method.clone()).uri(uri);
        for (name, value) in &self.headers {
            let value = if value == VICTIM.as_bytes() { victim.as_bytes() } else { value };
            request = request.header(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
        }
        request.body(Body::from(self.body.clone())).ok()
    }
}

/// Errors are JSON, say something, and never blame the server.
fn check(reply: &Reply, method: &Method) -> Result<(), TestCaseError> {
    prop_assert!(!reply.status.is_server_error(), "{reply:?}");
    if reply.status.is_client_error() && *method != Method::HEAD {
        let message = reply.body["error"]["message"].as_str().unwrap_or_default();
        prop_assert!(!message.is_empty(), "{reply:?}");
        prop_assert!(!reply.body["error"]["code"].is_null(), "{reply:?}");
    }
    Ok(())
}

/// What became of a request, in one word.
fn kind(reply: &Reply) -> String {
    let error = &reply.body["error"];
    match (error["data"]["code"].as_str(), &error["code"]) {
        (Some(code), _) => code.to_owned(),
        (None, Value::String(code)) => code.clone(),
        (None, Value::Number(code)) => code.to_string(),
        (None, _) => reply.status.as_u16().to_string(),
    }
}

#[test]
fn no_request_harms_the_server_or_an_episode() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = FarmLimits { live_episodes_max: 10_000_000, ..FarmLimits::default() };
    let settings = HttpSettings { body_bytes_max: 32 * 1024, ..HttpSettings::default() };
    let server = Server::with(limits, settings);
    let view = |id: &str| runtime.block_on(server.get(&format!("/episodes/{id}")));
    let bystander = runtime.block_on(server.episode("notebook", Some("pin_the_groceries")));
    let before = view(&bystander).body;
    let victim = std::cell::RefCell::new(runtime.block_on(server.episode("notebook", None)));

    let seen = std::cell::RefCell::new(BTreeMap::<String, u32>::new());
    let mut runner = TestRunner::new(Config { cases: REQUESTS, failure_persistence: None, ..Config::default() });
    let mut throw = || {
        runner.run(&thrown(), |thrown| {
            let known = view(&victim.borrow());
            if known.status == StatusCode::NOT_FOUND || known.body["state"] != "live" {
                *victim.borrow_mut() = runtime.block_on(server.episode("notebook", None));
            }
            let id = victim.borrow().clone();
            let Some(request) = thrown.request(&id) else {
                return Ok(());
            };
            let before = view(&id).body;
            let reply = runtime.block_on(server.send(request));
            check(&reply, &thrown.method)?;
            *seen.borrow_mut().entry(kind(&reply)).or_default() += 1;
            if reply.status.is_client_error() {
                prop_assert_eq!(view(&id).body, before, "{:?}", reply);
            }
            Ok(())
        })
    };
    // The rarest kinds come a few times in a run, so once in a while one needs another.
    for _ in 0..RUNS_MAX {
        if let Err(failure) = throw() {
            panic!("{failure}");
        }
        if REACHED.iter().all(|kind| seen.borrow().contains_key(*kind)) {
            break;
        }
    }
    // The requests are worth something only if they reach everything.
    let seen = seen.into_inner();
    for kind in REACHED {
        assert!(seen.contains_key(kind), "no request got {kind}: {seen:?}");
    }
    assert_eq!(view(&bystander).body, before);
    let listed = runtime.block_on(server.call(&bystander, "list_notes", json!({})));
    assert_eq!(listed.body["structuredContent"]["total"], 3);
}
