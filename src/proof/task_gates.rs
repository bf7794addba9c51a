//! Gates for tasks: attempts that must earn the reward and attempts that must not.
//!
//! Every gate makes real attempts and judges them with the verifier that judges agents. One module a family of gates:
//! what is asked can be known ([`provenance`]), nothing else than the work earns ([`shortcuts`], [`mutants`], [`answers`]),
//! and what doesn't matter doesn't count ([`robustness`]).

mod answers;
mod mutants;
mod provenance;
mod robustness;
mod shortcuts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::facts;
use super::walk::Write;
use crate::engine::environment::Environment;
use crate::engine::snapshot::{self, Cell, Row};
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

/// A task with its solution executed: what every gate starts from.
struct Gates<'g> {
    environment: &'g Environment,
    task: &'g Task,
    conditions: Conditions,
    played: PlayedSolution,
    expected: Arc<Expected>,
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

/// Executes every gate of a task. `unrelated` are writes that the walk found, to be added to the solution.
pub(super) fn check(environment: &Environment, task: &Task, unrelated: &[Call]) -> Vec<Diagnostic> {
    let gates = match Gates::new(environment, task) {
        Ok(gates) => gates,
        Err(finding) => return vec![*finding],
    };
    let mut findings = gates.solution_earns();
    if !findings.is_empty() {
        return findings;
    }
    findings.extend(shortcuts::check(&gates));
    findings.extend(mutants::check(&gates));
    findings.extend(answers::check(&gates));
    findings.extend(robustness::check(&gates, unrelated));
    findings.extend(provenance::check(&gates));
    findings.extend(facts::check(task, &gates.played));
    findings
}

/// Every call of any task's solution that changes something: to another task it is an unrelated write.
pub(super) fn committing_calls(environment: &Environment) -> Vec<Call> {
    let mut calls = Vec::new();
    for task in environment.tasks().values() {
        let conditions = solution::conditions(environment, task, 0);
        // A solution that fails is a finding of its own task.
        let Ok(played) = solution::play(environment, task, &conditions, State::default()) else { continue };
        let committing = played.calls.into_iter().filter(|call| call.changed);
        calls.extend(committing.map(|call| Call { tool: call.tool, arguments: call.arguments }));
    }
    calls
}

impl<'g> Gates<'g> {
    fn new(environment: &'g Environment, task: &'g Task) -> Result<Self, Box<Diagnostic>> {
        let conditions = solution::conditions(environment, task, 0);
        let played = solution::play(environment, task, &conditions, State::default()).map_err(|err| {
            let line = task.solution().get(err.call()).map_or(task.line(), |call| call.line);
            Box::new(Diagnostic::new(Code::SolutionFails, TASKS_FILE, line, format!("{}: {err}", task.name())))
        })?;
        let unjudgeable = |err: JudgeError| Box::new(finding(task, Code::SolutionFails, err.to_string()));
        let expected = verify::expected(environment, task, &conditions).map_err(unjudgeable)?;
        Ok(Self { environment, task, conditions, played, expected })
    }

    /// The reference solution earns the reward, whatever the seed, and has an effect that is compared.
    fn solution_earns(&self) -> Vec<Diagnostic> {
        const SEEDS: [u64; 3] = [0, 1, 4_711];
        let mut findings = Vec::new();
        for seed in SEEDS {
            let conditions = Conditions { seed, ..self.conditions.clone() };
            let failed = match solution::play(self.environment, self.task, &conditions, State::default()) {
                Err(err) => Some(err.to_string()),
                Ok(played) => {
                    match verify::judge(self.environment, self.task, &conditions, &played.state, self.task.answer()) {
                        Err(err) => Some(err.to_string()),
                        Ok(verdict) if !verdict.passed => Some(failures(&verdict)),
                        Ok(_) => None,
                    }
                }
            };
            if let Some(reason) = failed {
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
        findings
    }

    fn finding(&self, code: Code, message: impl AsRef<str>) -> Diagnostic {
        finding(self.task, code, message)
    }

    /// Whether the task asks for a change.
    fn changes_state(&self) -> bool {
        self.played.calls.iter().any(|call| call.changed)
    }

    /// The solution's calls.
    fn calls(&self) -> Vec<Call> {
        let calls = self.played.calls.iter();
        calls.map(|played| Call { tool: played.tool.clone(), arguments: played.arguments.clone() }).collect()
    }

    /// Positions of the calls that commit a change.
    fn committing(&self) -> Vec<usize> {
        (0..self.played.calls.len()).filter(|index| self.played.calls[*index].changed).collect()
    }

    /// Makes the calls, going on after refusals as an agent would.
    fn attempt(&self, calls: &[Call]) -> Attempt {
        self.attempt_from(State::default(), calls)
    }

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

    /// Whether an attempt earns the reward. One that can't be judged doesn't.
    fn rewarded(&self, state: &State, answer: Option<&str>) -> bool {
        let verdict = verify::judge(self.environment, self.task, &self.conditions, state, answer);
        verdict.is_ok_and(|verdict| verdict.passed)
    }

    /// Whether two states differ. This looks at plain rows, independently of the comparison that judges.
    fn differ(&self, left: &State, right: &State, left_out: LeftOut) -> bool {
        match (self.content(left, left_out), self.content(right, left_out)) {
            (Ok(left), Ok(right)) => left != right,
            // What can't be read isn't told apart.
            _ => false,
        }
    }

    /// Whether a state differs from the one the solution leaves.
    fn ends_elsewhere(&self, state: &State, left_out: LeftOut) -> bool {
        self.differ(&self.played.state, state, left_out)
    }

    fn content(&self, state: &State, left_out: LeftOut) -> Result<Content, JudgeError> {
        let catalog = self.environment.catalog();
        let compared = (0..catalog.tables.len()).filter(|table| !self.environment.history().contains(table));
        let snapshot = snapshot::read(self.environment, state, &self.conditions, compared)?;
        let volatile = &self.expected.volatile;
        let moving: BTreeSet<(usize, usize)> = volatile
            .changed
            .iter()
            .map(|(table, _, column)| (*table, *column))
            .chain(volatile.added.iter().copied())
            .collect();
        let mut content = Content::new();
        for (index, rows) in snapshot {
            let table = &catalog.tables[index];
            let counts = |column: &usize| {
                let cell = (index, *column);
                let generated = table.generates_key() && table.rowid == Some(*column);
                let left_out =
                    left_out.volatile && moving.contains(&cell) || left_out.free && self.task.free().contains(&cell);
                !(generated || left_out)
            };
            let columns: Vec<usize> = (0..table.columns.len()).filter(counts).collect();
            let plain = |row: &Row| columns.iter().map(|column| row[*column].clone()).collect();
            let mut plain: Vec<Vec<Cell>> = rows.values().map(plain).collect();
            plain.sort_unstable();
            content.insert(index, plain);
        }
        Ok(content)
    }
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
