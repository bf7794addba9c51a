//! The OpenAPI document and the server say the same. Every reply that any test gets through `support::Server` is held against
//! the document ([`assert_documented`]); the tests here see to it that nothing is missing in either.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{Reply, Server, request};

/// As committed; a test sees to it that it is what the types give.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/openapi.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
});

/// Errors for requests that are no operation of the document's.
const OUTSIDE: [&str; 5] = ["unknown_endpoint", "method_not_allowed", "host_refused", "origin_refused", "unauthorized"];

/// The path of the document that a request's path is an instance of.
fn template(path: &str) -> Option<&'static String> {
    let fits = |template: &str| {
        let (mut left, mut right) = (template.split('/'), path.split('/'));
        loop {
            match (left.next(), right.next()) {
                (None, None) => return true,
                (Some(left), Some(right)) if left == right => {}
                // axum takes an empty segment for a parameter in the middle of a path, but not at its end.
                (Some(left), Some(right)) if left.starts_with('{') && !(right.is_empty() && path.ends_with('/')) => {}
                _ => return false,
            }
        }
    };
    DOCUMENT["paths"].as_object().unwrap().keys().find(|template| fits(template))
}

/// A schema of the document's, which may refer to others.
fn validator(pointer: String) -> Arc<Validator> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap();
    let made = known.entry(pointer).or_insert_with_key(|pointer| {
        let mut schema = DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}")).clone();
        schema["components"] = DOCUMENT["components"].clone();
        Arc::new(jsonschema::draft202012::new(&schema).unwrap())
    });
    Arc::clone(made)
}

/// Panics unless the document has this answer to such a request.
#[track_caller]
pub(crate) fn assert_documented(method: &Method, path: &str, reply: &Reply) {
    if method == Method::HEAD {
        return;
    }
    let verb = method.as_str().to_ascii_lowercase();
    let code = reply.body["error"]["data"]["code"].as_str().or(reply.body["error"]["code"].as_str());
    let operation = template(path).map(|template| (template, &DOCUMENT["paths"][template][&verb]));
    let Some((template, operation)) = operation.filter(|(_, operation)| operation.is_object()) else {
        assert!(code.is_some_and(|code| OUTSIDE.contains(&code)), "{method} {path} isn't documented: {reply:?}");
        return;
    };
    let responses = operation["responses"].as_object().unwrap();
    let key = [reply.status.as_str(), "default"].into_iter().find(|key| responses.contains_key(*key));
    let key = key.unwrap_or_else(|| panic!("{method} {template} doesn't document {reply:?}"));
    let media_type = reply.headers.get("content-type").map(|value| value.to_str().unwrap().split(';').next().unwrap());
    let Some(media_type) = media_type else {
        assert!(responses[key].get("content").is_none() && reply.bytes.is_empty(), "{method} {template}: {reply:?}");
        return;
    };
    let documented = responses[key]["content"].get(media_type).is_some();
    assert!(documented, "{method} {template} {key} doesn't document {media_type}");
    if media_type == "application/json" {
        let escaped = |text: &str| text.replace('~', "~0").replace('/', "~1");
        let template = escaped(template);
        let validator = validator(format!("/paths/{template}/{verb}/responses/{key}/content/application~1json/schema"));
        let problems: Vec<String> =
            validator.iter_errors(&reply.body).take(5).map(|err| format!("{}: {err}", err.instance_path())).collect();
        assert_eq!(problems, [""; 0], "{method} {path}: {}", reply.body);
    }
}

/// Method and path of everything in the document.
fn operations() -> Vec<(Method, &'static str)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of_path = |(path, operations): (&'static String, &'static Value)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| (method.to_ascii_uppercase().parse().unwrap(), path.as_str()))
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn the_server_serves_the_document() {
    let served = Server::new().get("/openapi.json").await;
    assert!(served.body == *DOCUMENT, "run `envfarm schemas`");
}

#[tokio::test]
async fn every_route_is_documented_and_every_operation_served() {
    let server = Server::new();
    // axum has no list of its routes but in its Debug form: a route that is added past the table shows there.
    let shown = format!("{:?}", server.router);
    let paths = shown.split('"').filter(|text| text.starts_with('/'));
    let routes: BTreeSet<&str> = paths.filter(|path| !["/", "/{*__private__axum_fallback}"].contains(path)).collect();
    let documented: BTreeSet<&str> = operations().into_iter().map(|(_, path)| path).collect();
    assert_eq!(routes, documented);

    let id = server.episode("notebook", None).await;
    for (_, path) in operations() {
        let concrete = path.replace("{id}", &id).replace("{name}", "notebook");
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if (method == Method::DELETE) && path == "/episodes/{id}" {
                continue;
            }
            let reply = server.send(request(method.clone(), &concrete, &[], "")).await;
            let data = &reply.body["error"];
            let code = data["data"]["code"].as_str().or(data["code"].as_str()).unwrap_or_default();
            let served = !["unknown_endpoint", "method_not_allowed"].contains(&code);
            let documented = operations().contains(&(method.clone(), path));
            assert_eq!(served, documented, "{method} {path}: {reply:?}");
        }
    }
}

#[test]
fn operations_have_names_of_their_own_and_resolvable_references() {
    let ids: Vec<&Value> = operations()
        .iter()
        .map(|(method, path)| &DOCUMENT["paths"][path][&method.as_str().to_ascii_lowercase()]["operationId"])
        .collect();
    let distinct: BTreeSet<&str> = ids.iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(distinct.len(), ids.len());
    let text = DOCUMENT.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(DOCUMENT.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    for secret in ["solution\"", "checks_sql", "\"program\"", "expected_state"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// The contract would be worth nothing if it accepted anything.
#[tokio::test]
async fn what_is_not_documented_is_noticed() {
    let server = Server::new();
    let mut reply = server.get("/healthz").await;
    reply.body["live_episodes"] = json!("none");
    let noticed = std::panic::catch_unwind(|| assert_documented(&Method::GET, "/healthz", &reply));
    assert!(noticed.is_err());
    let mut reply = server.get("/episodes/ep_1").await;
    assert_eq!(reply.body["error"]["code"], "unknown_episode");
    reply.body["error"]["code"] = json!("unknown_tool");
    let noticed = std::panic::catch_unwind(|| assert_documented(&Method::GET, "/episodes/ep_1", &reply));
    assert!(noticed.is_err());
}
