//! What an episode may not do, and how far it may go.

use std::time::{Duration, Instant};

use envfarm::database::{Bound, Budget, Overlay, Pool, Stop};

use super::traps::{ADD, pool};
use super::{BUDGET, after, assert_intact, bind, image, moment, prepare_error, rows, write};

/// Runs until something stops it.
const RUNAWAY: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

const REFUSED: [(&str, &str); 24] = [
    ("ATTACH 'x' AS y", "ATTACH"),
    ("DETACH main", "DETACH"),
    ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys"),
    ("PRAGMA data_version", "PRAGMA data_version"),
    ("PRAGMA main.data_version", "PRAGMA data_version"),
    ("SELECT * FROM pragma_data_version", "reading pragma_data_version"),
    ("SELECT * FROM pragma_table_info('notes')", "reading pragma_table_info"),
    ("SELECT * FROM dbstat", "reading dbstat"),
    ("CREATE TABLE t(x)", "changing the schema"),
    ("CREATE TEMP TABLE t(x)", "changing the schema"),
    ("CREATE VIRTUAL TABLE t USING fts5(x)", "changing the schema"),
    ("DROP TABLE notes", "changing the schema"),
    ("ALTER TABLE notes RENAME TO other", "ALTER TABLE"),
    ("CREATE TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END", "changing the schema"),
    ("ANALYZE", "ANALYZE"),
    ("REINDEX", "REINDEX"),
    ("BEGIN", "BEGIN, COMMIT or ROLLBACK"),
    ("COMMIT", "BEGIN, COMMIT or ROLLBACK"),
    ("SAVEPOINT s", "SAVEPOINT"),
    ("SELECT changes()", "the function changes()"),
    ("SELECT total_changes()", "the function total_changes()"),
    ("SELECT LOAD_extension('x')", "the function load_extension()"),
    ("SELECT fts3_tokenizer('x')", "the function fts3_tokenizer()"),
    ("UPDATE sqlite_sequence SET seq = 7", "writing to sqlite_sequence"),
];

#[test]
fn programs_may_do_only_what_programs_do() {
    let pool = pool();
    let bound = bind(&pool, &Overlay::default());
    for (sql, refused) in REFUSED {
        let expected = format!("{refused} is not allowed in a program");
        assert_eq!(prepare_error(&bound, sql), expected, "{sql}");
        assert_eq!(bound.describe(sql).unwrap_err().to_string(), expected, "{sql}");
    }
}

#[test]
fn the_layers_own_statements_are_not_a_programs() {
    let pool = pool();
    let mut bound = bind(&pool, &Overlay::default());
    write(&mut bound, ADD);
    bound.begin().unwrap();
    for sql in ["BEGIN", "COMMIT", " ROLLBACK\n", "commit"] {
        let error = prepare_error(&bound, sql);
        assert_eq!(error, "BEGIN, COMMIT or ROLLBACK is not allowed in a program");
    }
    assert!(bound.connection().execute_batch("DROP TABLE notes").is_err());
}

#[test]
fn some_things_are_refused_only_when_run() {
    let pool = pool();
    let bound = bind(&pool, &Overlay::default());
    for sql in [
        "VACUUM",
        "DELETE FROM sqlite_schema",
        "UPDATE texts_data SET block = x'00'",
        "SELECT \"no_column\" FROM notes",
    ] {
        let run = bound.prepare(sql).and_then(|mut statement| statement.raw_execute());
        assert!(run.is_err(), "{sql}");
    }
    // FTS5 would remember its configuration with the connection.
    let sql = "INSERT INTO texts(texts, rank) VALUES ('pgsz', 64)";
    assert!(bound.prepare(sql).unwrap().raw_execute().is_err());
    drop(bound);
    let mut bound = bind(&pool, &Overlay::default());
    write(&mut bound, "INSERT INTO app_config VALUES ('a', 'not the configuration of a full-text table')");
    write(&mut bound, "INSERT INTO texts(texts) VALUES ('optimize')");
}

