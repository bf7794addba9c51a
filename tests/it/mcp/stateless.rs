//! The protocol without sessions: discovery, headers, and scratch episodes on `/envs/{name}/mcp`.

use axum::http::StatusCode;
use envfarm::config::HttpSettings;
use serde_json::{Value, json};

use super::{NOTEBOOK, total, two_calls};
use crate::support::{SESSIONS, STATELESS, Server, meta, stateless_request};

/// Names and values of headers.
type Headers = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn discover_tells_what_there_is() {
    let server = Server::new();
    let reply = server.stateless(NOTEBOOK, "server/discover", json!({}), &[]).await;
    let result = &reply.body["result"];
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert!(result["supportedVersions"].as_array().unwrap().contains(&json!(STATELESS)));
    assert_eq!(result["capabilities"], json!({"tools": {}}));
    assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("public")));
    assert!(result["ttlMs"].as_u64().unwrap() > 0);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "notebook");
    let instructions = result["instructions"].as_str().unwrap();
    assert!(instructions.contains("Ines Duarte"), "{instructions}");
    assert_eq!(server.farm.len(), 0, "asking makes no episode");
}

#[tokio::test]
async fn stateless_headers_and_metadata_are_checked() {
    let server = Server::new();
    let call = json!({"name": "list_notes", "arguments": {}});
    let rows: [(&str, Value, Headers, u16, i64); 11] = [
        ("tools/list", json!({}), &[("mcp-method", "")], 400, -32020),
        ("tools/list", json!({}), &[("mcp-method", "TOOLS/LIST")], 400, -32020),
        ("tools/list", json!({}), &[("mcp-protocol-version", SESSIONS)], 400, -32020),
        ("tools/list", json!({}), &[("mcp-protocol-version", "")], 400, -32020),
        ("tools/call", call.clone(), &[("mcp-name", "")], 400, -32020),
        ("tools/call", call.clone(), &[("mcp-name", "get_note")], 400, -32020),
        ("tools/list", json!({"_meta": {}}), &[], 400, -32602),
        ("server/discover", json!({"_meta": {"io.modelcontextprotocol/protocolVersion": STATELESS}}), &[], 400, -32602),
        ("unknown/method", json!({}), &[], 404, -32601),
        ("ping", json!({}), &[], 404, -32601),
        ("initialize", json!({}), &[], 404, -32601),
    ];
    for (method, params, headers, status, code) in rows {
        let reply = server.stateless(NOTEBOOK, method, params, headers).await;
        assert_eq!(reply.error(), (status, &json!(code)), "{method} {headers:?}");
        assert_eq!(reply.body["id"], 7);
    }
    assert_eq!(server.farm.len(), 1, "only the well-formed calls of a client get an episode");
}

#[tokio::test]
async fn unsupported_versions_are_told_the_supported_ones() {
    let server = Server::new();
    let mut future = meta();
    future["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let headers = [("mcp-protocol-version", "2099-01-01")];
    let reply = server.stateless(NOTEBOOK, "server/discover", json!({"_meta": future}), &headers).await;
    assert_eq!(reply.error(), (400, &json!(-32022)));
    assert_eq!(reply.body["error"]["data"]["requested"], "2099-01-01");
}

#[tokio::test]
async fn custom_headers_are_checked_against_the_arguments() {
    let server = Server::new();
    let path = "/envs/conformance/mcp";
    let call = json!({"name": "test_custom_header", "arguments": {"region": "Hello"}});
    for (value, status) in
        [("Hello", 200), ("=?base64?SGVsbG8=?=", 200), ("=?base64?SGVs!!!?=", 400), ("other", 400), ("", 400)]
    {
        let reply = server.stateless(path, "tools/call", call.clone(), &[("mcp-param-region", value)]).await;
        assert_eq!(reply.status.as_u16(), status, "{value} {reply:?}");
    }
}

#[tokio::test]
async fn scratch_episodes_belong_to_their_callers() {
    let server = Server::new();
    let add = |params: Value| {
        let mut params = params;
        params["name"] = json!("add_note");
        params["arguments"] = json!({"title": "x", "body": "y"});
        params
    };
    let named = |name: &str| {
        let mut meta = meta();
        meta["io.modelcontextprotocol/clientInfo"]["name"] = json!(name);
        json!({"_meta": meta})
    };
    let list = |path: &'static str, params: Value, headers: Headers| {
        let mut params = params;
        params["name"] = json!("list_notes");
        params["arguments"] = json!({});
        stateless_request(path, "tools/call", params, headers)
    };
    server.stateless(NOTEBOOK, "tools/call", add(named("a")), &[]).await;
    server.stateless(NOTEBOOK, "tools/call", add(named("a")), &[]).await;
    let rows: [(&str, Value, Headers, u64); 7] = [
        (NOTEBOOK, named("a"), &[], 5),
        (NOTEBOOK, named("b"), &[], 3),
        ("/envs/notebook/mcp?as=second", named("a"), &[], 3),
        ("/envs/notebook/mcp?task=pin_the_groceries", named("a"), &[], 3),
        ("/envs/notebook/mcp?seed=1", named("a"), &[], 3),
        (NOTEBOOK, named("a"), &[("authorization", "Bearer one")], 3),
        (NOTEBOOK, named("a"), &[("authorization", "Bearer two")], 3),
    ];
    for (path, params, headers, expected) in rows {
        let reply = server.send(list(path, params, headers)).await;
        assert_eq!(total(&reply), expected, "{path} {headers:?} {reply:?}");
    }
    assert_eq!(server.farm.len(), 7);
}

#[tokio::test]
async fn scratch_episodes_are_bounded_and_renewed() {
    let limits = two_calls();
    let settings = HttpSettings { scratch_episodes_max: 2, ..HttpSettings::default() };
    let server = Server::with(limits, settings);
    let add = json!({"name": "add_note", "arguments": {"title": "x", "body": "y"}});
    for alias in ["a", "b", "c"] {
        let path = format!("/envs/notebook/mcp?as={alias}");
        server.stateless(&path, "tools/call", add.clone(), &[]).await;
    }
    assert_eq!(server.farm.len(), 2);
    let list = json!({"name": "list_notes", "arguments": {}});
    let at = |alias: &str| format!("/envs/notebook/mcp?as={alias}");
    let kept = server.stateless(&at("c"), "tools/call", list.clone(), &[]).await;
    assert_eq!(total(&kept), 4);
    let ended = server.stateless(&at("c"), "tools/call", list.clone(), &[]).await;
    assert_eq!(ended.body["result"]["isError"], true);
    let fresh = server.stateless(&at("c"), "tools/call", list.clone(), &[]).await;
    assert_eq!(total(&fresh), 3, "an ended scratch episode is replaced");
    let evicted = server.stateless(&at("a"), "tools/call", list, &[]).await;
    assert_eq!(total(&evicted), 3, "the least recently used one made room");
    assert_eq!(server.farm.len(), 2);
}
