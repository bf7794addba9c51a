//! What `check` catches: the lending package, broken in one way at a time. Each case names the rule that must speak; others
//! may speak too.

use envfarm::package::diagnostic::Severity;

use crate::broken::Edit::{Append, Remove, Replace};
use crate::broken::{Edit, Package};

const ENVIRONMENT: &str = "environment.yaml";
const SCHEMA: &str = "schema.sql";
const DATA: &str = "data.sql";
const TOOLS: &str = "tools.yaml";
const TASKS: &str = "tasks.yaml";

/// The codes found, each with the place of its first finding.
fn codes(edits: &[Edit]) -> Vec<String> {
    let findings = Package::new(edits).findings();
    for finding in &findings {
        assert!(!finding.message.is_empty() && !finding.hint.is_empty() && !finding.file.is_empty());
        assert!(finding.severity == Severity::Error || finding.severity == Severity::Warning);
    }
    findings
        .iter()
        .map(|finding| format!("{} {}:{}", finding.code.as_str(), finding.file, finding.line.unwrap_or(0)))
        .collect()
}

#[track_caller]
fn caught(expected: &str, edits: &[Edit]) {
    let codes = codes(edits);
    assert!(codes.iter().any(|code| code.starts_with(expected)), "{expected} not among {codes:#?}");
}

#[test]
fn the_lending_package_has_no_finding() {
    assert_eq!(codes(&[]), [""; 0]);
}

#[test]
fn files() {
    caught("file_unreadable data.sql", &[Remove(DATA)]);
    caught("yaml_invalid tools.yaml:1", &[Replace(TOOLS, "- name: search_books", "- name: [")]);
    caught("yaml_invalid tools.yaml", &[Replace(TOOLS, "  title: Search books", "  titel: Search books")]);
    caught("yaml_invalid tasks.yaml", &[Replace(TASKS, "difficulty: easy", "difficulty: trivial")]);
    caught("name_invalid environment.yaml:1", &[Replace(ENVIRONMENT, "name: lending", "name: library")]);
    caught("name_duplicate tools.yaml", &[Replace(TOOLS, "name: list_loans", "name: search_books")]);
    caught("tool_reserved tools.yaml", &[Replace(TOOLS, "name: add_memo", "name: reset")]);
    caught(
        "text_missing tools.yaml",
        &[Replace(
            TOOLS,
            "Bring back a book you have on loan. Refuses loans that are not yours or are over.",
            "Returns.",
        )],
    );
    caught("clock_invalid environment.yaml:8", &[Replace(ENVIRONMENT, "2026-03-17T09:30:00Z", "2026-03-17 09:30")]);
    caught("clock_invalid environment.yaml:8", &[Replace(ENVIRONMENT, "T09:30:00Z", "T23:30:00Z")]);
    caught("reference_unknown environment.yaml", &[Replace(ENVIRONMENT, "history: [visits]", "history: [visit]")]);
    caught("reference_unknown environment.yaml", &[Replace(ENVIRONMENT, "loans: member_id", "loans: owner_id")]);
    caught("reference_unknown environment.yaml", &[Replace(ENVIRONMENT, "default: 1", "default: 9")]);
}

#[test]
fn schema_and_data() {
    caught("schema_invalid schema.sql", &[Replace(SCHEMA, "CREATE TABLE books", "CREATE TABEL books")]);
    caught("sql_forbidden schema.sql", &[Append(SCHEMA, "ATTACH 'x.db' AS x;")]);
    caught("sql_forbidden schema.sql", &[Append(SCHEMA, "PRAGMA journal_mode = WAL;")]);
    caught("data_constraint data.sql", &[Replace(DATA, "(12, 'A Field", "(11, 'A Field")]);
    caught("data_constraint data.sql", &[Replace(DATA, "(101, 13, 1,", "(101, 99, 1,")]);
    caught(
        "data_uses_clock data.sql",
        &[Append(DATA, "UPDATE loans SET returned_at = datetime('now') WHERE id = 103;")],
    );
    caught(
        "data_uses_clock data.sql",
        &[Append(DATA, "UPDATE loans SET returned_at = CURRENT_TIMESTAMP WHERE id = 103;")],
    );
    caught("data_uses_randomness data.sql", &[Append(DATA, "UPDATE loans SET memo = random();")]);
    caught(
        "table_not_strict schema.sql",
        &[Replace(SCHEMA, "name TEXT NOT NULL\n) STRICT;", "name TEXT NOT NULL\n);")],
    );
    caught(
        "table_reuses_ids schema.sql",
        &[Replace(
            SCHEMA,
            "CREATE TABLE loans (\n  id INTEGER PRIMARY KEY AUTOINCREMENT",
            "CREATE TABLE loans (\n  id INTEGER PRIMARY KEY",
        )],
    );
}

