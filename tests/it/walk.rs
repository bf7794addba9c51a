//! What calling tools finds: the lending package, broken in one way at a time, beside the same change made well.

use crate::broken::Edit::{Append, Replace};
use crate::broken::{Edit, Package};

const ENVIRONMENT: &str = "environment.yaml";
const SCHEMA: &str = "schema.sql";
const TOOLS: &str = "tools.yaml";

/// The findings of these codes, as `code file:line message`.
fn found(edits: &[Edit]) -> Vec<String> {
    let findings = Package::new(edits).findings();
    findings
        .iter()
        .map(|finding| {
            format!("{} {}:{} {}", finding.code.as_str(), finding.file, finding.line.unwrap_or(0), finding.message)
        })
        .collect()
}

/// Expects one finding that begins like this and has all of `parts` in its message.
#[track_caller]
fn caught(begins: &str, parts: &[&str], edits: &[Edit]) {
    let found = found(edits);
    let matching =
        found.iter().filter(|finding| finding.starts_with(begins) && parts.iter().all(|part| finding.contains(part)));
    assert_eq!(matching.count(), 1, "{begins} with {parts:?} not once among {found:#?}");
}

/// Expects no finding of a code.
#[track_caller]
fn clean(code: &str, edits: &[Edit]) {
    let found = found(edits);
    assert!(!found.iter().any(|finding| finding.starts_with(code)), "{code} among {found:#?}");
}

const BOOK_GUARD: &str = "    - guard: SELECT 1 FROM books WHERE id = :book_id
      code: book_not_found
      error: \"there is no book {book_id}; search_books shows what there is\"
    - guard: SELECT NOT EXISTS";

#[test]
fn faults() {
    // A foreign key that no guard protects.
    caught(
        "tool_faults tools.yaml",
        &["borrow_book", "FOREIGN KEY"],
        &[Replace(TOOLS, BOOK_GUARD, "    - guard: SELECT NOT EXISTS")],
    );
    // A let that gives no row for some arguments, and one that gives several.
    let due = "SELECT date(:now, (:weeks * 7) || ' days') AS due";
    caught(
        "tool_faults tools.yaml",
        &["a let gave no row"],
        &[Replace(TOOLS, due, "SELECT date(:now, (:weeks * 7) || ' days') AS due WHERE :weeks < 4")],
    );
    let two = "SELECT date(:now, (:weeks * 7) || ' days') AS due FROM (SELECT 1 UNION ALL SELECT 2 WHERE :weeks = 4)";
    caught("tool_faults tools.yaml", &["more than one row", "\"weeks\":4"], &[Replace(TOOLS, due, two)]);
    // A CHECK that only a state reached by another call can break.
    let one_note = Replace(SCHEMA, "  body TEXT NOT NULL,\n  written_at", "  body TEXT NOT NULL UNIQUE,\n  written_at");
    caught("tool_faults tools.yaml", &["write_note", "UNIQUE", "after write_note"], &[one_note]);
    clean("tool_faults", &[]);
}

const RUNAWAY: &str = "
- name: count_up
  title: Count up
  description: Count up to a number, one by one, for as long as it takes to get there.
  inputSchema:
    type: object
    properties:
      goal: {type: integer, minimum: 1, maximum: 1000000000000, description: Where to stop}
    required: [goal]
  returns:
    last: {value: 'WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < :goal) SELECT max(n) FROM up', type: integer}
";

const LONG: &str = "
- name: list_numbers
  title: List numbers
  description: List the numbers from one up to a limit that can be far too large to read.
  inputSchema:
    type: object
    properties:
      goal: {type: integer, minimum: 1, maximum: 5000, description: Where to stop}
    required: [goal]
  returns:
    numbers: {rows: 'WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < :goal) SELECT n FROM up ORDER BY n', types: {n: integer}}
";

