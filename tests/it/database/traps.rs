//! One test for each way in which an episode could see another, or the host.

use std::sync::Arc;
use std::time::Duration;

use envfarm::database::{Image, Moment, Overlay, Pool};
use rusqlite::{StatementStatus, params};

use super::{BUDGET, NOW_MS, after, assert_intact, bind, image, moment, plain_rows, prepare_error, rows, write};

const SCHEMA: &str = "
CREATE TABLE notes(id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, made_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  code TEXT NOT NULL DEFAULT (token(8))) STRICT;
CREATE TABLE stamps(note_id INTEGER NOT NULL REFERENCES notes(id), code TEXT NOT NULL) STRICT;
CREATE TRIGGER notes_ai AFTER INSERT ON notes BEGIN
  INSERT INTO stamps(note_id, code) VALUES (new.id, uuid());
END;
CREATE VIRTUAL TABLE texts USING fts5(text);
CREATE TABLE app_config(key TEXT PRIMARY KEY, value TEXT) STRICT;
";
const DATA: &str = "
INSERT INTO notes(id, text, made_at, code) SELECT value, 'note ' || value, '2026', 'x' FROM json_each('[1,2,3,4,5,6,7,8,9]') WHERE 0;
INSERT INTO texts(rowid, text) VALUES (1, 'red fox'), (2, 'blue whale');
";

pub(super) const ADD: &str = "INSERT INTO notes(text) VALUES ('new')";

fn small() -> Arc<Image> {
    image(SCHEMA, DATA)
}

pub(super) fn pool() -> Pool {
    Pool::new(small(), 1)
}

#[test]
fn a_connection_forgets_the_episode_before() {
    let pool = pool();
    let base = after(&pool, &Overlay::default(), ADD);
    let update = |text| after(&pool, &base, &format!("UPDATE notes SET text = '{text}'"));
    let (a, b) = (update("a"), update("b"));
    let look = |overlay: &Overlay| rows(&bind(&pool, overlay), "SELECT text FROM notes");
    for _ in 0..3 {
        assert_eq!(look(&a), "a");
        assert_eq!(look(&b), "b");
        assert_eq!(look(&base), "new");
        assert_eq!(look(&Overlay::default()), "");
    }
    assert_eq!(pool.idle(), 1, "all of that on one connection");
}

#[test]
fn full_text_search_forgets_it_too() {
    let pool = pool();
    let add =
        |overlay: &Overlay, word| after(&pool, overlay, &format!("INSERT INTO texts(text) VALUES ('{word} fox')"));
    let (a, b) = (add(&Overlay::default(), "green"), add(&Overlay::default(), "grey"));
    let find = |overlay: &Overlay, word: &str| {
        rows(&bind(&pool, overlay), &format!("SELECT rowid FROM texts('{word}') ORDER BY rowid"))
    };
    for _ in 0..3 {
        assert_eq!((find(&a, "green"), find(&a, "grey")), ("3".to_owned(), String::new()));
        assert_eq!((find(&b, "green"), find(&b, "grey")), (String::new(), "3".to_owned()));
        assert_eq!(find(&b, "fox"), "1\n3");
        assert_eq!(find(&Overlay::default(), "fox"), "1");
    }
    assert_eq!(pool.idle(), 1, "a search outside of a transaction leaves its connection clean");
}

#[test]
fn compiled_statements_stay_valid() {
    let pool = pool();
    let find = "SELECT count(*) FROM notes WHERE text LIKE ?1";
    let mut overlay = Overlay::default();
    for turn in 0..5 {
        let mut bound = bind(&pool, &overlay);
        bound.begin().unwrap();
        for (sql, pattern) in [(ADD, None), (find, Some(if turn % 2 == 0 { "n%" } else { "%x%" }))] {
            let mut statement = bound.prepare(sql).unwrap();
            if let Some(pattern) = pattern {
                statement.raw_bind_parameter(1, pattern).unwrap();
            }
            assert!(statement.raw_query().next().is_ok());
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql} in turn {turn}");
        }
        bound.commit().unwrap();
        overlay = bound.into_overlay();
    }
}

