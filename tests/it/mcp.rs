//! MCP over HTTP, both protocol eras.

use axum::http::{Method, StatusCode};
use envfarm::config::HttpSettings;
use envfarm::episode::EpisodeLimits;
use envfarm::farm::FarmLimits;
use serde_json::{Value, json};

use crate::support::{
    Reply, SESSIONS, STATELESS, Server, initialize_params, meta, request, stateless_request,
};

const NOTEBOOK: &str = "/envs/notebook/mcp";

fn total(reply: &Reply) -> &Value {
    &reply.body["result"]["structuredContent"]["total"]
}

#[tokio::test]
async fn a_session_is_an_episode() {
    let server = Server::new();
    let reply = server
        .in_session(NOTEBOOK, None, "initialize", initialize_params())
        .await;
    let result = &reply.body["result"];
    assert_eq!(result["protocolVersion"], SESSIONS);
    assert_eq!(result["capabilities"], json!({"tools": {}}));
    assert_eq!(result["serverInfo"]["name"], "notebook");
    assert!(
        result["instructions"]
            .as_str()
            .unwrap()
            .contains("Ines Duarte"),
        "{result}"
    );
    let session = reply.header("mcp-session-id").to_owned();
    assert!(session.starts_with("ep_"));

    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", SESSIONS),
    ];
    let accepted = server
        .send(request(Method::POST, NOTEBOOK, &headers, &initialized))
        .await;
    assert_eq!(
        (accepted.status, accepted.body),
        (StatusCode::ACCEPTED, Value::Null)
    );

    let ping = server
        .in_session(NOTEBOOK, Some(&session), "ping", json!({}))
        .await;
    assert_eq!(ping.body["result"], json!({}));
    let add = json!({"name": "add_note", "arguments": {"title": "x", "body": "y"}});
    let added = server
        .in_session(NOTEBOOK, Some(&session), "tools/call", add)
        .await;
    assert_eq!(added.body["result"]["isError"], false, "{added:?}");
    assert!(
        added.body["result"].get("resultType").is_none(),
        "unknown to older clients"
    );

    let list = json!({"name": "list_notes", "arguments": {}});
    let listed = server
        .in_session(NOTEBOOK, Some(&session), "tools/call", list.clone())
        .await;
    assert_eq!(total(&listed), 4);
    let other = server.initialize(NOTEBOOK).await;
    let listed = server
        .in_session(NOTEBOOK, Some(&other), "tools/call", list)
        .await;
    assert_eq!(total(&listed), 3, "another session, another episode");
    assert_eq!(
        server.get(&format!("/episodes/{session}")).await.body["calls"],
        2
    );
}

#[tokio::test]
async fn a_session_ends_with_delete() {
    let server = Server::new();
    let session = server.initialize(NOTEBOOK).await;
    let named = [("mcp-session-id", session.as_str())];
    let unnamed = server.delete(NOTEBOOK).await;
    assert_eq!(unnamed.status, StatusCode::BAD_REQUEST);
    let elsewhere = server
        .send(request(Method::DELETE, "/envs/conformance/mcp", &named, ""))
        .await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    let ended = server
        .send(request(Method::DELETE, NOTEBOOK, &named, ""))
        .await;
    assert_eq!(
        (ended.status, ended.body),
        (StatusCode::NO_CONTENT, Value::Null)
    );
    assert_eq!(server.farm.len(), 0);
    for reply in [
        server
            .send(request(Method::DELETE, NOTEBOOK, &named, ""))
            .await,
        server
            .in_session(NOTEBOOK, Some(&session), "tools/list", json!({}))
            .await,
        server
            .in_session(NOTEBOOK, Some("nonsense"), "tools/list", json!({}))
            .await,
    ] {
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        assert_eq!(reply.body["error"]["data"]["code"], "unknown_session");
    }
    let get = server.get(NOTEBOOK).await;
    assert_eq!(
        (get.status, get.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "POST,DELETE")
    );
}

