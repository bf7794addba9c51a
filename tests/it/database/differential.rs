//! The same random workload on overlays and on plain SQLite in memory, one connection per episode: identical answers,
//! and files that SQLite finds intact. Episodes are interleaved on one pool and on several threads, forked and reset;
//! calls are committed, rolled back, dropped half-way, and run into their budgets.

use std::sync::{Arc, LazyLock};

use envfarm::database::{Bound, Budget, Image, Overlay, Pool, Stop, open_bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::{Connection, Statement};

use super::{BUDGET, assert_intact, bind, collect, image, moment, plain_rows};

const SCHEMA: &str = "
CREATE TABLE parents(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, payload TEXT) STRICT;
CREATE TABLE children(id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL REFERENCES parents(id) ON DELETE CASCADE,
  title TEXT NOT NULL, score INTEGER NOT NULL CHECK (score >= 0)) STRICT;
CREATE INDEX children_parent ON children(parent_id, score);
CREATE TABLE links(a INTEGER NOT NULL REFERENCES children(id) ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED DEFAULT 1,
  b TEXT NOT NULL, note ANY, PRIMARY KEY (b, a)) STRICT, WITHOUT ROWID;
CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL) STRICT;
CREATE VIRTUAL TABLE texts USING fts5(title, content='children', content_rowid='id');
CREATE TRIGGER children_ai AFTER INSERT ON children BEGIN
  INSERT INTO texts(rowid, title) VALUES (new.id, new.title);
  INSERT INTO log(what) VALUES ('added ' || new.title);
END;
CREATE TRIGGER children_ad AFTER DELETE ON children BEGIN
  INSERT INTO texts(texts, rowid, title) VALUES ('delete', old.id, old.title);
END;
CREATE TRIGGER children_au AFTER UPDATE ON children BEGIN
  INSERT INTO texts(texts, rowid, title) VALUES ('delete', old.id, old.title);
  INSERT INTO texts(rowid, title) VALUES (new.id, new.title);
END;
CREATE TRIGGER parents_bu BEFORE UPDATE OF name ON parents WHEN new.name = 'forbidden' BEGIN
  SELECT RAISE(ROLLBACK, 'not that name');
END;
";

const DATA: &str = "
INSERT INTO parents(id, name, payload) SELECT value, 'parent ' || value, hex(zeroblob(20 * value)) FROM json_each('[1,2,3,4,5,6,7,8]');
INSERT INTO children(id, parent_id, title, score)
  SELECT p.id * 10 + n.value, p.id, 'red fox number ' || n.value, n.value FROM parents AS p, json_each('[1,2,3,4,5,6]') AS n;
INSERT INTO links(a, b, note) SELECT id, 'link ' || id, id FROM children WHERE score = 3;
";

const EPISODES: usize = 4;

static IMAGE: LazyLock<Arc<Image>> = LazyLock::new(|| image(SCHEMA, DATA));

/// What happens to one of a thread's episodes.
#[derive(Debug, Clone)]
enum Event {
    Call(Call),
    Fork(usize),
    Reset,
}

#[derive(Debug, Clone)]
struct Call {
    statements: Vec<String>,
    end: End,
    steps_max: u64,
    pages_max: usize,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Commit,
    Rollback,
    /// The binding is dropped with its transaction open.
    Drop,
}

