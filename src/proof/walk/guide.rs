//! What is known about a tool before it is called: where the values of its inputs come from.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

use super::corpus::{is_plural_of, singular};
use super::sql::{self, Operand, Reading};
use crate::engine::catalog::Catalog;
use crate::engine::environment::{Environment, Tool};
use crate::engine::program::{Action, Program, Query};
use crate::package::checks::SOURCE_KEYWORD;

/// A column, by table and position.
pub(super) type Source = (usize, usize);

/// What a string means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextShape {
    /// Anything.
    Free,
    /// Words to be found.
    Search,
    /// `2026-03-17`.
    Date,
    /// `2026-03-17T09:30:00Z`.
    Timestamp,
    /// `2026-03`.
    Month,
    /// `09:30`.
    Time,
}

/// What an input takes.
#[derive(Debug)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Number,
    Text(TextShape),
    List(Box<Input>),
    Object(Vec<Input>),
}

/// An input and where its values come from.
#[derive(Debug)]
pub(super) struct Input {
    /// Its name; of the elements of a list, the list's in the singular.
    pub name: String,
    /// Its JSON Schema.
    pub schema: Value,
    /// Whether a call must give it.
    pub required: bool,
    /// What it takes.
    pub kind: Kind,
    /// The pattern its schema demands, where it is understood.
    pub pattern: Option<Regex>,
    /// Whether the package itself says where values come from, so that most others are refused.
    pub is_told: bool,
    /// Columns that hold valid values, best first.
    pub sources: Vec<Source>,
    /// Columns that hold values of the same unit: amounts, days.
    pub near: Vec<Source>,
    /// Literals it is compared with.
    pub literals: Vec<Value>,
}

impl Input {
    /// Whether it names a row rather than a quantity.
    pub(super) fn is_id(&self) -> bool {
        self.name == "id" || self.name.ends_with("_id")
    }
}

/// What is known about a tool.
#[derive(Debug)]
pub(super) struct ToolGuide {
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// Tables that its SQL names.
    pub reads: BTreeSet<usize>,
    /// For each step, tables that it depends on, by itself or through what earlier steps have bound.
    pub concerns: Vec<BTreeSet<usize>>,
    /// Tables whose rows, with those they refer to, give values to several inputs at once: table and how many.
    pub anchors: Vec<(usize, usize)>,
}

/// Reads what is known about a tool.
pub(super) fn guide(environment: &Environment, tool: &Tool) -> ToolGuide {
    let catalog = environment.catalog();
    let readings: Vec<Reading> = queries(tool.program()).map(|query| sql::read(&query.sql)).collect();
    let named = readings.iter().flat_map(|reading| &reading.tables).filter_map(|(_, name)| catalog.table(name));
    let reads: BTreeSet<usize> = named.chain(tool.written_tables().iter().copied()).collect();
    let scout = Scout { catalog, readings: &readings, reads: &reads };
    let inputs: Vec<Input> =
        tool.inputs().all().iter().map(|input| scout.input(&input.name, &input.schema, input.required)).collect();
    let anchors = anchors(catalog, &inputs);
    ToolGuide { inputs, reads, concerns: concerns(catalog, tool.program()), anchors }
}

fn concerns(catalog: &Catalog, program: &Program) -> Vec<BTreeSet<usize>> {
    let mut bound: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); program.slots.len()];
    let mut concerns = Vec::new();
    for step in &program.steps {
        let (Action::Guard { query, .. } | Action::Let { query, .. } | Action::Run { query }) = &step.action;
        let mut tables = BTreeSet::new();
        for query in step.when.iter().chain(std::iter::once(query)) {
            let reading = sql::read(&query.sql);
            tables.extend(reading.tables.iter().filter_map(|(_, name)| catalog.table(name)));
            for slot in &query.slots {
                tables.extend(bound[*slot].iter().copied());
            }
        }
        if let Action::Let { into, .. } = &step.action {
            for slot in into {
                bound[*slot].clone_from(&tables);
            }
        }
        concerns.push(tables);
    }
    concerns
}

/// All SQL of a program.
pub(super) fn queries(program: &Program) -> impl Iterator<Item = &Query> {
    let steps = program.steps.iter().flat_map(|step| {
        let action = match &step.action {
            Action::Guard { query, .. } | Action::Let { query, .. } | Action::Run { query } => query,
        };
        step.when.iter().chain(std::iter::once(action))
    });
    steps.chain(program.members.iter().map(|member| &member.query))
}

struct Scout<'s> {
    catalog: &'s Catalog,
    readings: &'s [Reading],
    reads: &'s BTreeSet<usize>,
}

