//! The short way for `tools/call` and `tools/list` answers exactly as rmcp does: the same requests to a server that takes it and to one that
//! doesn't, compared byte by byte.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use envfarm::config::HttpSettings;
use envfarm::engine::state::Observation;
use envfarm::episode::EpisodeLimits;
use envfarm::farm::FarmLimits;
use envfarm::id::EpisodeId;
use envfarm::mcp::{self, Attached, Header, Headers, PlainRequest};
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

use crate::support::{SESSIONS, STATELESS, Server, meta, request};

/// Random requests sent to both.
const REQUESTS: u32 = 6_000;

/// A request as it is sent, but for the path.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    headers: Vec<(String, String)>,
    body: String,
}

/// Two servers that differ in nothing but the way calls take, with episodes that have seen the same.
struct Pair {
    hot: Server,
    plain: Server,
    paths: Vec<[String; 2]>,
}

impl Pair {
    async fn new(environments: &[&str]) -> Self {
        let limits = || FarmLimits {
            episode: EpisodeLimits { calls_max: usize::MAX, ..EpisodeLimits::default() },
            ..FarmLimits::default()
        };
        let hot = Server::with(limits(), HttpSettings::default());
        let plain = Server::with(limits(), HttpSettings { hot_path: false, ..HttpSettings::default() });
        let mut paths = Vec::new();
        for environment in environments {
            let path = async |server: &Server| format!("/episodes/{}/mcp", server.episode(environment, None).await);
            paths.push([path(&hot).await, path(&plain).await]);
        }
        Self { hot, plain, paths }
    }

    /// Sends a request to both and gives the answer, which must be the same.
    async fn send(&self, episode: usize, sent: &Sent) -> (StatusCode, HeaderMap, String) {
        let [hot, plain] = &self.paths[episode];
        let answer = answer(&self.hot, hot, sent).await;
        let expected = self::answer(&self.plain, plain, sent).await;
        assert_eq!(answer, expected, "{sent:?}");
        answer
    }

    /// What the episodes have become must be the same too.
    async fn compare_episodes(&self) {
        for [hot, plain] in &self.paths {
            let view = async |server: &Server, path: &str| {
                let mut view = server.get(path.trim_end_matches("/mcp")).await.body;
                for own in ["id", "mcp_url", "expires_in_s"] {
                    view.as_object_mut().unwrap().remove(own);
                }
                view
            };
            assert_eq!(view(&self.hot, hot).await, view(&self.plain, plain).await);
        }
    }
}

async fn answer(server: &Server, path: &str, sent: &Sent) -> (StatusCode, HeaderMap, String) {
    let headers: Vec<(&str, &str)> = sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let request: Request<Body> = request(Method::POST, path, &headers, &sent.body);
    let response = server.router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

/// A well-formed call of either era.
fn call(stateless: bool, tool: &str, arguments: &Value) -> (Vec<(String, String)>, Value) {
    let version = if stateless { STATELESS } else { SESSIONS };
    let mut headers = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", version),
    ];
    let mut params = json!({"name": tool, "arguments": arguments});
    if stateless {
        headers.extend([("mcp-method", "tools/call"), ("mcp-name", tool)]);
        params["_meta"] = meta();
    }
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (headers, json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}))
}

/// A well-formed `tools/list` of either era.
fn list(stateless: bool) -> (Vec<(String, String)>, Value) {
    let (mut headers, mut body) = call(stateless, "", &json!({}));
    headers.retain(|(name, _)| name != "mcp-name");
    headers.iter_mut().filter(|(name, _)| name == "mcp-method").for_each(|(_, value)| "tools/list".clone_into(value));
    body["method"] = json!("tools/list");
    let params = body["params"].as_object_mut().unwrap();
    params.retain(|name, _| name == "_meta");
    (headers, body)
}

fn sent((headers, body): (Vec<(String, String)>, Value)) -> Sent {
    Sent { headers, body: body.to_string() }
}