#[test]
fn parameters_are_bound_anew() {
    let pool = pool();
    let sql = "SELECT ?1 IS NULL";
    bind(&pool, &Overlay::default()).prepare(sql).unwrap().query_row(params!["secret"], |_| Ok(())).unwrap();
    assert_eq!(rows(&bind(&pool, &Overlay::default()), sql), "1");
}

#[test]
fn the_clock_stands_still_while_bound() {
    let pool = pool();
    let at = |now_ms| pool.bind(&Overlay::default(), Moment { now_ms, ..moment(0) }, BUDGET).unwrap();
    let sql = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), CURRENT_TIMESTAMP, unixepoch('now', 'subsec')";
    let bound = at(NOW_MS + 250);
    let expected = "2026-03-17 09:30:00.250|2026-03-17 09:30:00|1773739800.25";
    assert_eq!(rows(&bound, sql), expected);
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(rows(&bound, sql), expected);
    drop(bound);
    let mut bound = at(NOW_MS + 60_000);
    write(&mut bound, ADD);
    assert_eq!(rows(&bound, "SELECT made_at FROM notes"), "2026-03-17 09:31:00");
    let error =
        bound.prepare("SELECT datetime('now', 'local' || 'time')").unwrap().query_row([], |_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "local time unavailable");
}

#[test]
fn randomness_belongs_to_the_moment() {
    let pool = pool();
    let draw = |moment| {
        let mut bound = pool.bind(&Overlay::default(), moment, BUDGET).unwrap();
        write(&mut bound, ADD);
        let sql = "SELECT random(), hex(randomblob(4)), token(5), uuid(), notes.code, stamps.code FROM notes, stamps";
        rows(&bound, sql)
    };
    let first = draw(moment(3));
    assert_eq!(first, draw(moment(3)));
    drop(bind(&pool, &Overlay::default()).prepare("SELECT random()").unwrap().query_row([], |_| Ok(())));
    assert_eq!(first, draw(moment(3)), "what the connection drew for others doesn't matter");
    assert_ne!(first, draw(moment(4)));
    assert_ne!(first, draw(Moment { seed: 8, ..moment(3) }));
    let fields: Vec<&str> = first.split('|').collect();
    assert_ne!(fields[3], fields[5], "each call draws anew");
    assert!(
        fields[4].len() == 8 && fields[4].bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    );
    let uuid = fields[3].as_bytes();
    assert!(uuid.len() == 36 && uuid[14] == b'4' && b"89ab".contains(&uuid[19]), "{}", fields[3]);
}

#[test]
fn random_functions_are_called_per_row_and_check_their_arguments() {
    let pool = pool();
    let bound = bind(&pool, &Overlay::default());
    assert_eq!(rows(&bound, "SELECT count(DISTINCT random()) FROM json_each('[1,2,3]')"), "3", "drawn per row");
    let shuffled = |count| {
        rows(
            &bound,
            &format!(
                "SELECT group_concat(value) FROM (SELECT value FROM json_each('[1,2,3,4,5,6,7,8,9]') ORDER BY random() LIMIT {count})"
            ),
        )
    };
    assert_ne!(shuffled(9), "1,2,3,4,5,6,7,8,9");
    for call in ["token(0)", "token(65)", "token(NULL)", "randomblob(2000000)"] {
        let sql = format!("SELECT {call}");
        assert!(bound.prepare(&sql).unwrap().query_row([], |_| Ok(())).is_err(), "{call}");
    }
}

#[test]
fn the_last_insert_does_not_leak() {
    let pool = pool();
    let last = "SELECT last_insert_rowid()";
    let mut bound = bind(&pool, &Overlay::default());
    write(&mut bound, ADD);
    assert_eq!(rows(&bound, last), "1");
    assert_eq!(bound.total_changes(), 2);
    drop(bound);
    let bound = bind(&pool, &Overlay::default());
    assert_eq!(rows(&bound, last), "0");
    assert_eq!(bound.total_changes(), 0);
}

