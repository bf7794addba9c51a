//! The database layer, seen from outside.

use std::sync::Arc;

use envfarm::database::{
    Budget, Image, ImageSource, Moment, Overlay, Pool, build_image, open_bytes,
};

const SCHEMA: &str = "
CREATE TABLE authors(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE books(id INTEGER PRIMARY KEY AUTOINCREMENT, author_id INTEGER NOT NULL REFERENCES authors(id) ON DELETE CASCADE,
  title TEXT NOT NULL, added_at TEXT NOT NULL DEFAULT (datetime('now')), token TEXT DEFAULT (token(8))) STRICT;
CREATE INDEX books_author ON books(author_id);
CREATE VIRTUAL TABLE book_text USING fts5(title, content='books', content_rowid='id');
CREATE TRIGGER books_ai AFTER INSERT ON books BEGIN
  INSERT INTO book_text(rowid, title) VALUES (new.id, new.title);
END;
CREATE TRIGGER books_ad AFTER DELETE ON books BEGIN
  INSERT INTO book_text(book_text, rowid, title) VALUES ('delete', old.id, old.title);
END;
";
const DATA: &str = "
INSERT INTO authors(id, name) VALUES (1, 'Ada'), (2, 'Grace');
INSERT INTO books(id, author_id, title, added_at, token) VALUES (1, 1, 'Notes', '2026-01-01', 'x'), (2, 2, 'Compilers', '2026-01-02', 'y');
";

fn image() -> Arc<Image> {
    let source = ImageSource {
        schema: SCHEMA,
        data: DATA,
        clock_ms: 1_773_739_800_000,
    };
    Arc::new(build_image(&source).unwrap())
}

fn moment(commits: u64) -> Moment {
    Moment {
        now_ms: 1_773_739_800_000,
        seed: 7,
        commits,
    }
}

fn budget() -> Budget {
    Budget {
        steps_max: 1_000_000,
        deadline: None,
        pages_max: 1000,
    }
}

#[test]
fn smoke() {
    let image = image();
    let pool = Pool::new(Arc::clone(&image), 2);
    let mut bound = pool.bind(&Overlay::default(), moment(0), budget()).unwrap();
    bound.begin().unwrap();
    bound
        .prepare("INSERT INTO books(author_id, title) VALUES (1, 'Engines')")
        .unwrap()
        .execute([])
        .unwrap();
    bound.commit().unwrap();
    let row: (i64, String, String) = bound
        .prepare("SELECT id, added_at, token FROM books WHERE id = last_insert_rowid()")
        .unwrap()
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!(row.0, 3);
    assert_eq!(row.1, "2026-03-17 09:30:00");
    println!("{row:?} {}", image.bytes().len());
    let overlay = bound.into_overlay();
    println!("{overlay:?} {}", overlay.bytes());
    let hits = |overlay: &Overlay| -> i64 {
        let bound = pool.bind(overlay, moment(1), budget()).unwrap();
        bound
            .prepare("SELECT count(*) FROM book_text('engines OR notes')")
            .unwrap()
            .query_row([], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(hits(&overlay), 2);
    assert_eq!(hits(&Overlay::default()), 1);
    assert_eq!(pool.idle(), 1);
    let plain = open_bytes(&overlay.materialize(&image)).unwrap();
    let check: String = plain
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}