#[test]
fn budgets() {
    caught("tool_over_budget tools.yaml", &["count_up", "too_much_work"], &[Append(TOOLS, RUNAWAY)]);
    caught("tool_over_budget tools.yaml", &["list_numbers", "result_too_large"], &[Append(TOOLS, LONG)]);
}

#[test]
fn results_against_their_schema() {
    let types = "types: {available: boolean}";
    caught(
        "result_contradicts_schema tools.yaml",
        &["search_books", "available"],
        &[Replace(TOOLS, types, "types: {available: string}")],
    );
    // Null only while the book is in.
    let holder = "SELECT id, title, author, shelf, (SELECT due_on FROM loans WHERE book_id = books.id AND returned_at IS NULL) AS available";
    let original = "SELECT id, title, author, shelf, NOT EXISTS (SELECT 1 FROM loans WHERE book_id = books.id AND returned_at IS NULL) AS available";
    caught(
        "result_contradicts_schema tools.yaml",
        &["search_books"],
        &[Replace(TOOLS, original, holder), Replace(TOOLS, types, "types: {available: string}")],
    );
    clean(
        "result_contradicts_schema",
        &[Replace(TOOLS, original, holder), Replace(TOOLS, types, "types: {available: string?}")],
    );
}

#[test]
fn tools_that_never_succeed_and_guards_that_never_refuse() {
    let memo = "run: UPDATE loans SET memo = memo || :text || '; ' WHERE id = :loan_id";
    let impossible = "guard: SELECT :text LIKE '%moss%' AND :text NOT LIKE '%m%'\n      code: no_moss\n      error: no\n    - run: UPDATE loans SET memo = memo || :text || '; ' WHERE id = :loan_id";
    caught(
        "tool_never_succeeds tools.yaml",
        &["add_memo", "were refused by no_moss"],
        &[Replace(TOOLS, memo, impossible)],
    );
    let toothless = "guard: SELECT length(:text) > 0\n      code: no_text\n      error: no\n    - run: UPDATE loans SET memo = memo || :text || '; ' WHERE id = :loan_id";
    caught("guard_never_refuses tools.yaml", &["add_memo", "no_text"], &[Replace(TOOLS, memo, toothless)]);
    // Only after a memo of one's own, on the second of one's loans, and only with the right words.
    let hidden = "guard: SELECT NOT (:text = title AND memo <> '' AND loans.id > 103) FROM loans JOIN books ON books.id = book_id WHERE loans.id = :loan_id\n      code: too_deep\n      error: no\n    - run: UPDATE loans SET memo = memo || :text || '; ' WHERE id = :loan_id";
    clean("guard_never_refuses", &[Replace(TOOLS, memo, hidden)]);
}

const RETURN_GUARD: &str = "WHERE id = :loan_id AND member_id = :actor AND returned_at IS NULL";

#[test]
fn rows_of_others_changed() {
    let anybodys = Replace(TOOLS, RETURN_GUARD, "WHERE id = :loan_id AND returned_at IS NULL");
    caught("private_rows_changed tools.yaml", &["return_book", "changes a row of loans"], &[anybodys]);
    caught("private_rows_changed tools.yaml", &["return_book", "removes a row of reminders"], &[anybodys]);
    let crossing =
        Replace(TOOLS, "  title: Return a book\n", "  title: Return a book\n  crosses: [loans, reminders]\n");
    clean("private_rows_changed", &[anybodys, crossing]);
    let for_another = Replace(TOOLS, "VALUES (:book_id, :actor, :due)", "VALUES (:book_id, 3 - :actor, :due)");
    caught("private_rows_changed tools.yaml", &["borrow_book", "adds a row of loans"], &[for_another]);
}