#[test]
fn tools_without_calling_them() {
    caught(
        "sql_invalid tools.yaml:11",
        &[Replace(TOOLS, "SELECT id, title, author, shelf,", "SELECT id, titel, author, shelf,")],
    );
    caught("parameter_unknown tools.yaml", &[Replace(TOOLS, "WHERE :query IS NULL", "WHERE :qery IS NULL")]);
    caught(
        "parameter_unknown tools.yaml",
        &[Replace(TOOLS, "there is no book {book_id};", "there is no book {book};")],
    );
    caught("input_unused tools.yaml", &[Replace(TOOLS, "(:weeks * 7)", "(2 * 7)")]);
    caught(
        "sql_forbidden tools.yaml",
        &[Replace(TOOLS, "run: DELETE FROM reminders WHERE loan_id = :loan_id", "run: DROP TABLE reminders")],
    );
    caught(
        "sql_forbidden tools.yaml",
        &[Replace(TOOLS, "run: DELETE FROM reminders WHERE loan_id = :loan_id", "run: PRAGMA foreign_keys = OFF")],
    );
    caught(
        "sql_forbidden tools.yaml",
        &[Replace(TOOLS, "run: DELETE FROM reminders WHERE loan_id = :loan_id", "run: ATTACH 'x.db' AS x")],
    );
    caught("sql_uses_host_time tools.yaml", &[Replace(TOOLS, "date(:due, '-1 day')", "date(:due, 'localtime')")]);
    caught(
        "write_not_allowed tools.yaml",
        &[Replace(
            TOOLS,
            "guard: SELECT 1 FROM books WHERE id = :book_id",
            "guard: DELETE FROM books WHERE id = :book_id RETURNING 1",
        )],
    );
    caught(
        "write_missing tools.yaml",
        &[Replace(TOOLS, "run: DELETE FROM reminders WHERE loan_id = :loan_id", "run: SELECT 1")],
    );
    caught("tool_profile tools.yaml", &[Replace(TOOLS, "weeks: {type: integer,", "weeks: {anyOf: [{type: integer}],")]);
    caught("tool_profile tools.yaml", &[Replace(TOOLS, ", description: \"For how long, in weeks\"", "")]);
    caught(
        "tool_profile tools.yaml",
        &[Replace(TOOLS, "weeks: {type: integer, minimum: 1, maximum: 4,", "weeks: {type: object,")],
    );
    caught("step_invalid tools.yaml", &[Replace(TOOLS, "      code: on_loan\n", "")]);
    caught("column_name tools.yaml", &[Replace(TOOLS, " AS available", "")]);
    caught("type_invalid tools.yaml", &[Replace(TOOLS, "{available: boolean}", "{available: bool}")]);
    caught("type_invalid tools.yaml", &[Replace(TOOLS, "{available: boolean}", "{in: boolean}")]);
}

#[test]
fn tasks_without_executing_them() {
    caught(
        "task_invalid tasks.yaml:6",
        &[Replace(
            TASKS,
            "{tool: search_books, arguments: {query: mosses}}",
            "{tool: find_books, arguments: {query: mosses}}",
        )],
    );
    caught("task_invalid tasks.yaml", &[Replace(TASKS, "{query: mosses}", "{words: mosses}")]);
    caught(
        "task_invalid tasks.yaml",
        &[Replace(TASKS, "{from: 0, path: \"books.0.id\"}", "{from: 4, path: \"books.0.id\"}")],
    );
    caught("task_invalid tasks.yaml", &[Replace(TASKS, "  verify:\n    answer: [{text: Alcove 27}]\n", "")]);
    caught("task_invalid tasks.yaml", &[Replace(TASKS, "[{date: 2026-03-24}]", "[{date: 24 March}]")]);
}

