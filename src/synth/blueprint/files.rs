//! A blueprint as its author writes it.
//!
//! These are wire types: they mirror the YAML and keep the line of everything a finding may point at. `BLUEPRINTS.md` says
//! what each part means; modules have the same shape.

mod texts;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

pub use self::texts::{TextOr, Texts};
use crate::package::files::At;

/// A blueprint or a module.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlueprintFile {
    /// Name of a blueprint: that of its file, and the family of its environments.
    pub blueprint: Option<At<String>>,
    /// Name of a module: that of its file.
    pub module: Option<At<String>>,
    /// What a module is told by whoever uses it; `{{name}}` stands for the value.
    pub params: Vec<At<String>>,
    /// The scenario name a blueprint was written for; never appears in a package.
    pub scenario: Option<At<String>>,
    /// Titles to choose from.
    pub title: Texts,
    /// One sentence for a list of environments.
    pub summary: At<String>,
    /// The field it models.
    pub domain: At<String>,
    /// House rules that the agent reads first.
    pub about: At<String>,
    /// The entity whose rows act.
    pub actor: At<String>,
    /// Which of them may be the actor of a task (SQL over its columns).
    pub actors_where: Option<At<String>>,
    /// Values to choose from, by name.
    pub constants: IndexMap<String, At<Vec<Value>>>,
    /// What a variant may have or lack.
    pub features: IndexMap<String, At<FeatureFile>>,
    /// The entities, parents first.
    pub entities: IndexMap<String, At<EntityFile>>,
    /// Statements that run once all rows exist.
    pub data: Vec<At<TextOr<DataFile>>>,
    /// What is always true of the data.
    pub invariants: Vec<At<InvariantFile>>,
    /// Who may do what.
    pub rights: IndexMap<String, At<RightFile>>,
    /// The tools, by canonical name.
    pub tools: IndexMap<String, At<ToolFile>>,
    /// Modules it is composed of.
    #[serde(rename = "use")]
    pub uses: Vec<At<UseFile>>,
    /// What people want.
    pub intents: IndexMap<String, At<IntentFile>>,
}

/// Something that a variant may have or lack.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeatureFile {
    /// Features it can't do without.
    pub needs: Texts,
    /// Features it doesn't go with.
    pub excludes: Texts,
    /// Every variant has it.
    pub always: bool,
    /// What it is, for the reader of the blueprint.
    pub about: Option<String>,
}

/// An entity: a table with its generated rows.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EntityFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// Name of the table; the plural of the entity's name where absent.
    pub table: Option<String>,
    /// The column with what people call a row.
    pub label: Option<String>,
    /// The column that holds the actor's id.
    pub owner: Option<At<String>>,
    /// Whose rows they are, where that follows from another table: SQL over the columns and `:actor`.
    pub private: Option<At<String>>,
    /// An append-only log that isn't compared.
    pub history: bool,
    /// Columns of the key of a table without an id.
    pub key: Vec<String>,
    /// The columns, without `id`.
    pub columns: IndexMap<String, At<ColumnFile>>,
    /// From how many to how many rows.
    pub rows: Option<(i64, i64)>,
    /// Rows written out.
    pub catalog: Option<CatalogFile>,
    /// Rows for each row of another entity.
    pub per: Option<At<IndexMap<String, Value>>>,
    /// Lists of columns that are unique together.
    pub unique: Vec<Vec<String>>,
    /// CHECK constraints.
    pub check: Vec<At<String>>,
    /// Lists of columns with an index.
    pub index: Vec<Vec<String>>,
    /// The column of the lifecycle; `status` where absent.
    pub lifecycle: Option<String>,
    /// Moves of the lifecycle, by name.
    pub moves: IndexMap<String, At<MoveFile>>,
}

/// One move of a lifecycle.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveFile {
    /// States it starts from.
    pub from: Texts,
    /// The state it leads to.
    pub to: String,
    /// What the agent reads where it is refused.
    #[serde(default)]
    pub error: Texts,
    /// Name of the refusal.
    pub code: Option<String>,
}

/// Rows written out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogFile {
    /// The columns that the rows give.
    pub columns: Vec<String>,
    /// From how many to how many of them a variant takes; all where absent.
    pub take: Option<(i64, i64)>,
    /// How far numbers vary, as a share of themselves.
    pub jitter: Option<f64>,
    /// The rows.
    pub rows: Vec<At<Vec<Value>>>,
}

