//! Episodes: isolation, forks, resets, replay, time, budgets, verdicts; on the environments that ship.

use std::sync::Arc;

use envfarm::engine::environment::Environment;
use envfarm::engine::state::Observation;
use envfarm::episode::{CallError, Episode, EpisodeLimits, EpisodeState};
use envfarm::id::TaskName;
use envfarm::trajectory::{self, Trajectory};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::broken::Edit::{Append, Replace};
use crate::broken::Package;
use crate::support::fixtures;

fn lending() -> Arc<Environment> {
    load(&fixtures().join("lending"))
}

fn load(path: &std::path::Path) -> Arc<Environment> {
    let loaded = Environment::load(path);
    loaded.environment.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

fn episode(environment: &Arc<Environment>, task: Option<&str>, seed: u64) -> Episode {
    let task = task.map(|task| TaskName::parse(task).unwrap());
    Episode::new(Arc::clone(environment), task, seed, None, EpisodeLimits::default()).unwrap()
}

fn call(episode: &mut Episode, tool: &str, arguments: Value) -> Observation {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    episode.call(tool, arguments).unwrap()
}

/// Calls that change things, are refused, and don't fit; `choice` picks one and its values.
pub(crate) fn arbitrary_call(choice: u32) -> (&'static str, Map<String, Value>) {
    let book = 11 + choice / 8 % 6;
    let loan = 101 + choice / 8 % 12;
    let (tool, arguments) = match choice % 8 {
        0 => ("search_books", json!({"query": "guide"})),
        1 | 2 => ("borrow_book", json!({"book_id": book, "weeks": 1 + choice / 64 % 4})),
        3 => ("return_book", json!({"loan_id": loan})),
        4 => ("add_memo", json!({"loan_id": loan, "text": format!("line {choice}")})),
        5 => ("write_note", json!({"book_id": book, "body": format!("note {choice}")})),
        6 => ("borrow_book", json!({"book_id": book, "weeks": 9, "why": null})),
        _ => ("list_loans", json!({})),
    };
    let Value::Object(arguments) = arguments else { unreachable!() };
    (tool, arguments)
}

fn transcript(episode: &mut Episode, choices: &[u32]) -> Vec<String> {
    let play = |choice: &u32| {
        let (tool, arguments) = arbitrary_call(*choice);
        episode.call(tool, arguments).unwrap().into_text()
    };
    choices.iter().map(play).collect()
}

#[test]
fn a_thousand_interleaved_episodes_equal_the_same_run_alone() {
    let environment = lending();
    let choices = |number: u32| -> Vec<u32> {
        (0..12).map(|step| number.wrapping_mul(2_654_435_761).rotate_left(step * 5) ^ step).collect()
    };
    let mut episodes: Vec<Episode> = (0..1000).map(|number| episode(&environment, None, number % 7)).collect();
    let mut interleaved = vec![Vec::new(); episodes.len()];
    for step in 0..12 {
        for (number, live) in episodes.iter_mut().enumerate() {
            let (tool, arguments) = arbitrary_call(choices(number as u32)[step]);
            interleaved[number].push(live.call(tool, arguments).unwrap().into_text());
        }
    }
    for number in 0..1000 {
        let mut alone = episode(&environment, None, u64::from(number % 7));
        assert_eq!(transcript(&mut alone, &choices(number)), interleaved[number as usize], "episode {number}");
        let here = serde_json::to_string(&episodes[number as usize].diff().unwrap()).unwrap();
        assert_eq!(serde_json::to_string(&alone.diff().unwrap()).unwrap(), here);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn forks_and_resets_keep_to_themselves(before in prop::collection::vec(any::<u32>(), 0..10), left in prop::collection::vec(any::<u32>(), 0..10), right in prop::collection::vec(any::<u32>(), 0..10)) {
        let environment = lending();
        let mut parent = episode(&environment, None, 3);
        transcript(&mut parent, &before);
        let mut child = parent.fork();
        let of_child = transcript(&mut child, &left);
        let of_parent = transcript(&mut parent, &right);

        let mut again = episode(&environment, None, 3);
        transcript(&mut again, &before);
        let mut fork = again.fork();
        prop_assert_eq!(transcript(&mut again, &right), of_parent);
        prop_assert_eq!(transcript(&mut fork, &left), of_child);

        parent.reset();
        prop_assert!(parent.diff().unwrap().is_empty());
        prop_assert_eq!(parent.calls(), 0);
        let mut fresh = episode(&environment, None, 3);
        prop_assert_eq!(transcript(&mut parent, &left), transcript(&mut fresh, &left));
    }

    #[test]
    fn a_trajectory_replays_byte_for_byte(choices in prop::collection::vec(any::<u32>(), 0..20)) {
        let environment = lending();
        let mut live = episode(&environment, Some("when_is_it_due"), 5);
        let observed = transcript(&mut live, &choices);
        live.verify(Some("Answer: 2026-03-24")).unwrap();
        let mut file = Vec::new();
        for line in live.trajectory().unwrap().lines() {
            trajectory::write(&mut file, &line).unwrap();
        }
        let read = Trajectory::read(file.as_slice()).unwrap();
        let texts: Vec<String> = read.steps.iter().map(|step| step.observation.to_string()).collect();
        prop_assert_eq!(texts, observed);
        prop_assert_eq!(read.end.unwrap().verdict, Some(live.peek_verdict(Some("Answer: 2026-03-24"))));
    }
}

#[test]
fn only_a_change_moves_time() {
    let environment = lending();
    let mut live = episode(&environment, None, 0);
    let written_at = |live: &Episode| {
        live.diff().unwrap().iter().find(|table| table.table == "notes").unwrap().added.last().unwrap()["written_at"]
            .clone()
    };
    call(&mut live, "search_books", json!({}));
    assert!(call(&mut live, "borrow_book", json!({"book_id": 13, "weeks": 1})).is_error());
    assert!(call(&mut live, "borrow_book", json!({"book_id": 99, "weeks": 1})).is_error());
    call(&mut live, "write_note", json!({"book_id": 11, "body": "first"}));
    assert_eq!(written_at(&live), "2026-03-17T09:30:00Z");
    call(&mut live, "list_loans", json!({}));
    call(&mut live, "write_note", json!({"book_id": 11, "body": "second"}));
    assert_eq!(written_at(&live), "2026-03-17T09:31:00Z");
}

#[test]
fn all_problems_of_a_call_are_told_together() {
    let environment = lending();
    let mut live = episode(&environment, None, 0);
    let Observation::InvalidArguments { problems } =
        call(&mut live, "borrow_book", json!({"weeks": 7, "bok_id": "11"}))
    else {
        panic!("these arguments are wrong");
    };
    let told: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
    let mut told: Vec<&str> = told.iter().map(String::as_str).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "bok_id: is not an input of this tool; did you mean book_id?",
            "book_id: is required and missing",
            "weeks: must be at most 4, not 7",
        ]
    );
    // Values that JSON allows and SQLite can't hold, and null for an optional input.
    assert_eq!(call(&mut live, "borrow_book", json!({"book_id": 1e300, "weeks": 1})).code(), Some("invalid_arguments"));
    assert_eq!(call(&mut live, "search_books", json!({"query": "a\u{0}b"})).code(), Some("invalid_arguments"));
    assert!(!call(&mut live, "search_books", json!({"query": null})).is_error());
    assert_eq!(live.calls(), 4);
    assert!(live.diff().unwrap().is_empty());
}

