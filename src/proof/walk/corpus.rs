//! States that calls have reached, and what is known about them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::random::Random;
use super::rows::{Reader, Rows};
use crate::engine::environment::{Environment, Tool};
use crate::engine::snapshot::Cell;
use crate::engine::state::{Conditions, State};
use crate::id::ToolName;

/// Most states that are kept beside the ones that are always kept. Later calls start from them.
const ENTRIES_MAX: usize = 300;

/// Most values remembered for one name: those of the latest calls.
const NOTES_MAX: usize = 6;

/// How many of the latest calls a message repeats.
const TOLD_CALLS_MAX: usize = 3;

/// The calls that led to a state, last first.
#[derive(Debug)]
pub(super) struct Past {
    tool: ToolName,
    arguments: Map<String, Value>,
    before: Option<Arc<Past>>,
}

/// Values that recent calls named, by the name an input would have: what an agent has just worked with.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    values: BTreeMap<String, Vec<Value>>,
}

impl Notes {
    /// Values noted under a name, latest last.
    pub(super) fn get(&self, name: &str) -> &[Value] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Notes arguments, also those inside lists.
    pub(super) fn arguments(&mut self, arguments: &Map<String, Value>) {
        for (name, value) in arguments {
            match value {
                Value::Array(elements) => {
                    for element in elements {
                        match element {
                            Value::Object(members) => self.arguments(members),
                            other => self.note(singular(name), other),
                        }
                    }
                }
                other => self.note(name, other),
            }
        }
    }

    /// Notes a result: `order: {id: 7}` as `order_id`, everything else under its own name.
    pub(super) fn result(&mut self, result: &Value) {
        const ELEMENTS_MAX: usize = 3;
        let Value::Object(members) = result else { return };
        for (name, member) in members {
            match member {
                Value::Object(row) => self.row(name, row),
                Value::Array(rows) => {
                    for row in rows.iter().take(ELEMENTS_MAX).rev() {
                        if let Value::Object(row) = row {
                            self.row(singular(name), row);
                        }
                    }
                }
                other => self.note(name, other),
            }
        }
    }

    fn row(&mut self, member: &str, row: &Map<String, Value>) {
        for (name, value) in row {
            if name == "id" {
                self.note(&format!("{member}_id"), value);
            } else {
                self.note(name, value);
            }
        }
    }

    fn note(&mut self, name: &str, value: &Value) {
        if !(value.is_number() || value.is_string()) {
            return;
        }
        let values = self.values.entry(name.to_owned()).or_default();
        values.retain(|noted| noted != value);
        values.push(value.clone());
        if values.len() > NOTES_MAX {
            values.remove(0);
        }
    }
}

/// The singular of an English plural, well enough for names: `order_lines` is `order_line`, `categories` is `category`.
pub(super) fn singular(plural: &str) -> &str {
    if let Some(stem) = plural.strip_suffix("sses") {
        return &plural[..stem.len() + 2];
    }
    for ending in ["shes", "ches", "xes"] {
        if plural.ends_with(ending) {
            return &plural[..plural.len() - 2];
        }
    }
    plural.strip_suffix('s').unwrap_or(plural)
}

/// True where `plural` names many of `thing`.
pub(super) fn is_plural_of(plural: &str, thing: &str) -> bool {
    singular(plural) == thing
        || plural.strip_suffix("ies").is_some_and(|stem| thing.strip_suffix('y') == Some(stem))
        || (plural == "people" && thing == "person")
}

/// A state that calls have reached.
#[derive(Debug)]
pub(super) struct Entry {
    /// The state.
    pub state: State,
    /// Who acts, when and with which randomness.
    pub conditions: Conditions,
    /// What recent calls named.
    pub notes: Notes,
    /// Private tables into which earlier calls may, by their tools' `crosses`, have copied what the actor may not see.
    pub crossed: Vec<String>,
    /// Number of calls that led here.
    pub depth: usize,
    past: Option<Arc<Past>>,
    tables: Vec<Read>,
    /// Rows of an earlier state, of which most are still the same.
    stale: Vec<Option<Arc<Rows>>>,
}

/// The rows of a table once somebody has read them: shared by all states in which they are the same.
type Read = Arc<OnceLock<Arc<Rows>>>;

impl Entry {
    /// A start: no calls have been made.
    pub(super) fn start(environment: &Environment, conditions: Conditions, state: State) -> Arc<Self> {
        Self::beginning(conditions, state, environment.catalog().tables.iter().map(|_| Read::default()).collect())
    }

    /// The same start as another actor finds it. Rows that everybody sees alike are shared.
    pub(super) fn as_actor(&self, reader: &Reader, actor: &Value) -> Arc<Self> {
        let shared = |(table, rows): (usize, &Read)| {
            if reader.depends_on_actor(table) { Read::default() } else { Arc::clone(rows) }
        };
        let conditions = Conditions { actor: actor.clone(), ..self.conditions.clone() };
        Self::beginning(conditions, self.state.clone(), self.tables.iter().enumerate().map(shared).collect())
    }