#[tokio::test]
async fn sessions_need_a_proper_initialize() {
    let server = Server::new();
    let without = server
        .in_session(NOTEBOOK, None, "tools/list", json!({}))
        .await;
    assert_eq!(without.error(), (400, &json!(-32600)));
    assert_eq!(without.body["error"]["data"]["code"], "session_required");
    assert_eq!(without.body["id"], 1);
    for params in [json!({}), json!({"protocolVersion": 5}), json!([])] {
        let reply = server
            .in_session(NOTEBOOK, None, "initialize", params)
            .await;
        assert!(reply.body["error"]["code"].is_i64(), "{reply:?}");
        assert!(!reply.headers.contains_key("mcp-session-id"));
    }
    assert_eq!(
        server.farm.len(),
        0,
        "a failed initialize leaves no episode"
    );
    let session = server.initialize(NOTEBOOK).await;
    let elsewhere = server
        .in_session(
            "/envs/conformance/mcp",
            Some(&session),
            "tools/list",
            json!({}),
        )
        .await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    let old = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let reply = server.in_session(NOTEBOOK, None, "initialize", old).await;
    assert_eq!(reply.body["result"]["protocolVersion"], "2024-11-05");
}

#[tokio::test]
async fn a_session_can_play_a_task() {
    let server = Server::new();
    let path = "/envs/notebook/mcp?task=pin_the_groceries&seed=5";
    let reply = server
        .in_session(path, None, "initialize", initialize_params())
        .await;
    let instructions = reply.body["result"]["instructions"].as_str().unwrap();
    assert!(
        instructions.contains("Pin my note about groceries"),
        "{instructions}"
    );
    let episode = server
        .get(&format!("/episodes/{}", reply.header("mcp-session-id")))
        .await;
    assert_eq!(
        (&episode.body["task"], &episode.body["seed"]),
        (&json!("pin_the_groceries"), &json!(5))
    );
    for (path, code) in [
        ("/envs/notebook/mcp?task=nope", "unknown_task"),
        ("/envs/notebook/mcp?seed=x", "invalid_url"),
        ("/envs/notebook/mcp?tusk=x", "invalid_url"),
        ("/envs/nope/mcp", "unknown_environment"),
    ] {
        let reply = server
            .in_session(path, None, "initialize", initialize_params())
            .await;
        assert_eq!(reply.body["error"]["data"]["code"], code, "{path}");
        assert_eq!(reply.body["id"], 1);
    }
}

#[tokio::test]
async fn discover_tells_what_there_is() {
    let server = Server::new();
    let reply = server
        .stateless(NOTEBOOK, "server/discover", json!({}), &[])
        .await;
    let result = &reply.body["result"];
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert!(
        result["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!(STATELESS))
    );
    assert_eq!(result["capabilities"], json!({"tools": {}}));
    assert_eq!(
        (&result["resultType"], &result["cacheScope"]),
        (&json!("complete"), &json!("public"))
    );
    assert!(result["ttlMs"].as_u64().unwrap() > 0);
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "notebook"
    );
    let instructions = result["instructions"].as_str().unwrap();
    assert!(instructions.contains("Ines Duarte"), "{instructions}");
    assert_eq!(server.farm.len(), 0, "asking makes no episode");
}

