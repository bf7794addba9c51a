//! What an agent can reach from its URL, and that no answer of the server's has what must not leave it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use envfarm::config::HttpSettings;
use envfarm::config::access::{Access, TokenDigest};
use envfarm::farm::{Farm, FarmLimits};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::access::ADMIN;
use crate::support::{Server, initialize_params, request, stateless_request};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The texts under these keys, however deep.
fn texts_under(value: &Value, keys: &[&str], found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(text) if keys.contains(&key.as_str()) => {
                        found.insert(text.trim().to_owned());
                    }
                    _ => texts_under(field, keys, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts_under(item, keys, found)),
        _ => {}
    }
}

/// A package, and what of it must stay with the server.
struct Package {
    name: String,
    task: String,
    tools: Vec<String>,
    /// SQL of tools and verifiers, names of checks.
    sql: BTreeSet<String>,
    /// Answers of solutions that no instruction states.
    answers: BTreeSet<String>,
}

impl Package {
    fn read(directory: &Path) -> Self {
        let tasks = yaml(&directory.join("tasks.yaml"));
        let tools = yaml(&directory.join("tools.yaml"));
        let listed = |document: &Value| -> Vec<Value> {
            let list = document.as_array().or_else(|| document.as_object()?.values().find_map(Value::as_array));
            list.cloned().unwrap_or_default()
        };
        let named = |document: &Value| -> Vec<String> {
            listed(document).iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
        };
        let mut sql = BTreeSet::new();
        texts_under(&tasks, &["sql"], &mut sql);
        texts_under(&tools, &["guard", "let", "run", "row", "rows", "value", "when"], &mut sql);
        let mut answers = BTreeSet::new();
        for task in listed(&tasks) {
            texts_under(&task["verify"]["checks"], &["name"], &mut sql);
            if let Some(answer) = task["solution"]["answer"].as_str() {
                // A number of few digits stands by chance in many places.
                let stated = task["instruction"].as_str().unwrap().contains(answer);
                if answer.len() >= 6 && !stated {
                    answers.insert(answer.to_owned());
                }
            }
        }
        sql.retain(|text| text.len() >= 12);
        assert!(sql.len() > 20 && !answers.is_empty(), "{}", directory.display());
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        Self { name, task: named(&tasks)[0].clone(), tools: named(&tools), sql, answers }
    }
}

/// What only our code or SQLite says. (`sqlite` alone doesn't stand here: a trainer can download a database.)
const INTERNALS: [&str; 9] =
    ["SELECT ", "INSERT INTO", "rusqlite", "serde", "panicked", ".rs:", "src/", "struct ", "envfarm::"];

/// Collects what the server says to somebody.
struct Ear<'a> {
    server: &'a Server,
    package: &'a Package,
    secrets: Vec<String>,
}

impl Ear<'_> {
    /// Sends a request, sees to it that nothing leaks, and gives status and body.
    async fn hear(&self, request: Request<Body>, may_answer: bool) -> (StatusCode, String) {
        let asked = format!("{} {}", request.method(), request.uri());
        let response = self.server.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let plain = String::from_utf8_lossy(&bytes).into_owned();
        // Escapes of JSON would hide a text that spans lines or has quotes.
        let text = format!("{:?}\n{plain}\n{}", head.headers, plain.replace("\\n", "\n").replace("\\\"", "\""));
        let internals = INTERNALS.into_iter().map(str::to_owned).chain(self.secrets.iter().cloned());
        let answers = self.package.answers.iter().filter(|_| !may_answer);
        for secret in internals.chain(self.package.sql.iter().cloned()).chain(answers.cloned()) {
            assert!(!text.contains(&secret), "{asked} says {secret:?}: {text}");
        }
        (head.status, plain)
    }

    async fn json_rpc(&self, path: &str, body: &str) -> (StatusCode, String) {
        let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        self.hear(request(Method::POST, path, &headers, body), false).await
    }
}

/// Bodies that are wrong in some way, and those that ask for everything.
fn bodies() -> Vec<String> {
    let mut bodies: Vec<String> = [
        "",
        "{",
        "[]",
        "null",
        "7",
        "\"x\"",
        "{}",
        "[{}]",
        "\u{0}",
        "{\"jsonrpc\": \"2.0\"}",
        "{\"jsonrpc\": 2, \"id\": {}}",
        "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": 7}",
        "{\"tool\": 1}",
        "{\"tool\": \"x\", \"arguments\": []}",
        "{\"answer\": 7}",
        "{\"environment\": {}}",
        "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/call\", \"params\": []}",
        "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/call\", \"params\": {\"name\": 3}}",
    ]
    .map(str::to_owned)
    .to_vec();
    for method in [
        "tools/list",
        "server/discover",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
        "ping",
        "tasks/list",
        "roots/list",
        "initialize",
        "no/such",
        "sampling/createMessage",
        "notifications/initialized",
        "verify",
        "reset",
        "subscriptions/listen",
    ] {
        let params = if method == "initialize" {
            initialize_params()
        } else {
            json!({"uri": "file:///etc/passwd", "name": "x"})
        };
        bodies.push(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string());
        bodies.push(json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string());
    }
    bodies
}

