//! Tasks: what an agent is asked, how it is done, how it is judged.

use indexmap::IndexMap;
use serde_json::Value;

use super::catalog::Catalog;
use super::environment::{Actor, Tool};
use crate::id::{TaskName, ToolName};
use crate::package::diagnostic::{Code, Diagnostic};
use crate::package::files::{At, CheckFile, Difficulty, ExpectFile, Facts, TaskFile};
use crate::package::{Package, TASKS_FILE};

/// What an instruction ends with where an answer is judged.
const ANSWER_LINE: &str = "End with one line `Answer: ...` that states just what was asked for.";

/// A task of an environment.
#[derive(Debug)]
pub struct Task {
    name: TaskName,
    instruction: String,
    asked: String,
    actor: Value,
    difficulty: Option<Difficulty>,
    facts: Option<At<Facts>>,
    tags: Vec<String>,
    solution: Vec<SolutionCall>,
    answer: Option<String>,
    expects: Vec<ExpectFile>,
    free: Vec<(usize, usize)>,
    checks: Vec<At<CheckFile>>,
    line: usize,
}

/// One call of a reference solution.
#[derive(Debug, Clone)]
pub(crate) struct SolutionCall {
    /// The tool.
    pub tool: ToolName,
    /// Where each argument comes from.
    pub arguments: Vec<(String, Source)>,
    /// Line of tasks.yaml.
    pub line: usize,
}

/// Where an argument of a reference call comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// Written out.
    Literal(Value),
    /// Found in the observation of an earlier call.
    From { call: usize, path: String },
    /// Computed by SQL from earlier observations (`:obs0`, `:obs1`, ..).
    Derived(String),
    /// Text that the agent words itself.
    Free(Value),
}

impl Task {
    /// Its name.
    pub fn name(&self) -> &TaskName {
        &self.name
    }

    /// What the agent is asked, with the line about the answer where one is judged.
    pub fn instruction(&self) -> &str {
        &self.instruction
    }

    /// Who asks.
    pub fn actor(&self) -> &Value {
        &self.actor
    }

    /// How much work it is.
    pub fn difficulty(&self) -> Option<Difficulty> {
        self.difficulty
    }

    /// What its reference solution takes, in numbers, where the package says.
    pub fn facts(&self) -> Option<Facts> {
        self.facts.as_ref().map(|facts| facts.value)
    }

    /// Line of tasks.yaml with those numbers.
    pub(crate) fn facts_line(&self) -> usize {
        self.facts.as_ref().map_or(self.line, |facts| facts.line)
    }

    /// Labels to filter by.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Whether an answer is judged.
    pub fn has_answer(&self) -> bool {
        !self.expects.is_empty()
    }

    /// Number of calls of the reference solution.
    pub fn reference_calls(&self) -> usize {
        self.solution.len()
    }

    /// The instruction as the package has it.
    pub(crate) fn asked(&self) -> &str {
        &self.asked
    }

    pub(crate) fn solution(&self) -> &[SolutionCall] {
        &self.solution
    }

    pub(crate) fn answer(&self) -> Option<&str> {
        self.answer.as_deref()
    }

    pub(crate) fn expects(&self) -> &[ExpectFile] {
        &self.expects
    }

    /// Columns (table, column) whose text the agent words itself.
    pub(crate) fn free(&self) -> &[(usize, usize)] {
        &self.free
    }

    pub(crate) fn checks(&self) -> &[At<CheckFile>] {
        &self.checks
    }

    pub(crate) fn line(&self) -> usize {
        self.line
    }
}

/// Compiles the tasks of a package.
pub(super) fn compile(
    package: &Package,
    catalog: &Catalog,
    tools: &IndexMap<ToolName, Tool>,
    actors: &[Actor],
    findings: &mut Vec<Diagnostic>,
) -> IndexMap<TaskName, Task> {
    let mut tasks = IndexMap::new();
    for file in &package.tasks {
        let Ok(name) = TaskName::parse(&file.name) else { continue };
        let actor = file.actor.as_ref().unwrap_or(&package.environment.actors.default);
        if !actors.iter().any(|known| known.id == actor.value) {
            let message = format!("{name}: no actor has the id {}", actor.value);
            findings.push(Diagnostic::new(Code::TaskInvalid, TASKS_FILE, actor.line, message));
        }
        let free = free_columns(&name, file, catalog, findings);
        let task = Task {
            instruction: instruction(file),
            asked: file.instruction.trim().to_owned(),
            actor: actor.value.clone(),
            difficulty: file.difficulty,
            facts: file.facts.clone(),
            tags: file.tags.clone(),
            solution: solution(file, tools),
            answer: file.solution.answer.as_ref().map(|answer| answer.value.clone()),
            expects: file.verify.answer.iter().map(|expect| expect.value.clone()).collect(),
            free,
            checks: file.verify.checks.clone(),
            line: file.name.line,
            name: name.clone(),
        };
        tasks.insert(name, task);
    }
    tasks
}

/// What the agent is asked, with the line about the answer where one is judged.
pub(crate) fn instruction(file: &TaskFile) -> String {
    let asked = file.instruction.trim();
    if file.verify.answer.is_empty() { asked.to_owned() } else { format!("{asked}\n\n{ANSWER_LINE}") }
}

fn free_columns(
    name: &TaskName,
    file: &TaskFile,
    catalog: &Catalog,
    findings: &mut Vec<Diagnostic>,
) -> Vec<(usize, usize)> {
    let mut columns = Vec::new();
    for path in &file.verify.free {
        let found = path.split_once('.').and_then(|(table, column)| {
            let table = catalog.table(table)?;
            Some((table, catalog.tables[table].column(column)?))
        });
        match found {
            Some(column) => columns.push(column),
            None => {
                let message = format!("{name}: free names {}, which is no table.column", path.value);
                findings.push(Diagnostic::new(Code::ReferenceUnknown, TASKS_FILE, path.line, message));
            }
        }
    }
    columns
}

fn solution(file: &TaskFile, tools: &IndexMap<ToolName, Tool>) -> Vec<SolutionCall> {
    let calls = file.solution.calls.iter();
    calls
        .filter_map(|call| {
            // Unknown tools are reported by package::checks::tasks.
            let (tool, _) = tools.get_key_value(call.tool.as_str())?;
            let arguments = call.arguments.iter().map(|(name, value)| (name.clone(), source(&value.value))).collect();
            Some(SolutionCall { tool: tool.clone(), arguments, line: call.line })
        })
        .collect()
}

fn source(value: &Value) -> Source {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let call = value.get("from").and_then(Value::as_u64).and_then(|call| usize::try_from(call).ok());
    match (call, text("path"), text("derived"), value.get("free")) {
        (Some(call), Some(path), None, None) => Source::From { call, path },
        (None, None, Some(sql), None) => Source::Derived(sql),
        (None, None, None, Some(words)) => Source::Free(words.clone()),
        _ => Source::Literal(value.clone()),
    }
}