#[tokio::test]
async fn tools_are_listed_whole_and_in_order() {
    let server = Server::new();
    let first = server
        .stateless(NOTEBOOK, "tools/list", json!({}), &[])
        .await;
    let result = &first.body["result"];
    assert_eq!(
        (&result["resultType"], &result["cacheScope"]),
        (&json!("complete"), &json!("public"))
    );
    assert!(result["ttlMs"].as_u64().unwrap() > 0);
    assert!(result.get("nextCursor").is_none());
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "notebook"
    );
    for tool in result["tools"].as_array().unwrap() {
        for text in ["name", "title", "description"] {
            assert!(
                tool[text].as_str().is_some_and(|text| !text.is_empty()),
                "{tool}"
            );
        }
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert_eq!(tool["outputSchema"]["type"], "object");
        for hint in [
            "readOnlyHint",
            "destructiveHint",
            "idempotentHint",
            "openWorldHint",
        ] {
            assert!(tool["annotations"][hint].is_boolean(), "{tool}");
        }
    }
    let rest = server.get("/environments/notebook/tools").await;
    assert_eq!(rest.body["tools"], result["tools"]);
    let id = server.episode("notebook", None).await;
    server
        .call(&id, "add_note", json!({"title": "x", "body": "y"}))
        .await;
    let later = server
        .stateless(&format!("/episodes/{id}/mcp"), "tools/list", json!({}), &[])
        .await;
    assert_eq!(later.body["result"], *result);
    let session = server.initialize(NOTEBOOK).await;
    let older = server
        .in_session(NOTEBOOK, Some(&session), "tools/list", json!({}))
        .await;
    assert_eq!(older.body["result"]["tools"], result["tools"]);
}

#[tokio::test]
async fn an_episode_is_one_world_for_both_eras() {
    let server = Server::new();
    let id = server.episode("notebook", Some("pin_the_groceries")).await;
    let path = format!("/episodes/{id}/mcp");
    let started = server
        .in_session(&path, None, "initialize", initialize_params())
        .await;
    assert!(
        started.body["result"]["instructions"]
            .as_str()
            .unwrap()
            .contains("Pin my note")
    );
    assert!(
        !started.headers.contains_key("mcp-session-id"),
        "the URL is the session"
    );
    let add = json!({"name": "add_note", "arguments": {"title": "x", "body": "y"}});
    let added = server
        .in_session(&path, None, "tools/call", add.clone())
        .await;
    assert_eq!(added.body["result"]["isError"], false, "{added:?}");
    let added = server.stateless(&path, "tools/call", add, &[]).await;
    let result = &added.body["result"];
    assert_eq!(
        (&result["resultType"], &result["isError"]),
        (&json!("complete"), &json!(false))
    );
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "notebook"
    );
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap(),
        result["structuredContent"]
    );
    let listed = server.call(&id, "list_notes", json!({})).await;
    assert_eq!(listed.body["structuredContent"]["total"], 5);
    assert_eq!(
        server.delete(&path).await.status,
        StatusCode::METHOD_NOT_ALLOWED,
        "agents have no control"
    );

    for id in ["ep_00000000000000000000000000000000", "x"] {
        let path = format!("/episodes/{id}/mcp");
        let reply = server.stateless(&path, "tools/list", json!({}), &[]).await;
        assert_eq!(reply.error(), (404, &json!(-32000)));
        assert_eq!(
            (&reply.body["id"], &reply.body["error"]["data"]["code"]),
            (&json!(7), &json!("unknown_episode"))
        );
    }
}

#[tokio::test]
async fn what_goes_wrong_in_a_call_has_its_place() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let path = format!("/episodes/{id}/mcp");
    let call = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});

    let refused = server
        .stateless(
            &path,
            "tools/call",
            call("get_note", json!({"note_id": 4})),
            &[],
        )
        .await;
    let result = &refused.body["result"];
    assert_eq!(
        (refused.status, &result["isError"]),
        (StatusCode::OK, &json!(true))
    );
    assert!(
        result.get("structuredContent").is_none(),
        "clients would validate it against outputSchema"
    );
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("note_not_found")
    );

    let invalid = server
        .stateless(
            &path,
            "tools/call",
            call("get_note", json!({"note_id": "four"})),
            &[],
        )
        .await;
    assert_eq!(invalid.body["result"]["isError"], true);

    let unknown = server
        .stateless(&path, "tools/call", call("get_notes", json!({})), &[])
        .await;
    assert_eq!(unknown.error(), (200, &json!(-32602)));
    assert!(
        unknown.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("get_note"),
        "{unknown:?}"
    );
    assert!(
        unknown.body["error"]["data"]["suggestions"]
            .as_array()
            .is_some_and(|names| !names.is_empty())
    );

    for params in [
        json!({"name": 5}),
        json!({"name": "get_note", "arguments": [4]}),
        json!({}),
    ] {
        let reply = server.in_session(&path, None, "tools/call", params).await;
        assert_eq!(reply.body["error"]["code"], -32602, "{reply:?}");
    }
    server
        .post(&format!("/episodes/{id}/verify"), json!({}))
        .await;
    let ended = server
        .stateless(&path, "tools/call", call("list_notes", json!({})), &[])
        .await;
    assert_eq!(ended.body["result"]["isError"], true);
    assert!(
        ended.body["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("episode_ended")
    );

    let id = server.episode("faulty", None).await;
    let path = format!("/episodes/{id}/mcp");
    let fault = server
        .stateless(
            &path,
            "tools/call",
            call("store_code", json!({"code": "abcd"})),
            &[],
        )
        .await;
    assert_eq!(fault.body["error"]["code"], -32603);
    assert!(!fault.body.to_string().contains("CHECK"));
}

