//! Gates for tasks: attempts that must earn the reward and attempts that must not.
//!
//! Every gate makes real attempts and judges them with the verifier that judges agents. One module a family of gates:
//! what is asked can be known ([`provenance`]), nothing else than the work earns ([`shortcuts`], [`mutants`], [`answers`]),
//! and what doesn't matter doesn't count ([`robustness`]). What all tasks of an environment are judged against is read once
//! ([`Ground`]), and so is what is known of a task when its solution has been played ([`Gates`]).

mod answers;
mod mutants;
mod provenance;
mod robustness;
mod shortcuts;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use self::answers::TextColumn;
use super::facts;
use super::walk::Write;
use crate::engine::environment::Environment;
use crate::engine::snapshot::{self, Cell, Row, Rows, Snapshot};
use crate::engine::solution::{self, PlayedSolution};
use crate::engine::state::{Conditions, State};
use crate::engine::task::Task;
use crate::engine::verify::{self, Expected, JudgeError, Verdict};
use crate::id::ToolName;
use crate::package::TASKS_FILE;
use crate::package::diagnostic::{Code, Diagnostic};

/// A call with its arguments resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// The tool.
    pub tool: ToolName,
    /// The arguments.
    pub arguments: Map<String, Value>,
}

impl From<&Write> for Call {
    fn from(write: &Write) -> Self {
        Self { tool: write.tool.clone(), arguments: write.arguments.clone() }
    }
}

/// An attempt at a task.
#[derive(Debug)]
struct Attempt {
    state: State,
    /// For each call whether it completed and whether it changed something; none where it faulted.
    calls: Vec<Option<(bool, bool)>>,
}

/// What all tasks of an environment are judged against, read once.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The rows of every table at the start.
    initial: Snapshot,
    /// The texts among them, by column.
    texts: Vec<TextColumn>,
    /// Every number and text among them, where anybody has asked.
    values: OnceCell<Vec<String>>,
    /// Answers that anyone could give without looking.
    stock: BTreeSet<String>,
    /// Calls of every tool that only reads and needs no arguments.
    reads: Vec<Call>,
    /// The initial state with every sequence of ids moved on.
    shifted: Option<State>,
}

/// A task with its solution executed: what every gate starts from.
pub(super) struct Gates<'g> {
    environment: &'g Environment,
    ground: &'g Ground,
    pub task: &'g Task,
    pub conditions: Conditions,
    pub played: PlayedSolution,
    expected: Expected,
    /// The state before each call of the solution, and the last one.
    states: Vec<State>,
    /// The content that the solution leaves, of all tables, by what is left out.
    content: [OnceCell<Content>; 4],
}

/// The state that an attempt ends in, with its rows.
#[derive(Debug)]
struct Final {
    state: State,
    rows: Option<Snapshot>,
}

/// Content of a state: by table, the rows as a multiset without the cells that are left out.
type Content = BTreeMap<usize, Vec<Vec<Cell>>>;

/// Cells left out when two final states are compared row by row, beside history tables and generated keys.
#[derive(Debug, Clone, Copy, Default)]
struct LeftOut {
    /// Those that move with time and chance: left out where the attempts differ in their number of changes.
    volatile: bool,
    /// Those that the agent words itself.
    free: bool,
}

/// What the gates found out about a task.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is wrong.
    pub findings: Vec<Diagnostic>,
    /// How changed arguments fared.
    pub mutants: mutants::Tally,
}

impl Ground {
    /// Reads it.
    pub(crate) fn new(environment: &Environment) -> Self {
        let tables = 0..environment.catalog().tables.len();
        let conditions = Conditions { seed: 0, clock_ms: environment.clock_ms(), actor: Value::Null };
        // Reading plain rows can't fail: every table has been read when the environment was loaded.
        let initial = snapshot::read(environment, &State::default(), &conditions, tables).unwrap_or_default();
        Self {
            texts: answers::text_columns(&initial),
            initial,
            values: OnceCell::new(),
            stock: shortcuts::stock_answers(environment),
            reads: robustness::plain_reads(environment),
            shifted: robustness::shifted_ids(environment),
        }
    }
}