#[test]
fn a_runaway_ends_at_its_budget_and_leaves_nothing() {
    let pool = pool();
    let base = after(&pool, &Overlay::default(), ADD);
    let budget = Budget { steps_max: 50_000, ..BUDGET };
    let mut bound = pool.bind(&base, moment(0), budget).unwrap();
    bound.begin().unwrap();
    bound.prepare(ADD).unwrap().raw_execute().unwrap();
    let error = bound.prepare(&format!("UPDATE notes SET text = ({RUNAWAY})")).unwrap().raw_execute().unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
    assert_eq!(bound.stop_reason(), Some(Stop::Steps));
    assert!(bound.connection().is_autocommit(), "an interrupted write has rolled back");
    let error = prepare_error(&bound, ADD);
    assert_eq!(error, "the call has been rolled back by an earlier statement");
    bound.rollback();
    let same = bound.into_overlay();
    assert_eq!(same.materialize(pool.image()), base.materialize(pool.image()));
    assert_eq!(pool.idle(), 1, "the connection is clean");
    assert_eq!(rows(&bind(&pool, &same), "SELECT count(*) FROM notes"), "1");
}

/// How far a runaway comes with what its binding may spend.
fn distance(bound: &Bound<'_>) -> i64 {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let mut statement = bound.prepare(sql).unwrap();
    let mut rows = statement.raw_query();
    let mut last = 0;
    while let Ok(Some(row)) = rows.next() {
        last = row.get(0).unwrap();
    }
    last
}

#[test]
fn budgets_end_at_the_same_step_whatever_ran_before() {
    let plain = Pool::new(image("CREATE TABLE notes(text TEXT) STRICT", ""), 1);
    for (pool, find) in [(pool(), "SELECT rowid FROM texts('fox')"), (plain, "SELECT * FROM notes")] {
        let with_steps = |steps_max| {
            let budget = Budget { steps_max, ..BUDGET };
            pool.bind(&Overlay::default(), moment(0), budget).unwrap()
        };
        let measure = |others: usize| {
            for _ in 0..others {
                rows(&with_steps(10_000), find);
                distance(&with_steps(3_000));
            }
            let bound = with_steps(20_000);
            for _ in 0..50 {
                rows(&bound, find);
            }
            distance(&bound)
        };
        let first = measure(0);
        assert!(first > 1_000);
        for others in [1, 7, 40] {
            assert_eq!(measure(others), first);
        }
    }
}

#[test]
fn compiling_costs_no_steps() {
    let pool = pool();
    // Conditions keep the planner busy; with no rows nobody else. Nested in pairs, as nesting has a limit.
    let mut conditions: Vec<String> = (0..2_048).map(|n| format!("text <> {n}")).collect();
    while conditions.len() > 1 {
        conditions = conditions.chunks(2).map(|pair| format!("({})", pair.join(" AND "))).collect();
    }
    let sql = format!("SELECT 7 FROM notes WHERE {} ORDER BY made_at", conditions[0]);
    let budget = Budget { steps_max: 0, ..BUDGET };
    let bound = pool.bind(&Overlay::default(), moment(0), budget).unwrap();
    assert!(bound.prepare(&sql).is_ok());
}

#[test]
fn a_deadline_ends_it_too() {
    let pool = pool();
    let deadline = Some(Instant::now() + Duration::from_millis(5));
    let budget = Budget { steps_max: u64::MAX, deadline, ..BUDGET };
    let bound = pool.bind(&Overlay::default(), moment(0), budget).unwrap();
    assert!(bound.prepare(RUNAWAY).unwrap().query_row([], |_| Ok(())).is_err());
    assert_eq!(bound.stop_reason(), Some(Stop::Deadline));
    drop(bound);
    assert_eq!(rows(&bind(&pool, &Overlay::default()), "SELECT 1"), "1");
}

#[test]
fn values_have_a_length() {
    let pool = pool();
    let bound = bind(&pool, &Overlay::default());
    for sql in [
        "SELECT zeroblob(2000000)",
        "SELECT replace(hex(zeroblob(400000)), '0', 'xyz')",
        "SELECT printf('%2000000d', 1)",
    ] {
        let error = bound.prepare(sql).unwrap().query_row([], |_| Ok(())).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::TooBig), "{sql}");
    }
}

