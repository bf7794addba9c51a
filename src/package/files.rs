//! The files of a package as their authors write them.
//!
//! These are wire types: they mirror the YAML, keep the line of everything a diagnostic may point at, and mean nothing by
//! themselves. The engine compiles them into an environment; `schemas/` holds their JSON Schemas.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A value together with the line of the file it stands on (from 1; 0 where it did not come from a file).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct At<T> {
    /// What was written.
    pub value: T,
    /// Where, counted from 1.
    pub line: usize,
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        let line = usize::try_from(spanned.referenced.line()).unwrap_or(0);
        Ok(Self { value: spanned.value, line })
    }
}

impl<T: Serialize> Serialize for At<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// `environment.yaml`: what the environment is and who acts in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentFile {
    /// `snake_case`; equals the name of the package's folder.
    pub name: At<String>,
    /// Short name for people.
    pub title: At<String>,
    /// One sentence for a list of environments.
    pub summary: At<String>,
    /// The field it models, such as `retail`.
    pub domain: At<String>,
    /// `snake_case` name that all environments made from one blueprint share, so that they are all trained on or all held out.
    pub family: Option<At<String>>,
    /// House rules an agent reads before it acts: conventions and units that the tools alone don't show.
    pub instructions: At<String>,
    /// Virtual time at the start of every episode, in UTC: `2026-03-17T09:30:00Z`.
    pub clock: At<String>,
    /// Whom an episode can act as.
    pub actors: At<ActorsFile>,
    /// Tables whose rows belong to one actor. The value says whose: the name of a column that holds the actor's id, or an SQL
    /// condition over the table's columns and `:actor` that is true for the rows that actor may see.
    #[serde(default)]
    pub private: IndexMap<String, At<String>>,
    /// Append-only tables (activity logs) that are not compared when a task is judged.
    #[serde(default)]
    pub history: Vec<At<String>>,
    /// What is always true of the data, as named SQL conditions: a balance equals its postings, a comment is younger than its
    /// issue. `check` looks at the start, along every solution and through a long run of writes.
    #[serde(default)]
    pub invariants: Vec<At<CheckFile>>,
}

/// Whom an episode can act as: the rows of one table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActorsFile {
    /// The table of people.
    pub table: At<String>,
    /// Its key column, bound as `:actor`.
    pub id: At<String>,
    /// The column with the name an agent is told it acts for.
    pub name: At<String>,
    /// The actor where neither the episode nor the task names one.
    pub default: At<Value>,
}

/// One entry of `tools.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolFile {
    /// `verb_noun` in `snake_case`, unique in the package.
    pub name: At<String>,
    /// Short name for people.
    pub title: At<String>,
    /// When to use it, what it refuses, the unit of every number.
    pub description: At<String>,
    /// JSON Schema (2020-12) of the arguments, within the portable tool profile. `x-from: table.column` on a property says
    /// where valid values come from; it is never served.
    #[serde(rename = "inputSchema")]
    pub input_schema: At<Value>,
    /// Private tables in which this tool may show or change rows of other actors (paying somebody, say).
    #[serde(default)]
    pub crosses: Vec<At<String>>,
    /// What the call does, step by step, in one transaction.
    #[serde(default)]
    pub program: Vec<At<StepFile>>,
    /// What the call returns: one JSON member each.
    pub returns: IndexMap<String, At<ReturnFile>>,
}

/// One step of a program: exactly one of `guard`, `let` and `run`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// SQL condition; the step is skipped where it isn't true (a skipped `let` binds NULLs).
    pub when: Option<At<String>>,
    /// A SELECT whose first column must be true, or the call is refused with `code` and `error`.
    pub guard: Option<At<String>>,
    /// A SELECT with exactly one row; its columns become parameters.
    #[serde(rename = "let")]
    pub bind: Option<At<String>>,
    /// An INSERT, UPDATE or DELETE.
    pub run: Option<At<String>>,
    /// Stable `snake_case` name of a guard's refusal.
    pub code: Option<At<String>>,
    /// What the agent reads when a guard refuses; `{parameter}` is replaced by its value.
    pub error: Option<At<String>>,
}

/// One member of a tool's result: exactly one of `row`, `rows` and `value`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnFile {
    /// A SELECT with exactly one row, returned as an object.
    pub row: Option<At<String>>,
    /// A SELECT returned as a list of objects.
    pub rows: Option<At<String>>,
    /// A SELECT with exactly one row, whose first column is returned.
    #[serde(rename = "value")]
    pub single: Option<At<String>>,
    /// A `row` that may be missing is returned as null.
    #[serde(default)]
    pub optional: bool,
    /// Columns that hold JSON text, returned as JSON.
    #[serde(default)]
    pub json: Vec<At<String>>,
    /// Types of columns that SQLite doesn't declare: boolean, integer, number, string, array or object, with a trailing `?`
    /// where it can be null.
    #[serde(default)]
    pub types: IndexMap<String, At<String>>,
    /// The same for a `value`.
    #[serde(rename = "type")]
    pub value_type: Option<At<String>>,
}