#[test]
fn forks_and_their_origin_go_their_own_ways() {
    let pool = pool();
    let origin = after(&pool, &Overlay::default(), ADD);
    let before = origin.materialize(pool.image());
    let fork = origin.clone();
    let left = after(&pool, &fork, "UPDATE notes SET text = 'left'");
    let right = after(&pool, &origin, "INSERT INTO notes(text) VALUES ('right'), ('more')");
    let look = |overlay: &Overlay| plain_rows(&assert_intact(overlay, pool.image()), "SELECT text FROM notes");
    assert_eq!((look(&left), look(&right)), ("left".to_owned(), "new\nright\nmore".to_owned()));
    assert_eq!(fork.materialize(pool.image()), before);
    assert_eq!(origin.materialize(pool.image()), before);
}

#[test]
fn what_is_not_taken_is_lost() {
    let pool = pool();
    let mut bound = bind(&pool, &Overlay::default());
    bound.begin().unwrap();
    bound.prepare(ADD).unwrap().raw_execute().unwrap();
    assert_eq!(bound.into_overlay().pages(), 0, "never committed");
    write(&mut bind(&pool, &Overlay::default()), ADD);
    assert_eq!(rows(&bind(&pool, &Overlay::default()), "SELECT count(*) FROM notes"), "0");
}

#[test]
fn only_clean_connections_are_used_again() {
    let pool = pool();
    let mut bound = bind(&pool, &Overlay::default());
    bound.begin().unwrap();
    drop(bound);
    assert_eq!(pool.idle(), 1, "rolled back: nothing had happened");
    let mut bound = bind(&pool, &Overlay::default());
    bound.begin().unwrap();
    bound.prepare(ADD).unwrap().raw_execute().unwrap();
    drop(bound);
    assert_eq!(pool.idle(), 1, "rolled back");
    assert_eq!(rows(&bind(&pool, &Overlay::default()), "SELECT count(*) FROM notes"), "0");
    let bound = bind(&pool, &Overlay::default());
    {
        let mut statement = bound.prepare("SELECT 1 FROM texts").unwrap();
        let mut rows = statement.raw_query();
        assert!(rows.next().is_ok());
        std::mem::forget(rows);
        std::mem::forget(statement);
    }
    drop(bound);
    assert_eq!(pool.idle(), 0, "a statement nobody finished");
}

#[test]
fn pools_keep_few_connections() {
    let pool = Pool::new(small(), 2);
    assert_eq!(pool.idle(), 0);
    let bound: Vec<_> = (0..4).map(|_| bind(&pool, &Overlay::default())).collect();
    drop(bound);
    assert_eq!(pool.idle(), 2);
    pool.shrink();
    assert_eq!(pool.idle(), 0);
}

#[test]
fn judging_sees_both_databases_and_changes_neither() {
    let image = small();
    let changed =
        after(&Pool::new(Arc::clone(&image), 1), &Overlay::default(), "INSERT INTO texts(text) VALUES ('fox')");
    let pool = Pool::with_initial(image, 1);
    for _ in 0..2 {
        let bound = bind(&pool, &changed);
        let sql = "SELECT (SELECT count(*) FROM texts('fox')), (SELECT count(*) FROM initial.texts('fox'))";
        assert_eq!(rows(&bound, sql), "2|1");
        assert_eq!(prepare_error(&bound, ADD), "writing to notes is not allowed in a check, which only reads");
        assert_eq!(
            prepare_error(&bound, "DELETE FROM initial.notes"),
            "writing to notes is not allowed in a check, which only reads"
        );
        drop(bound);
        assert_eq!(rows(&bind(&pool, &Overlay::default()), sql), "1|1");
    }
    assert_eq!(pool.idle(), 1);
}
