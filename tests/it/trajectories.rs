//! Commands over many trajectories: `replay` and `export`, as the built program.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use envfarm::engine::environment::Environment;
use envfarm::episode::{Episode, EpisodeLimits};
use envfarm::id::TaskName;
use envfarm::trajectory::{self, Line, Trajectories};
use serde_json::{Value, json};

use crate::cli::{Place, Run, assert_valid};
use crate::support::fixtures;

/// What an agent does in an attempt at `pin_the_groceries`.
enum Attempt {
    Solves,
    /// Reads and answers nothing.
    Idles,
    /// Pins and is never judged.
    BreaksOff,
}

/// A trajectory of the notebook fixture as lines.
fn attempt(attempt: &Attempt, seed: u64) -> String {
    let environment = Environment::load(&fixtures().join("notebook")).environment.unwrap();
    let task = TaskName::parse("pin_the_groceries").unwrap();
    let limits = EpisodeLimits::default();
    let mut episode = Episode::new(Arc::clone(&environment), Some(task), seed, None, limits).unwrap();
    let mut call = |tool: &str, arguments: Value| {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        episode.call(tool, arguments).unwrap()
    };
    let listed = call("list_notes", json!({"limit": 5}));
    call("get_note", json!({"note_id": 4}));
    if !matches!(attempt, Attempt::Idles) {
        let notes = listed.structured().unwrap()["notes"].as_array().unwrap().clone();
        let groceries = notes.iter().find(|note| note["title"] == "Groceries").unwrap()["id"].clone();
        call("pin_note", json!({"note_id": groceries}));
    }
    match attempt {
        Attempt::Solves => drop(episode.verify(Some("Pinned.\nAnswer: 750"))),
        Attempt::Idles => drop(episode.verify(None)),
        Attempt::BreaksOff => {}
    }
    let mut text = Vec::new();
    for line in episode.trajectory().unwrap().lines() {
        trajectory::write(&mut text, &line).unwrap();
    }
    String::from_utf8(text).unwrap()
}

/// A folder with the files `one.jsonl` (three trajectories) and `two.jsonl` (one).
fn recordings() -> (Place, [String; 2]) {
    let place = Place::empty();
    let one = [attempt(&Attempt::Solves, 1), attempt(&Attempt::Idles, 2), attempt(&Attempt::BreaksOff, 3)].concat();
    let two = attempt(&Attempt::Solves, 4);
    fs::write(place.path("one.jsonl"), &one).unwrap();
    fs::write(place.path("two.jsonl"), &two).unwrap();
    (place, [one, two])
}

fn run(place: &Place, arguments: &[&str]) -> Run {
    let envs = fixtures();
    let envs = ["--envs", envs.to_str().unwrap()];
    place.run(&[arguments, &envs].concat())
}

