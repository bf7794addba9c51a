//! `kill -9` in the middle of traffic: no acknowledged call is lost, none is made twice, every state is the one it was.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use envfarm::engine::environment::Environment;
use envfarm::episode::{Episode, EpisodeLimits, IdempotencyKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::episodes::arbitrary_call;
use crate::process::{Client, Process, long};
use crate::support::fixtures;

/// Threads that send requests at a time.
const CLIENTS: u32 = 4;

/// Changes to an episode that a client makes before it closes the episode and begins another.
const CALLS_PER_EPISODE: usize = 60;

/// A number that looks random; the same in every run.
fn mixed(number: u32) -> u32 {
    let mixed = (number ^ (number >> 16)).wrapping_mul(0x045d_9f3b);
    (mixed ^ (mixed >> 13)).wrapping_mul(0x9e37_79b1) ^ (mixed >> 9)
}

/// What a client knows of an episode of its own: the same calls, made here.
struct Mirror {
    id: String,
    here: Episode,
    /// The call that was sent last and not acknowledged: tool, arguments, key.
    pending: Option<(&'static str, Value, String)>,
}

/// One client's episodes and how far it is in its list of things to do.
struct Worker {
    number: u32,
    step: u32,
    environment: Arc<Environment>,
    mirrors: Vec<Mirror>,
    /// Creations that weren't acknowledged leave episodes that nobody knows; only those may be left over.
    unknown_max: usize,
}

impl Worker {
    fn fresh(&self) -> Episode {
        Episode::new(Arc::clone(&self.environment), None, u64::from(self.number), None, EpisodeLimits::default())
            .unwrap()
    }

    /// Does the next thing; an error where the server went away meanwhile.
    fn act(&mut self, client: &mut Client) -> std::io::Result<()> {
        let choice = mixed(self.number.wrapping_mul(1_000_003).wrapping_add(self.step));
        self.step += 1;
        if self.mirrors.len() < 3 || choice.is_multiple_of(41) {
            self.unknown_max += 2;
            let body = json!({"environment": "lending", "seed": self.number, "count": 2});
            let answer = client.post("/episodes", &body)?;
            assert_eq!(answer.status, 201, "{answer:?}");
            self.unknown_max -= 2;
            for id in answer.ids() {
                let here = self.fresh();
                self.mirrors.push(Mirror { id, here, pending: None });
            }
            return Ok(());
        }
        let at = choice as usize / 41 % self.mirrors.len();
        if choice.is_multiple_of(37) {
            self.unknown_max += 1;
            let path = format!("/episodes/{}/fork", self.mirrors[at].id);
            let answer = client.post(&path, &json!({"count": 1}))?;
            assert_eq!(answer.status, 201, "{answer:?}");
            self.unknown_max -= 1;
            let fork = self.mirrors[at].here.fork();
            self.mirrors.push(Mirror { id: answer.ids()[0].clone(), here: fork, pending: None });
            return Ok(());
        }
        if self.mirrors[at].here.calls() >= CALLS_PER_EPISODE {
            // Whether or not it is acknowledged, nobody asks for it again.
            let mirror = self.mirrors.swap_remove(at);
            self.unknown_max += 1;
            client.send("DELETE", &format!("/episodes/{}", mirror.id), "", None)?;
            self.unknown_max -= 1;
            return Ok(());
        }
        let (tool, arguments) = arbitrary_call(choice / 64);
        self.mirrors[at].pending = Some((tool, Value::Object(arguments), format!("{}-{}", self.number, self.step)));
        self.mirrors[at].settle(client)
    }
}

impl Mirror {
    /// Sends the pending call, and again where it went unanswered: it must come to the same as the call made here.
    fn settle(&mut self, client: &mut Client) -> std::io::Result<()> {
        let Some((tool, arguments, key)) = &self.pending else { return Ok(()) };
        let answer = client.call(&self.id, tool, arguments, Some(key))?;
        let Value::Object(arguments) = arguments.clone() else { unreachable!() };
        let expected = self.here.call_once(tool, arguments, IdempotencyKey::parse(key)).unwrap();
        assert_eq!(answer.text(), &*expected.text(), "episode {}, {tool}", self.id);
        self.pending = None;
        Ok(())
    }

    /// After a restart: nothing acknowledged is lost, and at most the call that wasn't is there in addition.
    fn check(&mut self, client: &mut Client) {
        let path = format!("/episodes/{}", self.id);
        let there = client.get(&path).unwrap();
        assert_eq!(there.status, 200, "an acknowledged episode is lost: {there:?}");
        let calls = usize::try_from(there.body["calls"].as_u64().unwrap()).unwrap();
        let acknowledged = self.here.calls();
        assert!(
            calls == acknowledged || (calls == acknowledged + 1 && self.pending.is_some()),
            "{calls} calls are there, {acknowledged} were acknowledged"
        );
        self.settle(client).unwrap();
        let there = client.get(&path).unwrap();
        assert_eq!(there.body["calls"], json!(self.here.calls()));
        assert_eq!(there.body["digest"], json!(self.here.digest().unwrap()), "the state of {}", self.id);
    }
}

/// Traffic until the process is killed; how many requests were answered.
fn traffic(process: Process, workers: &mut [Worker], until: Duration) -> usize {
    let stop = AtomicBool::new(false);
    let answered = Mutex::new(0);
    thread::scope(|scope| {
        for worker in workers.iter_mut() {
            let (mut client, stop, answered) = (process.client(), &stop, &answered);
            scope.spawn(move || {
                let mut mine = 0;
                while !stop.load(Ordering::Relaxed) && worker.act(&mut client).is_ok() {
                    mine += 1;
                }
                *answered.lock().unwrap() += mine;
            });
        }
        thread::sleep(until);
        process.kill();
        stop.store(true, Ordering::Relaxed);
    });
    answered.into_inner().unwrap()
}

fn kills(durability: &str, rounds: u32, arguments: &[&str]) {
    let journal = TempDir::new().unwrap();
    let mut all = vec!["--journal", path(&journal), "--durability", durability];
    all.extend(arguments);
    let environment = Environment::load(&fixtures().join("lending")).environment.unwrap();
    let worker =
        |number| Worker { number, step: 0, environment: Arc::clone(&environment), mirrors: Vec::new(), unknown_max: 0 };
    let mut workers: Vec<Worker> = (0..CLIENTS).map(worker).collect();
    let mut answered = 0;
    for round in 0..rounds {
        let process = Process::start(&fixtures(), &all).ready();
        let mut client = process.client();
        workers.iter_mut().flat_map(|worker| &mut worker.mirrors).for_each(|mirror| mirror.check(&mut client));
        let until = Duration::from_millis(30 + u64::from(mixed(round) % 300));
        answered += traffic(process, &mut workers, until);
    }
    let process = Process::start(&fixtures(), &all).ready();
    let mut client = process.client();
    let mut known = 0;
    for mirror in workers.iter_mut().flat_map(|worker| &mut worker.mirrors) {
        mirror.check(&mut client);
        known += 1;
    }
    // Nothing is there that nobody asked for, beyond what wasn't acknowledged.
    let unknown = held(&mut client).len() - known;
    let unknown_max: usize = workers.iter().map(|worker| worker.unknown_max).sum();
    assert!(unknown <= unknown_max, "{unknown} episodes are there that nobody knows, at most {unknown_max} could be");
    assert!(answered > 20 * rounds as usize, "{answered} answers in {rounds} rounds are no traffic");
    assert_eq!(process.terminate().code(), Some(0));
}

/// Every episode there is, with its state.
fn held(client: &mut Client) -> HashMap<String, Value> {
    let mut held = HashMap::new();
    let mut path = "/episodes?limit=500".to_owned();
    loop {
        let page = client.get(&path).unwrap();
        assert_eq!(page.status, 200, "{page:?}");
        for episode in page.body["episodes"].as_array().unwrap() {
            held.insert(episode["id"].as_str().unwrap().to_owned(), episode.clone());
        }
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/episodes?limit=500&cursor={cursor}"),
            None => return held,
        }
    }
}

fn path(directory: &TempDir) -> &str {
    Path::to_str(directory.path()).unwrap()
}

#[test]
fn killed_at_random_moments_it_loses_nothing() {
    kills("batch", if long() { 50 } else { 6 }, &[]);
}

#[test]
fn killed_while_it_waits_for_the_disk_it_loses_nothing() {
    kills("sync", if long() { 20 } else { 3 }, &[]);
}

#[test]
fn killed_while_the_journal_is_rewritten_it_loses_nothing() {
    kills("batch", if long() { 50 } else { 5 }, &["--journal-compact-bytes", "20000", "--sweep-interval-ms", "20"]);
}

#[test]
fn asked_to_stop_it_keeps_everything_even_without_durability() {
    let journal = TempDir::new().unwrap();
    let arguments = ["--journal", path(&journal), "--durability", "none"];
    let process = Process::start(&fixtures(), &arguments).ready();
    let mut client = process.client();
    let ids = client.create(&json!({"environment": "lending", "count": 5}));
    for id in &ids {
        let answer = client.call(id, "borrow_book", &json!({"book_id": 11, "weeks": 1}), None).unwrap();
        assert_eq!(answer.body["result"]["isError"], json!(false), "{answer:?}");
    }
    let before = held(&mut client);
    assert_eq!(process.terminate().code(), Some(0));

    let process = Process::start(&fixtures(), &arguments).ready();
    let mut client = process.client();
    let after = held(&mut client);
    let calls = |held: &HashMap<String, Value>| -> Vec<(String, Value)> {
        let mut calls: Vec<_> = held.iter().map(|(id, episode)| (id.clone(), episode["calls"].clone())).collect();
        calls.sort_by(|left, right| left.0.cmp(&right.0));
        calls
    };
    assert_eq!(calls(&after), calls(&before));
    assert_eq!(after.len(), ids.len());
}