impl Scout<'_> {
    fn input(&self, name: &str, schema: &Value, required: bool) -> Input {
        let none = Map::new();
        let kind = match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => Kind::Boolean,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("array") => {
                let mut items = schema.get("items").cloned().unwrap_or_default();
                if let (Some(source), Some(items)) = (schema.get(SOURCE_KEYWORD), items.as_object_mut()) {
                    items.entry(SOURCE_KEYWORD).or_insert_with(|| source.clone());
                }
                Kind::List(Box::new(self.input(singular(name), &items, true)))
            }
            Some("object") => {
                let needed = schema.get("required").and_then(Value::as_array);
                let is_needed = |name: &str| needed.is_some_and(|names| names.iter().any(|needed| needed == name));
                let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
                Kind::Object(
                    properties.iter().map(|(name, schema)| self.input(name, schema, is_needed(name))).collect(),
                )
            }
            _ => Kind::Text(shape(name, schema)),
        };
        let is_scalar = !matches!(kind, Kind::Boolean | Kind::List(_) | Kind::Object(_));
        let literals = if is_scalar { self.literals(name) } else { Vec::new() };
        let sources = if is_scalar { self.sources(name, schema) } else { Vec::new() };
        let near = self.near(name, &kind);
        Input {
            name: name.to_owned(),
            schema: schema.clone(),
            required,
            kind,
            is_told: schema.get(SOURCE_KEYWORD).is_some(),
            pattern: schema.get("pattern").and_then(Value::as_str).and_then(|pattern| Regex::new(pattern).ok()),
            sources,
            near,
            literals,
        }
    }

    fn sources(&self, name: &str, schema: &Value) -> Vec<Source> {
        let mut sources = Vec::new();
        if let Some((table, column)) =
            schema.get(SOURCE_KEYWORD).and_then(Value::as_str).and_then(|from| from.split_once('.'))
        {
            self.add(table, column, &mut sources);
        }
        self.met(name, &mut sources);
        if sources.is_empty() {
            self.by_name(name, &mut sources);
        }
        // A value of a foreign key is a value of the key it refers to, and that has them all.
        let targets: Vec<Source> = sources.iter().filter_map(|source| self.target(*source)).collect();
        sources.extend(targets);
        let mut seen = BTreeSet::new();
        sources.retain(|source| seen.insert(*source));
        sources
    }

    fn target(&self, (table, column): Source) -> Option<Source> {
        let references = &self.catalog.tables[table].references;
        let reference = references.iter().find(|reference| reference.columns == [column])?;
        Some((reference.table, *reference.targets.first()?))
    }

    /// Names that stand for an input in the tool's SQL.
    fn names<'n>(&'n self, name: &'n str) -> Vec<&'n str> {
        let aliases = self.readings.iter().flat_map(|reading| &reading.aliases);
        let meant = aliases.filter(|(_, parameters)| parameters.iter().any(|parameter| parameter == name));
        std::iter::once(name).chain(meant.map(|(alias, _)| alias.as_str())).collect()
    }

    /// Columns that the tool's SQL compares the input with or writes it to.
    fn met(&self, name: &str, sources: &mut Vec<Source>) {
        let names = self.names(name);
        for reading in self.readings {
            for (parameter, operand) in &reading.meetings {
                let Operand::Column(owner, column) = operand else { continue };
                if !names.contains(&parameter.as_str()) {
                    continue;
                }
                for (alias, table) in &reading.tables {
                    if owner
                        .as_ref()
                        .is_none_or(|owner| owner.eq_ignore_ascii_case(alias) || owner.eq_ignore_ascii_case(table))
                    {
                        self.add(table, column, sources);
                    }
                }
            }
        }
    }

    fn add(&self, table: &str, column: &str, sources: &mut Vec<Source>) {
        if let Some(table) = self.catalog.table(table)
            && let Some(column) = self.catalog.tables[table].column(column)
        {
            sources.push((table, column));
        }
    }

    /// Columns by convention: `order_id` is `orders.id` or any `order_id`; `new_name` and `name_contains` are `name`.
    fn by_name(&self, name: &str, sources: &mut Vec<Source>) {
        for bare in stems(name) {
            for (index, table) in self.catalog.tables.iter().enumerate() {
                let thing = bare.strip_suffix("_id");
                if thing.is_some_and(|thing| is_plural_of(&table.name, thing)) {
                    self.add(&table.name, "id", sources);
                }
                if thing.is_some() || self.reads.contains(&index) {
                    self.add(&table.name, bare, sources);
                }
            }
            if !sources.is_empty() {
                return;
            }
        }
    }

    fn literals(&self, name: &str) -> Vec<Value> {
        let names = self.names(name);
        let meetings = self.readings.iter().flat_map(|reading| &reading.meetings);
        let met = meetings.filter(|(parameter, _)| names.contains(&parameter.as_str()));
        let literals: BTreeSet<&Operand> =
            met.map(|(_, operand)| operand).chain(self.readings.iter().flat_map(|reading| &reading.literals)).collect();
        let value = |operand: &&Operand| match operand {
            Operand::Number(number) => Some(Value::from(*number)),
            Operand::Text(text) => Some(Value::from(text.as_str())),
            Operand::Column(..) => None,
        };
        literals.iter().filter_map(value).collect()
    }

    /// Columns of the same unit in the tables the tool reads: the last word of the name tells it (`_cents`, `_minutes`).
    fn near(&self, name: &str, kind: &Kind) -> Vec<Source> {
        let unit = name.rsplit('_').next().unwrap_or(name);
        let fits = |column: &str, sql_type: &str| match kind {
            Kind::Integer | Kind::Number => {
                unit != "id" && column.rsplit('_').next() == Some(unit) && !sql_type.eq_ignore_ascii_case("TEXT")
            }
            Kind::Text(TextShape::Date | TextShape::Timestamp | TextShape::Month) => {
                sql_type.eq_ignore_ascii_case("TEXT") && is_day_name(column)
            }
            _ => false,
        };
        let mut near = Vec::new();
        for index in self.reads {
            let table = &self.catalog.tables[*index];
            for (column, (name, sql_type)) in table.columns.iter().zip(&table.types).enumerate() {
                if fits(name, sql_type) {
                    near.push((*index, column));
                }
            }
        }
        near
    }
}

