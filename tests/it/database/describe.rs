//! What `Bound::describe` tells about statements.

use std::fmt::Write as _;
use std::sync::Arc;

use envfarm::database::{Overlay, Pool, StatementInfo};
use expect_test::{Expect, expect};

use super::{bind, image};

const SCHEMA: &str = "
CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, n INTEGER NOT NULL) STRICT;
CREATE TABLE b(id INTEGER PRIMARY KEY, a_id INTEGER NOT NULL REFERENCES a(id) ON DELETE CASCADE, title TEXT NOT NULL, note TEXT) STRICT;
CREATE INDEX b_a ON b(a_id, title);
CREATE TABLE log(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE tags(b_id INTEGER NOT NULL REFERENCES b(id) ON DELETE CASCADE, tag TEXT NOT NULL, shade TEXT, PRIMARY KEY (b_id, tag)) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE texts USING fts5(title, content='b', content_rowid='id');
CREATE TRIGGER b_ai AFTER INSERT ON b BEGIN
  INSERT INTO texts(rowid, title) VALUES (new.id, new.title);
  INSERT INTO log(text) VALUES (datetime('now'));
END;
CREATE VIEW busy AS SELECT a.id AS id, a.name AS name, count(*) AS lines FROM a JOIN b ON b.a_id = a.id GROUP BY a.id;
";

fn describe(sql: &str) -> Result<StatementInfo, rusqlite::Error> {
    let pool = Pool::new(image(SCHEMA, ""), 1);
    bind(&pool, &Overlay::default()).describe(sql)
}

fn show(info: &StatementInfo) -> String {
    let mut text = String::new();
    let access = if info.readonly { "reads" } else { "writes" };
    writeln!(text, "{access} {:?}", info.parameters).unwrap();
    for table in &info.tables {
        let columns = table.columns.join(" ");
        writeln!(text, "{:?} {}.{} {columns}", table.operation, table.database, table.table).unwrap();
    }
    text
}

fn check(sql: &str, expected: Expect) {
    expected.assert_eq(&show(&describe(sql).unwrap()));
}

/// Names of the columns, with `?` where NULL may come.
fn columns(sql: &str) -> String {
    let name =
        |column: &envfarm::database::ColumnInfo| format!("{}{}", column.name, if column.nullable { "?" } else { "" });
    let info = describe(sql).unwrap();
    let names: Vec<String> = info.columns.iter().map(name).collect();
    names.join(" ")
}

#[test]
fn tables_are_told_through_triggers_views_and_foreign_keys() {
    check(
        "SELECT name, :x FROM busy WHERE id = :id AND id <> ?",
        expect![[r#"
            reads [":x", ":id", "?"]
            Read main.a id name
            Read main.b a_id
            Read main.busy id name
        "#]],
    );
    check(
        "INSERT INTO b(a_id, title) VALUES (:a, 'x')",
        expect![[r#"
        writes [":a"]
        Read main.a id
        Read main.b id title
        Insert main.b 
        Insert main.log 
        Read main.tags b_id
        Insert main.texts 
    "#]],
    );
    check(
        "DELETE FROM a WHERE id = 1",
        expect![[r#"
        writes []
        Read main.a id
        Delete main.a 
        Read main.b a_id id
        Delete main.b 
        Read main.tags b_id
        Delete main.tags 
    "#]],
    );
    check(
        "UPDATE b SET note = 'x' WHERE title = 'y'",
        expect![[r#"
        writes []
        Read main.b title
        Update main.b note
    "#]],
    );
}

/// Names of result columns, with `?` where NULL may come.
const NULLABLE: [(&str, &str); 27] = [
    ("SELECT id, name, n FROM a", "id name n"),
    ("SELECT id, title, note FROM b ORDER BY title DESC, id", "id title note?"),
    ("SELECT a.id, b.title FROM a JOIN b ON b.a_id = a.id ORDER BY a.name", "id title"),
    ("SELECT a.id, b.id, b.title FROM a LEFT JOIN b ON b.a_id = a.id ORDER BY a.name", "id id? title?"),
    ("SELECT a.id, b.id FROM b RIGHT JOIN a ON b.a_id = a.id", "id id?"),
    ("SELECT id, (SELECT title FROM b WHERE a_id = a.id LIMIT 1) AS t FROM a ORDER BY t", "id t?"),
    ("SELECT id, (SELECT count(*) FROM b WHERE a_id = a.id) AS c FROM a ORDER BY c, name", "id c?"),
    ("SELECT a.id, a.name, count(*) AS c FROM a JOIN b ON b.a_id = a.id GROUP BY a.id", "id name c?"),
    ("SELECT name, sum(n) AS s, (SELECT title FROM b LIMIT 1) AS t FROM a GROUP BY n ORDER BY s", "name s? t?"),
    ("SELECT name, max(n) AS m FROM a", "name? m?"),
    ("SELECT id FROM a UNION ALL SELECT NULL", "id?"),
    ("SELECT name FROM a UNION ALL SELECT note FROM b", "name?"),
    ("SELECT name FROM a UNION ALL SELECT title FROM b", "name"),
    ("SELECT name FROM a UNION SELECT title FROM b", "name"),
    ("SELECT id FROM a UNION ALL SELECT a_id + 1 FROM b", "id?"),
    ("SELECT x.title FROM (SELECT title, a_id FROM b ORDER BY id LIMIT 2) AS x JOIN a ON a.id = x.a_id", "title"),
    ("SELECT x.t FROM a LEFT JOIN (SELECT title AS t, a_id FROM b ORDER BY id LIMIT 2) AS x ON x.a_id = a.id", "t?"),
    ("SELECT b_id, tag, shade FROM tags", "b_id tag shade?"),
    ("SELECT t.tag FROM b JOIN tags AS t ON t.b_id = b.id WHERE b.a_id = 1", "tag"),
    ("SELECT id, name FROM busy", "id name"),
    (
        "WITH RECURSIVE up(id, title) AS (SELECT id, title FROM b WHERE id = 1 UNION ALL SELECT b.id, b.title FROM b JOIN up ON b.a_id = up.id) SELECT id, title FROM up",
        // Certain, but hidden behind the queue of the recursion.
        "id? title?",
    ),
    (
        "SELECT name, row_number() OVER (ORDER BY n) AS r FROM a ORDER BY r",
        // As are windows.
        "name? r?",
    ),
    ("SELECT DISTINCT name FROM a", "name"),
    ("INSERT INTO a(name, n) VALUES ('x', 1) RETURNING id, name", "id name"),
    ("SELECT b.id, b.title FROM texts JOIN b ON b.id = texts.rowid WHERE texts MATCH 'x' ORDER BY rank", "id title"),
    ("SELECT a.id FROM json_each('[1]') AS j JOIN a ON a.id = j.value", "id"),
    ("SELECT :a AS a, a.id FROM a WHERE name LIKE :q AND (:s IS NULL OR n = :s) LIMIT :l OFFSET :o", "a? id"),
];

#[test]
fn null_is_possible_only_where_it_is() {
    for (sql, expected) in NULLABLE {
        assert_eq!(columns(sql), expected, "{sql}");
    }
}

#[test]
fn origins_are_told() {
    let info = describe("SELECT id AS number, note FROM b").unwrap();
    let origin = info.columns[0].origin.clone().unwrap();
    assert_eq!((origin.table.as_str(), origin.column.as_str(), origin.not_null), ("b", "id", true));
    let origin = info.columns[1].origin.clone().unwrap();
    assert_eq!((origin.declared_type.as_deref(), origin.not_null), (Some("TEXT"), false));
}

#[test]
fn local_time_is_seen() {
    for (sql, expected) in [
        ("SELECT datetime('now', 'localtime')", true),
        ("SELECT strftime('%H', '2026-01-01', ' UTC')", true),
        ("SELECT datetime('now', '+1 day')", false),
        ("SELECT name FROM a WHERE name = 'utc'", false),
    ] {
        assert_eq!(describe(sql).unwrap().uses_local_time, expected, "{sql}");
    }
}

#[test]
fn one_statement_at_a_time() {
    let error = describe("SELECT 1; SELECT 2").unwrap_err();
    assert!(matches!(error, rusqlite::Error::MultipleStatement));
    assert!(describe("SELECT 1; -- and no more").is_ok());
    assert!(describe("").is_err());
    assert!(describe("EXPLAIN SELECT 1").is_err());
}

#[test]
fn both_databases_are_described_when_judging() {
    let pool = Pool::with_initial(Arc::clone(&image(SCHEMA, "")), 1);
    let bound = bind(&pool, &Overlay::default());
    let info = bound.describe("SELECT m.id, i.note FROM b AS m LEFT JOIN initial.b AS i USING (id)").unwrap();
    assert_eq!(info.tables.iter().map(|table| table.database.as_str()).collect::<Vec<_>>(), ["initial", "main"]);
    assert_eq!((info.columns[0].nullable, info.columns[1].nullable), (false, true));
}