/// Everything REST has or might have, for one id.
fn routes(id: &str, environment: &str) -> Vec<String> {
    let mut routes: Vec<String> = [
        "",
        "/calls",
        "/reset",
        "/verify",
        "/fork",
        "/trajectory",
        "/diff",
        "/database",
        "/snapshot",
        "/../",
        "/mcp/../verify",
    ]
    .iter()
    .map(|rest| format!("/episodes/{id}{rest}"))
    .collect();
    routes.extend(["", "/tools", "/tasks", "/solutions"].map(|rest| format!("/environments/{environment}{rest}")));
    routes.extend(
        ["/", "/episodes", "/environments", "/tasks", "/metrics", "/openapi.json", "/ui", "/tasks.yaml"]
            .map(str::to_owned),
    );
    routes.extend([
        format!("/envs/{environment}/mcp"),
        format!("/envs/{environment}/tasks.yaml"),
        "/envs/..%2f..%2fetc".to_owned(),
    ]);
    routes
}

fn packages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(root().join("envs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.join("tasks.yaml").is_file());
    found.sort();
    assert!(found.len() >= 3);
    found
}

async fn create(server: &Server, package: &Package) -> String {
    let headers = [("content-type", "application/json"), ("authorization", &*format!("Bearer {ADMIN}"))];
    let body = json!({"environment": package.name, "task": package.task}).to_string();
    let reply = server.send(request(Method::POST, "/episodes", &headers, &body)).await;
    reply.body["episodes"][0]["id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

#[tokio::test]
async fn an_agent_reaches_its_tools_and_nothing_else() {
    for directory in packages() {
        let package = Package::read(&directory);
        let access = Access { admin: Some(TokenDigest::of(ADMIN)), trainers: Vec::new() };
        let settings = HttpSettings { access, body_bytes_max: 64 * 1024, ..HttpSettings::default() };
        let server = Server::over(Farm::open(&directory, FarmLimits::default()).unwrap(), settings);
        let own = create(&server, &package).await;
        let other = create(&server, &package).await;
        let secrets = vec![
            "sqlite".to_owned(),
            ADMIN.to_owned(),
            other.clone(),
            root().display().to_string(),
            directory.display().to_string(),
        ];
        let ear = Ear { server: &server, package: &package, secrets };

        // REST, on its own and on another's id: nothing without a token.
        for path in [&own, &other].into_iter().flat_map(|id| routes(id, &package.name)) {
            for method in
                [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::HEAD]
            {
                let asked = request(method.clone(), &path, &[("content-type", "application/json")], "{}");
                let (status, _) = ear.hear(asked, false).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            }
        }
        let url = format!("/episodes/{own}/mcp");
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let (status, _) = ear.hear(request(method.clone(), &url, &[], ""), false).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        }

        // Ids that differ in one digit, and what only looks like an id.
        let digit = own.chars().last().unwrap();
        let near = format!("{}{}", &own[..own.len() - 1], if digit == '0' { '1' } else { '0' });
        for id in
            [near, own.to_uppercase(), own.replace("ep_", ""), format!("{own}0"), "..".to_owned(), "%00".to_owned()]
        {
            let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
            let (status, text) = ear.json_rpc(&format!("/episodes/{id}/mcp"), &list).await;
            assert!(status == StatusCode::NOT_FOUND && text.contains("unknown_episode"), "{id}: {status} {text}");
        }

        // Whatever it says to its own URL.
        for body in bodies() {
            ear.json_rpc(&url, &body).await;
            for headers in [
                [("content-type", "text/plain"), ("accept", "*/*")],
                [("content-type", "application/json"), ("accept", "text/html")],
            ] {
                ear.hear(request(Method::POST, &url, &headers, &body), false).await;
            }
        }
        let (status, _) = ear.json_rpc(&url, &format!("\"{}\"", "x".repeat(70_000))).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        for method in ["server/discover", "tools/list", "prompts/list", "resources/list"] {
            ear.hear(stateless_request(&url, method, json!({}), &[]), false).await;
        }

        // Every tool: without arguments, with nonsense, with SQL. Only what a tool completes with may state an answer.
        for tool in package.tools.iter().map(String::as_str).chain(["verify", "reset", "no_such_tool", "x' OR 1=1 --"])
        {
            for arguments in
                [json!({}), json!({"id": "' OR 1=1 --", "query": "'; DROP TABLE x", "nonsense": {"a": [1]}}), json!([])]
            {
                let params = json!({"name": tool, "arguments": arguments});
                let (_, text) = ear.hear(stateless_request(&url, "tools/call", params, &[]), true).await;
                let failed = text.contains("\"error\"") || text.contains("\"isError\":true");
                let answers = package.answers.iter().any(|answer| text.contains(answer.as_str()));
                assert!(!(failed && answers), "{tool}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn trainers_are_told_no_solutions_either() {
    for directory in packages() {
        let mut package = Package::read(&directory);
        let server = Server::over(Farm::open(&directory, FarmLimits::default()).unwrap(), HttpSettings::default());
        let id = server.episode(&package.name, Some(&package.task)).await;
        // Who can be signed in is no secret.
        let environment = server.farm.environment(&package.name).unwrap();
        package.answers.retain(|answer| !environment.actors().iter().any(|actor| actor.name.contains(answer)));
        assert!(!package.answers.is_empty());
        let ear = Ear { server: &server, package: &package, secrets: vec![directory.display().to_string()] };
        for path in routes(&id, &package.name).into_iter().filter(|path| !path.ends_with("/database")) {
            ear.hear(request(Method::GET, &path, &[], ""), false).await;
        }
        // A verdict names its checks to the trainer; /verify itself is left out.
        for path in [
            "/episodes",
            &format!("/episodes/{id}/calls"),
            &format!("/episodes/{id}/reset"),
            &format!("/episodes/{id}/fork"),
        ] {
            for body in bodies() {
                let (status, _) = ear.json_rpc(path, &body).await;
                assert!(status.is_client_error() || status.is_success(), "{path} {body}: {status}");
            }
        }
    }
}