/// Calls that complete, are refused, are invalid, fault and name no tool: by index of the environment.
fn calls() -> Vec<(usize, &'static str, Value)> {
    vec![
        (0, "list_notes", json!({})),
        (0, "list_notes", json!({"limit": 2, "offset": 1})),
        (0, "list_notes", json!({"limit": 2.0, "offset": null})),
        (0, "list_notes", json!({"limit": 0, "offest": "x"})),
        (0, "get_note", json!({"note_id": 1})),
        (0, "get_note", json!({"note_id": 4})),
        (0, "get_note", json!({"note_id": 9_007_199_254_740_993_i64})),
        (0, "get_note", json!({"note_id": 1e30})),
        (0, "add_note", json!({"title": "\"quoted\"\\ \u{1}\u{7f}\u{2028} ü 🦀", "body": "line\nline\ttab </script>"})),
        (0, "pin_note", json!({"note_id": 2})),
        (0, "get_notes", json!({})),
        (0, "", json!({})),
        (0, "get_note\u{e9}", json!({})),
        (1, "store_code", json!({"code": "abc"})),
        (1, "count_forever", json!({})),
        (2, "search_books", json!({"query": "the"})),
        (2, "list_loans", json!({})),
        (2, "add_memo", json!({"text": "x"})),
        (3, "test_simple_text", json!({})),
        (3, "test_error_handling", json!({})),
        (3, "test_custom_header", json!({"region": "Hello"})),
        (3, "json_schema_2020_12_tool", json!({"name": "x", "address": {"street": "a", "city": "b"}})),
        (4, "store_code", json!({"code": "abcd"})),
        (4, "store_code", json!({"code": "abc"})),
    ]
}

const ENVIRONMENTS: [&str; 5] = ["notebook", "faulty", "lending", "conformance", "faulty"];

