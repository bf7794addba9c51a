//! The older protocol on `/envs/{name}/mcp`: a session is an episode.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{NOTEBOOK, total};
use crate::support::{SESSIONS, Server, initialize_params, request};

#[tokio::test]
async fn a_session_is_an_episode() {
    let server = Server::new();
    let reply = server.in_session(NOTEBOOK, None, "initialize", initialize_params()).await;
    let result = &reply.body["result"];
    assert_eq!(result["protocolVersion"], SESSIONS);
    assert_eq!(result["capabilities"], json!({"tools": {}}));
    assert_eq!(result["serverInfo"]["name"], "notebook");
    assert!(result["instructions"].as_str().unwrap().contains("Ines Duarte"), "{result}");
    let session = reply.header("mcp-session-id").to_owned();
    assert!(session.starts_with("ep_"));

    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", SESSIONS),
    ];
    let accepted = server.send(request(Method::POST, NOTEBOOK, &headers, &initialized)).await;
    assert_eq!((accepted.status, accepted.body), (StatusCode::ACCEPTED, Value::Null));

    let ping = server.in_session(NOTEBOOK, Some(&session), "ping", json!({})).await;
    assert_eq!(ping.body["result"], json!({}));
    let add = json!({"name": "add_note", "arguments": {"title": "x", "body": "y"}});
    let added = server.in_session(NOTEBOOK, Some(&session), "tools/call", add).await;
    assert_eq!(added.body["result"]["isError"], false, "{added:?}");
    assert!(added.body["result"].get("resultType").is_none(), "unknown to older clients");

    let list = json!({"name": "list_notes", "arguments": {}});
    let listed = server.in_session(NOTEBOOK, Some(&session), "tools/call", list.clone()).await;
    assert_eq!(total(&listed), 4);
    let other = server.initialize(NOTEBOOK).await;
    let listed = server.in_session(NOTEBOOK, Some(&other), "tools/call", list).await;
    assert_eq!(total(&listed), 3, "another session, another episode");
    assert_eq!(server.get(&format!("/episodes/{session}")).await.body["calls"], 2);
}

#[tokio::test]
async fn a_session_ends_with_delete() {
    let server = Server::new();
    let session = server.initialize(NOTEBOOK).await;
    let named = [("mcp-session-id", session.as_str())];
    let unnamed = server.delete(NOTEBOOK).await;
    assert_eq!(unnamed.status, StatusCode::BAD_REQUEST);
    let elsewhere = server.send(request(Method::DELETE, "/envs/conformance/mcp", &named, "")).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    let ended = server.send(request(Method::DELETE, NOTEBOOK, &named, "")).await;
    assert_eq!((ended.status, ended.body), (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(server.farm.len(), 0);
    for reply in [
        server.send(request(Method::DELETE, NOTEBOOK, &named, "")).await,
        server.in_session(NOTEBOOK, Some(&session), "tools/list", json!({})).await,
        server.in_session(NOTEBOOK, Some("nonsense"), "tools/list", json!({})).await,
    ] {
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert_eq!(reply.body["error"]["data"]["code"], "unknown_session");
    }
    let get = server.get(NOTEBOOK).await;
    assert_eq!((get.status, get.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST,DELETE"));
}

#[tokio::test]
async fn sessions_need_a_proper_initialize() {
    let server = Server::new();
    let without = server.in_session(NOTEBOOK, None, "tools/list", json!({})).await;
    assert_eq!(without.error(), (400, &json!(-32600)));
    assert_eq!(without.body["error"]["data"]["code"], "session_required");
    assert_eq!(without.body["id"], 1);
    for params in [json!({}), json!({"protocolVersion": 5}), json!([])] {
        let reply = server.in_session(NOTEBOOK, None, "initialize", params).await;
        assert!(reply.body["error"]["code"].is_i64(), "{reply:?}");
        assert!(!reply.headers.contains_key("mcp-session-id"));
    }
    assert_eq!(server.farm.len(), 0, "a failed initialize leaves no episode");
    let session = server.initialize(NOTEBOOK).await;
    let elsewhere = server.in_session("/envs/conformance/mcp", Some(&session), "tools/list", json!({})).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    let old = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let reply = server.in_session(NOTEBOOK, None, "initialize", old).await;
    assert_eq!(reply.body["result"]["protocolVersion"], "2024-11-05");
}

#[tokio::test]
async fn a_session_can_play_a_task() {
    let server = Server::new();
    let path = "/envs/notebook/mcp?task=pin_the_groceries&seed=5";
    let reply = server.in_session(path, None, "initialize", initialize_params()).await;
    let instructions = reply.body["result"]["instructions"].as_str().unwrap();
    assert!(instructions.contains("Pin my note about groceries"), "{instructions}");
    let episode = server.get(&format!("/episodes/{}", reply.header("mcp-session-id"))).await;
    assert_eq!((&episode.body["task"], &episode.body["seed"]), (&json!("pin_the_groceries"), &json!(5)));
    for (path, code) in [
        ("/envs/notebook/mcp?task=nope", "unknown_task"),
        ("/envs/notebook/mcp?seed=x", "invalid_url"),
        ("/envs/notebook/mcp?tusk=x", "invalid_url"),
        ("/envs/nope/mcp", "unknown_environment"),
    ] {
        let reply = server.in_session(path, None, "initialize", initialize_params()).await;
        assert_eq!(reply.body["error"]["data"]["code"], code, "{path}");
        assert_eq!(reply.body["id"], 1);
    }
}
