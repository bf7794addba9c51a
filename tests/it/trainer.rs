//! The trainer's API beyond a single episode: batches, forks, peeks, lists, digests, and what there is to look at.

use std::collections::BTreeSet;
use std::io::Write;

use axum::http::{Method, StatusCode};
use envfarm::config::HttpSettings;
use envfarm::database::open_bytes;
use envfarm::farm::{Farm, FarmLimits};
use envfarm::trajectory::{Line, Trajectory};
use serde_json::{Value, json};

use crate::support::{Reply, Server, fixtures, request};

async fn get(server: &Server, id: &str) -> Value {
    let reply = server.get(&format!("/episodes/{id}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.body
}

fn ids(reply: &Reply) -> Vec<String> {
    let episodes = reply.body["episodes"].as_array().unwrap_or_else(|| panic!("{reply:?}"));
    episodes.iter().map(|episode| episode["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn specs_come_in_batches_and_are_answered_in_order() {
    let server = Server::new();
    let specs = json!({"episodes": [
        {"environment": "notebook", "task": "pin_the_groceries", "count": 3, "seed": 5},
        {"environment": "lending"},
        {"environment": "notebook", "actor": 2, "count": 2},
    ]});
    let reply = server.post("/episodes", specs).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    let ids = ids(&reply);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 6);
    let episodes = reply.body["episodes"].as_array().unwrap();
    let of = |member: &str| -> Vec<Value> { episodes.iter().map(|episode| episode[member].clone()).collect() };
    assert_eq!(of("environment"), ["notebook", "notebook", "notebook", "lending", "notebook", "notebook"]);
    assert_eq!(of("seed"), [5, 5, 5, 0, 0, 0]);
    assert_eq!(of("actor"), [1, 1, 1, 1, 2, 2]);
    for (id, episode) in ids.iter().zip(episodes) {
        assert_eq!(get(&server, id).await, *episode);
    }
    // Alike, and yet each on its own.
    server.call(&ids[0], "add_note", json!({"title": "x", "body": "y"})).await;
    assert_eq!(get(&server, &ids[1]).await["calls"], 0);
}

#[tokio::test]
async fn a_bad_spec_is_named_with_all_that_is_wrong_and_nothing_is_created() {
    let server = Server::new();
    let good = json!({"environment": "notebook"});
    let specs = json!({"episodes": [
        good,
        {"environment": "notebook", "task": "nope", "actor": 9, "count": 0},
        {"environment": "nope"},
        {"environment": "notebook", "seed": -1},
        {"environment": "notebook", "reward": 1},
        7,
    ]});
    let reply = server.post("/episodes", specs).await;
    assert_eq!(reply.error(), (422, &json!("invalid_body")));
    let problems = reply.body["error"]["problems"].as_array().unwrap();
    let found: Vec<(u64, &str)> = problems
        .iter()
        .map(|problem| (problem["index"].as_u64().unwrap(), problem["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            (1, "invalid_body"),
            (1, "unknown_task"),
            (1, "unknown_actor"),
            (2, "unknown_environment"),
            (3, "invalid_body"),
            (4, "invalid_body"),
            (5, "invalid_body"),
        ]
    );
    let message = reply.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("[2]: ") && message.contains("nope"), "{message}");

    // Where all have the same problem, the error is that problem's.
    let specs = json!({"episodes": [good, {"environment": "notebook", "task": "nope"}]});
    assert_eq!(server.post("/episodes", specs).await.error(), (404, &json!("unknown_task")));
    let thousands = json!({"episodes": vec![json!({"environment": "nope"}); 3_000]});
    let reply = server.post("/episodes", thousands).await;
    assert_eq!(reply.error(), (404, &json!("unknown_environment")));
    assert_eq!(reply.body["error"]["problems"].as_array().unwrap().len(), 100);
    for bad in [
        json!({"episodes": []}),
        json!({"episodes": {}}),
        json!({"episodes": [good], "environment": "notebook"}),
        json!({"episodes": [good], "count": 2}),
        json!({"environment": "notebook", "count": 4_097}),
        json!({"episodes": [{"environment": "notebook", "count": 4_096}, good]}),
    ] {
        assert_eq!(server.post("/episodes", bad.clone()).await.error(), (422, &json!("invalid_body")), "{bad}");
    }
    assert_eq!(server.farm.len(), 0, "all or nothing");
}

#[tokio::test]
async fn thousands_of_specs_fit_into_one_request() {
    let server = Server::new();
    let spec = |seed: usize| json!({"environment": "notebook", "task": "pin_the_groceries", "seed": seed, "actor": 1});
    let reply = server.post("/episodes", json!({"episodes": (0..4_096).map(spec).collect::<Vec<_>>()})).await;
    assert_eq!(ids(&reply).len(), 4_096);
    assert_eq!(reply.body["episodes"][4_095]["seed"], 4_095);
    let deleted = delete(&server, &ids(&reply)).await;
    assert_eq!(deleted.body, json!({"deleted": 4_096}));
    assert_eq!(server.farm.len(), 0);
}

async fn delete(server: &Server, ids: &[String]) -> Reply {
    let json = [("content-type", "application/json")];
    server.send(request(Method::DELETE, "/episodes", &json, &json!({"ids": ids}).to_string())).await
}

#[tokio::test]
async fn deleting_many_passes_over_those_that_are_gone() {
    let server = Server::new();
    let mut made = ids(&server.post("/episodes", json!({"environment": "notebook", "count": 3})).await);
    let stays = made.pop().unwrap();
    made.push("ep_00000000000000000000000000000000".to_owned());
    made.push(made[0].clone());
    assert_eq!(delete(&server, &made).await.body, json!({"deleted": 2}));
    assert_eq!(delete(&server, &made).await.body, json!({"deleted": 0}));
    let reply = delete(&server, &[stays.clone(), "ep_1".to_owned()]).await;
    assert_eq!(reply.error(), (422, &json!("invalid_body")));
    assert_eq!(reply.body["error"]["problems"][0]["index"], 1);
    assert_eq!(get(&server, &stays).await["state"], "live", "all or nothing");
}

#[tokio::test]
async fn forks_go_on_from_where_their_parent_is() {
    let server = Server::new();
    let id = server.episode("notebook", Some("pin_the_groceries")).await;
    server.call(&id, "add_note", json!({"title": "x", "body": "y"})).await;
    let forked = server.post(&format!("/episodes/{id}/fork"), json!({"count": 3})).await;
    assert_eq!(forked.status, StatusCode::CREATED);
    let forks = ids(&forked);
    assert_eq!(forks.len(), 3);
    let parent = get(&server, &id).await;
    for (fork, described) in forks.iter().zip(forked.body["episodes"].as_array().unwrap()) {
        let view = get(&server, fork).await;
        assert_eq!(view, *described);
        for member in ["environment", "task", "seed", "actor", "state", "calls", "digest", "instruction", "context"] {
            assert_eq!(view[member], parent[member], "{member}");
        }
    }
    server.call(&forks[0], "add_note", json!({"title": "only here", "body": "y"})).await;
    assert_ne!(get(&server, &forks[0]).await["digest"], parent["digest"]);
    assert_eq!(get(&server, &forks[1]).await["digest"], parent["digest"]);

    // A fork of an episode that has ended is live.
    server.post(&format!("/episodes/{id}/verify"), json!({})).await;
    let forked = server.send(request(Method::POST, &format!("/episodes/{id}/fork"), &[], "")).await;
    let fork = ids(&forked).remove(0);
    let view = get(&server, &fork).await;
    assert_eq!((&view["state"], &view["verdict"]), (&json!("live"), &Value::Null));
    for count in [0, 4_097] {
        let reply = server.post(&format!("/episodes/{id}/fork"), json!({"count": count})).await;
        assert_eq!(reply.error(), (422, &json!("invalid_body")));
    }
    let limits = FarmLimits { live_episodes_max: 3, ..FarmLimits::default() };
    let server = Server::with(limits, HttpSettings::default());
    let id = server.episode("notebook", None).await;
    let reply = server.post(&format!("/episodes/{id}/fork"), json!({"count": 3})).await;
    assert_eq!(reply.error(), (503, &json!("at_capacity")));
    assert_eq!(server.farm.len(), 1);
}

#[tokio::test]
async fn a_peek_judges_and_changes_nothing() {
    let server = Server::new();
    let id = server.episode("notebook", Some("pin_the_groceries")).await;
    let verify = format!("/episodes/{id}/verify");
    let before = get(&server, &id).await;
    let peeked = server.post(&verify, json!({"answer": "Answer: 750", "peek": true})).await;
    assert_eq!((&peeked.body["reward"], &peeked.body["passed"]), (&json!(0.0), &json!(false)));
    assert_eq!(get(&server, &id).await, before);
    assert_eq!((&before["reward"], &before["verdict"]), (&Value::Null, &Value::Null));

    let listed = server.call(&id, "list_notes", json!({})).await;
    let notes = listed.body["structuredContent"]["notes"].as_array().unwrap();
    let groceries = notes.iter().find(|note| note["title"] == "Groceries").unwrap()["id"].clone();
    server.call(&id, "pin_note", json!({"note_id": groceries})).await;
    let peeked = server.post(&verify, json!({"answer": "Answer: 750", "peek": true})).await;
    assert_eq!(peeked.body["reward"], 1.0);
    assert_eq!(get(&server, &id).await["state"], "live");
    let verdict = server.post(&verify, json!({"answer": "Answer: 750", "peek": false})).await;
    assert_eq!(verdict.body, peeked.body);
    let after = get(&server, &id).await;
    assert_eq!(
        (&after["state"], &after["reward"], &after["verdict"]),
        (&json!("terminated"), &json!(1.0), &verdict.body)
    );
}

#[tokio::test]
async fn digests_tell_rows_and_not_how_they_came_about() {
    let server = Server::new();
    let made = ids(&server.post("/episodes", json!({"environment": "lending", "count": 3})).await);
    let [left, right, idle] = made.as_slice() else { unreachable!() };
    let fresh = get(&server, idle).await["digest"].clone();
    assert!(fresh.as_str().is_some_and(|digest| digest.len() == 71 && digest.starts_with("sha256:")), "{fresh}");
    let loans = server.call(left, "list_loans", json!({})).await.body["structuredContent"]["loans"].clone();
    let (first, second) = (&loans[0]["id"], &loans[1]["id"]);
    let memo = async |id: &str, loan: &Value, text: &str| {
        let reply = server.call(id, "add_memo", json!({"loan_id": loan, "text": text})).await;
        assert_eq!(reply.body["isError"], false, "{reply:?}");
    };
    assert_eq!(get(&server, left).await["digest"], fresh, "a read changes nothing");
    memo(left, first, "a").await;
    memo(left, second, "b").await;
    memo(right, second, "b").await;
    server.call(right, "add_memo", json!({"loan_id": -1, "text": "refused"})).await;
    server.call(right, "add_memo", json!({"loan": 1})).await;
    let (one, other) = (get(&server, left).await, get(&server, right).await);
    assert_ne!(one["digest"], other["digest"]);
    memo(right, first, "a").await;
    let other = get(&server, right).await;
    assert_eq!(one["digest"], other["digest"], "the other way round, it comes to the same");
    assert_ne!(one["digest"], fresh);
    // As many rows, and other values: in a row that changed, in one that is new, and which one is gone.
    let apart = async |tool: &str, mine: Value, theirs: Value| {
        let forks = ids(&server.post(&format!("/episodes/{right}/fork"), json!({"count": 3})).await);
        for (fork, arguments) in forks.iter().zip([&mine, &theirs, &mine]) {
            let reply = server.call(fork, tool, arguments.clone()).await;
            assert_eq!(reply.body["isError"], false, "{reply:?}");
        }
        let digests = [get(&server, &forks[0]).await, get(&server, &forks[1]).await, get(&server, &forks[2]).await];
        assert_ne!(digests[0]["digest"], digests[1]["digest"], "{tool}");
        assert_eq!(digests[0]["digest"], digests[2]["digest"], "{tool}");
    };
    apart("add_memo", json!({"loan_id": first, "text": "x"}), json!({"loan_id": first, "text": "y"})).await;
    apart("write_note", json!({"book_id": 11, "body": "x"}), json!({"book_id": 11, "body": "y"})).await;
    apart("return_book", json!({"loan_id": first}), json!({"loan_id": second})).await;
    assert_eq!((&one["calls"], &other["calls"]), (&json!(3), &json!(4)), "refused and invalid calls count");
    let reset = server.post(&format!("/episodes/{left}/reset"), json!({})).await;
    assert_eq!((&reset.body["digest"], &reset.body["calls"]), (&fresh, &json!(0)));
    let elsewhere = server.episode("notebook", None).await;
    assert_ne!(get(&server, &elsewhere).await["digest"], fresh, "the package is part of it");
}

#[tokio::test]
async fn episodes_are_listed_in_pages() {
    let server = Server::new();
    let specs = json!({"episodes": [{"environment": "notebook", "count": 7}, {"environment": "lending", "count": 4}]});
    let mut made = ids(&server.post("/episodes", specs).await);
    server.post(&format!("/episodes/{}/verify", made[0]), json!({})).await;
    server.call(&made[8], "list_loans", json!({})).await;
    let ended = made[0].clone();
    made.sort();

    let pages = |filter: &str| {
        let (server, filter) = (&server, filter.to_owned());
        async move {
            let mut found = Vec::new();
            let mut path = format!("/episodes?limit=3{filter}");
            loop {
                let page = server.get(&path).await;
                let entries = ids(&page);
                assert!(!entries.is_empty() && entries.len() <= 3, "{page:?}");
                found.extend(entries);
                match page.body["next_cursor"].as_str() {
                    Some(cursor) => path = format!("/episodes?limit=3{filter}&cursor={cursor}"),
                    None => return found,
                }
            }
        }
    };
    assert_eq!(pages("").await, made);
    assert_eq!(pages("&environment=lending").await.len(), 4);
    assert_eq!(pages("&state=terminated").await, [ended]);
    assert_eq!(pages("&state=live&environment=notebook").await.len(), 6);
    let all = server.get("/episodes").await;
    assert_eq!((ids(&all).len(), &all.body["next_cursor"]), (11, &Value::Null));
    let entry = all.body["episodes"].as_array().unwrap().iter().find(|entry| entry["calls"] == 1).unwrap();
    assert_eq!((&entry["environment"], &entry["state"]), (&json!("lending"), &json!("live")));
    assert!(entry["expires_in_s"].as_u64().unwrap() > 0);
    for (query, status, code) in [
        ("limit=0", 400, "invalid_url"),
        ("limit=1001", 400, "invalid_url"),
        ("limit=x", 400, "invalid_url"),
        ("cursor=x", 400, "invalid_url"),
        ("state=dead", 400, "invalid_url"),
        ("colour=green", 400, "invalid_url"),
        ("environment=nope", 404, "unknown_environment"),
    ] {
        assert_eq!(server.get(&format!("/episodes?{query}")).await.error(), (status, &json!(code)), "{query}");
    }
}

#[tokio::test]
async fn a_trajectory_comes_as_lines_or_as_a_document() {
    let server = Server::new();
    let id = server.episode("lending", Some("when_is_it_due")).await;
    let listed = server.call(&id, "list_loans", json!({})).await;
    server.call(&id, "borrow_book", json!({"book_id": 1, "weeks": 9})).await;
    let path = format!("/episodes/{id}/trajectory");
    let begun = server.get(&path).await;
    assert_eq!(begun.header("content-type"), "application/jsonl");
    assert_eq!(begun.bytes.iter().filter(|byte| **byte == b'\n').count(), 3, "no end yet");
    server.post(&format!("/episodes/{id}/verify"), json!({"answer": "Answer: 2026-03-24"})).await;

    let lines = server.get(&path).await;
    let whole = Trajectory::read(lines.bytes.as_slice()).unwrap();
    assert_eq!(whole.steps.len(), 2);
    assert_eq!(whole.steps[0].observation, listed.body["structuredContent"]);
    assert!(whole.steps[1].is_error);
    assert_eq!(whole.end.as_ref().unwrap().verdict.as_ref().unwrap().reward, Some(1.0));
    let first: Line = serde_json::from_slice(lines.bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert!(matches!(first, Line::Episode(_)));

    let document = server.send(request(Method::GET, &path, &[("accept", "application/json")], "")).await;
    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.body, serde_json::to_value(&whole).unwrap());
    let refused = server.send(request(Method::GET, &path, &[("accept", "text/html")], "")).await;
    assert_eq!(refused.error(), (406, &json!("not_acceptable")));
    assert_eq!(get(&server, &id).await["calls"], 2, "looking changes nothing");
}

#[tokio::test]
async fn a_diff_names_rows_by_table() {
    let server = Server::new();
    let id = server.episode("lending", None).await;
    let path = format!("/episodes/{id}/diff");
    assert_eq!(server.get(&path).await.body, json!({"tables": []}));
    let loans = server.call(&id, "list_loans", json!({})).await.body["structuredContent"]["loans"].clone();
    server.call(&id, "return_book", json!({"loan_id": loans[0]["id"]})).await;
    server.call(&id, "write_note", json!({"book_id": loans[0]["book_id"], "body": "torn"})).await;
    let diff = server.get(&path).await.body;
    let table = |name: &str| {
        let tables = diff["tables"].as_array().unwrap();
        tables.iter().find(|table| table["table"] == name).unwrap_or_else(|| panic!("no {name} in {diff}"))
    };
    assert_eq!(table("notes")["added"][0]["body"], "torn");
    let changed = &table("loans")["changed"][0];
    assert_eq!(changed["before"]["returned_at"], Value::Null);
    assert_eq!(changed["after"]["returned_at"], "2026-03-17T09:30:00Z");
    assert_eq!(table("reminders")["removed"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_opens_in_any_sqlite_and_holds_nothing_but_rows() {
    let server = Server::new();
    let id = server.episode("lending", Some("borrow_the_moss_guide")).await;
    server.call(&id, "write_note", json!({"book_id": 11, "body": "a note to be found"})).await;
    let reply = server.get(&format!("/episodes/{id}/database")).await;
    assert_eq!(reply.header("content-type"), "application/vnd.sqlite3");
    assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"{id}.sqlite3\""));
    let connection = open_bytes(&reply.bytes).unwrap();
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(one("PRAGMA integrity_check"), "ok");
    assert_eq!(one("SELECT body FROM notes WHERE body LIKE 'a note%'"), "a note to be found");
    let text = String::from_utf8_lossy(&reply.bytes);
    for secret in
        ["borrow_the_moss_guide", "Take out the field guide", "solution", "verify", "mosses\",", "search_books"]
    {
        assert!(!text.contains(secret), "{secret}");
    }
    // Where Python is, its sqlite3 must like it too: it knows none of our functions.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database");
    std::fs::File::create(&path).unwrap().write_all(&reply.bytes).unwrap();
    let script =
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone()[0])";
    if let Ok(output) = std::process::Command::new("python3").arg("-c").arg(script).arg(&path).output() {
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok", "{output:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_an_error_of_ours() {
    let server = Server::new();
    for look in ["trajectory", "diff", "database"] {
        let reply = server.get(&format!("/episodes/ep_00000000000000000000000000000000/{look}")).await;
        assert_eq!(reply.error(), (404, &json!("unknown_episode")));
    }
    // A fault doesn't keep anybody from looking.
    let id = server.episode("faulty", None).await;
    server.call(&id, "store_code", json!({"code": "abcd"})).await;
    let view = get(&server, &id).await;
    assert_eq!((&view["state"], &view["reward"]), (&json!("faulted"), &Value::Null));
    assert_eq!(server.get(&format!("/episodes/{id}/diff")).await.body, json!({"tables": []}));
}

#[tokio::test]
async fn tasks_are_listed_across_environments_and_filtered() {
    let server = Server::new();
    let all = server.get("/tasks").await;
    let tasks = all.body["tasks"].as_array().unwrap();
    assert_eq!(all.body["next_cursor"], Value::Null);
    let mut names: Vec<String> =
        tasks.iter().map(|task| format!("{}/{}", task["environment"], task["name"]).replace('"', "")).collect();
    assert!(
        names.contains(&"lending/when_is_it_due".to_owned())
            && names.contains(&"notebook/pin_the_groceries".to_owned())
    );
    let due = tasks.iter().find(|task| task["name"] == "when_is_it_due").unwrap();
    assert_eq!((&due["split"], &due["reference_calls"]), (&json!("train"), &json!(1)));
    assert_eq!((&due["difficulty"], &due["has_answer"], &due["actor"]), (&json!("easy"), &json!(true), &json!(1)));
    assert!(due["instruction"].as_str().unwrap().contains("Answer:"));
    assert_eq!(due["facts"], Value::Null);
    let swap = tasks.iter().find(|task| task["name"] == "swap_knots_for_lichens").unwrap();
    assert_eq!(swap["facts"], json!({"calls": 5, "tools": 5, "hops": 2, "writes": 3, "in_sight": 8}));
    for secret in ["solution\"", "verify", "2026-03-24", "Alcove", "\"calls\":[", "path"] {
        assert!(!all.body.to_string().contains(secret), "{secret}");
    }

    // In pages, and each filter on its own.
    let mut paged = Vec::new();
    let mut path = "/tasks?limit=2".to_owned();
    loop {
        let page = server.get(&path).await;
        let entries = page.body["tasks"].as_array().unwrap();
        paged.extend(entries.iter().map(|task| format!("{}/{}", task["environment"], task["name"]).replace('"', "")));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/tasks?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(paged, names);
    names.sort();
    let holds = |filter: &'static str, test: fn(&Value) -> bool| {
        let expected = tasks.iter().filter(|task| test(task)).count();
        (filter, expected)
    };
    for (filter, expected) in [
        holds("environment=lending", |task| task["environment"] == "lending"),
        holds("split=train", |task| task["split"] == "train"),
        holds("split=held_out", |task| task["split"] == "held_out"),
        holds("calls_min=2", |task| task["reference_calls"].as_u64() >= Some(2)),
        holds("calls_max=1", |task| task["reference_calls"].as_u64() <= Some(1)),
        holds("difficulty=medium", |task| task["difficulty"] == "medium"),
        holds("calls_min=2&difficulty=easy", |task| {
            task["difficulty"] == "easy" && task["reference_calls"].as_u64() >= Some(2)
        }),
        holds("tag=nope", |_| false),
    ] {
        let found = server.get(&format!("/tasks?{filter}")).await;
        assert_eq!(found.body["tasks"].as_array().unwrap().len(), expected, "{filter}");
        assert!(expected < tasks.len() || filter.starts_with("split"), "{filter}");
    }
    let one = server.get("/environments/lending/tasks?calls_min=5").await;
    assert_eq!(one.body["tasks"][0]["name"], "swap_knots_for_lichens");
    assert_eq!(one.body["tasks"].as_array().unwrap().len(), 1);
    for (path, status, code) in [
        ("/tasks?environment=nope", 404, "unknown_environment"),
        ("/tasks?environment=unloadable", 500, "invalid_package"),
        ("/tasks?split=test", 400, "invalid_url"),
        ("/tasks?cursor=00", 400, "invalid_url"),
        ("/tasks?calls_min=-1", 400, "invalid_url"),
        ("/environments/lending/tasks?environment=lending", 400, "invalid_url"),
    ] {
        assert_eq!(server.get(path).await.error(), (status, &json!(code)), "{path}");
    }
}

/// A farm of many packages: the lending library over and over, some of a family.
fn many(count: usize) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        let name = format!("lending_{number:04}");
        let package = folder.path().join(&name);
        std::fs::create_dir(&package).unwrap();
        for entry in std::fs::read_dir(fixtures().join("lending")).unwrap() {
            let entry = entry.unwrap();
            let to = package.join(entry.file_name());
            if entry.file_name() == "environment.yaml" {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                let family = ["library", "bakery", "gym"][number % 3];
                std::fs::write(to, text.replace("name: lending\n", &format!("name: {name}\nfamily: {family}\n")))
                    .unwrap();
            } else if entry.file_name() == "tasks.yaml" {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                let tagged =
                    text.replacen("  difficulty: easy\n", &format!("  difficulty: easy\n  tags: [t{number}]\n"), 1);
                std::fs::write(to, tagged).unwrap();
            } else {
                std::os::unix::fs::symlink(entry.path(), to).unwrap();
            }
        }
    }
    let server = Server::over(Farm::open(folder.path(), FarmLimits::default()).unwrap(), HttpSettings::default());
    (folder, server)
}

#[tokio::test]
async fn lists_of_many_environments_load_none_of_them() {
    let (_folder, server) = many(230);
    let mut environments = Vec::new();
    let mut path = "/environments?limit=60".to_owned();
    loop {
        let page = server.get(&path).await;
        environments.extend(page.body["environments"].as_array().unwrap().iter().map(|entry| entry["name"].clone()));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/environments?limit=60&cursor={cursor}"),
            None => break,
        }
    }
    let expected: Vec<Value> = (0..230).map(|number| json!(format!("lending_{number:04}"))).collect();
    assert_eq!(environments, expected);

    let held_out = tasks(&server, "split=held_out").await;
    assert!(held_out.iter().all(|task| task["environment"].as_str().unwrap()[8..].parse::<u32>().unwrap() % 3 == 1));
    assert_eq!(held_out.len(), 77 * 4, "a family is on one side");
    assert_eq!(tasks(&server, "split=train").await.len(), 153 * 4);
    let rare = tasks(&server, "tag=t229").await;
    assert_eq!(rare.len(), 1, "found, however many environments lie before it");
    assert_eq!(rare[0]["environment"], "lending_0229");
    let first = server.get("/tasks?tag=t229").await;
    assert_eq!(first.body["tasks"], json!([]), "a page looks through a part of them only");
    assert!(first.body["next_cursor"].is_string());
    assert_eq!(server.farm.environments_loaded(), 0);
}

async fn tasks(server: &Server, filter: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut path = format!("/tasks?{filter}");
    loop {
        let page = server.get(&path).await;
        found.extend(page.body["tasks"].as_array().unwrap_or_else(|| panic!("{page:?}")).clone());
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/tasks?{filter}&cursor={cursor}"),
            None => return found,
        }
    }
}
