//! MCP over HTTP: tools and their results, in both protocol eras.

mod hot;
mod sessions;
mod stateless;

use axum::http::{Method, StatusCode};
use envfarm::config::HttpSettings;
use envfarm::episode::EpisodeLimits;
use envfarm::farm::FarmLimits;
use serde_json::{Value, json};

use crate::support::{Reply, Server, initialize_params, request};

const NOTEBOOK: &str = "/envs/notebook/mcp";

fn total(reply: &Reply) -> &Value {
    &reply.body["result"]["structuredContent"]["total"]
}

#[tokio::test]
async fn tools_are_listed_whole_and_in_order() {
    let server = Server::new();
    let first = server.stateless(NOTEBOOK, "tools/list", json!({}), &[]).await;
    let result = &first.body["result"];
    assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("public")));
    assert!(result["ttlMs"].as_u64().unwrap() > 0);
    assert!(result.get("nextCursor").is_none());
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "notebook");
    for tool in result["tools"].as_array().unwrap() {
        for text in ["name", "title", "description"] {
            assert!(tool[text].as_str().is_some_and(|text| !text.is_empty()), "{tool}");
        }
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert_eq!(tool["outputSchema"]["type"], "object");
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{tool}");
        }
    }
    let rest = server.get("/environments/notebook/tools").await;
    assert_eq!(rest.body["tools"], result["tools"]);
    let id = server.episode("notebook", None).await;
    server.call(&id, "add_note", json!({"title": "x", "body": "y"})).await;
    let later = server.stateless(&format!("/episodes/{id}/mcp"), "tools/list", json!({}), &[]).await;
    assert_eq!(later.body["result"], *result);
    let session = server.initialize(NOTEBOOK).await;
    let older = server.in_session(NOTEBOOK, Some(&session), "tools/list", json!({})).await;
    assert_eq!(older.body["result"]["tools"], result["tools"]);
}

#[tokio::test]
async fn an_episode_is_one_world_for_both_eras() {
    let server = Server::new();
    let id = server.episode("notebook", Some("pin_the_groceries")).await;
    let path = format!("/episodes/{id}/mcp");
    let started = server.in_session(&path, None, "initialize", initialize_params()).await;
    assert!(started.body["result"]["instructions"].as_str().unwrap().contains("Pin my note"));
    assert!(!started.headers.contains_key("mcp-session-id"), "the URL is the session");
    let add = json!({"name": "add_note", "arguments": {"title": "x", "body": "y"}});
    let added = server.in_session(&path, None, "tools/call", add.clone()).await;
    assert_eq!(added.body["result"]["isError"], false, "{added:?}");
    let added = server.stateless(&path, "tools/call", add, &[]).await;
    let result = &added.body["result"];
    assert_eq!((&result["resultType"], &result["isError"]), (&json!("complete"), &json!(false)));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "notebook");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"]);
    let listed = server.call(&id, "list_notes", json!({})).await;
    assert_eq!(listed.body["structuredContent"]["total"], 5);
    assert_eq!(server.delete(&path).await.status, StatusCode::METHOD_NOT_ALLOWED, "agents have no control");

    for id in ["ep_00000000000000000000000000000000", "x"] {
        let path = format!("/episodes/{id}/mcp");
        let reply = server.stateless(&path, "tools/list", json!({}), &[]).await;
        assert_eq!(reply.error(), (404, &json!(-32000)));
        assert_eq!((&reply.body["id"], &reply.body["error"]["data"]["code"]), (&json!(7), &json!("unknown_episode")));
    }
}

#[tokio::test]
async fn refusals_are_results() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let path = format!("/episodes/{id}/mcp");
    let call = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});

    let refused = server.stateless(&path, "tools/call", call("get_note", json!({"note_id": 4})), &[]).await;
    let result = &refused.body["result"];
    assert_eq!((refused.status, &result["isError"]), (StatusCode::OK, &json!(true)));
    assert!(result.get("structuredContent").is_none(), "clients would validate it against outputSchema");
    assert!(result["content"][0]["text"].as_str().unwrap().contains("note_not_found"));

    let invalid = server.stateless(&path, "tools/call", call("get_note", json!({"note_id": "four"})), &[]).await;
    assert_eq!(invalid.body["result"]["isError"], true);

    server.post(&format!("/episodes/{id}/verify"), json!({})).await;
    let ended = server.stateless(&path, "tools/call", call("list_notes", json!({})), &[]).await;
    assert_eq!(ended.body["result"]["isError"], true);
    assert!(ended.body["result"]["content"][0]["text"].as_str().unwrap().contains("episode_ended"));
}

