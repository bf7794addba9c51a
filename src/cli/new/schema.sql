-- Tables are STRICT, so that a column holds what it says. Declare every reference as a foreign key: states are compared up
-- to renaming of generated ids, which follows the references.

CREATE TABLE members (
  id INTEGER PRIMARY KEY,
  full_name TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL UNIQUE,
  joined_on TEXT NOT NULL
) STRICT;

CREATE TABLE books (
  id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  author TEXT NOT NULL,
  published_year INTEGER NOT NULL,
  shelf TEXT NOT NULL,
  copies INTEGER NOT NULL CHECK (copies > 0)
) STRICT;

-- Tables into which tools insert have AUTOINCREMENT keys: an id that is never used again can't be mistaken for another row.
CREATE TABLE loans (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  member_id INTEGER NOT NULL REFERENCES members (id),
  book_id INTEGER NOT NULL REFERENCES books (id),
  lent_at TEXT NOT NULL,
  due_on TEXT NOT NULL,
  renewals INTEGER NOT NULL DEFAULT 0 CHECK (renewals BETWEEN 0 AND 2),
  returned_at TEXT
) STRICT;

CREATE INDEX loans_by_book ON loans (book_id) WHERE returned_at IS NULL;
CREATE INDEX loans_by_member ON loans (member_id);

CREATE TABLE reservations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  member_id INTEGER NOT NULL REFERENCES members (id),
  book_id INTEGER NOT NULL REFERENCES books (id),
  reserved_at TEXT NOT NULL,
  UNIQUE (member_id, book_id)
) STRICT;

-- A view keeps a rule in one place: a copy is on the shelf if it isn't lent.
CREATE VIEW shelf AS
SELECT
  b.id AS book_id,
  b.copies - (SELECT count(*) FROM loans AS l WHERE l.book_id = b.id AND l.returned_at IS NULL) AS copies_in,
  (SELECT count(*) FROM reservations AS r WHERE r.book_id = b.id) AS waiting
FROM books AS b;