/// How much work a task is for an agent that knows what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difficulty {
    /// Two or three calls, one hop.
    Easy,
    /// Four to seven calls, a condition or a comparison.
    Medium,
    /// Eight or more calls, several entities, arithmetic or dates, a fallback or a rule in the way.
    Hard,
}

/// One entry of `tasks.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskFile {
    /// `snake_case`, unique in the package.
    pub name: At<String>,
    /// How much work it is.
    pub difficulty: Option<Difficulty>,
    /// What the reference solution takes, in numbers; `check` reports where they are not the right ones.
    pub facts: Option<At<Facts>>,
    /// Free labels to filter by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Who asks; the environment's default actor where absent.
    pub actor: Option<At<Value>>,
    /// What the agent is asked, in a person's words.
    pub instruction: At<String>,
    /// How it is done: used by checks and to compute the expected state, never shown to an agent.
    pub solution: At<SolutionFile>,
    /// How an attempt is judged.
    #[serde(default)]
    pub verify: At<VerifyFile>,
}

/// What the reference solution of a task takes, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Its calls.
    pub calls: u32,
    /// Distinct tools that it calls.
    pub tools: u32,
    /// Calls on the longest chain in which each takes an argument from the result of the one before it.
    pub hops: u32,
    /// Its calls that commit a change.
    pub writes: u32,
    /// Distinct ids that its results show: pairs of a member's name (`id`, or one that ends in `_id`) and a value.
    pub in_sight: u32,
}

/// The reference solution of a task.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SolutionFile {
    /// The calls, in order.
    pub calls: Vec<At<CallFile>>,
    /// The reference answer, for tasks that ask for one.
    pub answer: Option<At<String>>,
}

/// One call of a reference solution.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallFile {
    /// The tool.
    pub tool: At<String>,
    /// Its arguments. A value is literal, or `{from: call, path: a.0.b}`, or `{derived: SQL}`, or `{free: text}`.
    #[serde(default)]
    pub arguments: IndexMap<String, At<Value>>,
}

/// How an attempt at a task is judged.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyFile {
    /// What the final state is compared with.
    #[serde(default)]
    pub state: ExpectedState,
    /// What the answer must state.
    #[serde(default)]
    pub answer: Vec<At<ExpectFile>>,
    /// Columns (`table.column`) whose text the agent words itself: non-blank is enough.
    #[serde(default)]
    pub free: Vec<At<String>>,
    /// Further SQL conditions over the final database, with the initial one attached as `initial`.
    #[serde(default)]
    pub checks: Vec<At<CheckFile>>,
}

/// What the final state of an episode is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedState {
    /// The state that the reference solution leaves.
    #[default]
    Solution,
}

/// One thing the answer must state.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum ExpectFile {
    /// A number, as `84.5`.
    Number(f64),
    /// A text, or any one of several wordings.
    Text(OneOrMany),
    /// A day, as `2026-03-04`.
    Date(String),
    /// Each of these, in any order, and nothing else of their kind.
    Set(Vec<String>),
}

/// One text or a list of alternatives.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any of several.
    Many(Vec<String>),
}

/// A named SQL condition over the rows of a state.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckFile {
    /// Shown where it doesn't hold.
    pub name: At<String>,
    /// A SELECT whose first column must be true.
    pub sql: At<String>,
}

/// `origin.yaml`: where a synthesized package comes from. Nothing in it changes what the environment is or does, so it is no
/// part of the package's digest.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginFile {
    /// The blueprint it was compiled from.
    pub blueprint: String,
    /// Which of the blueprint's environments it is.
    pub variant: u32,
    /// Seed of everything that was drawn.
    pub seed: u64,
    /// Version of the synthesizer.
    pub synthesizer: u32,
    /// Features of the blueprint that are switched on.
    #[serde(default)]
    pub features: Vec<String>,
    /// Modules that were added to the blueprint.
    #[serde(default)]
    pub modules: Vec<String>,
    /// How things are named and said, by aspect.
    #[serde(default)]
    pub style: IndexMap<String, String>,
    /// The blueprint's constants as they were drawn.
    #[serde(default)]
    pub constants: IndexMap<String, Value>,
    /// Where each tool comes from: `own` for the blueprint, or `module:<name>`.
    #[serde(default)]
    pub tools: IndexMap<String, At<String>>,
    /// Where each task comes from.
    #[serde(default)]
    pub tasks: IndexMap<String, At<OriginTaskFile>>,
}

/// Where a synthesized task comes from.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginTaskFile {
    /// The intents it is composed of.
    pub intents: Vec<String>,
    /// Whether an intent of it needs one of the blueprint's own rules.
    pub own_rule: bool,
    /// What the right outcome is.
    pub kind: TaskKind,
}

/// What the right outcome of a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Something has changed.
    Change,
    /// A question is answered, and nothing has changed.
    Question,
    /// What was asked for can't or mustn't be done: nothing has changed, and the reason is said.
    Refusal,
}
