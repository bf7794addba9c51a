//! What a farm tells whoever watches it: metrics, readiness, logs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use envfarm::config::HttpSettings;
use envfarm::episode::EpisodeLimits;
use envfarm::farm::FarmLimits;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{Server, fixtures, request};

/// `GET /metrics`.
async fn scrape(server: &Server) -> String {
    let request = request(Method::GET, "/metrics", &[], "");
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let bytes: axum::body::Bytes = Body::new(response.into_body()).collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The series of an exposition, checked for form.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let mut typed = Vec::new();
    let mut series = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').unwrap();
            let name = rest.split(' ').next().unwrap();
            match kind {
                "TYPE" => typed.push(name),
                "HELP" => assert!(rest.ends_with('.'), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        let family = name.split('{').next().unwrap();
        let of_a_type = typed
            .iter()
            .any(|of| family.strip_prefix(of).is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest)));
        assert!(of_a_type, "{line} has no type");
        assert!(series.insert(name, value.parse().unwrap()).is_none(), "{name} comes twice");
    }
    series
}

#[track_caller]
fn assert_counted(text: &str, expected: &[(&str, f64)]) {
    let series = series(text);
    for (name, value) in expected {
        assert_eq!(series.get(name), Some(value), "{name} in {text}");
    }
}

#[tokio::test]
async fn every_outcome_of_a_call_is_counted() {
    let limits =
        FarmLimits { episode: EpisodeLimits { calls_max: 4, ..EpisodeLimits::default() }, ..FarmLimits::default() };
    let server = Server::with(limits, HttpSettings::default());
    let id = server.episode("notebook", None).await;
    server.call(&id, "list_notes", json!({})).await;
    server.call(&id, "get_note", json!({"note_id": 4})).await;
    server.call(&id, "get_note", json!({})).await;
    server.call(&id, "no such <tool>", json!({})).await;
    let path = format!("/episodes/{id}/calls");
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let body = json!({"tool": "list_notes"}).to_string();
    for _ in 0..2 {
        server.send(request(Method::POST, &path, &headers, &body)).await;
    }
    // The fifth is one too many; the sixth finds the episode ended.
    server.call(&id, "list_notes", json!({})).await;
    server.call(&id, "list_notes", json!({})).await;
    let faulty = server.episode("faulty", None).await;
    server.call(&faulty, "store_code", json!({"code": "long"})).await;

    let text = scrape(&server).await;
    let calls = |environment: &str, outcome: &str| {
        let name = format!("envfarm_calls_total{{environment=\"{environment}\",outcome=\"{outcome}\"}}");
        *series(&text).get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in {text}"))
    };
    for (outcome, count) in [
        ("completed", 2.0),
        ("refused", 2.0),
        ("invalid_arguments", 1.0),
        ("unknown_tool", 1.0),
        ("retried", 1.0),
        ("truncated", 1.0),
        ("faulted", 0.0),
        ("unrecorded", 0.0),
    ] {
        assert_eq!(calls("notebook", outcome), count, "{outcome}");
    }
    assert_eq!(calls("faulty", "faulted"), 1.0);
    assert_counted(
        &text,
        &[
            ("envfarm_call_duration_seconds_count{environment=\"notebook\"}", 8.0),
            ("envfarm_call_duration_seconds_bucket{environment=\"notebook\",le=\"+Inf\"}", 8.0),
            ("envfarm_call_duration_seconds_bucket{environment=\"notebook\",le=\"10\"}", 8.0),
            ("envfarm_episodes_ended_total{environment=\"notebook\",state=\"truncated\"}", 1.0),
            ("envfarm_episodes_ended_total{environment=\"faulty\",state=\"faulted\"}", 1.0),
            ("envfarm_episodes{state=\"truncated\"}", 1.0),
            ("envfarm_episodes{state=\"faulted\"}", 1.0),
            ("envfarm_episodes{state=\"live\"}", 0.0),
            ("envfarm_environment_loads_total", 2.0),
            ("envfarm_environments_loaded", 2.0),
        ],
    );
    assert!(text.contains("envfarm_call_duration_seconds_bucket{environment=\"notebook\",le=\"1e-05\"}"), "{text}");
}

