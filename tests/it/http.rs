//! REST for trainers, and what holds for every route.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use envfarm::config::{ConnectionLimits, HttpSettings};
use envfarm::farm::FarmLimits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Server, request};

#[tokio::test]
async fn an_episode_begins_with_everything_a_trainer_needs() {
    let server = Server::new();
    let spec = json!({"environment": "notebook", "task": "pin_the_groceries", "seed": 7, "actor": 1});
    let reply = server.post("/episodes", spec).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    let episode = &reply.body["episodes"][0];
    let id = episode["id"].as_str().unwrap();
    assert!(id.starts_with("ep_") && id.len() == 35, "{id}");
    assert_eq!(episode["environment"], "notebook");
    assert_eq!(episode["task"], "pin_the_groceries");
    assert_eq!(episode["seed"], 7);
    assert_eq!(episode["actor"], 1);
    let instruction = episode["instruction"].as_str().unwrap();
    assert!(instruction.contains("groceries") && instruction.contains("Answer:"), "{instruction}");
    let context = episode["context"].as_str().unwrap();
    assert!(context.contains("Ines Duarte") && context.contains("2026"), "{context}");
    assert_eq!(episode["mcp_url"], format!("http://127.0.0.1:8700/episodes/{id}/mcp"));

    let known = server.get(&format!("/episodes/{id}")).await;
    assert_eq!(known.status, StatusCode::OK);
    assert_eq!(known.body, *episode);
    assert_eq!(known.body["state"], "live");
    assert_eq!(known.body["calls"], 0);
}

#[tokio::test]
async fn task_seed_and_actor_are_optional() {
    let server = Server::new();
    let reply = server.post("/episodes", json!({"environment": "notebook"})).await;
    let episode = &reply.body["episodes"][0];
    assert_eq!(episode["task"], Value::Null);
    assert_eq!(episode["instruction"], Value::Null);
    assert_eq!(episode["seed"], 0);
    assert_eq!(episode["actor"], 1);
    let other = json!({"environment": "notebook", "actor": 2});
    let other = server.post("/episodes", other).await;
    assert_eq!(other.body["episodes"][0]["actor"], 2);
}