/// A column: exactly one kind, and options.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// Kind: a foreign key to this entity.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Kind: a list of texts, a pattern, or the name of a generator.
    pub text: Option<Texts>,
    /// Kind: one of these words.
    #[serde(rename = "enum")]
    pub members: Option<Vec<String>>,
    /// Kind: a whole number.
    pub int: Option<(i64, i64)>,
    /// Kind: a number.
    pub number: Option<(f64, f64)>,
    /// Kind: an amount in cents.
    pub money: Option<(i64, i64)>,
    /// Kind: a day, in days from the clock.
    pub date: Option<DaysFile>,
    /// Kind: a moment, in days from the clock.
    pub time: Option<DaysFile>,
    /// Kind: true with this probability.
    pub bool: Option<f64>,
    /// Rows of the entity that a `ref` may name (SQL over its columns).
    #[serde(rename = "where")]
    pub restriction: Option<At<String>>,
    /// A `ref` may name any row.
    pub any: bool,
    /// Longest text.
    pub max: Option<usize>,
    /// How often each member of `enum` occurs.
    pub weights: Vec<f64>,
    /// Digits after the point of a `number`.
    pub digits: Option<u32>,
    /// Step of a `money`, in cents.
    pub step: Option<i64>,
    /// Hours of a `time`.
    pub hours: Option<(i64, i64)>,
    /// Grid of a `time`, in minutes.
    pub minutes: Option<i64>,
    /// Nullable, and NULL with this probability.
    pub null: Option<f64>,
    /// No two rows alike.
    pub unique: bool,
    /// SQL literal of DEFAULT.
    pub default: Option<Value>,
    /// SQL that computes it from the row.
    #[serde(rename = "as")]
    pub computed: Option<At<String>>,
}

/// Range of days from the clock, or `true` where the value is computed.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DaysFile {
    /// First and last day.
    Range(i64, i64),
    /// Computed.
    Any(bool),
}

/// A statement over the generated rows.
#[derive(Debug, Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Features it belongs to.
    #[serde(rename = "if", default)]
    pub condition: Texts,
    /// The statement.
    pub run: String,
}

/// What is always true of the data.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvariantFile {
    /// Features it belongs to.
    #[serde(rename = "if", default)]
    pub condition: Texts,
    /// Shown where it doesn't hold.
    pub name: String,
    /// A SELECT whose first column must be true.
    pub sql: At<String>,
}

/// Who may do something.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RightFile {
    /// Features it belongs to.
    #[serde(rename = "if", default)]
    pub condition: Texts,
    /// A SELECT whose first column must be true.
    pub sql: At<String>,
    /// Name of the refusal.
    pub code: String,
    /// What the agent reads where it is refused.
    pub error: Texts,
}

/// A tool: a list, a get, or an action.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// Other names a variant may give it.
    pub names: Vec<String>,
    /// When to use it, what it refuses, units.
    pub about: At<String>,
    /// The right it takes.
    pub who: Option<At<String>>,
    /// Inputs.
    #[serde(rename = "in")]
    pub inputs: IndexMap<String, At<InputFile>>,
    /// What happens, step by step.
    pub steps: Vec<At<StepFile>>,
    /// What an action returns.
    pub returns: IndexMap<String, At<TextOr<ReturnFile>>>,
    /// Private tables in which it may show or change others' rows.
    pub crosses: Texts,
    /// A list: the columns.
    pub list: Option<At<String>>,
    /// A get: the entity.
    pub get: Option<At<String>>,
    /// A get: the columns.
    pub row: Option<At<String>>,
    /// A list or a get: FROM.
    pub from: Option<At<String>>,
    /// A list: WHERE.
    #[serde(rename = "where")]
    pub restriction: Option<At<String>>,
    /// A list: GROUP BY and HAVING.
    pub group: Option<At<String>>,
    /// A list: inputs that narrow it.
    pub filters: IndexMap<String, At<TextOr<FilterFile>>>,
    /// A list: orders to choose from; the first is the default.
    pub sort: IndexMap<String, At<String>>,
    /// A list: its name in the result.
    #[serde(rename = "as")]
    pub named: Option<String>,
    /// A get or a list: further members of the result.
    pub with: IndexMap<String, At<ReturnFile>>,
    /// Types of the columns of `list` or `row` that aren't plain.
    pub types: IndexMap<String, At<String>>,
    /// Columns of `list` or `row` that hold JSON.
    pub json: Vec<At<String>>,
}

/// An input of a tool.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InputFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// Kind: the id of a row.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Kind: a text of at most so many characters.
    pub text: Option<u32>,
    /// Kind: a whole number.
    pub int: Option<(i64, i64)>,
    /// Kind: a number.
    pub number: Option<(f64, f64)>,
    /// Kind: an amount in cents.
    pub money: Option<(i64, i64)>,
    /// Kind: a day.
    pub date: Option<WhenFile>,
    /// Kind: a moment.
    pub time: Option<WhenFile>,
    /// Kind: one of these words, or those of a column.
    #[serde(rename = "enum")]
    pub members: Option<Texts>,
    /// Kind: true or false, with this default.
    pub bool: Option<bool>,
    /// Kind: a list of these.
    pub list: Option<Box<InputFile>>,
    /// From how many to how many elements.
    pub items: Option<(u32, u32)>,
    /// A `ref` to anybody's row.
    pub any: bool,
    /// Whether a `ref` is checked to exist; it is unless `false`.
    pub check: Option<bool>,
    /// May be left out.
    pub optional: bool,
    /// What it is where left out.
    pub default: Option<Value>,
    /// What it is.
    pub about: Option<At<String>>,
    /// Where valid values come from: `table.column`.
    pub from: Option<String>,
    /// The column (`table.column`) whose text the agent words itself.
    pub free: Option<String>,
}