#[tokio::test]
async fn episodes_are_counted_from_their_creation_to_their_end() {
    let server = Server::new();
    let spec = json!({"environment": "notebook", "task": "pin_the_groceries", "count": 3});
    let created = server.post("/episodes", spec).await;
    let ids: Vec<&str> =
        created.body["episodes"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let untouched = scrape(&server).await;
    assert_counted(&untouched, &[("envfarm_overlay_bytes", 0.0), ("envfarm_episodes{state=\"live\"}", 3.0)]);
    server.call(ids[0], "pin_note", json!({"note_id": 1})).await;
    let parent = envfarm::id::EpisodeId::parse(ids[0]).unwrap();
    let before = series(&scrape(&server).await)["envfarm_overlay_bytes"];
    assert!(before >= 1024.0, "{before}");
    let forks = server.farm.fork(&parent, 2).unwrap();
    assert_counted(&scrape(&server).await, &[("envfarm_overlay_bytes", 3.0 * before)]);
    server.farm.remove_all(&forks).unwrap();
    assert_counted(&scrape(&server).await, &[("envfarm_overlay_bytes", before)]);

    let answer = json!({"answer": "Answer: 750"});
    for id in &ids[..2] {
        server.post(&format!("/episodes/{id}/verify"), answer.clone()).await;
        // Asked again, it is the same verdict.
        server.post(&format!("/episodes/{id}/verify"), answer.clone()).await;
    }
    let free = server.episode("notebook", None).await;
    server.post(&format!("/episodes/{free}/verify"), json!({})).await;
    server.delete(&format!("/episodes/{free}")).await;
    assert_counted(
        &scrape(&server).await,
        &[
            ("envfarm_episodes_created_total{environment=\"notebook\"}", 4.0),
            ("envfarm_episodes_forked_total{environment=\"notebook\"}", 2.0),
            ("envfarm_episodes_ended_total{environment=\"notebook\",state=\"terminated\"}", 3.0),
            ("envfarm_verdicts_total{environment=\"notebook\",reward=\"passed\"}", 1.0),
            ("envfarm_verdicts_total{environment=\"notebook\",reward=\"failed\"}", 1.0),
            ("envfarm_verdicts_total{environment=\"notebook\",reward=\"none\"}", 1.0),
            ("envfarm_episodes{state=\"live\"}", 1.0),
            ("envfarm_episodes{state=\"terminated\"}", 2.0),
            ("envfarm_episodes_removed_total", 3.0),
        ],
    );
    server.send(request(Method::POST, &format!("/episodes/{}/reset", ids[0]), &[], "")).await;
    assert_counted(
        &scrape(&server).await,
        &[
            ("envfarm_episodes_reset_total{environment=\"notebook\"}", 1.0),
            ("envfarm_overlay_bytes", 0.0),
            ("envfarm_episodes{state=\"live\"}", 2.0),
            ("envfarm_episodes{state=\"terminated\"}", 1.0),
        ],
    );
}

#[tokio::test]
async fn expired_episodes_are_counted() {
    let limits = FarmLimits { idle_ttl: Duration::ZERO, ..FarmLimits::default() };
    let server = Server::with(limits, HttpSettings::default());
    server.episode("notebook", None).await;
    assert_eq!(server.farm.sweep(), 1);
    assert_counted(
        &scrape(&server).await,
        &[("envfarm_episodes_expired_total", 1.0), ("envfarm_episodes{state=\"live\"}", 0.0)],
    );
}

#[tokio::test]
async fn labels_are_ours_and_never_what_somebody_sent() {
    let server = Server::new();
    let id = server.episode("notebook", None).await;
    server.call(&id, "sneaky_tool", json!({})).await;
    server.post("/episodes", json!({"environment": "sneaky_environment"})).await;
    server.get("/environments/sneaky_environment").await;
    server.get("/sneaky/path").await;
    server.get(&format!("/episodes/{id}")).await;
    server.get("/healthz").await;
    let text = scrape(&server).await;
    assert!(!text.contains("sneaky") && !text.contains(&id), "{text}");
    assert_counted(
        &text,
        &[
            ("envfarm_http_request_duration_seconds_count{route=\"/episodes/{id}\",status=\"2xx\"}", 1.0),
            ("envfarm_http_request_duration_seconds_count{route=\"/episodes\",status=\"2xx\"}", 1.0),
            ("envfarm_http_request_duration_seconds_count{route=\"/episodes\",status=\"4xx\"}", 1.0),
            ("envfarm_http_request_duration_seconds_count{route=\"/environments/{name}\",status=\"4xx\"}", 1.0),
            ("envfarm_http_request_duration_seconds_count{route=\"other\",status=\"4xx\"}", 1.0),
            ("envfarm_http_request_duration_seconds_count{route=\"/healthz\",status=\"2xx\"}", 1.0),
        ],
    );
    // Only what was used: a thousand environments would be a thousand pages of zeros.
    assert!(!text.contains("lending"), "{text}");
}

#[tokio::test]
async fn limits_build_and_process_are_told() {
    let limits = FarmLimits { live_episodes_max: 77, idle_ttl: Duration::from_secs(78), ..FarmLimits::default() };
    let server = Server::with(limits, HttpSettings { scratch_episodes_max: 79, ..HttpSettings::default() });
    let text = scrape(&server).await;
    let build = format!("envfarm_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_counted(
        &text,
        &[
            ("envfarm_limit{name=\"live_episodes_max\"}", 77.0),
            ("envfarm_limit{name=\"idle_ttl_s\"}", 78.0),
            ("envfarm_limit{name=\"scratch_episodes_max\"}", 79.0),
            ("envfarm_limit{name=\"call_deadline_ms\"}", 10_000.0),
            ("envfarm_limit{name=\"body_read_ms_max\"}", 30_000.0),
            (build.as_str(), 1.0),
        ],
    );
    let series = series(&text);
    assert!(series["process_start_time_seconds"] > 1.7e9);
    assert!(!cfg!(target_os = "linux") || series["process_resident_memory_bytes"] > 1e6);
    assert_eq!(series.keys().filter(|name| name.starts_with("envfarm_limit{")).count(), 14);
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.body), (200, &json!({"status": "ready"})));
}

