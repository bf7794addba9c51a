//! An environment: a package compiled to an image, programs and tasks; immutable and shared by all its episodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use rusqlite::types::Value as SqlValue;
use serde_json::{Map, Value};

use super::arguments::Inputs;
use super::catalog::Catalog;
use super::program::Program;
use super::task::Task;
use super::verify::ExpectedCache;
use crate::database::{Image, Operation, Pool};
use crate::id::{EnvironmentName, TaskName, ToolName};
use crate::package::Package;
use crate::package::files::At;

/// Idle connections an environment keeps for judging. Extra SQL checks are rare and take microseconds.
const JUDGING_CONNECTIONS_MAX: usize = 2;

/// Someone an episode can act as.
#[derive(Debug, Clone, PartialEq)]
pub struct Actor {
    /// The id, bound as `:actor`.
    pub id: Value,
    /// The name an agent is told.
    pub name: String,
}

/// What a tool's annotations say to an MCP client (all hints of the protocol).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotations {
    /// The tool changes nothing.
    pub read_only: bool,
    /// The tool may change or delete what is there, rather than only add.
    pub destructive: bool,
    /// Calling it again with the same arguments has no further effect.
    pub idempotent: bool,
    /// The tool reaches beyond the environment; never true here.
    pub open_world: bool,
}

/// A tool of an environment.
#[derive(Debug, Clone)]
pub struct Tool {
    pub(super) name: ToolName,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) inputs: Inputs,
    pub(super) output_schema: Arc<Map<String, Value>>,
    pub(super) program: Program,
    pub(super) written_tables: BTreeSet<usize>,
    pub(super) crosses: BTreeSet<String>,
    pub(super) line: usize,
}

impl Tool {
    /// Its name.
    pub fn name(&self) -> &ToolName {
        &self.name
    }

    /// Short name for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// When to use it, what it refuses, the unit of every number.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// JSON Schema of the arguments.
    pub fn input_schema(&self) -> &Arc<Map<String, Value>> {
        self.inputs.schema()
    }

    /// JSON Schema of the result.
    pub fn output_schema(&self) -> &Arc<Map<String, Value>> {
        &self.output_schema
    }

    /// Derived from what its SQL does.
    pub fn annotations(&self) -> Annotations {
        let read_only = self.program.read_only();
        let replaces = |kinds: &BTreeSet<Operation>| kinds.iter().any(|kind| *kind != Operation::Insert);
        Annotations {
            read_only,
            destructive: self.program.writes.values().any(replaces),
            idempotent: read_only,
            open_world: false,
        }
    }

    pub(crate) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Indexes in the catalog of the tables that a call may write.
    pub(crate) fn written_tables(&self) -> &BTreeSet<usize> {
        &self.written_tables
    }

    /// Private tables in which the tool may show or change rows of other actors.
    pub(crate) fn crosses(&self) -> &BTreeSet<String> {
        &self.crosses
    }

    /// Line of tools.yaml.
    pub(crate) fn line(&self) -> usize {
        self.line
    }
}

/// A loaded environment.
#[derive(Debug)]
pub struct Environment {
    pub(super) name: EnvironmentName,
    pub(super) package: Package,
    pub(super) clock_ms: i64,
    pub(super) pool: Pool,
    pub(super) judging: OnceLock<Pool>,
    pub(super) catalog: Catalog,
    pub(super) rows: usize,
    pub(super) actors: Vec<Actor>,
    pub(super) tools: IndexMap<ToolName, Tool>,
    pub(super) tasks: IndexMap<TaskName, Task>,
    pub(super) private: BTreeMap<usize, String>,
    pub(super) history: BTreeSet<usize>,
    pub(super) expected: ExpectedCache,
    pub(super) listing: OnceLock<Box<str>>,
}

impl Environment {
    /// Its name.
    pub fn name(&self) -> &EnvironmentName {
        &self.name
    }

    /// Short name for people.
    pub fn title(&self) -> &str {
        &self.package.environment.title
    }

    /// One sentence for a list.
    pub fn summary(&self) -> &str {
        &self.package.environment.summary
    }

    /// The field it models.
    pub fn domain(&self) -> &str {
        &self.package.environment.domain
    }

    /// House rules an agent reads before it acts.
    pub fn instructions(&self) -> &str {
        self.package.environment.instructions.trim()
    }

    /// Virtual time at the start of every episode, in Unix milliseconds.
    pub fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// SHA-256 of the package's files, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.package.digest
    }

    /// The tools, in the order of their file.
    pub fn tools(&self) -> &IndexMap<ToolName, Tool> {
        &self.tools
    }

    /// The tools as a front words them: made when first asked for and kept, since they are long, never change, and every
    /// client begins by asking for them.
    pub fn listing(&self, word: impl FnOnce() -> String) -> &str {
        self.listing.get_or_init(|| word().into_boxed_str())
    }

    /// The tasks, in the order of their file.
    pub fn tasks(&self) -> &IndexMap<TaskName, Task> {
        &self.tasks
    }

    /// Everyone an episode can act as.
    pub fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// The actor where neither the episode nor the task names one.
    pub fn default_actor(&self) -> &Value {
        &self.package.environment.actors.default.value
    }

    /// The actor with this id.
    pub fn actor(&self, id: &Value) -> Option<&Actor> {
        self.actors.iter().find(|actor| &actor.id == id)
    }

    /// The initial database.
    pub fn image(&self) -> &Arc<Image> {
        self.pool.image()
    }

    /// Number of ordinary tables.
    pub fn tables(&self) -> usize {
        self.catalog.tables.len()
    }

    /// Number of initial rows in them.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Lets go of idle connections, which an environment nobody uses needn't keep.
    pub fn shrink(&self) {
        self.pool.shrink();
        if let Some(judging) = self.judging.get() {
            judging.shrink();
        }
    }

    /// The package it was compiled from.
    pub(crate) fn package(&self) -> &Package {
        &self.package
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Connections that also see the initial database, as `initial`, and can't write.
    pub(crate) fn judging_pool(&self) -> &Pool {
        self.judging.get_or_init(|| Pool::with_initial(Arc::clone(self.pool.image()), JUDGING_CONNECTIONS_MAX))
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Conditions, by table index, that are true for the rows `:actor` may see.
    pub(crate) fn private(&self) -> &BTreeMap<usize, String> {
        &self.private
    }

    /// Indexes of the tables that aren't compared.
    pub(crate) fn history(&self) -> &BTreeSet<usize> {
        &self.history
    }

    pub(crate) fn expected(&self) -> &ExpectedCache {
        &self.expected
    }
}

/// The condition of an entry under `private:`: a bare column name stands for 'equals the actor's id'.
pub(super) fn private_condition(entry: &At<String>) -> String {
    let text = entry.trim();
    if crate::id::is_snake_case(text) {
        format!("{} = :actor", super::catalog::quote(text))
    } else {
        format!("({text})")
    }
}

/// An SQL value as JSON, where it has a JSON form.
pub(crate) fn to_json(value: SqlValue) -> Value {
    match value {
        SqlValue::Null | SqlValue::Blob(_) => Value::Null,
        SqlValue::Integer(number) => Value::from(number),
        SqlValue::Real(number) => Value::from(number),
        SqlValue::Text(text) => Value::from(text),
    }
}