/// Which days a `date` or `time` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WhenFile {
    /// Any (`true`).
    Any(bool),
    /// Only past or only future ones.
    Only(Side),
}

/// A side of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Up to now.
    Past,
    /// From now on.
    Future,
}

/// One step of an action.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// SQL condition under which it is done.
    pub when: Option<At<String>>,
    /// A condition, or the call is refused.
    pub guard: Option<At<String>>,
    /// Name of the refusal.
    pub code: Option<String>,
    /// What the agent reads.
    pub error: Texts,
    /// A SELECT with one row, whose columns become parameters.
    #[serde(rename = "let")]
    pub bind: Option<At<String>>,
    /// An INSERT, UPDATE or DELETE.
    pub run: Option<At<String>>,
    /// An entity and one of its moves.
    #[serde(rename = "move")]
    pub moves: Option<At<String>>,
    /// An entity to which a row is added.
    pub insert: Option<At<String>>,
    /// Its columns, as SQL expressions; or further columns that a move sets.
    pub set: IndexMap<String, At<Value>>,
    /// Parameter that takes the new id.
    #[serde(rename = "as")]
    pub named: Option<String>,
    /// INSERT ... SELECT: FROM and what follows.
    pub from: Option<At<String>>,
    /// A right.
    #[serde(rename = "use")]
    pub right: Option<At<String>>,
}

/// A member of a result.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReturnFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// A SELECT with exactly one row.
    pub row: Option<At<String>>,
    /// A SELECT, as a list.
    pub rows: Option<At<String>>,
    /// A SELECT whose first column is returned.
    pub value: Option<At<String>>,
    /// A `row` that may be missing.
    pub optional: bool,
    /// Columns that hold JSON.
    pub json: Vec<At<String>>,
    /// Types of columns that aren't plain.
    pub types: IndexMap<String, At<String>>,
    /// The same for a `value`.
    #[serde(rename = "type")]
    pub value_type: Option<At<String>>,
}

/// An input that narrows a list.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// Equal to this column.
    pub equals: Option<String>,
    /// Contains a text, in any case.
    pub contains: Option<String>,
    /// Two inputs: not below and not above.
    pub range: Option<String>,
    /// A switch: only rows for which this is true.
    pub flag: Option<String>,
    /// What it is.
    pub about: Option<String>,
    /// Members, where the column isn't a plain one.
    #[serde(rename = "enum")]
    pub members: Option<Vec<String>>,
    /// Type, where the column isn't a plain one: integer, number, string, date, time, money.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// A module in use.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UseFile {
    /// The module.
    pub module: String,
    /// Its parameters.
    #[serde(default, rename = "with")]
    pub arguments: IndexMap<String, String>,
    /// Features it belongs to; a feature of its own where absent.
    #[serde(rename = "if", default)]
    pub condition: Texts,
}

/// What people want.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntentFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// Which rule of this domain it needs.
    pub rule: Option<String>,
    /// Every row the words could mean, for `:actor`.
    pub among: At<String>,
    /// Sets of rows that loops run over.
    pub sets: IndexMap<String, At<SetFile>>,
    /// Which rows, what is done, what is answered.
    pub cases: Vec<At<CaseFile>>,
    /// Imperative clauses.
    #[serde(rename = "do")]
    pub wishes: Vec<At<String>>,
    /// Clauses that ask.
    pub ask: Vec<At<String>>,
    /// What to do where it can't be done.
    pub otherwise: Texts,
    /// Whole requests.
    pub say: Vec<At<String>>,
    /// Columns of `among` that the person decides, so that no observation need show them.
    pub given: Texts,
    /// Never joined with others.
    pub alone: bool,
    /// How often, compared with others.
    pub weight: Option<u32>,
}

/// A set of rows that a loop runs over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetFile {
    /// The rows; `among`'s columns are parameters.
    pub sql: At<String>,
    /// From how many to how many.
    #[serde(default)]
    pub size: Option<(usize, usize)>,
}

/// A case of an intent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaseFile {
    /// Features it belongs to.
    #[serde(rename = "if")]
    pub condition: Texts,
    /// Which rows of `among`.
    #[serde(rename = "where")]
    pub restriction: Option<At<String>>,
    /// The call that must be refused, and `code`.
    pub refused: Option<At<TextOr<IndexMap<String, Value>>>>,
    /// The calls, in order: `{tool: arguments}` or `{each: set, do: calls}`.
    pub calls: Vec<At<IndexMap<String, Value>>>,
    /// What the answer states: `{money|number|text|date|set: value}`.
    pub answer: Vec<At<IndexMap<String, Value>>>,
}