#[test]
fn doing_nothing_earns_nothing_and_the_work_earns_it_all() {
    let environment = lending();
    let mut idle = episode(&environment, Some("borrow_the_moss_guide"), 0);
    assert_eq!(idle.verify(Some("Alcove 27")).unwrap().reward, Some(0.0));
    assert_eq!(idle.state(), EpisodeState::Terminated);
    assert!(matches!(idle.call("list_loans", Map::new()), Err(CallError::Ended { .. })));

    let mut worker = episode(&environment, Some("borrow_the_moss_guide"), 0);
    // Another way to the same end, with a detour that leaves no trace.
    assert!(call(&mut worker, "borrow_book", json!({"book_id": 11, "weeks": 9})).is_error());
    call(&mut worker, "borrow_book", json!({"book_id": 11, "weeks": 3}));
    assert!(!worker.peek_verdict(Some("Alcove 28")).passed);
    let verdict = worker.verify(Some("It is borrowed.\nAnswer: it stands on Alcove 27")).unwrap();
    assert_eq!((verdict.reward, verdict.passed), (Some(1.0), true));
    // A retried request gets the same verdict; another answer doesn't get another chance.
    assert_eq!(worker.verify(Some("It is borrowed.\nAnswer: it stands on Alcove 27")).unwrap(), verdict);
    assert!(worker.verify(Some("Alcove 27")).is_err());
}

