//! Executing a plan: each argument from where an agent would have it, each call really made.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::compile::Compiled;
use super::super::tools::ToolOut;
use super::intent::{Case, Intent, PlanStep};
use super::query::{self, Row};
use super::text::plain;
use crate::engine::environment::{Environment, Tool};
use crate::engine::solution::{self, Played};
use crate::engine::state::{Conditions, Observation, State};
use crate::engine::task::Source;
use crate::id::ToolName;

/// Pages of a list that are looked through for a row.
const PAGES_MAX: u64 = 5;

/// Most calls of a task: a longer one is drudgery.
pub(super) const CALLS_MAX: usize = 14;

/// What executing plans needs to know.
pub(super) struct Stage<'s> {
    pub compiled: &'s Compiled,
    pub environment: &'s Environment,
    /// Tools by canonical name.
    pub tools: BTreeMap<&'s str, &'s ToolOut>,
}

/// A plan that is being executed: the calls so far, with where their arguments come from.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub state: State,
    pub conditions: Conditions,
    pub calls: Vec<Played>,
    /// Canonical names of the calls' tools, and their arguments as `tasks.yaml` has them.
    pub written: Vec<(String, Map<String, Value>)>,
    /// Columns whose text the agent words itself.
    pub free: Vec<String>,
}

/// Arguments as they are sent, and as `tasks.yaml` says where they come from.
type Arguments = (Map<String, Value>, Map<String, Value>);

/// What stands in a text: its slots' values and the literal text.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Raw values of columns whose texts stand in the instruction.
    pub columns: Vec<String>,
    /// The instruction.
    pub text: String,
}

impl Run {
    pub(super) fn new(conditions: Conditions) -> Self {
        Self { state: State::default(), conditions, calls: Vec::new(), written: Vec::new(), free: Vec::new() }
    }
}

