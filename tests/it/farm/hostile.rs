//! Clients that stall, break off, flood and send garbage: the others don't notice.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::process::{Process, long};
use crate::support::fixtures;

/// An episode played through, as an honest client does beside the others.
fn honest(process: &Process) {
    let mut client = process.client();
    let id = client.create(&json!({"environment": "lending", "seed": 3})).remove(0);
    let first = client.call(&id, "borrow_book", &json!({"book_id": 11, "weeks": 2}), None).unwrap();
    assert_eq!(first.body["result"]["isError"], json!(false), "{first:?}");
    client.post(&format!("/episodes/{id}/reset"), &json!({})).unwrap();
    let again = client.call(&id, "borrow_book", &json!({"book_id": 11, "weeks": 2}), None).unwrap();
    assert_eq!(again.text(), first.text());
    assert_eq!(client.send("DELETE", &format!("/episodes/{id}"), "", None).unwrap().status, 204);
}

fn connect(process: &Process) -> TcpStream {
    let stream = TcpStream::connect(process.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

#[test]
fn clients_that_stall_are_cut_off_and_hold_nobody_up() {
    let timeouts = ["--header-read-ms-max", "200", "--body-read-ms-max", "200"];
    let process = Process::start(&fixtures(), &timeouts);
    let halves = [
        "POST /episodes HT",
        "POST /episodes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ];
    let stalled: Vec<TcpStream> = halves
        .iter()
        .cycle()
        .take(200)
        .map(|half| {
            let mut stream = connect(&process);
            stream.write_all(half.as_bytes()).unwrap();
            stream
        })
        .collect();
    honest(&process);
    for mut stream in stalled {
        // Answered with an error or closed: not kept.
        let mut rest = String::new();
        drop(stream.read_to_string(&mut rest));
        assert!(rest.is_empty() || rest.contains(" 408 ") || rest.contains(" 400 "), "{rest}");
    }
    honest(&process);
}

#[test]
fn clients_that_break_off_leave_a_whole_call_or_none() {
    let process = Process::start(&fixtures(), &[]);
    let mut client = process.client();
    let id = client.create(&json!({"environment": "lending"})).remove(0);
    let body = json!({"tool": "write_note", "arguments": {"book_id": 11, "body": "left unread"}}).to_string();
    let request = format!(
        "POST /episodes/{id}/calls HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent_whole = 50;
    for number in 0..2 * sent_whole {
        let bytes = if number % 2 == 0 { request.as_bytes() } else { &request.as_bytes()[..request.len() - 7] };
        connect(&process).write_all(bytes).unwrap();
    }
    honest(&process);
    let calls = client.get(&format!("/episodes/{id}")).unwrap().body["calls"].as_u64().unwrap();
    assert!(calls <= sent_whole, "{calls} calls of {sent_whole} that were sent whole");
    let diff = client.get(&format!("/episodes/{id}/diff")).unwrap();
    assert_eq!(diff.status, 200, "{diff:?}");
}

#[test]
fn a_flood_is_refused_by_name_and_the_farm_goes_on() {
    let process = Process::start(&fixtures(), &["--live-episodes-max", "64", "--calls-max", "40"]);
    let flooders = if long() { 64 } else { 16 };
    thread::scope(|scope| {
        for _ in 0..flooders {
            scope.spawn(|| {
                let mut client = process.client();
                for _ in 0..4 {
                    let created = client.post("/episodes", &json!({"environment": "lending", "count": 8})).unwrap();
                    assert!(matches!(created.status, 201 | 503), "{created:?}");
                    if created.status == 503 {
                        continue;
                    }
                    let ids = created.ids();
                    for _ in 0..50 {
                        let answer = client.call(&ids[0], "list_loans", &json!({}), None).unwrap();
                        assert!(matches!(answer.status, 200 | 404), "{answer:?}");
                    }
                    let state = client.get(&format!("/episodes/{}", ids[0])).unwrap();
                    assert!(state.status == 404 || state.body["state"] == "truncated", "{state:?}");
                    assert!(state.status == 404 || state.body["calls"] == 40, "{state:?}");
                    for id in ids {
                        client.send("DELETE", &format!("/episodes/{id}"), "", None).unwrap();
                    }
                }
            });
        }
    });
    honest(&process);
    assert_eq!(process.terminate().code(), Some(0));
}

#[test]
fn garbage_is_answered_and_forgotten() {
    let process = Process::start(&fixtures(), &[]);
    let mut garbage: Vec<Vec<u8>> = vec![
        b"\r\n\r\n\r\n".to_vec(),
        vec![0; 4096],
        vec![0xff; 4096],
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"POST /episodes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        b"POST /episodes HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(100_000)).into_bytes(),
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(1_000_000)).into_bytes(),
        // A greeting of TLS.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ];
    for number in 0..100_u32 {
        garbage.push((0..500_u32).map(|at| (number.wrapping_mul(31).wrapping_add(at * at * 7) >> 3) as u8).collect());
    }
    for bytes in &garbage {
        let mut stream = connect(&process);
        // The server may close before it has read everything.
        drop(stream.write_all(bytes));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let text = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || text.contains(" 4") || text.contains(" 5"), "{text}");
        assert!(!text.contains(" 500 "), "{text}");
    }
    honest(&process);
    assert!(!process.log().contains("panicked"), "{}", process.log());
}