fn statement() -> impl Strategy<Value = String> {
    let id = 1..12i64;
    let bytes = prop_oneof![10 => 0..3_000usize, 3 => 3_000..60_000usize, 1 => 300_000..450_000usize];
    prop_oneof![
        4 => id.clone().prop_map(|n| format!("SELECT id, name, length(payload) FROM parents WHERE id <> {n} ORDER BY name DESC")),
        4 => id.clone().prop_map(|n| format!("SELECT c.id, c.title, l.b FROM children AS c LEFT JOIN links AS l ON l.a = c.id WHERE parent_id = {n} ORDER BY c.score, c.id")),
        3 => word().prop_map(|word| format!("SELECT rowid, snippet(texts, 0, '<', '>', '', 4) FROM texts('{word}') ORDER BY rank, rowid")),
        2 => id.clone().prop_map(|n| format!("SELECT count(*), sum(score), group_concat(title) FROM (SELECT * FROM children WHERE score > {n} ORDER BY id)")),
        1 => Just("SELECT what FROM log ORDER BY id DESC LIMIT 5".to_owned()),
        3 => (0..40i64, bytes.clone()).prop_map(|(n, bytes)| format!("INSERT INTO parents(name, payload) VALUES ('new {n}', hex(zeroblob({bytes}))) RETURNING id")),
        3 => (id.clone(), bytes).prop_map(|(n, bytes)| format!("UPDATE parents SET payload = replace(hex(zeroblob({bytes})), '0', 'y') WHERE id = {n}")),
        4 => (id.clone(), word(), 0..9i64).prop_map(|(n, word, score)| format!("INSERT INTO children(parent_id, title, score) VALUES ({n}, '{word} {score}', {score})")),
        2 => (word(), 1..4i64).prop_map(|(word, n)| format!("INSERT INTO children(parent_id, title, score) SELECT id, '{word} ' || name, id FROM parents WHERE id % {n} = 0")),
        3 => (id.clone(), word()).prop_map(|(n, word)| format!("UPDATE children SET title = '{word} ' || id, score = score + 1 WHERE score = {n} % 5")),
        // Fails on some row in the middle, after having changed others.
        2 => id.clone().prop_map(|n| format!("UPDATE children SET score = score - {n} WHERE parent_id <= {n}")),
        2 => id.clone().prop_map(|n| format!("INSERT INTO parents(name) SELECT 'parent ' || (20 - value) FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]') WHERE value >= {n}")),
        2 => id.clone().prop_map(|n| format!("DELETE FROM parents WHERE id = {n}")),
        1 => id.clone().prop_map(|n| format!("DELETE FROM children WHERE score >= {n}")),
        2 => id.clone().prop_map(|n| format!("INSERT INTO links(a, b, note) VALUES ({n}, 'x', {n}.5) ON CONFLICT DO UPDATE SET note = note || '!'")),
        // Violates the deferred key unless the row turns up before the end.
        1 => id.clone().prop_map(|n| format!("INSERT OR REPLACE INTO links(a, b) VALUES ({n} * 1000, 'y')")),
        1 => id.clone().prop_map(|n| format!("INSERT OR IGNORE INTO parents(id, name) VALUES ({n}, 'ignored')")),
        1 => id.clone().prop_map(|n| format!("UPDATE OR ROLLBACK parents SET name = 'parent 1' WHERE id = {n}")),
        1 => id.prop_map(|n| format!("UPDATE parents SET name = 'forbidden' WHERE id = {n}")),
        1 => Just("INSERT INTO texts(texts) VALUES ('optimize')".to_owned()),
        1 => Just("DELETE FROM log".to_owned()),
    ]
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["red", "fox", "blue", "whale", "number"])
}

fn event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![6 => Just(End::Commit), 2 => Just(End::Rollback), 1 => Just(End::Drop)];
    let steps_max = prop_oneof![6 => Just(BUDGET.steps_max), 1 => 1_000..8_000u64];
    let pages_max = prop_oneof![8 => Just(BUDGET.pages_max), 1 => 5..100usize];
    let call = (vec(statement(), 1..6), end, steps_max, pages_max);
    let call = call.prop_map(|(statements, end, steps_max, pages_max)| Call { statements, end, steps_max, pages_max });
    prop_oneof![
        12 => call.prop_map(Event::Call),
        2 => (0..EPISODES).prop_map(Event::Fork),
        1 => Just(Event::Reset),
    ]
}

/// An episode, and the plain database it must equal.
struct Twin {
    overlay: Overlay,
    plain: Connection,
    /// The calls that were committed; forks of plain databases are made by repeating them.
    committed: Vec<Vec<String>>,
}

impl Twin {
    fn new() -> Self {
        Self { overlay: Overlay::default(), plain: plain(), committed: Vec::new() }
    }

    fn fork(&self) -> Self {
        let plain = plain();
        for call in &self.committed {
            plain.execute_batch("BEGIN").unwrap();
            for sql in call {
                // Statements that failed the first time fail again.
                let _ = run(&mut plain.prepare(sql).unwrap());
            }
            plain.execute_batch("COMMIT").unwrap();
        }
        Self { overlay: self.overlay.clone(), plain, committed: self.committed.clone() }
    }

    fn call(&mut self, pool: &Pool, call: &Call) {
        let budget = Budget { steps_max: call.steps_max, pages_max: call.pages_max, ..BUDGET };
        let mut bound = pool.bind(&self.overlay, moment(0), budget).unwrap();
        bound.begin().unwrap();
        self.plain.execute_batch("BEGIN").unwrap();
        let interrupted = !call.statements.iter().all(|sql| self.run_on_both(&bound, sql));
        let ended = bound.connection().is_autocommit();
        if !interrupted {
            assert_eq!(ended, self.plain.is_autocommit());
        }
        match call.end {
            End::Drop => {
                self.roll_back_plain();
                drop(bound);
            }
            End::Commit if !interrupted && !ended => self.commit_both(bound, call),
            _ => {
                bound.rollback();
                self.roll_back_plain();
                self.overlay = bound.into_overlay();
            }
        }
    }

