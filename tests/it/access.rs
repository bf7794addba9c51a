//! Tokens: who may do what, whose episodes there are, and quotas.

use axum::http::{Method, StatusCode};
use envfarm::config::HttpSettings;
use envfarm::config::access::{Access, TokenDigest, TrainerToken};
use envfarm::farm::FarmLimits;
use envfarm::id::TokenName;
use serde_json::{Value, json};

use crate::support::{Reply, Server, initialize_params, request, stateless_request};

pub(crate) const ADMIN: &str = "the-token-of-the-admin";
const A: &str = "the-token-of-team-a";
const B: &str = "the-token-of-team-b";
const ENDPOINT: &str = "/envs/notebook/mcp";

pub(crate) fn trainer(
    name: &str,
    token: &str,
    live_episodes_max: Option<usize>,
    calls_per_s: Option<u32>,
) -> TrainerToken {
    TrainerToken {
        name: TokenName::parse(name).unwrap(),
        digest: TokenDigest::of(token),
        live_episodes_max,
        calls_per_s,
    }
}

fn server(live_episodes_max: Option<usize>, calls_per_s: Option<u32>) -> Server {
    let trainers = vec![trainer("team_a", A, live_episodes_max, calls_per_s), trainer("team_b", B, None, None)];
    let access = Access { admin: Some(TokenDigest::of(ADMIN)), trainers };
    Server::with(FarmLimits::default(), HttpSettings { access, ..HttpSettings::default() })
}

/// A request with a token; without one where it is empty.
async fn send(server: &Server, token: &str, method: Method, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    server.send(request(method, path, &headers, &body)).await
}

async fn create(server: &Server, token: &str, count: usize) -> Reply {
    send(server, token, Method::POST, "/episodes", &json!({"environment": "notebook", "count": count})).await
}

async fn created(server: &Server, token: &str) -> String {
    let reply = create(server, token, 1).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    reply.body["episodes"][0]["id"].as_str().unwrap().to_owned()
}

/// Everything that takes an episode's id, with a body that it takes.
fn of_episode(id: &str) -> Vec<(Method, String, Value)> {
    let path = |rest: &str| format!("/episodes/{id}{rest}");
    vec![
        (Method::GET, path(""), Value::Null),
        (Method::POST, path("/calls"), json!({"tool": "list_notes"})),
        (Method::POST, path("/reset"), Value::Null),
        (Method::POST, path("/verify"), Value::Null),
        (Method::DELETE, path(""), Value::Null),
    ]
}

#[tokio::test]
async fn everything_but_an_agents_url_takes_a_token() {
    let server = server(None, None);
    let id = created(&server, ADMIN).await;
    let mut routes = of_episode(&id);
    for path in
        ["/environments", "/environments/notebook", "/environments/notebook/tools", "/openapi.json", "/metrics", "/"]
    {
        routes.push((Method::GET, path.to_owned(), Value::Null));
    }
    routes.push((Method::GET, "/episodes".to_owned(), Value::Null));
    routes.push((Method::POST, "/episodes".to_owned(), json!({"environment": "notebook"})));
    for (method, path, body) in &routes {
        for token in ["", "another-token-than-those", &format!("{ADMIN}x")] {
            let reply = send(&server, token, method.clone(), path, body).await;
            assert_eq!(reply.error(), (401, &json!("unauthorized")), "{method} {path}");
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"envfarm\"");
        }
    }
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK);
    let basic = [("authorization", "Basic dGhlLXRva2VuLW9mLXRoZS1hZG1pbg==")];
    let reply = server.send(request(Method::GET, "/environments", &basic, "")).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let lowercase = [("authorization", &*format!("bearer {ADMIN}"))];
    assert_eq!(server.send(request(Method::GET, "/environments", &lowercase, "")).await.status, StatusCode::OK);

    let agent = format!("/episodes/{id}/mcp");
    assert_eq!(server.stateless(&agent, "tools/list", json!({}), &[]).await.status, StatusCode::OK);
    let call = json!({"name": "list_notes", "arguments": {}});
    assert_eq!(server.stateless(&agent, "tools/call", call.clone(), &[]).await.status, StatusCode::OK);
    let reply = server.stateless(ENDPOINT, "tools/call", call.clone(), &[]).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.body["error"]["data"]["code"], "unauthorized");
    for token in [ADMIN, A] {
        let bearer = format!("Bearer {token}");
        let reply = server.stateless(ENDPOINT, "tools/call", call.clone(), &[("authorization", &bearer)]).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    }
    let reply = send(&server, A, Method::GET, "/metrics", &Value::Null).await;
    assert_eq!(reply.error(), (403, &json!("admin_only")));
}

