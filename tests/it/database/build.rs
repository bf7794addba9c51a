//! Images: built alike from the same source, and everything wrong with a source is told.

use std::fmt::Write as _;

use envfarm::database::{ImageSource, build_image, open_bytes};
use expect_test::{Expect, expect};

use super::{NOW_MS, plain_rows};

const SCHEMA: &str = "
CREATE TABLE shelves(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE books(id INTEGER PRIMARY KEY, shelf_id INTEGER REFERENCES shelves(id), title TEXT NOT NULL CHECK (title <> ''),
  added_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, code TEXT NOT NULL DEFAULT (token(6))) STRICT;
CREATE INDEX books_shelf ON books(shelf_id);
CREATE VIRTUAL TABLE texts USING fts5(title, content='books', content_rowid='id');
CREATE TRIGGER books_ai AFTER INSERT ON books BEGIN INSERT INTO texts(rowid, title) VALUES (new.id, new.title); END;
";

fn check(schema: &str, data: &str, expected: Expect) {
    let source = ImageSource { schema, data, clock_ms: NOW_MS };
    let mut text = String::new();
    for error in build_image(&source).unwrap_err() {
        let line = error.line.map_or("-".to_owned(), |line| line.to_string());
        writeln!(text, "{:?}:{line} {:?}: {error}", error.file, error.kind).unwrap();
    }
    expected.assert_eq(&text);
}

#[test]
fn same_source_same_bytes() {
    let data = "INSERT INTO books(id, shelf_id, title, added_at, code) VALUES (1, 1, 'b', '2026', 'x');
                INSERT INTO shelves(name) VALUES ('a'), ('c'); UPDATE books SET title = 'd' WHERE id = 1;";
    let build = |data, clock_ms| {
        let source = ImageSource { schema: SCHEMA, data, clock_ms };
        build_image(&source).unwrap()
    };
    let image = build(data, NOW_MS);
    assert_eq!(image.digest(), build(data, NOW_MS).digest());
    assert_eq!(image.digest(), build(data, NOW_MS + 1).digest(), "nothing depends on the clock");
    assert_ne!(image.digest(), build("", NOW_MS).digest());
    assert_eq!(image.bytes().len() % 1024, 0);
    assert_eq!(image.bytes()[16..20], [4, 0, 1, 1], "pages of 1 KiB, no write-ahead log");
    let counted = u32::from_be_bytes(image.bytes()[28..32].try_into().unwrap());
    assert_eq!(counted as usize * 1024, image.bytes().len());
    let plain = open_bytes(image.bytes()).unwrap();
    assert_eq!(plain_rows(&plain, "PRAGMA integrity_check"), "ok");
    assert_eq!(plain_rows(&plain, "PRAGMA freelist_count"), "0");
    assert_eq!(plain_rows(&plain, "SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'"), "sqlite_stat1");
    assert_eq!(plain_rows(&plain, "SELECT seq FROM sqlite_sequence"), "2");
}

#[test]
fn an_empty_package_builds() {
    let source = ImageSource { schema: "", data: "-- nothing\n", clock_ms: 0 };
    assert!(build_image(&source).is_ok());
}

#[test]
fn schema_errors_are_all_told() {
    check(
        "CREATE TABLE a(id INTEGER PRIMARY KEY) STRICT;\n\
         CREATE TABLE b(\n  id INTEGER,,\n  c TEXT);\n\
         CREATE TABLE a(x);\n\
         CREATE VIRTUAL TABLE r USING rtree(id, x, y);\n\
         CREATE VIRTUAL TABLE f USING fts4(x);\n\
         CREATE TEMP TABLE t(x);\n\
         ATTACH 'file' AS other;\n\
         PRAGMA foreign_keys = OFF;\n\
         CREATE TABLE c AS SELECT * FROM pragma_table_list;\n\
         CREATE INDEX i ON missing(x);\n\
         INSERT INTO a VALUES (1);\n\
         DROP TABLE a",
        "nonsense",
        expect![[r#"
            Schema:3 Sql: near ",": syntax error
            Schema:5 Sql: table a already exists
            Schema:6 Forbidden: the virtual table module rtree is not allowed in a package
            Schema:7 Forbidden: the virtual table module fts4 is not allowed in a package
            Schema:8 Forbidden: CREATE TEMP is not allowed in a package
            Schema:9 Forbidden: ATTACH is not allowed here: schema.sql holds only CREATE statements
            Schema:10 Forbidden: PRAGMA is not allowed here: schema.sql holds only CREATE statements
            Schema:11 Forbidden: reading pragma_table_list is not allowed in a package
            Schema:12 Sql: no such table: main.missing
            Schema:13 Forbidden: INSERT is not allowed here: schema.sql holds only CREATE statements
            Schema:14 Forbidden: DROP is not allowed here: schema.sql holds only CREATE statements
        "#]],
    );
}

#[test]
fn data_errors_are_all_told() {
    check(
        SCHEMA,
        "INSERT INTO shelves(id, name) VALUES (1, 'a');\n\
         INSERT INTO shelves(id, name) VALUES (2, 'a');\n\
         -- a comment; with a semicolon\n\
         INSERT INTO books(shelf_id, title) VALUES (1, ''),\n  (1, 'x');\n\
         INSERT INTO books(id, title, added_at, code)\n  VALUES ('one', 'x', '', '');\n\
         INSERT INTO books(title, added_at, code) VALUES ('x', '', hex(randomblob(3)));\n\
         INSERT INTO books(title, added_at) VALUES ('x', '');\n\
         INSERT INTO books(title, code) VALUES ('x', '');\n\
         INSERT INTO books(title, added_at, code) VALUES ('x', date('2026-01-01', 'localtime'), '');\n\
         INSERT INTO books(title, added_at, code) VALUES ('x', datetime('now'), 'y');\n\
         INSERT INTO missing VALUES (1);\n\
         INSERT INTO books(nope) VALUES (load_extension('x'));\n\
         INSERT INTO books(title, added_at, code) SELECT 'x', total_changes(), '';\n\
         CREATE TABLE d(x);\n\
         PRAGMA writable_schema = ON;\n\
         BEGIN;\n\
         SELECT 1",
        expect![[r#"
            Data:2 Constraint: UNIQUE constraint failed: shelves.name
            Data:4 Constraint: CHECK constraint failed: title <> ''
            Data:6 Sql: datatype mismatch
            Data:8 UsesRandomness: the result depends on random numbers; write the value out
            Data:9 UsesRandomness: the result depends on random numbers; write the value out
            Data:10 UsesClock: the result depends on the clock; write the time out
            Data:11 Sql: local time unavailable
            Data:12 UsesClock: the result depends on the clock; write the time out
            Data:13 Sql: no such table: missing
            Data:14 Sql: table books has no column named nope
            Data:15 Forbidden: the function total_changes() is not allowed in a package
            Data:16 Forbidden: CREATE is not allowed here: data.sql holds only INSERT, UPDATE and DELETE statements
            Data:17 Forbidden: PRAGMA is not allowed here: data.sql holds only INSERT, UPDATE and DELETE statements
            Data:18 Forbidden: BEGIN is not allowed here: data.sql holds only INSERT, UPDATE and DELETE statements
            Data:19 Forbidden: SELECT is not allowed here: data.sql holds only INSERT, UPDATE and DELETE statements
        "#]],
    );
}

#[test]
fn rows_may_come_in_any_order_but_must_refer_to_something() {
    check(
        SCHEMA,
        "INSERT INTO books(id, shelf_id, title, added_at, code) VALUES (7, 5, 'x', '', ''), (8, 1, 'y', '', ''), (9, 6, 'z', '', '');
         INSERT INTO shelves(id, name) VALUES (1, 'a');",
        expect![[r#"
            Data:- ForeignKey: books.shelf_id of row 7 refers to no row of shelves
            Data:- ForeignKey: books.shelf_id of row 9 refers to no row of shelves
        "#]],
    );
}

#[test]
fn references_to_nothing_are_told() {
    check(
        "CREATE TABLE a(id INTEGER PRIMARY KEY, b_id INTEGER REFERENCES b(id)) STRICT",
        "",
        expect![[r#"
            Schema:- ForeignKey: a.b_id refers to the table b, which does not exist
        "#]],
    );
    check(
        "CREATE TABLE b(id INTEGER) STRICT; CREATE TABLE a(b_id INTEGER REFERENCES b(id)) STRICT",
        "",
        expect![[r#"
            Data:- Sql: foreign key mismatch - "a" referencing "b"
        "#]],
    );
}

#[test]
fn building_ends() {
    check(
        "CREATE TABLE a(x BLOB)",
        "INSERT INTO a SELECT zeroblob(1000000) FROM json_each('[' || substr(replace(hex(zeroblob(50)), '00', ',1'), 2) || ']'),\n\
         json_each('[1,2]');",
        expect![[r#"
            Data:1 Budget: the database takes more than 65536 KiB
        "#]],
    );
    check(
        "CREATE TABLE a(x BLOB)",
        "INSERT INTO a WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;\nINSERT INTO a VALUES (1)",
        expect![[r#"
            Data:1 Budget: the package's SQL takes more than 100000000 steps in lots of 1000
        "#]],
    );
}