    fn beginning(conditions: Conditions, state: State, tables: Vec<Read>) -> Arc<Self> {
        Arc::new(Self {
            state,
            conditions,
            notes: Notes::default(),
            crossed: Vec::new(),
            depth: 0,
            past: None,
            stale: vec![None; tables.len()],
            tables,
        })
    }

    /// The state after a call that committed. Rows that the call can't have written are shared.
    pub(super) fn after(
        self: &Arc<Self>,
        reader: &Reader,
        tool: &Tool,
        arguments: &Map<String, Value>,
        state: State,
        result: &Value,
    ) -> Arc<Self> {
        let mut notes = self.notes.clone();
        notes.result(result);
        notes.arguments(arguments);
        let shared = |(table, rows): (usize, &Read)| {
            if reader.depends(table, tool.written_tables()) { Read::default() } else { Arc::clone(rows) }
        };
        let mut crossed = self.crossed.clone();
        crossed.extend(tool.crosses().iter().cloned());
        crossed.sort_unstable();
        crossed.dedup();
        Arc::new(Self {
            state,
            conditions: self.conditions.clone(),
            notes,
            crossed,
            depth: self.depth + 1,
            past: Some(Arc::new(Past {
                tool: tool.name().clone(),
                arguments: arguments.clone(),
                before: self.past.clone(),
            })),
            tables: self.tables.iter().enumerate().map(shared).collect(),
            stale: self
                .tables
                .iter()
                .zip(&self.stale)
                .map(|(rows, stale)| rows.get().or(stale.as_ref()).cloned())
                .collect(),
        })
    }

    /// The rows of a table.
    pub(super) fn rows(&self, environment: &Environment, reader: &Reader, table: usize) -> Arc<Rows> {
        let stale = self.stale.get(table).and_then(Option::as_deref);
        let read = || Arc::new(reader.read(environment, (&self.state, &self.conditions), table, stale));
        self.tables.get(table).map_or_else(Arc::default, |rows| Arc::clone(rows.get_or_init(read)))
    }

    /// The calls that led here, for a message: the last few, in order.
    pub(super) fn told(&self) -> String {
        let mut calls = Vec::new();
        let mut past = self.past.as_ref();
        while let Some(call) = past
            && calls.len() < TOLD_CALLS_MAX
        {
            calls.push(format!("{} {}", call.tool, Value::Object(call.arguments.clone())));
            past = call.before.as_ref();
        }
        calls.reverse();
        match (calls.is_empty(), past) {
            (true, _) => String::new(),
            (false, None) => format!(" after {}", calls.join(", ")),
            (false, Some(_)) => format!(" after {} calls, the last of them {}", self.depth, calls.join(", ")),
        }
    }
}

/// The states that calls may start from.
#[derive(Debug, Default)]
pub(super) struct Corpus {
    /// The initial state, once for each actor.
    pub starts: Vec<Arc<Entry>>,
    kept: Vec<Arc<Entry>>,
    passing: Vec<Arc<Entry>>,
}

impl Corpus {
    /// Nothing but starts.
    pub(super) fn starting(starts: Vec<Arc<Entry>>) -> Self {
        Self { starts, ..Self::default() }
    }

    /// Keeps a state for good.
    pub(super) fn keep(&mut self, entry: Arc<Entry>) {
        self.kept.push(entry);
    }

    /// Keeps a state for a while: where there is no room, a random one goes.
    pub(super) fn pass(&mut self, entry: Arc<Entry>, random: &mut Random) {
        const REPLACED_PERCENT: usize = 30;
        if self.passing.len() < ENTRIES_MAX {
            self.passing.push(entry);
        } else if random.percent(REPLACED_PERCENT) {
            let victim = random.below(self.passing.len());
            self.passing[victim] = entry;
        }
    }

    /// Some state.
    pub(super) fn pick(&self, random: &mut Random) -> Option<Arc<Entry>> {
        const START_PERCENT: usize = 30;
        let reached = self.kept.len() + self.passing.len();
        if reached == 0 || random.percent(START_PERCENT) {
            return random.pick(&self.starts).cloned();
        }
        let index = random.below(reached);
        self.kept.get(index).or_else(|| self.passing.get(index - self.kept.len())).cloned()
    }

    /// All states, starts last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.kept.iter().chain(&self.passing).chain(&self.starts)
    }
}

/// The key of the row with a generated or given single key.
pub(super) fn single_key(value: &Value) -> Option<Vec<Cell>> {
    match value {
        Value::Number(number) => number.as_i64().map(|number| vec![Cell::Integer(number)]),
        Value::String(text) => Some(vec![Cell::Text(text.as_str().into())]),
        _ => None,
    }
}