const ASK_FOR_NOTHING: &str = "
- name: look_around
  difficulty: easy
  instruction: Have a look at what I have on loan.
  solution: {calls: [{tool: list_loans}]}
";

const YES_OR_NO: &str = "
- name: is_it_in
  difficulty: easy
  instruction: Is the guide to lichens in?
  solution: {calls: [{tool: search_books, arguments: {query: lichens}}], answer: \"Yes\"}
  verify: {answer: [{text: \"yes\"}]}
";

const ONLY_A_NOTE: &str = "
- name: only_a_note
  difficulty: easy
  instruction: 'Leave a note on The Salt Road: \"coffee stain on page 3\".'
  solution:
    calls:
      - {tool: list_loans}
      - {tool: write_note, arguments: {book_id: {from: 0, path: \"loans.0.book_id\"}, body: coffee stain on page 3}}
";

const CHECK_IN: &str = "
- name: check_in
  title: Check in
  description: Say that you are at the library today.
  inputSchema: {type: object}
  program:
    - run: INSERT INTO visits(member_id, visited_at) VALUES (:actor, :now)
  returns:
    visits: {value: SELECT count(*) FROM visits WHERE member_id = :actor, type: integer}
";

const CHECK_ME_IN: &str = "
- name: check_me_in
  difficulty: easy
  instruction: Check me in, please.
  solution: {calls: [{tool: check_in}]}
";

#[test]
fn gates_for_doing_less_than_the_work() {
    caught("solution_fails tasks.yaml", &[Replace(TASKS, "[{text: Alcove 27}]", "[{text: Alcove 28}]")]);
    caught("solution_fails tasks.yaml", &[Replace(TASKS, "weeks: 3}", "weeks: 5}")]);
    caught("noop_rewarded tasks.yaml", &[Append(TASKS, ASK_FOR_NOTHING)]);
    caught("stock_answer_rewarded tasks.yaml", &[Append(TASKS, YES_OR_NO)]);
    let unnoticed_notes = Replace(ENVIRONMENT, "history: [visits]", "history: [visits, notes]");
    caught("dropped_call_rewarded tasks.yaml", &[unnoticed_notes]);
    caught("effect_not_compared tasks.yaml", &[unnoticed_notes, Append(TASKS, ONLY_A_NOTE)]);
    // Where the note comes last, everything before it is a prefix that earns the reward.
    caught("prefix_rewarded tasks.yaml", &[unnoticed_notes, Append(TASKS, BORROW_THEN_NOTE)]);
}

const BORROW_THEN_NOTE: &str = "
- name: borrow_then_note
  difficulty: easy
  instruction: 'Take out the lichens guide for two weeks and leave a note on it: \"spine is torn\".'
  solution:
    calls:
      - {tool: search_books, arguments: {query: lichens}}
      - {tool: borrow_book, arguments: {book_id: {from: 0, path: \"books.0.id\"}, weeks: 2}}
      - {tool: write_note, arguments: {book_id: {from: 0, path: \"books.0.id\"}, body: spine is torn}}
";

#[test]
fn facts_of_a_solution() {
    let facts = "facts: {calls: 5, tools: 5, hops: 2, writes: 3, in_sight: 8}";
    for (right, wrong) in [
        ("calls: 5", "calls: 4"),
        ("tools: 5", "tools: 4"),
        ("hops: 2", "hops: 3"),
        ("writes: 3", "writes: 2"),
        ("in_sight: 8", "in_sight: 9"),
    ] {
        caught("facts_differ tasks.yaml:24", &[Replace(TASKS, right, wrong)]);
    }
    assert_eq!(
        codes(&[Replace(TASKS, facts, "difficulty: hard"), Replace(TASKS, "  difficulty: medium\n", "")]),
        [""; 0]
    );
    caught("yaml_invalid tasks.yaml", &[Replace(TASKS, "in_sight: 8", "in_sight: 8, seen: 8")]);
    // An argument computed from an earlier result is taken from it, too.
    let derived = "book_id: {derived: \"SELECT json_extract(:obs3, '$.books[0].id')\"}, weeks: 2";
    let edits = [Replace(TASKS, "book_id: {from: 3, path: \"books.0.id\"}, weeks: 2", derived)];
    assert_eq!(codes(&edits), [""; 0]);
}

const ORIGIN: &str = "blueprint: lending
variant: 0
seed: 1
synthesizer: 1
modules: [notes]
constants: {weeks: 4}
tools: {search_books: own, borrow_book: own, return_book: own, list_loans: own, write_note: 'module:notes', add_memo: own}
tasks:
  borrow_the_moss_guide: {intents: [borrow, where], own_rule: true, kind: change}
  when_is_it_due: {intents: [due], own_rule: false, kind: question}
  swap_knots_for_lichens: {intents: [return, note, borrow], own_rule: true, kind: change}
  remember_the_reading: {intents: [memo], own_rule: false, kind: change}
";

#[test]
fn where_a_package_comes_from() {
    let origin = |from: &str, to: &str| {
        let package = Package::new(&[]);
        let digest = envfarm::package::digest(&package.path());
        assert!(ORIGIN.contains(from));
        std::fs::write(package.path().join("origin.yaml"), ORIGIN.replacen(from, to, 1)).unwrap();
        assert_eq!(envfarm::package::digest(&package.path()), digest, "origin.yaml is no part of the digest");
        let findings = package.findings();
        findings
            .iter()
            .map(|finding| format!("{} {}:{}", finding.code.as_str(), finding.file, finding.line.unwrap_or(0)))
            .collect::<Vec<_>>()
    };
    assert_eq!(origin("seed: 1", "seed: 2"), [""; 0]);
    assert_eq!(origin("seed: 1", "sed: 1"), ["yaml_invalid origin.yaml:3"]);
    assert_eq!(origin("kind: question", "kind: quest"), ["yaml_invalid origin.yaml:10"]);
    assert_eq!(origin("search_books: own, ", ""), ["origin_mismatch origin.yaml:0"]);
    assert_eq!(origin("  when_is", "  which_is"), ["origin_mismatch origin.yaml:10", "origin_mismatch origin.yaml:0"]);
    assert_eq!(origin("'module:notes'", "notes"), ["origin_mismatch origin.yaml:7"]);
}

#[test]
fn invariants() {
    let never_lent_twice = "invariants: [{name: a book is lent once at a time, sql: \"SELECT max(lent) <= 1 FROM (SELECT count(*) AS lent FROM loans WHERE returned_at IS NULL GROUP BY book_id)\"}]";
    assert_eq!(codes(&[Append(ENVIRONMENT, never_lent_twice)]), [""; 0]);
    let lent_to_another = Replace(DATA, "(104, 15, 1, '2026-04-02', NULL)", "(104, 14, 1, '2026-04-02', NULL)");
    caught("invariant_broken environment.yaml:19", &[Append(ENVIRONMENT, never_lent_twice), lent_to_another]);
    let few_loans = "invariants: [{name: few loans, sql: SELECT count(*) < 5 FROM loans}]";
    caught("invariant_broken environment.yaml:19", &[Append(ENVIRONMENT, few_loans)]);
    let unreadable = "invariants: [{name: what, sql: SELECT nothing FROM loans}]";
    caught("invariant_broken environment.yaml:19", &[Append(ENVIRONMENT, unreadable)]);
}

#[test]
fn gates_for_nearly_the_work() {
    // Text that the instruction dictates is said to be the agent's own.
    let dictated_as_free = Append(TASKS, "  verify: {free: [loans.memo]}");
    caught("mutant_rewarded tasks.yaml", &[dictated_as_free]);
    caught("repeated_call_rewarded tasks.yaml", &[dictated_as_free]);
    // The day of a reminder depends on the clock, so it isn't compared, and with it the book it is about.
    let book_in_time = Replace(
        TOOLS,
        "VALUES (:book_id, :actor, :body, :now)",
        "SELECT min(id), :actor, :body, :now || ' ' || :book_id FROM books",
    );
    caught("sibling_rewarded tasks.yaml", &[book_in_time]);
    let compare_visits = Replace(ENVIRONMENT, "history: [visits]", "history: []");
    caught("mutants_too_few tasks.yaml", &[compare_visits, Append(TOOLS, CHECK_IN), Append(TASKS, CHECK_ME_IN)]);
    caught("wrong_answer_rewarded tasks.yaml", &[Replace(TASKS, "[{text: Alcove 27}]", "[{text: Alcove}]")]);
    caught("collateral_rewarded tasks.yaml", &[dictated_as_free]);
}

const WORD_REMARK: &str = r#"
- name: word_remark
  title: Word a remark
  description: Replace the remark on one of your loans by other words. Refuses loans that are not yours or are over.
  inputSchema:
    type: object
    properties:
      loan_id: {type: integer, description: Id of one of your loans}
      text: {type: string, minLength: 1, maxLength: 200, description: The new remark}
    required: [loan_id, text]
  program:
    - guard: SELECT 1 FROM loans WHERE id = :loan_id AND member_id = :actor AND returned_at IS NULL
      code: loan_not_found
      error: "you have no open loan {loan_id}; list_loans shows yours"
    - run: UPDATE loans SET remark = :text WHERE id = :loan_id
  returns:
    loan: {row: "SELECT id, remark FROM loans WHERE id = :loan_id"}
"#;

const REMARKS: &str = r#"
- name: say_why_it_is_late
  difficulty: easy
  instruction: Remark on my loan of The Salt Road why it is late, in your own words.
  solution:
    calls:
      - {tool: list_loans}
      - {tool: word_remark, arguments: {loan_id: {from: 0, path: "loans[title=The Salt Road].id"}, text: {free: the rain}}}
  verify: {free: [loans.remark]}

- name: tell_the_desk
  difficulty: easy
  instruction: Put a remark on my loan of The Salt Road that tells the desk I like it.
  solution:
    calls:
      - {tool: list_loans}
      - {tool: word_remark, arguments: {loan_id: {from: 0, path: "loans[title=The Salt Road].id"}, text: {free: I like it}}}
  verify: {free: [loans.remark]}
"#;

/// Where the agent chooses the words, the same call with other words is no unrelated write.
#[test]
fn other_words_are_no_unrelated_write() {
    let remark = Replace(SCHEMA, "memo TEXT NOT NULL", "remark TEXT NOT NULL DEFAULT '', memo TEXT NOT NULL");
    assert_eq!(codes(&[remark, Append(TOOLS, WORD_REMARK), Append(TASKS, REMARKS)]), [""; 0]);
}

#[test]
fn gates_for_what_an_agent_can_know_and_ids() {
    caught("argument_unknowable tasks.yaml:6", &[Replace(TASKS, "{query: mosses}", "{query: guide to moss}")]);
    caught(
        "argument_unknowable tasks.yaml",
        &[Replace(TASKS, "{from: 0, path: \"books.0.id\"}, weeks: 3", "11, weeks: 2")],
    );
    caught(
        "argument_unknowable tasks.yaml",
        &[Replace(
            TASKS,
            "book_id: {from: 0, path: \"books.0.id\"}, weeks: 3",
            "book_id: {derived: \"SELECT 10 + 1\"}, weeks: 3",
        )],
    );
    caught(
        "argument_unknowable tasks.yaml",
        &[Replace(TASKS, "text: reading group on Friday}}", "text: {free: reading group on Friday}}}")],
    );
    caught(
        "hidden_reference tasks.yaml",
        &[Replace(SCHEMA, "loan_id INTEGER NOT NULL REFERENCES loans(id)", "loan_id INTEGER NOT NULL")],
    );
}