#[test]
fn a_full_overlay_refuses_and_leaves_nothing() {
    let pool = pool();
    // Free pages, which SQLite may leave changed when it rolls back.
    let base = after(&pool, &Overlay::default(), "INSERT INTO notes(text) VALUES (hex(zeroblob(9000)))");
    let base = after(&pool, &base, "UPDATE notes SET text = 'short'");
    let fill = "INSERT INTO notes(text) SELECT hex(zeroblob(3000)) FROM json_each('[1,2,3,4,5]')";
    // Few pages wait in the page cache until the end of the transaction; many are written out before.
    for (repeats, statements_before) in [(1, 0), (1, 3), (100, 0)] {
        let budget = Budget { pages_max: base.pages() + 5, ..BUDGET };
        let mut bound = pool.bind(&base, moment(0), budget).unwrap();
        bound.begin().unwrap();
        for _ in 0..statements_before {
            bound.prepare("UPDATE notes SET text = text || 'x'").unwrap().raw_execute().unwrap();
        }
        let run = (0..repeats).try_for_each(|_| bound.prepare(fill)?.raw_execute().map(|_| ()));
        let ended = run.is_err() || bound.commit().is_err();
        assert!(ended && bound.stop_reason() == Some(Stop::Pages), "{run:?}");
        bound.rollback();
        let overlay = bound.into_overlay();
        assert_eq!(overlay.materialize(pool.image()), base.materialize(pool.image()));
        assert_intact(&overlay, pool.image());
    }
    let enough = Budget { pages_max: 200, ..BUDGET };
    let mut bound = pool.bind(&base, moment(0), enough).unwrap();
    write(&mut bound, fill);
    assert_eq!(rows(&bound, "SELECT count(*) FROM notes"), "6");
}

#[test]
fn what_is_undone_costs_nothing() {
    let pool = pool();
    let mut bound = bind(&pool, &Overlay::default());
    bound.begin().unwrap();
    for _ in 0..10 {
        // Outgrows the page cache, so that pages reach the overlay before the end.
        bound.prepare("INSERT INTO notes(text) VALUES (hex(zeroblob(400000)))").unwrap().raw_execute().unwrap();
    }
    bound.rollback();
    assert_eq!(rows(&bound, "SELECT count(*) FROM notes"), "0");
    let overlay = bound.into_overlay();
    assert_eq!((overlay.pages(), overlay.bytes()), (0, 0));
    assert_eq!(overlay.materialize(pool.image()), pool.image().bytes());
}

#[test]
fn an_episode_costs_its_pages() {
    let tables = 18;
    let schema: String = (0..tables)
        .map(|n| format!("CREATE TABLE t{n}(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, amount INTEGER NOT NULL) STRICT; CREATE INDEX i{n} ON t{n}(name);"))
        .collect();
    let data: String = (0..tables)
        .map(|n| format!("INSERT INTO t{n}(name, amount) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT 'a fairly long name number ' || i, i FROM n;"))
        .collect();
    let pool = Pool::new(image(&schema, &data), 1);
    let mut overlay = Overlay::default();
    assert_eq!(overlay.bytes(), 0);
    for call in 0..20 {
        let mut bound = bind(&pool, &overlay);
        bound.begin().unwrap();
        let table = call % tables;
        for sql in [
            format!("INSERT INTO t{table}(name, amount) VALUES ('new', 1)"),
            format!("UPDATE t{table} SET amount = amount + 1 WHERE id = 7"),
        ] {
            bound.prepare(&sql).unwrap().raw_execute().unwrap();
        }
        bound.commit().unwrap();
        overlay = bound.into_overlay();
    }
    let overhead = overlay.bytes() - overlay.pages() * 1024;
    assert!(overlay.pages() <= 80, "{}", overlay.pages());
    assert!(overhead < overlay.bytes() / 20, "{overhead} of {}", overlay.bytes());
}