#[test]
fn rows_of_others_shown() {
    let list = "WHERE member_id = :actor AND returned_at IS NULL ORDER BY due_on, loans.id";
    let everybodys = Replace(TOOLS, list, "WHERE returned_at IS NULL ORDER BY due_on, loans.id");
    caught("private_rows_shown tools.yaml", &["list_loans", "loans.id shows row"], &[everybodys]);
    let crossing = Replace(TOOLS, "  title: List loans\n", "  title: List loans\n  crosses: [loans]\n");
    clean("private_rows_shown", &[everybodys, crossing]);
    // Without its key, computed, and in the text of a refusal.
    let memos = "(SELECT group_concat(memo, '/') FROM loans) AS available";
    let available = "NOT EXISTS (SELECT 1 FROM loans WHERE book_id = books.id AND returned_at IS NULL) AS available";
    let types = Replace(TOOLS, "types: {available: boolean}", "types: {available: string?}");
    caught(
        "private_rows_shown tools.yaml",
        &["search_books", "its result tells of row", "of loans"],
        &[Replace(TOOLS, available, memos), types],
    );
    let on_loan =
        "    - guard: SELECT NOT EXISTS (SELECT 1 FROM loans WHERE book_id = :book_id AND returned_at IS NULL)
      code: on_loan
      error: the book is on loan";
    let told = "    - let: SELECT max(memo) AS why FROM loans WHERE book_id = :book_id AND returned_at IS NULL
    - guard: SELECT NOT EXISTS (SELECT 1 FROM loans WHERE book_id = :book_id AND returned_at IS NULL)
      code: on_loan
      error: \"the book is on loan: {why}\"";
    caught(
        "private_rows_shown tools.yaml",
        &["borrow_book", "its refusal tells of row"],
        &[Replace(TOOLS, on_loan, told)],
    );
}

#[test]
fn numbers_of_others_shown() {
    let fines = Replace(
        SCHEMA,
        "  memo TEXT NOT NULL DEFAULT ''",
        "  memo TEXT NOT NULL DEFAULT '',\n  fine_cents INTEGER NOT NULL DEFAULT 40 CHECK (fine_cents >= 0)",
    );
    let available = "NOT EXISTS (SELECT 1 FROM loans WHERE book_id = books.id AND returned_at IS NULL) AS available";
    let types = Replace(TOOLS, "types: {available: boolean}", "types: {available: integer?}");
    let shown = "(SELECT fine_cents FROM loans WHERE book_id = books.id AND returned_at IS NULL) AS available";
    caught(
        "private_rows_shown tools.yaml",
        &["search_books", "of loans"],
        &[fines, Replace(TOOLS, available, shown), types],
    );
    let summed = "(SELECT sum(fine_cents) FROM loans) AS available";
    caught(
        "private_rows_shown tools.yaml",
        &["search_books", "computed from"],
        &[fines, Replace(TOOLS, available, summed), types],
    );
    let own = "(SELECT sum(fine_cents) FROM loans WHERE member_id = :actor) AS available";
    clean("private_rows_shown", &[fines, Replace(TOOLS, available, own), types]);
}

const INDEX: &str = "
CREATE VIRTUAL TABLE note_text USING fts5(body, content = 'notes', content_rowid = 'id');
";

const KEPT: &str = "
CREATE TRIGGER notes_indexed AFTER INSERT ON notes BEGIN
  INSERT INTO note_text(rowid, body) VALUES (new.id, new.body);
END;
";

#[test]
fn integrity() {
    caught("integrity_broken schema.sql", &["note_text", "write_note"], &[Append(SCHEMA, INDEX)]);
    clean("integrity_broken", &[Append(SCHEMA, INDEX), Append(SCHEMA, KEPT)]);
}

#[test]
fn determinism() {
    let unordered = Replace(TOOLS, "ORDER BY title, id", "ORDER BY author");
    caught("not_deterministic tools.yaml", &["search_books", "order"], &[unordered]);
    clean("not_deterministic", &[]);
}

#[test]
fn an_environment_without_private_tables() {
    let open = Replace(
        ENVIRONMENT,
        "private:\n  loans: member_id\n  reminders: loan_id IN (SELECT id FROM loans WHERE member_id = :actor)\n",
        "",
    );
    clean("private", &[open]);
}
