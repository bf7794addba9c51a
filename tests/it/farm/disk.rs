//! A disk that is full, a directory that can't be written: clear errors, and nothing acknowledged is lost.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::process::{PROGRAM, Process};
use crate::support::fixtures;

const BORROW: &str = "borrow_book";

#[test]
fn on_a_full_disk_changes_are_refused_and_none_is_lost() {
    let directory = TempDir::new().unwrap();
    let journal = directory.path().to_str().unwrap();
    let process = Process::start_with_files_of(24, &fixtures(), &["--journal", journal]).ready();
    let mut client = process.client();
    let id = client.create(&json!({"environment": "lending"})).remove(0);
    let note = json!({"book_id": 11, "body": "x".repeat(450)});
    let mut acknowledged = 0;
    let refused = loop {
        let answer = client.call(&id, "write_note", &note, Some(&format!("note {acknowledged}"))).unwrap();
        if answer.body.get("result").is_none() {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 1000, "the disk is never full");
    };
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("recorded"), "{refused:?}");
    let there = client.get(&format!("/episodes/{id}")).unwrap();
    assert_eq!((&there.body["calls"], &there.body["state"]), (&json!(acknowledged), &json!("live")));
    let digest = there.body["digest"].clone();

    // Everything that would have to be recorded is refused alike, and says so.
    for (method, path, body) in [
        ("POST", "/episodes".to_owned(), json!({"environment": "lending", "count": 64})),
        ("POST", format!("/episodes/{id}/calls"), json!({"tool": "write_note", "arguments": note})),
        ("POST", format!("/episodes/{id}/fork"), json!({"count": 64})),
    ] {
        let answer = client.send(method, &path, "", Some(&body.to_string())).unwrap();
        assert_eq!((answer.status, answer.code()), (503, "not_recorded"), "{method} {path}: {answer:?}");
        assert!(answer.head.contains("retry-after"), "{answer:?}");
    }
    assert_eq!(client.get("/healthz").unwrap().status, 200);
    assert_eq!(client.get(&format!("/episodes/{id}")).unwrap().body["digest"], digest);
    assert!(process.log().contains("until the journal can be written"), "{}", process.log());
    process.kill();

    let process = Process::start(&fixtures(), &["--journal", journal]).ready();
    let mut client = process.client();
    let there = client.get(&format!("/episodes/{id}")).unwrap();
    assert_eq!((&there.body["calls"], &there.body["digest"]), (&json!(acknowledged), &digest));
    // With room again, the refused call happens, once.
    for _ in 0..2 {
        let answer = client.call(&id, "write_note", &note, Some(&format!("note {acknowledged}"))).unwrap();
        assert_eq!(answer.body["result"]["isError"], json!(false), "{answer:?}");
    }
    assert_eq!(client.get(&format!("/episodes/{id}")).unwrap().body["calls"], json!(acknowledged + 1));
}

#[test]
fn a_journal_directory_that_cannot_be_written_is_said_at_start() {
    // Root may write anywhere but there.
    for unwritable in ["/proc/envfarm", "/dev/null/journal"] {
        let run = Command::new(PROGRAM)
            .args(["serve", "--port", "0", "--journal", unwritable, "--envs"])
            .arg(fixtures())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.contains("journal directory") && said.contains(unwritable), "{said}");
    }
}

#[test]
fn a_borrowed_book_is_borrowed_once_however_often_it_is_sent() {
    let process = Process::start(&fixtures(), &[]);
    let mut client = process.client();
    let id = client.create(&json!({"environment": "lending"})).remove(0);
    let arguments = json!({"book_id": 11, "weeks": 1});
    let first = client.call(&id, BORROW, &arguments, Some("a")).unwrap();
    for _ in 0..3 {
        assert_eq!(client.call(&id, BORROW, &arguments, Some("a")).unwrap().body["result"], first.body["result"]);
    }
    let other = client.call(&id, BORROW, &json!({"book_id": 12, "weeks": 1}), Some("a")).unwrap();
    assert!(other.text().contains("idempotency_key_reused"), "{other:?}");
    assert_eq!(client.get(&format!("/episodes/{id}")).unwrap().body["calls"], json!(1));
}
