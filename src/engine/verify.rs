//! Judging: a deterministic verdict on the final state and the answer of an attempt.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::answer::{self, Judged};
use super::compare::{self, Rules, Volatile};
use super::environment::Environment;
use super::execute::truthy;
use super::snapshot::{self, Delta, Snapshot};
use super::solution::{self, PlayedSolution, SolutionError};
use super::state::{Conditions, State, budget};
use super::task::Task;
use crate::database::DatabaseError;
use crate::id::TaskName;

/// Name of the check that compares states.
pub const STATE_CHECK: &str = "state";
/// Name of the check that judges the answer.
pub const ANSWER_CHECK: &str = "answer";

/// How much later the second execution of a solution starts that finds cells which depend on the clock, in milliseconds. More
/// than a minute, so that times written without seconds move too; little enough to stay on the same day.
const CLOCK_SHIFT_MS: i64 = 97_000;

/// Most expected states an environment keeps. One is a few KiB and takes well under a millisecond to compute; a training step
/// uses as many as it has (task, seed) pairs.
const EXPECTED_MAX: usize = 256;

/// Most differences a verdict names.
const DIFFERENCES_MAX: usize = 12;

/// The judgement of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Verdict {
    /// 1.0 where every check passed, else 0.0; null where the episode faulted and says nothing about the agent.
    pub reward: Option<f64>,
    /// Whether every check passed.
    pub passed: bool,
    /// The checks.
    pub checks: Vec<CheckResult>,
}

impl Verdict {
    /// The verdict of these checks.
    pub(crate) fn of(checks: Vec<CheckResult>) -> Self {
        let passed = checks.iter().all(|check| check.passed);
        Self { reward: Some(if passed { 1.0 } else { 0.0 }), passed, checks }
    }

    /// The verdict on a faulted episode: none.
    pub(crate) fn faulted() -> Self {
        let check = CheckResult {
            name: "faulted".to_owned(),
            passed: false,
            reason: "the environment faulted; discard this sample".to_owned(),
        };
        Self { reward: None, passed: false, checks: vec![check] }
    }
}

/// One named check of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CheckResult {
    /// `state`, `answer`, or the name of a check of the task.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// Why it did or didn't.
    pub reason: String,
}

/// Why an attempt can't be judged: always the environment's defect.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The reference solution doesn't run.
    #[error("the reference solution fails: {0}")]
    Solution(String),
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// SQLite refused.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// A check's SQL fails.
    #[error("the check {name} fails: {message}")]
    Check {
        /// Its name.
        name: String,
        /// What SQLite said.
        message: String,
    },
}

impl From<SolutionError> for JudgeError {
    fn from(err: SolutionError) -> Self {
        Self::Solution(err.to_string())
    }
}

/// What the reference solution of a task leaves under some conditions.
#[derive(Debug)]
pub(crate) struct Expected {
    /// What it changed.
    pub delta: Delta,
    /// Cells that can't be compared by value.
    pub volatile: Volatile,
    /// What an answer must and must not state.
    pub answer: answer::Key,
}

type ExpectedKey = (TaskName, u64, String);

/// Expected states, computed once for each task, seed and actor.
#[derive(Debug, Default)]
pub(crate) struct ExpectedCache {
    entries: Mutex<HashMap<ExpectedKey, Arc<Expected>>>,
}

/// The expected outcome of `task` under `conditions`.
fn expected(environment: &Environment, task: &Task, conditions: &Conditions) -> Result<Arc<Expected>, JudgeError> {
    let key = (task.name().clone(), conditions.seed, conditions.actor.to_string());
    let entries = &environment.expected().entries;
    if let Some(found) = entries.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(Arc::clone(found));
    }
    let played = solution::play(environment, task, conditions, State::default())?;
    let before = initial(environment, conditions, &played.state.written)?;
    let computed = Arc::new(compute(environment, task, conditions, &played, &before)?);
    let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
    if entries.len() >= EXPECTED_MAX {
        entries.clear();
    }
    entries.insert(key, Arc::clone(&computed));
    Ok(computed)
}

/// What a solution leaves that has been played under these conditions; `before` holds the rows at the start of at least the tables
/// it wrote.
pub(crate) fn compute(
    environment: &Environment,
    task: &Task,
    conditions: &Conditions,
    played: &PlayedSolution,
    before: &Snapshot,
) -> Result<Expected, JudgeError> {
    let later = Conditions {
        seed: conditions.seed.wrapping_add(1),
        clock_ms: conditions.clock_ms + CLOCK_SHIFT_MS,
        actor: conditions.actor.clone(),
    };
    let again = solution::play(environment, task, &later, State::default())?;
    let written = &played.state.written;
    let delta = changes(environment, &played.state, conditions, written, before)?;
    let delta_again = changes(environment, &again.state, &later, written, before)?;
    let volatile = compare::volatile(environment.catalog(), &delta, &delta_again);
    let key = answer::key(environment, task, played, conditions)?;
    Ok(Expected { delta, volatile, answer: key })
}