#[tokio::test]
async fn calls_of_no_tool_are_invalid_params() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let path = format!("/episodes/{id}/mcp");
    let call = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    let unknown = server.stateless(&path, "tools/call", call("get_notes", json!({})), &[]).await;
    assert_eq!(unknown.error(), (200, &json!(-32602)));
    assert!(unknown.body["error"]["message"].as_str().unwrap().contains("get_note"), "{unknown:?}");
    assert!(unknown.body["error"]["data"]["suggestions"].as_array().is_some_and(|names| !names.is_empty()));

    for params in [json!({"name": 5}), json!({"name": "get_note", "arguments": [4]}), json!({})] {
        let reply = server.in_session(&path, None, "tools/call", params).await;
        assert_eq!(reply.body["error"]["code"], -32602, "{reply:?}");
    }
}

#[tokio::test]
async fn a_fault_is_an_opaque_internal_error() {
    let server = Server::new();
    let call = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    let id = server.episode("faulty", None).await;
    let path = format!("/episodes/{id}/mcp");
    let fault = server.stateless(&path, "tools/call", call("store_code", json!({"code": "abcd"})), &[]).await;
    assert_eq!(fault.body["error"]["code"], -32603);
    assert!(!fault.body.to_string().contains("CHECK"));
}

/// Limits that end an episode with its third call.
fn two_calls() -> FarmLimits {
    let episode = EpisodeLimits { calls_max: 2, ..EpisodeLimits::default() };
    FarmLimits { episode, ..FarmLimits::default() }
}

#[tokio::test]
async fn calls_past_the_limit_are_told_so() {
    let limits = two_calls();
    let server = Server::with(limits, HttpSettings::default());
    let id = server.episode("notebook", None).await;
    let path = format!("/episodes/{id}/mcp");
    let list = json!({"name": "list_notes", "arguments": {}});
    for _ in 0..2 {
        let reply = server.stateless(&path, "tools/call", list.clone(), &[]).await;
        assert_eq!(reply.body["result"]["isError"], false);
    }
    for _ in 0..2 {
        let reply = server.stateless(&path, "tools/call", list.clone(), &[]).await;
        assert_eq!(reply.body["result"]["isError"], true, "{reply:?}");
        assert!(reply.body["result"]["content"][0]["text"].as_str().unwrap().contains("ended"));
    }
    assert_eq!(server.get(&format!("/episodes/{id}")).await.body["state"], "truncated");
}

#[tokio::test]
async fn messages_that_are_none_get_json_rpc_errors() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let path = format!("/episodes/{id}/mcp");
    let json_headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{deep}}}}}"#);
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("nope", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ("5", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600),
        (&deep, -32600),
    ] {
        let reply = server.send(request(Method::POST, &path, &json_headers, body)).await;
        assert_eq!(reply.error(), (400, &json!(code)), "{body}");
        assert_eq!(reply.body["jsonrpc"], "2.0");
    }
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (accept, status) in [
        ("*/*", 200),
        ("application/json", 200),
        ("application/*;q=0.5", 200),
        ("text/html, application/json;q=0", 406),
        ("text/html", 406),
    ] {
        let headers = [("content-type", "application/json; charset=utf-8"), ("accept", accept)];
        let reply = server.send(request(Method::POST, &path, &headers, ping)).await;
        assert_eq!(reply.status.as_u16(), status, "{accept}");
    }
    let reply = server.send(request(Method::POST, &path, &json_headers[..1], ping)).await;
    assert_eq!(reply.status, StatusCode::OK, "no Accept header accepts anything");
    let reply = server.send(request(Method::POST, &path, &json_headers[1..], ping)).await;
    assert_eq!(reply.error(), (415, &json!(-32600)));
    assert_eq!(server.get(&format!("/episodes/{id}")).await.body["calls"], 0);
}
