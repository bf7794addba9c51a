//! The commands as processes: stdio's protocol and trajectory, exit codes, and what `serve` prints.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{SESSIONS, fixtures, initialize_params, meta};

fn envfarm(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_envfarm"));
    command
        .args(arguments)
        .arg("--envs")
        .arg(fixtures())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child = envfarm(arguments).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn write(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// The next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).unwrap();
        assert!(read > 0, "the output ended");
        line
    }

    fn request(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let answer: Value = serde_json::from_str(&self.line()).unwrap();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    fn initialize(&mut self) -> Value {
        let answer = self.request(0, "initialize", initialize_params());
        self.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer
    }

    /// Waits for its end. Gives the exit code.
    fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Ends the process by closing its stdin. Gives the exit code.
    fn close(mut self) -> Option<i32> {
        drop(self.input.take());
        self.wait()
    }
}

impl Drop for Process {
    /// A failed test leaves nothing running.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn stdio_serves_one_episode_and_records_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.jsonl");
    let mut process = Process::start(&[
        "stdio",
        "notebook",
        "--task",
        "pin_the_groceries",
        "--seed",
        "3",
        "--trajectory",
        file.to_str().unwrap(),
    ]);
    let started = process.initialize();
    assert_eq!(started["result"]["protocolVersion"], SESSIONS);
    assert!(started["result"]["instructions"].as_str().unwrap().contains("Pin my note"));
    let listed = process.request(1, "tools/list", json!({}));
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 4);
    let pinned = process.request(2, "tools/call", json!({"name": "pin_note", "arguments": {"note_id": 1}}));
    assert_eq!(pinned["result"]["structuredContent"]["note"]["pinned"], true);
    let refused = process.request(3, "tools/call", json!({"name": "get_note", "arguments": {"note_id": 4}}));
    assert_eq!(refused["result"]["isError"], true);

    // Written as the calls happen, so that a killed process leaves what it did.
    let lines = || -> Vec<Value> {
        std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let recorded = lines();
    assert_eq!(recorded.len(), 3, "{recorded:?}");
    assert_eq!(recorded[0]["format"], "envfarm-trajectory");
    assert_eq!((&recorded[0]["task"], &recorded[0]["seed"]), (&json!("pin_the_groceries"), &json!(3)));
    assert_eq!(recorded[1]["tool"], "pin_note");
    assert_eq!(recorded[2]["tool"], "get_note");
    assert_eq!(process.close(), Some(0));
    assert_eq!(lines(), recorded);
}

#[test]
fn stdio_answers_what_was_asked_before_the_input_ended() {
    let mut process = Process::start(&["stdio", "notebook"]);
    process.initialize();
    for id in 1..=20 {
        let call = json!({"name": "add_note", "arguments": {"title": format!("{id}"), "body": ""}});
        process.write(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call}));
    }
    drop(process.input.take());
    let mut rest = String::new();
    process.output.read_to_string(&mut rest).unwrap();
    let titles: Vec<Value> = rest
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["result"]["structuredContent"]["note"]["title"].clone()
        })
        .collect();
    let expected: Vec<Value> = (1..=20).map(|id| json!(format!("{id}"))).collect();
    assert_eq!(titles, expected, "in the order of the calls");
    assert_eq!(process.wait(), Some(0));
}

#[test]
fn stdio_speaks_the_stateless_protocol_too() {
    let mut process = Process::start(&["stdio", "notebook"]);
    let found = process.request(1, "server/discover", json!({"_meta": meta()}));
    assert_eq!(found["result"]["resultType"], "complete", "{found}");
    let call = json!({"name": "list_notes", "arguments": {}, "_meta": meta()});
    let listed = process.request(2, "tools/call", call);
    assert_eq!(listed["result"]["structuredContent"]["total"], 3);
    assert_eq!(process.close(), Some(0));
}

#[cfg(unix)]
#[test]
fn stdio_stops_cleanly_when_asked_to() {
    let mut process = Process::start(&["stdio", "notebook"]);
    process.initialize();
    terminate(&process.child);
    assert_eq!(process.wait(), Some(0));
}

#[test]
fn unknown_names_get_suggestions_and_exit_code_2() {
    for (arguments, hint) in [
        (&["stdio", "notebok"][..], "notebook"),
        (&["stdio", "notebook", "--task", "pin_groceries"], "pin_the_groceries"),
        (&["stdio", "notebook", "--actor", "9"], "Tomasz Zielinski"),
        (&["list", "notebok"], "notebook"),
        (&["serve", "--host", "0.0.0.0"], "--allow-unauthenticated"),
        (&["serve", "--allowed-host", "http://x"], "farm.example"),
        (&["serve", "--base-url", "farm.example"], "https://"),
        (&["stdio"], "<ENVIRONMENT>"),
    ] {
        let output = envfarm(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(hint), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "stdout belongs to the protocol");
    }
}

#[test]
fn list_shows_environments_tools_and_tasks() {
    let run = |arguments: &[&str]| {
        let output = envfarm(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["list"]).contains("Notebook"));
    let one = run(&["list", "notebook"]);
    assert!(one.contains("pin_note") && one.contains("find_the_reference"), "{one}");
    let listed: Value = serde_json::from_str(&run(&["list", "--json"])).unwrap();
    assert!(listed["environments"].as_array().unwrap().iter().any(|environment| environment["name"] == "notebook"));
    let one: Value = serde_json::from_str(&run(&["list", "notebook", "--json"])).unwrap();
    assert_eq!(one["tools"].as_array().unwrap().len(), 4);
    let lending: Value = serde_json::from_str(&run(&["list", "lending", "--json"])).unwrap();
    assert_eq!(lending["tasks"][2]["facts"]["hops"], 2);
}

#[cfg(unix)]
#[test]
fn serve_says_where_it_listens_and_how_to_connect() {
    let mut process = Process::start(&["serve", "--port", "0"]);
    let first = process.line();
    let url = first.trim().strip_prefix("listening on ").unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"), "{url}");

    let port = url.rsplit(':').next().unwrap();
    let second = envfarm(&["serve", "--port", port]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains("--port"));

    let mut text = String::new();
    while !text.contains("may do everything") {
        text.push_str(&process.line());
    }
    for part in [
        format!("{url}/envs/notebook/mcp"),
        "claude mcp add --transport http".to_owned(),
        "\"mcpServers\"".to_owned(),
        "npx @modelcontextprotocol/inspector --cli".to_owned(),
        "Notebook, 4 tools, 2 tasks".to_owned(),
        "/episodes/{id}/mcp".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} in {text}");
    }
    terminate(&process.child);
    assert_eq!(process.wait(), Some(0));
}

#[cfg(unix)]
fn terminate(child: &Child) {
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}