#[test]
fn counts_are_right_when_many_count_at_once() {
    let server = Server::new();
    let name = envfarm::id::EnvironmentName::parse("notebook").unwrap();
    let spec =
        || envfarm::farm::EpisodeSpec { environment: name.clone(), task: None, seed: 0, actor: None, owner: None };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let id = server.farm.create(spec()).unwrap();
                    let live = server.farm.episode(&id).unwrap();
                    let Value::Object(note) = json!({"title": "x", "body": "y"}) else { unreachable!() };
                    live.call("add_note", note, None).unwrap();
                    drop(live);
                    server.farm.remove(&id).unwrap();
                }
            });
        }
    });
    let metrics: &Arc<_> = server.farm.metrics();
    assert_eq!(metrics.environment(&name).calls(envfarm::metrics::Outcome::Completed), 100);
    assert_eq!((metrics.overlay_bytes.get(), metrics.held(0)), (0, 0));
}

/// `envfarm serve` as a process.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_envfarm"))
            .args(["serve", "--port", "0", "--envs"])
            .arg(fixtures())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, address }
    }

    /// The JSON body of an answer.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, body) = (&self.address, body.to_string());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap_or(Value::Null)
    }

    /// Ends the process and gives what it logged, line by line.
    fn logged(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"))).collect()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server after a good call, one that faults and one too many, with the ids of those episodes, and what it logged.
fn log_of(arguments: &[&str]) -> ([String; 3], Vec<Value>) {
    let serving = Serving::new(&[&["--json-logs", "--calls-max", "1"], arguments].concat());
    let create = |environment: &str| {
        let created = serving.send("POST", "/episodes", &json!({"environment": environment}));
        created["episodes"][0]["id"].as_str().unwrap().to_owned()
    };
    let ids = [create("notebook"), create("faulty"), create("notebook")];
    let call = |id: &str, body: Value| serving.send("POST", &format!("/episodes/{id}/calls"), &body);
    call(&ids[0], json!({"tool": "list_notes"}));
    call(&ids[1], json!({"tool": "store_code", "arguments": {"code": "long"}}));
    call(&ids[2], json!({"tool": "list_notes"}));
    call(&ids[2], json!({"tool": "get_note", "arguments": {"note_id": 1}}));
    (ids, serving.logged())
}

#[test]
fn the_log_names_episode_and_tool_where_a_call_went_wrong() {
    let ([good, faulted, truncated], log) = log_of(&[]);
    let about = |id: &str| log.iter().filter(|line| line.to_string().contains(id)).collect::<Vec<_>>();
    assert_eq!(about(&good), [&json!(null); 0], "nothing is said of a call that went well");
    let [fault] = about(&faulted)[..] else { panic!("once: {log:#?}") };
    assert_eq!((&fault["level"], &fault["episode.id"]), (&json!("ERROR"), &json!(faulted)));
    assert_eq!((&fault["tool.name"], &fault["environment"]), (&json!("store_code"), &json!("faulty")));
    assert!(fault["err"].as_str().unwrap().contains("CHECK constraint failed"), "{fault}");
    assert_eq!(log.iter().filter(|line| line["level"] == "ERROR").count(), 1, "{log:#?}");
    let [truncation] = about(&truncated)[..] else { panic!("once: {log:#?}") };
    assert_eq!((&truncation["level"], &truncation["episode.id"]), (&json!("INFO"), &json!(truncated)));
    assert_eq!((&truncation["tool.name"], &truncation["environment"]), (&json!("get_note"), &json!("notebook")));
    assert_eq!(truncation["reason"], "the limit of calls is reached");
}

#[test]
fn every_call_is_logged_where_debugging_is_asked_for() {
    let ([good, faulted, _], log) = log_of(&["--log", "envfarm=debug"]);
    let calls = |id: &str| {
        log.iter().filter(|line| line["episode.id"] == *id && line["elapsed_us"].is_u64()).collect::<Vec<_>>()
    };
    let [call] = calls(&good)[..] else { panic!("once: {log:#?}") };
    assert_eq!(
        (&call["level"], &call["tool.name"], &call["outcome"]),
        (&json!("DEBUG"), &json!("list_notes"), &json!("completed"))
    );
    assert_eq!(calls(&faulted)[0]["outcome"], "faulted");
}

/// `envfarm top` with a farm's address and arguments.
fn top(address: &str, arguments: &[&str], token: Option<&str>) -> crate::cli::Run {
    let place = crate::cli::Place::empty();
    if let Some(token) = token {
        std::fs::write(place.path("token"), format!("{token}\n")).unwrap();
    }
    let url = format!("http://{address}");
    let token = if token.is_some() { ["--token-file", "token"].as_slice() } else { &[] };
    place.run(&[&["top", "--url", &url], arguments, token].concat())
}

#[test]
fn top_shows_a_running_farm() {
    let serving = Serving::new(&["--connections-max", "321"]);
    let created = serving.send("POST", "/episodes", &json!({"environment": "notebook", "count": 2}));
    let id = created["episodes"][0]["id"].as_str().unwrap();
    for (tool, note) in [("list_notes", None), ("get_note", Some(1)), ("get_note", Some(4))] {
        let arguments = note.map(|note| json!({"note_id": note}));
        serving.send("POST", &format!("/episodes/{id}/calls"), &json!({"tool": tool, "arguments": arguments}));
    }
    let document = top(&serving.address, &["--once", "--json"], None).json();
    crate::cli::assert_valid("top.json", &document);
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&document["calls"], &document["live_episodes_max"]), (&json!(3), &json!(10_000)));
    assert_eq!(document["episodes"][0], json!({"name": "live", "count": 2}));
    assert_eq!(document["outcomes"][1], json!({"name": "refused", "count": 1}));
    assert!(document["calls_per_s"].as_f64().unwrap() > 0.0 && document["call_p99_s"].as_f64().unwrap() > 0.0);
    let row = &document["environments"][0];
    assert_eq!((&row["name"], &row["calls"], &row["faulted"]), (&json!("notebook"), &json!(3), &json!(0)));
    assert!((row["refused_percent"].as_f64().unwrap() - 33.3).abs() < 0.1, "{row}");

    let text = top(&serving.address, &["--once"], None);
    text.says(0, "episodes 2 of 10000 live");
    text.says(0, "calls completed 2  refused 1");
    text.says(0, "notebook");
    top(&serving.address, &[], None).says(2, "this is no terminal; --once prints one snapshot");
}

#[test]
fn top_says_why_it_shows_nothing() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    top(&free, &["--once"], None).says(1, &format!("nothing listens at http://{free}; `envfarm serve` starts a farm"));
    let place = crate::cli::Place::empty();
    place
        .run(&["top", "--once", "--url", "https://farm.example"])
        .says(2, "expected a URL as in http://127.0.0.1:8700");
    place.run(&["top", "--once", "--token-file", "nothing"]).says(2, "failed to read nothing");
    place.run(&["top", "--json"]).says(2, "--once");

    let admin = "a".repeat(64);
    std::fs::write(place.path("admin"), &admin).unwrap();
    let serving = Serving::new(&["--admin-token-file", place.path("admin").to_str().unwrap()]);
    top(&serving.address, &["--once"], None).says(1, "asks for a token: set ENVFARM_ADMIN_TOKEN");
    top(&serving.address, &["--once"], Some(&"b".repeat(64))).says(1, "doesn't know this token");
    top(&serving.address, &["--once"], Some(&admin)).says(0, "episodes 0 of 10000 live");
}