/// Which gates are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All.
    All,
    /// Those that a task of a sound environment can fail; without those that only a tool or the engine can, and without the
    /// dear ones where a cheap one finds something.
    Tasks,
}

/// Executes the gates of a task. `unrelated` are writes that the walk found, to be added to the solution.
pub(super) fn check(gates: &Gates<'_>, unrelated: &[Call], scope: Scope) -> Outcome {
    let mut outcome = Outcome { findings: gates.solution_earns(), ..Outcome::default() };
    if !outcome.findings.is_empty() {
        return outcome;
    }
    outcome.findings.extend(answers::check(gates));
    outcome.findings.extend(provenance::check(gates));
    outcome.findings.extend(facts::check(gates.task, &gates.played));
    outcome.findings.extend(shortcuts::check(gates));
    if scope == Scope::Tasks && !outcome.findings.is_empty() {
        return outcome;
    }
    let (survivors, mutants) = mutants::check(gates);
    outcome.mutants = mutants;
    outcome.findings.extend(survivors);
    outcome.findings.extend(robustness::check(gates, unrelated, scope));
    outcome
}

impl<'g> Gates<'g> {
    /// Plays the solution.
    pub(super) fn new(
        environment: &'g Environment,
        ground: &'g Ground,
        task: &'g Task,
    ) -> Result<Self, Box<Diagnostic>> {
        let conditions = solution::conditions(environment, task, 0);
        let played = solution::play(environment, task, &conditions, State::default()).map_err(|err| {
            let line = task.solution().get(err.call()).map_or(task.line(), |call| call.line);
            Box::new(Diagnostic::new(Code::SolutionFails, TASKS_FILE, line, format!("{}: {err}", task.name())))
        })?;
        let unjudgeable = |err: JudgeError| Box::new(finding(task, Code::SolutionFails, err.to_string()));
        let expected =
            verify::compute(environment, task, &conditions, &played, &ground.initial).map_err(unjudgeable)?;
        let content = std::array::from_fn(|_| OnceCell::new());
        let mut gates = Self { environment, ground, task, conditions, played, expected, states: Vec::new(), content };
        gates.states = gates.states_on_the_way();
        Ok(gates)
    }

    fn states_on_the_way(&self) -> Vec<State> {
        let mut states = vec![State::default()];
        for call in &self.played.calls {
            let before = states.last().cloned().unwrap_or_default();
            // What changed nothing left the state as it was.
            let calls = [Call { tool: call.tool.clone(), arguments: call.arguments.clone() }];
            states.push(if call.changed { self.attempt_from(before, &calls).state } else { before });
        }
        states
    }

    /// The reference solution earns the reward, whatever the seed, and has an effect that is compared.
    fn solution_earns(&self) -> Vec<Diagnostic> {
        const SEEDS: [u64; 3] = [0, 1, 4_711];
        let mut findings = Vec::new();
        for seed in SEEDS {
            let conditions = Conditions { seed, ..self.conditions.clone() };
            if let Some(reason) = self.earns_nothing(&conditions) {
                findings.push(
                    self.finding(Code::SolutionFails, format!("the solution earns nothing with seed {seed}: {reason}")),
                );
                return findings;
            }
        }
        let effect = self.expected.delta.keys().any(|table| !self.environment.history().contains(table));
        if !self.expected.delta.is_empty() && !effect {
            findings
                .push(self.finding(Code::EffectNotCompared, "everything the solution changes lies in history tables"));
        }
        findings.extend(self.untold_effect());
        findings
    }