#[tokio::test]
async fn a_solved_task_earns_one_and_an_untouched_one_nothing() {
    let server = Server::new();
    let id = server.episode("notebook", Some("pin_the_groceries")).await;
    let listed = server.call(&id, "list_notes", json!({})).await;
    let notes = listed.body["structuredContent"]["notes"].as_array().unwrap();
    let groceries = notes.iter().find(|note| note["title"] == "Groceries").unwrap()["id"].clone();
    let pinned = server.call(&id, "pin_note", json!({"note_id": groceries})).await;
    assert_eq!(pinned.status, StatusCode::OK);
    assert_eq!(pinned.body["isError"], false);
    assert_eq!(pinned.body["structuredContent"]["note"]["pinned"], true);
    let text = pinned.body["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), pinned.body["structuredContent"]);

    let verdict = server.post(&format!("/episodes/{id}/verify"), json!({"answer": "Done.\nAnswer: 750"})).await;
    assert_eq!(verdict.status, StatusCode::OK);
    assert_eq!(verdict.body["reward"], 1.0, "{verdict:?}");
    assert_eq!(verdict.body["passed"], true);
    assert!(verdict.body["checks"].as_array().is_some_and(|checks| !checks.is_empty()));

    let idle = server.episode("notebook", Some("pin_the_groceries")).await;
    let verdict = server.post(&format!("/episodes/{idle}/verify"), json!({"answer": "Answer: 750"})).await;
    assert_eq!(verdict.body["reward"], 0.0);
    assert_eq!(verdict.body["passed"], false);
    for check in verdict.body["checks"].as_array().unwrap() {
        assert!(check["name"].is_string() && check["passed"].is_boolean() && check.get("reason").is_some());
    }
}

#[tokio::test]
async fn verify_ends_an_episode_and_reset_revives_it() {
    let server = Server::new();
    let id = server.episode("notebook", Some("find_the_reference")).await;
    let added = server.call(&id, "add_note", json!({"title": "x", "body": "y"})).await;
    assert_eq!(added.body["isError"], false, "{added:?}");
    let verify = format!("/episodes/{id}/verify");
    let empty = server.send(request(Method::POST, &verify, &[], "")).await;
    assert_eq!(empty.status, StatusCode::OK, "a body is optional: {empty:?}");
    let again = server.post(&verify, json!({})).await;
    assert_eq!(again.body, empty.body, "asked again, the verdict is the same");
    let other = server.post(&verify, json!({"answer": "Answer: x"})).await;
    assert_eq!(other.error(), (409, &json!("episode_ended")));
    let refused = server.call(&id, "list_notes", json!({})).await;
    assert_eq!((refused.status, &refused.body["isError"]), (StatusCode::OK, &json!(true)));
    assert!(refused.body["content"][0]["text"].as_str().unwrap().contains("episode_ended"));

    let reset = server.send(request(Method::POST, &format!("/episodes/{id}/reset"), &[], "")).await;
    assert_eq!(reset.status, StatusCode::OK);
    assert_eq!(reset.body["state"], "live");
    assert_eq!(reset.body["calls"], 0);
    let listed = server.call(&id, "list_notes", json!({})).await;
    assert_eq!(listed.body["structuredContent"]["total"], 3, "the added note is gone");
}

#[tokio::test]
async fn refusals_are_results_that_change_nothing() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let refused = server.call(&id, "get_note", json!({"note_id": 4})).await;
    assert_eq!(refused.status, StatusCode::OK);
    assert_eq!(refused.body["isError"], true);
    assert!(refused.body.get("structuredContent").is_none());
    let text: Value = serde_json::from_str(refused.body["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text["error"]["code"], "note_not_found");
    assert_eq!(text["error"]["message"], "you have no note 4; list_notes shows yours");

    let invalid = server.call(&id, "add_note", json!({"title": "", "text": "y"})).await;
    assert_eq!((invalid.status, &invalid.body["isError"]), (StatusCode::OK, &json!(true)));
    let text: Value = serde_json::from_str(invalid.body["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text["error"]["code"], "invalid_arguments");
    assert!(text["error"]["problems"].as_array().unwrap().len() >= 2, "all at once: {text}");
    let listed = server.call(&id, "list_notes", json!({})).await;
    assert_eq!(listed.body["structuredContent"]["total"], 3);
}

#[tokio::test]
async fn a_fault_is_opaque_and_earns_no_reward() {
    let server = Server::new();
    let id = server.episode("faulty", None).await;
    let good = server.call(&id, "store_code", json!({"code": "abc"})).await;
    assert_eq!(good.body["structuredContent"]["total"], 1);
    let fault = server.call(&id, "store_code", json!({"code": "abcd"})).await;
    assert_eq!(fault.error(), (500, &json!("environment_fault")));
    assert!(!fault.body.to_string().contains("CHECK"), "internal detail leaked: {fault:?}");
    let known = server.get(&format!("/episodes/{id}")).await;
    assert_eq!(known.body["state"], "faulted");
    let verdict = server.post(&format!("/episodes/{id}/verify"), json!({})).await;
    assert_eq!(verdict.body["reward"], Value::Null, "{verdict:?}");
}

#[tokio::test]
async fn environments_are_described_without_their_solutions() {
    let server = Server::new();
    let listed = server.get("/environments").await;
    let environments = listed.body["environments"].as_array().unwrap();
    let notebook = environments.iter().find(|environment| environment["name"] == "notebook").unwrap();
    assert_eq!(notebook["title"], "Notebook");
    assert_eq!((&notebook["tools"], &notebook["tasks"]), (&json!(4), &json!(2)));
    let unloadable = environments.iter().find(|environment| environment["name"] == "unloadable").unwrap();
    assert!(unloadable["error"].is_string());

    let one = server.get("/environments/notebook").await;
    assert_eq!(one.body["name"], "notebook");
    assert_eq!(one.body["actors"][1], json!({"id": 2, "name": "Tomasz Zielinski"}));
    let tools = server.get("/environments/notebook/tools").await;
    let names: Vec<&Value> = tools.body["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["list_notes", "get_note", "add_note", "pin_note"]);
    let tasks = server.get("/environments/notebook/tasks").await;
    assert_eq!(tasks.body["tasks"][0]["name"], "pin_the_groceries");
    assert!(tasks.body["tasks"][0]["instruction"].as_str().unwrap().contains("groceries"));
    for reply in [&listed, &one, &tools, &tasks] {
        let text = reply.body.to_string();
        for secret in ["solution", "verify", "from\"", "\"750\"", "program", "x-from"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    assert_eq!(server.get("/healthz").await.body["status"], "ok");
}

/// Mistakes: method, path (LIVE and GONE stand for episodes), body, and what comes back.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str, u16, &str)] = &[
    ("POST", "/episodes", "{", 400, "malformed_json"),
    ("POST", "/episodes", "", 400, "malformed_json"),
    ("POST", "/episodes", "[]", 422, "invalid_body"),
    ("POST", "/episodes", "null", 422, "invalid_body"),
    ("POST", "/episodes", "{}", 422, "invalid_body"),
    ("POST", "/episodes", r#"{"environment": 1}"#, 422, "invalid_body"),
    ("POST", "/episodes", r#"{"environment": "notebook", "seed": -1}"#, 422, "invalid_body"),
    ("POST", "/episodes", r#"{"environment": "notebook", "seed": 1.5}"#, 422, "invalid_body"),
    ("POST", "/episodes", r#"{"environment": "notebook", "count": 0}"#, 422, "invalid_body"),
    ("POST", "/episodes", r#"{"environment": "notebook", "reward": 1}"#, 422, "invalid_body"),
    ("POST", "/episodes", r#"{"environment": "nope"}"#, 404, "unknown_environment"),
    ("POST", "/episodes", r#"{"environment": "../notebook"}"#, 404, "unknown_environment"),
    ("POST", "/episodes", r#"{"environment": "unloadable"}"#, 500, "invalid_package"),
    ("POST", "/episodes", r#"{"environment": "notebook", "task": "nope"}"#, 404, "unknown_task"),
    ("POST", "/episodes", r#"{"environment": "notebook", "actor": 9}"#, 404, "unknown_actor"),
    ("POST", "/episodes", r#"{"environment": "notebook", "actor": [1]}"#, 404, "unknown_actor"),
    ("POST", "/episodes/LIVE/calls", r#"{"tool": "list_note"}"#, 404, "unknown_tool"),
    ("POST", "/episodes/LIVE/calls", r#"{"tool": "list_notes", "arguments": []}"#, 422, "invalid_body"),
    ("POST", "/episodes/LIVE/calls", r#"{"name": "list_notes"}"#, 422, "invalid_body"),
    ("POST", "/episodes/LIVE/verify", r#"{"answer": 750}"#, 422, "invalid_body"),
    ("POST", "/episodes/LIVE/verify", r#"{"reward": 1}"#, 422, "invalid_body"),
    ("POST", "/episodes/LIVE/reset", r#"{"seed": 1}"#, 422, "invalid_body"),
    ("POST", "/episodes/LIVE/steps", "{}", 404, "unknown_endpoint"),
    ("PUT", "/episodes/LIVE", "{}", 405, "method_not_allowed"),
    ("GET", "/episodes/LIVE/calls", "", 405, "method_not_allowed"),
    ("PUT", "/episodes", "", 405, "method_not_allowed"),
    ("GET", "/episodes/GONE", "", 404, "unknown_episode"),
    ("DELETE", "/episodes/GONE", "", 404, "unknown_episode"),
    ("POST", "/episodes/GONE/verify", "{}", 404, "unknown_episode"),
    ("GET", "/episodes/1", "", 404, "unknown_episode"),
    ("GET", "/episodes/%FF", "", 400, "invalid_url"),
    ("GET", "/environments/nope/tools", "", 404, "unknown_environment"),
    ("GET", "/environments/No%20pe", "", 404, "unknown_environment"),
    ("GET", "/", "", 404, "unknown_endpoint"),
];

#[tokio::test]
async fn mistakes_get_typed_errors() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    for (method, path, body, status, code) in MISTAKES {
        let path = path.replace("LIVE", &id).replace("GONE", "ep_00000000000000000000000000000000");
        let json = [("content-type", "application/json")];
        let reply = server.send(request(method.parse().unwrap(), &path, &json, body)).await;
        assert_eq!(reply.error(), (*status, &json!(code)), "{method} {path} {body}");
        assert_eq!(reply.header("content-type"), "application/json");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let reply = server.send(request(Method::POST, "/episodes", &form, "{}")).await;
    assert_eq!(reply.error(), (415, &json!("unsupported_media_type")));
    let unchanged = server.get(&format!("/episodes/{id}")).await;
    assert_eq!(unchanged.body["state"], "live");
    assert_eq!(unchanged.body["calls"], 0);
    assert_eq!(server.farm.len(), 1);
}

#[tokio::test]
async fn suggestions_come_with_unknown_tools() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let reply = server.call(&id, "list_note", json!({})).await;
    assert!(reply.body["error"]["message"].as_str().unwrap().contains("list_notes"), "{reply:?}");
}

#[tokio::test]
async fn a_deleted_episode_is_gone_everywhere() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let reply = server.delete(&format!("/episodes/{id}")).await;
    assert_eq!((reply.status, reply.body), (StatusCode::NO_CONTENT, Value::Null));
    for reply in [
        server.get(&format!("/episodes/{id}")).await,
        server.delete(&format!("/episodes/{id}")).await,
        server.call(&id, "list_notes", json!({})).await,
        server.post(&format!("/episodes/{id}/reset"), json!({})).await,
    ] {
        assert_eq!(reply.error(), (404, &json!("unknown_episode")));
    }
    assert_eq!(server.farm.len(), 0);
}

#[tokio::test]
async fn a_full_farm_says_when_to_come_back() {
    let limits = FarmLimits { live_episodes_max: 3, ..FarmLimits::default() };
    let server = Server::with(limits, HttpSettings::default());
    let two = server.post("/episodes", json!({"environment": "notebook", "count": 2})).await;
    assert_eq!(two.body["episodes"].as_array().unwrap().len(), 2);
    let more = server.post("/episodes", json!({"environment": "notebook", "count": 2})).await;
    assert_eq!(more.error(), (503, &json!("at_capacity")));
    assert!(more.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(server.farm.len(), 2, "all or none");
    let session =
        server.in_session("/envs/notebook/mcp", None, "initialize", crate::support::initialize_params()).await;
    assert_eq!(session.status, StatusCode::OK);
    let full = server.in_session("/envs/notebook/mcp", None, "initialize", crate::support::initialize_params()).await;
    assert_eq!(
        (full.status, &full.body["error"]["data"]["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("at_capacity"))
    );
    assert!(full.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_on_every_route() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let mcp = format!("/episodes/{id}/mcp");
    let paths = ["/healthz", "/environments", "/episodes", "/nope", "/envs/notebook/mcp", mcp.as_str()];
    for path in paths {
        for headers in [
            [("host", "evil.example"), ("x-x", "x")],
            [("host", "127.0.0.1:8700"), ("origin", "http://evil.example")],
            [("host", "127.0.0.1:8700"), ("origin", "null")],
        ] {
            for method in [Method::GET, Method::POST] {
                let reply = server.send(request(method, path, &headers, "{}")).await;
                assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
                assert!(reply.body["error"]["message"].is_string());
            }
        }
    }
    for headers in [
        [("host", "localhost:1"), ("origin", "http://localhost:6274")],
        [("host", "[::1]:8700"), ("origin", "http://127.0.0.1:3000")],
    ] {
        let reply = server.send(request(Method::GET, "/healthz", &headers, "")).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    let settings = HttpSettings {
        allowed_hosts: vec!["farm.example".to_owned()],
        base_url: Some("https://farm.example/base/".to_owned()),
        ..HttpSettings::default()
    };
    let server = Server::with(FarmLimits::default(), settings);
    let headers = [("host", "farm.example"), ("content-type", "application/json")];
    let reply = server.send(request(Method::POST, "/episodes", &headers, r#"{"environment": "notebook"}"#)).await;
    let url = reply.body["episodes"][0]["mcp_url"].as_str().unwrap();
    assert!(url.starts_with("https://farm.example/base/episodes/ep_"), "{url}");
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let settings = HttpSettings { body_bytes_max: 4_096, ..HttpSettings::default() };
    let server = Server::with(FarmLimits::default(), settings);
    let id = server.episode("notebook", None).await;
    let large = json!({"tool": "add_note", "arguments": {"title": "x", "body": "y".repeat(5_000)}});
    let reply = server.post(&format!("/episodes/{id}/calls"), large).await;
    assert_eq!(reply.error(), (413, &json!("body_too_large")));
    let params = json!({"name": "add_note", "arguments": {"title": "x", "body": "y".repeat(5_000)}});
    let reply = server.stateless(&format!("/episodes/{id}/mcp"), "tools/call", params, &[]).await;
    assert_eq!(reply.error(), (413, &json!(-32600)));
    assert_eq!(server.get(&format!("/episodes/{id}")).await.body["calls"], 0);
}

#[tokio::test]
async fn over_a_socket_answers_come_at_once_and_shutdown_drains() {
    let server = Server::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving =
        tokio::spawn(envfarm::http::serve(listener, server.router.clone(), ConnectionLimits::default(), async {
            drop(stopped.await);
        }));
    let mut connection = TcpStream::connect(address).await.unwrap();
    let get = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut buffer = vec![0; 4_096];
    for _ in 0..2 {
        connection.write_all(get.as_bytes()).await.unwrap();
        let read = connection.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200 OK"));
    }
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), serving).await.expect("drains").unwrap().unwrap();
    assert_eq!(connection.read(&mut buffer).await.unwrap(), 0, "an idle connection is closed");
}
