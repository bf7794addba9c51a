//! The database layer, seen from outside.
//!
//! The memory checks of `unsafe` code are these tests under valgrind: `tests/run-valgrind`.

mod build;
mod describe;
mod differential;
mod limits;
mod traps;

use std::sync::Arc;

use envfarm::database::{Bound, Budget, Image, ImageSource, Moment, Overlay, Pool, build_image, open_bytes};
use rusqlite::Connection;
use rusqlite::types::Value;

/// 2026-03-17 09:30:00 UTC.
const NOW_MS: i64 = 1_773_739_800_000;

const BUDGET: Budget = Budget { steps_max: 10_000_000, deadline: None, pages_max: 10_000 };

fn moment(commits: u64) -> Moment {
    Moment { now_ms: NOW_MS, seed: 7, commits }
}

fn image(schema: &str, data: &str) -> Arc<Image> {
    let source = ImageSource { schema, data, clock_ms: NOW_MS };
    Arc::new(build_image(&source).unwrap())
}

fn bind<'p>(pool: &'p Pool, overlay: &Overlay) -> Bound<'p> {
    pool.bind(overlay, moment(0), BUDGET).unwrap()
}

/// All rows of a query on a binding, as one text.
fn rows(bound: &Bound<'_>, sql: &str) -> String {
    collect(&mut bound.prepare(sql).unwrap())
}

fn plain_rows(connection: &Connection, sql: &str) -> String {
    collect(&mut connection.prepare(sql).unwrap())
}

fn collect(statement: &mut rusqlite::Statement<'_>) -> String {
    let columns = statement.column_count();
    let mut text = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().unwrap() {
        let cells: Vec<String> = (0..columns)
            .map(|column| match row.get(column).unwrap() {
                Value::Null => "NULL".to_owned(),
                Value::Integer(number) => number.to_string(),
                Value::Real(number) => number.to_string(),
                Value::Text(text) => text,
                Value::Blob(bytes) => format!("{bytes:02x?}"),
            })
            .collect();
        text.push(cells.join("|"));
    }
    text.join("\n")
}

fn prepare_error(bound: &Bound<'_>, sql: &str) -> String {
    bound.prepare(sql).map(|_| ()).unwrap_err().to_string()
}

/// Runs one statement in a transaction of its own.
fn write(bound: &mut Bound<'_>, sql: &str) {
    bound.begin().unwrap();
    bound.prepare(sql).unwrap().raw_execute().unwrap();
    bound.commit().unwrap();
}

/// The overlay after one more transaction.
fn after(pool: &Pool, overlay: &Overlay, sql: &str) -> Overlay {
    let mut bound = bind(pool, overlay);
    write(&mut bound, sql);
    bound.into_overlay()
}

/// SQLite's own opinion of an episode's file, on a fresh connection.
fn assert_intact(overlay: &Overlay, image: &Image) -> Connection {
    let file = overlay.materialize(image);
    let counted = u32::from_be_bytes(file[28..32].try_into().unwrap());
    assert_eq!(counted as usize * 1024, file.len());
    let plain = open_bytes(&file).unwrap();
    assert_eq!(plain_rows(&plain, "PRAGMA integrity_check"), "ok");
    assert_eq!(plain_rows(&plain, "PRAGMA foreign_key_check"), "");
    plain
}