/// What changed in `tables` to `state`; `before` holds their rows at the start.
pub(crate) fn changes(
    environment: &Environment,
    state: &State,
    conditions: &Conditions,
    tables: &BTreeSet<usize>,
    before: &Snapshot,
) -> Result<Delta, JudgeError> {
    let after = snapshot::read(environment, state, conditions, tables.iter().copied())?;
    Ok(snapshot::delta(before, &after))
}

/// The rows of `tables` at the start.
fn initial(
    environment: &Environment,
    conditions: &Conditions,
    tables: &BTreeSet<usize>,
) -> Result<Snapshot, JudgeError> {
    snapshot::read(environment, &State::default(), conditions, tables.iter().copied())
}

/// Judges the final `state` and `answer` of an attempt at `task`.
pub(crate) fn judge(
    environment: &Environment,
    task: &Task,
    conditions: &Conditions,
    state: &State,
    answer: Option<&str>,
) -> Result<Verdict, JudgeError> {
    let expected = expected(environment, task, conditions)?;
    let before = initial(environment, conditions, &state.written)?;
    judge_against(environment, task, conditions, (&expected, &before), state, answer)
}

/// The same against what is known already: the expected outcome, and the rows at the start of at least the tables written.
pub(crate) fn judge_against(
    environment: &Environment,
    task: &Task,
    conditions: &Conditions,
    (expected, before): (&Expected, &Snapshot),
    state: &State,
    answer: Option<&str>,
) -> Result<Verdict, JudgeError> {
    // Tables that only the attempt wrote are compared too; those that nobody wrote can't differ.
    let after = snapshot::read(environment, state, conditions, state.written.iter().copied())?;
    let mut checks = vec![state_check(environment, task, expected, (before, &after))];
    checks.extend(answer_check(task, expected, answer));
    checks.extend(sql_checks(environment, task, conditions, state)?);
    Ok(Verdict::of(checks))
}

/// Whether every check of a verdict that doesn't look at the answer passes, for whoever judges many states of one environment:
/// `before` holds the rows of all tables at the start, `after` those in `state` of at least the tables written.
pub(crate) fn state_passes(
    environment: &Environment,
    task: &Task,
    conditions: &Conditions,
    expected: &Expected,
    (state, before, after): (&State, &Snapshot, &Snapshot),
) -> Result<bool, JudgeError> {
    let passes = state_check(environment, task, expected, (before, after)).passed;
    Ok(passes && sql_checks(environment, task, conditions, state)?.iter().all(|check| check.passed))
}

/// The check that judges the answer, for a task that asks for one.
pub(crate) fn answer_check(task: &Task, expected: &Expected, answer: Option<&str>) -> Option<CheckResult> {
    task.has_answer().then(|| {
        let Judged { passed, reason } = answer::judge(&expected.answer, answer.unwrap_or_default());
        CheckResult { name: ANSWER_CHECK.to_owned(), passed, reason }
    })
}

fn state_check(
    environment: &Environment,
    task: &Task,
    expected: &Expected,
    (before, after): (&Snapshot, &Snapshot),
) -> CheckResult {
    let actual = snapshot::delta(before, after);
    let rules = Rules {
        catalog: environment.catalog(),
        history: environment.history(),
        volatile: &expected.volatile,
        free: task.free(),
    };
    let differences = compare::differences(&rules, &expected.delta, &actual);
    CheckResult {
        name: STATE_CHECK.to_owned(),
        passed: differences.is_empty(),
        reason: state_reason(expected, differences),
    }
}

fn state_reason(expected: &Expected, mut differences: Vec<String>) -> String {
    let surplus = differences.len().saturating_sub(DIFFERENCES_MAX);
    differences.truncate(DIFFERENCES_MAX);
    match (differences.is_empty(), expected.delta.is_empty()) {
        (true, true) => "nothing was changed, as it should be".to_owned(),
        (true, false) => "the state is the expected one".to_owned(),
        (false, _) if surplus > 0 => format!("{}; and {surplus} more", differences.join("; ")),
        (false, _) => differences.join("; "),
    }
}

fn sql_checks(
    environment: &Environment,
    task: &Task,
    conditions: &Conditions,
    state: &State,
) -> Result<Vec<CheckResult>, JudgeError> {
    if task.checks().is_empty() {
        return Ok(Vec::new());
    }
    let bound = environment.judging_pool().bind(&state.overlay, state.moment(conditions), budget(None))?;
    let mut checks = Vec::new();
    for check in task.checks() {
        let failed =
            |err: rusqlite::Error| JudgeError::Check { name: check.name.value.clone(), message: err.to_string() };
        let mut statement = bound.prepare(&check.sql).map_err(failed)?;
        let mut rows = statement.raw_query();
        let value = match rows.next().map_err(failed)? {
            Some(row) => row.get(0).map_err(failed)?,
            None => rusqlite::types::Value::Null,
        };
        let passed = truthy(&value);
        checks.push(CheckResult {
            name: check.name.value.clone(),
            passed,
            reason: if passed { "holds" } else { "does not hold" }.to_owned(),
        });
    }
    Ok(checks)
}