fn lines(run: &Run) -> Vec<Value> {
    run.stdout.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_holds_many_trajectories_and_a_broken_line_costs_one() {
    let (good, idle) = (attempt(&Attempt::Solves, 1), attempt(&Attempt::Idles, 2));
    let read = |text: &str| {
        Trajectories::new(text.as_bytes())
            .map(|found| match found {
                Ok(found) => format!("{} seed {}", found.line, found.trajectory.header.seed),
                Err(err) => err.to_string().chars().take(20).collect(),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(read(&format!("{good}{idle}{good}")), ["1 seed 1", "6 seed 2", "10 seed 1"]);
    let broken = good.replacen("\"type\":\"call\"", "\"type\":\"cull\"", 1);
    assert_eq!(read(&format!("{idle}{broken}{idle}")), ["1 seed 2", "line 6: unknown vari", "10 seed 2"]);
    // What stands behind an end or before any header belongs to nothing, and is told once.
    let call = good.lines().nth(1).unwrap();
    assert_eq!(
        read(&format!("{call}\n{call}\n{idle}{call}\n{call}\n{good}")),
        ["line 1: is out of or", "3 seed 2", "line 7: is out of or", "9 seed 1"]
    );
    let old = good.replacen("\"version\":1", "\"version\":9", 1);
    assert_eq!(read(&format!("{old}{idle}")), ["line 1: version 9 is", "6 seed 2"]);
    assert_eq!(read(&format!("{idle}{}", &good[..good.len() - 9])), ["1 seed 2", "line 9: EOF while pa"]);
    let long = format!("{{\"type\":\"call\",\"tool\":\"{}\"}}\n", "x".repeat(trajectory::LINE_BYTES_MAX));
    assert_eq!(read(&format!("{long}{idle}")), ["line 1: is longer th", "2 seed 2"]);
    assert_eq!(read(""), [""; 0]);
}

#[test]
fn a_trajectory_that_never_ends_is_not_kept_in_memory() {
    let header = attempt(&Attempt::BreaksOff, 1).lines().next().unwrap().to_owned() + "\n";
    let step = Line::Call(trajectory::Step {
        tool: "get_note".to_owned(),
        arguments: serde_json::Map::new(),
        observation: json!("x".repeat(1 << 20)),
        is_error: false,
    });
    let mut call = Vec::new();
    trajectory::write(&mut call, &step).unwrap();
    let calls = std::iter::repeat_n(call.as_slice(), 2 * trajectory::TRAJECTORY_BYTES_MAX / call.len());
    let text = [&[header.as_bytes()], calls.collect::<Vec<_>>().as_slice(), &[header.as_bytes()]].concat().concat();
    let found: Vec<_> = Trajectories::new(text.as_slice()).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].as_ref().unwrap_err().to_string().contains("longer than"));
    assert!(found[1].is_ok());
}

#[test]
fn replay_says_that_everything_is_the_same() {
    let (place, _) = recordings();
    run(&place, &["replay", "one.jsonl", "two.jsonl"]).says(0, "4 of 4 trajectories identical, 11 calls");
    let document = run(&place, &["replay", "two.jsonl", "one.jsonl", "--json"]).json();
    assert_valid("replay.json", &document);
    let seeds: Vec<&Value> = document["trajectories"].as_array().unwrap().iter().map(|one| &one["seed"]).collect();
    assert_eq!(seeds, [&json!(4), &json!(1), &json!(2), &json!(3)]);
    assert_eq!(document["trajectories"][1]["outcome"], "identical");
    assert_eq!(document["totals"]["identical"], 4);
}

#[test]
fn replay_reports_the_first_difference_of_each() {
    let (place, [one, _]) = recordings();
    let observation =
        one.replacen("\"body\":", "\"bodies\":", 1).replacen("\"title\":\"Groceries\"", "\"title\":\"x\"", 1);
    fs::write(place.path("one.jsonl"), observation.replace("you have no note 4;", "you have no note 5;")).unwrap();
    let changed = run(&place, &["replay", "one.jsonl", "two.jsonl"]);
    changed.says(
        1,
        "one.jsonl:1: notebook / pin_the_groceries (seed 1): the replay differs: call 1 of list_notes at /notes/",
    );
    changed.says(
        1,
        "one.jsonl:6: notebook / pin_the_groceries (seed 2): the replay differs: call 2 of get_note at /error/message",
    );
    changed.says(1, "1 of 4 trajectories identical, 11 calls; 3 differ");

    fs::write(place.path("one.jsonl"), one.replacen("\"reward\":0.0", "\"reward\":0.5", 1)).unwrap();
    let document = run(&place, &["replay", "one.jsonl", "--json"]);
    assert_eq!(document.code, 1);
    let document = document.json();
    assert_valid("replay.json", &document);
    assert_eq!(document["trajectories"][1]["verdict"]["recorded"]["reward"], 0.5);
    assert_eq!(document["trajectories"][1]["verdict"]["replayed"]["reward"], 0.0);
    assert_eq!(document["totals"]["differing"], 1);
}

#[test]
fn replay_reports_another_package_or_engine() {
    let (place, [one, _]) = recordings();
    let digest = one.find("\"package_digest\":\"").unwrap() + 18;
    let other = format!("{}{}{}", &one[..digest], "0".repeat(8), &one[digest + 8..]);
    fs::write(place.path("one.jsonl"), other).unwrap();
    let changed = run(&place, &["replay", "one.jsonl"]);
    changed
        .says(1, "one.jsonl:1: notebook / pin_the_groceries (seed 1): the package has changed since it was recorded");
    changed.says(1, "2 of 3 trajectories identical, 11 calls".replace("11", "8").as_str());
    run(&place, &["replay", "one.jsonl", "--observations-only"]).says(0, "3 of 3 trajectories identical");

    let version = format!("\"engine_version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    fs::write(place.path("one.jsonl"), one.replacen(&version, "\"engine_version\":\"0.0.1\"", 1)).unwrap();
    run(&place, &["replay", "one.jsonl"]).says(1, "recorded with engine 0.0.1, replayed with");
    run(&place, &["replay", "one.jsonl", "--observations-only"]).says(0, "3 of 3");
}

#[test]
fn replay_goes_on_behind_what_is_broken() {
    let (place, [one, two]) = recordings();
    fs::write(place.path("one.jsonl"), one.replacen("\"type\":\"end\"", "\"type\":\"and\"", 1)).unwrap();
    fs::write(place.path("elsewhere.jsonl"), two.replace("\"notebook\"", "\"notebok\"")).unwrap();
    fs::write(place.path("empty.jsonl"), "").unwrap();
    let broken = run(&place, &["replay", "one.jsonl", "elsewhere.jsonl", "empty.jsonl", "two.jsonl"]);
    broken.says(1, "one.jsonl:5: unknown variant `and`");
    broken.says(1, "elsewhere.jsonl:1: notebok / pin_the_groceries (seed 4): there is no environment \"notebok\"");
    broken.says(1, "did you mean notebook?");
    broken.says(1, "empty.jsonl: holds no trajectory");
    broken.says(1, "3 of 6 trajectories identical");
    broken.says(1, "3 broken");
    run(&place, &["replay", "one.jsonl", "nothing.jsonl"]).says(2, "failed to open nothing.jsonl");
    run(&place, &["replay"]).says(2, "FILE");
}

#[test]
fn exported_conversations_are_what_fine_tuning_takes() {
    let (place, _) = recordings();
    let run = run(&place, &["export", "one.jsonl", "two.jsonl"]);
    assert_eq!(run.code, 0);
    assert_eq!(run.stderr, "exported 3 of 4 trajectories; 1 left out without a reward (--all exports them)\n");
    let samples = lines(&run);
    assert_eq!(samples.len(), 3);
    for sample in &samples {
        assert_valid("export_openai.json", sample);
    }
    let sample = &samples[0];
    let messages = sample["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "tool", "assistant", "tool", "assistant"]);
    assert!(messages[0]["content"].as_str().unwrap().contains("You are signed in as Ines Duarte"));
    assert!(messages[1]["content"].as_str().unwrap().starts_with("Pin my note about groceries"));
    assert_eq!(messages[2]["content"], Value::Null);
    let call = &messages[2]["tool_calls"][0];
    assert_eq!(
        *call,
        json!({"id": "call_1", "type": "function", "function": {"name": "list_notes", "arguments": "{\"limit\":5}"}})
    );
    assert_eq!(messages[3]["tool_call_id"], "call_1");
    let observation: Value = serde_json::from_str(messages[3]["content"].as_str().unwrap()).unwrap();
    assert_eq!(observation["total"], 3);
    assert!(messages[5]["content"].as_str().unwrap().contains("note_not_found"));
    assert_eq!(messages[8], json!({"role": "assistant", "content": "Pinned.\nAnswer: 750"}));

    let tools = sample["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 4);
    assert_eq!(tools[1]["type"], "function");
    let function = &tools[1]["function"];
    assert_eq!(function["name"], "get_note");
    assert!(function["description"].as_str().unwrap().starts_with("Read one of your notes"));
    assert_eq!(function["parameters"]["required"], json!(["note_id"]));
    assert_eq!(sample["parallel_tool_calls"], false);

    assert_eq!(sample["reward"], 1.0);
    assert_eq!(samples[1]["reward"], 0.0);
    let metadata = &sample["metadata"];
    assert_eq!(metadata["environment"], "notebook");
    assert_eq!((&metadata["seed"], &metadata["actor"]), (&json!(1), &json!(1)));
    assert_eq!((&metadata["task"], &metadata["state"]), (&json!("pin_the_groceries"), &json!("terminated")));
    assert_eq!(metadata["package_digest"].as_str().unwrap().len(), 64);
}

#[test]
fn exported_records_are_flat() {
    let (place, _) = recordings();
    let run = run(&place, &["export", "one.jsonl", "--format", "jsonl", "--all", "--out", "flat.jsonl"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert_eq!(run.stderr, "exported 3 of 3 trajectories\n");
    let text = fs::read_to_string(place.path("flat.jsonl")).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &records {
        assert_valid("export_jsonl.json", record);
    }
    assert_eq!(records[0]["answer"], "Pinned.\nAnswer: 750");
    assert_eq!(records[0]["calls"][1]["is_error"], true);
    assert_eq!(records[0]["calls"][0]["observation"]["total"], 3);
    assert_eq!(records[0]["checks"][0]["name"], "state");
    assert_eq!(records[1]["answer"], Value::Null);
    assert_eq!((&records[2]["state"], &records[2]["reward"]), (&json!("live"), &Value::Null));
    assert!(records[2]["instruction"].as_str().unwrap().starts_with("Pin my note"));
}

#[test]
fn export_chooses_by_reward() {
    let (place, [one, two]) = recordings();
    // A reward that a faulted episode claims is none.
    let faulted = two.replace("\"state\":\"terminated\"", "\"state\":\"faulted\"");
    fs::write(place.path("faulted.jsonl"), faulted).unwrap();
    let passed = run(&place, &["export", "one.jsonl", "faulted.jsonl", "--passed"]);
    passed.says(
        0,
        "exported 1 of 4 trajectories; 2 left out without a reward (--all exports them); 1 left out that didn't pass",
    );
    assert_eq!(lines(&passed)[0]["metadata"]["seed"], 1);
    let all = lines(&run(&place, &["export", "faulted.jsonl", "--all"]));
    assert_eq!((&all[0]["reward"], &all[0]["metadata"]["state"]), (&Value::Null, &json!("faulted")));
    run(&place, &["export", "one.jsonl", "--all", "--passed"]).says(2, "cannot be used with");

    let digest = one.find("\"package_digest\":\"").unwrap() + 18;
    let changed = format!("{}{}{}", &one[..digest], "0".repeat(8), &one[digest + 8..]);
    fs::write(place.path("changed.jsonl"), changed).unwrap();
    run(&place, &["export", "changed.jsonl"]).says(1, "error: changed.jsonl:1: the package of notebook has changed");
    assert_eq!(lines(&run(&place, &["export", "changed.jsonl", "--allow-changed"])).len(), 2);
}

#[test]
fn export_reports_what_is_broken_and_writes_the_rest_in_order() {
    let place = Place::empty();
    let solved = attempt(&Attempt::Solves, 7);
    let many: String = (0..60).map(|seed| solved.replacen("\"seed\":7", &format!("\"seed\":{seed}"), 1)).collect();
    let broken = many.replacen("\"seed\":20", "\"seed\":\"twenty\"", 1);
    fs::write(place.path("many.jsonl"), &broken).unwrap();
    let first = run(&place, &["export", "many.jsonl"]);
    first.says(1, "error: many.jsonl:101: invalid type: string \"twenty\"");
    first.says(1, "exported 59 of 60 trajectories; 1 broken");
    let seeds: Vec<u64> = lines(&first).iter().map(|sample| sample["metadata"]["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, (0..60).filter(|seed| *seed != 20).collect::<Vec<_>>());
    assert_eq!(first.stdout, run(&place, &["export", "many.jsonl"]).stdout);
    run(&place, &["export", "many.jsonl", "--out", "many.jsonl"]).says(2, "is one of the trajectories");
    run(&place, &["export", "nothing.jsonl"]).says(2, "failed to open nothing.jsonl");
}

#[test]
fn python_loads_an_export_line_by_line() {
    let (place, _) = recordings();
    run(&place, &["export", "one.jsonl", "--out", "train.jsonl"]).says(0, "exported 2");
    let script = "import json\nfor line in open('train.jsonl', encoding='utf-8'):\n    \
                  sample = json.loads(line)\n    \
                  names = {tool['function']['name'] for tool in sample['tools']}\n    \
                  for message in sample['messages']:\n        \
                  for call in message.get('tool_calls', []):\n            \
                  assert call['function']['name'] in names\n            \
                  json.loads(call['function']['arguments'])\n    \
                  print(sample['reward'])\n";
    let python = Command::new("python3").args(["-c", script]).current_dir(place.path("")).output();
    // `tests/run` needs Python; `cargo test` alone doesn't.
    let Ok(output) = python else { return };
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1.0\n0.0\n", "{}", String::from_utf8_lossy(&output.stderr));
}