/// Limits that end an episode with its third call.
fn two_calls() -> FarmLimits {
    let episode = EpisodeLimits {
        calls_max: 2,
        ..EpisodeLimits::default()
    };
    FarmLimits {
        episode,
        ..FarmLimits::default()
    }
}

#[tokio::test]
async fn calls_past_the_limit_are_told_so() {
    let limits = two_calls();
    let server = Server::with(limits, HttpSettings::default());
    let id = server.episode("notebook", None).await;
    let path = format!("/episodes/{id}/mcp");
    let list = json!({"name": "list_notes", "arguments": {}});
    for _ in 0..2 {
        let reply = server
            .stateless(&path, "tools/call", list.clone(), &[])
            .await;
        assert_eq!(reply.body["result"]["isError"], false);
    }
    for _ in 0..2 {
        let reply = server
            .stateless(&path, "tools/call", list.clone(), &[])
            .await;
        assert_eq!(reply.body["result"]["isError"], true, "{reply:?}");
        assert!(
            reply.body["result"]["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("ended")
        );
    }
    assert_eq!(
        server.get(&format!("/episodes/{id}")).await.body["state"],
        "truncated"
    );
}

#[tokio::test]
async fn stateless_headers_and_metadata_are_checked() {
    let server = Server::new();
    let call = json!({"name": "list_notes", "arguments": {}});
    let rows: [(&str, Value, &[(&str, &str)], u16, i64); 11] = [
        ("tools/list", json!({}), &[("mcp-method", "")], 400, -32020),
        (
            "tools/list",
            json!({}),
            &[("mcp-method", "TOOLS/LIST")],
            400,
            -32020,
        ),
        (
            "tools/list",
            json!({}),
            &[("mcp-protocol-version", SESSIONS)],
            400,
            -32020,
        ),
        (
            "tools/list",
            json!({}),
            &[("mcp-protocol-version", "")],
            400,
            -32020,
        ),
        ("tools/call", call.clone(), &[("mcp-name", "")], 400, -32020),
        (
            "tools/call",
            call.clone(),
            &[("mcp-name", "get_note")],
            400,
            -32020,
        ),
        ("tools/list", json!({"_meta": {}}), &[], 400, -32602),
        (
            "server/discover",
            json!({"_meta": {"io.modelcontextprotocol/protocolVersion": STATELESS}}),
            &[],
            400,
            -32602,
        ),
        ("unknown/method", json!({}), &[], 404, -32601),
        ("ping", json!({}), &[], 404, -32601),
        ("initialize", json!({}), &[], 404, -32601),
    ];
    for (method, params, headers, status, code) in rows {
        let reply = server.stateless(NOTEBOOK, method, params, headers).await;
        assert_eq!(
            reply.error(),
            (status, &json!(code)),
            "{method} {headers:?}"
        );
        assert_eq!(reply.body["id"], 7);
    }
    let mut future = meta();
    future["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let headers = [("mcp-protocol-version", "2099-01-01")];
    let reply = server
        .stateless(
            NOTEBOOK,
            "server/discover",
            json!({"_meta": future}),
            &headers,
        )
        .await;
    assert_eq!(reply.error(), (400, &json!(-32022)));
    assert_eq!(reply.body["error"]["data"]["requested"], "2099-01-01");
    assert_eq!(
        server.farm.len(),
        1,
        "only the well-formed calls of a client get an episode"
    );
}

#[tokio::test]
async fn custom_headers_are_checked_against_the_arguments() {
    let server = Server::new();
    let path = "/envs/conformance/mcp";
    let call = json!({"name": "test_custom_header", "arguments": {"region": "Hello"}});
    for (value, status) in [
        ("Hello", 200),
        ("=?base64?SGVsbG8=?=", 200),
        ("=?base64?SGVs!!!?=", 400),
        ("other", 400),
        ("", 400),
    ] {
        let reply = server
            .stateless(
                path,
                "tools/call",
                call.clone(),
                &[("mcp-param-region", value)],
            )
            .await;
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
    let list = |path: &'static str, params: Value, headers: &'static [(&str, &str)]| {
        let mut params = params;
        params["name"] = json!("list_notes");
        params["arguments"] = json!({});
        stateless_request(path, "tools/call", params, headers)
    };
    server
        .stateless(NOTEBOOK, "tools/call", add(named("a")), &[])
        .await;
    server
        .stateless(NOTEBOOK, "tools/call", add(named("a")), &[])
        .await;
    let rows: [(&'static str, Value, &'static [(&str, &str)], u64); 7] = [
        (NOTEBOOK, named("a"), &[], 5),
        (NOTEBOOK, named("b"), &[], 3),
        ("/envs/notebook/mcp?as=second", named("a"), &[], 3),
        (
            "/envs/notebook/mcp?task=pin_the_groceries",
            named("a"),
            &[],
            3,
        ),
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
    let settings = HttpSettings {
        scratch_episodes_max: 2,
        ..HttpSettings::default()
    };
    let server = Server::with(limits, settings);
    let add = json!({"name": "add_note", "arguments": {"title": "x", "body": "y"}});
    for alias in ["a", "b", "c"] {
        let path = format!("/envs/notebook/mcp?as={alias}");
        server
            .stateless(&path, "tools/call", add.clone(), &[])
            .await;
    }
    assert_eq!(server.farm.len(), 2);
    let list = json!({"name": "list_notes", "arguments": {}});
    let at = |alias: &str| format!("/envs/notebook/mcp?as={alias}");
    let kept = server
        .stateless(&at("c"), "tools/call", list.clone(), &[])
        .await;
    assert_eq!(total(&kept), 4);
    let ended = server
        .stateless(&at("c"), "tools/call", list.clone(), &[])
        .await;
    assert_eq!(ended.body["result"]["isError"], true);
    let fresh = server
        .stateless(&at("c"), "tools/call", list.clone(), &[])
        .await;
    assert_eq!(total(&fresh), 3, "an ended scratch episode is replaced");
    let evicted = server.stateless(&at("a"), "tools/call", list, &[]).await;
    assert_eq!(total(&evicted), 3, "the least recently used one made room");
    assert_eq!(server.farm.len(), 2);
}

#[tokio::test]
async fn messages_that_are_none_get_json_rpc_errors() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    let path = format!("/episodes/{id}/mcp");
    let json_headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
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
        let reply = server
            .send(request(Method::POST, &path, &json_headers, body))
            .await;
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
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("accept", accept),
        ];
        let reply = server
            .send(request(Method::POST, &path, &headers, ping))
            .await;
        assert_eq!(reply.status.as_u16(), status, "{accept}");
    }
    let reply = server
        .send(request(Method::POST, &path, &json_headers[..1], ping))
        .await;
    assert_eq!(
        reply.status,
        StatusCode::OK,
        "no Accept header accepts anything"
    );
    let reply = server
        .send(request(Method::POST, &path, &json_headers[1..], ping))
        .await;
    assert_eq!(reply.error(), (415, &json!(-32600)));
    assert_eq!(
        server.get(&format!("/episodes/{id}")).await.body["calls"],
        0
    );
}