    /// Why the solution earns nothing under some conditions.
    fn earns_nothing(&self, conditions: &Conditions) -> Option<String> {
        let (environment, task, initial) = (self.environment, self.task, &self.ground.initial);
        let verdict = if *conditions == self.conditions {
            let known = (&self.expected, initial);
            verify::judge_against(environment, task, conditions, known, &self.played.state, task.answer())
        } else {
            let played = match solution::play(environment, task, conditions, State::default()) {
                Ok(played) => played,
                Err(err) => return Some(err.to_string()),
            };
            verify::compute(environment, task, conditions, &played, initial).and_then(|expected| {
                let known = (&expected, initial);
                verify::judge_against(environment, task, conditions, known, &played.state, task.answer())
            })
        };
        match verdict {
            Err(err) => Some(err.to_string()),
            Ok(verdict) if !verdict.passed => Some(failures(&verdict)),
            Ok(_) => None,
        }
    }

    /// Only tables that the solution's tools are known to write are compared, so no other may differ.
    fn untold_effect(&self) -> Option<Diagnostic> {
        let tables = 0..self.environment.catalog().tables.len();
        let untold = tables.filter(|table| !self.played.state.written.contains(table));
        let after = snapshot::read(self.environment, &self.played.state, &self.conditions, untold).ok()?;
        let delta = snapshot::delta(&self.ground.initial, &after);
        let name = &self.environment.catalog().tables[*delta.keys().next()?].name;
        Some(
            self.finding(
                Code::EffectNotCompared,
                format!("{name} has changed, which no tool called is known to write"),
            ),
        )
    }

    pub(super) fn finding(&self, code: Code, message: impl AsRef<str>) -> Diagnostic {
        finding(self.task, code, message)
    }

    /// Answers that anyone could give without looking.
    pub(super) fn stock(&self) -> &BTreeSet<String> {
        &self.ground.stock
    }

    /// Every number and text of the initial database, each once.
    pub(super) fn values(&self) -> &[String] {
        self.ground.values.get_or_init(|| answers::values(&self.ground.initial))
    }

    /// Whether the task asks for a change.
    pub(super) fn changes_state(&self) -> bool {
        self.played.calls.iter().any(|call| call.changed)
    }

    /// The solution's calls.
    pub(super) fn calls(&self) -> Vec<Call> {
        let calls = self.played.calls.iter();
        calls.map(|played| Call { tool: played.tool.clone(), arguments: played.arguments.clone() }).collect()
    }

    /// The solution's calls that commit a change: to another task they are unrelated writes.
    pub(super) fn committing_calls(&self) -> impl Iterator<Item = Call> {
        let committing = self.played.calls.iter().filter(|call| call.changed);
        committing.map(|call| Call { tool: call.tool.clone(), arguments: call.arguments.clone() })
    }

    /// Positions of the calls that commit a change.
    fn committing(&self) -> Vec<usize> {
        (0..self.played.calls.len()).filter(|index| self.played.calls[*index].changed).collect()
    }

    /// Makes the calls, going on after refusals as an agent would.
    fn attempt_from(&self, mut state: State, calls: &[Call]) -> Attempt {
        let mut outcomes = Vec::with_capacity(calls.len());
        for call in calls {
            let tool = self.environment.tools().get(&call.tool);
            let called =
                tool.and_then(|tool| state.call(self.environment, &self.conditions, tool, &call.arguments, None).ok());
            outcomes.push(called.map(|called| (!called.observation.is_error(), called.changed)));
        }
        Attempt { state, calls: outcomes }
    }

    /// The state after `state` and these calls. Those of tools that can't write are left out: that reads leave the verdict alone
    /// is a gate of its own.
    fn final_after(&self, state: State, calls: &[Call]) -> Final {
        let writes =
            |call: &&Call| self.environment.tools().get(&call.tool).is_some_and(|tool| !tool.program().read_only());
        let calls: Vec<Call> = calls.iter().filter(writes).cloned().collect();
        self.final_state(self.attempt_from(state, &calls).state)
    }

    /// The state with the rows of every table that it or the solution has written. One that can't be read has none, and so is
    /// neither rewarded nor told apart from others.
    fn final_state(&self, state: State) -> Final {
        let tables: BTreeSet<usize> = self.played.state.written.union(&state.written).copied().collect();
        let rows = snapshot::read(self.environment, &state, &self.conditions, tables).ok();
        Final { state, rows }
    }