#[tokio::test]
async fn well_formed_calls_are_answered_alike() {
    let pair = Pair::new(&ENVIRONMENTS).await;
    let mut codes = Vec::new();
    for (episode, tool, arguments) in calls() {
        for stateless in [true, false] {
            let (status, _, body) = pair.send(episode, &sent(call(stateless, tool, &arguments))).await;
            codes.push((status.as_u16(), serde_json::from_str::<Value>(&body).unwrap()));
        }
    }
    for episode in 0..ENVIRONMENTS.len() {
        for stateless in [true, false] {
            for _ in 0..2 {
                let (status, _, body) = pair.send(episode, &sent(list(stateless))).await;
                assert!(status == StatusCode::OK && body.contains(r#""tools":[{"name":"#), "{body}");
            }
            let (headers, mut body) = list(stateless);
            body.as_object_mut().unwrap().remove("params");
            pair.send(episode, &sent((headers, body))).await;
        }
    }
    let found = |code: i64| codes.iter().any(|(_, body)| body["error"]["code"] == code);
    assert!(found(-32603) && found(-32602), "a fault and a call of no tool are among them");
    for is_error in [true, false] {
        assert!(codes.iter().any(|(_, body)| body["result"]["isError"] == is_error));
    }
    pair.compare_episodes().await;
}

/// Members that a message may have besides, or may have otherwise: where, what and which.
fn odd_members() -> Vec<(&'static str, &'static str, Value)> {
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let client = "io.modelcontextprotocol/clientInfo";
    let mut deep = json!(1);
    for _ in 0..130 {
        deep = json!([deep]);
    }
    let mut members = Vec::new();
    for id in
        [json!("seven"), json!("\n\"é"), json!(-3), json!(7.0), json!(7.5), json!(null), json!([7]), json!(u64::MAX)]
    {
        members.push(("", "id", id));
    }
    for method in [json!("tools/list"), json!("ping"), json!("TOOLS/CALL"), json!(7)] {
        members.push(("", "method", method));
    }
    members.extend([("", "jsonrpc", json!("1.0")), ("", "result", json!({})), ("", "more", json!(1))]);
    for params in [json!(null), json!([]), json!(["list_notes", {}]), json!("x")] {
        members.push(("", "params", params));
    }
    for arguments in
        [json!(null), json!([]), json!("x"), json!({"limit": {"a": [1, 2]}}), json!({"limit": deep.clone()})]
    {
        members.push(("/params", "arguments", arguments));
    }
    members.extend([("/params", "cursor", json!("x")), ("/params", "cursor", json!(null))]);
    for name in [json!(7), json!(null), json!("get_note"), json!("list\u{5f}notes")] {
        members.push(("/params", "name", name));
    }
    for (name, value) in [("task", json!({"ttl": 1})), ("requestState", json!("x")), ("inputResponses", json!({}))] {
        members.push(("/params", name, value));
    }
    for meta in [json!(null), json!({}), json!([]), json!("x")] {
        members.push(("/params", "_meta", meta));
    }
    for value in [json!("2025-11-25"), json!("2099-01-01"), json!(null), json!(7), json!("")] {
        members.push(("/params/_meta", version, value));
    }
    let elicitation = json!({"elicitation": {"form": {}}, "roots": {"listChanged": true}, "extensions": {"a/b": {}}});
    for value in [json!(null), json!([]), json!("x"), json!({"roots": 7}), json!({"more": deep.clone()}), elicitation] {
        members.push(("/params/_meta", capabilities, value));
    }
    let described = json!({"name": "a", "version": "1", "title": "A", "icons": [{"src": "x", "sizes": ["1x1"]}]});
    for value in [json!(null), json!([]), json!(7), json!({"name": 7}), json!({"name": null}), json!({}), described] {
        members.push(("/params/_meta", client, value));
    }
    for key in [json!("first"), json!("second"), json!(""), json!(7), json!("é"), json!(null), json!("k".repeat(300))]
    {
        members.push(("/params/_meta", "envfarm/idempotencyKey", key));
    }
    for (name, value) in [("progressToken", json!("p")), ("traceparent", json!("00-a-b-01")), ("more", deep)] {
        members.push(("/params/_meta", name, value));
    }
    members
}

/// Headers instead of those that there are; the empty value leaves one out.
const ODD_HEADERS: [(&str, &str); 22] = [
    ("mcp-protocol-version", ""),
    ("mcp-protocol-version", STATELESS),
    ("mcp-protocol-version", SESSIONS),
    ("mcp-protocol-version", "2024-11-05"),
    ("mcp-protocol-version", "2025-12-31"),
    ("mcp-protocol-version", "2099-01-01"),
    ("mcp-method", ""),
    ("mcp-method", "tools/list"),
    ("mcp-method", "Tools/Call"),
    ("mcp-name", ""),
    ("mcp-name", "get_note"),
    ("mcp-name", "=?base64?bGlzdF9ub3Rlcw==?="),
    ("mcp-name", "=?base64?!!?="),
    ("mcp-param-limit", "5"),
    ("mcp-session-id", "nonsense"),
    ("idempotency-key", "first"),
    ("idempotency-key", "third"),
    ("idempotency-key", "k\u{e9}"),
    ("accept", "text/html"),
    ("accept", ""),
    ("content-type", "text/plain"),
    ("content-type", "application/json; charset=utf-8"),
];

/// Headers that are there a second time.
const REPEATED_HEADERS: [(&str, &str); 5] = [
    ("mcp-protocol-version", STATELESS),
    ("mcp-method", "tools/call"),
    ("mcp-name", "list_notes"),
    ("idempotency-key", "first"),
    ("mcp-name", "get_note"),
];

/// Changes of the text, which may leave no JSON.
const ODD_TEXTS: [(&str, &str); 12] = [
    ("\"id\":7", "\"id\":7,\"id\":8"),
    ("\"name\":", "\"name\":\"get_note\",\"name\":"),
    ("\"arguments\":", "\"arguments\":{},\"arguments\":"),
    ("\"_meta\":{", "\"_meta\":{\"more\":1e999,"),
    ("\"_meta\":{", "\"_meta\":{\"more\":\"\\ud800\","),
    ("\"_meta\":{", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2025-11-25\","),
    ("\"_meta\":{", "\"_meta\":{\"envfarm/idempotencyKey\":\"a\",\"envfarm/idempotencyKey\":\"b\","),
    ("\"arguments\":{", "\"arguments\":{\"limit\":1,\"limit\":2,"),
    ("\"arguments\":{", "\"arguments\":{\"limit\":1e999,"),
    ("tools/call", "tools\\/call"),
    ("2.0\",", "2.0\", \n\t"),
    ("}}}", "}}} x"),
];

/// A request that is wrong or unusual in up to three ways.
fn altered(mut choose: impl FnMut(usize) -> usize) -> (usize, Sent) {
    let calls = calls();
    let (episode, tool, arguments) = &calls[if choose(3) == 0 { choose(calls.len()) } else { choose(10) }];
    let stateless = choose(2) == 0;
    let (mut headers, mut body) = if choose(8) == 0 { list(stateless) } else { call(stateless, tool, arguments) };
    let mut texts = Vec::new();
    for _ in 0..choose(4) {
        match choose(6) {
            0 | 1 => {
                let members = odd_members();
                let (place, name, value) = &members[choose(members.len())];
                if let Some(Value::Object(object)) = body.pointer_mut(place) {
                    match choose(6) {
                        0 => drop(object.remove(*name)),
                        _ => drop(object.insert((*name).to_owned(), value.clone())),
                    }
                }
            }
            2 | 3 => {
                let (name, value) = ODD_HEADERS[choose(ODD_HEADERS.len())];
                headers.retain(|(other, _)| other != name);
                headers.extend((!value.is_empty()).then(|| (name.to_owned(), value.to_owned())));
            }
            4 => {
                let (name, value) = REPEATED_HEADERS[choose(REPEATED_HEADERS.len())];
                headers.push((name.to_owned(), value.to_owned()));
            }
            _ => texts.push(ODD_TEXTS[choose(ODD_TEXTS.len())]),
        }
    }
    let mut body = body.to_string();
    for (before, after) in texts {
        body = body.replacen(before, after, 1);
    }
    if choose(12) == 0 {
        let at = choose(body.len().max(1));
        if body.is_char_boundary(at) {
            match choose(3) {
                0 => body.truncate(at),
                1 => body.insert(at, char::from(b' ' + u8::try_from(choose(95)).unwrap())),
                _ => drop((at < body.len()).then(|| body.remove(at))),
            }
        }
    }
    (*episode, Sent { headers, body })
}

#[test]
fn unusual_requests_are_answered_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pair = runtime.block_on(Pair::new(&ENVIRONMENTS));
    let statuses = std::cell::RefCell::new(std::collections::BTreeMap::<(u16, bool), u32>::new());
    let mut runner = TestRunner::new(Config { cases: REQUESTS, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(any::<u32>(), 40), |choices| {
        let mut choices = choices.into_iter().cycle();
        let (episode, sent) = altered(|of| choices.next().unwrap() as usize % of);
        let (status, _, body) = runtime.block_on(pair.send(episode, &sent));
        let short = PlainRequest::read(sent.body.as_bytes()).is_some();
        *statuses.borrow_mut().entry((status.as_u16(), short)).or_default() += 1;
        prop_assert!(!body.is_empty() || status == StatusCode::ACCEPTED, "{sent:?}");
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let statuses = statuses.into_inner();
    for reached in [(200, true), (200, false), (400, true), (400, false), (202, false), (406, true), (415, true)] {
        assert!(statuses.contains_key(&reached), "no request got {reached:?}: {statuses:?}");
    }
    runtime.block_on(pair.compare_episodes());
}

#[tokio::test]
async fn each_oddity_alone_is_answered_alike() {
    let pair = Pair::new(&ENVIRONMENTS).await;
    for (stateless, listing) in [(true, false), (false, false), (true, true), (false, true)] {
        let base = || if listing { list(stateless) } else { call(stateless, "list_notes", &json!({"limit": 2})) };
        for (place, name, value) in odd_members() {
            for remove in [true, false] {
                let (headers, mut body) = base();
                if !stateless && place == "/params/_meta" {
                    body["params"]["_meta"] = json!({});
                }
                let Some(object) = body.pointer_mut(place).and_then(Value::as_object_mut) else { continue };
                if remove {
                    drop(object.remove(name))
                } else {
                    drop(object.insert(name.to_owned(), value.clone()))
                }
                pair.send(0, &sent((headers, body))).await;
            }
        }
        for (name, value) in ODD_HEADERS {
            let (mut headers, body) = base();
            headers.retain(|(other, _)| other != name);
            headers.extend((!value.is_empty()).then(|| (name.to_owned(), value.to_owned())));
            pair.send(0, &sent((headers, body))).await;
        }
        for (name, value) in REPEATED_HEADERS {
            let (mut headers, body) = base();
            headers.push((name.to_owned(), value.to_owned()));
            pair.send(0, &sent((headers, body))).await;
        }
        for (before, after) in ODD_TEXTS {
            let Sent { headers, body } = sent(base());
            pair.send(0, &Sent { headers, body: body.replacen(before, after, 1) }).await;
        }
        let Sent { headers, .. } = sent(base());
        for body in ["[\"2.0\", 7, \"tools/list\", {}]", "[\"2.0\", 7, \"tools/list\", null]"] {
            pair.send(0, &Sent { headers: headers.clone(), body: body.to_owned() }).await;
        }
        let array = r#"["2.0", 7, "tools/call", {"name": "list_notes"}]"#.to_owned();
        pair.send(0, &Sent { headers, body: array }).await;
    }
    pair.compare_episodes().await;
}

/// A server of the short way alone, which says whether a call takes it.
fn takes_the_short_way(server: &Server, id: &str, sent: &Sent) -> bool {
    let live = server.farm.episode(&EpisodeId::parse(id).unwrap()).unwrap();
    let environment = Arc::clone(live.environment());
    let attached = Attached::Episode { live, recorder: None, key: None };
    let header = |name: &str| match sent.headers.iter().find(|(other, _)| other == name) {
        Some((_, value)) => Header::Once(value),
        None => Header::Absent,
    };
    let headers = Headers {
        protocol_version: header("mcp-protocol-version"),
        method: header("mcp-method"),
        name: header("mcp-name"),
    };
    let call = PlainRequest::read(sent.body.as_bytes());
    call.and_then(|call| mcp::Server::new(environment, attached).answer(call, &headers)).is_some()
}

#[tokio::test]
async fn what_clients_send_takes_the_short_way() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let short = |sent: &Sent| takes_the_short_way(&server, &id, sent);
    let capabilities = json!({"roots": {"listChanged": true}, "sampling": {}, "elicitation": {"form": {}}});
    for (stateless, tool, arguments) in [
        (true, "list_notes", json!({})),
        (false, "list_notes", json!({"limit": 3})),
        (true, "get_note", json!({"note_id": 4})),
        (false, "add_note", json!({"title": 5})),
    ] {
        let (headers, mut body) = call(stateless, tool, &arguments);
        assert!(short(&sent((headers.clone(), body.clone()))), "{body}");
        body["id"] = json!("a-string");
        body["params"]["_meta"]["progressToken"] = json!(4);
        body["params"]["_meta"]["envfarm/idempotencyKey"] = json!(format!("{tool} {stateless}"));
        if stateless {
            body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
        }
        assert!(short(&sent((headers, body.clone()))), "{body}");
    }
    assert!(short(&sent(list(true))) && short(&sent(list(false))));
    // Older clients leave the header out, and some leave out arguments.
    let (mut headers, mut body) = call(false, "list_notes", &json!({}));
    headers.retain(|(name, _)| name != "mcp-protocol-version");
    body["params"].as_object_mut().unwrap().remove("arguments");
    assert!(short(&sent((headers, body))));
    assert!(!short(&sent(call(true, "get_notes", &json!({})))), "rmcp words errors");
}

#[tokio::test]
async fn a_call_sent_again_under_its_key_is_made_once() {
    let pair = Pair::new(&["notebook"]).await;
    let add = json!({"title": "once", "body": "y"});
    for stateless in [true, false] {
        let in_meta = {
            let (headers, mut body) = call(stateless, "add_note", &add);
            body["params"]["_meta"]["envfarm/idempotencyKey"] = json!(format!("meta {stateless}"));
            sent((headers, body))
        };
        let in_header = {
            let (mut headers, body) = call(stateless, "add_note", &add);
            headers.push(("idempotency-key".to_owned(), format!("header {stateless}")));
            sent((headers, body))
        };
        for keyed in [in_meta, in_header] {
            let (_, _, first) = pair.send(0, &keyed).await;
            let (_, _, again) = pair.send(0, &keyed).await;
            assert_eq!(again, first);
            assert!(first.contains(r#""isError":false"#), "{first}");
        }
    }
    let (_, _, listed) = pair.send(0, &sent(call(true, "list_notes", &json!({})))).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["result"]["structuredContent"]["total"], 3 + 4);
    pair.compare_episodes().await;
}

#[tokio::test]
async fn rest_answers_with_the_same_result() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    for arguments in [json!({}), json!({"limit": "x"})] {
        let rest = server.call(&id, "list_notes", arguments.clone()).await.body;
        let (_, _, body) =
            answer(&server, &format!("/episodes/{id}/mcp"), &sent(call(false, "list_notes", &arguments))).await;
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["result"].to_string(), rest.to_string());
    }
    let live = server.farm.episode(&EpisodeId::parse(&id).unwrap()).unwrap();
    let observation = live.call("list_notes", Map::new(), None).unwrap();
    assert_eq!(observation.to_json().to_string(), observation.text());
    assert!(matches!(observation, Observation::Completed(_)));
}