#[test]
fn order_and_ids_of_new_rows_dont_matter_and_collateral_does() {
    let environment = lending();
    let swap = |live: &mut Episode| {
        call(live, "borrow_book", json!({"book_id": 12, "weeks": 2}));
        call(live, "write_note", json!({"book_id": 15, "body": "page 48 is loose"}));
        call(live, "return_book", json!({"loan_id": 104}));
    };
    let mut other_order = episode(&environment, Some("swap_knots_for_lichens"), 0);
    // An id is used up on the way: borrowed and returned leaves a row, so this costs the reward ..
    call(&mut other_order, "borrow_book", json!({"book_id": 11, "weeks": 1}));
    call(&mut other_order, "return_book", json!({"loan_id": 105}));
    swap(&mut other_order);
    let verdict = other_order.peek_verdict(None);
    assert!(
        !verdict.passed && verdict.checks[0].reason.contains("loans: a row was added that shouldn't"),
        "{verdict:?}"
    );
    // .. and without it the order of the three calls is free.
    other_order.reset();
    swap(&mut other_order);
    let verdict = other_order.verify(None).unwrap();
    assert!(verdict.passed, "{verdict:?}");
}

#[test]
fn limits_end_calls_and_episodes_and_lose_nothing() {
    let endless = Append(
        "tools.yaml",
        "
- name: count_for_ever
  title: Count for ever
  description: Counts without an end, which no call may do.
  inputSchema: {type: object}
  program:
    - run: INSERT INTO visits(member_id, visited_at) VALUES (:actor, :now)
  returns:
    all: {value: 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n', type: integer}
- name: list_too_much
  title: List too much
  description: Lists more rows than any result may have.
  inputSchema: {type: object}
  returns:
    rows: {rows: 'SELECT a.id AS a, b.id AS b, c.id AS c, d.id AS d, e.id AS e FROM books a, books b, books c, books d, books e'}
",
    );
    let package = Package::new(&[endless]);
    let environment = load(&package.path());
    let mut live = episode(&environment, None, 0);
    call(&mut live, "write_note", json!({"book_id": 11, "body": "before"}));
    let before = serde_json::to_string(&live.diff().unwrap()).unwrap();
    assert_eq!(call(&mut live, "count_for_ever", json!({})).code(), Some("too_much_work"));
    assert_eq!(call(&mut live, "list_too_much", json!({})).code(), Some("result_too_large"));
    assert_eq!(serde_json::to_string(&live.diff().unwrap()).unwrap(), before);
    assert_eq!(live.state(), EpisodeState::Live);

    let limits = EpisodeLimits { calls_max: 2, ..EpisodeLimits::default() };
    let mut short = Episode::new(environment, None, 0, None, limits).unwrap();
    call(&mut short, "list_loans", json!({}));
    call(&mut short, "list_loans", json!({}));
    assert!(matches!(short.call("list_loans", Map::new()), Err(CallError::Truncated { .. })));
    assert_eq!(short.state(), EpisodeState::Truncated);
    assert!(matches!(short.call("list_loans", Map::new()), Err(CallError::Ended { .. })));
}

#[test]
fn a_defect_of_the_environment_is_no_reward_and_tells_nothing() {
    let unguarded = Replace(
        "tools.yaml",
        "    - guard: SELECT 1 FROM books WHERE id = :book_id\n      code: book_not_found\n      error: \"there is no book {book_id}; search_books shows what there is\"\n    - run: INSERT INTO notes",
        "    - run: INSERT INTO notes",
    );
    let package = Package::new(&[unguarded]);
    let environment = load(&package.path());
    let mut live = episode(&environment, Some("borrow_the_moss_guide"), 0);
    call(&mut live, "borrow_book", json!({"book_id": 11, "weeks": 3}));
    let Value::Object(arguments) = json!({"book_id": 99, "body": "lost"}) else { unreachable!() };
    let err = live.call("write_note", arguments).unwrap_err();
    assert_eq!(err, CallError::Faulted);
    assert!(!err.to_string().contains("FOREIGN KEY") && !err.to_string().contains("INSERT"));
    assert_eq!(live.state(), EpisodeState::Faulted);
    assert_eq!(live.verify(Some("Alcove 27")).unwrap().reward, None);
    assert!(serde_json::to_string(&live.peek_verdict(None)).unwrap().contains("\"reward\":null"));
}