impl Stage<'_> {
    /// Executes a case of an intent for a row. What is wrong is said as its author would need it.
    pub(super) fn execute(
        &self,
        run: &mut Run,
        intent: &Intent,
        case: &Case,
        row: &Row,
        told: &Told,
    ) -> Result<(), String> {
        self.steps(run, intent, &case.calls, row, told)?;
        let Some((tool, arguments, code)) = &case.refused else { return Ok(()) };
        let mut attempt = run.clone();
        let (out, tool) = self.tool(tool)?;
        let (resolved, _) = self.arguments(&mut attempt, out, tool, arguments, row, told)?;
        let called = attempt.state.call(self.environment, &attempt.conditions, tool, &resolved, None);
        match called.map(|called| called.observation) {
            Ok(Observation::Rejected { code: refused, .. }) if refused == *code => Ok(()),
            Ok(Observation::Rejected { code: refused, message }) => {
                Err(format!("{} is refused with {refused}, not with {code}: {message}", out.canonical))
            }
            Ok(Observation::InvalidArguments { problems }) => {
                Err(format!("{}: invalid arguments: {problems:?}", out.canonical))
            }
            Ok(Observation::Completed(_)) => Err(format!("{} isn't refused with {code}: it completes", out.canonical)),
            Err(err) => Err(format!("{} faults: {err}", out.canonical)),
        }
    }

    fn steps(&self, run: &mut Run, intent: &Intent, steps: &[PlanStep], row: &Row, told: &Told) -> Result<(), String> {
        for step in steps {
            match step {
                PlanStep::Call { tool, arguments } => self.call(run, tool, arguments, row, told)?,
                PlanStep::Each { set, steps } => {
                    for member in self.set(run, intent, set, row)? {
                        let mut inner = row.clone();
                        inner.extend(member);
                        self.steps(run, intent, steps, &inner, told)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows of a set for a row.
    pub(super) fn set(&self, run: &Run, intent: &Intent, set: &str, row: &Row) -> Result<Vec<Row>, String> {
        let (sql, low, high) = intent.sets.get(set).ok_or_else(|| format!("there is no set {set}"))?;
        // As it was before the plan's own changes, which would take rows out of the set.
        let rows = query::rows(self.environment, &State::default(), &run.conditions, sql, row)
            .map_err(|err| format!("the set {set}: {err}"))?;
        if rows.len() < *low || rows.len() > *high {
            return Err(format!("the set {set} has {} rows, not {low} to {high}", rows.len()));
        }
        Ok(rows)
    }

    fn tool(&self, canonical: &str) -> Result<(&ToolOut, &Tool), String> {
        let out = self.tools.get(canonical).ok_or_else(|| format!("there is no tool {canonical} in this variant"))?;
        let tool = self.environment.tools().get(out.name.as_str());
        Ok((out, tool.ok_or_else(|| format!("the tool {canonical} doesn't compile"))?))
    }

    fn call(
        &self,
        run: &mut Run,
        canonical: &str,
        arguments: &Map<String, Value>,
        row: &Row,
        told: &Told,
    ) -> Result<(), String> {
        let (out, tool) = self.tool(canonical)?;
        let (resolved, written) = self.arguments(run, out, tool, arguments, row, told)?;
        if tool.program().read_only() && known_already(run, canonical, &resolved) {
            return Ok(());
        }
        self.make(run, out, tool, resolved, written)
    }

    /// Makes a call, which must complete.
    fn make(
        &self,
        run: &mut Run,
        out: &ToolOut,
        tool: &Tool,
        resolved: Map<String, Value>,
        written: Map<String, Value>,
    ) -> Result<(), String> {
        if run.calls.len() >= CALLS_MAX {
            return Err(format!("it takes more than {CALLS_MAX} calls"));
        }
        let called = run
            .state
            .call(self.environment, &run.conditions, tool, &resolved, None)
            .map_err(|err| format!("{} faults: {err}", out.canonical))?;
        if called.observation.is_error() {
            return Err(format!("{} {}: {}", out.canonical, Value::Object(resolved), called.observation.into_text()));
        }
        let name = ToolName::parse(&out.name).map_err(|err| err.to_string())?;
        run.calls.push(Played {
            tool: name,
            arguments: resolved,
            observation: called.observation,
            changed: called.changed,
        });
        run.written.push((out.canonical.clone(), written));
        Ok(())
    }

    /// The arguments of a call: as they are sent, and as `tasks.yaml` says where they come from.
    fn arguments(
        &self,
        run: &mut Run,
        out: &ToolOut,
        tool: &Tool,
        arguments: &Map<String, Value>,
        row: &Row,
        told: &Told,
    ) -> Result<Arguments, String> {
        let mut resolved = Map::new();
        let mut written = Map::new();
        for (canonical, value) in arguments {
            let name = out.renamed.get(canonical).unwrap_or(canonical);
            let Some(property) = out.properties.get(name) else {
                // A filter or input that this variant lacks.
                if self.known_elsewhere(out, canonical) {
                    continue;
                }
                return Err(format!(
                    "{} has no input {canonical}; it has {}",
                    out.canonical,
                    out.properties.keys().cloned().collect::<Vec<_>>().join(", ")
                ));
            };
            let Some((source, sent)) = self
                .argument(run, name, property, value, row, told)
                .map_err(|err| format!("{}: {canonical}: {err}", out.canonical))?
            else {
                continue;
            };
            if let Source::Free(_) = source {
                let column = out.free.get(canonical).ok_or_else(|| {
                    format!(
                        "{}: {canonical} is {{free: ..}}, but the input doesn't say `free: table.column`",
                        out.canonical
                    )
                })?;
                if !run.free.contains(column) {
                    run.free.push(column.clone());
                }
            }
            written.insert(name.clone(), as_written(&source));
            resolved.insert(name.clone(), sent);
        }
        let _ = tool;
        Ok((resolved, written))
    }

    /// Whether the blueprint has the input, which the variant's features leave out.
    fn known_elsewhere(&self, out: &ToolOut, input: &str) -> bool {
        self.compiled.optional_inputs.contains(&(out.canonical.clone(), input.to_owned()))
    }

    /// One argument; none where it is NULL and so left out.
    fn argument(
        &self,
        run: &mut Run,
        name: &str,
        property: &Value,
        value: &Value,
        row: &Row,
        told: &Told,
    ) -> Result<Option<(Source, Value)>, String> {
        match value {
            Value::String(text) if text.starts_with('$') => {
                let column = &text[1..];
                let value = row.get(column).ok_or_else(|| format!("there is no column {column} in among"))?;
                self.of_column(run, name, property, column, value, told)
            }
            Value::String(text) if text.starts_with('@') => {
                let source = self.path(run, text)?;
                let sent = solution::resolve(self.environment, &source, &run.calls)?;
                Ok(Some((source, sent)))
            }
            Value::Object(members) => {
                if let Some(Value::String(sql)) = members.get("sql") {
                    let source = Source::Derived(self.derived(run, sql, row)?);
                    let sent = solution::resolve(self.environment, &source, &run.calls)?;
                    return Ok(Some((source, sent)));
                }
                if let Some(words) = members.get("free") {
                    let words =
                        words.as_str().map_or_else(|| words.clone(), |text| Value::from(with_values(text, row)));
                    return Ok(Some((Source::Free(words.clone()), words)));
                }
                Err("an argument that is a mapping is {sql: ..} or {free: ..}".to_owned())
            }
            Value::Array(elements) => {
                let mut sent = Vec::new();
                for element in elements {
                    if let Some((_, value)) =
                        self.argument(run, name, property.get("items").unwrap_or(&Value::Null), element, row, told)?
                    {
                        sent.push(value);
                    }
                }
                Ok(Some((Source::Literal(Value::Array(sent.clone())), Value::Array(sent))))
            }
            Value::Null => Ok(None),
            literal => Ok(Some((Source::Literal(literal.clone()), literal.clone()))),
        }
    }

    /// A column's value: told in the text, a word of the schema, or found in what was observed.
    fn of_column(
        &self,
        run: &mut Run,
        name: &str,
        property: &Value,
        column: &str,
        value: &Value,
        told: &Told,
    ) -> Result<Option<(Source, Value)>, String> {
        let value = match (property.get("type").and_then(Value::as_str), value) {
            (_, Value::Null) => return Ok(None),
            (Some("boolean"), Value::Number(number)) => Value::Bool(number.as_i64() != Some(0)),
            // A JSON array that SQL made.
            (Some("array"), Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
            _ => value.clone(),
        };
        let literal = Ok(Some((Source::Literal(value.clone()), value.clone())));
        let listed = property.get("enum").and_then(Value::as_array).is_some_and(|members| members.contains(&value));
        if listed || value.is_boolean() || value.is_array() || property.get("default") == Some(&value) {
            return literal;
        }
        let is_id =
            is_id(name) || property.get("x-from").and_then(Value::as_str).is_some_and(|from| from.ends_with(".id"));
        if !is_id && told.columns.iter().any(|known| known == column) {
            return literal;
        }
        if let Some((call, path)) = found(run, &value, is_id, told) {
            return Ok(Some((Source::From { call, path }, value)));
        }
        if is_id
            && self.page_on(run, &value)?
            && let Some((call, path)) = found(run, &value, is_id, told)
        {
            return Ok(Some((Source::From { call, path }, value)));
        }
        if !is_id && super::text::plain(&value).len() > 1 && told.text.contains(&plain(&value)) {
            return literal;
        }
        Err(format!("${column} is neither in the text nor in an earlier observation: read it first"))
    }

    /// Looks through further pages of the lists seen so far until a value shows.
    fn page_on(&self, run: &mut Run, wanted: &Value) -> Result<bool, String> {
        for index in (0..run.calls.len()).rev() {
            let (canonical, written) = run.written[index].clone();
            let (out, tool) = self.tool(&canonical)?;
            let Some(paged) = &out.paged else { continue };
            let Some(first) = run.calls[index].observation.structured() else { continue };
            let shown = first.get(&paged.list).and_then(Value::as_array).map_or(0, Vec::len) as u64;
            let total = first.get("total").and_then(Value::as_u64).unwrap_or(0);
            if total <= shown || shown == 0 || written.contains_key("page") || written.contains_key("offset") {
                continue;
            }
            let before = run.clone();
            for page in 1..=PAGES_MAX {
                if page * shown >= total {
                    break;
                }
                let (key, value) =
                    if out.properties.contains_key("offset") { ("offset", page * shown) } else { ("page", page + 1) };
                let mut resolved = run.calls[index].arguments.clone();
                let mut again = written.clone();
                resolved.insert(key.to_owned(), Value::from(value));
                again.insert(key.to_owned(), Value::from(value));
                self.make(run, out, tool, resolved, again)?;
                let shows = run.calls.last().and_then(|call| call.observation.structured());
                if shows.is_some_and(|result| contains(&result, wanted)) {
                    return Ok(true);
                }
            }
            *run = before;
        }
        Ok(false)
    }

    /// `@tool.path` as a reference to the latest call of that tool.
    pub(super) fn path(&self, run: &Run, text: &str) -> Result<Source, String> {
        let (tool, path) = text[1..].split_once('.').ok_or_else(|| format!("{text} is no @tool.path"))?;
        let call = run
            .written
            .iter()
            .rposition(|(canonical, _)| canonical == tool)
            .ok_or_else(|| format!("{text}: {tool} wasn't called before"))?;
        Ok(Source::From { call, path: self.styled(tool, path) })
    }

    /// A path with the name its list has in this variant.
    fn styled(&self, tool: &str, path: &str) -> String {
        let Some(out) = self.tools.get(tool) else { return path.to_owned() };
        let Some(paged) = &out.paged else { return path.to_owned() };
        let end = path.find(['.', '[']).unwrap_or(path.len());
        if out.returns.contains_key(&path[..end]) { path.to_owned() } else { format!("{}{}", paged.list, &path[end..]) }
    }

    /// SQL over observations: `@tool.path` becomes a reference, `$column` its value.
    fn derived(&self, run: &Run, sql: &str, row: &Row) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = sql;
        while let Some(start) = rest.find(['@', '$']) {
            out.push_str(&rest[..start]);
            let marked = &rest[start..];
            let end = marked[1..]
                .find(|letter: char| !(letter.is_ascii_alphanumeric() || "_.[]=".contains(letter)))
                .map_or(marked.len(), |end| end + 1);
            let word = marked[..end].trim_end_matches('.');
            if word.len() < 2 || marked.starts_with("$.") || marked.starts_with("$'") {
                out.push_str(&marked[..1]);
                rest = &marked[1..];
                continue;
            }
            if let Some(column) = word.strip_prefix('$') {
                let value = row.get(column).ok_or_else(|| format!("there is no column {column} in among"))?;
                out.push_str(&literal(value));
            } else {
                let Source::From { call, path } = self.path(run, word)? else { continue };
                out.push_str(&format!("json_extract(:obs{call}, '$.{}')", json_path(&path)));
            }
            rest = &marked[word.len()..];
        }
        out.push_str(rest);
        let trimmed = out.trim();
        Ok(if trimmed.to_uppercase().starts_with("SELECT") { trimmed.to_owned() } else { format!("SELECT {trimmed}") })
    }

    /// The value of an answer's item.
    pub(super) fn answer_value(&self, run: &Run, value: &Value, row: &Row) -> Result<Value, String> {
        match value {
            Value::String(text) if text.starts_with('$') => {
                row.get(&text[1..]).cloned().ok_or_else(|| format!("there is no column {} in among", &text[1..]))
            }
            Value::String(text) if text.starts_with('@') => {
                let source = self.path(run, text)?;
                solution::resolve(self.environment, &source, &run.calls)
            }
            Value::Object(members) => match members.get("sql").and_then(Value::as_str) {
                Some(sql) if sql.contains('@') => {
                    let source = Source::Derived(self.derived(run, sql, row)?);
                    solution::resolve(self.environment, &source, &run.calls)
                }
                Some(sql) => {
                    let sql = if sql.trim().to_uppercase().starts_with("SELECT") {
                        sql.to_owned()
                    } else {
                        format!("SELECT {sql}")
                    };
                    let rows = query::rows(self.environment, &run.state, &run.conditions, &sql, row)?;
                    let value = rows.first().and_then(|row| row.first()).map(|(_, value)| value.clone());
                    value.ok_or_else(|| "the answer's SQL gives no row".to_owned())
                }
                None => Err("an answer's value is $column, @tool.path, {sql: ..} or a literal".to_owned()),
            },
            literal => Ok(literal.clone()),
        }
    }
}

/// Whether the latest call of a tool was the same, and nothing has changed since: nobody looks at the same page twice.
fn known_already(run: &Run, canonical: &str, resolved: &Map<String, Value>) -> bool {
    let Some(latest) = run.written.iter().rposition(|(tool, _)| tool == canonical) else { return false };
    run.calls[latest].arguments == *resolved && run.calls[latest + 1..].iter().all(|call| !call.changed)
}

/// An argument's source as `tasks.yaml` writes it.
fn as_written(source: &Source) -> Value {
    match source {
        Source::Literal(value) => value.clone(),
        Source::From { call, path } => json!({"from": call, "path": path}),
        Source::Derived(sql) => json!({"derived": sql}),
        Source::Free(words) => json!({"free": words}),
    }
}

/// Where an earlier observation shows a value: the latest call first, and in it a member that is told by a word of the text.
fn found(run: &Run, wanted: &Value, is_id: bool, told: &Told) -> Option<(usize, String)> {
    (0..run.calls.len()).rev().find_map(|call| {
        let result = run.calls[call].observation.structured()?;
        path_to(&result, wanted, is_id, told, "").map(|path| (call, path))
    })
}

fn path_to(value: &Value, wanted: &Value, is_id: bool, told: &Told, path: &str) -> Option<String> {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(members) => {
            let fits = |name: &str, value: &Value| value == wanted && (!is_id || is_id_name(name));
            if let Some((name, _)) = members.iter().find(|(name, value)| fits(name, value)) {
                return Some(join(name));
            }
            members.iter().find_map(|(name, member)| {
                let deep = member.is_object() || member.is_array();
                if deep { path_to(member, wanted, is_id, told, &join(name)) } else { None }
            })
        }
        Value::Array(elements) => elements.iter().enumerate().find_map(|(index, element)| {
            let selected = match selector(elements, element, told) {
                Some((field, value)) => format!("{path}[{field}={value}]"),
                None => join(&index.to_string()),
            };
            path_to(element, wanted, is_id, told, &selected)
        }),
        _ => None,
    }
}

/// A field of an element whose value stands in the text and in no other element.
fn selector<'e>(elements: &[Value], element: &'e Value, told: &Told) -> Option<(&'e String, &'e str)> {
    element.as_object()?.iter().find_map(|(field, value)| {
        let text = value.as_str().filter(|text| text.len() > 2 && !text.contains(['[', ']', '=']))?;
        let alone = elements.iter().filter(|other| other.get(field) == Some(value)).count() == 1;
        (alone && told.text.contains(text)).then_some((field, text))
    })
}

fn contains(value: &Value, wanted: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, member)| (is_id_name(name) && member == wanted) || contains(member, wanted))
        }
        Value::Array(elements) => elements.iter().any(|element| contains(element, wanted)),
        _ => false,
    }
}

fn is_id(name: &str) -> bool {
    is_id_name(name) || name == "ids" || name.ends_with("_ids")
}

fn is_id_name(name: &str) -> bool {
    name == "id" || name.ends_with("_id")
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Null => "NULL".to_owned(),
        other => other.to_string(),
    }
}

/// `{column}` replaced by its value.
fn with_values(text: &str, row: &Row) -> String {
    let mut out = text.to_owned();
    for (column, value) in row {
        out = out.replace(&format!("{{{column}}}"), &plain(value));
    }
    out
}

/// A path of ours as a JSON path of SQLite: `lines.0.id` as `lines[0].id`.
fn json_path(path: &str) -> String {
    let mut out = String::new();
    for part in path.split('.') {
        if part.parse::<usize>().is_ok() {
            out.push_str(&format!("[{part}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(part);
        }
    }
    out
}
