//! The command line, as the built program.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_envfarm");

/// What a run of the program came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The one JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|err| panic!("{err}: {}{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub(crate) fn says(&self, code: i32, text: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(said.contains(text), "{text:?} is not in: {said}");
    }
}

/// A folder with the package that `envfarm new` makes, in which the program runs.
pub(crate) struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.run(&["new", "library"]).says(0, "envs/library");
        place
    }

    /// One with nothing in it.
    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> Run {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("ENVFARM_ENVS")
            .env_remove("ENVFARM_ADMIN_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads no input may have ended by now.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Replaces a text in a file of the package.
    #[track_caller]
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path("envs/library").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }
}

#[test]
fn every_command_explains_itself_with_examples() {
    let place = Place(TempDir::new().unwrap());
    let commands = place.run(&["--help"]);
    commands.says(0, "Examples:");
    for command in
        ["serve", "top", "stdio", "list", "play", "solve", "verify", "replay", "export", "check", "new", "schemas"]
    {
        assert!(commands.stdout.contains(&format!("\n  {command} ")), "{command} is not in --help");
        place.run(&[command, "--help"]).says(0, "Examples:");
    }
    place.run(&["chekc"]).says(2, "check");
}

#[test]
fn a_new_package_is_clean_and_solved() {
    let place = Place::new();
    place.run(&["check"]).says(0, "no finding");
    let solved = place.run(&["solve", "library", "--all"]);
    solved.says(0, "2 of 2 solutions earn 1.0");
    place.run(&["new", "library"]).says(2, "exists already");
    place.run(&["new", "BikeRental"]).says(2, "bike_rental would do");
}