#[tokio::test]
async fn without_tokens_everything_is_open() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    assert_eq!(server.get(&format!("/episodes/{id}")).await.status, StatusCode::OK);
    // Whatever is sent: a client with a leftover token goes on working.
    assert_eq!(
        send(&server, "left-over-token", Method::GET, "/environments", &Value::Null).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_trainer_sees_its_own_episodes_only() {
    let server = server(None, None);
    let id = created(&server, A).await;
    let unknown = "ep_00000000000000000000000000000000";
    for ((method, path, body), (_, nowhere, _)) in of_episode(&id).into_iter().zip(of_episode(unknown)) {
        let theirs = send(&server, B, method.clone(), &path, &body).await;
        let never = send(&server, B, method.clone(), &nowhere, &body).await;
        assert_eq!(theirs.error(), (404, &json!("unknown_episode")), "{method} {path}");
        assert_eq!(theirs.body, never.body, "exactly like one that never was");
    }
    for token in [ADMIN, A] {
        for (method, path, body) in of_episode(&id).into_iter().take(3) {
            assert_eq!(
                send(&server, token, method.clone(), &path, &body).await.status,
                StatusCode::OK,
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        send(&server, A, Method::DELETE, &format!("/episodes/{id}"), &Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    let of_the_admin = created(&server, ADMIN).await;
    let path = format!("/episodes/{of_the_admin}");
    assert_eq!(send(&server, A, Method::GET, &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_is_its_trainers() {
    let server = server(None, None);
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()});
    let reply = send(&server, A, Method::POST, ENDPOINT, &initialize).await;
    let session = reply.header("mcp-session-id").to_owned();
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).to_string();
    for (token, status) in [(A, StatusCode::OK), (ADMIN, StatusCode::OK), (B, StatusCode::NOT_FOUND)] {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("authorization", &*bearer),
            ("mcp-session-id", &*session),
        ];
        let reply = server.send(request(Method::POST, ENDPOINT, &headers, &list)).await;
        assert_eq!(reply.status, status, "{token} {reply:?}");
        if token == B {
            assert_eq!(server.send(request(Method::DELETE, ENDPOINT, &headers, "")).await.status, status);
        }
    }
    assert_eq!(
        send(&server, A, Method::GET, &format!("/episodes/{session}"), &Value::Null).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn live_episodes_count_against_the_quota() {
    let server = server(Some(3), None);
    let full = |reply: Reply| {
        assert_eq!(reply.error(), (429, &json!("quota_exceeded")));
        assert_eq!(reply.header("retry-after"), "5");
    };
    full(create(&server, A, 4).await);
    let id = created(&server, A).await;
    full(create(&server, A, 3).await);
    assert_eq!(create(&server, A, 2).await.status, StatusCode::CREATED);
    full(create(&server, A, 1).await);
    // Whatever makes episodes counts.
    let bearer = format!("Bearer {A}");
    let call = json!({"name": "list_notes", "arguments": {}});
    let reply = server.send(stateless_request(ENDPOINT, "tools/call", call, &[("authorization", &bearer)])).await;
    assert_eq!(
        (reply.status, &reply.body["error"]["data"]["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("quota_exceeded"))
    );
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()});
    let reply = send(&server, A, Method::POST, ENDPOINT, &initialize).await;
    assert_eq!(reply.body["error"]["data"]["code"], "quota_exceeded");
    // Others have their own.
    assert_eq!(create(&server, B, 10).await.status, StatusCode::CREATED);
    assert_eq!(create(&server, ADMIN, 10).await.status, StatusCode::CREATED);
    // What has ended or is gone makes room.
    assert_eq!(
        send(&server, A, Method::DELETE, &format!("/episodes/{id}"), &Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    created(&server, A).await;
    full(create(&server, A, 1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_race_doesnt_pass_the_quota() {
    let server = std::sync::Arc::new(server(Some(3), None));
    let racing = (0..24).map(|_| {
        let server = std::sync::Arc::clone(&server);
        tokio::spawn(async move { create(&server, A, 1).await.status })
    });
    let mut made = 0;
    for reply in racing.collect::<Vec<_>>() {
        made += usize::from(reply.await.unwrap() == StatusCode::CREATED);
    }
    assert_eq!(made, 3);
}

#[tokio::test]
async fn calls_count_against_the_quota() {
    let server = server(None, Some(1));
    let id = created(&server, A).await;
    let free = created(&server, ADMIN).await;
    let call = json!({"name": "list_notes", "arguments": {}});
    let agent = format!("/episodes/{id}/mcp");
    // The first call is free, and not all of fifty take a second each.
    let mut limited = None;
    for number in 0..50 {
        let reply = server.stateless(&agent, "tools/call", call.clone(), &[]).await;
        if reply.status != StatusCode::OK {
            assert!(number > 0);
            limited = Some(reply);
            break;
        }
    }
    let reply = limited.expect("the quota ends");
    assert_eq!(reply.error(), (429, &json!(-32000)));
    assert_eq!((&reply.body["id"], &reply.body["error"]["data"]["code"]), (&json!(7), &json!("rate_limited")));
    assert_eq!(reply.header("retry-after"), "1");
    let mut limited = None;
    for _ in 0..50 {
        let reply =
            send(&server, A, Method::POST, &format!("/episodes/{id}/calls"), &json!({"tool": "list_notes"})).await;
        if reply.status != StatusCode::OK {
            limited = Some(reply);
            break;
        }
    }
    let reply = limited.expect("the quota ends");
    assert_eq!(reply.error(), (429, &json!("rate_limited")));
    assert_eq!(reply.header("retry-after"), "1");
    // Looking at the tools is no call, and neither the admin nor others have this quota.
    for _ in 0..5 {
        assert_eq!(server.stateless(&agent, "tools/list", json!({}), &[]).await.status, StatusCode::OK);
        let free = format!("/episodes/{free}/mcp");
        assert_eq!(server.stateless(&free, "tools/call", call.clone(), &[]).await.status, StatusCode::OK);
    }
}