    /// False if the overlay's budget was spent.
    fn run_on_both(&self, bound: &Bound<'_>, sql: &str) -> bool {
        if bound.connection().is_autocommit() {
            assert!(bound.prepare(sql).is_err(), "it would commit by itself");
            assert!(self.plain.is_autocommit());
            return true;
        }
        let ours = run(&mut bound.prepare(sql).unwrap());
        if let Some(stop) = bound.stop_reason() {
            assert!(ours.is_err() || stop == Stop::Pages, "{ours:?}");
            return false;
        }
        let theirs = run(&mut self.plain.prepare(sql).unwrap());
        assert_eq!(ours, theirs, "{sql}");
        let inserted = bound.connection().last_insert_rowid();
        assert!(inserted == 0 || inserted == self.plain.last_insert_rowid());
        true
    }

    fn commit_both(&mut self, mut bound: Bound<'_>, call: &Call) {
        let ours = bound.commit();
        if bound.stop_reason() == Some(Stop::Pages) {
            assert!(ours.is_err());
            self.roll_back_plain();
        } else {
            let theirs = self.plain.execute_batch("COMMIT");
            assert_eq!(ours.is_ok(), theirs.is_ok());
            match theirs {
                Ok(()) => self.committed.push(call.statements.clone()),
                Err(_) => self.roll_back_plain(),
            }
        }
        self.overlay = bound.into_overlay();
    }

    fn roll_back_plain(&self) {
        if !self.plain.is_autocommit() {
            self.plain.execute_batch("ROLLBACK").unwrap();
        }
    }

    /// The episode equals its twin: as bound, as a file of its own, and when its calls are repeated on another pool.
    fn check(&self, pool: &Pool) {
        let expected = dump(|sql| plain_rows(&self.plain, sql));
        let bound = bind(pool, &self.overlay);
        assert_eq!(dump(|sql| collect(&mut bound.prepare(sql).unwrap())), expected);
        drop(bound);
        let file = assert_intact(&self.overlay, pool.image());
        assert_eq!(dump(|sql| plain_rows(&file, sql)), expected);
        let fresh = Pool::new(Arc::clone(pool.image()), 1);
        let mut again = Overlay::default();
        for call in &self.committed {
            let mut bound = bind(&fresh, &again);
            bound.begin().unwrap();
            for sql in call {
                let _ = run(&mut bound.prepare(sql).unwrap());
            }
            bound.commit().unwrap();
            again = bound.into_overlay();
        }
        let (ours, repeated) = (self.overlay.materialize(pool.image()), again.materialize(pool.image()));
        let different = ours.iter().zip(&repeated).position(|(a, b)| a != b);
        assert_eq!((ours.len(), different), (repeated.len(), None), "the same calls gave other bytes");
    }
}

fn plain() -> Connection {
    open_bytes(IMAGE.bytes()).unwrap()
}

/// Rows, or the error as SQLite words it.
fn run(statement: &mut Statement<'_>) -> Result<String, String> {
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut text = String::new();
    while let Some(row) = rows.next().map_err(|error| error.to_string())? {
        for column in 0..columns {
            text += &format!("{:?}|", row.get_ref(column).unwrap());
        }
        text.push('\n');
    }
    Ok(text)
}

fn dump(rows: impl Fn(&str) -> String) -> Vec<String> {
    ["parents", "children", "links", "log", "sqlite_sequence", "texts_data", "texts_idx"]
        .iter()
        .map(|table| rows(&format!("SELECT * FROM {table} ORDER BY 1, 2")))
        .chain([rows("SELECT rowid, rank FROM texts('fox OR whale') ORDER BY rowid")])
        .collect()
}

fn live(pool: &Pool, events: &[(usize, Event)]) {
    let mut twins: Vec<Twin> = (0..EPISODES).map(|_| Twin::new()).collect();
    for (episode, event) in events {
        match event {
            Event::Call(call) => twins[*episode].call(pool, call),
            Event::Fork(from) => twins[*episode] = twins[*from].fork(),
            Event::Reset => twins[*episode] = Twin::new(),
        }
    }
    for twin in &twins {
        twin.check(pool);
    }
}

fn cases() -> u32 {
    let set = std::env::var("PROPTEST_CASES").ok();
    set.and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn overlays_equal_plain_databases(threads in vec(vec((0..EPISODES, event()), 1..25), 3)) {
        let pool = Pool::new(Arc::clone(&IMAGE), 2);
        std::thread::scope(|scope| {
            for events in &threads {
                scope.spawn(|| live(&pool, events));
            }
        });
    }
}