/// The name, and what is left of it without words that say how it is used.
fn stems(name: &str) -> Vec<&str> {
    const BEFORE: &[&str] = &["new_", "min_", "max_", "from_", "to_", "other_", "target_", "source_", "parent_"];
    const AFTER: &[&str] = &["_contains", "_from", "_to", "_min", "_max", "_after", "_before", "_like", "_prefix"];
    let mut stems = vec![name];
    stems.extend(BEFORE.iter().filter_map(|prefix| name.strip_prefix(prefix)));
    stems.extend(AFTER.iter().filter_map(|suffix| name.strip_suffix(suffix)));
    let mut rest = name;
    while let Some((_, behind)) = rest.split_once('_') {
        if behind.contains('_') {
            stems.push(behind);
        }
        rest = behind;
    }
    stems
}

fn is_day_name(name: &str) -> bool {
    ["_on", "_at", "_date", "_day", "_until", "_from", "_to", "_by", "_start", "_end", "_month"]
        .iter()
        .any(|ending| name.ends_with(ending))
        || ["date", "day", "since", "until"].contains(&name)
}

fn shape(name: &str, schema: &Value) -> TextShape {
    let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str).unwrap_or_default();
    let description = text("description").to_lowercase();
    match text("format") {
        "date" => return TextShape::Date,
        "date-time" => return TextShape::Timestamp,
        "time" => return TextShape::Time,
        _ => {}
    }
    if schema.get("enum").is_some() {
        TextShape::Free
    } else if description.contains("yyyy-mm-ddt") {
        TextShape::Timestamp
    } else if description.contains("yyyy-mm-dd") {
        TextShape::Date
    } else if description.contains("yyyy-mm") {
        TextShape::Month
    } else if description.contains("hh:mm") {
        TextShape::Time
    } else if ["query", "search", "keywords", "keyword", "words", "term", "q"].contains(&name)
        || name.ends_with("_contains")
        || name == "contains"
        || ["part of", "words", "search", "contains"].iter().any(|word| description.contains(word))
    {
        TextShape::Search
    } else if is_day_name(name) && !name.ends_with("_by") && !name.ends_with("_to") && !name.ends_with("_from") {
        if name.ends_with("_at") { TextShape::Timestamp } else { TextShape::Date }
    } else {
        TextShape::Free
    }
}

/// Tables from whose rows, by following foreign keys, the values of inputs can be had together.
fn anchors(catalog: &Catalog, inputs: &[Input]) -> Vec<(usize, usize)> {
    let mut wanted: Vec<&[Source]> = Vec::new();
    for input in inputs {
        collect(input, &mut wanted);
    }
    let tables = 0..catalog.tables.len();
    let covering = tables.map(|table| {
        let reached = reached(catalog, table);
        let covers = |sources: &&&[Source]| sources.iter().any(|(table, _)| reached.contains(table));
        (table, wanted.iter().filter(covers).count())
    });
    covering.filter(|(_, count)| *count > 0).collect()
}

fn collect<'i>(input: &'i Input, wanted: &mut Vec<&'i [Source]>) {
    match &input.kind {
        Kind::List(element) => collect(element, wanted),
        Kind::Object(members) => members.iter().for_each(|member| collect(member, wanted)),
        _ if !input.sources.is_empty() => wanted.push(&input.sources),
        _ => {}
    }
}

/// Tables reached from one by its foreign keys, itself included.
fn reached(catalog: &Catalog, table: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([table]);
    let mut waiting = vec![table];
    while let Some(next) = waiting.pop() {
        for reference in &catalog.tables[next].references {
            if reached.insert(reference.table) {
                waiting.push(reference.table);
            }
        }
    }
    reached
}