#[test]
fn check_reports_one_document() {
    let place = Place::new();
    let run = place.run(&["check", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let report = run.json();
    let environment = &report["environments"][0];
    assert_eq!(environment["name"], "library");
    for (member, count) in [("tables", 4), ("rows", 34), ("tools", 7), ("tasks", 2)] {
        assert_eq!(environment[member], count, "{member}");
        assert_eq!(report["totals"][member], count, "{member}");
    }
    assert_eq!(report["totals"]["environments"], 1);
    assert_eq!(report["totals"]["diagnostics"], 0);
    // Named twice, checked once.
    let twice = place.run(&["check", "--json", "envs", "envs/library", "envs/../envs/library"]);
    assert_eq!(twice.json()["totals"]["environments"], 1);
}

#[test]
fn check_shows_findings_where_they_are() {
    let place = Place::new();
    place.edit(
        "tools.yaml",
        "FROM books AS b JOIN shelf AS s ON s.book_id = b.id WHERE b.id = :book_id",
        "FROM boks WHERE id = :book_id",
    );
    let run = place.run(&["check", "envs/library"]);
    run.says(1, "error[sql_invalid] envs/library/tools.yaml:");
    run.says(1, "boks");
    run.says(1, "hint: ");
    let report = place.run(&["check", "--json"]).json();
    let finding = &report["environments"][0]["diagnostics"][0];
    assert_eq!(finding["code"], "sql_invalid");
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["file"], "tools.yaml");
    assert!(finding["line"].as_u64().unwrap() > 1);
    place.run(&["check", "--only", "mutant_rewarded"]).says(0, "no finding");
    place.run(&["check", "--only", "mutant_rewardde"]).says(2, "did you mean mutant_rewarded?");
    // The other commands point to check.
    place.run(&["solve", "library", "--all"]).says(1, "`envfarm check envs/library` lists all of them");
}

#[test]
fn check_counts_what_a_broken_package_holds() {
    let place = Place::new();
    fs::remove_file(place.path("envs/library/environment.yaml")).unwrap();
    place.edit("data.sql", "(701, 4, 111,", "(701, 4, 999,");
    let run = place.run(&["check", "--json"]);
    assert_eq!(run.code, 1);
    let environment = &run.json()["environments"][0];
    assert_eq!(environment["name"], "library");
    assert_eq!(environment["diagnostics"][0]["code"], "file_unreadable");
    for (member, count) in [("tables", 4), ("rows", 0), ("tools", 7), ("tasks", 2)] {
        assert_eq!(environment[member], count, "{member}");
    }
}

#[test]
fn check_without_a_package_is_a_mistake_of_the_caller() {
    let place = Place(TempDir::new().unwrap());
    place.run(&["check"]).says(2, "failed to read envs");
    place.run(&["check", "."]).says(2, "there is no package in .");
    place.run(&["check", "--frobnicate"]).says(2, "--frobnicate");
}

#[test]
fn check_gives_the_same_report_each_time() {
    let place = Place::new();
    for name in ["zoo", "abbey", "museum"] {
        place.run(&["new", name]).says(0, name);
    }
    place.edit("tasks.yaml", "answer: \"2026-05-29\"", "answer: \"2026-05-30\"");
    let first = place.run(&["check", "--json"]);
    assert_eq!(first.code, 1);
    let report = first.json();
    let names =
        report["environments"].as_array().unwrap().iter().map(|environment| environment["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["abbey", "library", "museum", "zoo"]);
    assert_eq!(first.stdout, place.run(&["check", "--json"]).stdout);
}

#[test]
fn solve_shows_calls_and_verdict() {
    let place = Place::new();
    let run = place.run(&["solve", "library", "reserve_and_take_another"]);
    run.says(0, "2. reserve_book book_id=101");
    run.says(0, "reward 1.0");
    let document = place.run(&["solve", "library", "reserve_and_take_another", "--json", "--seed", "5"]).json();
    let solution = &document["solutions"][0];
    assert_eq!(solution["seed"], 5);
    assert_eq!(solution["calls"][3]["tool"], "borrow_book");
    assert_eq!(solution["calls"][3]["changed"], true);
    assert_eq!(solution["verdict"]["reward"], 1.0);
    place.run(&["solve", "library", "reserve_and_take"]).says(2, "did you mean reserve_and_take_another?");
    place.run(&["solve", "libary", "--all"]).says(2, "did you mean library?");
    place.run(&["solve", "library"]).says(2, "required");
}

#[test]
fn solve_says_where_a_solution_fails() {
    let place = Place::new();
    place.edit("tasks.yaml", "path: loans.0.id", "path: loans.9.id");
    let run = place.run(&["solve", "library", "renew_what_is_due_first"]);
    run.says(1, "call 2 of renew_loan (tasks.yaml:");
    run.says(1, "gave nothing at loans.9.id");
    place.run(&["solve", "library", "--all"]).says(1, "1 of 2 solutions earn 1.0");
}

const RENEWED: &str = "list_loans\nrenew_loan loan_id=504\n";

/// Plays the first task as it should be and saves it.
fn recorded(place: &Place, ending: &str) -> PathBuf {
    let script = format!("{RENEWED}{ending}\nsave run.jsonl\n");
    place.run_with(&["play", "library", "--task", "renew_what_is_due_first"], &script).says(0, "saved to run.jsonl");
    place.path("run.jsonl")
}

#[test]
fn play_reads_a_script() {
    let place = Place::new();
    let script = "\
# Words, types and JSON.
tools renew
describe renew_loan
search_books query=\"glass orch\" available_only=yes limit=5
call renew_loan {\"loan_id\": 504}
diff
undo
diff
renew_loan loan_id=505
renew_loan loan_id=soon
history
reset
undo
task
quit
never reached
";
    let run = place.run_with(&["play", "library", "--task", "renew_what_is_due_first"], script);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let lines: Vec<&str> = run.stdout.lines().collect();
    let json = |index: usize| serde_json::from_str::<Value>(lines[index]).unwrap();
    assert_eq!(json(0)[0]["name"], "renew_loan");
    assert_eq!(json(1)["inputSchema"]["required"][0], "loan_id");
    assert_eq!(json(2)["books"].as_array().unwrap().len(), 1, "only the orchid is in");
    assert_eq!(json(3)["loan"]["due_on"], "2026-05-29");
    assert_eq!(json(4)[0]["changed"][0]["after"]["renewals"], 1);
    assert_eq!(lines[5], "took back renew_loan loan_id=504");
    assert_eq!(lines[6], "[]");
    assert_eq!(json(7)["error"]["code"], "loan_not_found");
    assert_eq!(json(8)["error"]["code"], "invalid_arguments");
    assert_eq!(lines[9], "  1  search_books query=\"glass orch\" available_only=true limit=5  (done)");
    assert!(run.stdout.contains("You are signed in as Nora Okafor"));
    assert!(run.stdout.contains("extend whichever of my books"));
    assert!(!run.stdout.contains("never"));
}

#[test]
fn play_goes_on_after_a_mistake_and_reports_it() {
    let place = Place::new();
    let run =
        place.run_with(&["play", "library"], "borow_book book_id=103\nborrow_book 103\nborrow_book book_id=103\n");
    run.says(1, "did you mean borrow_book?");
    run.says(1, "\"103\" is no argument: write name=value");
    run.says(1, "2 lines of the script");
    run.says(1, "\"title\":\"What the Tide Keeps\"");
    place.run(&["play", "library", "--actor", "77"]).says(2, "1 (Nora Okafor)");
    let other = place.run_with(&["play", "library", "--actor", "4"], "task\nverify\n");
    other.says(0, "signed in as Piet Verhoeven");
    other.says(0, "free play has no task to judge");
}

#[test]
fn a_recorded_trajectory_is_judged() {
    let place = Place::new();
    recorded(&place, "");
    place.run(&["verify", "run.jsonl", "--answer", "Answer: 29 May 2026"]).says(0, "reward 1.0");
    place.run(&["verify", "run.jsonl", "--answer", "Answer: 30 May 2026"]).says(1, "reward 0.0");
    place.run(&["verify", "run.jsonl"]).says(1, "there is no answer");

    recorded(&place, "verify Until then: 2026-05-29");
    let run = place.run(&["verify", "run.jsonl", "--json"]);
    assert_eq!(run.code, 0, "the answer is the recorded one");
    let document = run.json();
    assert_eq!(document["verdict"]["reward"], 1.0);
    assert_eq!(document["package_matches"], true);
    assert_eq!(document["recorded_verdict_matches"], true);
    assert_eq!(document["difference"], Value::Null);
    assert_eq!(document["calls"], 2);
}

#[test]
fn a_changed_trajectory_does_not_pass() {
    let place = Place::new();
    let path = recorded(&place, "verify 2026-05-29");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"renewals\":1}}", "\"renewals\":0}}")).unwrap();
    let run = place.run(&["verify", "run.jsonl"]);
    run.says(1, "the replay differs: call 2 of renew_loan at /loan/renewals");
    run.says(1, "recorded: 0");
    assert!(!run.stdout.contains("reward"));
    fs::write(&path, text.replace("\"tool\":\"renew_loan\"", "\"tool\":\"extend_loan\"")).unwrap();
    place.run(&["verify", "run.jsonl"]).says(1, "there is no tool");
    fs::write(&path, &text[..text.len() - 40]).unwrap();
    place.run(&["verify", "run.jsonl"]).says(2, "run.jsonl is no trajectory: line 4");
    place.run(&["verify", "nothing.jsonl"]).says(2, "failed to open nothing.jsonl");
}

#[test]
fn a_changed_package_is_reported() {
    let place = Place::new();
    recorded(&place, "verify 2026-05-29");
    place.edit("environment.yaml", "You help a member", "You serve a member");
    place.run(&["verify", "run.jsonl"]).says(0, "warning: the package has changed since the trajectory was recorded");
    place.edit("tools.yaml", "due_on = date(due_on, '+14 days')", "due_on = date(due_on, '+15 days')");
    place.run(&["verify", "run.jsonl"]).says(1, "recorded: \"2026-05-29\"\n  replayed: \"2026-05-30\"");
    fs::remove_dir_all(place.path("envs/library")).unwrap();
    place.run(&["new", "museum"]).says(0, "museum");
    place.run(&["verify", "run.jsonl"]).says(2, "there is no environment \"library\"");
}

/// What stands in a folder, by file name.
fn contents(directory: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).unwrap();
    let read =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    let mut files: Vec<(String, String)> = entries.map(|entry| read(entry.unwrap())).collect();
    files.sort();
    files
}

#[test]
fn schemas_have_not_drifted() {
    let place = Place(TempDir::new().unwrap());
    place.run(&["schemas", "--dir", "written"]).says(0, "tools.json");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let (written, committed) = (contents(&place.path("written")), contents(&committed));
    let names = |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&written), names(&committed), "run `envfarm schemas`");
    for (new, old) in written.iter().zip(&committed) {
        assert!(new.1 == old.1, "{} has drifted: run `envfarm schemas`", new.0);
    }
}