    /// Whether an attempt earns the reward. One that can't be judged doesn't.
    fn rewarded(&self, last: &Final, answer: Option<&str>) -> bool {
        self.passes(last) && self.answer_passes(answer)
    }

    /// Whether a final state would earn the reward with the right answer.
    pub(super) fn state_passes(&self, state: &State) -> bool {
        self.passes(&self.final_state(state.clone()))
    }

    fn passes(&self, last: &Final) -> bool {
        let Some(rows) = &last.rows else { return false };
        let judged = (&last.state, &self.ground.initial, rows);
        verify::state_passes(self.environment, self.task, &self.conditions, &self.expected, judged).unwrap_or(false)
    }

    /// Whether an answer would earn the reward in the right final state.
    pub(super) fn answer_passes(&self, answer: Option<&str>) -> bool {
        verify::answer_check(self.task, &self.expected, answer).is_none_or(|check| check.passed)
    }

    /// Whether two states differ. This looks at plain rows, independently of the comparison that judges.
    fn differ(&self, left: &Final, right: &Final, left_out: LeftOut) -> bool {
        match (&left.rows, &right.rows) {
            (Some(left), Some(right)) => self.content(left, left_out) != self.content(right, left_out),
            // What can't be read isn't told apart.
            _ => false,
        }
    }

    /// Whether a state differs from the one the solution leaves.
    fn ends_elsewhere(&self, last: &Final, left_out: LeftOut) -> bool {
        let slot = &self.content[usize::from(left_out.volatile) + 2 * usize::from(left_out.free)];
        let all = || 0..self.environment.catalog().tables.len();
        let read = || snapshot::read(self.environment, &self.played.state, &self.conditions, all()).unwrap_or_default();
        let right = slot.get_or_init(|| self.content(&read(), left_out));
        let Some(rows) = &last.rows else { return false };
        self.content(rows, left_out).iter().any(|(table, rows)| right.get(table) != Some(rows))
    }

    fn content(&self, snapshot: &Snapshot, left_out: LeftOut) -> Content {
        let catalog = self.environment.catalog();
        let volatile = &self.expected.volatile;
        let moving: BTreeSet<(usize, usize)> = volatile
            .changed
            .iter()
            .map(|(table, _, column)| (*table, *column))
            .chain(volatile.added.iter().copied())
            .collect();
        let mut content = Content::new();
        for (index, rows) in snapshot.iter().filter(|(table, _)| !self.environment.history().contains(table)) {
            let table = &catalog.tables[*index];
            let counts = |column: &usize| {
                let cell = (*index, *column);
                let generated = table.generates_key() && table.rowid == Some(*column);
                let left_out =
                    left_out.volatile && moving.contains(&cell) || left_out.free && self.task.free().contains(&cell);
                !(generated || left_out)
            };
            let columns: Vec<usize> = (0..table.columns.len()).filter(counts).collect();
            content.insert(*index, plain(rows, &columns));
        }
        content
    }
}

fn plain(rows: &Rows, columns: &[usize]) -> Vec<Vec<Cell>> {
    let cells = |row: &Row| columns.iter().map(|column| row[*column].clone()).collect();
    let mut plain: Vec<Vec<Cell>> = rows.values().map(cells).collect();
    plain.sort_unstable();
    plain
}

fn finding(task: &Task, code: Code, message: impl AsRef<str>) -> Diagnostic {
    Diagnostic::new(code, TASKS_FILE, task.line(), format!("{}: {}", task.name(), message.as_ref()))
}

fn failures(verdict: &Verdict) -> String {
    let failed = verdict.checks.iter().filter(|check| !check.passed);
    failed.map(|check| format!("{}: {}", check.name, check.reason)).collect::<Vec<_>>().join("; ")
}

/// True for the names of inputs and members that hold ids.
fn is_id(name: &str) -> bool {
    name == "id" || name == "ids" || name.ends_with("_id") || name.ends_with("_ids")
}