/// The schema in schemas/ under that name, ready to validate.
fn validator(name: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
pub(crate) fn assert_valid(schema: &str, document: &Value) {
    let problems: Vec<String> =
        validator(schema).iter_errors(document).map(|err| format!("{}: {err}", err.instance_path())).collect();
    assert_eq!(problems, [""; 0], "{schema}");
}

#[test]
fn what_is_written_fits_its_schema() {
    let place = Place::new();
    for (file, schema) in
        [("environment.yaml", "environment.json"), ("tools.yaml", "tools.json"), ("tasks.yaml", "tasks.json")]
    {
        let text = fs::read_to_string(place.path("envs/library").join(file)).unwrap();
        assert_valid(schema, &serde_saphyr::from_str(&text).unwrap());
    }
    let path = recorded(&place, "verify 2026-05-29");
    for line in fs::read_to_string(path).unwrap().lines() {
        assert_valid("trajectory.json", &serde_json::from_str(line).unwrap());
    }
    assert_valid("verify.json", &place.run(&["verify", "run.jsonl", "--json"]).json());
    assert_valid("solve.json", &place.run(&["solve", "library", "--all", "--json"]).json());
    place.edit("tools.yaml", "AND member_id = :actor AND returned_at IS NULL", "AND returned_at IS NULL");
    let report = place.run(&["check", "--json"]).json();
    assert_ne!(report["totals"]["diagnostics"], 0, "loans of others can be changed");
    assert_valid("check.json", &report);
}
